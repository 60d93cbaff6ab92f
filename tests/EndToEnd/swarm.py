#!/usr/bin/env python3
"""Three hosts whose links break and come back, and links that lose and delay. Prints `ok NAME` / `not ok NAME: why`. Needs root."""
import os
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
from lab import IPCS, Lab, LabError, interruptible, lacks, nfdelay, wait  # noqa: E402
from tap import Results, equal, scenario, true  # noqa: E402

MIB = 1 << 20
NOTICE = 45  # a ping every 15 s and a quarter more, 10 s for its answer, and some for a machine that is busy
RETURN = 45  # the longest pause between two dials is 15 s and half as much again, and a dial takes 10 s to fail


def descriptors(host):
    """(all, sockets) that the daemon has open."""
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
            with results.check(f"{muxer}: what was under way to the host that is cut off fails within its time, cut {turn}", need=True):
                client = subprocess.Popen(["nsenter", "--net=/run/netns/" + one.namespace, IPCS, "perf", three.peer, "--upload", str(1 << 40),
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
            with results.check(f"{muxer}: the others go on, cut {turn}"):
                perf(one, two, 4 * MIB)
            with results.check(f"{muxer}: the connections are made again, cut {turn}", need=True):
                three.heal()
                wait("full mesh", lambda: connected(one, (two, three)) and connected(two, (one, three)) and connected(three, (one, two)), RETURN)
                perf(three, one, 8 * MIB)
                perf(two, three, 4 * MIB)
        with results.check(f"{muxer}: no socket is left over"):
            wait(f"as many descriptors as before {before}",
                 lambda: all(descriptors(h)[0] <= before[h.name][0] + 2 and descriptors(h)[1] <= before[h.name][1] for h in lab.hosts), 60)
        with results.check(f"{muxer}: neither threads nor memory run away"):
            for host in lab.hosts:
                threads, memory = threads_and_memory(host)
                true(threads < 80, f"{host.name} has {threads} threads")
                true(memory < 400, f"{host.name} takes {memory} MiB")
        with results.check(f"{muxer}: the daemons end in order"):
            for host in lab.hosts:
                host.ipcs_service.stop()
                equal(host.ipcs_service.process.returncode, 0, f"the exit status of {host.name}")


def bad_links(results, lab, muxer):
    one, two, _ = lab.hosts
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


def main():
    interruptible()
    reason = lacks()
    if reason:
        print(f"not ok swarm: {reason}")
        return 1
    results = Results()
    with Lab(hosts=3, keep_logs=os.environ.get("KEEP_LOGS")) as lab:
        for muxer in ("mplex", "yamux"):
            cut_and_heal(results, lab, muxer)
        try:
            if not shutil.which("iptables-legacy", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
                raise LabError("iptables-legacy is missing")
            nfdelay()
        except LabError as e:
            results.failed += 1
            print(f"not ok bad links: {e} (scripts/setup.sh test)")
        else:
            for muxer in ("mplex", "yamux"):
                bad_links(results, lab, muxer)
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
