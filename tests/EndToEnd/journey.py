#!/usr/bin/env python3
"""The journey of the demo as a test: an image comes once from a registry, then only from the fleet. Prints ok/not ok lines.

Real containerd and runc on hosts in namespaces (tests/lab), a real docker-registry, and the one binary. Needs root.
"""
import hashlib
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
import images  # noqa: E402
import lab  # noqa: E402
import suites  # noqa: E402
from tap import Results, equal, true  # noqa: E402

# A peer that does not exist: the identity of the example key in the libp2p specification.
NOBODY = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"
results = Results()
check = results.check


def start(host, *peers):
    host.start_ipcs(*peers)
    host.start_containerd()


def in_containerd(host, digest):
    """The bytes of a content as containerd gives them."""
    path = host.path("content")
    host.enter("sh", "-c", f'ctr -a "{host.socket}" content get {digest} > "{path}"')
    with open(path, "rb") as f:
        return f.read()


def check_readable(host, descriptors):
    for d in descriptors:
        data = in_containerd(host, d["digest"])
        equal("sha256:" + hashlib.sha256(data).hexdigest(), d["digest"], f"the hash of what {host.name} reads")


def wait_until_readable(host, descriptor):
    """Waits until containerd, which dials a lost plugin again at growing intervals, can read a content."""
    lab.wait("answer to a read", lambda: host.ctr("content", "get", descriptor["digest"], check=False).returncode == 0)


def expect_failure(what, call, seconds):
    """call() must fail within so many seconds. Returns its error message."""
    begin = time.monotonic()
    try:
        call()
    except lab.LabError as e:
        took = time.monotonic() - begin
        true("not done within" not in str(e), f"{what} hangs: {e}")
        true(took < seconds, f"{what} took {took:.0f} s to fail")
        return str(e)
    raise AssertionError(what + " succeeded")


def one_line(done, *words):
    """Checks that a client command failed with status 1 and one line on standard error that has one of the words."""
    equal(done.returncode, 1, "the exit status")
    lines = done.stderr.strip().splitlines()
    equal(len(lines), 1, f"the number of lines on standard error ({done.stderr!r})")
    true(not words or any(w in lines[0].lower() for w in words), f"{lines[0]!r} names none of {words}")


def journey(fleet, layout):
    one, two = fleet.hosts
    manifest, config, layers = images.layers(layout)
    name = fleet.registry.reference("app:v1")
    fleet.registry.push(layout, "app:v1")

    with check("two daemons and their containerds start, and the daemons find each other", need=True):
        start(one)
        start(two, one)
        lab.wait("connection between the daemons", lambda: one.peer in two.peers() and two.peer in one.peers())
    with check("host 1 pulls from the registry through ipcs", need=True):
        one.pull(name)
    with check("host 1 got every layer from the registry, once"):
        served = [path for path, status, _ in fleet.registry.served(one) if status == 200]
        equal(sorted(d["digest"] for d in layers + [config]), sorted(p.rsplit("/", 1)[1] for p in served), "what the registry served")
    with check("host 1 runs a container from it"):
        true(images.GREETING in one.run_container(name), "the container printed something else")
    with check("ipcs names every content of the image"):
        have = {d["digest"]: d for d in lab.documents(one.ipcs("content", "ls", "--json").stdout)}
        for d in layers + [config]:
            true(d["digest"] in have, f"{d['digest']} is not listed")
            equal(have[d["digest"]]["size"], d["size"], "the size of " + d["digest"])
            equal(have[d["digest"]]["complete"], True, "complete of " + d["digest"])
        true(manifest in have, "the manifest is not listed")

    with check("the registry loses all its blobs but the manifest", need=True):
        equal(fleet.registry.lose_layers({manifest}), len(layers) + 1, "the number of blobs deleted")
    with check("host 2 pulls the same unmodified reference", need=True):
        two.pull(name)
    with check("the registry served nothing of it to host 2"):
        equal([r for r in fleet.registry.served(two) if r[1] == 200 and not r[0].endswith(manifest)], [], "what the registry served")
    with check("host 2 runs a container from it"):
        true(images.GREETING in two.run_container(name), "the container printed something else")
    with check("what host 2 reads has its hashes"):
        check_readable(two, layers + [config])

    with check("kill -9 of the daemon on host 2 loses nothing that was committed", need=True):
        two.ipcs_service.stop(signal.SIGKILL)
        two.start_ipcs(one)
        wait_until_readable(two, config)
        check_readable(two, layers + [config])
        lab.wait("connection between the daemons", lambda: two.peer in one.peers())

    with check("host 1 converts the image", need=True):
        converted = lab.convert_result(one.ipcs("convert", "containerd:" + name, "app-p2p:v1").stdout)
        true(converted != manifest, "the converted manifest is the original one")
        true("app-p2p:v1" in one.ctr("images", "ls", "-q").stdout.split(), "it is not registered in containerd")
    with check("host 1 runs a container from the converted image"):
        true(images.GREETING in one.run_container("app-p2p:v1"), "the container printed something else")
    fleet.registry.stop()
    with check("host 2 pulls the converted image with no registry at all", need=True):
        two.ipcs("pull", "app-p2p:v1@" + converted, "--unpack", seconds=150)
    with check("host 2 runs a container from it, with no registry at all"):
        reference = next(r for r in two.ctr("images", "ls", "-q").stdout.split() if r.startswith("app-p2p:v1"))
        true(images.GREETING in two.run_container(reference), "the container printed something else")

    with check("without its daemon, host 2's containerd gives clear errors and keeps running"):
        took = two.ipcs_service.stop()
        true(took < 15, f"SIGTERM took {took:.0f} s")
        two.ctr("version", seconds=20)
        message = expect_failure("a read without the daemon", lambda: two.ctr("content", "get", layers[0]["digest"], seconds=60), 45)
        true("unavailable" in message.lower() or "content.sock" in message, f"the message does not say why: {message}")
    with check("without its daemon, a client command says so in one line"):
        one_line(two.ipcs("id", check=False), "api.sock", "daemon")
    with check("host 2 works again when its daemon is back"):
        two.start_ipcs(one)
        wait_until_readable(two, config)

    with check("a pull of an image that no host has fails within 120 s, in one line"):
        begin = time.monotonic()
        done = two.ipcs("pull", "nobody:v1@sha256:" + "5" * 64, check=False, seconds=150)
        one_line(done)
        true(time.monotonic() - begin < 125, "it took longer")
    with check("a connect to a peer that does not exist fails within 40 s, in one line"):
        begin = time.monotonic()
        one_line(two.ipcs("swarm", "connect", f"/ip4/{lab.NET}.77/tcp/4001/p2p/{NOBODY}", check=False, seconds=60))
        true(time.monotonic() - begin < 42, "it took longer")


