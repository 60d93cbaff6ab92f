#!/usr/bin/env python3
"""A fleet whose peers fail while other hosts fetch from them. Prints ok/not ok lines.

Hosts in namespaces (tests/lab), each with a real containerd and ipcs, and an image whose layers the registry lost. Needs root.
fleet.py [SCENARIO...]   runs those whose names have one of the words; all by default
"""
import base64
import hashlib
import os
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

LIAR = os.path.join(os.path.dirname(os.path.abspath(__file__)), "Liar")
GOOD = 32  # unchanged blocks that the liar sends first: 8 MiB, so that it is detected in the middle
SIZE = 24 << 20
RATE = "60mbit"
BUDGET = 0.1
METRICS = "127.0.0.1:9401"
results = Results()
check = results.check


def start(host, *peers, budget=3):
    """Starts a host. The budget of an Info, in seconds, is that of a busy machine unless a scenario measures it."""
    host.start_ipcs(*peers, options=("--metrics-addr", METRICS, "--find-time", str(round(budget * 1000))))
    host.start_containerd()
    lab.wait("connections", lambda: all(p.peer in host.peers() for p in peers))


def start_only_source(fleet, host, layout):
    """Starts a host and pulls the image, then deletes all its blobs but the manifest from the registry. Returns the image's name."""
    name = fleet.registry.reference("app:v1")
    fleet.registry.push(layout, "app:v1")
    start(host)
    host.pull(name)
    fleet.registry.lose_layers({images.layers(layout)[0]})
    return name


def check_intact(host, descriptors):
    for d in descriptors:
        path = host.path("content")
        host.enter("sh", "-c", f'ctr -a "{host.socket}" content get {d["digest"]} > "{path}"')
        with open(path, "rb") as f:
            equal("sha256:" + hashlib.sha256(f.read()).hexdigest(), d["digest"], f"the hash of what {host.name} reads")


def read_metrics(host):
    """The metrics of a host by name, summed over their labels."""
    script = f"import urllib.request; print(urllib.request.urlopen('http://{METRICS}/metrics', timeout=20).read().decode())"
    text = host.enter("python3", "-c", script).stdout
    sums = {}
    for name, value in re.findall(r"^(\w+)(?:{.*})? (\S+)$", text, re.M):
        sums[name] = sums.get(name, 0) + float(value)
    return sums


