/* Messages, and worker processes: this program is its own worker when its first word is "worker". */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/check.h"
#include "base/clock.h"
#include "pipeline/worker.h"
#include "pipeline/worker_pool.h"

/* ---- messages ---- */

static void lines_come_whole_however_they_are_cut(void **state)
{
    struct pare_channel channel = {0};
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    channel.fd = ends[0];
    assert_int_equal(write(ends[1], "ab", 2), 2);
    assert_true(pare_channel_fill(&channel));
    assert_null(pare_channel_line(&channel));
    assert_int_equal(write(ends[1], "c\nd\n\ne", 6), 6);
    assert_true(pare_channel_fill(&channel));
    assert_string_equal(pare_channel_line(&channel), "abc");
    assert_string_equal(pare_channel_line(&channel), "d");
    assert_string_equal(pare_channel_line(&channel), "");
    assert_null(pare_channel_line(&channel));
    assert_int_equal(write(ends[1], "f\n", 2), 2);
    assert_true(pare_channel_fill(&channel));
    assert_string_equal(pare_channel_line(&channel), "ef");
    close(ends[1]);
    assert_false(pare_channel_fill(&channel));
    pare_channel_clear(&channel);
    close(ends[0]);
}

static void a_dead_reader_is_an_error_and_no_signal(void **state)
{
    struct pare_channel channel = {0};
    struct pare_error err = {0};
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    channel.fd = ends[0];
    close(ends[1]);
    assert_int_equal(pare_channel_send(&channel, "hello", &err), PARE_ECRASH);
    close(ends[0]);
}

static struct pare_json *parse(const char *text)
{
    struct pare_json *json = NULL;
    struct pare_error err = {0};

    assert_ok(pare_json_parse(&json, text, strlen(text), &err), &err);
    return json;
}

static void a_recipe_comes_back_as_it_went(void **state)
{
    struct pare_arena *arena = pare_arena_new();
    struct pare_text text = {0};
    struct pare_recipe sent, got;
    struct pare_error err = {0};
    struct pare_json *json;

    (void)state;
    pare_recipe_defaults(&sent);
    pare_recipe_defaults(&got);
    sent.epochs = 0.1;
    sent.lr = 1.0 / 3;
    sent.nesterov = true;
    sent.schedule = PARE_SCHEDULE_COSINE;
    sent.augment.shift = 2;
    pare_protocol_add_options(&text, pare_recipe_options, &sent);
    json = parse(text.s);
    assert_ok(pare_protocol_read_options(&got, pare_recipe_options, json, arena, &err), &err);
    assert_memory_equal(&sent.lr, &got.lr, sizeof sent.lr);
    assert_memory_equal(&sent.epochs, &got.epochs, sizeof sent.epochs);
    assert_int_equal(got.schedule, PARE_SCHEDULE_COSINE);
    assert_int_equal(got.augment.shift, 2);
    assert_true(got.nesterov);
    pare_json_free(json);
    pare_text_clear(&text);
    pare_arena_free(arena);
}

static const struct pare_method some_method = {.name = "test.some"};

static const struct pare_method *find(void *state, const char *name)
{
    (void)state;
    return strcmp(name, some_method.name) == 0 ? &some_method : NULL;
}

static void a_task_comes_back_as_it_went(void **state)
{
    static const char *const names[] = {"a", "odd \"name\""};
    static const char *const values[] = {"0.5", "[x, \\y]"};
    const struct pare_task_member members[] = {{"one", &some_method, 2, names, values},
                                               {"two", &some_method, 0, NULL, NULL}};
    const struct pare_task sent = {2, members, true};
    struct pare_arena *arena = pare_arena_new();
    struct pare_text text = {0};
    struct pare_task got;
    struct pare_error err = {0};
    struct pare_json *json;

    (void)state;
    pare_protocol_add_task(&text, &sent);
    json = parse(text.s);
    assert_ok(pare_protocol_read_task(&got, json, find, NULL, arena, &err), &err);
    assert_int_equal(got.n_members, 2);
    assert_true(got.is_joint);
    assert_ptr_equal(got.members[0].method, &some_method);
    assert_string_equal(got.members[0].names[1], names[1]);
    assert_string_equal(got.members[0].values[1], values[1]);
    assert_string_equal(got.members[1].stage, "two");
    pare_json_free(json);
    pare_text_clear(&text);
    pare_arena_free(arena);
}

static void a_task_with_a_method_that_is_not_there_is_refused(void **state)
{
    struct pare_json *json =
        parse("{\"joint\": false, \"members\": [{\"method\": \"x.y\", \"options\": {}}]}");
    struct pare_arena *arena = pare_arena_new();
    struct pare_error err = {0};
    struct pare_task got;

    (void)state;
    assert_int_equal(pare_protocol_read_task(&got, json, find, NULL, arena, &err), PARE_EINVAL);
    assert_non_null(strstr(err.text, "x.y"));
    pare_json_free(json);
    pare_arena_free(arena);
}

