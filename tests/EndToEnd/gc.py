#!/usr/bin/env python3
"""Garbage collection back to back on two hosts for a minute, while workers make, fetch, read and drop blocks there; every byte is compared.
Prints ok/not ok lines: nothing needed is lost, and when all is dropped, no block is left.

Two hosts in namespaces (tests/lab), each with a real containerd and ipcs, fetch from each other. Needs root.
    gc.py [SECONDS] [SEED]     60 by default; the seed is printed, so that a run can be repeated
"""
import hashlib
import io
import json
import os
import random
import subprocess
import sys
import tarfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
import images  # noqa: E402
import lab  # noqa: E402
import suites  # noqa: E402
from tap import Results, equal, true  # noqa: E402

COMMON = random.Random("what all contents begin with").randbytes(2 * 262144)  # blocks shared by contents that are removed and kept
LARGEST = 2 << 20
ENOUGH = 3  # rounds of each worker, below which the test proves nothing
MOST_KEPT = 40
results = Results()
check = results.check


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def call(*command, data=b"", seconds=60):
    """Runs a command, which must succeed. Returns its output as bytes."""
    done = subprocess.run(command, input=data, capture_output=True, timeout=seconds)
    if done.returncode:
        raise lab.LabError(f"{' '.join(command)}: exit status {done.returncode}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


class Side:
    """A host, the contents that must stay on it, and its garbage collections so far."""

    def __init__(self, host):
        self.host, self.other = host, None
        self.pinned, self.images = {}, {}  # CID -> bytes; name -> {digest: bytes}
        self.collections = self.removed = 0

    def ipcs(self, *words, data=b""):
        return call(lab.IPCS, *words, "--api-socket", self.host.api, data=data)

    def ctr(self, *words):
        return call("nsenter", "--net=/run/netns/" + self.host.namespace, "ctr", "--connect-timeout", "60s", "-a", self.host.socket, *words)

    def collected(self, over):
        """Waits for a complete collection that begins after this call."""
        enough = self.collections + 2
        lab.wait("two collections", lambda: self.collections >= enough or over.is_set(), 60)

    def fed(self, over, data, *command):
        """Runs a command, giving it half of its input before a collection and the rest after it. Returns its output."""
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            process.stdin.write(data[:len(data) // 2])
            process.stdin.flush()
            self.collected(over)
            out, err = process.communicate(data[len(data) // 2:], timeout=60)
        if process.returncode:
            raise lab.LabError(f"{' '.join(command)}: exit status {process.returncode}: {err.decode(errors='replace').strip()}")
        return out

    def same(self, name, data, ranges, source="cat"):
        """Reads a content, or random parts of it, and compares the bytes."""
        if not ranges:
            true(self.ipcs(source, name) == data, f"{name} of {len(data)} bytes has become something else")
        for offset, length in ranges:
            part = self.ipcs(source, name, "--offset", str(offset), "--length", str(length))
            true(part == data[offset:offset + length], f"{name} has become something else between {offset} and {offset + length}")

    def image_is_whole(self, contents):
        for digest, data in contents.items():
            true(self.ctr("content", "get", digest) == data, f"{digest} has become something else")


def some_bytes(rng):
    size = rng.choice((1, 1000, 262144, 262145, LARGEST)) if rng.random() < 0.3 else rng.randrange(1, LARGEST)
    return (COMMON if rng.random() < 0.5 else b"") + rng.randbytes(size)


def some_ranges(rng, data):
    starts = [rng.randrange(len(data)) for _ in range(3)]
    return [(start, rng.randrange(1, 65536)) for start in starts]


def image(rng):
    """Makes an image as an archive. Returns it, and its contents by digest."""
    layers = [some_bytes(rng) for _ in range(2)]
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {},
                         "rootfs": {"type": "layers", "diff_ids": [sha256(x) for x in layers]}}).encode()
    describe = lambda data, media: {"mediaType": media, "digest": sha256(data), "size": len(data)}
    manifest = json.dumps({"schemaVersion": 2, "mediaType": images.MANIFEST, "config": describe(config, images.CONFIG),
                           "layers": [describe(x, images.LAYER.removesuffix("+gzip")) for x in layers]}).encode()
    contents = {sha256(data): data for data in (*layers, config, manifest)}
    name = f"made.test/{sha256(manifest)[7:19]}:v1"
    index = {"schemaVersion": 2, "manifests": [{**describe(manifest, images.MANIFEST), "annotations": {"io.containerd.image.name": name}}]}
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, data in (("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'), ("index.json", json.dumps(index).encode()),
                           *((f"blobs/sha256/{digest[7:]}", data) for digest, data in contents.items())):
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return name, contents, archive.getvalue()


# ---- workers, which repeat one operation on a side: each takes the side, a random generator, and the event that ends the test

def collects(side, rng, over):
    side.removed += side.ipcs("repo", "gc", "-q").count(b"\n")
    side.collections += 1


def adds(side, rng, over):
    data = some_bytes(rng)
    words = ("add", "-", "-Q", "--cid-version", rng.choice("01"))
    if rng.random() < 0.3:
        cid = side.fed(over, data, lab.IPCS, *words, "--api-socket", side.host.api).decode().strip()
    else:
        cid = side.ipcs(*words, data=data).decode().strip()
    side.same(cid, data, [])
    if rng.random() < 0.3 and len(side.pinned) < MOST_KEPT:
        side.pinned[cid] = data
    else:
        side.same(cid, data, some_ranges(rng, data))
        side.ipcs("pin", "rm", cid)


def puts_blocks(side, rng, over):
    data = rng.randbytes(rng.randrange(1, 100_000))
    cid = side.ipcs("block", "put", "-", "--pin", data=data).decode().strip()
    side.collected(over)
    true(side.ipcs("block", "get", cid) == data, f"block {cid} has become something else")
    side.ipcs("pin", "rm", cid)
    side.ipcs("block", "rm", "-f", cid)


def reads(side, rng, over):
    """Contents that stay on this host."""
    cid, data = rng.choice(list(side.pinned.items()))
    side.same(cid, data, some_ranges(rng, data) if rng.random() < 0.7 else [])


def fetches(side, rng, over):
    """Contents of the other side: pinned, read after a collection, or only read."""
    cid, data = rng.choice(list(side.other.pinned.items()))
    if rng.random() < 0.5:
        side.ipcs("pin", "add", cid)
        side.collected(over)
        side.same(cid, data, [])
        side.ipcs("pin", "rm", cid)
    else:
        side.same(cid, data, some_ranges(rng, data) if rng.random() < 0.5 else [])


def imports_images(side, rng, over):
    """As containerd writes them: under a lease, blob by blob; one of them is still being written during a collection."""
    name, contents, archive = image(rng)
    side.fed(over, archive, "ctr", "-a", side.host.socket, "images", "import", "--no-unpack", "-")
    side.image_is_whole(contents)
    if rng.random() < 0.2 and len(side.images) < 4:
        side.images[name] = contents
    else:
        side.ctr("images", "rm", "--sync", name)


def reads_images(side, rng, over):
    contents = rng.choice(list(side.images.values()))
    side.image_is_whole(contents)
    digest, data = rng.choice([(d, x) for d, x in contents.items() if len(x) > 1])
    side.same(digest, data, some_ranges(rng, data))


def pulls(reference, contents):
    def pulls_from_the_fleet(side, rng, over):
        """An image that the registry lost."""
        side.ctr("content", "fetch", "--plain-http", reference)
        side.image_is_whole(contents)
        side.ctr("images", "rm", "--sync", reference)
    return pulls_from_the_fleet


class Worker(threading.Thread):
    """Repeats one operation on one side until the time is over or it fails."""

    def __init__(self, what, side, seed, over):
        super().__init__(name=f"{side.host.name} {what.__name__.replace('_', ' ')}", daemon=True)
        self.what, self.side, self.over = what, side, over
        self.rng = random.Random(f"{seed} {self.name}")
        self.rounds, self.error = 0, None

    def run(self):
        try:
            while not self.over.is_set():
                self.what(self.side, self.rng, self.over)
                self.rounds += 1
        except Exception as e:  # reported by the check with its name
            self.error = e
            self.over.set()


def blobs(layout):
    manifest, config, layers = images.layers(layout)
    for digest in (manifest, config["digest"], *(d["digest"] for d in layers)):
        with open(os.path.join(layout, "blobs", "sha256", digest[7:]), "rb") as f:
            yield digest, f.read()


def collect_for_a_minute(fleet, seconds, seed):
    rng = random.Random(seed)
    sides = one, two = [Side(host) for host in fleet.hosts]
    one.other, two.other = two, one
    layout = images.random(lab.IMAGES, "noise", 8 << 20)
    name, noise = fleet.registry.reference("noise:v1"), dict(blobs(layout))
    fleet.registry.push(layout, "noise:v1")
    print(f"# seed {seed}", flush=True)
    with check("two hosts with an image and files each; the registry lost the layers of an image that one of them has", need=True):
        one.host.start_ipcs()
        two.host.start_ipcs(one.host)
        for side in sides:
            side.host.start_containerd()
            for _ in range(4):
                data = some_bytes(rng)
                side.pinned[side.ipcs("add", "-", "-Q", data=data).decode().strip()] = data
            made, contents, archive = image(rng)
            call("ctr", "-a", side.host.socket, "images", "import", "--no-unpack", "-", data=archive)
            side.images[made] = contents
        one.ctr("content", "fetch", "--plain-http", name)
        one.images[name] = noise
        fleet.registry.lose_layers({images.layers(layout)[0]})
        lab.wait("connection between the daemons", lambda: one.host.peer in two.host.peers() and two.host.peer in one.host.peers())
        for side in sides:
            side.host.limit("200mbit")  # so that a fetch takes longer than a collection

    over = threading.Event()
    kinds = [collects, adds, puts_blocks, reads, fetches, imports_images, reads_images]
    workers = [Worker(kind, side, seed, over) for side in sides for kind in kinds] + [Worker(pulls(name, noise), two, seed, over)]
    for worker in workers:
        worker.start()
    over.wait(seconds)
    lab.wait("enough rounds on a machine that is busy", lambda: over.is_set() or all(w.rounds >= ENOUGH for w in workers), 3 * seconds)
    over.set()
    for worker in workers:
        worker.join(120)
    for worker in workers:
        with check(f"{worker.name}: {worker.rounds} times"):
            true(not worker.is_alive(), "it hangs")
            if worker.error:
                raise worker.error
            true(worker.rounds >= ENOUGH, "that is too few to show anything")
    for side in sides:
        with check(f"{side.host.name}: {side.collections} collections have taken {side.removed} blocks"):
            true(side.collections > ENOUGH and side.removed > 50, "that is too few to show anything")

    for side in sides:
        with check(f"{side.host.name}: {len(side.pinned)} files and {len(side.images)} images that were kept are there to the byte"):
            for cid, data in side.pinned.items():
                side.same(cid, data, [])
            for contents in side.images.values():
                side.image_is_whole(contents)
        with check(f"{side.host.name}: the whole store is sound"):
            side.ipcs("repo", "verify")
    for side in sides:
        with check(f"{side.host.name}: when everything is released, a collection leaves nothing"):
            for cid in side.pinned:
                side.ipcs("pin", "rm", cid)
            for made in side.images:
                side.ctr("images", "rm", "--sync", made)
            lab.wait("end of containerd's collection", lambda: not side.host.contents())
            equal(side.ipcs("pin", "ls").decode(), "", "the pins")
            side.ipcs("repo", "gc")
            equal(json.loads(side.ipcs("repo", "stat", "--json"))["NumObjects"], 0, "the number of blocks left")


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1 << 32)
    return suites.run(results, "gc", [("collection at full speed", 2, lambda fleet: collect_for_a_minute(fleet, seconds, seed))])


if __name__ == "__main__":
    sys.exit(main())