def begin_pull(host, name):
    command = ["nsenter", "--net=/run/netns/" + host.namespace, "ctr", "-a", host.socket, "images", "pull", "--plain-http", "--snapshotter",
               host.snapshotter, name]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def pull_while(host, name, happens, after=SIZE // 4):
    """Pulls, and calls a function after so many bytes. Returns the seconds that the pull took after that."""
    before = host.received()
    pull = begin_pull(host, name)
    try:
        lab.wait("first part of the image", lambda: host.received() - before > after or pull.poll() is not None, 60)
        true(pull.poll() is None, "the pull was over before anything could happen")
        happens()
        begin = time.monotonic()
        output = pull.communicate(timeout=110)[0]
    finally:
        pull.kill()
    equal(pull.returncode, 0, "the exit status of the pull: " + output[-500:])
    return time.monotonic() - begin


def killed(fleet, one):
    one.ipcs_service.stop(signal.SIGKILL)


def stopped(fleet, one):
    os.kill(one.ipcs_service.pid, signal.SIGSTOP)


def cut_off(fleet, one):
    lab.run("ip", "-n", fleet.switch, "link", "set", f"v{one.number}", "down")


def slowed(fleet, one):
    one.limit("1mbit")


def a_source_that_fails(happens, restore):
    def play(fleet, layout):
        one, two, three = fleet.hosts
        manifest, config, layers = images.layers(layout)
        with check(f"{happens.__name__}: two hosts have the image, and the registry lost it", need=True):
            name = start_only_source(fleet, one, layout)
            start(two, one)
            two.pull(name)
            check_intact(two, layers)
        with check(f"{happens.__name__}: the pull goes on from the other host and ends intact", need=True):
            start(three, one, two)
            one.limit(RATE)
            two.limit(RATE)
            took = pull_while(three, name, lambda: happens(fleet, one))
            check_intact(three, layers + [config])
            alone = 3 * SIZE / 4 * 8 / 60e6
            print(f"# {happens.__name__}: {took:.1f} s more for {3 * SIZE / 4e6:.0f} MB; the other host alone sends that in {alone:.1f} s")
            true(took < 20, f"it took {took:.0f} s")
        with check(f"{happens.__name__}: no layer came from the registry"):
            equal([r for r in fleet.registry.served(three) if r[1] == 200 and not r[0].endswith(manifest)], [], "what the registry served")
        restore(fleet, one)
    play.__name__ = happens.__name__
    return play


def half_of_them_hang(fleet, layout):
    one, two, three = fleet.hosts
    name = fleet.registry.reference("new:v1")
    fleet.registry.push(layout, "new:v1")
    blobs = 2 + len(images.layers(layout)[2])
    with check("hang: three hosts without content start", need=True):
        start(one, budget=BUDGET)
        start(two, budget=BUDGET)
        start(three, one, two, budget=BUDGET)
    with check("hang: with one of two peers hung, a pull of an image that no host has takes only the budget longer"):
        stopped(fleet, one)
        took = three.pull(name)
        os.kill(one.ipcs_service.pid, signal.SIGCONT)
        with open(three.path("ipcs.log")) as f:
            late = len(re.findall("no peer has answered for", f.read()))
        print(f"# the pull took {took:.1f} s; {late} answers were not waited for longer than the budget, of {blobs} blobs")
        true(took < 15, f"the pull took {took:.1f} s")
        check_intact(three, images.layers(layout)[2])


def all_at_once(fleet, layout):
    """Fan-out: the seeder sends the content about once, however many hosts fetch it."""
    seeder, *others = fleet.hosts
    manifest, config, layers = images.layers(layout)
    with check("fan-out: one host has the image, and the registry lost it", need=True):
        name = start_only_source(fleet, seeder, layout)
        for k, host in enumerate(others):
            start(host, seeder, *others[:k])
        lab.wait("connections", lambda: all(o.peer in h.peers() for h in others for o in others if o is not h))
    with check("fan-out: all pull at once, and the seeder's uplink carries it about once"):
        seeder.limit("100mbit")
        before = seeder.sent()
        begin = time.monotonic()
        pulls = [begin_pull(h, name) for h in others]
        for pull in pulls:
            output = pull.communicate(timeout=110)[0]
            equal(pull.returncode, 0, "the exit status of a pull: " + output[-500:])
        took = time.monotonic() - begin
        times = (seeder.sent() - before) / SIZE
        print(f"# {len(others)} pulls of {SIZE / 1e6:.0f} MB behind 100 Mbit/s: {took:.1f} s, {took / (SIZE * 8 / 100e6):.2f} times "
              f"content/uplink; the seeder sent {times:.2f} times the content")
        true(times < 1.8, f"the seeder sent {times:.2f} times the content")
    with check("fan-out: their contents are intact"):
        for host in others:
            check_intact(host, layers + [config])
    with check("fan-out: the metrics show it"):
        sent = read_metrics(seeder)
        equal([sent[f"ipcs_bitswap_{name}"] for name in ("blocks_received", "bytes_received", "wants", "peers")], [0, 0, 0, len(others)],
              "what the seeder has received, wants and knows")
        true(sent["ipcs_bitswap_blocks_sent"] > 0 and sent["ipcs_bitswap_bytes_sent"] >= SIZE and sent["ipcs_store_bytes"] >= SIZE,
             "what the seeder has sent and stores")
        for host in others:
            got = read_metrics(host)
            true(got["ipcs_bitswap_bytes_received"] >= SIZE and got["ipcs_bitswap_blocks_received"] > 0
                 and got["ipcs_bitswap_bytes_duplicate"] < SIZE / 20, "what has come")
            true(got["ipcs_bitswap_first_block_count"] >= len(layers) and got["ipcs_bitswap_first_block_sum"] > 0,
                 "the time to the first block")
            true(got["ipcs_fetch_wait_count"] >= len(layers) and "ipcs_fetch_wait_sum" in got and "ipcs_provide_queue" in got,
                 "the answers to Info, their waits, the provide queue")


def start_liar(host, layout):
    """Runs, instead of the daemon of a host of its own, a peer with the image that sends false blocks after some good ones."""
    binary = os.path.join(LIAR, "bin", "Release", "net10.0", "Ipcs.Liar")
    host.multiaddr = f"/ip4/{host.address}/tcp/4001"
    service = host.ipcs_service = lab.Service("liar", host.namespace, [binary, host.multiaddr, os.path.join(layout, "blobs", "sha256"),
                                                                       "bits", str(GOOD)], host.path("ipcs.log"))
    host.peer = service.ready("line `ready`", lambda: re.search(r"^ready (\S+)$", service.output(), re.M), 60).group(1)
    host.multiaddr += "/p2p/" + host.peer


def count_lines(liar, word):
    """How often the liar printed a word."""
    return liar.ipcs_service.output().split().count(word)


def check_disconnected(host, liar):
    true(count_lines(liar, "false") > 0, "no false block was sent")
    lab.wait("end of the connection with the liar", lambda: liar.peer not in host.peers())
    with open(host.path("ipcs.log")) as f:
        true(f"{liar.peer} is banned" in f.read(), "the log does not say so")


def sends_false_blocks(fleet, layout):
    one, liar, three = fleet.hosts
    manifest, config, layers = images.layers(layout)
    with check("false blocks: one host has the image, another sends false blocks, and the registry lost it", need=True):
        name = start_only_source(fleet, one, layout)
        start_liar(liar, layout)
    with check("false blocks: the pull goes on from the other host and ends intact", need=True):
        start(three, one, liar)
        one.limit(RATE)
        liar.limit(RATE)
        took = three.pull(name)
        check_intact(three, layers + [config])
        print(f"# the pull took {took:.1f} s; the liar has sent {GOOD} good blocks and {count_lines(liar, 'false')} false ones")
    with check("false blocks: no layer came from the registry"):
        equal([r for r in fleet.registry.served(three) if r[1] == 200 and not r[0].endswith(manifest)], [], "what the registry served")
    with check("false blocks: the liar is disconnected, and the other host is not"):
        check_disconnected(three, liar)
        true(one.peer in three.peers(), "the honest one is gone too")
    with check("false blocks: the liar stays banned: it is refused when it connects again, and nothing is requested from it"):
        told, gone = count_lines(liar, "false"), count_lines(liar, "gone")
        three.ipcs("swarm", "connect", liar.multiaddr, check=False)
        lab.wait("another end of the connection with the liar", lambda: count_lines(liar, "gone") > gone)
        three.ctr("images", "rm", "--sync", name)
        three.ipcs("repo", "gc")
        three.pull(name)
        check_intact(three, layers)
        equal(count_lines(liar, "false"), told, "the number of false blocks sent")


def only_false_blocks(fleet, layout):
    one, liar, three = fleet.hosts
    manifest, config, layers = images.layers(layout)
    with check("only false blocks: the one host with the image is away, and the registry lost it", need=True):
        name = start_only_source(fleet, one, layout)
        one.ipcs_service.stop()
        start_liar(liar, layout)
        start(three, liar)
    with check("only false blocks: the pull fails with a clear error, within its time"):
        begin = time.monotonic()
        pull = begin_pull(three, name)
        output = pull.communicate(timeout=110)[0]
        print(f"# it failed after {time.monotonic() - begin:.0f} s: {output.strip().splitlines()[-1]}")
        true(pull.returncode != 0, "the pull succeeded")
        true(any(d["digest"] in output for d in layers), "the error is not clear: " + output[-500:])
        true(time.monotonic() - begin < 60, "it took longer")
    with check("only false blocks: the liar is disconnected, and containerd keeps running"):
        check_disconnected(three, liar)
        three.ctr("images", "ls", seconds=20)
    with check("only false blocks: the same pull succeeds when an honest host is back", need=True):
        one.start_ipcs()
        three.ipcs("swarm", "connect", one.multiaddr)
        three.pull(name)
        check_intact(three, layers + [config])


def as_cid(digest):
    """The key of a digest's provider records in the DHT: CIDv1(raw, digest)."""
    return "b" + base64.b32encode(bytes([1, 0x55, 0x12, 0x20]) + bytes.fromhex(digest[7:])).decode().lower().rstrip("=")


def found_through_the_dht(fleet, layout):
    """The searching host has one peer, which has no content but is connected to the host with the content."""
    one, two, three = fleet.hosts
    manifest, config, layers = images.layers(layout)
    name = fleet.registry.reference("app:v1")
    fleet.registry.push(layout, "app:v1")

    def strangers():
        def apart():
            # An earlier lookup may have dialled again.
            if one.peer in three.peers() or three.peer in one.peers():
                three.ipcs("swarm", "disconnect", one.peer, check=False)
                return False
            return True
        lab.wait("end of the connection", apart)
        true(two.peer in three.peers(), "the host between has lost the one who looks")

    with check("DHT: provider and searching host have one peer in common and are not connected to each other", need=True):
        start(two)
        # A DHT client is in no routing table, so nobody has another reason to dial it. The budget allows for a busy machine.
        three.start_ipcs(two, options=["--dht", "lan-client", "--find-time", "3000"])
        three.start_containerd()
        lab.wait("connection", lambda: two.peer in three.peers())
        start(one, two)
        data = os.urandom(3 << 20)
        with open(one.path("file"), "wb") as f:
            f.write(data)
        cid = one.ipcs("add", one.path("file"), "-Q").stdout.strip()
        one.pull(name)
        fleet.registry.lose_layers({manifest})
        lab.wait("providers of all of it", lambda: all(one.peer in two.ipcs("routing", "findprovs", c, check=False).stdout
                                                       for c in (cid, *(as_cid(d["digest"]) for d in layers))), 60)
        equal(two.contents(), {}, "what the host between has")
        strangers()
    with check("DHT: content resolve finds the provider of a digest"):
        true(one.peer in three.ipcs("content", "resolve", manifest).stdout, "it is not found")
    with check("DHT: a file is read"):
        strangers()
        three.enter("sh", "-c", f'"{lab.IPCS}" cat {cid} --api-socket "{three.api}" > "{three.path("file")}"')
        with open(three.path("file"), "rb") as f:
            true(f.read() == data, "it is another one")
    with check("DHT: a content is read by its digest"):
        strangers()
        three.enter("sh", "-c", f'"{lab.IPCS}" cat {config["digest"]} --api-socket "{three.api}" > "{three.path("file")}"')
        with open(three.path("file"), "rb") as f:
            equal("sha256:" + hashlib.sha256(f.read()).hexdigest(), config["digest"], "its hash")
    with check("DHT: an unmodified image that the registry lost is pulled", need=True):
        strangers()
        three.pull(name)
        check_intact(three, layers + [config])
        equal([r for r in fleet.registry.served(three) if r[1] == 200 and not r[0].endswith(manifest)], [], "what the registry served")
    with check("DHT: a converted image is pulled"):
        converted = lab.convert_result(one.ipcs("convert", "containerd:" + name, "p2p:v1").stdout)
        lab.wait("providers of it", lambda: one.peer in two.ipcs("routing", "findprovs", as_cid(converted), check=False).stdout, 60)
        strangers()
        three.ipcs("pull", "p2p:v1@" + converted, seconds=150)
        true("p2p:v1" in three.ctr("images", "ls", "-q").stdout.split(), "it is not registered")


def nothing(fleet, one):
    pass


def go_on(fleet, one):
    os.kill(one.ipcs_service.pid, signal.SIGCONT)


SCENARIOS = (
    ("a source is killed", 3, a_source_that_fails(killed, nothing)),
    ("a source is cut off", 3, a_source_that_fails(cut_off, nothing)),
    ("a source is slowed to 1 Mbit/s", 3, a_source_that_fails(slowed, nothing)),
    ("a source is stopped", 3, a_source_that_fails(stopped, go_on)),
    ("a source sends false blocks", 3, sends_false_blocks),
    ("the only source sends false blocks", 3, only_false_blocks),
    ("found through the DHT", 3, found_through_the_dht),
    ("half of the peers hang", 3, half_of_them_hang),
    ("fan-out", 4, all_at_once),
)


def build_scenarios():
    """Builds the liar that some scenarios need, and returns the scenarios."""
    lab.run("dotnet", "build", LIAR, "-c", "Release", "-p:RunAnalyzers=false", "-v", "q", "-nologo", seconds=300)
    for name, hosts, function in SCENARIOS:
        is_small = function is half_of_them_hang
        yield name, hosts, lambda fleet: function(
            fleet, images.small(lab.IMAGES) if is_small else images.random(lab.IMAGES, "noise", SIZE))


def main():
    return suites.run(results, "fleet", build_scenarios(), sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
