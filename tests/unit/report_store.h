/* Results folders made up for the tests of report/: no network was harmed. */
#ifndef PARE_TESTS_REPORT_STORE_H
#define PARE_TESTS_REPORT_STORE_H

#include "../support/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store.h"

/* Writes into a new store; close it with pare_store_close(). */
static inline struct pare_store *made_store(const char *folder, const char *objectives,
                                            const char *budget)
{
    struct pare_store *store = NULL;
    struct pare_error err = {0};

    assert_ok(pare_store_open(&store, folder, false, &err), &err);
    assert_ok(pare_store_set(store, "name", "made-up", &err), &err);
    if (objectives)
        assert_ok(pare_store_set(store, "objectives", objectives, &err), &err);
    if (budget)
        assert_ok(pare_store_set(store, "budget", budget, &err), &err);
    return store;
}

static inline void made_trial_status(struct pare_store *store, int64_t id, const char *chain,
                                     const char *options, const char *status, const char *reason)
{
    struct pare_error err = {0};
    char config[600], path[64];
    struct pare_trial_row row = {.id = id,
                                 .config = config,
                                 .chain = chain,
                                 .options_json = options,
                                 .status = status,
                                 .reason = reason,
                                 .stage_key = "",
                                 .artifact_digest = "",
                                 .artifact_path = path};

    snprintf(config, sizeof config, "%s %s", id ? chain : "baseline", id ? options : "");
    snprintf(path, sizeof path, "artifacts/%lld.safetensors", (long long)id);
    assert_ok(pare_store_put_trial(store, &row, &err), &err);
}

static inline void made_trial(struct pare_store *store, int64_t id, const char *chain,
                              const char *options)
{
    made_trial_status(store, id, chain, options, "ok", "");
}

static inline void made_metric_full(struct pare_store *store, int64_t id, const char *metric,
                                    double value, double low, double high, const char *unit,
                                    const char *provenance, const char *note)
{
    struct pare_metric_row row = {.trial = id,
                                  .metric = metric,
                                  .value = value,
                                  .low = low,
                                  .high = high,
                                  .unit = unit,
                                  .provenance = provenance,
                                  .note = note};
    struct pare_error err = {0};

    assert_ok(pare_store_put_metric(store, &row, &err), &err);
}

/* half = 0: exact. */
static inline void made_metric(struct pare_store *store, int64_t id, const char *metric,
                               double value, double half, const char *unit)
{
    made_metric_full(store, id, metric, value, half > 0 ? value - half : NAN,
                     half > 0 ? value + half : NAN, unit, half > 0 ? "measured" : "counted", "");
}

#define MADE_OBJECTIVES                                        \
    "[{\"metric\": \"accuracy\", \"maximize\": true},"         \
    " {\"metric\": \"latency_ms@host\", \"maximize\": false}," \
    " {\"metric\": \"size_bytes\", \"maximize\": false}]"
#define MADE_BUDGET                                                             \
    "[{\"metric\": \"accuracy_drop\", \"limit\": 0.01, \"at_least\": false},"   \
    " {\"metric\": \"latency_ms@host\", \"limit\": 0.05, \"at_least\": false}," \
    " {\"metric\": \"size_bytes\", \"limit\": 131072, \"at_least\": false}]"

static inline double made_random(uint64_t *state) /* in [0, 1): SplitMix64 */
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* A sweep as a LeNet-5 gives it: n trials through four pipelines. */
static inline void made_sweep(const char *folder, int64_t n)
{
    static const char *const chains[] = {"prune > tune > quant", "kd > prune > tune > quant",
                                         "factor > tune > quant", "joint(kd, sparsify) > quant"};
    struct pare_store *store = made_store(folder, MADE_OBJECTIVES, MADE_BUDGET);
    struct pare_error err = {0};
    uint64_t state = 7;
    char options[256];

    assert_ok(pare_store_begin(store, &err), &err);
    for (int64_t id = 0; id < n; id++) {
        int chain = (int)(id % 4);
        double cut = id ? made_random(&state) : 0, quant = made_random(&state);
        double size = id ? 1.724e6 * pow(1 - cut, 1.7) / (quant < 0.3 ? 1 : 4) *
                               (chain == 1   ? 0.4
                                : chain == 3 ? 0.3
                                             : 1)
                         : 1.724e6;
        double latency = 0.089 * pow(1 - 0.93 * cut, 0.8) * (quant < 0.3 || !id ? 1 : 0.45) *
                         (0.95 + 0.1 * made_random(&state)) * (chain == 3 ? 1.3 : 1);
        double accuracy = 0.9145 - (id ? 0.0005 : 0) - 0.06 * pow(cut, chain == 1 ? 5 : 4) -
                          0.012 * made_random(&state) * cut - (chain == 2 ? 0.004 : 0) -
                          (id % 37 == 36 ? 0.5 : 0);
        double half = 1.96 * sqrt(accuracy * (1 - accuracy) / 6000);

        size = floor(size) + 900;
        if (id)
            snprintf(options, sizeof options,
                     "{\"prune.sparsity\": \"%.3g\", \"quant.scheme\": \"%s\","
                     " \"tune.epochs\": \"3\"}",
                     cut, quant < 0.3 ? "W16A16" : "W8A8");
        else
            snprintf(options, sizeof options, "{}");
        if (id % 29 == 28) {
            made_trial_status(store, id, chains[chain], options, "failed",
                              "prune.channels: no channel is left in conv2");
            continue;
        }
        made_trial(store, id, id ? chains[chain] : "", options);
        made_metric(store, id, "accuracy", accuracy, half, "1");
        made_metric(store, id, "accuracy_drop", 0.9145 - accuracy, id ? 0.6 * half : 0, "1");
        made_metric(store, id, "size_bytes", size, 0, "B");
        made_metric(store, id, "macs", floor(2293000 * (1 - cut)) + 1000, 0, "1");
        made_metric(store, id, "latency_ms@host", latency, 0.012 * latency, "ms");
        made_metric_full(store, id, "energy_mj@m7", 12 * latency, 10 * latency, 15 * latency, "mJ",
                         "modeled", "");
        made_metric_full(store, id, "latency_ms@m7", 900 * latency, NAN, NAN, "ms", "modeled",
                         "datasheet numbers");
        made_metric_full(store, id, "PAPI_TOT_INS@host", NAN, NAN, NAN, "1", "unavailable",
                         "no PMU in this virtual machine");
    }
    assert_ok(pare_store_commit(store, &err), &err);
    pare_store_close(store);
}

#endif
