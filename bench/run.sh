#!/usr/bin/env bash
# run.sh     times of a pull, from a registry and from the fleet; prints a Markdown table and keeps it in artifacts/bench/pull.md
# RUNS=5 (each figure is the median), RATES="- 1gbit 100mbit" (the registry's link; - is none of tc's doing)
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p artifacts/bench
python3 bench/Fleet/pull.py | tee artifacts/bench/pull.md
