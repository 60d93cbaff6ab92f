#!/usr/bin/env python3
"""Links that break and come back, links with loss and delay, and hosts found by DNS names. Prints ok/not ok lines. Needs root."""
import os
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
import suites  # noqa: E402
from lab import IPCS, LabError, nfdelay, wait  # noqa: E402
from tap import Results, equal, scenario, true  # noqa: E402

MIB = 1 << 20
NOTICE = 45  # seconds to notice a cut: a ping every 15 s plus up to a quarter, 10 s for its answer, and time for a busy machine
RESOLVE = 45  # names are resolved every 15 s plus up to a fifth, and a dial takes 10 s to fail
RETURN = 45  # the longest pause between two dials is 15 s plus up to a half, and a dial takes 10 s to fail
results = Results()


def descriptors(host):
    """Numbers of open descriptors of the daemon: (all, sockets)."""
    folder = f"/proc/{host.ipcs_service.pid}/fd"
    kinds = []
    for fd in os.listdir(folder):
        try:
            kinds.append(os.readlink(f"{folder}/{fd}"))
        except OSError:
            pass  # closed meanwhile
    return len(kinds), sum(k.startswith("socket:") for k in kinds)


def threads_and_memory(host):
    with open(f"/proc/{host.ipcs_service.pid}/status") as f:
        status = f.read()
    return int(re.search(r"Threads:\s*(\d+)", status).group(1)), int(re.search(r"VmRSS:\s*(\d+)", status).group(1)) // 1024


def pool_threads(host):
    """The nice values of the daemon's thread pool threads (proc_pid_stat(5), field 19)."""
    folder = f"/proc/{host.ipcs_service.pid}/task"
    values = []
    for thread in os.listdir(folder):
        with open(f"{folder}/{thread}/stat") as f:
            name, _, fields = f.read().partition("(")[2].rpartition(")")
        if name == ".NET TP Worker":
            values.append(int(fields.split()[16]))
    return values


def perf(host, other, size):
    host.ipcs("perf", other.peer, "--upload", str(size), "--download", str(size), seconds=120)


def connected(host, others):
    peers = host.peers()
    return all(other.peer in peers for other in others)


def alone(host):
    return not host.peers().strip()


