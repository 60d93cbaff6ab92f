#!/usr/bin/env bash
# demo.sh     shows step by step how an image reaches the hosts of a fleet of three, on this machine
#
# IMAGE=reference     an image of yours instead of the small one (anything that skopeo reads: a registry reference, docker-archive:FILE,
#                     oci:DIR)
# Needs root: the hosts are network namespaces with a real containerd each. Leaves nothing behind, also when interrupted.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
    echo "demo: needs root, for network namespaces, containerd and runc. Nothing was done; try: sudo make demo" >&2
    exit 1
fi
[ -x artifacts/ipcs ] || make --no-print-directory build
exec python3 scripts/demo.py
