#!/usr/bin/env python3
"""Images as a test: converted on one host, pulled and run on another with no registry, from every kind of source. Prints ok/not ok lines.

Real containerd and runc on hosts in namespaces (tests/lab), a real docker-registry, and the one binary. Needs root.
"""
import base64
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
import images  # noqa: E402
import lab  # noqa: E402
import suites  # noqa: E402
from lab import as_root  # noqa: E402
from tap import Results, equal, true  # noqa: E402

INDEX = "application/vnd.oci.image.index.v1+json"
results = Results()
check = results.check


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Layout:
    """Writes an OCI layout that uses the layers of another."""

    def __init__(self, folder, borrowed):
        self.folder, self.blobs = folder, os.path.join(folder, "blobs", "sha256")
        os.makedirs(self.blobs)
        self.borrowed = borrowed
        digest, self.config, self.layers = images.layers(borrowed)
        self.manifest = json.loads(self._read(digest))

    def _read(self, digest):
        with open(os.path.join(self.borrowed, "blobs", "sha256", digest[7:]), "rb") as f:
            return f.read()

    def put(self, data, media):
        if not isinstance(data, bytes):
            data = json.dumps(data).encode()
        with open(os.path.join(self.blobs, sha256(data)[7:]), "wb") as f:
            f.write(data)
        return {"mediaType": media, "digest": sha256(data), "size": len(data)}

    def image(self, layers, **fields):
        """A manifest with the first layers of the other layout and a config of its own."""
        config = json.loads(self._read(self.config["digest"]))
        config["rootfs"]["diff_ids"] = config["rootfs"]["diff_ids"][:layers]
        config.update(fields.pop("config", {}))
        for d in self.layers[:layers]:
            path = os.path.join(self.blobs, d["digest"][7:])
            if not os.path.exists(path):
                os.link(os.path.join(self.borrowed, "blobs", "sha256", d["digest"][7:]), path)
        manifest = {**self.manifest, "config": self.put(config, images.CONFIG), "layers": self.layers[:layers], **fields}
        return self.put(manifest, images.MANIFEST)

    def tag(self, target, name="v1"):
        target = {**target, "annotations": {"org.opencontainers.image.ref.name": name}}
        with open(os.path.join(self.folder, "oci-layout"), "w") as f:
            f.write('{"imageLayoutVersion":"1.0.0"}')
        with open(os.path.join(self.folder, "index.json"), "w") as f:
            json.dump({"schemaVersion": 2, "manifests": [target]}, f)


def multi_platform(folder, borrowed):
    """An index with this host's platform, another platform, and an attestation of the first."""
    layout = Layout(folder, borrowed)
    labels = {"config": {**json.loads(layout._read(layout.config["digest"]))["config"], "Labels": {"org.example.made": "by a test"}}}
    subject = {"mediaType": images.MANIFEST, "digest": "sha256:" + "7" * 64, "size": 7}
    ours = layout.image(3, config=labels, annotations={"org.example": "kept"}, subject=subject)
    theirs = layout.image(1, config={"architecture": "arm64"})
    attestation = layout.put({"schemaVersion": 2, "mediaType": images.MANIFEST, "config": layout.put({}, images.CONFIG),
                              "layers": [layout.put({"_type": "statement"}, "application/vnd.in-toto+json")]}, images.MANIFEST)
    attestation.update(platform={"architecture": "unknown", "os": "unknown"},
                       annotations={"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": ours["digest"]})
    index = layout.put({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        {**ours, "platform": {"architecture": "amd64", "os": "linux"}},
        {**theirs, "platform": {"architecture": "arm64", "os": "linux", "variant": "v8"}}, attestation]}, INDEX)
    layout.tag(index)
    return ours["digest"]


def converted(host, *words, seconds=120):
    """The documents of a conversion: its result, and the manifest or index."""
    done = json.loads(host.ipcs("convert", *words, "--json", seconds=seconds).stdout.splitlines()[-1])
    return done, json.loads(block_file(host, done["root"]))