def cut_and_heal(results, lab, muxer):
    one, two, three = lab.hosts
    with scenario(f"a link is cut and comes back, {muxer}"):
        with results.check(f"{muxer}: three hosts connect", need=True):
            one.start_ipcs(options=["--muxers", muxer])
            two.start_ipcs(one, options=["--muxers", muxer])
            three.start_ipcs(one, two, options=["--muxers", muxer])
            wait("full mesh", lambda: connected(one, (two, three)) and connected(two, (one, three)) and connected(three, (one, two)), 30)
            perf(one, three, 8 * MIB)
            wait("idle daemons", lambda: all(descriptors(h)[1] > 0 for h in lab.hosts), 5)
        before = {h.name: descriptors(h) for h in lab.hosts}
        for turn in (1, 2):
            with results.check(f"{muxer}: transfers with the host behind the cut fail in time, cut {turn}", need=True):
                client = subprocess.Popen(["nsenter", "--net=/run/netns/" + one.namespace, IPCS, "perf", three.peer, "--upload",
                                           str(1 << 40),
                                           "--api-socket", one.api], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                start = three.received()
                wait("bytes under way", lambda: three.received() > start + MIB, 20)
                three.cut()
                try:
                    _, error = client.communicate(timeout=NOTICE)
                finally:
                    client.kill()
                equal(client.returncode, 1, "the exit status of the transfer")
                true(error.count("\n") == 1, f"one line of error is expected, not {error!r}")
            with results.check(f"{muxer}: both sides notice, cut {turn}", need=True):
                wait("one without three", lambda: not connected(one, (three,)) and not connected(two, (three,)), NOTICE)
                wait("three alone", lambda: alone(three), NOTICE)
                true(connected(one, (two,)) and connected(two, (one,)), "the two that were not cut off have lost each other")
            with results.check(f"{muxer}: the other hosts stay connected, cut {turn}"):
                perf(one, two, 4 * MIB)
            with results.check(f"{muxer}: the connections are made again, cut {turn}", need=True):
                three.heal()
                wait("full mesh", lambda: connected(one, (two, three)) and connected(two, (one, three)) and connected(three, (one, two)),
                     RETURN)
                perf(three, one, 8 * MIB)
                perf(two, three, 4 * MIB)
        with results.check(f"{muxer}: no socket leaked"):
            wait(f"as many descriptors as before {before}",
                 lambda: all(descriptors(h)[0] <= before[h.name][0] + 2 and descriptors(h)[1] <= before[h.name][1] for h in lab.hosts), 60)
        with results.check(f"{muxer}: threads and memory stay bounded"):
            for host in lab.hosts:
                threads, memory = threads_and_memory(host)
                true(threads < 80, f"{host.name} has {threads} threads")
                true(memory < 400, f"{host.name} takes {memory} MiB")
                equal(set(pool_threads(host)), {os.getpriority(os.PRIO_PROCESS, 0)}, f"the nice values of {host.name}'s pool threads")
        with results.check(f"{muxer}: the daemons stop cleanly"):
            for host in lab.hosts:
                host.ipcs_service.stop()
                equal(host.ipcs_service.process.returncode, 0, f"the exit status of {host.name}")


def bad_links(results, lab, muxer):
    one, two = lab.hosts[:2]
    with scenario(f"5% loss and 50 ms delay, {muxer}"):
        with results.check(f"{muxer}: hosts connect over a bad link", need=True):
            for host in (one, two):
                host.impair(delay_ms=50, loss_percent=5)
            one.start_ipcs(options=["--muxers", muxer], seconds=60)
            two.start_ipcs(one, options=["--muxers", muxer], seconds=60)
            wait("connection", lambda: connected(two, (one,)) and connected(one, (two,)), 60)
        with results.check(f"{muxer}: the link is as slow as it should be"):
            times = [float(t) for t in re.findall(r"time=([\d.]+) ms", one.ipcs("ping", two.peer, "-n", "3").stdout)]
            true(min(times) >= 100, f"pings of {times} ms over a link of 50 ms each way")
        with results.check(f"{muxer}: a transfer each way arrives"):
            perf(one, two, MIB)
        with results.check(f"{muxer}: the connection has held for two rounds of pings"):
            end = time.monotonic() + 20
            while time.monotonic() < end:
                true(connected(one, (two,)), "the connection is gone")
                time.sleep(1)
        for host in (one, two):
            host.impair()
            host.ipcs_service.stop()


def dnsmasq():
    return shutil.which("dnsmasq", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def by_name(results, lab):
    """Hosts that know only DNS names, as behind a headless service: every connection is to an address from a record."""
    one, two, three = lab.hosts
    four = lab.add_host()
    alone_but_for_names = ["--dht", "off"]
    with scenario("hosts found by DNS names"):
        with results.check("a host is found by the A record of a /dns4 name", need=True):
            names = lab.add_name_server()
            one.start_ipcs(options=alone_but_for_names)
            names.serve({"fleet.test": [one.address]}, {"_dnsaddr.hosts.test": ["dnsaddr=" + one.multiaddr]})
            two.start_ipcs(options=[*alone_but_for_names, "--peer", "/dns4/fleet.test/tcp/4001"], names=names)
            wait("two with one", lambda: connected(two, (one,)) and connected(one, (two,)), 30)
        with results.check("a host is found by the TXT record of a /dnsaddr name", need=True):
            three.start_ipcs(options=[*alone_but_for_names, "--peer", "/dnsaddr/hosts.test"], names=names)
            wait("three with one", lambda: connected(three, (one,)), 30)
            four.start_ipcs(options=alone_but_for_names, names=names)
            true(not connected(two, (three,)) and alone(four), "hosts have met that no record has told of each other")
        with results.check("`swarm connect` resolves names too, and names one that does not exist in its error"):
            two.ipcs("swarm", "connect", f"/dns4/fleet.test/tcp/4001/p2p/{one.peer}")
            error = two.ipcs("swarm", "connect", "/dns4/nobody.test/tcp/4001", check=False)
            true(error.returncode == 1 and "nobody.test" in error.stderr and error.stderr.count("\n") == 1,
                 f"the error is {error.stderr!r}")
        with results.check("a host that a changed A record adds is found when it is resolved again"):
            names.serve({"fleet.test": [one.address, three.address]}, {"_dnsaddr.hosts.test": ["dnsaddr=" + one.multiaddr]})
            wait("two with three", lambda: connected(two, (one, three)), RESOLVE)
        with results.check("a host that a changed TXT record adds is found when it is resolved again"):
            names.serve({"fleet.test": [one.address]}, {"_dnsaddr.hosts.test": ["dnsaddr=" + one.multiaddr, "dnsaddr=" + four.multiaddr]})
            wait("three with four", lambda: connected(three, (one, four)), RESOLVE)
        with results.check("hosts stay connected when their record is removed, and while the name server is down"):
            names.stop()
            wait("a resolution that fails", lambda: "fleet.test" in two.ipcs_service.tail() and "hosts.test" in three.ipcs_service.tail(),
                 2 * RESOLVE)
            true(connected(two, (one, three)) and connected(three, (one, two, four)), "a connection was lost with the name server")
        for host in lab.hosts:
            if host.ipcs_service:
                host.ipcs_service.stop()


def full_table(results, lab):
    one, two, three = lab.hosts[:3]
    with scenario("a full table of connections"):
        with results.check("a host that is refused says so and exits 1", need=True):
            alone_but_for_dials = ["--dht", "off"]
            one.start_ipcs(options=[*alone_but_for_dials, "--max-connections", "1"])
            two.start_ipcs(options=alone_but_for_dials)
            three.start_ipcs(options=alone_but_for_dials)
            two.ipcs("swarm", "connect", one.multiaddr)
            for _ in range(3):
                error = three.ipcs("swarm", "connect", one.multiaddr, check=False)
                true(error.returncode == 1 and one.peer in error.stderr and error.stderr.count("\n") == 1,
                     f"exit status {error.returncode}, the error is {error.stderr!r}")
            true(connected(two, (one,)) and connected(one, (two,)), "the host that was there has lost its connection")
        with results.check("the host's own dial makes room"):
            one.ipcs("swarm", "connect", three.multiaddr)
            wait("one with three alone", lambda: connected(one, (three,)) and not connected(one, (two,)) and alone(two), 30)
        for host in (one, two, three):
            host.ipcs_service.stop()


def links(fleet):
    full_table(results, fleet)
    for muxer in ("mplex", "yamux"):
        cut_and_heal(results, fleet, muxer)
    if dnsmasq():
        by_name(results, fleet)
    else:
        results.failed += 1
        print("not ok hosts found by DNS names: dnsmasq is missing (scripts/setup.sh test)")
    try:
        if not shutil.which("iptables-legacy", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
            raise LabError("iptables-legacy is missing")
        nfdelay()
    except LabError as e:
        results.failed += 1
        print(f"not ok bad links: {e} (scripts/setup.sh test)")
    else:
        for muxer in ("mplex", "yamux"):
            bad_links(results, fleet, muxer)


def main():
    return suites.run(results, "swarm", [("links", 3, links)])


if __name__ == "__main__":
    sys.exit(main())
