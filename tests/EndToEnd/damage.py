#!/usr/bin/env python3
"""
A disk that gives wrong bytes: each failure is that of one block, nobody gets wrong bytes, and the block is healed when it is written or
fetched again. Prints ok/not ok lines. Needs root.
"""
import glob
import os
import resource
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
import images  # noqa: E402
import lab  # noqa: E402
import suites  # noqa: E402
from tap import Results, equal, true  # noqa: E402

MIB = 1 << 20
SIZE = 40 * MIB
results = Results()
check = results.check


def flip(host, data, offset):
    """Flips a bit of the bytes of a file at an offset, where the stopped daemon of a host has stored them."""
    wanted = data[offset:offset + 256]
    for path in glob.glob(os.path.join(host.path("ipcs"), "**", "*.blob"), recursive=True):
        with open(path, "r+b") as f:
            place = f.read().find(wanted)
            if place >= 0:
                f.seek(place)
                f.write(bytes([wanted[0] ^ 1]))
                return
    raise lab.LabError(f"{host.name} has stored the bytes at {offset} in no blob file")


def cat(host, cid):
    """The exit status, the bytes and the error text of `ipcs cat`."""
    done = subprocess.run([lab.IPCS, "cat", cid, "--api-socket", host.api], capture_output=True, timeout=120)
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")


def log(host):
    """What the daemon of a host has logged in all its runs."""
    with open(host.ipcs_service.log, errors="replace") as f:
        return f.read()


