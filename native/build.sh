#!/usr/bin/env bash
# build.sh     collects the native libraries that the binary links into artifacts/native, and checks them
#
# Idempotent: does nothing when everything is there and newer than its sources. The archives are links to those of Debian or Ubuntu.
# Only one C file is compiled here, the fast checksum. scripts/setup.sh installs the packages.
set -euo pipefail
cd "$(dirname "$0")"
out=$PWD/../artifacts/native
cc=${CC:-gcc}
wrap=-Wl,--wrap=_ZN7rocksdb6crc32c6ExtendEjPKcm
# Each archive and its package, in the order that the linker needs.
archives=(librocksdb.a:librocksdb-dev libbz2.a:libbz2-dev libsnappy.a:libsnappy-dev liblz4.a:liblz4-dev libzstd.a:libzstd-dev
    libz.a:zlib1g-dev libstdc++.a:g++)
die() { echo "native: $*" >&2; exit 1; }

# The installed versions of the packages: an upgraded archive may have an older date than the check.
versions() {
    dpkg-query -W -f='${Package} ${Version}\n' "${archives[@]##*:}" libssl-dev 2> /dev/null || true
}

fresh() {
    local f
    for f in crc32c.c crc32c-check.c build.sh; do [ "$out/checked" -nt "$f" ] || return 1; done
    [ "$(cat "$out/checked")" = "$(versions)" ] || return 1
    for f in "${archives[@]}"; do [ -e "$out/${f%%:*}" ] && [ ! "$out/${f%%:*}" -nt "$out/checked" ] || return 1; done
    [ -e "$out/crc32c.o" ]
}

command -v "$cc" > /dev/null || die "no C compiler ($cc): install the package gcc"
# .NET compiles its OpenSSL shim for static linking, with cmake.
command -v cmake > /dev/null || die "no cmake: install the package cmake"
if fresh; then exit 0; fi
mkdir -p "$out"
rm -f "$out/checked"
paths=()
for a in "${archives[@]}"; do
    path=$("$cc" -print-file-name="${a%%:*}")
    case $path in /*) ;; *) die "${a%%:*} is missing: install the package ${a##*:}" ;; esac
    ln -sfn "$(readlink -f "$path")" "$out/${a%%:*}"
    paths+=("$out/${a%%:*}")
done
for f in libssl.a libcrypto.a; do
    case $("$cc" -print-file-name=$f) in /*) ;; *) die "$f is missing: install the package libssl-dev" ;; esac
done
# RocksDB 7 is the first whose C API has everything that the store calls, such as the blob options.
grep -qE '^#define ROCKSDB_MAJOR ([7-9]|[1-9][0-9])' /usr/include/rocksdb/version.h || die "librocksdb-dev is older than version 7"

"$cc" -std=c11 -O2 -fPIC -Wall -Wextra -Werror -c crc32c.c -o "$out/crc32c.o"
check=$(mktemp)
trap 'rm -f "$check"' EXIT
"$cc" -std=c11 -D_POSIX_C_SOURCE=200809L -O2 -Wall -Wextra -Werror crc32c-check.c "$out/crc32c.o" $wrap "${paths[@]}" \
    -lm -lpthread -static-libgcc -o "$check"
"$check"
versions > "$out/checked"
