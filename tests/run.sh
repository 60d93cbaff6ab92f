#!/usr/bin/env bash
# run.sh [SUITE...]     runs the test suites (all, or those whose names are given), one after the other
#
# Suites: every tests/*.Tests project by its name without .Tests, then those at the end of this file.
# Logs lie in artifacts/logs/SUITE.log. The last line is `N passed, N failed`; the exit status is 1 when anything failed.
# A suite that ends badly or runs no test counts as one failure, so nothing is green by not having run.
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD
logs=$root/artifacts/logs
mkdir -p "$logs"
export IPCS_BIN=${IPCS_BIN:-$root/artifacts/ipcs}
wanted=" $* "
passed=0 failed=0 skipped=0 rows=()

selected() { [ "$wanted" = "  " ] || [[ $wanted == *" $1 "* ]]; }

# Each counter prints "PASSED FAILED SKIPPED" of a log.
count_dotnet() {
    # Where colours are forced on, escapes stand before the words.
    sed 's/\x1b\[[0-9;]*[a-zA-Z]//g' "$1" | awk '$1 == "succeeded:" { p = $2 } $1 == "failed:" { f = $2 } $1 == "skipped:" { s = $2 } END { print p + 0, f + 0, s + 0 }'
}
count_go() { # leaves only: a parent's verdict repeats its children's
    awk '$1 == "---" && $2 ~ /^(PASS|FAIL|SKIP):$/ { verdict[$3] = $2; name = $3; while (sub("/[^/]*$", "", name)) inner[name] = 1 }
         END { for (n in verdict) if (!(n in inner)) c[verdict[n]]++; print c["PASS:"] + 0, c["FAIL:"] + 0, c["SKIP:"] + 0 }' "$1"
}
count_lines() {
    awk '/^ok /{ p++ } /^not ok /{ f++ } /^skip /{ s++ } END { print p + 0, f + 0, s + 0 }' "$1"
}

# suite NAME COUNTER SECONDS COMMAND...
suite() {
    local name=$1 counter=$2 limit=$3 log=$logs/$1.log rc=0 start=$SECONDS p f s
    shift 3
    selected "$name" || return 0
    printf '== %s\n' "$name"
    # SIGTERM first, so that a script takes down what it put up; a minute later the hard way.
    timeout --foreground -k 60 "$limit" "$@" > "$log" 2>&1 || rc=$?
    read -r p f s < <($counter "$log")
    if [ "$rc" != 0 ] && [ "$f" = 0 ]; then
        f=1
        if [ "$rc" = 124 ]; then echo "$name: not done within $limit s"; else echo "$name: exit status $rc"; fi
    elif [ $((p + f + s)) = 0 ]; then
        f=1
        echo "$name: no test ran"
    fi
    if [ "$f" != 0 ]; then
        grep -E '^(not ok |failed |\s*--- FAIL)' "$log" | head -40
        echo "-- the end of $log"
        tail -n 25 "$log"
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    rows+=("$(printf '%-22s %8d %8d %8d %7d s' "$name" "$p" "$f" "$s" $((SECONDS - start)))")
}

projects=()
for project in tests/*.Tests/*.csproj; do
    name=$(basename "$project" .Tests.csproj)
    selected "$name" && projects+=("$name")
done
if [ ${#projects[@]} -gt 0 ]; then
    echo "== building the solution"
    dotnet build Ipcs.sln -v q -nologo > "$logs/build.log" 2>&1 || grep -E 'error' "$logs/build.log" | sort -u | head -20
    for name in "${projects[@]}"; do
        suite "$name" count_dotnet 300 dotnet run --no-build --project "tests/$name.Tests" -- --no-ansi --no-progress
    done
fi
suite lint count_lines 60 python3 tests/lint.py
suite cli count_lines 300 python3 tests/EndToEnd/cli.py
suite aot-smoke count_lines 300 tests/AotSmoke/run.sh
suite conformance count_go 300 tests/EndToEnd/conformance.sh
suite containerd count_lines 600 python3 tests/EndToEnd/containerd.py
suite kill count_lines 480 python3 tests/EndToEnd/kill.py
suite gc count_lines 480 python3 tests/EndToEnd/gc.py
suite disk-full count_lines 300 python3 tests/EndToEnd/diskfull.py
suite interop count_lines 900 tests/Interop/run.sh
suite swarm count_lines 900 python3 tests/EndToEnd/swarm.py
suite journey count_lines 600 python3 tests/EndToEnd/journey.py
suite fleet count_lines 1200 tests/EndToEnd/fleet.py
suite images count_lines 900 python3 tests/EndToEnd/images.py
suite cri count_lines 300 python3 tests/EndToEnd/cri.py
suite demo count_lines 600 tests/EndToEnd/demo.sh

printf '\n%-22s %8s %8s %8s %9s\n' suite passed failed skipped time
printf '%s\n' "${rows[@]}"
[ $((passed + failed)) -gt 0 ] || { echo "run.sh: no suite is called$wanted" >&2; failed=1; }
printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
