"""An ipcs daemon on loopback, as a user runs it, with a folder that is removed with it. Its costs are read from /proc."""
import json
import os
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "lab"))
import lab  # noqa: E402


class Daemon:
    """A context manager; the folder must not exist."""

    def __init__(self, folder, *options):
        os.makedirs(folder)
        self.folder = folder
        self.api, self.content = os.path.join(folder, "api.sock"), os.path.join(folder, "content.sock")
        with open(os.path.join(folder, "log"), "wb") as log:
            self.process = subprocess.Popen(
                [lab.IPCS, "daemon", "--data", os.path.join(folder, "data"), "--listen", "/ip4/127.0.0.1/tcp/0", "--mdns", "off",
                 "--content-socket", self.content, "--api-socket", self.api, *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                 stderr=log, text=True)
        line = self.process.stdout.readline()
        ready = re.match(r"ready peer=(\S+) listen=([^\s,]+)", line)
        if not ready:
            self.end()
            raise lab.LabError(f"no daemon: {line.strip()}")
        self.peer = ready.group(1)
        self.address = ready.group(2).partition("/p2p/")[0] + "/p2p/" + self.peer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder)

    def ipcs(self, *words):
        return lab.run(lab.IPCS, *words, "--api-socket", self.api, seconds=300).stdout

    def json(self, *words):
        return json.loads(self.ipcs(*words, "--json"))

    def connect(self, other):
        """Connects, and waits until each knows the other's protocols."""
        self.ipcs("swarm", "connect", other.address)
        for one, peer in ((self, other.peer), (other, self.peer)):
            lab.wait("identified peers", lambda: any(p["Peer"] == peer and p["Identify"]["Protocols"]
                                                     for p in one.json("swarm", "peers")["Peers"]))

    def cpu(self):
        """Processor seconds so far; /proc counts them in hundredths."""
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak(self):
        """Peak resident memory in MiB."""
        with open(f"/proc/{self.process.pid}/status") as f:
            return int(re.search(r"VmHWM:\s+(\d+) kB", f.read()).group(1)) / 1024


def timed(work):
    """The seconds that a call takes."""
    begin = time.monotonic()
    work()
    return time.monotonic() - begin
