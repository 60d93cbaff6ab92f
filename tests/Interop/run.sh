#!/usr/bin/env bash
# run.sh     every *.test.mjs: ipcs against a foreign peer (Helia on js-libp2p); installs the pinned packages, Node.js among them, where they are missing
set -euo pipefail
cd "$(dirname "$0")"
export IPCS_BIN=${IPCS_BIN:-$(cd ../.. && pwd)/artifacts/ipcs}
[ -x "$IPCS_BIN" ] || { echo "no binary at $IPCS_BIN (make build)"; exit 1; }
mkdir -p ../../artifacts
exec 9> ../../artifacts/.interop.lock
flock 9
if ! [ peer/node_modules/.package-lock.json -nt peer/package-lock.json ]; then
    (cd peer && npm ci --no-audit --no-fund --loglevel=error)
    touch peer/node_modules/.package-lock.json
fi
exec 9>&-
status=0
for test in *.test.mjs; do
    peer/node_modules/.bin/node "$test" || status=1
done
exit $status