def damage(fleet):
    one, two = fleet.hosts
    bad, good = os.urandom(SIZE), os.urandom(SIZE)
    for name, data in (("bad", bad), ("good", good)):
        with open(one.path(name), "wb") as f:
            f.write(data)
    with check("two files are added, and one bit of one of them is flipped on the disk", need=True):
        one.start_ipcs()
        cids = [one.ipcs("add", "-Q", "--cid-version", "1", one.path(name)).stdout.strip() for name in ("bad", "good")]
        one.ipcs_service.stop()
        flip(one, bad, 20 * MIB)
        one.start_ipcs()
        two.start_ipcs(one)
        lab.wait("a connection", lambda: one.peer in two.peers())
    with check("another host that fetches both gets the intact one at once, and an error for the other", need=True):
        other = subprocess.Popen(["nsenter", "--net=/run/netns/" + two.namespace, lab.IPCS, "pin", "add", cids[0], "--api-socket", two.api],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        begin = time.monotonic()
        two.ipcs("pin", "add", cids[1])
        seconds = time.monotonic() - begin
        _, error = other.communicate(timeout=90)
        true(seconds < 10, f"the intact file took {seconds:.1f} s")
        equal(other.returncode, 1, "the exit status for the damaged file")
        true("not found" in error and error.count("\n") == 1, f"the error is {error!r}")
        equal(cat(two, cids[1])[1] == good, True, "the equality of the intact file")
        true(one.peer in two.peers(), "the host with the bad disk was disconnected")
    with check("the daemon with the damaged block says so"):
        lab.wait("the warnings", lambda: all(text in log(one) for text in (
            "is damaged on the disk and was deleted", f"pin {cids[0]} is no longer complete")), 60)
    with check("reading the damaged file is an error, and never wrong bytes"):
        status, read, error = cat(one, cids[0])
        equal(status, 1, "the exit status")
        true(bad.startswith(read), "other bytes were read")
        true(error.strip(), "there is no error")
    with check("adding the file again heals it, here and for the other host", need=True):
        equal(one.ipcs("add", "-Q", "--cid-version", "1", one.path("bad")).stdout.strip(), cids[0], "the root")
        equal(cat(one, cids[0])[1] == bad, True, "the equality of the healed file")
        two.ipcs("pin", "add", cids[0])
        equal(cat(two, cids[0])[1] == bad, True, "the equality of the fetched file")
    with check("a damaged block of a pin is fetched again from a peer"):
        two.ipcs_service.stop()
        flip(two, bad, 30 * MIB)
        two.start_ipcs(one)
        lab.wait("a connection", lambda: one.peer in two.peers())
        status, read, _ = cat(two, cids[0])
        true(status == 0 or bad.startswith(read), "other bytes were read")
        lab.wait("the healed file", lambda: cat(two, cids[0])[:2] == (0, bad), 30)
        true("is damaged on the disk and was deleted" in log(two), "its log does not tell of the damage")
    with check("both stores verify"):
        for host in fleet.hosts:
            host.ipcs("repo", "verify")


def verify(host, *words):
    """The exit status and the lines of `ipcs repo verify`."""
    done = subprocess.run([lab.IPCS, "repo", "verify", *words, "--api-socket", host.api], capture_output=True, text=True, timeout=180)
    return done.returncode, (done.stdout + done.stderr).splitlines()


def lost_file(fleet):
    one, two = fleet.hosts
    shared, alone = os.urandom(8 * MIB), os.urandom(2 * MIB)
    for host, name, data in ((one, "shared", shared), (two, "shared", shared), (two, "alone", alone)):
        with open(host.path(name), "wb") as f:
            f.write(data)
    with check("a host that has lost all its blob files starts", need=True):
        one.start_ipcs()
        two.start_ipcs()
        one.ipcs("add", "-Q", "--cid-version", "1", one.path("shared"))
        cids = [two.ipcs("add", "-Q", "--cid-version", "1", two.path(name)).stdout.strip() for name in ("shared", "alone")]
        two.ipcs_service.stop()
        for path in glob.glob(os.path.join(two.path("ipcs"), "**", "*.blob"), recursive=True):
            os.remove(path)
        two.start_ipcs(one)
        lab.wait("a connection", lambda: one.peer in two.peers())
    with check("`repo verify` names every block that is lost, and both pins"):
        status, lines = verify(two)
        equal(status, 1, "the exit status")
        equal(sum("was corrupt" in line for line in lines), 40, "the lost blocks")
    with check("`repo verify --repair` fetches what the fleet has, and names what nobody has", need=True):
        status, lines = verify(two, "--repair")
        equal(status, 1, "the exit status")
        true(f"pin {cids[0]} could not be repaired" not in "\n".join(lines), f"it says {lines}")
        true(any(line.startswith(f"pin {cids[1]} could not be repaired: ") for line in lines), f"it says {lines}")
        equal(cat(two, cids[0])[:2] == (0, shared), True, "the equality of the shared file")
    with check("what nobody has is put right by adding it"):
        two.ipcs("add", "-Q", "--cid-version", "1", two.path("alone"))
        equal(verify(two, "--repair")[0], 0, "the exit status of the repair")
        equal(verify(two)[0], 0, "the exit status of the verification")


def damaged_log(fleet):
    host, = fleet.hosts
    with check("21 files are added and the daemon is killed", need=True):
        host.start_ipcs()
        for i in range(21):
            with open(host.path(f"file{i}"), "wb") as f:
                f.write(os.urandom(150_000))
            host.ipcs("add", "-Q", "--cid-version", "1", host.path(f"file{i}"))
        equal(len(pins(host)), 21, "the pins")
        host.ipcs_service.stop(signal.SIGKILL)
    logs = sorted(glob.glob(os.path.join(host.path("ipcs"), "**", "*.log"), recursive=True))
    log = max(logs, key=os.path.getsize)
    with check("with one bit of its log flipped the daemon refuses to start, and says what to do", need=True):
        true(os.path.getsize(log) > 3_000_000, f"the log has {os.path.getsize(log)} bytes")
        with open(log, "r+b") as f:
            f.seek(os.path.getsize(log) // 3)
            byte = f.read(1)[0]
            f.seek(-1, os.SEEK_CUR)
            f.write(bytes([byte ^ 4]))
        done = subprocess.run([lab.IPCS, "daemon", "--data", host.path("ipcs"), "--listen", "/ip4/127.0.0.1/tcp/0", "--mdns", "off",
                               "--content-socket", host.path("c.sock"), "--api-socket", host.path("a.sock")],
                              capture_output=True, text=True, timeout=60)
        equal(done.returncode, 1, "the exit status")
        true("records come after it" in done.stderr and "ipcs repo recover" in done.stderr, f"it says {done.stderr!r}")
    with check("`repo recover` gives up the damaged record alone", need=True):
        done = subprocess.run([lab.IPCS, "repo", "recover", "--data", host.path("ipcs")], capture_output=True, text=True, timeout=60)
        equal(done.returncode, 0, "the exit status")
        true("bytes of damaged records are given up" in done.stdout, f"it says {done.stdout!r}")
        host.start_ipcs()
        true(len(pins(host)) >= 20, f"{len(pins(host))} of 21 pins are left")
    with check("adding the files again makes it whole"):
        for i in range(21):
            host.ipcs("add", "-Q", "--cid-version", "1", host.path(f"file{i}"))
        equal(len(pins(host)), 21, "the pins")
        equal(verify(host)[0], 0, "the exit status of the verification")


def few_descriptors(fleet):
    host, = fleet.hosts
    with check("a daemon has a file", need=True):
        host.start_ipcs()
        with open(host.path("kept"), "wb") as f:
            f.write(os.urandom(3 * MIB))
        kept = host.ipcs("add", "-Q", "--cid-version", "1", host.path("kept")).stdout.strip()
    with check("without a descriptor left it ends in order and says why, so that it is started again", need=True):
        pid = host.ipcs_service.process.pid
        more = os.urandom(200 * MIB)
        adding = subprocess.Popen([lab.IPCS, "add", "-Q", "-", "--api-socket", host.api],
                                  stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        adding.stdin.write(more[:20 * MIB])
        most = max(int(n) for n in os.listdir(f"/proc/{pid}/fd")) + 1
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, most))
        _, error = adding.communicate(more[20 * MIB:], timeout=60)
        equal(adding.returncode, 1, "the exit status of `ipcs add`")
        equal(error.count(b"\n"), 1, f"the lines of {error!r}")
        equal(host.ipcs_service.process.wait(30), 1, "the exit status of the daemon")
        true("takes no more writes" in log(host), "its log does not say why")
    with check("after it was started again everything is there, and it takes writes"):
        host.start_ipcs()
        with open(host.path("kept"), "rb") as f:
            equal(cat(host, kept)[1] == f.read(), True, "the equality of the file")
        again = [lab.IPCS, "add", "-Q", "-", "--api-socket", host.api]
        subprocess.run(again, input=more, check=True, stdout=subprocess.DEVNULL, timeout=60)
        equal(verify(host)[0], 0, "the exit status of the verification")


def pins(host):
    """The lines of `ipcs pin ls --type recursive`."""
    return host.ipcs("pin", "ls", "--type", "recursive").stdout.splitlines()


def containerd_check(host, *words):
    """The exit status, the documents and the error text of `ipcs containerd check --json`."""
    done = subprocess.run([lab.IPCS, "containerd", "check", "--json", *words, "--api-socket", host.api],
                          capture_output=True, text=True, timeout=180)
    return done.returncode, lab.documents(done.stdout), done.stderr


def agrees(host):
    """Checks that containerd and ipcs of a host agree."""
    status, documents, error = containerd_check(host)
    equal((status, error), (0, ""), f"the result of the check, which says {documents}")
    equal(documents[-1]["differences"], 0, "the differences")


def lose(host, *digests):
    """Deletes contents of a host behind containerd's back, with their blocks."""
    for digest in digests:
        host.enter("ctr", "-a", host.content, "content", "rm", digest)
    host.ipcs("repo", "gc", "--silent")


def collect(host):
    """Has containerd collect its garbage, and waits for that."""
    host.ctr("leases", "create", "--id", "collect")
    host.ctr("leases", "delete", "--sync", "collect")


def recorded(host):
    """The digests that containerd records."""
    return set(host.ctr("content", "ls", "-q").stdout.split())


def snapshots(host):
    return [line.split()[0] for line in host.ctr("snapshots", "--snapshotter", host.snapshotter, "ls").stdout.splitlines()[1:]]


def pulled_anew(host, name):
    """Unpacks an image again after a pull, and runs it."""
    while left := snapshots(host):  # a snapshot goes only after its children
        for snapshot in left:
            host.ctr("snapshots", "--snapshotter", host.snapshotter, "rm", snapshot, check=False)
    host.pull(name)
    true(images.GREETING in host.run_container(name), "the image does not run")


def lost_contents(fleet):
    one, two = fleet.hosts
    layout = images.small(lab.IMAGES)
    manifest, config, layers = images.layers(layout)
    name = fleet.registry.reference("app:v1")
    fleet.registry.push(layout, "app:v1")
    everything = {manifest, config["digest"], *(d["digest"] for d in layers)}
    with check("two hosts have an image, and the containerds agree with ipcs", need=True):
        one.start_ipcs()
        two.start_ipcs(one)
        lab.wait("a connection", lambda: one.peer in two.peers())
        for host in (one, two):
            host.start_containerd()
            host.pull(name)
            agrees(host)
    with check("`containerd check` names what ipcs has lost, with its image, and exits with 1", need=True):
        lose(two, manifest, layers[0]["digest"])
        status, documents, error = containerd_check(two)
        equal(status, 1, "the exit status")
        equal(error.count("\n"), 1, f"the lines of {error!r}")
        lost = {manifest, layers[0]["digest"]}
        equal({d["digest"]: d["problem"] for d in documents[:-1]}, dict.fromkeys(lost, "missing"), "the differences")
        text = two.ipcs("containerd", "check", check=False).stdout.splitlines()
        true(any(line.startswith(f"default\t{manifest}\t") and line.endswith("\t" + name) for line in text), f"it says {text}")
        equal(text[-1], f"{len(everything)} contents in 1 namespaces: 2 differences, 2 left", "the last line")
        true(all(d["namespace"] == "default" and d["images"] == [name] for d in documents[:-1]), f"it says {documents}")
    with check("`--fix` brings it back from the fleet", need=True):
        status, documents, error = containerd_check(two, "--fix")
        equal((status, error), (0, ""), f"the result, which says {documents}")
        equal([d["fix"] for d in documents[:-1]], ["fetched"] * 2, "the fixes")
        agrees(two)
        equal(recorded(two), everything, "what containerd records")
    with check("without a peer `--fix` has containerd forget what is lost or damaged, and names the image", need=True):
        one.ipcs_service.stop()
        two.ipcs_service.stop()
        damaged = max(layers, key=lambda d: d["size"])
        with open(os.path.join(layout, "blobs", "sha256", damaged["digest"][7:]), "rb") as f:
            flip(two, f.read(), MIB)
        two.start_ipcs()
        two.answers(config["digest"])
        lose(two, manifest, config["digest"])
        status, documents, error = containerd_check(two, "--fix")
        equal((status, error), (0, ""), f"the result, which says {documents}")
        dropped = {manifest, config["digest"], damaged["digest"]}
        equal({d["digest"]: d["fix"] for d in documents[:-1]}, dict.fromkeys(dropped, "dropped"), "the fixes")
        equal(documents[-1]["pull"], [{"namespace": "default", "image": name}], "the images to pull")
        agrees(two)
    with check("containerd's garbage collection takes nothing else"):
        before = snapshots(two)
        collect(two)
        equal(recorded(two), everything - dropped, "what containerd records")
        equal(snapshots(two), before, "the snapshots")
        true(two.contents().keys() == everything - dropped, "what ipcs keeps")
    with check("the next pull repairs the image, which unpacks and runs"):
        two.pull(name)
        agrees(two)
        equal(recorded(two), everything, "what containerd records")
        pulled_anew(two, name)
    with check("with a new data folder all is missing, and put right by `--fix` and a pull"):
        two.ipcs_service.stop()
        shutil.rmtree(two.path("ipcs"))
        two.start_ipcs()
        lab.wait("an answer through containerd", lambda: "not found" in two.ctr("content", "get", manifest, check=False).stderr)
        status, documents, _ = containerd_check(two, "--fix")
        equal((status, documents[-1]["differences"], documents[-1]["left"]), (0, len(everything), 0), "the result")
        pulled_anew(two, name)
        agrees(two)


def other_store(fleet):
    host, = fleet.hosts
    with check("`containerd check --fix` leaves a containerd with a content store of its own alone"):
        fleet.registry.push(images.small(lab.IMAGES), "app:v1")
        host.start_ipcs()
        host.start_containerd(own_store=True)
        host.pull(fleet.registry.reference("app:v1"))
        before = recorded(host)
        status, _, error = containerd_check(host, "--fix")
        equal(status, 1, "the exit status")
        true("has the content store 'content', not ipcs" in error, f"it says {error!r}")
        equal(recorded(host), before, "what containerd records")


def main():
    return suites.run(results, "damage", [
        ("damaged disk", 2, damage), ("lost blob files", 2, lost_file), ("damaged log", 1, damaged_log),
        ("few descriptors", 1, few_descriptors), ("lost contents", 2, lost_contents),
        ("other store", 1, other_store)], sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
