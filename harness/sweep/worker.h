/* `pare worker`: what a worker of a sweep can do.
 *
 * Everything comes through the stream (pipeline/protocol.h); a worker reads no sweep file and writes
 * nothing but artifacts.  Artifacts are named by their keys.
 *
 *   hello     folder, data, train, devices            what all jobs share; devices as
                                                       {"id", "model", "options"}
 *   baseline  key, zoo | path                         -> digest, size_bytes, macs, params
 *   stage     key, parent, baseline, task             -> the same
 *   probe     parent, baseline, task                  -> macs, params of what training would start from
 *   evaluate  artifact, threads, hosts                -> n, n_correct, accuracy, mse, bits; size_bytes,
 *                                                        macs, params, weight_bytes, devices, hosts
 *   test      artifact, threads                       -> n, n_correct, accuracy, mse, bits
 *   latency   subjects, threads, max_s, seed          -> results
 *   counters  subjects, threads, events               -> results
 */
#ifndef PARE_SWEEP_WORKER_H
#define PARE_SWEEP_WORKER_H

/* Serves on PARE_WORKER_FD; returns the exit code. */
int pare_sweep_worker(void);

#endif
