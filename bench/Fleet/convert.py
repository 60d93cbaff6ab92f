#!/usr/bin/env python3
"""Conversion of an image of 298 MB that a host of the fleet has (tests/lab): seconds, and the bytes that its blocks grow by; then its pull
by a host that has the unmodified image: seconds, and the bytes that its link receives, with all frames. Medians, as a table.

    RUNS=5 convert.py     Needs root."""
import json
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "lab"))
import images  # noqa: E402
import lab  # noqa: E402

BYTES = 298 * 10**6


def timed(host, *words):
    begin = time.monotonic()
    output = host.ipcs(*words, seconds=300).stdout
    return time.monotonic() - begin, output


def stored(host):
    return json.loads(host.ipcs("repo", "stat", "--json").stdout)["RepoSize"]


def run(layout):
    """For each step its seconds and bytes."""
    with lab.Lab(hosts=2) as fleet:
        one, two = fleet.hosts
        fleet.registry.push(layout, "app:v1")
        name = fleet.registry.reference("app:v1")
        digests = [d["digest"] for d in images.layers(layout)[2]]
        for host, peers in ((one, ()), (two, (one,))):
            host.start_ipcs(*peers)
            host.start_containerd()
            lab.wait("connections", lambda: all(p.peer in host.peers() for p in peers))
            host.pull(name, seconds=300)
            lab.wait("whole contents", lambda: all(host.has_whole(d) for d in digests))
        steps = []
        for source, options in (("containerd:" + name, ("app:p2p",)), (name, ("app:again", "--plain-http"))):
            before = stored(one)
            took, output = timed(one, "convert", source, *options)
            steps.append((took, stored(one) - before))
        before, digest = two.received(), lab.convert_result(output)
        took, _ = timed(two, "pull", "app:p2p@" + digest, "--unpack")
        steps.append((took, two.received() - before))
        before = stored(one)
        took, _ = timed(one, "convert", "containerd:" + name, "--profile", "kubo-v0")
        steps.append((took, stored(one) - before))
        return steps


def main():
    if lab.unable("bench"):
        return 1
    layout = images.random(lab.IMAGES, "noise298", BYTES)
    runs = [run(layout) for _ in range(int(os.environ.get("RUNS", 5)))]
    size = sum(d["size"] for d in images.layers(layout)[2])
    print(f"An image of {size / 1e6:.0f} MB; medians of {len(runs)} runs on {os.cpu_count()} cores.\n")
    print("| step | seconds | bytes | share of the image |\n|---|---:|---:|---:|")
    for i, what in enumerate(("convert containerd:REF", "the same again, from the registry's reference", "pull --unpack of it where the "
                              "unmodified image is: bytes received", "convert --profile kubo-v0")):
        seconds, bytes_ = (statistics.median(r[i][k] for r in runs) for k in (0, 1))
        print(f"| {what} | {seconds:.2f} | {bytes_:.0f} | {100 * bytes_ / size:.2f}% |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
