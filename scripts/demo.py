#!/usr/bin/env python3
"""The demo that scripts/demo.sh runs, in a lab of tests/lab."""
import os
import sys
import textwrap

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "lab"))
import images  # noqa: E402
import lab  # noqa: E402

BOLD, PLAIN = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
TRANSPORTS = ("docker://", "oci:", "oci-archive:", "docker-archive:", "dir:", "containers-storage:")


def step(title):
    step.number += 1
    print(f"\n{BOLD}{step.number}. {title}{PLAIN}", flush=True)


step.number = 0


def say(text, indent="   "):
    print(textwrap.fill(text, 110, initial_indent=indent, subsequent_indent=indent), flush=True)


def show(command):
    print(f"   $ {command}", flush=True)


def mb(count):
    return f"{count / 1e6:.1f} MB"


def source():
    """What skopeo copies into the lab's registry, and its name there."""
    image = os.environ.get("IMAGE")
    if not image:
        return images.small(lab.IMAGES), "app:v1"
    name = image.rsplit("/", 1)[-1].split("@")[0]
    name = "".join(c if c.isalnum() or c in "._:-" else "-" for c in name).lower().strip("-:.")
    return (image if image.startswith(TRANSPORTS) else "docker://" + image), name if ":" in name else name + ":v1"


def copied(layout, folder):
    """An OCI layout of the image. One of another transport is copied into the lab's folder over this machine's own network."""
    if ":" not in layout:
        return layout
    target = os.path.join(folder, "image")
    lab.run("skopeo", "--insecure-policy", "copy", "-q", "--override-os", "linux", "--override-arch", "amd64", layout, f"oci:{target}:v1",
            seconds=900)
    return target


def run(host, reference, mine):
    """Runs a container to its end. One of the user's own image is only started and removed, since its command may never end."""
    if not mine:
        printed = host.run_container(reference).strip().splitlines()
        return printed[-1]
    name = f"demo-{host.number}-{step.number}"
    host.ctr("run", "-d", "--snapshotter", host.snapshotter, reference, name)
    line = host.ctr("tasks", "ls").stdout.strip().splitlines()[-1]
    host.ctr("tasks", "rm", "-f", name, check=False)
    host.ctr("containers", "rm", name, check=False)
    return "started: " + " ".join(line.split())


