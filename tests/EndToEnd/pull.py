#!/usr/bin/env python3
"""Pulls that ask the fleet first, with peers that lie, hosts that die and clients that leave. Prints ok/not ok lines.

Every pull ends right at the first try, since the registry has everything: no peer can make it worse than the registry's own.
pull.py [WORD...]     only the scenarios with one of the words in their name. Needs root.
"""
import os
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
import images  # noqa: E402
import lab  # noqa: E402
import suites  # noqa: E402
from fleet import LIAR, begin_pull, check_intact  # noqa: E402
from tap import Results, equal, true  # noqa: E402

WAYS = ("silent", "dont", "false", "mute", "drip", "size", "bits", "tenth", "reset")
SIZE = 12 << 20
HELD, HELD_SIZE, HELD_TIME = 10, 3 << 20, int(os.environ.get("HELD_TIME", "12"))
results = Results()
check = results.check


def start(host, *peers):
    host.start_ipcs(*peers)
    host.start_containerd()
    lab.wait("connections", lambda: all(p.peer in host.peers() for p in peers))


def start_liar(host, layout, way):
    """Runs, instead of the daemon of a host of its own, a peer that claims the contents of an image."""
    binary = os.path.join(LIAR, "bin", "Release", "net10.0", "Ipcs.Liar")
    host.multiaddr = f"/ip4/{host.address}/tcp/4001"
    command = [binary, host.multiaddr, os.path.join(layout, "blobs", "sha256"), way]
    service = host.ipcs_service = lab.Service("liar", host.namespace, command, host.path("ipcs.log"))
    host.peer = service.ready("line `ready`", lambda: re.search(r"^ready (\S+)$", service.output(), re.M), 60).group(1)
    host.multiaddr += "/p2p/" + host.peer


def check_image(host, layout):
    """The image is unpacked, and each content that containerd reads has its digest."""
    manifest, config, layers = images.layers(layout)
    check_intact(host, [config, *layers])
    host.ipcs("repo", "verify")


def layers_served(fleet, host, layout):
    """The layers and configs that the registry sent to a host, each as often as it did."""
    manifest, config, layers = images.layers(layout)
    names = {d["digest"] for d in [config, *layers]}
    return [p for p, status, _ in fleet.registry.served(host) if status in (200, 206) and p.rsplit("/", 1)[1] in names]


def liars(fleet, layout):
    one, liar, three = fleet.hosts
    name = fleet.registry.reference("app:v1")
    fleet.registry.push(layout, "app:v1")
    with check("a pull from the registry alone is timed, and one host has the image", need=True):
        start(one)
        alone = one.pull(name)
    for way in WAYS:
        with check(f"{way}: a pull with only a liar as peer ends right, and no more than 8 s later than the registry's", need=True):
            start_liar(liar, layout, way)
            start(three, liar)
            took = three.pull(name)
            check_image(three, layout)
            print(f"# {way}: {took:.1f} s with the liar, {alone:.1f} s from the registry alone")
            true(took < alone + 8, f"it took {took:.1f} s")
            three.clear()
        with check(f"{way}: with an honest host beside the liar every layer comes from that", need=True):
            start(three, liar, one)
            before = len(layers_served(fleet, three, layout))
            took = three.pull(name)
            check_image(three, layout)
            print(f"# {way}: {took:.1f} s with an honest host too")
            true(took < alone + 8, f"it took {took:.1f} s")
            equal(len(layers_served(fleet, three, layout)), before, "the number of layers that the registry served")
            three.clear()
            liar.ipcs_service.stop(signal.SIGKILL)


def the_fleet_gives_everything(fleet, layout):
    one, two, _ = fleet.hosts
    name = fleet.registry.reference("app:v1")
    fleet.registry.push(layout, "app:v1")
    with check("whole: one host pulls an image", need=True):
        start(one)
        one.pull(name)
    with check("whole: another pulls it, by tag, and the registry sends no blob", need=True):
        start(two, one)
        two.pull(name)
        check_image(two, layout)
        equal(fleet.registry.served(two), [], "what the registry served")
    with check("whole: and by digest, after the image was removed"):
        two.ctr("images", "rm", "--sync", name)
        two.ipcs("repo", "gc")
        two.pull(name.rsplit(":", 1)[0] + "@" + images.layers(layout)[0])
        check_image(two, layout)
        equal(fleet.registry.served(two), [], "what the registry served")


