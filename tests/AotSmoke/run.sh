#!/usr/bin/env bash
# run.sh     publishes the smoke test like the product, checks the binary, and runs it; prints a line `ok` or `not ok` per check
set -uo pipefail
cd "$(dirname "$0")"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
say() { if [ "$2" = 0 ]; then echo "ok $1"; else echo "not ok $1"; failed=1; fi; }
failed=0

../../native/build.sh > "$out/native.log" || { cat "$out/native.log"; echo "not ok native/build.sh"; exit 1; }
if ! dotnet publish -c Release -r linux-x64 -o "$out/publish" > "$out/publish.log" 2>&1; then
    grep -E 'error' "$out/publish.log" | sort -u | head -20
    echo "not ok publishing"
    exit 1
fi
! grep -E 'warning IL[0-9]+' "$out/publish.log"; say "no trimming or AOT warnings" $?
[ "$(ls "$out/publish")" = Ipcs.AotSmoke ]; say "publishing makes one file" $?
allowed='^(linux-vdso\.so\.1|libm\.so\.6|libc\.so\.6|/lib64/ld-linux-x86-64\.so\.2)$'
[ -z "$(ldd "$out/publish/Ipcs.AotSmoke" | awk '{ print $1 }' | grep -vE "$allowed")" ]; say "needs only libc and libm" $?
python3 ../hardening.py "$out/publish/Ipcs.AotSmoke" || failed=1
"$out/publish/Ipcs.AotSmoke"; say "the smoke test succeeds" $?
exit $failed
