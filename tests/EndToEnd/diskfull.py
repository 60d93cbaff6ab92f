#!/usr/bin/env python3
"""A disk that fills up during a pull: a clear error, nothing lost, and success once there is room. Prints ok/not ok lines. Needs root."""
import hashlib
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
import images  # noqa: E402
import lab  # noqa: E402
import suites  # noqa: E402
from tap import Results, equal, true  # noqa: E402

SMALL, LARGE = "100m", "600m"
NOISE = 96 << 20
results = Results()
check = results.check


def check_readable(host, descriptors):
    for d in descriptors:
        equal("sha256:" + hashlib.sha256(host.read(d["digest"])).hexdigest(), d["digest"], "the hash of what containerd reads")


def fill_disk(fleet):
    host = fleet.hosts[0]
    small, noise = images.small(lab.IMAGES), images.random(lab.IMAGES, "large", NOISE)
    fleet.registry.push(small, "app:v1")
    fleet.registry.push(noise, "large:v1")
    app, large = fleet.registry.reference("app:v1"), fleet.registry.reference("large:v1")
    _, config, layers = images.layers(small)
    data = host.path("ipcs")
    os.makedirs(data)
    with check(f"an image is pulled into a data folder of {SMALL}", need=True):
        lab.run("mount", "-t", "tmpfs", "-o", f"size={SMALL},mode=0700", "tmpfs", data)
        host.start_ipcs()
        host.start_containerd()
        host.pull(app)
    with check("the pull of an image that does not fit fails, and the error says why", need=True):
        done = host.ctr("images", "pull", "--plain-http", "--snapshotter", host.snapshotter, large, check=False)
        true(done.returncode != 0, "it succeeded")
        true(re.search("disk is full|no space|resource ?exhausted", done.stderr + done.stdout, re.I), "it does not say so: "
             + done.stderr[-500:])
    with check("the daemon keeps running, and earlier contents are readable"):
        true(host.ipcs_service.running(), "the daemon has ended")
        check_readable(host, [config, *layers])
    with check("a container still runs"):
        true(images.GREETING in host.run_container(app), "the container printed something else")
    with check("with more room the same pull succeeds without a restart", need=True):
        lab.run("mount", "-o", f"remount,size={LARGE}", data)
        lab.wait("success of the pull", lambda: host.ctr("images", "pull", "--plain-http", "--snapshotter", host.snapshotter, large,
                                                         check=False).returncode == 0, 60)
    with check("every content is readable"):
        check_readable(host, images.layers(noise)[2] + [config, *layers])
        true(images.GREETING in host.run_container(large), "the container printed something else")
    with check("every content is readable after a restart"):
        host.containerd_service.stop()
        host.ipcs_service.stop()
        host.start_ipcs()
        host.start_containerd()
        check_readable(host, images.layers(noise)[2] + [config, *layers])


def main():
    return suites.run(results, "disk-full", [("disk full", 1, fill_disk)])


if __name__ == "__main__":
    sys.exit(main())
