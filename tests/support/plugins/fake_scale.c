/* fake.scale: multiplies every weight matrix by a factor.  A stage that costs nothing, for tests of
 * the engine. */
#include <pare/method.h>

struct options {
    double factor;
};

static const struct pare_option schema[] = {
    PARE_OPT(struct options, factor, .def = 1, .min = 0.001, .max = 1000, .help = "the factor"),
    PARE_OPT_END,
};

static pare_status apply(const struct pare_context *ctx, const void *options,
                         struct pare_graph *graph, struct pare_error *err)
{
    const struct options *o = options;

    ctx->log(ctx->log_state, "scaling");
    pare_each_weight(w, graph) {
        pare_status st = pare_value_own_data(w, err);
        float *x;

        if (st)
            return st;
        x = pare_tensor_f32(w->data);
        for (int64_t i = 0; i < pare_tensor_elems(w->data); i++)
            x[i] *= (float)o->factor;
    }
    return PARE_OK;
}

const struct pare_method pare_entry = {
    .abi = PARE_ABI,
    .revision = 1,
    .name = "fake.scale",
    .summary = "multiply all weights by a factor",
    .source = "none: a method for tests",
    .options = schema,
    .options_bytes = sizeof(struct options),
    .apply = apply,
};