def lost_source(fleet, layout):
    one, two = fleet.hosts
    manifest, _, layers = images.layers(layout)
    name = fleet.registry.reference("noise:v1")
    fleet.registry.push(layout, "noise:v1")

    with check("one host is the only source of an image", need=True):
        start(one)
        start(two, one)
        one.pull(name)
        fleet.registry.lose_layers({manifest})
        lab.wait("connection between the daemons", lambda: one.peer in two.peers())
    with check("kill -9 of the only source in the middle of a fetch is an error on host 2, not a hang", need=True):
        one.limit("20mbit")
        before = two.received()
        pull = lab.subprocess.Popen(["nsenter", "--net=/run/netns/" + two.namespace, "ctr", "-a", two.socket, "images", "pull",
                                     "--plain-http",
                                     "--snapshotter", two.snapshotter, name], stdout=lab.subprocess.PIPE, stderr=lab.subprocess.STDOUT,
                                     text=True)
        try:
            lab.wait("2 MB of the fetch", lambda: two.received() - before > 2 << 20 or pull.poll() is not None)
            true(pull.poll() is None, "the pull ended before the source was killed: "
                 + (pull.stdout.read() if pull.poll() is not None else ""))
            one.ipcs_service.stop(signal.SIGKILL)
            killed = time.monotonic()
            output = pull.communicate(timeout=150)[0]
        finally:
            pull.kill()
        true(pull.returncode != 0, "the pull succeeded without a source: " + output)
        print(f"# the pull failed {time.monotonic() - killed:.0f} s after the kill: {output.strip().splitlines()[-1]}")
    with check("containerd on host 2 still answers"):
        two.ctr("version", seconds=20)
        two.ctr("images", "ls", seconds=20)
    with check("the same pull succeeds when the source is back", need=True):
        one.limit(None)
        one.start_ipcs()
        lab.wait("connection between the daemons", lambda: one.peer in two.peers(), 60)
        two.pull(name)
        check_readable(two, layers)
    with check("host 2 runs a container from it"):
        true(images.GREETING in two.run_container(name), "the container printed something else")


def main():
    return suites.run(results, "journey", [
        ("journey", 2, lambda fleet: journey(fleet, images.small(lab.IMAGES))),
        ("the lost source", 2, lambda fleet: lost_source(fleet, images.random(lab.IMAGES, "noise", 24 << 20))),
    ], sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
