#!/usr/bin/env python3
"""The content socket compared with containerd's own plugin: one client, alternating, medians. Prints Markdown and writes JSON.

The peer is containerd's local store behind a socket (peer.go), the client containerd's own content proxy (measure.go).
    MIB=256 RUNS=5 content.py [FOLDER]     FOLDER: where both keep their data (default: artifacts/bench/content, on the same disk)
"""
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
IPCS = os.environ.get("IPCS_BIN") or os.path.join(REPOSITORY, "artifacts", "ipcs")
PEER = "containerd's own"
GOALS = {"write": 2.0, "read by 32 KiB": 1.0, "read by 1 MiB": 1.2, "read whole": 1.5, "read whole into new memory": None}


def daemon(folder):
    return [IPCS, "daemon", "--data", folder + "/ipcs", "--listen", "/ip4/127.0.0.1/tcp/0", "--mdns", "off",
            "--content-socket", folder + "/ipcs.sock", "--api-socket", folder + "/api.sock"]


def start(command, log):
    with open(log, "ab") as output:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)


def answer(*command):
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def end(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main():
    mib, runs = os.environ.get("MIB", "256"), os.environ.get("RUNS", "5")
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(REPOSITORY, "artifacts", "bench", "content")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    tool = subprocess.run([os.path.join(HERE, "build.sh")], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    processes = []
    try:
        starts = [answer(tool, "start", folder + "/ipcs.sock", *daemon(folder)) for _ in range(5)]
        ipcs = start(daemon(folder), folder + "/ipcs.log")
        peer = start([tool, "serve", folder + "/peer.sock", folder + "/peer"], folder + "/peer.log")
        processes = [ipcs, peer]
        figures = answer(tool, "measure", "-mib", mib, "-runs", runs, f"ipcs={folder}/ipcs.sock={ipcs.pid}",
                         f"{PEER}={folder}/peer.sock={peer.pid}")
    finally:
        for process in processes:
            end(process)
        shutil.rmtree(folder + "/ipcs", ignore_errors=True)
        shutil.rmtree(folder + "/peer", ignore_errors=True)
    ours, theirs = figures["rates"]["ipcs"], figures["rates"][PEER]
    figures["startMilliseconds"] = statistics.median(s["milliseconds"] for s in starts)
    figures["idleMiB"] = statistics.median(s["idleMiB"] for s in starts)
    figures["ratios"] = {work: ours[work] / theirs[work] for work in GOALS}
    print(f"A content of {mib} MiB through containerd's content proxy, MiB/s, medians of {runs} alternating runs:\n")
    print(f"| | ipcs | {PEER} | ratio | at least | CPU s per GiB, ipcs | and its client | "
          f"{PEER} | and its client |\n|---|---|---|---|---|---|---|---|---|")
    for work, goal in GOALS.items():
        least = f"{goal:.1f}" if goal else "-"
        print(f"| {work} | {ours[work]:.0f} | {theirs[work]:.0f} | {figures['ratios'][work]:.2f} | {least} | "
              f"{figures['cpu']['ipcs'][work]:.2f} | {figures['client']['ipcs'][work]:.2f} | "
              f"{figures['cpu'][PEER][work]:.2f} | {figures['client'][PEER][work]:.2f} |")
    print("\n| ipcs | measured | at most |\n|---|---|---|")
    print(f"| start to the first answered RPC | {figures['startMilliseconds']:.0f} ms | 150 ms |")
    print(f"| memory, idle | {figures['idleMiB']:.0f} MiB | 60 MiB |")
    print(f"| memory, peak of this run | {figures['peakMiB']['ipcs']:.0f} MiB | 250 MiB |")
    series = {"ipcs": [ours[work] for work in GOALS], PEER: [theirs[work] for work in GOALS]}
    with open(folder + ".json", "w") as f:
        json.dump({"Title": f"{mib} MiB through the content socket", "Unit": "MiB/s", "Rows": list(GOALS), "Series": series,
                   "figures": figures}, f, indent=1)


if __name__ == "__main__":
    main()
