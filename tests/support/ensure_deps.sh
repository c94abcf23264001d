#!/bin/sh
# Installs the Debian packages that pare needs and that are missing.  On a system without apt it
# prints the list and stops.
set -eu
packages="gcc make pkg-config git libyaml-dev libopenblas-openmp-dev libdnnl-dev libpapi-dev libcmocka-dev
libsqlite3-dev libxxhash-dev libjansson-dev zlib1g-dev liblzma-dev libcurl4-openssl-dev nettle-dev gnuplot-nox fonts-dejavu-core"
[ "${1:-}" = --dev ] && packages="$packages clang-format clang-tidy cppcheck"
missing=""
if command -v dpkg-query >/dev/null 2>&1; then
    for p in $packages; do
        dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $p"
    done
    [ -z "$missing" ] && exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "pare needs these libraries with their headers (names of Debian's packages):" >&2
    echo "  $packages" | tr '\n' ' ' >&2
    echo >&2
    echo "Install them with this system's package manager, then run make again." >&2
    exit 1
fi
echo "installing:$missing" >&2
sudo=""
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || { echo "not root and no sudo; as root: apt-get install$missing" >&2; exit 1; }
    sudo=sudo
fi
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
# shellcheck disable=SC2086
$sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
