#!/usr/bin/env bash
# run.sh [SUITE...]     sets up, builds and runs the named test suites, one after the other; without names, all of them
#
# A suite is a tests/*.Tests project, named without ".Tests", or one of those listed below. Only what the selected suites need is installed
# (scripts/setup.sh) and built: a unit suite needs neither the published binary nor containerd, Go or npm. With IPCS_BIN=path the suites of
# the binary test that one, and none is built. Logs are in artifacts/logs/SUITE.log.
# The last line is `N passed, N failed`; the exit status is 1 when anything failed. A suite that exits with an error or runs no test counts
# as one failure, so that nothing passes by not having run.
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD
logs=$root/artifacts/logs
mkdir -p "$logs"

names=()
declare -A needs counter limit command

# suite NAME "NEED..." COUNTER SECONDS COMMAND...
#   NEED      `binary` (the published artifacts/ipcs), or a purpose of scripts/setup.sh
#   COUNTER   the function below that counts the results in the log
#   SECONDS   after which the suite is ended and has failed
suite() {
    names+=("$1")
    needs[$1]=$2 counter[$1]=$3 limit[$1]=$4 command[$1]=${*:5}
}

for project in tests/*.Tests/*.csproj; do
    name=$(basename "$project" .Tests.csproj)
    case $name in
    Architecture | Kademlia | Libp2p | Multiformats) need= ;; # these do not load RocksDB
    *) need=unit ;;
    esac
    suite "$name" "$need" count_dotnet 300 dotnet run --no-build --project "tests/$name.Tests" -- --no-ansi --progress off
done
suite lint "" count_lines 60 python3 tests/lint.py
suite service "" count_lines 60 python3 tests/service.py
suite sbom "" count_lines 60 python3 tests/sbom.py
suite hardening "binary" count_lines 60 python3 tests/hardening.py
suite cli "binary" count_lines 300 python3 tests/EndToEnd/cli.py
suite aot-smoke "build" count_lines 300 tests/AotSmoke/run.sh
suite conformance "binary go" count_go 300 tests/EndToEnd/conformance.sh
suite containerd "binary lab" count_lines 600 python3 tests/EndToEnd/containerd.py
suite kill "binary lab" count_lines 480 python3 tests/EndToEnd/kill.py
suite gc "binary lab" count_lines 480 python3 tests/EndToEnd/gc.py
suite disk-full "binary lab" count_lines 300 python3 tests/EndToEnd/diskfull.py
suite damage "binary lab" count_lines 300 python3 tests/EndToEnd/damage.py
suite crash "binary lab go" count_lines 480 python3 tests/EndToEnd/crash.py
suite faults "binary go" count_lines 300 python3 tests/EndToEnd/faults.py
suite interop "binary npm netns" count_lines 900 tests/Interop/run.sh
suite swarm "binary lab impair" count_lines 900 python3 tests/EndToEnd/swarm.py
suite journey "binary lab" count_lines 600 python3 tests/EndToEnd/journey.py
suite fleet "binary lab" count_lines 1200 tests/EndToEnd/fleet.py
suite pull "binary lab" count_lines 600 python3 tests/EndToEnd/pull.py
suite images "binary lab" count_lines 900 python3 tests/EndToEnd/images.py
suite cri "binary lab" count_lines 300 python3 tests/EndToEnd/cri.py
suite demo "binary lab" count_lines 600 tests/EndToEnd/demo.sh

# A counter prints "PASSED FAILED SKIPPED" for a log.
count_dotnet() {
    # Escape codes precede the words where colours are forced on.
    sed 's/\x1b\[[0-9;]*[a-zA-Z]//g' "$1" |
        awk '$1 == "succeeded:" { p = $2 } $1 == "failed:" { f = $2 } $1 == "skipped:" { s = $2 } END { print p + 0, f + 0, s + 0 }'
}
count_go() { # only tests without subtests: a parent's verdict repeats its children's
    awk '$1 == "---" && $2 ~ /^(PASS|FAIL|SKIP):$/ { verdict[$3] = $2; name = $3; while (sub("/[^/]*$", "", name)) inner[name] = 1 }
         END { for (n in verdict) if (!(n in inner)) c[verdict[n]]++; print c["PASS:"] + 0, c["FAIL:"] + 0, c["SKIP:"] + 0 }' "$1"
}
count_lines() {
    awk '/^ok /{ p++ } /^not ok /{ f++ } /^skip /{ s++ } END { print p + 0, f + 0, s + 0 }' "$1"
}

# Builds test projects: all of the solution when there are no arguments, else the named projects and what they reference.
build_tests() {
    local target=Ipcs.sln name list=
    if [ $# -gt 0 ]; then
        for name in "$@"; do list+="${list:+, }\"tests\\\\$name.Tests\\\\$name.Tests.csproj\""; done
        target=artifacts/suites.slnf
        printf '{ "solution": { "path": "../Ipcs.sln", "projects": [%s] } }\n' "$list" > $target
    fi
    dotnet build $target -v q -nologo > "$logs/build.log" 2>&1 || grep -E 'error' "$logs/build.log" | sort -u | head -20
}

passed=0 failed=0 skipped=0 rows=()
run() {
    local name=$1 log=$logs/$1.log rc=0 start=$SECONDS p f s
    printf '== %s\n' "$name"
    # SIGTERM first, so that a script cleans up after itself; SIGKILL a minute later.
    # shellcheck disable=SC2086 # the words of a command have no blanks
    timeout --foreground -k 60 "${limit[$name]}" ${command[$name]} > "$log" 2>&1 || rc=$?
    read -r p f s < <(${counter[$name]} "$log")
    if [ "$rc" != 0 ] && [ "$f" = 0 ]; then
        f=1
        if [ "$rc" = 124 ]; then echo "$name: not finished within ${limit[$name]} s"; else echo "$name: exit status $rc"; fi
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

selected=("${names[@]}")
if [ $# -gt 0 ]; then
    selected=()
    for name in "${names[@]}"; do [[ " $* " != *" $name "* ]] || selected+=("$name"); done
    for name in "$@"; do
        [ -n "${command[$name]:-}" ] || { echo "run.sh: no suite is called $name; there are: ${names[*]}" >&2; exit 2; }
    done
fi

purposes=() projects=() binary=
for name in "${selected[@]}"; do
    for need in ${needs[$name]}; do
        if [ "$need" = binary ]; then binary=1; else purposes+=("$need"); fi
    done
    [ ! -d "tests/$name.Tests" ] || projects+=("$name")
done
[ ${#purposes[@]} = 0 ] || scripts/setup.sh "${purposes[@]}" || exit 1
if [ -n "$binary" ] && [ -z "${IPCS_BIN:-}" ]; then
    make --no-print-directory build || exit 1
fi
export IPCS_BIN=${IPCS_BIN:-$root/artifacts/ipcs}
if [ ${#projects[@]} -gt 0 ]; then
    echo "== building the test projects"
    if [ $# -gt 0 ]; then build_tests "${projects[@]}"; else build_tests; fi
fi
for name in "${selected[@]}"; do run "$name"; done

printf '\n%-22s %8s %8s %8s %9s\n' suite passed failed skipped time
printf '%s\n' "${rows[@]}"
printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
