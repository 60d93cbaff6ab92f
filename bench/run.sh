#!/usr/bin/env bash
# run.sh [exchange|pull]...     all, or those that are named; prints Markdown tables and keeps them in artifacts/bench
# exchange   contents from node to node over loopback, against what the connection itself carries, and the wait of an Info (RUNS=3, MIB=256)
# pull       times of a pull, from a registry and from the fleet (RUNS=5, RATES="- 1gbit 100mbit": the registry's link; - is none of tc's doing)
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p artifacts/bench
wanted=" ${*:-exchange pull} "
if [[ $wanted == *" exchange "* ]]; then
    dotnet run -c Release --project bench/Fleet/Exchange | tee artifacts/bench/exchange.md
fi
if [[ $wanted == *" pull "* ]]; then
    python3 bench/Fleet/pull.py | tee artifacts/bench/pull.md
fi
