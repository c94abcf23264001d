#!/usr/bin/env bash
# The rooms of harness/ stand in floors; a file includes what stands on lower floors, or its own room.
set -u
declare -A floor=([base]=0 [tensor]=1 [kernel]=1 [option]=1 [graph]=2 [space]=2 [plugin]=3 [io]=3 [train]=3
    [infer]=3 [search]=4 [pipeline]=4 [measure]=4 [store]=4 [sweep]=5 [report]=5 [cli]=6)
bad=0
while IFS=: read -r file line text; do
    room=${file#harness/} room=${room%%/*}
    [ "$room" = include ] && { echo "$file:$line: a public header includes a private one: $text"; bad=1; continue; }
    other=$(sed -E 's/.*"([a-z]+)\/.*/\1/' <<<"$text")
    [ -n "${floor[$other]:-}" ] || continue
    [ "$room" = "$other" ] && continue
    if [ "${floor[$other]}" -ge "${floor[$room]}" ]; then
        echo "$file:$line: room '$room' (floor ${floor[$room]}) includes room '$other' (floor ${floor[$other]})"
        bad=1
    fi
done < <(grep -rnE '^#include "[a-z]+/' harness --include='*.c' --include='*.h')
# A library has one room.
check() { # pattern, room
    found=$(grep -rlE "$1" harness --include='*.c' --include='*.h' | grep -v "^harness/$2/")
    [ -z "$found" ] || { echo "only harness/$2/ may include $1: $found"; bad=1; }
}
check '<(cblas|dnnl)\.h>' kernel
check '<yaml\.h>' option
check '<papi\.h>' measure
check '<sqlite3\.h>' store
check '<(jansson|lzma|zlib|nettle/sha2|curl/curl)\.h>' io
check '<xxhash\.h>' base
[ $bad -eq 0 ] && echo "rooms: ok"
exit $bad
