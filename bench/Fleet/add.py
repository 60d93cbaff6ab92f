#!/usr/bin/env python3
"""The rate of `ipcs add`: the published binary, its store on disk, the file in the page cache; medians of runs with a new store each.

    RUNS=5 MIB=1024 add.py     A table, and a figure.
"""
import json
import os
import shutil
import statistics
import sys

import daemon
import lab

RUNS = int(os.environ.get("RUNS", "5"))
MIB = int(os.environ.get("MIB", "1024"))
FOLDER = os.path.join(lab.REPOSITORY, "artifacts", "bench", "add")
NEW, AGAIN = "into a new store", "once more, all blocks are here"


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    os.makedirs(FOLDER)
    path = os.path.join(FOLDER, "noise")
    with open(path, "wb") as f:
        for _ in range(MIB):
            f.write(os.urandom(1 << 20))
    size = MIB * 1.048576
    rates, cpus, peaks = {NEW: [], AGAIN: []}, {NEW: [], AGAIN: []}, []
    for _ in range(RUNS):
        os.sync()
        with daemon.Daemon(os.path.join(FOLDER, "daemon")) as it:
            for what in rates:
                before = it.cpu()
                rates[what].append(size / daemon.timed(lambda: it.ipcs("add", "-Q", path)))
                cpus[what].append((it.cpu() - before) / size * 1073.741824)
            peaks.append(it.peak() * 1.048576)
    shutil.rmtree(FOLDER)
    print(f"`ipcs add` of {MIB} MiB, medians of {RUNS} runs; {os.cpu_count()} cores.\n")
    print("| | MB/s | least..most | at least | CPU s per GiB of the daemon |\n|---|---:|---:|---:|---:|")
    for what, goal in ((NEW, 600), (AGAIN, "")):
        rate = rates[what]
        print(f"| {what} | {statistics.median(rate):.0f} | {min(rate):.0f}..{max(rate):.0f} | {goal} | "
              f"{statistics.median(cpus[what]):.2f} |")
    print(f"\n| | peak of all runs | at most |\n|---|---:|---:|\n| memory of the daemon, MB | {max(peaks):.0f} | 150 |")
    with open(FOLDER + ".json", "w") as f:
        json.dump({"Title": f"ipcs add of {MIB} MiB", "Unit": "MB/s", "Rows": list(rates),
                   "Series": {"ipcs": [statistics.median(r) for r in rates.values()]}}, f, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
