#!/usr/bin/env python3
"""Real containerds on one host with ipcs as their content store: pull, run, export, push, import, remove, nothing left. Prints ok/not ok.

The system's containerd (1.6 on Debian 12), and once each those of newer Debian suites, which lie beside it and are not installed.
    containerd.py [VERSION...]     VERSION: system, 1.7, 2.1 (all of them when none is named). Needs root.
"""
import glob
import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
import images  # noqa: E402
import lab  # noqa: E402
import suites  # noqa: E402
from tap import Results, equal, true  # noqa: E402

NEWER = {"1.7": "trixie", "2.1": "sid"}
results = Results()
check = results.check


class Unavailable(Exception):
    """A containerd that cannot be fetched here, with the reason."""


def fetch_newer(version):
    """The folder with the programs of a newer containerd, fetched once with apt and separate package lists."""
    folder = os.path.join(lab.REPOSITORY, "artifacts", "lab", "containerd-" + version)
    programs = os.path.join(folder, "usr", "bin")
    if not os.path.exists(os.path.join(programs, "containerd")):
        apt = _apt(NEWER[version])
        apt("update")
        for old in glob.glob(os.path.join(folder, "*.deb")):
            os.remove(old)
        os.makedirs(folder, exist_ok=True)
        apt("download", "containerd", cwd=folder)
        for package in glob.glob(os.path.join(folder, "*.deb")):
            subprocess.run(["dpkg", "-x", package, folder], check=True)
    shown = subprocess.run([os.path.join(programs, "containerd"), "--version"], capture_output=True, text=True)
    if shown.returncode or not re.search(rf" v?{re.escape(version)}\.", shown.stdout):
        raise Unavailable(f"{NEWER[version]} has another containerd, or it does not run here: {(shown.stdout + shown.stderr).strip()}")
    return programs


def _apt(suite):
    """Returns an apt-get for one suite of this machine's Debian mirror. The machine's own package lists stay unchanged."""
    mirror, keyring = _mirror()
    folder = os.path.join(lab.REPOSITORY, "artifacts", "lab", "apt-" + suite)
    for name in ("lists/partial", "cache/archives/partial"):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
    with open(os.path.join(folder, "sources.list"), "w") as f:
        f.write(f"deb {keyring} {mirror} {suite} main\n")
    options = {"Dir::Etc::sourcelist": folder + "/sources.list", "Dir::Etc::sourceparts": "/dev/null", "Dir::State::lists": folder
               + "/lists",
               "Dir::Cache": folder + "/cache", "Acquire::Languages": "none", "Acquire::PDiffs": "false", "APT::Sandbox::User": "root"}

    def apt(*words, cwd=None):
        command = ["apt-get", "-qq", *(word for key, value in options.items() for word in ("-o", f"{key}={value}")), *words]
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=240)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["exit status " + str(done.returncode)]
            raise Unavailable(f"apt-get {words[0]} of {suite}: {lines[-1]}")
    return apt


def _mirror():
    """The first Debian mirror in this machine's sources, and its signed-by option."""
    for path in sorted(glob.glob("/etc/apt/sources.list.d/*.sources")):
        with open(path) as f:
            for stanza in f.read().split("\n\n"):
                fields = dict(re.findall(r"(?m)^(\w[\w-]*):[ \t]*(.+)$", stanza))
                if "deb" in fields.get("Types", "").split() and "main" in fields.get("Components",
                                                                                     "").split() and "debian" in fields.get("URIs", ""):
                    keyring = f"[signed-by={fields['Signed-By']}]" if fields.get("Signed-By", "").startswith("/") else ""
                    return fields["URIs"].split()[0], keyring
    for path in ["/etc/apt/sources.list", *sorted(glob.glob("/etc/apt/sources.list.d/*.list"))]:
        if os.path.exists(path):
            with open(path) as f:
                found = re.search(r"(?m)^deb\s+(\[[^\]]*\])?\s*(\S*debian\S*)\s+\S+\s+.*\bmain\b", f.read())
                if found:
                    return found.group(2), found.group(1) or ""
    raise Unavailable("there is no Debian mirror in this machine's apt sources")


