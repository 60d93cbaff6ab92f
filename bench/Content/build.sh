#!/usr/bin/env bash
# build.sh [OUT]     builds the client and the peer of this benchmark (default: artifacts/lab/content-bench)
#
# Built against Debian's containerd sources, so that no network is needed; `scripts/setup.sh go` installs them and Go.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
out=${1:-$root/artifacts/lab/content-bench}
sources=/usr/share/gocode
command -v go >/dev/null || { echo "build.sh: Go is missing (golang-go): run scripts/setup.sh go" >&2; exit 1; }
[ -d "$sources/src/github.com/containerd/containerd/content/proxy" ] ||
    { echo "build.sh: containerd's sources are missing (golang-github-containerd-containerd-dev): run scripts/setup.sh go" >&2; exit 1; }
mkdir -p "$(dirname "$out")"
GO111MODULE=off GOFLAGS='' GOPATH=$sources GOCACHE=${GOCACHE:-$root/artifacts/gocache} go build -o "$out" .
echo "$out"
