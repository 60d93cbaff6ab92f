#!/usr/bin/env bash
# exchange.sh     contents from node to node over loopback, beside Helia to Helia in the same run; a Markdown table (RUNS=3, MIB=256)
set -euo pipefail
cd "$(dirname "$0")/../.."
log=artifacts/bench/exchange-build.log
mkdir -p artifacts/bench
{ tests/Interop/setup.sh && dotnet build bench/Fleet/Exchange -c Release -v q -nologo; } > $log 2>&1 || { cat $log >&2; exit 1; }
read -r -a helia < <(tests/Interop/peer/node_modules/.bin/node bench/Fleet/Exchange/helia.mjs "${MIB:-256}" "${RUNS:-3}")
dotnet run --no-build -c Release --project bench/Fleet/Exchange -- "${helia[@]}"
