/* fake.bad: does in a stage what no method should do. */
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pare/method.h>

enum { NOTHING, SEGFAULT, HANG, EAT, MAKE_NAN, FAIL, REFUSE, LEAVE };
struct options {
    int how;
};

static const struct pare_option schema[] = {
    PARE_OPT(struct options, how,
             .choices = PARE_CHOICES("nothing", "segfault", "hang", "eat", "nan", "fail", "refuse",
                                     "leave"),
             .def = NOTHING, .help = "what goes wrong"),
    PARE_OPT_END,
};

static void die(void)
{
    volatile int *nowhere = NULL;

    signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would turn it into an exit */
    *nowhere = 1;
}

static void eat(void)
{
    const size_t n = (size_t)32 << 20;

    for (;;) {
        char *p = malloc(n);

        if (p)
            memset(p, 1, n);
        usleep(2000);
    }
}

static pare_status apply(const struct pare_context *ctx, const void *options,
                         struct pare_graph *graph, struct pare_error *err)
{
    const struct options *o = options;

    (void)ctx;
    switch (o->how) {
    case SEGFAULT: die(); break;
    case HANG:
        for (;;)
            pause();
    case EAT: eat(); break;
    case MAKE_NAN:
        pare_each_weight(w, graph) {
            pare_status st = pare_value_own_data(w, err);

            if (st)
                return st;
            pare_tensor_f32(w->data)[0] = NAN;
        }
        break;
    case FAIL: return pare_fail(err, PARE_EUNSUPPORTED, "this method always fails");
    case REFUSE: return pare_fail(err, PARE_EINFEASIBLE, "this network cannot be had");
    case LEAVE: exit(3);
    default: break;
    }
    return PARE_OK;
}

const struct pare_method pare_entry = {
    .abi = PARE_ABI,
    .revision = 1,
    .name = "fake.bad",
    .summary = "crash, hang, eat memory, make NaN",
    .source = "none: a method for tests",
    .options = schema,
    .options_bytes = sizeof(struct options),
    .apply = apply,
};
