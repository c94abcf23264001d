#!/usr/bin/env bash
# Runs cmocka programs one after the other and adds up what they report.
# The last line reads "N passed, N failed, N skipped"; the exit code is 1 when anything failed.
set -u
passed=0 failed=0 skipped=0 broken=""
export PARE_TOP=${PARE_TOP:-$(pwd)}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for program in "$@"; do
    start=$(date +%s.%N)
    timeout 1200 "$program" >"$log" 2>&1
    status=$?
    p=$(grep -oE '^\[  PASSED  \] [0-9]+' "$log" | awk '{n += $4} END {print n + 0}')
    s=$(grep -oE '^\[  SKIPPED \] [0-9]+' "$log" | awk '{n += $4} END {print n + 0}')
    f=$(grep -oE '^\[  FAILED  \] [0-9]+' "$log" | awk '{n += $4} END {print n + 0}')
    if [ $status -ne 0 ] && [ "$f" -eq 0 ]; then
        f=1 # it crashed, or hung until the limit
        echo "exit code $status" >>"$log"
    fi
    printf '%-44s %3d passed %3d failed %3d skipped  %6.1f s\n' "${program#*/tests/}" "$p" "$f" "$s" \
        "$(echo "$(date +%s.%N) - $start" | awk '{print $1 - $3}')"
    grep -E '^SKIPPED:' "$log"
    if [ "$f" -ne 0 ]; then
        broken="$broken ${program#*/tests/}"
        sed 's/^/    /' "$log" | tail -n 60
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
[ -n "$broken" ] && echo "failed:$broken"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
