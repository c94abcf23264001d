#include "pipeline/key.h"

#include "option/schema.h"

static struct pare_hash *begin(const struct pare_key_scope *scope, const char *kind,
                               const struct pare_recipe *recipe)
{
    struct pare_hash *hash = pare_hash_new();
    struct pare_text text = {0};

    pare_hash_add_text(hash, kind);
    pare_text_printf(&text, "engine %d; seed %llu; fidelity %.17g", PARE_ENGINE_REVISION,
                     (unsigned long long)scope->seed, scope->fidelity);
    pare_hash_add_text(hash, text.s);
    pare_hash_add_text(hash, scope->numeric_mode);
    pare_hash_add_text(hash, scope->data_digest);
    pare_text_clear(&text);
    pare_options_canonical(pare_recipe_options, recipe, &text);
    pare_hash_add_text(hash, text.s ? text.s : "");
    pare_text_clear(&text);
    return hash;
}

struct pare_digest pare_key_baseline(const struct pare_key_scope *scope, const char *source)
{
    struct pare_hash *hash = begin(scope, "baseline", scope->train);

    pare_hash_add_text(hash, source);
    return pare_hash_finish(hash);
}

pare_status pare_key_stage(struct pare_digest *out, const struct pare_key_scope *scope,
                           const char *baseline_digest, const char *parent_digest,
                           const struct pare_task *task, struct pare_error *err)
{
    struct pare_recipe recipe = *scope->train;
    struct pare_text canonical = {0};
    struct pare_hash *hash;
    pare_status st;

    st = pare_task_recipe(&recipe, task, err);
    if (!st)
        st = pare_task_canonical(task, &canonical, err);
    if (st)
        goto done;
    hash = begin(scope, "stage", &recipe);
    pare_hash_add_text(hash, baseline_digest);
    pare_hash_add_text(hash, parent_digest);
    pare_hash_add_text(hash, canonical.s);
    *out = pare_hash_finish(hash);
done:
    pare_text_clear(&canonical);
    return st;
}

uint64_t pare_key_seed(const char *key)
{
    struct pare_hash *hash = pare_hash_new();
    struct pare_digest digest;

    pare_hash_add_text(hash, "seed");
    pare_hash_add_text(hash, key);
    digest = pare_hash_finish(hash);
    return pare_digest_u64(&digest);
}
