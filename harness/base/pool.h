/* A fixed team of threads that run one function together.
 *
 * The caller is thread 0.  Waiting spins briefly and then sleeps, so a team on a busy machine does
 * not burn the other core.  One pool serves one caller at a time.  With n_threads = 1 there is no
 * thread and no cost. */
#ifndef PARE_BASE_POOL_H
#define PARE_BASE_POOL_H

struct pare_pool;
struct pare_pool *pare_pool_new(int n_threads);
void pare_pool_free(struct pare_pool *pool);
int pare_pool_n_threads(const struct pare_pool *pool);
/* Runs fn(arg, thread, n_threads) on every thread and returns when all have returned. */
void pare_pool_run(struct pare_pool *pool, void (*fn)(void *arg, int thread, int n_threads),
                   void *arg);
/* Inside fn: waits until every thread of the team is here. */
void pare_pool_barrier(struct pare_pool *pool);
int pare_cpu_count(void); /* cores this process may use */
#endif