static void bytes_and_seeds_come_back_as_they_went(void **state)
{
    static const uint8_t bytes[] = {0, 1, 127, 128, 255};
    struct pare_text text = {0};
    struct pare_json *json;
    uint8_t *got;
    uint64_t seed = 0;

    (void)state;
    pare_text_add(&text, "[");
    pare_protocol_add_bytes(&text, bytes, 5);
    pare_text_add(&text, ", ");
    pare_protocol_add_u64(&text, UINT64_C(0xfedcba9876543210));
    pare_text_add(&text, "]");
    json = parse(text.s);
    got = pare_protocol_read_bytes(pare_json_at(json, 0), 5);
    assert_memory_equal(got, bytes, 5);
    assert_null(pare_protocol_read_bytes(pare_json_at(json, 0), 4));
    assert_true(pare_protocol_read_u64(pare_json_at(json, 1), &seed));
    assert_true(seed == UINT64_C(0xfedcba9876543210));
    free(got);
    pare_json_free(json);
    pare_text_clear(&text);
}

/* ---- workers ---- */

static pare_status hello(void *state, const struct pare_json *message, struct pare_error *err)
{
    (void)state;
    if (pare_json_get_bool(message, "refuse", false))
        return pare_fail(err, PARE_EIO, "hello was refused");
    return PARE_OK;
}

/* What a worker of this test can do. */
static pare_status work(void *state, struct pare_worker_job *job, struct pare_error *err)
{
    (void)state;
    if (strcmp(job->what, "double") == 0) {
        pare_worker_log(job, "doubling");
        pare_text_printf(&job->result, "{\"twice\": %lld}",
                         2 * (long long)pare_json_get_int(job->message, "x", 0));
        return PARE_OK;
    }
    if (strcmp(job->what, "fail") == 0)
        return pare_fail(err, PARE_ENUMERIC, "a NaN, \"quoted\"");
    if (strcmp(job->what, "segfault") == 0) {
        fprintf(stderr, "last words\n");
        signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would turn it into an exit */
        raise(SIGSEGV);
    }
    if (strcmp(job->what, "leave") == 0)
        exit(7);
    if (strcmp(job->what, "hang") == 0)
        pare_sleep_s(60);
    if (strcmp(job->what, "eat") == 0)
        for (;;) {
            size_t n = 16 << 20;
            char *p = malloc(n);

            memset(p, 1, n);
            pare_sleep_s(0.02);
        }
    return pare_fail(err, PARE_EINVAL, "what?");
}

static int serve(void)
{
    const struct pare_worker_handler handler = {NULL, hello, work};

    return pare_worker_serve(PARE_WORKER_FD, &handler);
}

struct fixture {
    char *folder;
    struct pare_worker_pool *pool;
};

static int open_pool(void **state, const char *first_line, int64_t memory_bytes)
{
    static const char *const argv[] = {"/proc/self/exe", "worker", NULL};
    struct fixture *f = calloc(1, sizeof *f);

    f->folder = check_make_dir();
    f->pool = pare_worker_pool_new(&(struct pare_worker_pool_options){
        .argv = argv,
        .hello = first_line,
        .log_folder = f->folder,
        .n_workers = 2,
        .memory_bytes = memory_bytes,
    });
    *state = f;
    return 0;
}

static int setup(void **state)
{
    return open_pool(state, "{\"do\": \"hello\"}", (int64_t)256 << 20);
}

static int setup_refused(void **state)
{
    return open_pool(state, "{\"do\": \"hello\", \"refuse\": true}", 0);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    pare_worker_pool_free(f->pool);
    check_remove_dir(f->folder);
    free(f);
    return 0;
}

static struct pare_worker_event run(struct fixture *f, const char *what, const char *body,
                                    double timeout_s)
{
    struct pare_worker_event event = {0};
    struct pare_error err = {0};

    assert_ok(pare_worker_pool_send(f->pool, 0, 5, what, body, timeout_s, &err), &err);
    assert_true(pare_worker_pool_wait(f->pool, 30, -1, &event));
    assert_int_equal(event.job, 5);
    return event;
}

static void a_job_is_answered(void **state)
{
    struct pare_worker_event event = run(*state, "double", "\"x\": 21", 0);

    assert_int_equal(event.status, PARE_OK);
    assert_int_equal(pare_json_get_int(event.result, "twice", 0), 42);
    assert_string_equal(event.log, "doubling\n");
    assert_true(event.peak_rss_mib > 0);
}

