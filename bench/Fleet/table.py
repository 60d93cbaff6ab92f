#!/usr/bin/env python3
"""Real images on an empty host behind 10 Gbit/s: from a docker-registry behind 1 Gbit/s into containerd's own store, and from three hosts
of the fleet behind 1 Gbit/s each. Of a converted image each of the three has every third block, and none has all. Of the unmodified image
all three have every block: Info promises it only where a connected peer has the complete content. Download alone,
and pull with unpacking, alternating; medians as a Markdown table and a plot.

    RUNS=3 IMAGES="mini app24 base29 dev296" table.py     IMAGES: of tests/lab/real (made the first time, which takes minutes). Needs root.
    HOLD=whole table.py                                   the three have all blocks of converted images too, to see the cost of thirds
"""
import json
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "lab"))
import images  # noqa: E402
import lab  # noqa: E402

REGISTRY, FLEET, CONVERTED, TAR = "docker-registry", "ipcs, unmodified", "ipcs, converted", "ipcs, converted with tar"
DOWNLOAD_GOAL = {"mini": 100, "app24": 150, "base29": 150, "dev296": 200}


def measure_new_host(host, holders, own_store, work, promised=()):
    """The seconds that work takes on an empty host, until the contents promised to containerd are complete."""
    host.fresh_disk()
    if not own_store:
        host.start_ipcs(*holders)
    host.start_containerd(own_store=own_store)
    if not own_store:
        lab.wait("connections", lambda: all(h.peer in host.peers() for h in holders))
    os.sync()
    begin = time.monotonic()
    work(host)
    end = time.monotonic()
    if not all(host.has_whole(digest) for digest in promised):  # contents complete at the first look were so when work ended
        wait_until_complete(host, promised)
        end = time.monotonic()
    host.clear()
    return end - begin


def wait_until_complete(host, digests):
    """Waits until the contents promised to containerd are complete."""
    for digest in digests:
        lab.wait("whole content", lambda: host.has_whole(digest), 120, every=0.01)


def measure(image, runs):
    """Measured seconds by (way, with unpacking)."""
    layout = images.real(lab.IMAGES, image)
    digests = [d["digest"] for d in images.layers(layout)[2]]
    times = {}
    with lab.Lab(hosts=5) as fleet:
        new, maker, *holders = fleet.hosts
        fleet.registry.push(layout, image + ":v1")
        name = fleet.registry.reference(image + ":v1")
        for k, host in enumerate(holders):
            host.start_ipcs(*holders[:k], options=("--gc-interval", "off"))
            host.start_containerd()
            host.ctr("content", "fetch", "--plain-http", name)
            wait_until_complete(host, digests)
        maker.start_ipcs(*holders)
        maker.start_containerd()
        lab.wait("connections", lambda: all(h.peer in maker.peers() for h in holders))
        made = {}
        # kubo-v0: with the fleet's profile the holders would have all chunks of the converted image, those of the unmodified one.
        for way, words in ((CONVERTED, ("--profile", "kubo-v0")), (TAR, ("--chunker", "tar"))):
            copy = f"{image}-{len(made)}:v1"
            digest = lab.convert_result(maker.ipcs("convert", name, copy, "--plain-http", *words, seconds=300).stdout)
            made[way] = f"{copy}@{digest}"
            manifest = json.loads(maker.ipcs("cat", digest).stdout)
            blocks = maker.blocks_of([json.loads(maker.ask("ipcs/content/info", d))["root"]
                                      for d in (digest, manifest["config"]["digest"], *(d["digest"] for d in manifest["layers"]))])
            for k, host in enumerate(holders):
                if os.environ.get("HOLD") == "whole":
                    host.ipcs("pull", made[way], seconds=300)
                else:
                    host.take_blocks(blocks[k::3])
        maker.stop()
        for host in [*holders, fleet.registry]:
            host.limit("1gbit")
        new.limit("10gbit")

        def download(host):
            host.ctr("content", "fetch", "--plain-http", name)

        def pull(host):
            host.pull(name, seconds=300)

        ways = {(REGISTRY, False): (True, download), (REGISTRY, True): (True, pull), (FLEET, False): (False, download, digests),
                (FLEET, True): (False, pull)}
        for way, reference in made.items():
            ways[way, False] = (False, lambda h, r=reference: h.ipcs("pull", r, seconds=300))
            ways[way, True] = (False, lambda h, r=reference: h.ipcs("pull", r, "--unpack", seconds=300))
        for run in range(runs):
            for way, words in list(ways.items())[::1 if run % 2 else -1]:
                times.setdefault(way, []).append(measure_new_host(new, holders, *words))
    return sum(d["size"] for d in images.layers(layout)[2]), {way: statistics.median(t) for way, t in times.items()}


def main():
    if lab.unable("bench"):
        return 1
    runs = int(os.environ.get("RUNS", "3"))
    ways = (REGISTRY, FLEET, CONVERTED, TAR)
    print(f"Seconds, medians of {runs} alternating runs, and the speed relative to the registry's; "
          f"{os.cpu_count()} cores for all hosts together.\n")
    print("| image | | " + " | ".join(ways) + " | goal |\n|---|---|" + "---:|" * (len(ways) + 1))
    rows, series = [], {way: [] for way in ways}
    for image in os.environ.get("IMAGES", "mini app24 base29 dev296").split():
        size, seconds = measure(image, runs)
        for unpacks in (False, True):
            registry = seconds[REGISTRY, unpacks]
            cells = [f"{seconds[way, unpacks]:.2f} ({100 * registry / seconds[way, unpacks]:.0f}%)" for way in ways]
            goal = f"{DOWNLOAD_GOAL.get(image, 100)}%" if not unpacks else "100%, tar 150%" if image == "dev296" else "100%"
            print(f"| {image}, {size / 1e6:.1f} MB | {'pull and unpack' if unpacks else 'download'} | {' | '.join(cells)} | {goal} |",
                  flush=True)
            rows.append(f"{image}, {'unpacked' if unpacks else 'download'}")
            for way in ways:
                series[way].append(seconds[way, unpacks])
    os.makedirs(os.path.join(lab.REPOSITORY, "artifacts", "bench"), exist_ok=True)
    with open(os.path.join(lab.REPOSITORY, "artifacts", "bench", "table.json"), "w") as f:
        json.dump({"Title": "A new host's pull", "Unit": "seconds", "Rows": rows, "Series": series}, f, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
