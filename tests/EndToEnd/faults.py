#!/usr/bin/env python3
"""
Fault injection below RocksDB: one or some of the calls by which the daemon writes its data folder fail with EIO, ENOSPC or EMFILE, or
write only half of their bytes, while files are added, contents written, pins removed and garbage collected. In each round the daemon may
refuse to start, refuse operations, or end in order with exit status 1; started again on a sound disk it has all that was acknowledged, byte
for byte, and `repo verify` finds nothing. Prints ok/not ok lines.

faults.py [ROUNDS] [SEED]     the seed of contents and faults; it is printed, so that a run can be repeated. Needs cc and Go.
"""
import collections
import hashlib
import os
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lab"))
import lab  # noqa: E402
from crash import Known  # noqa: E402
from tap import Results, Stop, equal, scenario, true  # noqa: E402

ROUNDS, ROUNDS_OF_A_STORE, FOREVER = 40, 6, 1 << 30
KINDS = ("EIO", "ENOSPC", "EMFILE", "SHORT")
# Assertions by which RocksDB 7.8 ends the process: when it tries again after a write of its MANIFEST has found the disk full, and at the
# next line of its info log after the write of one has failed. Such rounds are counted and shown, and checked as all others.
RETRY_ABORTS = "DBImpl::ResumeImpl(rocksdb::DBRecoverContext): Assertion `file_deletion_disabled' failed"
WRITER_ABORTS = "AssertFalseAndGetStatusForPrevError(): Assertion `sync_without_flush_called_' failed"
SECONDS = 30  # after which a command or the daemon hangs
results = Results()
check = results.check


def library():
    """The path of the library that makes calls fail, compiled when it is missing."""
    source = os.path.join(HERE, "Faults", "faults.c")
    binary = os.path.join(lab.REPOSITORY, "artifacts", "lab", "faults.so")
    if not os.path.exists(binary) or os.path.getmtime(binary) < os.path.getmtime(source):
        os.makedirs(os.path.dirname(binary), exist_ok=True)
        lab.run("cc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", f"{binary}.{os.getpid()}", source)
        os.rename(f"{binary}.{os.getpid()}", binary)
    return binary