def block_file(host, cid):
    return host.ipcs("cat", cid).stdout


def check_root(host, descriptor):
    """Checks that a converted digest is the hash of a root block, and that the file below it has the size in the descriptor."""
    path = host.path("block")
    host.enter("sh", "-c", f'"{lab.IPCS}" block get {as_root(descriptor["digest"])} --api-socket "{host.api}" > "{path}"')
    with open(path, "rb") as f:
        equal(sha256(f.read()), descriptor["digest"], "the hash of the root block")
    host.enter("sh", "-c", f'"{lab.IPCS}" cat {descriptor["digest"]} --api-socket "{host.api}" > "{path}"')
    equal(os.path.getsize(path), descriptor["size"], "the length of the file under " + descriptor["digest"])
    with open(path, "rb") as f:
        return sha256(f.read())


def roots_of(profile, files):
    """The digests of the roots that Helia's importer computes for files with a profile."""
    interop = os.path.join(lab.REPOSITORY, "tests", "Interop")
    lab.run(os.path.join(interop, "setup.sh"), seconds=300)
    return lab.run(os.path.join(interop, "peer", "node_modules", ".bin", "node"), os.path.join(interop, "peer", "roots.mjs"),
                   profile, *files).stdout.split()


def names(host):
    return host.ctr("images", "ls", "-q").stdout.split()


def one_line(done, *words):
    equal(done.returncode, 1, "the exit status")
    lines = done.stderr.strip().splitlines()
    equal(len(lines), 1, f"the number of lines on standard error ({done.stderr!r})")
    true(not words or any(w in lines[0].lower() for w in words), f"{lines[0]!r} names none of {words}")


def leases(host):
    return host.ctr("leases", "ls", "-q").stdout.split()


def start_two(one, two):
    with check("two daemons and their containerds start, and the daemons find each other", need=True):
        one.start_ipcs()
        one.start_containerd()
        two.start_ipcs(one)
        two.start_containerd()
        lab.wait("connection between the daemons", lambda: one.peer in two.peers() and two.peer in one.peers())


