#!/usr/bin/env bash
# dag-share.sh CHUNKER,... FIRST.tar.gz... -- SECOND.tar.gz...     the blocks of the second image's layers that are missing where the
# first's are, as a Markdown table
set -euo pipefail
cd "$(dirname "$0")/.."
dotnet build bench/Microbenchmarks -c Release -v q -nologo
dotnet run --no-build -c Release --project bench/Microbenchmarks -- share "$@"
