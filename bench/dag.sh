#!/usr/bin/env bash
# dag.sh [MIB]     times of the DAG builder and reader over RocksDB; prints a Markdown table and keeps it in artifacts/bench/dag.md
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p artifacts/bench
dotnet build bench/Microbenchmarks -c Release -v q -nologo
dotnet run --no-build -c Release --project bench/Microbenchmarks -- "${1:-1024}" | tee artifacts/bench/dag.md
