#!/usr/bin/env python3
"""The rate of contents from daemon to daemon, and the wait of an Info: the published binary, stores on disk; medians of alternating runs.

    RUNS=3 SIZES="256 1024" exchange.py     SIZES in MiB; Helia to Helia transfers the first. The links of three peers need root.

Prints tables and writes a plot's data.
"""
import functools
import json
import os
import shutil
import statistics
import subprocess
import sys

import daemon
import lab

RUNS = int(os.environ.get("RUNS", "3"))
SIZES = [int(mib) for mib in os.environ.get("SIZES", "256 1024").split()]
MUXERS = ("mplex", "yamux")
PEERS = 10
BENCH = os.path.join(lab.REPOSITORY, "artifacts", "bench")
FOLDER = os.path.join(BENCH, "exchange")
HERE = os.path.dirname(os.path.abspath(__file__))


class Helia:
    """Two Helia nodes that run for the whole benchmark (helia.mjs)."""

    def __init__(self, mib):
        node = os.path.join(lab.REPOSITORY, "tests", "Interop", "peer", "node_modules", ".bin", "node")
        self.process = subprocess.Popen([node, os.path.join(HERE, "helia.mjs"), str(mib)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def rate(self, run):
        self.process.stdin.write(f"{run}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise lab.LabError("no answer of Helia")
        return float(line)

    def end(self):
        self.process.stdin.close()
        self.process.wait(30)


def noise(mib):
    path = os.path.join(FOLDER, f"noise{mib}")
    with open(path, "wb") as f:
        for _ in range(mib):
            f.write(os.urandom(1 << 20))
    return path


@functools.cache
def content_bench():
    """The client of the content socket."""
    return lab.run(os.path.join(HERE, "..", "Content", "build.sh"), seconds=300).stdout.strip()


def fetch(what, muxer, mib, path):
    """Figures of one fetch between two new daemons, and of the bare connection between them.

    A DAG is fetched with `pin add`, a content as containerd does, through both content sockets.
    """
    with (daemon.Daemon(os.path.join(FOLDER, "source"), "--muxers", muxer) as source,
          daemon.Daemon(os.path.join(FOLDER, "receiver"), "--muxers", muxer) as receiver):
        if what == "DAG":
            cid = source.ipcs("add", "-Q", "--cid-version", "1", path).strip()
        else:
            digest = lab.run(content_bench(), "put", source.content, path, seconds=300).stdout.strip()
        receiver.connect(source)
        used = source.cpu(), receiver.cpu()
        if what == "DAG":
            seconds = daemon.timed(lambda: receiver.ipcs("pin", "add", cid))
        else:
            seconds = daemon.timed(lambda: lab.run(content_bench(), "fetch", receiver.content, digest, seconds=300))
        cpu = [(now - before) / mib * 1024 for now, before in zip((source.cpu(), receiver.cpu()), used)]
        peak = source.peak(), receiver.peak()
        perf = receiver.json("perf", source.peer, "--upload", "0", "--download", str(mib << 20))
    bare = perf["DownloadBytes"] / perf["DownloadSeconds"] / (1 << 20)
    return {"rate": mib / seconds, "bare": bare, "share": mib / seconds / bare, "sent": cpu[0], "received": cpu[1], "source": peak[0],
            "receiver": peak[1]}


def one_to_one():
    """The table of one source and one receiver on loopback, and the figure's rows and series."""
    paths = {mib: noise(mib) for mib in SIZES}
    helia, theirs = Helia(SIZES[0]), []
    ours = {(what, muxer, mib): [] for mib in SIZES for what, muxer in (("DAG", "mplex"), ("DAG", "yamux"), ("content", "mplex"))}
    for run in range(RUNS + 1):  # the first is a warm-up
        rate = helia.rate(run)
        if run:
            theirs.append(rate)
            for (what, muxer, mib), figures in list(ours.items())[::1 if run % 2 else -1]:
                figures.append(fetch(what, muxer, mib, paths[mib]))
    helia.end()
    js = statistics.median(theirs)
    print("| loopback | MiB/s | least..most | of `/perf/1.0.0` | at least | times Helia | at least | "
          "CPU s per GiB, source | and receiver | peak MiB, source | and receiver |")
    print("|---|" + "---:|" * 10)
    rows, series = [], {"ipcs": [], "/perf/1.0.0": [], "Helia to Helia": []}
    for (what, muxer, mib), figures in ours.items():
        middle = {key: statistics.median(f[key] for f in figures) for key in figures[0]}
        rates = [f["rate"] for f in figures]
        beside = what == "DAG" and mib == SIZES[0]
        helia_ratio, helia_goal = (f"{middle['rate'] / js:.1f}", "4") if beside else ("", "")
        print(f"| {what}, {muxer}, {mib} MiB | {middle['rate']:.0f} | {min(rates):.0f}..{max(rates):.0f} | "
              f"{100 * middle['share']:.0f}% | 60% | "
              f"{helia_ratio} | {helia_goal} | {middle['sent']:.2f} | {middle['received']:.2f} | "
              f"{middle['source']:.0f} | {middle['receiver']:.0f} |")
        rows.append(f"{what}, {muxer}, {mib} MiB")
        for name, value in (("ipcs", middle["rate"]), ("/perf/1.0.0", middle["bare"]),
                            ("Helia to Helia", js if beside and muxer == "yamux" else None)):
            series[name].append(value)
    print(f"| Helia to Helia, yamux, {SIZES[0]} MiB | {js:.0f} | {min(theirs):.0f}..{max(theirs):.0f} |" + " |" * 8)
    return rows, series


def three_to_one():
    """The table of one and of three sources behind 1 Gbit/s each."""
    mib, rates = SIZES[-1], {1: [], 3: []}
    with lab.Lab(hosts=4) as fleet:
        receiver, *sources = fleet.hosts
        for source in sources:
            source.start_ipcs()
            cid = source.ipcs("add", "-Q", "--cid-version", "1", os.path.join(FOLDER, f"noise{mib}")).stdout.strip()
            source.limit("1gbit")
            source.ipcs_service.stop()
        receiver.limit("10gbit")
        for run in range(RUNS):
            for count in (1, 3) if run % 2 else (3, 1):
                # The others are stopped: they would be found through the DHT and used too.
                for source in sources[:count]:
                    source.start_ipcs()
                receiver.start_ipcs(*sources[:count])
                lab.wait("connections", lambda: all(s.peer in receiver.peers() for s in sources[:count]))
                rates[count].append(mib * 1.048576 / daemon.timed(lambda: receiver.ipcs("pin", "add", cid)))
                for host in (receiver, *sources[:count]):
                    host.ipcs_service.stop()
                shutil.rmtree(receiver.path("ipcs"))
    one, three = statistics.median(rates[1]), statistics.median(rates[3])
    print(f"\n| {mib} MiB over links | MB/s | least..most | times one peer | at least |\n|---|---:|---:|---:|---:|")
    print(f"| one peer behind 1 Gbit/s | {one:.0f} | {min(rates[1]):.0f}..{max(rates[1]):.0f} | | |")
    print(f"| three peers behind 1 Gbit/s each | {three:.0f} | {min(rates[3]):.0f}..{max(rates[3]):.0f} | {three / one:.2f} | 2.6 |")


def infos():
    """The table of how long containerd waits for an Info."""
    daemons = [daemon.Daemon(os.path.join(FOLDER, f"peer{k}")) for k in range(PEERS + 1)]
    try:
        ours, *peers = daemons
        for peer in peers:
            ours.connect(peer)
        waits = json.loads(lab.run(content_bench(), "info", ours.content, *[p.content for p in peers], seconds=300).stdout)
    finally:
        for each in daemons:
            each.end()
    print(f"\n| Info, {PEERS} peers, ms | median | most | median under |\n|---|---:|---:|---:|")
    for what, key in (("one of them has it", "known"), ("nobody has it", "unknown")):
        print(f"| {what} | {waits[key]['median']:.1f} | {waits[key]['most']:.1f} | 10 |")


def main():
    if lab.unable("bench"):
        return 1
    shutil.rmtree(FOLDER, ignore_errors=True)
    os.makedirs(FOLDER)
    lab.run(os.path.join(lab.REPOSITORY, "tests", "Interop", "setup.sh"), seconds=1200)
    print(f"Contents from daemon to daemon, medians of {RUNS} runs by turns; {os.cpu_count()} cores for all daemons together.\n",
          flush=True)
    rows, series = one_to_one()
    sys.stdout.flush()
    three_to_one()
    sys.stdout.flush()
    infos()
    with open(FOLDER + ".json", "w") as f:
        json.dump({"Title": "From one to another on loopback", "Unit": "MiB/s", "Rows": rows, "Series": series}, f, indent=1)
    shutil.rmtree(FOLDER)
    return 0


if __name__ == "__main__":
    sys.exit(main())
