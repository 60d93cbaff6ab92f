#!/usr/bin/env python3
"""Bytes on the wire of images converted with the tar chunker, pulled by one host of the fleet from another (tests/lab), compared with their
gzip layers, as a table.

An empty host pulls an image, then its next version: the bytes that its link receives meanwhile, with all frames. Then the times to convert
the largest image and to compare it with a small one. The images are the real ones of tests/lab/real."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "lab"))
import images  # noqa: E402
import lab  # noqa: E402

FIRST_PULL = 110
PAIRS = (("svc1", "v1", "svc2", "v2", 30), ("base29", "v1", "base29next", "next", 3))


def convert(host, layout, tag):
    """Converts an image. Returns the name by which another host pulls it."""
    return f"app:{tag}@" + lab.convert_result(host.ipcs("convert", f"oci:{layout}:{tag}", "--chunker", "tar", seconds=300).stdout)


def pull(host, name):
    """Bytes received while the host pulls."""
    before = host.received()
    host.ipcs("pull", name, seconds=300)
    return host.received() - before


def row(what, layout, tag, wire, goal):
    gzip = sum(d["size"] for d in images.layers(layout, tag)[2])
    share = 100 * wire / gzip
    print(f"| {what} | {gzip / 1e6:.2f} | {wire / 1e6:.2f} | {share:.1f}% | at most {goal}% | {'yes' if share <= goal else 'NO'} |",
          flush=True)


def timed(*words):
    """The seconds that a command takes on an empty host."""
    with lab.Lab(hosts=1) as fleet:
        fleet.hosts[0].start_ipcs()
        begin = time.monotonic()
        fleet.hosts[0].ipcs(*words, seconds=300)
        return time.monotonic() - begin


def main():
    if lab.unable("bench"):
        return 1
    print("Bytes received by a host that pulls, from another host of the fleet, images converted with the tar chunker.\n")
    print("| pull | gzip layers, MB | on the wire, MB | share | goal | reached |\n|---|---:|---:|---:|---:|---|")
    for first, tag, second, next_tag, goal in PAIRS:
        layout, next_layout = images.real(lab.IMAGES, first), images.real(lab.IMAGES, second)
        with lab.Lab(hosts=2) as fleet:
            one, two = fleet.hosts
            one.start_ipcs()
            two.start_ipcs(one)
            two.start_containerd()
            lab.wait("connection", lambda: one.peer in two.peers())
            row(f"{first}, the first", layout, tag, pull(two, convert(one, layout, tag)), FIRST_PULL)
            row(f"{second} after it", next_layout, next_tag, pull(two, convert(one, next_layout, next_tag)), goal)
    layout = images.real(lab.IMAGES, "dev296")
    small = images.real(lab.IMAGES, "app24")
    print(f"\nAn image of {sum(d['size'] for d in images.layers(layout)[2]) / 1e6:.0f} MB, in seconds; {os.cpu_count()} cores.\n")
    print("| chunker | convert | compare with app24 | goal |\n|---|---:|---:|---:|")
    for chunker, goal in (("size-262144", 5), ("tar", 10)):
        times = [timed("convert", f"oci:{layout}:v1", "--chunker", chunker),
                 timed("compare", f"oci:{layout}:v1", f"oci:{small}:v1", "--chunker", chunker)]
        print(f"| {chunker} | {times[0]:.1f} | {times[1]:.1f} | under {goal} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
