#!/usr/bin/env bash
# run.sh     the content socket beside containerd's own plugin, and pulls from a registry and from the fleet: Markdown tables, kept in artifacts/bench
# RUNS=5 (each figure is the median), RATES="- 1gbit 100mbit" (the registry's link; - is none of tc's doing)
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p artifacts/bench
python3 bench/Content/content.py | tee artifacts/bench/content.md
python3 bench/Content/pull.py | tee artifacts/bench/content-pull.md
python3 bench/Fleet/pull.py | tee artifacts/bench/pull.md