class Store:
    """A data folder, the sockets of its daemon, and what was acknowledged."""

    def __init__(self, folder):
        self.folder, self.known = folder, Known()
        self.data, self.api, self.content = (os.path.join(folder, name) for name in ("data", "api.sock", "content.sock"))
        self.log, self.faults = os.path.join(folder, "daemon.log"), os.path.join(folder, "faults.log")
        self.daemon = None
        os.makedirs(folder)

    def start(self, kind="", first=0, count=1):
        """Starts the daemon with faults. False when it ends before it is ready."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("IPCS_")}
        environment |= {"LD_PRELOAD": library(), "FAULTS_BELOW": self.data, "FAULTS_LOG": self.faults, "FAULTS_KIND": kind,
                        "FAULTS_FIRST": str(first), "FAULTS_COUNT": str(count)}
        with open(self.log, "ab") as log:
            self.daemon = subprocess.Popen(
                [lab.IPCS, "daemon", "--data", self.data, "--content-socket", self.content, "--api-socket", self.api,
                 "--listen", "/ip4/127.0.0.1/tcp/0", "--mdns", "off"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=environment, preexec_fn=lab._end_with_parent)
        readable, _, _ = select.select([self.daemon.stdout], [], [], SECONDS)
        true(readable, "the daemon is neither ready nor ended")
        return self.daemon.stdout.readline().startswith(b"ready ")

    def end(self, how):
        """Ends the daemon. Returns its exit status."""
        try:
            if self.daemon.poll() is None:
                self.daemon.send_signal(how)
            return self.daemon.wait(SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the daemon does not end: {self.tail()}") from None
        finally:
            self.daemon.kill()
            self.daemon.wait()
            self.daemon.stdout.close()

    def tail(self):
        with open(self.log, errors="replace") as f:
            return " | ".join(line.strip() for line in f.readlines()[-4:])

    def command(self, *words, data=b""):
        """The exit status and output of a command. One that still waits for a daemon that has ended is ended too."""
        with tempfile.TemporaryFile() as source:
            source.write(data)
            source.seek(0)
            process = subprocess.Popen(words, stdin=source, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                       preexec_fn=lab._end_with_parent)
        late = time.monotonic() + SECONDS
        while True:
            try:
                output, _ = process.communicate(timeout=0.5)
                return process.returncode, output
            except subprocess.TimeoutExpired:
                hangs = time.monotonic() > late
                if hangs or self.daemon.poll() is not None:
                    process.kill()
                    process.communicate()
                    true(not hangs, f"`{' '.join(words)}` hangs: {self.tail()}")
                    return -1, b""

    def ipcs(self, *words, data=b""):
        return self.command(lab.IPCS, *words, "--api-socket", self.api, data=data)


class Work:
    """Adds and removals in one thread, contents in another: the same for each store and seed, whatever fails."""

    def __init__(self, store, bench, seed):
        self.store, self.bench, self.failures = store, bench, []
        self.threads = [threading.Thread(target=self.run, args=(work, random.Random(f"{seed} {work.__name__}")))
                        for work in (self.files, self.contents)]
        for thread in self.threads:
            thread.start()

    def end(self):
        for thread in self.threads:
            thread.join()
        equal(self.failures, [], "the failures of the work")

    def run(self, work, chance):
        try:
            work(chance)
        except Exception as e:  # the main thread reports it
            self.failures.append(f"{work.__name__}: {e}")

    def files(self, chance):
        for size in (20, 16, 20):
            self.add(chance.randbytes(int(2 ** chance.uniform(4, size))))
        cid = self.store.known.take(chance)
        if cid and self.store.ipcs("pin", "rm", cid)[0] == 0:
            self.store.known.removed(cid)
        self.store.ipcs("repo", "gc", "--silent")
        self.add(chance.randbytes(100_000))

    def add(self, data):
        status, output = self.store.ipcs("add", "-Q", "--cid-version", "1", "-", data=data)
        if status == 0:
            self.store.known.pinned(output.decode().strip(), data)

    def contents(self, chance):
        path = os.path.join(self.store.folder, "written")
        for size in (12, 21, 20, 16):
            data = chance.randbytes(int(2 ** chance.uniform(8, size)))
            with open(path, "wb") as f:
                f.write(data)
            status, output = self.store.command(self.bench, "put", self.store.content, path)
            if status == 0:
                equal(output.decode().strip(), "sha256:" + hashlib.sha256(data).hexdigest(), "the digest of what was written")
                self.store.known.written(output.decode().strip())


def check_known(store):
    """Reads all that was acknowledged."""
    pins, contents = store.known.sample(random, 1 << 20)
    listed = store.ipcs("pin", "ls", "--type", "recursive", "-q")[1].decode().split()
    for cid, digest in pins + [(digest, digest[7:]) for digest in contents]:
        status, data = store.ipcs("cat", cid)
        equal(status, 0, f"the exit status of `ipcs cat {cid}` ({store.tail()})")
        equal(hashlib.sha256(data).hexdigest(), digest, f"the hash of {cid}")
    equal([cid for cid, _ in pins if cid not in listed], [], "the pins that are lost")
    status, text = store.ipcs("repo", "verify")
    equal(status, 0, f"the exit status of `repo verify`, which says {text.decode()!r},")


class Faults:
    """The rounds, and how many calls of each kind a round makes."""

    def __init__(self, folder, bench, seed):
        self.folder, self.bench, self.seed = folder, bench, seed
        self.calls, self.starting = {}, {}
        self.fired, self.rounds, self.ends = collections.Counter(), collections.Counter(), collections.Counter()
        self.stores, self.store = 0, None

    def new_store(self):
        if self.store:
            shutil.rmtree(self.store.folder)
        self.stores += 1
        self.store = Store(os.path.join(self.folder, f"store{self.stores}"))

    def measure(self):
        """Counts the calls of a start alone and of a round, with a new store and with an old one."""
        self.new_store()
        self.starting[False] = self.count(works=False)
        self.new_store()
        self.calls[False] = self.count(works=True)
        self.calls[True] = self.count(works=True)
        self.starting[True] = self.count(works=False)
        print("# calls of a round with a new store:", self.calls[False], "- of its start:", self.starting[False])
        print("# calls of a round with an old store:", self.calls[True], "- of its start:", self.starting[True])
        true(all(min(counts.values()) > 20 for counts in self.calls.values()), "so few calls can fail")

    def count(self, works):
        """The number of calls of each kind, from the start of the daemon to its end."""
        true(self.store.start(), f"the daemon is not ready: {self.store.tail()}")
        if works:
            Work(self.store, self.bench, self.seed).end()
        equal(self.store.end(signal.SIGTERM), 0, "the exit status of the daemon")
        with open(self.store.faults) as f:
            last = [line for line in f if line.startswith("calls ")][-1]
        return {kind: int(count) for kind, count in re.findall(r"(\w+)=(\d+)", last)}

    def round(self, number):
        """One round. Raises when something acknowledged is lost, or the daemon crashes or hangs."""
        chance, is_old = random.Random(f"{self.seed} {number}"), number % ROUNDS_OF_A_STORE != 0
        if not is_old or not self.store:
            self.new_store()
        kind = KINDS[number % len(KINDS)]
        # Half of the rounds begin to fail when the daemon is ready: most calls are those of the start.
        skipped = min(self.starting[is_old][kind], self.calls[is_old][kind] - 1) if chance.random() < 0.5 else 0
        first = 1 + chance.randrange(skipped, self.calls[is_old][kind])
        count = chance.choice((1, 1, 1, 3, 20, FOREVER))
        store, before = self.store, len(self.fired_lines())
        name = f"round {number}: {kind}, {'all calls' if count == FOREVER else f'{count} calls'} from {first} on"
        try:
            is_ready = store.start(kind, first, count)
            if is_ready:
                Work(store, self.bench, f"{self.seed} {number}").end()
            else:
                store.daemon.wait(SECONDS)
            has_ended = store.daemon.poll() is not None
            how = signal.SIGKILL if is_ready and chance.random() < 0.3 else signal.SIGTERM
            status = store.end(how)
            known = self.known_abort(before) if status == -signal.SIGABRT else ""
            # A signal may also reach a daemon that has closed everything by itself.
            true(status in (0, 1) or known or (status == -how and not has_ended), f"the daemon ends with {status}: {store.tail()}")
            self.ends[known or ("not started" if not is_ready else "ended itself" if has_ended else "went on")] += 1
            if known:
                print(f"# {name}: {known}: {self.fired_lines()[before:][:1]}", flush=True)
            true(store.start(), f"the daemon is not ready on a sound disk: {store.tail()}")
            check_known(store)
            equal(store.end(signal.SIGTERM), 0, "the exit status on a sound disk")
        except AssertionError as e:
            raise AssertionError(f"{name}: {e}; faults: {self.fired_lines()[before:][:3]}") from None
        finally:
            fired = len(self.fired_lines()) - before
            self.fired[kind] += fired
            self.rounds[kind] += fired > 0
            if store.daemon.poll() is None:
                store.daemon.kill()
                store.daemon.wait()

    def known_abort(self, before):
        """What ended the process in the round that began after so many faults; empty when it is none of RocksDB's known assertions."""
        text, files = self.store.tail(), [line.split("/")[-1] for line in self.fired_lines()[before:]]
        if RETRY_ABORTS in text and any(name.startswith("MANIFEST") for name in files):
            return "aborted by RocksDB's retry"
        return "aborted by RocksDB's info log" if WRITER_ABORTS in text and "LOG" in files else ""

    def fired_lines(self):
        """The lines of the faults of the store so far."""
        if not os.path.exists(self.store.faults):
            return []
        with open(self.store.faults) as f:
            return [line.strip() for line in f if line.startswith(KINDS)]


