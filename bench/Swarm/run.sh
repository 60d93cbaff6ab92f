#!/usr/bin/env bash
# run.sh [MIB] [RUNS] [JS_MIB]     one connection's speed: ipcs over mplex and yamux against the bare ceiling and against js-libp2p; Markdown tables
set -euo pipefail
cd "$(dirname "$0")/../.."
out=artifacts/bench
mkdir -p $out
tests/Interop/setup.sh > $out/swarm-build.log 2>&1 || { cat $out/swarm-build.log >&2; exit 1; }
dotnet publish bench/Swarm -c Release -r linux-x64 -o $out/swarm -v q -nologo > $out/swarm-build.log 2>&1 || { cat $out/swarm-build.log >&2; exit 1; }
read -r -a js < <(tests/Interop/peer/node_modules/.bin/node bench/Swarm/js.mjs "${3:-128}")
$out/swarm/Ipcs.Bench.Swarm "${1:-512}" "${2:-5}" "${js[@]}" $out/swarm.json
