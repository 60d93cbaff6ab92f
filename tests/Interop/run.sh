#!/usr/bin/env bash
# run.sh     runs every *.test.mjs: ipcs with a foreign peer (Helia on js-libp2p). Installs missing pinned packages, Node.js among them.
set -euo pipefail
cd "$(dirname "$0")"
export IPCS_BIN=${IPCS_BIN:-$(cd ../.. && pwd)/artifacts/ipcs}
[ -x "$IPCS_BIN" ] || { echo "no binary at $IPCS_BIN (make build)"; exit 1; }
./setup.sh
dotnet build Echo -c Release -v q -nologo
rc=0
for suite in *.test.mjs; do
    peer/node_modules/.bin/node "$suite" || rc=1
done
exit $rc
