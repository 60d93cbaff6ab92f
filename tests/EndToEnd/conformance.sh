#!/usr/bin/env bash
# conformance.sh     containerd's own content test suite against the content socket of a running `ipcs daemon`
set -euo pipefail
cd "$(dirname "$0")/../.."
ipcs=${IPCS_BIN:-artifacts/ipcs}
work=$(mktemp -d)
daemon=
finish() {
    if [ -n "$daemon" ]; then
        kill "$daemon" 2>/dev/null || true
        wait "$daemon" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap finish EXIT

mkdir -p artifacts/lab
suite=$PWD/artifacts/lab/content-suite.test
tests/Conformance/build.sh "$suite" >&2

"$ipcs" daemon --data "$work/data" --listen /ip4/127.0.0.1/tcp/0 --mdns off \
    --content-socket "$work/content.sock" --api-socket "$work/api.sock" > "$work/out" 2> "$work/log" &
daemon=$!
for _ in $(seq 300); do
    grep -q '^ready ' "$work/out" && break
    kill -0 "$daemon" 2>/dev/null || { cat "$work/log"; echo "the daemon ended before it was ready"; exit 1; }
    sleep 0.1
done
grep -q '^ready ' "$work/out" || { cat "$work/log"; echo "the daemon was not ready within 30 s"; exit 1; }

status=0
CONTENT_SOCKET=$work/content.sock timeout -k 5 240 "$suite" -test.v -test.timeout 230s || status=$?
kill -0 "$daemon" 2>/dev/null || { tail -n 20 "$work/log"; echo "the daemon did not live through the suite"; status=1; }
exit $status