def archive(layout, path):
    """Writes an OCI layout as an archive for `ctr images import`."""
    with tarfile.open(path, "w") as tar:
        for name in ("oci-layout", "index.json", "blobs"):
            tar.add(os.path.join(layout, name), name)


def exported_digests(path):
    """The digests of the blobs in an archive. Each blob must have the hash in its name."""
    found = set()
    with tarfile.open(path) as tar:
        for entry in tar:
            match = re.fullmatch(r"blobs/sha256/([0-9a-f]{64})", entry.name)
            if match:
                equal(hashlib.sha256(tar.extractfile(entry).read()).hexdigest(), match.group(1), "the hash of a blob in the archive")
                found.add("sha256:" + match.group(1))
    return found


def pushed_digest(registry, name, tag):
    path = registry.path(f"data/docker/registry/v2/repositories/{name}/_manifests/tags/{tag}/current/link")
    with open(path) as f:
        return f.read().strip()


def remove_images(host):
    """Removes every image and its snapshots."""
    for name in host.ctr("images", "ls", "-q").stdout.split():
        host.ctr("images", "rm", "--sync", name)


def check_nothing_left(host):
    """Removes every image. containerd's garbage collection must leave no content, and `repo gc` no block."""
    remove_images(host)
    lab.wait("end of containerd's collection", lambda: not host.contents())
    equal(host.ctr("content", "ls", "-q").stdout.split(), [], "what containerd lists")
    equal(host.ctr("content", "active").stdout.split("\n")[1:], [""], "what containerd has under way")
    host.ipcs("repo", "gc")
    equal(json.loads(host.ipcs("repo", "stat", "--json").stdout)["NumObjects"], 0, "the number of blocks left")


def check_runs(host, name):
    true(images.GREETING in host.run_container(name), "the container printed something else")


def one_containerd(fleet, layout, programs):
    host = fleet.hosts[0]
    host.programs = programs
    manifest, config, layers = images.layers(layout)
    all_of_it = {manifest, config["digest"], *(d["digest"] for d in layers)}
    name, other = fleet.registry.reference("app:v1"), fleet.registry.reference("app:pushed")
    fleet.registry.push(layout, "app:v1")
    with check("containerd starts with the configuration that ipcs prints", need=True):
        host.start_ipcs()
        host.start_containerd()
    print("# " + host.ctr("version").stdout.split("Server:")[1].split()[1], flush=True)
    with check("pull from a registry", need=True):
        host.pull(name)
        equal(set(host.contents()), all_of_it, "what ipcs has")
    with check("run"):
        check_runs(host, name)
    with check("export: each blob has its hash"):
        host.ctr("images", "export", host.path("export.tar"), name)
        true(all_of_it <= exported_digests(host.path("export.tar")), "the archive lacks some")
    with check("push"):
        host.ctr("images", "tag", name, other)
        host.ctr("images", "push", "--plain-http", other)
        equal(pushed_digest(fleet.registry, "app", "pushed"), manifest, "the manifest in the registry")
    with check("remove: nothing left"):
        check_nothing_left(host)
    with check("import of an archive", need=True):
        archive(layout, host.path("import.tar"))
        host.ctr("images", "import", "--base-name", "imported", "--digests", "--snapshotter", host.snapshotter, host.path("import.tar"))
        true(all_of_it <= set(host.contents()), "ipcs lacks some of it")
    with check("run what was imported"):
        reference = next(n for n in host.ctr("images", "ls", "-q").stdout.split() if n.startswith("imported"))
        check_runs(host, reference)
    with check("import of what it has exported"):
        host.ctr("images", "import", "--snapshotter", host.snapshotter, host.path("export.tar"))
        check_runs(host, name)
    with check("remove again: nothing left"):
        check_nothing_left(host)
    unpacking(host, fleet, layout)