static void a_failure_comes_with_status_and_text(void **state)
{
    struct pare_worker_event event = run(*state, "fail", "", 0);

    assert_int_equal(event.status, PARE_ENUMERIC);
    assert_string_equal(event.error, "a NaN, \"quoted\"");
    assert_null(event.result);
}

static void a_worker_that_dies_loses_its_job_and_is_replaced(void **state)
{
    struct pare_worker_event event = run(*state, "segfault", "", 0);

    assert_int_equal(event.status, PARE_ECRASH);
    assert_non_null(strstr(event.error, "killed by signal 11"));
    assert_non_null(strstr(event.log, "last words"));
    event = run(*state, "double", "\"x\": 1", 0);
    assert_int_equal(event.status, PARE_OK);
}

static void a_worker_that_leaves_says_its_exit_code(void **state)
{
    struct pare_worker_event event = run(*state, "leave", "", 0);

    assert_int_equal(event.status, PARE_ECRASH);
    assert_non_null(strstr(event.error, "exit code 7"));
}

static void a_worker_that_hangs_is_killed_in_time(void **state)
{
    double begin = pare_clock_s();
    struct pare_worker_event event = run(*state, "hang", "", 0.3);

    assert_int_equal(event.status, PARE_ETIMEOUT);
    assert_non_null(strstr(event.error, "timeout after 0.3 s"));
    assert_true(pare_clock_s() - begin < 10);
}

static void a_worker_that_eats_memory_is_killed(void **state)
{
    struct pare_worker_event event = run(*state, "eat", "", 0);

    assert_int_equal(event.status, PARE_ENOMEM);
    assert_non_null(strstr(event.error, "the limit is 256 MiB"));
    assert_true(event.peak_rss_mib > 200);
}

static void a_refused_hello_is_the_answer_to_every_job(void **state)
{
    struct pare_worker_event event = run(*state, "double", "\"x\": 1", 0);

    assert_int_equal(event.status, PARE_EIO);
    assert_string_equal(event.error, "hello was refused");
}

static void two_workers_work_at_once(void **state)
{
    struct fixture *f = *state;
    struct pare_worker_event event;
    struct pare_error err = {0};
    int64_t sum = 0;

    assert_ok(pare_worker_pool_send(f->pool, 0, 1, "hang", "", 20, &err), &err);
    assert_int_equal(pare_worker_pool_idle(f->pool), 1);
    assert_ok(pare_worker_pool_send(f->pool, 1, 2, "double", "\"x\": 3", 0, &err), &err);
    assert_int_equal(pare_worker_pool_n_busy(f->pool), 2);
    assert_true(pare_worker_pool_wait(f->pool, 30, -1, &event));
    assert_int_equal(event.job, 2);
    sum += pare_json_get_int(event.result, "twice", 0);
    assert_int_equal(sum, 6);
    pare_worker_pool_kill(f->pool);
    assert_int_equal(pare_worker_pool_n_busy(f->pool), 0);
}

static void waiting_ends_when_someone_knocks(void **state)
{
    struct fixture *f = *state;
    struct pare_worker_event event;
    struct pare_error err = {0};
    int knock[2];

    assert_int_equal(pipe(knock), 0);
    assert_int_equal(write(knock[1], "x", 1), 1);
    assert_ok(pare_worker_pool_send(f->pool, 0, 1, "hang", "", 20, &err), &err);
    assert_false(pare_worker_pool_wait(f->pool, 30, knock[0], &event));
    close(knock[0]);
    close(knock[1]);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_whole_however_they_are_cut),
        cmocka_unit_test(a_dead_reader_is_an_error_and_no_signal),
        cmocka_unit_test(a_recipe_comes_back_as_it_went),
        cmocka_unit_test(a_task_comes_back_as_it_went),
        cmocka_unit_test(a_task_with_a_method_that_is_not_there_is_refused),
        cmocka_unit_test(bytes_and_seeds_come_back_as_they_went),
        cmocka_unit_test_setup_teardown(a_job_is_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failure_comes_with_status_and_text, setup, teardown),
        cmocka_unit_test_setup_teardown(a_worker_that_dies_loses_its_job_and_is_replaced, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_worker_that_leaves_says_its_exit_code, setup, teardown),
        cmocka_unit_test_setup_teardown(a_worker_that_hangs_is_killed_in_time, setup, teardown),
        cmocka_unit_test_setup_teardown(a_worker_that_eats_memory_is_killed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_refused_hello_is_the_answer_to_every_job, setup_refused,
                                        teardown),
        cmocka_unit_test_setup_teardown(two_workers_work_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(waiting_ends_when_someone_knocks, setup, teardown),
    };

    if (argc > 1 && strcmp(argv[1], "worker") == 0)
        return serve();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
