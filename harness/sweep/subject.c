#include "sweep/subject.h"

#include <string.h>

#include <pare/zoo.h>

#include "io/model.h"

/* A network from a file must take the samples and answer with the classes of the data. */
static pare_status check_fit(const struct pare_graph *graph, const struct pare_data *data,
                             struct pare_error *err)
{
    struct pare_shape sample = pare_data_sample_shape(data), input;
    int n_classes = pare_data_n_classes(data);
    char a[64], b[64];

    if (graph->n_inputs != 1 || graph->n_outputs < 1)
        return pare_fail(err, PARE_EINVAL, "a network with one input is needed, not %d",
                         graph->n_inputs);
    if (!pare_graph_is_batched(graph))
        return pare_fail(err, PARE_EINVAL, PARE_NOT_BATCHED);
    input = graph->inputs[0]->shape;
    memmove(input.dims, input.dims + 1, sizeof input.dims - sizeof input.dims[0]);
    input.n_dims--;
    if (!pare_shape_equal(&input, &sample))
        return pare_fail(err, PARE_EINVAL, "the network takes %s, but a sample of %s is %s",
                         pare_shape_text(&input, a, sizeof a), pare_data_name(data),
                         pare_shape_text(&sample, b, sizeof b));
    if (n_classes && graph->outputs[0]->shape.dims[1] != n_classes)
        return pare_fail(err, PARE_EINVAL, "the network has %lld outputs, but %s has %d classes",
                         (long long)graph->outputs[0]->shape.dims[1], pare_data_name(data),
                         n_classes);
    return PARE_OK;
}

static pare_status check_metrics(const struct pare_sweep *sweep, const struct pare_data *data,
                                 struct pare_error *err)
{
    for (int i = 0; i < sweep->n_metrics && pare_data_n_classes(data) == 0; i++)
        if (strncmp(sweep->metrics[i].name, "accuracy", 8) == 0)
            return pare_fail(err, PARE_EINVAL,
                             "%s has no labels, so there is no %s; ask for loss: min",
                             pare_data_name(data), sweep->metrics[i].name);
    return PARE_OK;
}

static pare_status open_graph(struct pare_subject *out, const struct pare_sweep *sweep,
                              struct pare_error *err)
{
    struct pare_shape sample = pare_data_sample_shape(out->data);
    pare_status st;

    if (sweep->model_zoo)
        return pare_zoo_build(&out->graph, sweep->model_zoo, &sample,
                              pare_data_n_classes(out->data), sweep->seed, err);
    st = pare_model_load(&out->graph, sweep->model_path, err);
    return st ? st : check_fit(out->graph, out->data, err);
}

/* Every student must be buildable for this data. */
static pare_status check_students(const struct pare_sweep *sweep, const struct pare_data *data,
                                  struct pare_error *err)
{
    struct pare_shape sample = pare_data_sample_shape(data);

    for (int s = 0; s < sweep->space->n_stages; s++)
        for (int m = 0; m < sweep->space->stages[s].n_methods; m++) {
            const struct pare_stage_method *sm = &sweep->space->stages[s].methods[m];

            for (int d = 0; d < sm->n_dims; d++)
                for (int i = 0;
                     strcmp(sm->dims[d].name, "student") == 0 && i < sm->dims[d].n_values; i++) {
                    struct pare_graph *graph = NULL;
                    pare_status st = pare_zoo_build(&graph, sm->dims[d].values[i], &sample,
                                                    pare_data_n_classes(data), 0, err);

                    pare_graph_free(graph);
                    if (st) {
                        pare_error_prefix(err, "student '%s'", sm->dims[d].values[i]);
                        return st;
                    }
                }
        }
    return PARE_OK;
}

pare_status pare_subject_open(struct pare_subject *out, const struct pare_sweep *sweep,
                              const char **section, struct pare_error *err)
{
    const char *here = "data";
    pare_status st;

    memset(out, 0, sizeof *out);
    st = pare_data_open(&out->data, &sweep->data, err);
    if (!st && pare_data_n(out->data, PARE_VALIDATION) == 0)
        st = pare_fail(
            err, PARE_EINVAL,
            "data: no samples are left for validation, by which trials are compared; raise "
            "val_fraction or limit_train");
    if (st)
        goto done;
    here = "train";
    st = pare_data_check_augment(out->data, &sweep->train.augment, err);
    if (st)
        goto done;
    here = "objectives";
    st = check_metrics(sweep, out->data, err);
    if (st)
        goto done;
    here = "model";
    st = open_graph(out, sweep, err);
    if (st) {
        pare_error_prefix(err, "model");
        goto done;
    }
    here = "stages";
    st = check_students(sweep, out->data, err);
done:
    if (st)
        pare_subject_close(out);
    if (section)
        *section = here;
    return st;
}

void pare_subject_close(struct pare_subject *subject)
{
    pare_graph_free(subject->graph);
    if (subject->data)
        pare_data_close(subject->data);
    memset(subject, 0, sizeof *subject);
}