def write_processor(host, text):
    """Writes a program that containerd runs for layers instead of ipcs."""
    path = host.path("processor")
    with open(path, "w") as f:
        f.write("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)
    return path


def unpacking(host, fleet, layout):
    """Unpacking with ipcs as stream processor, without it, and with a processor that fails."""
    name = fleet.registry.reference("app:v1")
    asked = host.path("asked")

    def restart(processor):
        host.containerd_service.stop()
        host.start_containerd(processor=processor)

    def types():
        with open(asked) as f:
            return set(f.read().split())

    with check("containerd runs ipcs for each layer that it unpacks", need=True):
        restart(write_processor(host, f'echo "$STREAM_PROCESSOR_MEDIATYPE" >> {asked}\nexec {lab.IPCS} "$@"\n'))
        host.pull(name)
        equal(types(), {d["mediaType"] for d in images.layers(layout)[2]}, "the layers that came as containerd's client names them")
        check_runs(host, name)
    with check("the daemon identifies the layer that containerd reads by its first bytes, or answers that it cannot"):
        large = [d for d in images.layers(layout)[2] if d["size"] > 1 << 16]
        true(large, "no layer is larger than a read")
        for d in large:
            with open(os.path.join(layout, "blobs", d["digest"].replace(":", "/")), "rb") as f:
                begin = hashlib.sha256(f.read(4096)).hexdigest()
            equal(json.loads(host.ask("ipcs/content/reading", begin + "&length=4096"))["digest"], d["digest"], "the layer")
        try:
            raise AssertionError(host.ask("ipcs/content/reading", hashlib.sha256(b"other").hexdigest() + "&length=4096"))
        except lab.LabError as e:
            true("0 contents start with these bytes" in str(e), str(e))
    with check("layers that ipcs unpacks come from the daemon in one stream, as gzip or as tar", need=True):
        for words in ((), ("--chunker", "tar")):
            remove_images(host)
            os.remove(asked)
            made = lab.convert_result(host.ipcs("convert", name, "app:p2p", "--plain-http", *words).stdout)
            host.ipcs("pull", f"app:p2p@{made}", "--unpack")
            equal(types(), {"application/vnd.ipcs.layer.v1.tar"}, "the layers that were asked for")
            check_runs(host, "app:p2p")
    with check("a layer that cannot be turned into a tar is an error in one line, and nothing is unpacked or registered", need=True):
        remove_images(host)
        restart(write_processor(host, "echo the layer is broken >&2\nexit 1\n"))
        done = host.ipcs("pull", f"app:other@{made}", "--unpack", check=False)
        equal((done.returncode, len(done.stderr.splitlines())), (1, 1), f"exit status and lines of {done.stderr}")
        true("app:other" not in host.ctr("images", "ls", "-q").stdout and len(host.ctr("snapshots", "--snapshotter", host.snapshotter,
                                                                                       "ls").stdout.splitlines()) == 1,
                                                                                       "something is there")
    with check("the error of a layer that does not arrive says so", need=True):
        restart(write_processor(host, f'exec {lab.IPCS} "$@" < /dev/null\n'))
        for _ in range(5):
            done = host.ctr("images", "pull", "--plain-http", "--snapshotter", host.snapshotter, name, check=False)
            true(done.returncode != 0 and "nothing came on standard input" in done.stderr, done.stderr[-500:])
    with check("without a stream processor containerd unpacks layers by itself", need=True):
        restart("")
        host.ipcs("convert", name, "app:p2p", "--plain-http", "--chunker", "tar")
        host.ipcs("pull", f"app:p2p@{made}", "--unpack")
        check_runs(host, "app:p2p")
        remove_images(host)
        host.pull(name)
        check_runs(host, name)


def versions():
    for version in sys.argv[1:] or ["system", *NEWER]:
        try:
            programs = "" if version == "system" else fetch_newer(version)
        except (Unavailable, OSError, subprocess.SubprocessError) as e:
            print(f"skip containerd {version}: {e}", flush=True)
            continue
        yield "containerd " + version, 1, lambda fleet: one_containerd(fleet, images.small(lab.IMAGES), programs)


def main():
    return suites.run(results, "containerd", versions())


if __name__ == "__main__":
    sys.exit(main())
