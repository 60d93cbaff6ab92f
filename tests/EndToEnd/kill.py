#!/usr/bin/env python3
"""kill -9 of the daemon during a pull, twenty times at random moments. Prints ok/not ok lines.

Each time, committed contents are intact when read through containerd, and the pull then succeeds. At the end only owned blocks are left.
kill.py [SEED]     the seed of the moments; it is printed, so that a run can be repeated. Needs root.
"""
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
import images  # noqa: E402
import lab  # noqa: E402
import suites  # noqa: E402
from tap import Results, equal, true  # noqa: E402

ROUNDS = 20
KEPT, SIZE = 2 << 20, 8 << 20
results = Results()
check = results.check


def pull(host, name):
    return subprocess.Popen(["nsenter", "--net=/run/netns/" + host.namespace, "ctr", "-a", host.socket, "images", "pull", "--plain-http",
                             "--snapshotter", host.snapshotter, name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True)


def restart(host):
    """Restarts containerd with the same state: a running one may wait long before it dials again."""
    host.containerd_service.stop()
    host.start_containerd()


def check_contents(host, known):
    """Reads every content through containerd and checks its hash. Those in `known` must be there."""
    contents = host.ctr("content", "ls", "-q").stdout.split()
    true(set(known) <= set(contents), f"of {known}, only {contents} are left")
    for digest in contents:
        try:
            data = host.read(digest)
        except lab.LabError:
            # containerd's garbage collection removes what an interrupted pull left.
            if digest in known or digest in host.ctr("content", "ls", "-q").stdout.split():
                raise
            continue
        equal("sha256:" + hashlib.sha256(data).hexdigest(), digest, "the hash of what containerd reads")


def remove_image(host, name):
    """Removes the image with the contents that no other image uses."""
    host.ctr("images", "rm", "--sync", name)


def start(host):
    """Starts the daemon. What is removed does not stay: else only the first pull would download anything."""
    host.start_ipcs(options=["--retain", "0"])


def kill_repeatedly(fleet, seed):
    host = fleet.hosts[0]
    moments = random.Random(seed)
    kept, noise = images.random(lab.IMAGES, "kept", KEPT), images.random(lab.IMAGES, "noise", SIZE)
    names = {layout: fleet.registry.reference(tag) for layout, tag in ((kept, "kept:v1"), (noise, "noise:v1"))}
    fleet.registry.push(kept, "kept:v1")
    fleet.registry.push(noise, "noise:v1")
    manifest, config, layers = images.layers(kept)
    known = [manifest, config["digest"], *(d["digest"] for d in layers)]

    with check("one image is pulled, and an uninterrupted pull of another is timed", need=True):
        start(host)
        host.start_containerd()
        host.pull(names[kept])
        fleet.registry.limit("100mbit")
        took = host.pull(names[noise])
        remove_image(host, names[noise])
    print(f"# seed {seed}, a pull takes {took:.1f} s", flush=True)
    interrupted = resumed = 0
    for k in range(1, ROUNDS + 1):
        moment = moments.uniform(0, took)
        with check(f"kill {k} after {moment:.2f} s", need=True):
            going = pull(host, names[noise])
            time.sleep(moment)  # the random moment, not a wait for a condition
            host.ipcs_service.stop(signal.SIGKILL)
            start(host)  # at once, as systemd does
            output = going.communicate(timeout=150)[0]
            interrupted += going.returncode != 0
            true(going.returncode == 0 or re.search("unavailable|content.sock|EOF|closed|wrong diff id|can't be unpacked", output, re.I),
                 "the pull failed of something else: " + output[-500:])
            restart(host)
            check_contents(host, known)
            resumed += len(host.ctr("content", "active").stdout.splitlines()) > 1
            host.pull(names[noise])
            equal(host.ctr("content", "active").stdout.splitlines()[1:], [], "what is still under way")
            remove_image(host, names[noise])
    with check("some pulls were interrupted"):
        print(f"# {interrupted} of {ROUNDS} pulls were interrupted, {resumed} left a part to resume from")
        true(interrupted >= ROUNDS // 4, f"only {interrupted} were")
    with check("the whole store is sound"):
        host.ipcs("repo", "verify")
    with check("no orphan is left"):
        host.pull(names[noise])
        check_contents(host, known)
        host.ipcs("repo", "gc")
        before = json.loads(host.ipcs("repo", "stat", "--json").stdout)["NumObjects"]
        remove_image(host, names[noise])
        remove_image(host, names[kept])
        lab.wait("end of containerd's collection", lambda: not host.contents())
        host.ipcs("repo", "gc")
        after = json.loads(host.ipcs("repo", "stat", "--json").stdout)["NumObjects"]
        true(before > 0 and after == 0, f"{after} of {before} blocks are left")


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else random.SystemRandom().randrange(1 << 32)
    return suites.run(results, "kill", [("kill", 1, lambda fleet: kill_repeatedly(fleet, seed))])


if __name__ == "__main__":
    sys.exit(main())