def killed_half_way(happens):
    def play(fleet, layout):
        one, two, _ = fleet.hosts
        name = fleet.registry.reference("app:v1")
        fleet.registry.push(layout, "app:v1")
        with check(f"{happens}: the only host with an image sends slowly", need=True):
            start(one)
            one.pull(name)
            start(two, one)
            one.limit("20mbit")
        with check(f"{happens} half way: the pull goes on with the registry and ends right at the first try", need=True):
            before = two.received()
            pull = begin_pull(two, name)
            lab.wait("half of the image", lambda: two.received() - before > SIZE // 2 or pull.poll() is not None, 60)
            true(pull.poll() is None, "the pull was over before anything could happen")
            begin = time.monotonic()
            if happens == "killed":
                one.ipcs_service.stop(signal.SIGKILL)
            else:
                os.kill(one.ipcs_service.pid, signal.SIGSTOP)
            output = pull.communicate(timeout=110)[0]
            took = time.monotonic() - begin
            print(f"# {happens}: the pull ended {took:.1f} s later")
            equal(pull.returncode, 0, "the exit status of the pull: " + output[-500:])
            check_image(two, layout)
            true(took < 15, f"it took {took:.1f} s")
        if happens != "killed":
            os.kill(one.ipcs_service.pid, signal.SIGCONT)
    return play


def clients_leave(fleet, layout):
    one, two, _ = fleet.hosts
    name = fleet.registry.reference("app:v1")
    fleet.registry.push(layout, "app:v1")
    manifest = images.layers(layout)[0]
    with check("clients: the only host with an image, which the registry lost, sends slowly", need=True):
        start(one)
        one.pull(name)
        fleet.registry.lose_layers({manifest})
        start(two, one)
        one.limit("20mbit")

    def wait_for_bytes(pull):
        before = two.received()
        lab.wait("a part of the image", lambda: two.received() - before > SIZE // 8 or pull.poll() is not None, 60)
        true(pull.poll() is None, "the pull was over before anything could happen")

    with check("clients: containerd answers everything else quickly while a Write waits for the fleet"):
        pull = begin_pull(two, name)
        wait_for_bytes(pull)
        slowest = 0
        for _ in range(5):
            begin = time.monotonic()
            two.ctr("leases", "create")
            two.ctr("images", "ls")
            two.ctr("content", "get", manifest)
            slowest = max(slowest, time.monotonic() - begin)
        print(f"# the slowest three calls took {slowest:.2f} s with three starts of ctr")
        true(slowest < 2, f"three calls took {slowest:.2f} s")
        true("layer-sha256" in two.ctr("content", "active").stdout, "the wait is not shown")
    with check("clients: an interrupted pull leaves nothing that harms the next one"):
        pull.send_signal(signal.SIGINT)
        pull.wait(20)
        lab.wait("end of the fetch", lambda: not re.search(r"[1-9]", fetches(two)))
    with check("clients: two pulls of one image at once end right", need=True):
        pulls = [begin_pull(two, name), begin_pull(two, name)]
        for pull in pulls:
            output = pull.communicate(timeout=110)[0]
            equal(pull.returncode, 0, "the exit status of a pull: " + output[-500:])
        check_image(two, layout)


def fetches(host):
    """The contents that a host is fetching, as a number."""
    return str(len([line for line in host.ipcs("bitswap", "wantlist").stdout.split() if line.startswith("b") or line.startswith("Q")]))


def many_writes_are_held(fleet, _):
    one, two, _ = fleet.hosts
    layouts = [images.random(lab.IMAGES, f"held{k}", HELD_SIZE) for k in range(HELD)]
    names = [fleet.registry.reference(f"held{k}:v1") for k in range(HELD)]
    with check(f"held: a host has {HELD} images", need=True):
        for k, layout in enumerate(layouts):
            fleet.registry.push(layout, f"held{k}:v1")
        start(one)
        for name in names:
            one.ctr("content", "fetch", "--plain-http", name)
        # The answers of a host whose link is full come late.
        two.start_ipcs(one, options=["--find-time", "10000"])
        two.start_containerd()
        lab.wait("connection", lambda: one.peer in two.peers())
        one.limit(f"{HELD * HELD_SIZE * 8 // HELD_TIME}bit")
    with check(f"held: while {HELD} Writes wait for {HELD_TIME} s and a second client asks for each, containerd answers everything else"):
        fetch = lambda name: subprocess.Popen(["nsenter", "--net=/run/netns/" + two.namespace, "ctr", "-a", two.socket, "content", "fetch",
                                               "--plain-http", name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        begin = time.monotonic()
        fetches = [fetch(name) for name in names + names]
        layer = images.layers(layouts[0])[2][0]["digest"]
        slowest = ("", 0)
        while time.monotonic() - begin < HELD_TIME / 2:
            for call in (["leases", "create"], ["images", "ls"], ["content", "active"], ["content", "ls"], ["namespaces", "ls"]):
                at = time.monotonic()
                two.ctr(*call)
                slowest = max(slowest, (" ".join(call), time.monotonic() - at), key=lambda pair: pair[1])
        waiting = sum(f.poll() is None for f in fetches)
        true(waiting >= HELD // 4, f"only {waiting} clients wait")
        print(f"# {waiting} clients waited; the slowest call, with the start of ctr: {slowest[0]} {slowest[1]:.2f} s")
        true(slowest[1] < 2, f"{slowest[0]} took {slowest[1]:.2f} s")
        for f in fetches:
            equal(f.wait(HELD_TIME + 60), 0, "the exit status of a fetch")
        print(f"# all had ended after {time.monotonic() - begin:.0f} s")
        for layout in layouts:
            check_intact(two, images.layers(layout)[2])
        true(layer in two.ctr("content", "ls", "-q").stdout, "a layer is not here")


def restarts(fleet, layout):
    one, two, _ = fleet.hosts
    name = fleet.registry.reference("app:v1")
    fleet.registry.push(layout, "app:v1")
    for what in ("the daemon", "containerd"):
        with check(f"{what} is killed while Writes wait for the fleet; the next pull ends right", need=True):
            start(one)
            one.limit("1gbit")
            one.pull(name)
            start(two, one)
            one.limit("20mbit")
            before = two.received()
            pull = begin_pull(two, name)
            lab.wait("a part of the image", lambda: two.received() - before > SIZE // 8 or pull.poll() is not None, 60)
            true(pull.poll() is None, "the pull was over before anything could happen")
            service = two.ipcs_service if what == "the daemon" else two.containerd_service
            service.stop(signal.SIGKILL)
            if what == "the daemon":  # started at once, as systemd does: clients try again as long as it is away
                two.start_ipcs(one)
            else:
                two.start_containerd()
            output = pull.communicate(timeout=110)[0]
            print(f"# {what}: the pull exits with {pull.returncode}: {output.strip().splitlines()[-1][:200]}")
            if what == "the daemon":
                two.containerd_service.stop()
                two.start_containerd()
            one.limit("1gbit")
            two.pull(name)
            check_image(two, layout)
            two.clear()
            one.clear()


def growing(fleet, layout):
    one, two, three = fleet.hosts
    name = fleet.registry.reference("app:v1")
    fleet.registry.push(layout, "app:v1")
    fleet.registry.limit("20mbit")
    with check("growing: a host pulls an image from a slow registry", need=True):
        start(one)
        start(two, one)
        start(three, two)
        first = Pull(one, name)
        layers = [d["digest"] for d in images.layers(layout)[2]]
        lab.wait("a part of the image", lambda: part_of(one, layers) > SIZE // 8 or first.end, 60)
        true(not first.end, "the pull was over before another could begin")
    with check("growing: two others pull it meanwhile, one of them from the other, and end within a second after the first", need=True):
        second = Pull(two, name)
        lab.wait("a part of it", lambda: two.received() > SIZE // 8 or first.end, 60)
        third = Pull(three, name)
        true(not first.end, "the first pull was over too early")
        for pull in (first, second, third):
            pull.wait()
            check_image(pull.host, layout)
        later = [pull.end - first.end for pull in (second, third)]
        print(f"# the second pull ended {later[0]:.2f} s after the first, the third {later[1]:.2f} s")
        true(max(later) < 1, "a pull ended too late")
    with check("growing: the registry has sent each layer once"):
        served = [path.rsplit("/", 1)[1] for host in fleet.hosts for path in layers_served(fleet, host, layout)]
        equal(sorted(d for d in served if d in layers), sorted(layers), "the layers that the registry served")


class Pull(threading.Thread):
    """A pull and the time of its end."""

    def __init__(self, host, name):
        super().__init__(daemon=True)
        self.host, self.process, self.output, self.end = host, begin_pull(host, name), "", 0
        self.start()

    def run(self):
        self.output = self.process.communicate()[0]
        self.end = time.monotonic()

    def wait(self):
        self.join(110)
        equal(self.process.returncode, 0, "the exit status of a pull: " + self.output[-500:])


def part_of(host, digests):
    """The bytes that clients have written of contents that are not committed yet."""
    lines = host.ctr("content", "active").stdout.splitlines()
    return sum(bytes_of(line.split()[1]) for line in lines if any(digest in line for digest in digests))


def bytes_of(text):
    """A number of bytes as ctr prints it: 1.5MB or `1.5 MiB`."""
    number, unit = re.match(r"([0-9.]+)\s*([kKMG]?)", text).groups()
    return float(number) * {"": 1, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}[unit]


SCENARIOS = (
    ("contents grow", 3, growing),
    ("the fleet gives everything", 3, the_fleet_gives_everything),
    ("peers lie", 3, liars),
    ("the only holder is killed", 3, killed_half_way("killed")),
    ("the only holder is stopped", 3, killed_half_way("stopped")),
    ("clients leave", 3, clients_leave),
    ("many writes are held", 3, many_writes_are_held),
    ("restarts", 3, restarts),
)


def build_scenarios():
    """Builds the liar, and returns the scenarios."""
    lab.run("dotnet", "build", LIAR, "-c", "Release", "-p:RunAnalyzers=false", "-v", "q", "-nologo", seconds=300)
    for name, hosts, function in SCENARIOS:
        yield name, hosts, lambda fleet, function=function: function(fleet, images.random(lab.IMAGES, "noise12", SIZE))


def main():
    return suites.run(results, "pull", build_scenarios(), sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