def from_one_host_to_another(fleet):
    one, two = fleet.hosts
    small = images.small(lab.IMAGES)
    multi = one.path("multi")
    ours = multi_platform(multi, small)
    start_two(one, two)

    with check("an index is converted: this host's platform is converted, and the index keeps the others", need=True):
        done, index = converted(one, "oci:" + multi, "multi:v1")
        with open(os.path.join(multi, "blobs", "sha256", done["original"][7:])) as f:
            original = json.load(f)
        equal([m["platform"] for m in index["manifests"]], [m["platform"] for m in original["manifests"]], "the platforms")
        true(index["manifests"][0]["digest"] != ours, "the manifest is the original one")
        equal(index["manifests"][1], original["manifests"][1], "the other platform's entry")
        equal(index["manifests"][2]["annotations"]["vnd.docker.reference.digest"], index["manifests"][0]["digest"],
              "what the attestation is of")
    with check("every digest of the manifest is the hash of its root block, and the bytes are the original's"):
        equal(check_root(one, index["manifests"][0]), check_root(one, index["manifests"][0]), "the same twice")
        manifest = json.loads(block_file(one, index["manifests"][0]["digest"]))
        with open(os.path.join(multi, "blobs", "sha256", ours[7:])) as f:
            before = json.load(f)
        for old, new in zip([before["config"]] + before["layers"], [manifest["config"]] + manifest["layers"]):
            equal(check_root(one, new), old["digest"], "the hash of the bytes")
            equal(new["mediaType"], old["mediaType"], "the media type")
    with check("every digest, those of the manifest and the index too, is the one that Helia's importer computes, with either profile"):
        parts = [os.path.join(multi, "blobs", "sha256", d["digest"][7:]) for d in [before["config"]] + before["layers"]]
        for profile in ("kubo-v1", "kubo-v0"):
            made, entries = converted(one, "oci:" + multi, "--profile", profile)
            equal(made["converted"] == done["converted"], profile == "kubo-v1", f"{profile} is the default")
            inner = json.loads(block_file(one, entries["manifests"][0]["digest"]))
            blobs = list(parts)
            for what, digest in (("manifest", entries["manifests"][0]["digest"]), ("index", made["converted"])):
                blobs.append(one.path(what))
                one.enter("sh", "-c", f'"{lab.IPCS}" cat {digest} --api-socket "{one.api}" > "{blobs[-1]}"')
            equal(roots_of(profile, blobs), [d["digest"] for d in [inner["config"]] + inner["layers"]]
                  + [entries["manifests"][0]["digest"], made["converted"]], f"the digests of {profile}")
    with check("the reference to a signature's subject, annotations and labels are kept"):
        equal(manifest["subject"], before["subject"], "the subject")
        equal(manifest["annotations"], before["annotations"], "the annotations")
        config = json.loads(block_file(one, manifest["config"]["digest"]))
        equal(config["config"]["Labels"], {"org.example.made": "by a test"}, "the labels")
    with check("it is registered, and no lease is left"):
        true("multi:v1" in names(one), "it is not registered")
        equal([x for x in leases(one) if x.startswith("ipcs-")], [], "leases")
    with check("converting again gives the same digest in less time"):
        begin = time.monotonic()
        again, _ = converted(one, "oci:" + multi, "multi:v1")
        equal(again["converted"], done["converted"], "the digest")
        print(f"# the second conversion took {time.monotonic() - begin:.2f} s")
    fleet.registry.stop()
    with check("the second host pulls it with --unpack and no registry", need=True):
        pulled = two.ipcs("pull", "multi:v1@" + done["converted"], "--unpack", seconds=150)
        true("pulled multi:v1 " + done["converted"] in pulled.stdout, f"it printed {pulled.stdout!r}")
    with check("the second host runs it"):
        true(images.GREETING in two.run_container("multi:v1"), "the container printed something else")
    with check("containerd's GC keeps what was pulled"):
        # A new lease that is removed with --sync makes containerd collect now.
        two.ctr("leases", "create", "--id", "gc")
        two.ctr("leases", "rm", "--sync", "gc")
        true(images.GREETING in two.run_container("multi:v1"), "the container printed something else")
    with check("the second host has every block: it converts the pulled image into the same image"):
        again, _ = converted(two, "containerd:multi:v1")
        equal(again["converted"], done["converted"], "the digest")
    with check("a pull by ipfs://CID gives it another name"):
        two.ipcs("pull", "ipfs://" + done["root"], "other:v1", seconds=150)
        true("other:v1" in names(two), "it is not registered")
    with check("all platforms are converted when asked to"):
        every, index = converted(one, "oci:" + multi, "every:v1", "--all-platforms")
        true(every["converted"] != done["converted"], "it is the same image")
        for entry in index["manifests"]:
            check_root(one, entry)
        equal(len(index["manifests"]), 3, "the number of manifests")
    with check("an unmodified image is pulled by its own digest from the fleet"):
        one.ctr("images", "import", "--all-platforms", _archive(one, small), seconds=120)
        name = next(n for n in names(one) if n not in ("multi:v1", "every:v1"))
        digest = images.layers(small)[0]
        two.ipcs("pull", f"{name}@{digest}", "--unpack", seconds=150)
        true(images.GREETING in two.run_container(name), "the container printed something else")
    with check("a pull of an image that no host has ends in one line"):
        begin = time.monotonic()
        one_line(two.ipcs("pull", "nobody:v1@sha256:" + "5" * 64, check=False, seconds=150))
        true(time.monotonic() - begin < 120, "it took longer")
        true("nobody:v1" not in names(two), "it is registered")


def _archive(host, layout, kind="oci-archive"):
    """Writes a layout into a tar."""
    path = host.path(kind + ".tar")
    if kind == "oci-archive":
        lab.run("tar", "-C", layout, "-cf", path, "oci-layout", "index.json", "blobs")
    else:
        lab.run("skopeo", "--insecure-policy", "copy", "-q", "oci:" + layout, f"docker-archive:{path}:app:v1", seconds=120)
    return path


