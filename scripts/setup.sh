#!/usr/bin/env bash
# setup.sh [build|test|demo|bench]     installs, through apt, what is missing for that purpose (default: build)
#
# Idempotent: with everything there it asks neither apt nor for root. Debian 12 or newer, Ubuntu 24.04 or newer.
# The .NET 10 SDK must be there already (any way of installing it will do): Debian has no package of it.
set -euo pipefail

purpose=${1:-build}
die() { echo "setup: $*" >&2; exit 1; }

build=(gcc g++ libc6-dev binutils cmake make curl ca-certificates librocksdb-dev libbz2-dev libsnappy-dev liblz4-dev libzstd-dev zlib1g-dev libssl-dev)
lab=(containerd runc docker-registry skopeo iproute2 util-linux python3)
case $purpose in
build) want=("${build[@]}") ;;
test) want=("${build[@]}" "${lab[@]}" golang-go golang-github-containerd-containerd-dev npm iptables libnetfilter-queue-dev dnsmasq-base) ;;
demo) want=("${build[@]}" "${lab[@]}") ;;
bench) want=("${build[@]}" "${lab[@]}" golang-go golang-github-containerd-containerd-dev npm mmdebstrap xz-utils zstd) ;;
*) sed -n '2,5p' "$0"; exit 2 ;;
esac

[ "$(uname -sm)" = "Linux x86_64" ] || die "only Linux on x86-64 is supported, this is $(uname -sm)"
command -v apt-get >/dev/null && command -v dpkg-query >/dev/null || die "no apt here; install by hand: ${want[*]}"
command -v dotnet >/dev/null || die "the .NET 10 SDK is missing: install it so that 'dotnet --version' answers 10.x"
dotnet --list-sdks | grep -q '^10\.' || die "the .NET 10 SDK is missing; found: $(dotnet --list-sdks | cut -d' ' -f1 | tr '\n' ' ')"

missing=()
for p in "${want[@]}"; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' && continue
    # A program that came another way (a Node.js of one's own brings npm) is as good as the package.
    case $p in
    npm | containerd | runc | skopeo | docker-registry) command -v "$p" >/dev/null && continue ;;
    golang-go) command -v go >/dev/null && continue ;;
    esac
    missing+=("$p")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ]; then as_root=(env); elif sudo -n true 2>/dev/null; then as_root=(sudo -n env); else
    die "these packages are missing and installing them needs root: sudo apt-get install ${missing[*]}"
fi
echo "setup: installing ${missing[*]}" >&2
# A service that a package would start now (containerd, docker-registry) is not wanted: the lab starts its own.
export DEBIAN_FRONTEND=noninteractive
apt() { "${as_root[@]}" DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -o DPkg::Lock::Timeout=600 -qq "$@" >&2; }
apt install -y --no-install-recommends "${missing[@]}" 2>/dev/null ||
    { apt update && apt install -y --no-install-recommends "${missing[@]}"; } ||
    die "apt could not install: ${missing[*]}"
