#!/usr/bin/env bash
# run.sh [BENCH...]     runs all benchmarks, or the named ones; prints Markdown tables, keeps them in artifacts/bench, and plots them there
#
# content        the content socket compared with containerd's own plugin behind a socket: reads, writes, start, memory
# content-pull   `ctr images pull` of a large image through both
# dag            the DAG builder and reader over RocksDB, and the block store: blocks in and out
# add            `ipcs add` of a file of 1 GiB (RUNS=5)
# swarm          one connection over mplex and yamux, compared with the rate of its cipher and with js-libp2p
# exchange       contents from daemon to daemon: over loopback, compared with the bare connection and with Helia to Helia; from one and from
#                three peers behind 1 Gbit/s each; the wait of an Info (RUNS=3, SIZES="256 1024")
# fanout         all hosts fetch at once from one behind a narrow uplink, compared with a docker-registry behind it (RECEIVERS="5 10")
# fanout-image   the same with the largest of the real images and five receivers, behind 100 Mbit/s
# table          real images on a new host, from a docker-registry and from three hosts (RUNS=3, IMAGES="mini app24 base29 dev296")
# pull           pulls from a registry and from the fleet (RUNS=5, RATES="- 1gbit 100mbit": the registry's link; - is unlimited)
# convert        converting an image of 298 MB that is here, and pulling it where the unmodified image is (RUNS=5)
# tar            bytes on the wire of images converted with the tar chunker, an image and then its next version; converting and comparing
set -euo pipefail
cd "$(dirname "$0")/.."
out=artifacts/bench
mkdir -p $out
wanted=" $* "
bench() { # bench NAME COMMAND...
    local name=$1
    shift
    [ "$wanted" = "  " ] || [[ $wanted == *" $name "* ]] || return 0
    "$@" | tee "$out/$name.md"
}
bench content python3 bench/Content/content.py
bench content-pull python3 bench/Content/pull.py
bench dag bench/dag.sh
bench add python3 bench/Fleet/add.py
bench swarm bench/Swarm/run.sh
bench exchange python3 bench/Fleet/exchange.py
bench fanout python3 bench/Fleet/fanout.py
bench fanout-image env IMAGE=dev296 UPLINK=100 RECEIVERS=5 python3 bench/Fleet/fanout.py
bench table python3 bench/Fleet/table.py
bench pull python3 bench/Fleet/pull.py
bench convert python3 bench/Fleet/convert.py
bench tar python3 bench/Fleet/tar.py
figures=("$out"/*.json)
[ ! -e "${figures[0]}" ] || dotnet run -c Release --project bench/Plot -- "${figures[@]}"
