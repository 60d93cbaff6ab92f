#!/usr/bin/env bash
# store.sh [MEGABYTES]     puts and gets of 256 KiB blocks, beside one appended file; prints a Markdown table and keeps it in artifacts/bench/store.md
# FOLDER=DIR (where the store and the file lie; default artifacts/bench)
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p artifacts/bench
native/build.sh
dotnet publish bench/Store -c Release -r linux-x64 -o artifacts/bench/store -v q -nologo > artifacts/bench/store-publish.log
artifacts/bench/store/store-bench "${FOLDER:-artifacts/bench}" "${1:-1024}" | tee artifacts/bench/store.md
