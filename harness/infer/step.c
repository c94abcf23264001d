#include <math.h>
#include <string.h>

#include "infer/nd.h"
#include "infer/program.h"
#include "kernel/depthwise.h"
#include "kernel/pool.h"

/* Of the caller's samples before those that run. */
static size_t skipped_bytes(const struct buffer *storage, const struct step_memory *memory)
{
    if (storage->is_shared)
        return 0;
    return (size_t)(memory->first * storage->n_elems) * pare_dtype_bytes(storage->dtype);
}

void *buffer_data(const struct program *program, int buffer, const struct step_memory *memory)
{
    const struct buffer *storage = &program->buffers[program->buffers[buffer].storage];

    switch (storage->place) {
    case PLACE_INPUT: /* no step writes to it */
        return (char *)(uintptr_t)memory->inputs[storage->io] + skipped_bytes(storage, memory);
    case PLACE_OUTPUT: return (char *)memory->outputs[storage->io] + skipped_bytes(storage, memory);
    case PLACE_ARENA: break;
    }
    return memory->arena + storage->offset;
}

static void run_add(const struct program *program, const struct step *step, void *y, const void *a,
                    const void *b, int64_t n_elems)
{
    const struct buffer *pa = &program->buffers[step->x], *pb = &program->buffers[step->x2];
    const struct buffer *py = &program->buffers[step->y];

    if (!py->is_u8) {
        pare_add_f32(y, a, b, n_elems, step->low, step->high);
        return;
    }
    float a_scale = (float)((double)pa->scale / (double)py->scale);
    float b_scale = (float)((double)pb->scale / (double)py->scale);
    if (program->is_portable)
        pare_add_u8_ref(y, a, b, n_elems, a_scale, pa->range.zero, b_scale, pb->range.zero,
                        step->range);
    else
        pare_add_u8(y, a, b, n_elems, a_scale, pa->range.zero, b_scale, pb->range.zero,
                    step->range);
}

static void run_maxpool(const struct program *program, const struct step *step, void *y,
                        const void *x, int64_t n)
{
    bool is_u8 = program->buffers[step->y].is_u8;

    if (program->is_portable && is_u8)
        pare_maxpool_u8_ref(y, x, &step->s, n);
    else if (program->is_portable)
        pare_maxpool_f32_ref(y, x, &step->s, n);
    else if (is_u8)
        pare_maxpool_u8(y, x, &step->s, n, program->isa);
    else
        pare_maxpool_f32(y, x, &step->s, n, program->isa);
}

static void run_avgpool(const struct program *program, const struct step *step, void *y,
                        const void *x, int64_t n)
{
    const struct buffer *px = &program->buffers[step->x], *py = &program->buffers[step->y];

    if (!py->is_u8) {
        if (program->is_portable)
            pare_avgpool_f32_ref(y, x, &step->s, n);
        else
            pare_avgpool_f32(y, x, &step->s, n);
        return;
    }
    double scale = (double)px->scale / (double)py->scale;
    if (program->is_portable)
        pare_avgpool_u8_ref(y, x, px->range.zero, &step->s, n, scale, step->range);
    else
        pare_avgpool_u8(y, x, px->range.zero, &step->s, n, scale, step->range);
}

void step_run(const struct program *program, const struct step *step,
              const struct step_memory *memory)
{
    if (step->kind == STEP_ND) {
        nd_run(program, step, memory);
        return;
    }
    const struct buffer *px = &program->buffers[step->x], *py = &program->buffers[step->y];
    void *x = buffer_data(program, step->x, memory), *y = buffer_data(program, step->y, memory);
    int64_t n = buffer_rows(py, memory->n), n_elems = buffer_elems(py, memory->n);

    switch (step->kind) {
    case STEP_ND: break;
    case STEP_CONV:
        step->kernel.run(step->kernel.state, y, x, n, memory->arena + step->work_offset,
                         memory->thread);
        break;
    case STEP_QUANTIZE:
        if (program->is_portable)
            pare_quantize_u8_ref(y, x, n_elems, py->scale, py->range);
        else
            pare_quantize_u8(y, x, n_elems, py->scale, py->range);
        break;
    case STEP_DEQUANTIZE:
        if (program->is_portable)
            pare_dequantize_u8_ref(y, x, n_elems, px->scale, px->range.zero);
        else
            pare_dequantize_u8(y, x, n_elems, px->scale, px->range.zero);
        break;
    case STEP_FAKE_QUANTIZE: pare_fake_quantize_ref(y, x, n_elems, py->scale, py->range); break;
    case STEP_COPY: memcpy(y, x, (size_t)n_elems * pare_dtype_bytes(py->dtype)); break;
    case STEP_CHANNELS_FIRST: pare_channels_first_f32(y, x, n, px->H * px->W, px->C); break;
    case STEP_CHANNELS_LAST: pare_channels_first_f32(y, x, n, py->C, py->H * py->W); break;
    case STEP_MAXPOOL: run_maxpool(program, step, y, x, n); break;
    case STEP_AVGPOOL: run_avgpool(program, step, y, x, n); break;
    case STEP_ADD:
        run_add(program, step, y, x, buffer_data(program, step->x2, memory), n_elems);
        break;
    case STEP_ACTIVATE: pare_activate_f32(y, x, n_elems, &step->activation); break;
    case STEP_LOOKUP: pare_lookup_u8(y, x, n_elems, step->table); break;
    case STEP_AFFINE:
        pare_affine_f32(y, x, n_elems / py->C, py->C, step->affine_scale, step->shift, step->low,
                        step->high);
        break;
    case STEP_SOFTMAX: pare_softmax_f32(y, x, n, py->C); break;
    }
}

const char *step_kernel_name(const struct program *program, const struct step *step)
{
    bool is_u8 = program->buffers[step->y].is_u8;

    if (step->kind == STEP_CONV)
        return step->kernel.name;
    if (step->kind == STEP_ND)
        return nd_kernel_name(program, step);
    if (program->is_portable)
        return is_u8 ? "portable:u8" : "portable:f32";
    return is_u8 ? "pare:u8" : "pare:f32";
}
