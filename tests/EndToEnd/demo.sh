#!/usr/bin/env bash
# demo.sh     tests the demo: it runs to its end, prints its table, and leaves nothing behind, also when interrupted; prints `ok` lines
set -uo pipefail
cd "$(dirname "$0")/../.."
out=$(mktemp)
trap 'rm -f "$out"' EXIT
failed=0
say() { if [ "$2" = 0 ]; then echo "ok $1"; else echo "not ok $1"; failed=1; fi; }
# Prints what a lab left behind: its namespaces, mounts, folders and processes all have this name.
left() { { ls /run/netns 2>/dev/null; ls "${TMPDIR:-/tmp}"; cut -d' ' -f2 /proc/mounts; ps -eo args; } | grep "[i]pcslab-$1-"; }

scripts/demo.sh > "$out" 2>&1 &
demo=$!
wait $demo; say "the demo runs to its end" $?
[ "$(tr -s ' \n' ' ' < "$out" | grep -oE 'A container( on host 1)? says: the journey ends here' | wc -l)" = 5 ]
say "a container ran on each host, unmodified and converted" $?
grep -q '^   | from the registry, containerd' "$out" && grep -q '^   | host 3, from the fleet, converted' "$out"
say "it shows the table of times" $?
! left $demo; say "it leaves nothing behind" $?
[ $failed = 0 ] || tail -n 30 "$out"

setsid scripts/demo.sh > "$out" 2>&1 &
demo=$!
until grep -q '^3\. ' "$out" || ! kill -0 $demo 2>/dev/null; do sleep 0.2; done
kill -INT $demo
wait $demo; [ $? = 130 ]; say "interrupted, it exits with status 130" $?
! left $demo; say "interrupted, it leaves nothing behind" $?
[ $failed = 0 ] || tail -n 30 "$out"
exit $failed