def faults(folder, rounds, seed):
    bench = lab.run(os.path.join(lab.REPOSITORY, "bench", "Content", "build.sh"), seconds=300).stdout.strip()
    run = Faults(folder, bench, seed)
    with check("the calls of a round without faults are counted", need=True):
        run.measure()
    failures, acknowledged = [], 0
    with check(f"after each of {rounds} rounds with failing calls (seed {seed}) what was acknowledged is there"):
        for number in range(rounds):
            store = run.store
            try:
                run.round(number)
            except AssertionError as e:
                failures.append(str(e))
                print("#", e, flush=True)
                kept = os.path.join(lab.REPOSITORY, "artifacts", "logs", "faults", f"round{number}")
                shutil.rmtree(kept, ignore_errors=True)
                shutil.copytree(run.store.folder, kept, ignore=lambda _, names: [n for n in names if n.endswith(".sock")])
                run.new_store()
            if store is not run.store or number == rounds - 1:
                acknowledged += len(store.known.pins) + len(store.known.contents) if store else 0
        equal(len(failures), 0, "the number of failed rounds")
    print("# rounds in which a call failed:", dict(run.rounds), "- calls that failed:", dict(run.fired))
    print("# the daemon:", dict(run.ends), "- acknowledged at the ends of the stores:", acknowledged)
    with check("calls of each kind failed"):
        true(all(run.rounds[kind] * 4 >= rounds // len(KINDS) for kind in KINDS), f"rounds with faults: {run.rounds}")


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    seed = sys.argv[2] if len(sys.argv) > 2 else str(random.randrange(1 << 32))
    lab.interruptible()
    with tempfile.TemporaryDirectory(prefix="ipcs-faults-") as folder, scenario("faults"):
        faults(folder, rounds, seed)
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
