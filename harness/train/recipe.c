/* The training recipe's option rows (pare/train.h). */
#include <pare/train.h>

#include "option/schema.h"

#define ROW(FIELD, TYPE) .name = #FIELD, .type = TYPE, .offset = offsetof(struct pare_recipe, FIELD)
#define AUGMENT(FIELD, TYPE) \
    .name = #FIELD, .type = TYPE, .offset = offsetof(struct pare_recipe, augment.FIELD)

const struct pare_option pare_recipe_options[] = {
    {ROW(epochs, PARE_OPTION_F64), .def = 10, .min = 0, .max = 100000, .unit = "epochs",
     .fidelity = true, .help = "passes over the training split; may be a fraction"},
    {ROW(batch, PARE_OPTION_INT), .def = 128, .min = 1, .max = 65536, .unit = "samples",
     .help = "samples per step"},
    {ROW(optimizer, PARE_OPTION_INT), .choices = PARE_CHOICES("sgd", "adam", "adamw"),
     .def = PARE_ADAMW, .help = "how weights follow their gradients"},
    {ROW(lr, PARE_OPTION_F64), .def = 1e-3, .min = 0, .max = 100, .help = "learning rate"},
    {ROW(momentum, PARE_OPTION_F64), .def = 0.9, .min = 0, .max = 0.9999,
     .help = "of sgd: what is left of the last step"},
    {ROW(nesterov, PARE_OPTION_BOOL), .def = 0, .help = "of sgd: look ahead along the momentum"},
    {ROW(weight_decay, PARE_OPTION_F64), .def = 1e-4, .min = 0, .max = 10,
     .help = "pull towards zero; never of biases and norms"},
    {ROW(beta1, PARE_OPTION_F64), .def = 0.9, .min = 0, .max = 0.99999,
     .help = "of adam: decay of the first moment"},
    {ROW(beta2, PARE_OPTION_F64), .def = 0.999, .min = 0, .max = 0.9999999,
     .help = "of adam: decay of the second moment"},
    {ROW(epsilon, PARE_OPTION_F64), .def = 1e-8, .min = 1e-16, .max = 1,
     .help = "of adam: keeps the division finite"},
    {ROW(schedule, PARE_OPTION_INT), .choices = PARE_CHOICES("constant", "step", "cosine"),
     .def = PARE_SCHEDULE_COSINE, .help = "how the learning rate goes after the warm-up"},
    {ROW(warmup, PARE_OPTION_F64), .def = 0, .min = 0, .max = 100000, .unit = "epochs",
     .help = "linear rise of the learning rate from 0"},
    {ROW(step_every, PARE_OPTION_F64), .def = 10, .min = 1e-3, .max = 100000, .unit = "epochs",
     .help = "of schedule step: after so many epochs"},
    {ROW(step_factor, PARE_OPTION_F64), .def = 0.1, .min = 0, .max = 1,
     .help = "of schedule step: the rate is multiplied with this"},
    {ROW(label_smoothing, PARE_OPTION_F64), .def = 0, .min = 0, .max = 0.999,
     .help = "share of the label that is spread over all classes"},
    {ROW(clip_norm, PARE_OPTION_F64), .def = 0, .min = 0, .max = 1e9,
     .help = "largest norm of all gradients together; 0: no limit"},
    {ROW(loss, PARE_OPTION_INT), .choices = PARE_CHOICES("cross_entropy", "mse"),
     .def = PARE_LOSS_CROSS_ENTROPY,
     .help = "cross_entropy with the labels, or mse against the input itself"},
    {AUGMENT(shift, PARE_OPTION_INT), .def = 0, .min = 0, .max = 1024, .unit = "pixels",
     .help = "move each image by up to this, both ways"},
    {AUGMENT(flip, PARE_OPTION_BOOL), .def = 0, .help = "mirror half of the images left to right"},
    {AUGMENT(crop_padding, PARE_OPTION_INT), .def = 0, .min = 0, .max = 1024, .unit = "pixels",
     .help = "pad by this and cut out at random"},
    {ROW(patience, PARE_OPTION_INT), .def = 0, .min = 0, .max = 100000, .unit = "epochs",
     .help = "stop after so many without a better validation; 0: never"},
    {ROW(keep_best, PARE_OPTION_BOOL), .def = 0,
     .help = "return the weights of the best validation epoch"},
    PARE_OPT_END,
};

void pare_recipe_defaults(struct pare_recipe *recipe)
{
    *recipe = (struct pare_recipe){0};
    pare_options_defaults(pare_recipe_options, recipe);
}
