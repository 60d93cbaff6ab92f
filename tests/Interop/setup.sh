#!/usr/bin/env bash
# setup.sh     installs the foreign peer's pinned packages, Node.js among them, when they are missing; one process at a time
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p ../../artifacts
exec 9> ../../artifacts/.interop.lock
flock 9
if ! [ peer/node_modules/.package-lock.json -nt peer/package-lock.json ]; then
    (cd peer && npm ci --no-audit --no-fund --loglevel=error)
    touch peer/node_modules/.package-lock.json
fi
