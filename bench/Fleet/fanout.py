#!/usr/bin/env python3
"""One host has a content, and all others fetch it at once through its narrow uplink: how often the uplink carries the content, and when
the last host has it: through containerd, and with `ipcs cat` of a file. Compared with a docker-registry behind the same uplink and hosts
with containerd's own store. Download alone; a Markdown table and a plot.

    RECEIVERS="5 10" MB=100 UPLINK=200 fanout.py     UPLINK in Mbit/s; the receivers have 1 Gbit/s each. Needs root.
    IMAGE=dev296 UPLINK=100 RECEIVERS=5 fanout.py    an image of tests/lab/real instead of MB of random bytes
"""
import json
import os
import random
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "lab"))
import images  # noqa: E402
import lab  # noqa: E402

MB, UPLINK = int(os.environ.get("MB", "100")), int(os.environ.get("UPLINK", "200"))


def fetch_all(hosts, name, complete=lambda host: True):
    """Seconds until the last host has the content."""
    begin = time.monotonic()
    fetches = [subprocess.Popen(["nsenter", "--net=/run/netns/" + h.namespace, "ctr", "-a", h.socket, "content", "fetch", "--plain-http",
                                 name],
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for h in hosts]
    for fetch in fetches:
        error = fetch.communicate(timeout=600)[1]
        if fetch.returncode:
            raise lab.LabError("a fetch failed: " + error)
    for host in hosts:
        lab.wait("whole content on " + host.name, lambda: complete(host), 300)
    return time.monotonic() - begin


def from_the_fleet(layout, receivers):
    with lab.Lab(hosts=receivers + 1) as fleet:
        seeder, *others = fleet.hosts
        fleet.registry.push(layout, "app:v1")
        name = fleet.registry.reference("app:v1")
        seeder.start_ipcs()
        seeder.start_containerd()
        seeder.ctr("content", "fetch", "--plain-http", name)
        fleet.registry.lose_layers({images.layers(layout)[0]})
        connect(seeder, others)
        for host in others:
            host.start_containerd()
        seeder.limit(f"{UPLINK}mbit")
        before = seeder.sent()
        layers = [d["digest"] for d in images.layers(layout)[2]]
        seconds = fetch_all(others, name, lambda host: all(host.has_whole(d) for d in layers))
        return seconds, seeder.sent() - before


def by_cat(layout, receivers):
    """The same bytes as one file, which all others read with `ipcs cat` at once."""
    size = sum(d["size"] for d in images.layers(layout)[2])
    with lab.Lab(hosts=receivers + 1) as fleet:
        seeder, *others = fleet.hosts
        seeder.start_ipcs()
        path = seeder.path("file")
        with open(path, "wb") as f:
            f.write(random.Random(size).randbytes(size))
        cid = seeder.ipcs("add", "-Q", "--cid-version", "1", path).stdout.strip()
        connect(seeder, others)
        seeder.limit(f"{UPLINK}mbit")
        before, begin = seeder.sent(), time.monotonic()
        reads = [subprocess.Popen([lab.IPCS, "cat", cid, "--api-socket", h.api], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True) for h in others]
        for read in reads:
            error = read.communicate(timeout=600)[1]
            if read.returncode:
                raise lab.LabError("a cat failed: " + error)
        return time.monotonic() - begin, seeder.sent() - before


def connect(seeder, others):
    """Starts the daemons of the others, each connected to all, behind 1 Gbit/s."""
    for k, host in enumerate(others):
        host.start_ipcs(seeder, *others[:k])
        host.limit("1gbit")
    lab.wait("connections", lambda: all(seeder.peer in h.peers() for h in others) and
             all(o.peer in h.peers() for h in others for o in others if o is not h), 60)


def from_the_registry(layout, receivers):
    with lab.Lab(hosts=receivers) as fleet:
        fleet.registry.push(layout, "app:v1")
        for host in fleet.hosts:
            host.start_containerd(own_store=True)
            host.limit("1gbit")
        fleet.registry.limit(f"{UPLINK}mbit")
        before = lab.link_bytes(fleet.registry.service)[1]
        seconds = fetch_all(fleet.hosts, fleet.registry.reference("app:v1"))
        return seconds, lab.link_bytes(fleet.registry.service)[1] - before


def main():
    if lab.unable("bench"):
        return 1
    image = os.environ.get("IMAGE")
    layout = images.real(lab.IMAGES, image) if image else images.random(lab.IMAGES, f"noise{MB}", MB * 1_000_000)
    size = sum(d["size"] for d in images.layers(layout)[2])
    least = size * 8 / UPLINK / 1e6
    print(f"{image or 'Noise'}, {size / 1e6:.0f} MB, fetched by all at once, the source behind {UPLINK} Mbit/s (content / uplink is "
          f"{least:.1f} s), {os.cpu_count()} cores for all hosts together:\n")
    print("| receivers | | last done, s | times content / uplink | the source sent, times the content |\n|---|---|---:|---:|---:|")
    series = {}
    counts = os.environ.get("RECEIVERS", "5 10").split()
    for receivers in counts:
        for way, measure in (("ipcs", from_the_fleet), ("ipcs cat", by_cat), ("docker-registry", from_the_registry)):
            seconds, bytes_ = measure(layout, int(receivers))
            goals = (" (at most 1.2)", " (at most 1.1)") if way != "docker-registry" else ("", "")
            print(f"| {receivers} | {way} | {seconds:.1f} | {seconds / least:.2f}{goals[0]} | {bytes_ / size:.2f}{goals[1]} |", flush=True)
            series.setdefault(way, []).append(seconds)
    os.makedirs(os.path.join(lab.REPOSITORY, "artifacts", "bench"), exist_ok=True)
    with open(os.path.join(lab.REPOSITORY, "artifacts", "bench", f"fanout{'-' + image if image else ''}.json"), "w") as f:
        json.dump({"Title": f"{size / 1e6:.0f} MB to all at once, behind {UPLINK} Mbit/s", "Unit": "seconds",
                   "Rows": [n + " receivers" for n in counts], "Series": series}, f, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