def show_fleet(fleet, layout, name, mine):
    one, two, three = fleet.hosts
    times = []
    layout = copied(layout, fleet.folder)
    digest, config, layers = images.layers(layout)
    size = sum(d["size"] for d in layers)
    fleet.registry.push(layout, name)
    reference = fleet.registry.reference(name)

    step("A registry and three hosts")
    say(f"Host 1, 2 and 3 are network namespaces on one switch. A docker-registry at {fleet.registry.address}:5000 has the image {name}: "
        f"{len(layers)} layers, {mb(size)}. Its manifest is {digest[:19]}...")

    step("For comparison: containerd with its own store")
    other = fleet.add_host()
    other.start_containerd(own_store=True)
    show(f"ctr images pull {reference}")
    took = other.pull(reference, seconds=600)
    times.append(("from the registry, containerd's own store", took, sum(n for _, _, n in fleet.registry.served(other)), 0))
    say(f"{took:.2f} s. Every further host would take the same bytes from the registry again.")
    other.stop()

    step("ipcs as the content store of three containerds")
    one.start_ipcs()
    one.start_containerd()
    for host in (two, three):
        host.start_ipcs(*[h for h in fleet.hosts[:3] if h.number < host.number])
        host.start_containerd()
    lab.wait("connections between the daemons", lambda: all(a.peer in b.peers() for a in (one, two, three) for b in (one, two, three)
                                                            if a is not b))
    show(f"ipcs daemon --listen /ip4/{two.address}/tcp/4001 --peer {one.multiaddr}")
    say("Each containerd has its own store switched off and ipcs plugged in. That is all of its configuration:")
    for line in lab.run(lab.IPCS, "containerd", "config").stdout.splitlines():
        if not line.startswith("#"):
            print("      " + line)

    step("Host 1 pulls: the one time that the registry gives the layers")
    show(f"ctr images pull {reference}")
    took = one.pull(reference, seconds=600)
    times.append(("host 1, from the registry through ipcs", took, sum(n for _, _, n in fleet.registry.served(one)), 0))
    say(f"{took:.2f} s. A container on host 1 says: {run(one, reference, mine)}")

    step("The registry loses the image's bytes")
    gone = fleet.registry.lose_layers({digest})
    say(f"{gone} blobs are deleted from its disk: every layer, and the config. It still resolves the tag, and has nothing more to give.")

    for host in (two, three):
        step(f"Host {host.number} pulls the same, unmodified reference")
        show(f"ctr images pull {reference}")
        before = host.received()
        took = host.pull(reference, seconds=600)
        from_registry = sum(n for _, status, n in fleet.registry.served(host) if status == 200)
        from_fleet = host.received() - before - from_registry
        times.append((f"host {host.number}, from the fleet, unmodified", took, from_registry, from_fleet))
        say(f"{took:.2f} s. From the registry: {mb(from_registry)} of blobs. Over its link from other hosts: {mb(from_fleet)}. "
            f"A container says: {run(host, reference, mine)}")

    step("Host 1 converts the image, and the registry goes away altogether")
    show(f"ipcs convert containerd:{reference} {name.split(':')[0]}-p2p:v1")
    target = f"{name.split(':')[0]}-p2p:v1"
    converted = lab.convert_result(one.ipcs("convert", "containerd:" + reference, target, seconds=600).stdout)
    fleet.registry.stop()
    say("A converted image's descriptors are the roots of its content: its name and digest are all that another host needs.")
    for host in (two, three):
        show(f"ipcs pull {target}@{converted[:19]}... --unpack          (host {host.number})")
        before, begin = host.received(), lab.time.monotonic()
        host.ipcs("pull", f"{target}@{converted}", "--unpack", seconds=600)
        took = lab.time.monotonic() - begin
        times.append((f"host {host.number}, from the fleet, converted", took, 0, host.received() - before))
        pulled = next(r for r in host.ctr("images", "ls", "-q").stdout.split() if r.startswith(target))
        say(f"{took:.2f} s. A container says: {run(host, pulled, mine)}")
    say("A converted image has the chunks of the unmodified one, which the hosts have: only its manifest was transferred.")

    step("Times of this run (one each, pull with unpacking; see `make bench` for medians)")
    print(f"\n   | {'pull':<42} | seconds | from the registry | from the fleet |")
    print(f"   |{'-' * 44}|--------:|------------------:|---------------:|")
    for what, took, registry, peers in times:
        print(f"   | {what:<42} | {took:7.2f} | {mb(registry):>17} | {mb(peers):>14} |")

    step("Next, with a containerd of your own")
    for line in ("install -m 755 artifacts/ipcs /usr/local/bin/ipcs",
                 "ipcs daemon --peer /ip4/OTHER-HOST/tcp/4001/p2p/PEER-ID      # on every host; `ipcs id` tells a host's address",
                 "ipcs containerd config                                       # merge into /etc/containerd/config.toml (2.x: --version 3)",
                 "systemctl restart containerd                                 # images pulled into its own store before are pulled again"):
        print("   $ " + line)
    say("docs/operations tells the rest: the service unit, what is stored where, and how to go back.")


def main():
    if lab.unable("demo"):
        return 1
    try:
        layout, name = source()
        with lab.Lab(hosts=3, keep_logs=os.path.join(lab.REPOSITORY, "artifacts", "logs", "demo")) as fleet:
            show_fleet(fleet, layout, name, bool(os.environ.get("IMAGE")))
    except lab.LabError as e:
        print(f"\ndemo: {e}\n(logs: artifacts/logs/demo)", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted; everything was removed again", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
