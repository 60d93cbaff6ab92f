#!/usr/bin/env python3
"""
kill -9 of the daemon at random moments while files are added, contents written, DAGs fetched and unpinned, images converted and garbage
collected at the same time. After each kill: what was acknowledged is there, byte for byte. Prints ok/not ok lines.

crash.py [KILLS] [SEED]     the seed of contents and moments; it is printed, so that a run can be repeated. Needs root.
"""
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
import lab  # noqa: E402
import suites  # noqa: E402
from tap import Results, equal, true  # noqa: E402

KILLS, VERIFY_EACH, CHECKED = 25, 10, 4
results = Results()
check = results.check


class Known:
    """What the daemon has acknowledged, by the operation that changed it last. Thread-safe."""

    def __init__(self):
        self.lock = threading.Lock()
        self.pins, self.contents, self.unsure = {}, {}, set()
        self.counts = {}

    def count(self, what):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1

    def pinned(self, cid, data):
        with self.lock:
            self.pins[cid] = hashlib.sha256(data).hexdigest()
            self.unsure.discard(cid)

    def take(self, chance):
        """A pin whose removal begins: until it is acknowledged nothing is known of it."""
        with self.lock:
            known = sorted(set(self.pins) - self.unsure)
            cid = chance.choice(known) if len(known) > 3 else None
            if cid:
                self.unsure.add(cid)
            return cid

    def removed(self, cid):
        with self.lock:
            self.pins.pop(cid, None)
            self.unsure.discard(cid)

    def written(self, digest):
        with self.lock:
            self.contents[digest] = True

    def sample(self, chance, most):
        with self.lock:
            pins = sorted((cid, hash) for cid, hash in self.pins.items() if cid not in self.unsure)
            contents = sorted(self.contents)
        return chance.sample(pins, min(most, len(pins))), chance.sample(contents, min(most, len(contents)))


class Workers:
    """Threads that use the daemon until it is killed."""

    def __init__(self, host, other, known, seed, bench):
        self.host, self.other, self.known, self.bench = host, other, known, bench
        self.over, self.lock, self.running = threading.Event(), threading.Lock(), set()
        works = (self.add, self.write, self.fetch, self.unpin, self.collect, self.convert)
        self.failures = []
        chances = [random.Random(f"{seed} {work.__name__}") for work in works]
        self.threads = [threading.Thread(target=self.run, args=pair, daemon=True) for pair in zip(works, chances)]
        for thread in self.threads:
            thread.start()

    def run(self, work, chance):
        while not self.over.is_set():
            try:
                if work(chance):
                    self.known.count(work.__name__)
            except Exception as e:  # the check of the main thread reports it
                self.failures.append(f"{work.__name__}: {e}")
                return
            time.sleep(chance.random() * 0.05)

    def end(self):
        """Ends the threads. Commands that wait for the killed daemon are killed too."""
        self.over.set()
        with self.lock:
            for process in self.running:
                process.kill()
        for thread in self.threads:
            thread.join()
        equal(self.failures, [], "the failures of the workers")

    def command(self, *words, data=None):
        """The output of a command; None when it failed, as it may when the daemon is killed."""
        with self.lock:
            if self.over.is_set():
                return None
            process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            self.running.add(process)
        output, _ = process.communicate(data, timeout=120)
        with self.lock:
            self.running.discard(process)
        return output.decode() if process.returncode == 0 else None

    def ipcs(self, host, *words, data=None):
        return self.command(lab.IPCS, *words, "--api-socket", host.api, data=data)

    def add(self, chance):
        data = chance.randbytes(int(2 ** chance.uniform(1, 22)))
        cid = self.ipcs(self.host, "add", "-Q", "--cid-version", "1", "-", data=data)
        if cid:
            self.known.pinned(cid.strip(), data)
        return cid

    def write(self, chance):
        data = chance.randbytes(int(2 ** chance.uniform(1, 22)))
        path = self.host.path("written")
        with open(path, "wb") as f:
            f.write(data)
        digest = self.command(self.bench, "put", self.host.content, path)
        if digest:
            equal(digest.strip(), "sha256:" + hashlib.sha256(data).hexdigest(), "the digest of what was written")
            self.known.written(digest.strip())
        return digest

    def fetch(self, chance):
        data = chance.randbytes(int(2 ** chance.uniform(10, 22)))
        cid = self.ipcs(self.other, "add", "-Q", "--cid-version", "1", "-", data=data)
        if not cid:
            return None
        fetched = self.ipcs(self.host, "pin", "add", cid.strip())
        if fetched:
            self.known.pinned(cid.strip(), data)
        return fetched

    def unpin(self, chance):
        cid = self.known.take(chance)
        if cid and self.ipcs(self.host, "pin", "rm", cid):
            self.known.removed(cid)
            return True
        return False

    def collect(self, chance):
        time.sleep(chance.random() * 0.2)
        return self.ipcs(self.host, "repo", "gc", "--silent") is not None

    def convert(self, chance):
        layout = self.host.path("layout")
        make_layout(layout, chance)
        return self.ipcs(self.host, "convert", "oci:" + layout)


