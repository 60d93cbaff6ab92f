#!/usr/bin/env python3
"""`ctr images pull` with unpacking of a 300 MB image: over ipcs and over containerd's own plugin, alternating, with empty stores; medians.

    RUNS=3 IMAGE=dev296 pull.py     IMAGE: one of tests/lab/real (made the first time, which takes minutes). Needs root.
"""
import json
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "lab"))
import images  # noqa: E402
import lab  # noqa: E402

PEER = "containerd's own plugin"


def start_peer(host, tool):
    host.ipcs_service = lab.Service("the peer on " + host.name, host.namespace, [tool, "serve", host.content, host.path("ipcs")],
                                    host.path("peer.log"))
    host.ipcs_service.ready("socket of the peer", lambda: os.path.exists(host.content), 20)


def once(host, start, name):
    """One pull on an empty host."""
    host.fresh_disk()
    start()
    host.start_containerd()
    os.sync()
    seconds = host.pull(name, seconds=300)
    host.clear()
    return seconds


def main():
    if lab.unable("bench"):
        return 1
    runs, image = int(os.environ.get("RUNS", "3")), os.environ.get("IMAGE", "dev296")
    layout = images.real(lab.IMAGES, image)
    size = sum(d["size"] for d in images.layers(layout)[2])
    tool = subprocess.run([os.path.join(HERE, "build.sh")], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    times = {"ipcs": [], PEER: []}
    with lab.Lab(hosts=1) as fleet:
        host = fleet.hosts[0]
        fleet.registry.push(layout, image + ":v1")
        name = fleet.registry.reference(image + ":v1")
        for run in range(runs + 1):  # the first is a warm-up
            for way, start in (("ipcs", host.start_ipcs), (PEER, lambda: start_peer(host, tool)))[::1 if run % 2 else -1]:
                seconds = once(host, start, name)
                if run:
                    times[way].append(seconds)
    print(f"Pull with unpacking of an image of {size / 1e6:.0f} MB from a registry on the same machine, seconds, medians of {runs} "
          "alternating runs (least..most):\n")
    print("| | seconds |\n|---|---:|")
    for way, t in times.items():
        print(f"| {way} | {statistics.median(t):.1f} ({min(t):.1f}..{max(t):.1f}) |")
    ratio = statistics.median(times[PEER]) / statistics.median(times["ipcs"])
    print(f"| ratio | {ratio:.2f} (at least 1.0) |")
    os.makedirs(os.path.join(lab.REPOSITORY, "artifacts", "bench"), exist_ok=True)
    with open(os.path.join(lab.REPOSITORY, "artifacts", "bench", "content-pull.json"), "w") as f:
        json.dump({"Title": f"Pull and unpack {size / 1e6:.0f} MB", "Unit": "seconds", "Rows": ["pull"],
                   "Series": {w: [statistics.median(t)] for w, t in times.items()}}, f, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
