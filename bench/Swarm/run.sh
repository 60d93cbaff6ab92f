#!/usr/bin/env bash
# run.sh [MIB] [RUNS]     one connection's speed: ipcs over mplex and yamux against the bare ceiling and against js-libp2p; a Markdown table
set -euo pipefail
cd "$(dirname "$0")/../.."
mkdir -p artifacts/bench
tests/Interop/setup.sh
read -r -a js < <(tests/Interop/peer/node_modules/.bin/node bench/Swarm/js.mjs)
echo "js-libp2p: mplex ${js[0]} MiB/s, yamux ${js[1]} MiB/s"
dotnet build bench/Swarm -c Release -v q -nologo > artifacts/bench/swarm-build.log || { cat artifacts/bench/swarm-build.log; exit 1; }
bench/Swarm/bin/Release/net10.0/Ipcs.Bench.Swarm "${1:-512}" "${2:-5}" "${js[@]}" | tee artifacts/bench/swarm.md
