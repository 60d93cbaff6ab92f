#!/usr/bin/env bash
# setup.sh [PURPOSE...]     installs through apt the packages that are missing for these purposes (default: build)
#
#   unit     unit tests of projects that load RocksDB          build    the published binary
#   netns    network namespaces                                lab      hosts with a containerd each, and a registry
#   impair   delay, loss and DNS in the lab                    go       containerd's own test suite, the Go client of the benchmarks
#   npm      the js-libp2p peer                                images   the large images of the benchmarks
#   demo = build lab;  test = build lab impair go npm;  bench = build lab go npm images
#
# Idempotent: when nothing is missing it needs neither apt nor root. Debian 12 or newer, Ubuntu 24.04 or newer.
# For the purpose `build`, libraries that are linked statically are also upgraded to the newest version of the release, since a security
# update of a shared library does not reach the binary. The lists of packages are fetched anew when they are older than a day.
# The .NET 10 SDK must be there already, installed in any way: Debian has no package of it.
set -euo pipefail

die() { echo "setup: $*" >&2; exit 1; }

declare -A packages=(
    [unit]="librocksdb-dev"
    [build]="gcc g++ libc6-dev binutils cmake make curl ca-certificates
        librocksdb-dev libbz2-dev libsnappy-dev liblz4-dev libzstd-dev zlib1g-dev libssl-dev"
    [netns]="iproute2 util-linux"
    [lab]="iproute2 util-linux containerd runc docker-registry skopeo python3"
    [impair]="gcc libc6-dev iptables libnetfilter-queue-dev dnsmasq-base"
    [go]="golang-go golang-github-containerd-containerd-dev"
    [npm]="npm"
    [images]="mmdebstrap xz-utils zstd"
)
# The packages whose archives native/build.sh and .NET link into the binary.
linked="librocksdb-dev libbz2-dev libsnappy-dev liblz4-dev libzstd-dev zlib1g-dev libssl-dev"
declare -A groups=([demo]="build lab" [test]="build lab impair go npm" [bench]="build lab go npm images")

want=() build=
for purpose in "${@:-build}"; do
    for part in ${groups[$purpose]:-$purpose}; do
        [ "$part" != build ] || build=1
        [ -n "${packages[$part]:-}" ] || { sed -n '2,8p' "$0"; exit 2; }
        for p in ${packages[$part]}; do
            [[ " ${want[*]:-} " == *" $p "* ]] || want+=("$p")
        done
    done
done

[ "$(uname -sm)" = "Linux x86_64" ] || die "only Linux on x86-64 is supported, this is $(uname -sm)"
command -v apt-get >/dev/null && command -v dpkg-query >/dev/null || die "no apt here; install by hand: ${want[*]}"
command -v dotnet >/dev/null || die "the .NET 10 SDK is missing: install it so that 'dotnet --version' answers 10.x"
dotnet --list-sdks | grep -q '^10\.' ||
    die "the .NET 10 SDK is missing; found: $(dotnet --list-sdks | cut -d' ' -f1 | tr '\n' ' ')"

missing=()
for p in "${want[@]}"; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' && continue
    # A program that was installed in another way (npm comes with a Node.js installed by hand) replaces the package.
    case $p in
    npm | containerd | runc | skopeo | docker-registry) command -v "$p" >/dev/null && continue ;;
    golang-go) command -v go >/dev/null && continue ;;
    esac
    missing+=("$p")
done
as_root=()
if [ "$(id -u)" = 0 ]; then as_root=(env); elif sudo -n true 2>/dev/null; then as_root=(sudo -n env); fi
# RUNLEVEL=1 keeps packages (containerd, docker-registry) from starting their services: the lab starts its own.
apt() { "${as_root[@]}" DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -o DPkg::Lock::Timeout=600 -qq "$@" >&2; }

# Prints those of the packages that are installed in an older version than the newest.
outdated() {
    LC_ALL=C apt-cache policy "$@" 2>/dev/null |
        awk '/^[^ ]+:$/ { name = substr($1, 1, length($1) - 1) } $1 == "Installed:" { have = $2 }
             $1 == "Candidate:" && have != "(none)" && $2 != "(none)" && $2 != have { print name }'
}
# An update that can't be installed does not stop the build: the library that is there is linked.
if [ -n "$build" ]; then
    if [ ${#as_root[@]} -gt 0 ] && [ -z "$(find /var/lib/apt/lists/partial -maxdepth 0 -mtime -1 2>/dev/null)" ]; then
        apt update 2>/dev/null || echo "setup: the lists of packages can't be fetched; updates may be missing" >&2
    fi
    # shellcheck disable=SC2086 # a list of names
    mapfile -t newer < <(outdated $linked)
    if [ ${#newer[@]} -gt 0 ]; then
        echo "setup: updating ${newer[*]}, which are linked statically" >&2
        { [ ${#as_root[@]} -gt 0 ] && apt install -y --no-install-recommends --only-upgrade "${newer[@]}"; } ||
            echo "setup: could not update them: sudo apt-get install ${newer[*]}" >&2
    fi
fi
[ ${#missing[@]} -gt 0 ] || exit 0

[ ${#as_root[@]} -gt 0 ] || die "these packages are missing and installing them needs root: sudo apt-get install ${missing[*]}"
echo "setup: installing ${missing[*]}" >&2
apt install -y --no-install-recommends "${missing[@]}" 2>/dev/null ||
    { apt update && apt install -y --no-install-recommends "${missing[@]}"; } ||
    die "apt could not install: ${missing[*]}"
