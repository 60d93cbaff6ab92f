#!/usr/bin/env bash
# run.sh [MIB] [RUNS] [JS_MIB]     the rate of one connection over mplex and yamux, compared with its cipher alone and with js-libp2p;
# prints Markdown tables
set -euo pipefail
cd "$(dirname "$0")/../.."
out=artifacts/bench
mkdir -p $out
logged() { "$@" > $out/swarm-build.log 2>&1 || { cat $out/swarm-build.log >&2; exit 1; }; }
logged tests/Interop/setup.sh
logged dotnet publish bench/Swarm -c Release -r linux-x64 -o $out/swarm -v q -nologo
read -r -a js < <(tests/Interop/peer/node_modules/.bin/node bench/Swarm/js.mjs "${3:-128}")
$out/swarm/Ipcs.Bench.Swarm "${1:-512}" "${2:-5}" "${js[@]}" $out/swarm.json