def make_layout(folder, chance):
    """An OCI layout of an image with one layer of random bytes."""
    os.makedirs(os.path.join(folder, "blobs", "sha256"), exist_ok=True)

    def blob(data, kind):
        digest = hashlib.sha256(data).hexdigest()
        with open(os.path.join(folder, "blobs", "sha256", digest), "wb") as f:
            f.write(data)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": "sha256:" + digest, "size": len(data)}

    layer = chance.randbytes(chance.randrange(1, 3 << 20))
    diffs = ["sha256:" + hashlib.sha256(layer).hexdigest()]
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diffs}}
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": blob(json.dumps(config).encode(), "config.v1+json"), "layers": [blob(layer, "layer.v1.tar")]}
    with open(os.path.join(folder, "oci-layout"), "w") as f:
        f.write('{"imageLayoutVersion": "1.0.0"}')
    with open(os.path.join(folder, "index.json"), "w") as f:
        json.dump({"schemaVersion": 2, "manifests": [blob(json.dumps(manifest).encode(), "manifest.v1+json")]}, f)


def check_known(host, known, chance, most):
    """Reads some of what was acknowledged."""
    pins, contents = known.sample(chance, most)
    for cid, hash in pins:
        done = subprocess.run([lab.IPCS, "cat", cid, "--api-socket", host.api], capture_output=True, timeout=60)
        true(done.returncode == 0, f"`ipcs cat {cid}` fails: {done.stderr.decode().strip()}")
        equal(hashlib.sha256(done.stdout).hexdigest(), hash, f"the hash of {cid}")
    for digest in contents:
        done = subprocess.run([lab.IPCS, "cat", digest, "--api-socket", host.api], capture_output=True, timeout=60)
        true(done.returncode == 0, f"`ipcs cat {digest}` fails: {done.stderr.decode().strip()}")
        equal("sha256:" + hashlib.sha256(done.stdout).hexdigest(), digest, "the hash of a content")


def crash(fleet, kills, seed):
    host, other = fleet.hosts
    chance, known = random.Random(seed), Known()
    bench = lab.run(os.path.join(lab.REPOSITORY, "bench", "Content", "build.sh"), seconds=300).stdout.strip()
    other.start_ipcs()
    with check(f"after each of {kills} kills at random moments (seed {seed}) what was acknowledged is there", need=True):
        for kill in range(kills):
            host.start_ipcs(other)
            workers = Workers(host, other, known, f"{seed} {kill}", bench)
            time.sleep(chance.uniform(0.05, 1.5))
            host.ipcs_service.stop(signal.SIGKILL)
            workers.end()
            host.start_ipcs(other)
            check_known(host, known, chance, CHECKED)
            if kill % VERIFY_EACH == VERIFY_EACH - 1:
                host.ipcs("repo", "verify", seconds=300)
            # A kill right after a start, too.
            host.ipcs_service.stop(signal.SIGKILL if chance.random() < 0.3 else signal.SIGTERM)
    with check("every kind of work was done between the kills"):
        print("#", known.counts)
        equal(sorted(known.counts), ["add", "collect", "convert", "fetch", "unpin", "write"], "the kinds of work that ended well")
    with check("at the end all of it is there, before and after a garbage collection"):
        host.start_ipcs(other)
        check_known(host, known, chance, 1 << 20)
        host.ipcs("repo", "gc", "--silent", seconds=300)
        check_known(host, known, chance, 1 << 20)
        host.ipcs("repo", "verify", seconds=300)


def main():
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else KILLS
    seed = sys.argv[2] if len(sys.argv) > 2 else str(random.randrange(1 << 32))
    return suites.run(results, "crash", [("kills", 2, lambda fleet: crash(fleet, kills, seed))])


if __name__ == "__main__":
    sys.exit(main())
