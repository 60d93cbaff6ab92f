#!/usr/bin/env python3
"""Pulls with unpacking by real containerds of the lab (tests/lab), each on an empty host; medians as a table."""
import os
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "lab"))
import images  # noqa: E402
import lab  # noqa: E402

WAYS = ("containerd's own store, from the registry", "ipcs, from the registry", "ipcs, from one host of the fleet",
        "ipcs, from two hosts of the fleet")


def once(layout, rate, times):
    """One pull each way, in a new lab."""
    with lab.Lab(hosts=4) as fleet:
        plain, one, two, three = fleet.hosts
        fleet.registry.push(layout, "app:v1")
        name = fleet.registry.reference("app:v1")
        if rate != "-":
            fleet.registry.limit(rate)
        plain.start_containerd(own_store=True)
        times[0].append(plain.pull(name))
        plain.stop()
        for way, host, peers in ((1, one, ()), (2, two, (one,)), (3, three, (one, two))):
            host.start_ipcs(*peers)
            host.start_containerd()
            lab.wait("connections", lambda: all(p.peer in host.peers() for p in peers))
            times[way].append(host.pull(name))


def main():
    if lab.unable("bench"):
        return 1
    runs = int(os.environ.get("RUNS", "5"))
    layout = images.small(lab.IMAGES)
    size = sum(d["size"] for d in images.layers(layout)[2])
    print(f"Pull with unpacking of an image of {size / 1e6:.1f} MB, seconds, median of {runs} runs (least..most); "
          f"{os.cpu_count()} cores for all hosts together.\n")
    print("| the registry's link | " + " | ".join(WAYS) + " |\n|---" + "|---:" * len(WAYS) + "|")
    for rate in os.environ.get("RATES", "- 1gbit 100mbit").split():
        times = [[] for _ in WAYS]
        for _ in range(runs):
            once(layout, rate, times)
        cells = [f"{statistics.median(t):.2f} ({min(t):.2f}..{max(t):.2f})" for t in times]
        print(f"| {'not limited' if rate == '-' else rate} | " + " | ".join(cells) + " |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
