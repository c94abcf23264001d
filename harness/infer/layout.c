/* One arena for all activations.
 *
 * First, steps that can work in place take over the storage of an operand that nobody reads later.
 * Then storages are placed, largest first, each at the lowest offset where it overlaps no other that
 * is alive at the same time.  Scratch lives during its own step. */
#include <stdlib.h>

#include "infer/nd.h"
#include "infer/program.h"
#include "kernel/conv_u8.h"

static struct buffer *storage_of(const struct program *program, int buffer)
{
    return &program->buffers[program->buffers[buffer].storage];
}

static bool works_in_place(const struct step *step)
{
    switch (step->kind) {
    case STEP_FAKE_QUANTIZE:
    case STEP_ADD:
    case STEP_ACTIVATE:
    case STEP_LOOKUP:
    case STEP_AFFINE:
    case STEP_SOFTMAX: return true;
    case STEP_ND: return nd_works_in_place(step->nd);
    default: return false;
    }
}

static int n_read(const struct step *step)
{
    return step->kind == STEP_ND ? step->nd->n_in : 2;
}

static int read_by(const struct step *step, int k)
{
    if (step->kind == STEP_ND)
        return step->nd->in[k].buffer;
    return k ? step->x2 : step->x;
}

static int n_written(const struct step *step)
{
    return step->kind == STEP_ND ? step->nd->n_out : 1;
}

static int written_by(const struct step *step, int k)
{
    return step->kind == STEP_ND ? step->nd->out[k] : step->y;
}

static void find_lifetimes(struct program *program)
{
    for (int i = 0; i < program->n_buffers; i++)
        program->buffers[i].first_step = program->n_steps;
    for (int i = 0; i < program->n_steps; i++) {
        const struct step *step = &program->steps[i];
        for (int k = 0; k < n_read(step); k++)
            if (read_by(step, k) >= 0)
                storage_of(program, read_by(step, k))->last_step = i;
        for (int k = 0; k < n_written(step); k++) {
            struct buffer *y = storage_of(program, written_by(step, k));
            y->first_step = i < y->first_step ? i : y->first_step;
            y->last_step = i > y->last_step ? i : y->last_step;
        }
    }
}

/* May step i write over its operand in buffer `x`? */
static bool may_take_over(const struct program *program, int i, int x)
{
    const struct step *step = &program->steps[i];
    const struct buffer *from = storage_of(program, x), *to = storage_of(program, step->y);

    return from != to && from->place == PLACE_ARENA && from->last_step == i &&
           from->dtype == to->dtype && from->n_elems == to->n_elems &&
           from->is_shared == to->is_shared;
}

/* All buffers in `from` (a storage) live in `to` from now on. */
static void merge(struct program *program, int from, int to)
{
    struct buffer *a = &program->buffers[from], *b = &program->buffers[to];

    b->first_step = a->first_step < b->first_step ? a->first_step : b->first_step;
    b->last_step = a->last_step > b->last_step ? a->last_step : b->last_step;
    for (int i = 0; i < program->n_buffers; i++)
        if (program->buffers[i].storage == from)
            program->buffers[i].storage = to;
}

static void share_in_place(struct program *program)
{
    for (int i = 0; i < program->n_steps; i++) {
        const struct step *step = &program->steps[i];
        if (!works_in_place(step))
            continue;
        /* The result's storage stays: it may be the caller's memory. */
        if (step->x >= 0 && may_take_over(program, i, step->x))
            merge(program, program->buffers[step->x].storage, program->buffers[step->y].storage);
        else if (step->x2 >= 0 && may_take_over(program, i, step->x2))
            merge(program, program->buffers[step->x2].storage, program->buffers[step->y].storage);
    }
}

/* A stretch of the arena during some steps. */
struct stretch {
    size_t n_bytes, offset;
    int first_step, last_step;
    size_t *result; /* where the offset goes */
};

static int larger_first(const void *a, const void *b)
{
    const struct stretch *x = a, *y = b;

    if (x->n_bytes != y->n_bytes)
        return x->n_bytes < y->n_bytes ? 1 : -1;
    return x->first_step - y->first_step;
}

/* The lowest offset at which stretch k fits among those already placed. */
static size_t lowest_fit(const struct stretch *s, int k)
{
    size_t offset = 0;

    for (bool moved = true; moved;) {
        moved = false;
        for (int i = 0; i < k; i++) {
            bool is_alive = s[i].first_step <= s[k].last_step && s[k].first_step <= s[i].last_step;
            if (is_alive && offset < s[i].offset + s[i].n_bytes &&
                s[i].offset < offset + s[k].n_bytes) {
                offset = s[i].offset + s[i].n_bytes;
                moved = true;
            }
        }
    }
    return offset;
}

static size_t up64(size_t n_bytes)
{
    return (n_bytes + 63) / 64 * 64;
}

/* Kernels on integers may read beyond the end of their input. */
static size_t buffer_bytes(const struct program *program, const struct buffer *buffer)
{
    size_t n_bytes = (size_t)buffer_elems(buffer, program->block) * pare_dtype_bytes(buffer->dtype);

    return up64(n_bytes + (buffer->is_u8 ? PARE_CONV_U8_SLACK : 0));
}

static void place(struct program *program)
{
    int n = 0;
    struct stretch *s = pare_xcalloc((size_t)(program->n_buffers + program->n_steps), sizeof *s);

    for (int i = 0; i < program->n_buffers; i++) {
        struct buffer *b = &program->buffers[i];
        if (b->storage == i && b->place == PLACE_ARENA && b->first_step < program->n_steps)
            s[n++] = (struct stretch){.n_bytes = buffer_bytes(program, b),
                                      .first_step = b->first_step,
                                      .last_step = b->last_step,
                                      .result = &b->offset};
    }
    for (int i = 0; i < program->n_steps; i++)
        if (program->steps[i].work_bytes)
            s[n++] = (struct stretch){.n_bytes = up64(program->steps[i].work_bytes),
                                      .first_step = i,
                                      .last_step = i,
                                      .result = &program->steps[i].work_offset};
    qsort(s, (size_t)n, sizeof *s, larger_first);
    program->arena_bytes = 0;
    for (int k = 0; k < n; k++) {
        s[k].offset = lowest_fit(s, k);
        *s[k].result = s[k].offset;
        if (s[k].offset + s[k].n_bytes > program->arena_bytes)
            program->arena_bytes = s[k].offset + s[k].n_bytes;
    }
    free(s);
}

void program_layout(struct program *program)
{
    /* Activations of a block stay in a core's own cache: half a megabyte of the usual one or two. */
    const size_t cache_bytes = 512 * 1024;
    int64_t n_threads = program->options.n_threads;
    int64_t most = (program->options.max_batch + n_threads - 1) / n_threads;

    find_lifetimes(program);
    share_in_place(program);
    program->block = 1;
    place(program);
    int64_t fits = (int64_t)(cache_bytes / (program->arena_bytes + 1));
    program->block = fits < 1 || !program->is_batched ? 1 : fits > most ? most : fits;
    if (program->block > 1)
        place(program);
}
