#!/usr/bin/env bash
# Measures pare beside its peers: run_bench.sh [PART ...].  Parts: infer, train, aa.
#
# Ours and the peer's programs take turns for at least three rounds, so that drift of the machine hits
# both; medians over the rounds and their ratio are printed.  Peers are optional.  ONNX Runtime:
#     python3 -m venv build/peers && build/peers/bin/pip install onnxruntime onnx
# PyTorch: Debian's python3-torch.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
build=${PARE_BUILD:-$top/build/release}
rounds=${ROUNDS:-3}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-2}

# The first Python that can import the module, or nothing.
python_with() { # module
    for p in "$top/build/peers/bin/python" python3 /usr/bin/python3; do
        "$p" -c "import $1" >/dev/null 2>&1 && { echo "$p"; return; }
    done
}

# take_turns NAME OURS... -- PEER...: the output of all rounds in $tmp/NAME.ours and $tmp/NAME.peer
take_turns() {
    local name=$1 ours=() peer=()
    shift
    while [ $# -gt 0 ] && [ "$1" != -- ]; do ours+=("$1"); shift; done
    shift
    peer=("$@")
    for _ in $(seq "$rounds"); do
        "${ours[@]}" >>"$tmp/$name.ours" || return 1
        [ ${#peer[@]} -eq 0 ] || "${peer[@]}" >>"$tmp/$name.peer" 2>"$tmp/$name.log" || cat "$tmp/$name.log" >&2
    done
    touch "$tmp/$name.peer"
}

# Medians over rounds of column VALUE for each combination of the columns KEYS (fields of tab-separated lines).
table() { # name, number of key columns, value column, unit, what a ratio above 1 means
    awk -F'\t' -v keys="$2" -v value="$3" -v unit="$4" '
        function median(list, n,    a, i, j, t) {
            n = split(list, a, " ")
            for (i = 2; i <= n; i++)
                for (j = i; j > 1 && a[j - 1] + 0 > a[j] + 0; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
            return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
        }
        /^#/ { next }
        {
            key = $2
            for (i = 3; i < 2 + keys; i++) key = key "\t" $i
            if (FILENAME ~ /ours$/) { if (!(key in ours)) order[++n] = key; ours[key] = ours[key] " " $value }
            else peer[key] = peer[key] " " $value
        }
        END {
            for (i = 1; i <= n; i++) {
                key = order[i]
                o = median(ours[key])
                split(key, k, "\t")
                printf "%-18s %-5s batch %-4s threads %-3s %10.2f %s", k[1], k[2], k[3], k[4], o, unit
                if (key in peer) { p = median(peer[key]); printf "   peer %10.2f %s   ratio %.2f", p, unit, o / p }
                printf "\n"
            }
        }' "$tmp/$1.ours" "$tmp/$1.peer"
}

infer() {
    local python batch threads=1
    python=$(python_with onnxruntime)
    [ -n "$python" ] || echo "(ONNX Runtime is not installed: no ratios)"
    echo "inference: median latency; peer ONNX Runtime without the cost of its call from Python; a ratio below 1: pare is faster"
    for batch in 1 32; do
        rm -f "$tmp"/infer.*
        take_turns infer "$build/tests/bench/bench_infer" $batch $threads 3 -- \
            ${python:+"$python" "$top/tests/bench/bench_infer_peer.py" $batch $threads 4} || return 1
        table infer 4 6 us
    done
}

# bench_train.c prints: train NET BATCH THREADS samples_per_s; the same lines come from PyTorch.
train() {
    local python threads
    python=$(python_with torch)
    [ -n "$python" ] || echo "(PyTorch is not installed: no ratios)"
    echo "training: samples per second; peer PyTorch; a ratio above 1: pare is faster"
    for threads in 1 2; do
        rm -f "$tmp"/train.*
        # glibc keeps freed memory: worth 15 % to the peer on ResNet-8.
        MALLOC_TRIM_THRESHOLD_=1000000000 MALLOC_MMAP_THRESHOLD_=1000000000 \
            take_turns train "$build/tests/bench/bench_train" 1 $threads -- \
            ${python:+"$python" "$top/tests/bench/bench_train_torch.py" 1 $threads} || return 1
        sed -i 's/^train\t\([^\t]*\)\t/train\t\1\tf32\t/' "$tmp"/train.ours "$tmp"/train.peer
        table train 4 6 samples/s
    done
}

# Is the latency protocol honest?  Pairs of the same network; at most 2 of 100 may be called different.
aa() {
    echo "A/A test of the latency protocol"
    "$build/tests/bench/bench_aa" 100 lenet5-quarter | cut -f2-
}

for part in ${@:-infer train aa}; do
    "$part" || exit 1
done
