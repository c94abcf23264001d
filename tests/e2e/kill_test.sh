#!/bin/sh
# kill -9 at random moments of a sweep with latencies, then on to the end: the tables must be those of
# an undisturbed run.  usage: tests/e2e/kill_test.sh [KILLS [SEED]]
# BUILD says where the program and the tests are (build/release).
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build/release}
seed=${2:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
echo "seed $seed"
PARE=$build/pare PARE_TOP=$(pwd) PARE_KILLS=${1:-30} PARE_KILL_SEED=$seed PARE_KILL_LATENCY=1 \
    exec "$build/tests/e2e/test_engine" '*killed*'