def from_every_source(fleet):
    one = fleet.hosts[0]
    small = images.small(lab.IMAGES)
    with check("a daemon and its containerd start", need=True):
        one.start_ipcs()
        one.start_containerd()
    fleet.registry.push(small, "app:v1")
    with check("a registry, a layout, an archive and containerd give the same image", need=True):
        made, _ = converted(one, fleet.registry.reference("app:v1"), "--plain-http", "reg:v1")
        for source in ("oci:" + small, "oci-archive:" + _archive(one, small), "containerd:reg:v1"):
            again, _ = converted(one, source)
            equal(again["converted"], made["converted"], "the digest from " + source)
    with check("a docker archive is converted, registered and run"):
        archive = _archive(one, small, "docker-archive")
        converted(one, "docker-archive:" + archive, "docker:v1")
        true(images.GREETING in one.run_container("docker:v1"), "the container printed something else")
    with check("with the tar chunker, layers are plain tars, and the image runs"):
        tar, manifest = converted(one, "oci:" + small, "tar:v1", "--chunker", "tar")
        equal({d["mediaType"] for d in manifest["layers"]}, {images.LAYER.removesuffix("+gzip")}, "the media types of the layers")
        true(images.GREETING in one.run_container("tar:v1"), "the container printed something else")
        equal(converted(one, "oci:" + small, "--chunker", "tar")[0]["converted"], tar["converted"], "the digest the second time")
        old, _ = converted(one, "oci:" + small, "--chunker", "tar", "--profile", "kubo-v0")
        true(old["converted"] != tar["converted"], "the profile makes no difference")
    with check("the last line gives the result"):
        lines = one.ipcs("convert", "oci:" + small).stdout.splitlines()
        equal(lines[-1], f"converted oci:{small} {made['converted']}", "the last line")
        true(any(made["original"] in line for line in lines), "the original's digest is not there")

    with check("compare puts blocks into buckets, for two chunkers, as JSON and as a picture"):
        other = one.path("other")
        layout = Layout(other, small)
        layout.tag(layout.image(2))
        picture = one.path("compare.png")
        done = json.loads(one.ipcs("compare", "oci:" + small, "oci:" + other, "--json", "--plot", picture, "--chunker", "size-262144",
                                   "--chunker", "size-65536").stdout)
        equal(sorted(done["images"]), sorted(["oci:" + small, "oci:" + other]), "the images")
        shared = [b for b in done["buckets"] if len(b["images"]) == 2]
        layers = sum(d["size"] for d in images.layers(small)[2][:2])
        true(len(shared) == 1 and layers <= shared[0]["bytes"] <= layers * 1.01,
             f"two layers of {layers} bytes are shared, it says {shared}")
        equal([c["chunker"] for c in done["comparisons"]], ["size-262144", "size-65536"], "the chunkers")
        with open(picture, "rb") as f:
            png = f.read()
        true(png.startswith(b"\x89PNG\r\n\x1a\n") and png.endswith(b"IEND\xaeB`\x82"), "the picture is no PNG")
        width, height = int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")
        at, pixels = 33, b""
        while png[at + 4:at + 8] == b"IDAT":
            size = int.from_bytes(png[at:at + 4], "big")
            pixels += png[at + 8:at + 8 + size]
            at += size + 12
        equal(len(zlib.decompress(pixels)), height * (3 * width + 1), "the number of bytes of the picture")

    with check("a broken layout is a clear error, and nothing is registered"):
        broken = one.path("broken")
        layout = Layout(broken, small)
        layout.tag(layout.image(3))
        victim = os.path.join(layout.blobs, layout.layers[1]["digest"][7:])
        with open(victim, "rb") as f:
            data = bytearray(f.read())
        data[len(data) // 2] ^= 1
        os.unlink(victim)
        with open(victim, "wb") as f:
            f.write(data)
        # Contents in the store are not read from the source, so this needs a daemon without them.
        one.ipcs_service.stop()
        os.rename(one.path("ipcs"), one.path("ipcs-first"))
        one.start_ipcs()
        one_line(one.ipcs("convert", "oci:" + broken, "broken:v1", check=False), "do not match the digest")
        os.unlink(victim)
        one_line(one.ipcs("convert", "oci:" + broken, "broken:v1", check=False), "lacks")
        equal(one.ipcs("pin", "ls").stdout.strip(), "", "the pins")
        one.ipcs_service.stop()
        os.rename(one.path("ipcs"), one.path("ipcs-second"))
        os.rename(one.path("ipcs-first"), one.path("ipcs"))
        one.start_ipcs()
        true("broken:v1" not in names(one), "it is registered")
    with check("wrong usage is exit 2 or a line that says what is wrong"):
        equal(one.ipcs("compare", "oci:" + small, check=False).returncode, 2, "the exit status of compare with one image")
        one_line(one.ipcs("convert", "oci:" + small, "--chunker", "nonsense", check=False), "chunker")
        one_line(one.ipcs("convert", "oci:" + small, "--profile", "kubo-v2", check=False), "profile 'kubo-v2': not kubo-v1 or kubo-v0")
        one_line(one.ipcs("convert", "oci:/nowhere", check=False), "nowhere")

    with check("a registry with a password: refused without, read with the login of Docker's file", need=True):
        require_login(fleet.registry)
        name = fleet.registry.reference("app:v1")
        one_line(one.ipcs("convert", name, "--plain-http", check=False), "401")
        folder = one.path("docker")
        os.makedirs(folder)
        with open(os.path.join(folder, "config.json"), "w") as f:
            json.dump({"auths": {f"{fleet.registry.address}:5000": {"auth": base64.b64encode(b"me:secret").decode()}}}, f)
        output = one.enter("env", "DOCKER_CONFIG=" + folder, lab.IPCS, "convert", name, "--plain-http", "--api-socket", one.api).stdout
        equal(lab.convert_result(output), made["converted"], "the digest")
    with check("a wrong password is a clear error"):
        with open(os.path.join(folder, "config.json"), "w") as f:
            json.dump({"auths": {f"{fleet.registry.address}:5000": {"auth": base64.b64encode(b"me:wrong").decode()}}}, f)
        one_line(one.enter("env", "DOCKER_CONFIG=" + folder, lab.IPCS, "convert", name, "--plain-http", "--api-socket", one.api,
                           check=False), "refuses")


def require_login(registry):
    """Restarts the registry with a login: me, secret."""
    registry.stop()
    with open(registry.path("htpasswd"), "w") as f:  # bcrypt of "secret"
        f.write("me:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n")
    with open(registry.path("config.yml"), "a") as f:
        f.write(f'auth: {{htpasswd: {{realm: lab, path: "{registry.path("htpasswd")}"}}}}\n')
    service = registry.service = lab.Service("docker-registry", registry.namespace,
                                             ["docker-registry", "serve", registry.path("config.yml")],
                                             registry.path("registry.log"), {"OTEL_TRACES_EXPORTER": "none"})
    service.ready("listening registry", registry._listens, 20)


def interrupted(fleet):
    one, two = fleet.hosts
    noise = images.random(lab.IMAGES, "noise", 24 << 20)
    start_two(one, two)
    fleet.registry.push(noise, "noise:v1")
    name = fleet.registry.reference("noise:v1")

    def popen(host, *words):
        return subprocess.Popen(["nsenter", "--net=/run/netns/" + host.namespace, lab.IPCS, *words, "--api-socket", host.api],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def middle(process, host, bytes_=2 << 20):
        before = host.received()
        lab.wait("2 MB of it", lambda: host.received() - before > bytes_ or process.poll() is not None)
        true(process.poll() is None, "it ended before it was interrupted: " + (process.stderr.read() if process.poll() is not None else ""))

    with check("an interrupted convert registers and pins nothing", need=True):
        one.limit("20mbit")
        process = popen(one, "convert", name, "noise-p2p:v1", "--plain-http")
        middle(process, one)
        process.send_signal(signal.SIGINT)
        equal(process.wait(20), 1, "the exit status")
        true("noise-p2p:v1" not in names(one), "it is registered")
        equal(one.ipcs("pin", "ls").stdout.strip(), "", "the pins")
    with check("kill -9 of the daemon in the middle of a convert", need=True):
        process = popen(one, "convert", name, "noise-p2p:v1", "--plain-http")
        middle(process, one)
        one.ipcs_service.stop(signal.SIGKILL)
        equal(process.wait(20), 1, "the exit status")
        one.start_ipcs()
        one.limit(None)
        lab.wait("containerd that sees its store again", lambda: one.ctr("content", "ls", check=False).returncode == 0)
        true("noise-p2p:v1" not in names(one), "it is registered")
    with check("the same convert again", need=True):
        made, _ = converted(one, name, "noise-p2p:v1", "--plain-http")
        lab.wait("connection between the daemons", lambda: one.peer in two.peers() and two.peer in one.peers(), 60)
    fleet.registry.stop()
    layers = [d["digest"] for d in json.loads(one.ipcs("cat", made["converted"]).stdout)["layers"]]
    with check("a layer of a converted image is unpacked while it arrives", need=True):
        two.limit("20mbit")
        process = popen(two, "pull", "noise-p2p:v1@" + made["converted"], "--unpack")

        # The layer's snapshot exists on top of the layer below, which is complete.
        lab.wait("snapshot of the large layer", lambda: re.search(r"^extract-\S+ sha256:\S+ +sha256:\S+ +Active",
                                                                  two.ctr("snapshots", "ls").stdout, re.M))
        true(not two.has_whole(layers[-1]), "the layer was whole before")
    with check("an interrupted pull registers nothing, and the contents promised to containerd go with its lease", need=True):
        middle(process, two)
        process.send_signal(signal.SIGTERM)
        equal(process.wait(20), 1, "the exit status")
        true("noise-p2p:v1" not in names(two), "it is registered")
        lab.wait("a content list without the layers", lambda: not any(d in two.ipcs("content", "ls").stdout for d in layers))
    with check("kill -9 of the source in the middle of a pull is an error", need=True):
        process = popen(two, "pull", "noise-p2p:v1@" + made["converted"], "--unpack")
        middle(process, two)
        one.ipcs_service.stop(signal.SIGKILL)
        equal(process.wait(120), 1, "the exit status")
        true("noise-p2p:v1" not in names(two), "it is registered")
    with check("the same pull when the source is back, after a kill -9 of the puller too", need=True):
        two.ipcs_service.stop(signal.SIGKILL)
        one.start_ipcs()
        two.limit(None)
        two.start_ipcs(one)
        lab.wait("connection between the daemons", lambda: one.peer in two.peers(), 60)
        lab.wait("containerd that sees its store again", lambda: two.ctr("content", "ls", check=False).returncode == 0)
        two.ipcs("pull", "noise-p2p:v1@" + made["converted"], "--unpack", seconds=150)
        true(images.GREETING in two.run_container("noise-p2p:v1"), "the container printed something else")


def from_thirds(fleet):
    """Three hosts have every third block each, and no host has all."""
    maker, new, *holders = fleet.hosts
    noise = images.random(lab.IMAGES, "noise", 24 << 20)
    with check("thirds: each of three hosts fetches every third block of a converted image", need=True):
        maker.start_ipcs()
        maker.start_containerd()
        made, manifest = converted(maker, "oci:" + noise, "thirds:v1")
        roots = [d["root"] for d in made["descriptors"]]
        blocks = maker.blocks_of(roots)
        for k, host in enumerate(holders):
            host.start_ipcs(maker, options=("--gc-interval", "off"))
            lab.wait("connection", lambda: maker.peer in host.peers())
            host.take_blocks(blocks[k::3])
            equal(json.loads(host.ipcs("repo", "stat", "--json").stdout)["NumObjects"], len(blocks[k::3]), "the number of blocks")
        raw = maker.ipcs("block", "put", "--cid-codec", "raw", new_file(maker, "raw",
                                                                        b'{"a": "document in one block"}' * 100)).stdout.strip()
        holders[2].take_blocks([raw])
        maker.clear()

    def begin(*peers):
        new.start_ipcs(*peers)
        new.start_containerd()
        lab.wait("connections", lambda: all(h.peer in new.peers() for h in peers))

    def read(word):
        new.enter("sh", "-c", f'"{lab.IPCS}" cat {word} --api-socket "{new.api}" > "{new.path("content")}"')
        with open(new.path("content"), "rb") as f:
            return sha256(f.read())

    layer = images.layers(noise)[2][1]["digest"]
    big = manifest["layers"][1]["digest"]
    reference = "thirds:v1@" + made["converted"]
    with check("thirds: without one of the hosts the pull ends in one line that names a missing block, and registers nothing", need=True):
        holders[2].ipcs_service.stop()
        begin(*holders[:2])
        start = time.monotonic()
        failed = new.ipcs("pull", reference, "--unpack", check=False, seconds=150)
        print(f"# it failed after {time.monotonic() - start:.0f} s: {failed.stderr.strip()}")
        one_line(failed, made["converted"], *(d["digest"] for d in manifest["layers"]))
        true(time.monotonic() - start < 120, "it took longer")
        equal(names(new), [], "the images")
    with check("thirds: when that host is back, the same pull succeeds, and the image runs", need=True):
        holders[2].start_ipcs(new, options=("--gc-interval", "off"))
        lab.wait("connection", lambda: holders[2].peer in new.peers())
        new.ipcs("pull", reference, "--unpack", seconds=150)
        true(images.GREETING in new.run_container("thirds:v1"), "the container printed something else")
    new.clear()
    with check("thirds: another host pulls it from the three at once, with no registry, and runs it", need=True):
        begin(*holders)
        before = [h.sent() for h in holders]
        new.ipcs("pull", reference, "--unpack", seconds=150)
        true(images.GREETING in new.run_container("thirds:v1"), "the container printed something else")
        shares = [(h.sent() - b) / len(blocks) * 3 / (256 << 10) for h, b in zip(holders, before)]
        true(all(0.8 < s < 1.2 for s in shares), f"the hosts sent {shares} times their thirds")
    new.clear()
    with check("thirds: cat of a root and of a digest, get, refs and dag export fetch the blocks from their hosts"):
        begin(*holders)
        equal(read(as_root(big)), layer, "the hash of what cat of the root gives")
        new.clear()
        begin(*holders)
        equal(read(big), layer, "the hash of what cat of the digest gives")
        new.clear()
        begin(*holders)
        new.ipcs("get", as_root(big), "-o", new.path("got"))
        with open(new.path("got"), "rb") as f:
            equal(sha256(f.read()), layer, "the hash of what get gives")
        new.clear()
        begin(*holders)
        equal(new.blocks_of(roots), blocks, "the blocks")
        new.enter("sh", "-c", f'"{lab.IPCS}" dag export {as_root(big)} --api-socket "{new.api}" > "{new.path("car")}"')
        true(os.path.getsize(new.path("car")) > 24 << 20, "the CAR is short")
    new.clear()
    with check("thirds: pin add fetches every block"):
        begin(*holders)
        new.ipcs("pin", "add", as_root(big))
        new.ipcs("cat", "--length", "1", big)
        true(new.has_whole(big), "it is not whole")
    with check("thirds: a blob of one block is read by its digest"):
        digest = sha256(b'{"a": "document in one block"}' * 100)
        equal(read(digest), digest, "the hash")


def shared(fleet):
    """The converted image and the unmodified one have the same chunks."""
    one, two = fleet.hosts
    noise = images.random(lab.IMAGES, "noise", 24 << 20)
    original, config, layers = images.layers(noise)
    size = sum(d["size"] for d in layers)
    start_two(one, two)
    fleet.registry.push(noise, "noise:v1")
    name = fleet.registry.reference("noise:v1")

    def blocks(host):
        return json.loads(host.ipcs("repo", "stat", "--json").stdout)["NumObjects"]

    def delete(host, image):
        host.ctr("images", "rm", "--sync", image)
        lab.wait("deletion", lambda: image not in names(host))

    with check("shared: two hosts pull the unmodified image", need=True):
        one.pull(name)
        two.pull(name)
        for host in (one, two):
            lab.wait("whole contents", lambda: all(host.has_whole(d["digest"]) for d in [config] + layers))
    with check("shared: its conversion stores one block, the manifest", need=True):
        before = blocks(one)
        made, manifest = converted(one, "containerd:" + name, "noise-p2p:v1")
        true(made["converted"] != original, "it is the same image")
        equal(blocks(one) - before, 1, "the number of new blocks")
        equal(manifest["config"]["digest"], config["digest"], "the digest of the config, which is one chunk")
        equal(converted(one, name, "--plain-http")[0]["converted"], made["converted"], "the digest from the registry's reference")
        equal(blocks(one) - before, 1, "the number of new blocks")
    fleet.registry.stop()
    with check("shared: a host with the unmodified image pulls the converted one for less than 1% of its bytes, and runs it", need=True):
        before, begin = two.received(), time.monotonic()
        stat = json.loads(two.ipcs("bitswap", "stat", "--json").stdout)["DataReceived"]
        two.ipcs("pull", "noise-p2p:v1@" + made["converted"], "--unpack", seconds=150)
        print(f"# {two.received() - before} of {size} bytes over the link, in {time.monotonic() - begin:.2f} s")
        true(two.received() - before < size / 100, f"{two.received() - before} bytes over the link")
        true(json.loads(two.ipcs("bitswap", "stat", "--json").stdout)["DataReceived"] - stat < size / 100, "bytes over Bitswap")
        true(images.GREETING in two.run_container("noise-p2p:v1"), "the container printed something else")
    with check("shared: the host whose blocks came from peers converts it into the same image, and stores nothing"):
        before = blocks(two)
        equal(converted(two, "containerd:" + name)[0]["converted"], made["converted"], "the digest")
        equal(blocks(two), before, "the number of blocks")
    with check("shared: when the unmodified image is deleted, the converted one stays whole"):
        delete(one, name)
        one.ipcs("repo", "gc", "--silent")
        check_root(one, {"digest": made["converted"], "size": len(one.ipcs("cat", made["converted"]).stdout)})
        for new in manifest["layers"]:
            check_root(one, new)
        true(images.GREETING in one.run_container("noise-p2p:v1"), "the container printed something else")
        one.ipcs("containerd", "check")
    with check("shared: when the converted image is deleted, the unmodified one stays whole"):
        delete(two, "noise-p2p:v1")
        for root in two.ipcs("pin", "ls", "-q", "--type", "recursive").stdout.split():
            two.ipcs("pin", "rm", root)
        two.ipcs("repo", "gc", "--silent")
        for d in [config] + layers:
            two.enter("sh", "-c", f'"{lab.IPCS}" cat {d["digest"]} --api-socket "{two.api}" > "{two.path("content")}"')
            with open(two.path("content"), "rb") as f:
                equal(sha256(f.read()), d["digest"], "the hash of the bytes")
        true(images.GREETING in two.run_container(name), "the container printed something else")
        two.ipcs("containerd", "check")
        true(not any(d["digest"] in two.ipcs("content", "ls").stdout for d in manifest["layers"] if d not in layers), "it is not deleted")


def new_file(host, name, data):
    with open(host.path(name), "wb") as f:
        f.write(data)
    return host.path(name)


def main():
    return suites.run(results, "images", [
        ("from one host to another", 2, from_one_host_to_another),
        ("from every source", 1, from_every_source),
        ("shared", 2, shared),
        ("interrupted", 2, interrupted),
        ("from thirds", 5, from_thirds),
    ], sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
