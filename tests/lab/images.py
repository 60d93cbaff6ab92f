"""Small real images, made from Debian packages, as OCI layouts. No registry is needed.

small(FOLDER)   `app:v1`, three layers, about 22 MB: a static userland with a CA bundle and time zones; libc and a large Go
                program (rclone); a start script that uses both and prints a line. Made once and kept in FOLDER.
pause(FOLDER)   a pause image, which keeps a pod's namespaces open: the userland, sleeping.
random(FOLDER, NAME, SIZE)   the same userland below a layer of SIZE incompressible bytes.
real(FOLDER, NAME)   one of the real images of real/make-images.sh (mini app24 base29 base29next svc1 svc2 dev296); needs root and
                mmdebstrap, and takes minutes the first time. Its tag is v1; base29next has `next`, svc2 has v2.
"""
import fcntl
import glob
import gzip
import hashlib
import io
import json
import os
import random as rng
import shutil
import subprocess
import tarfile
import tempfile

EPOCH = 1767225600  # 2026-01-01: the latest mtime in a layer, so that its bytes depend only on its files
GREETING = "the journey ends here"
KEEP_EMPTY = ("dev", "proc", "sys", "run", "tmp", "root", "var")
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def _layer(tree):
    """The gzipped tar of a folder, reproducible, and the digest of the uncompressed tar."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for folder, folders, files in os.walk(tree):
            folders.sort()
            links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
            for name in sorted(folders + files):
                full = os.path.join(folder, name)
                entry = tar.gettarinfo(full, os.path.relpath(full, tree))
                entry.uid = entry.gid = 0
                entry.uname = entry.gname = ""
                entry.mtime = min(int(entry.mtime), EPOCH)
                if entry.isreg():
                    with open(full, "rb") as source:
                        tar.addfile(entry, source)
                else:
                    tar.addfile(entry)
            folders[:] = [name for name in folders if name not in links]
    data = plain.getvalue()
    return gzip.compress(data, compresslevel=6, mtime=0), "sha256:" + hashlib.sha256(data).hexdigest()


def _write(layout, layers, config):
    """Writes an OCI layout with one image of these (blob, diff id) layers, tagged v1."""
    blobs = os.path.join(layout, "blobs", "sha256")
    os.makedirs(blobs)

    def put(data, media):
        digest = hashlib.sha256(data).hexdigest()
        with open(os.path.join(blobs, digest), "wb") as f:
            f.write(data)
        return {"mediaType": media, "digest": "sha256:" + digest, "size": len(data)}

    document = {"architecture": "amd64", "os": "linux", "config": config,
                "rootfs": {"type": "layers", "diff_ids": [diff for _, diff in layers]}}
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": put(json.dumps(document).encode(), CONFIG),
                "layers": [put(blob, LAYER) for blob, _ in layers]}
    entry = put(json.dumps(manifest).encode(), MANIFEST)
    entry["annotations"] = {"org.opencontainers.image.ref.name": "v1"}
    entry["platform"] = {"architecture": "amd64", "os": "linux"}
    with open(os.path.join(layout, "oci-layout"), "w") as f:
        f.write('{"imageLayoutVersion":"1.0.0"}')
    with open(os.path.join(layout, "index.json"), "w") as f:  # last: its presence means that the layout is complete
        json.dump({"schemaVersion": 2, "manifests": [entry]}, f)


def _unpack(packages, into, cache):
    """Unpacks the files of these packages, without their dependencies."""
    for package in packages:
        if not glob.glob(os.path.join(cache, package + "_*.deb")):
            command = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", package]
            if subprocess.run(command, cwd=cache, capture_output=True).returncode:
                subprocess.run(["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", "update"], capture_output=True)
                subprocess.run(command, cwd=cache, check=True)
        subprocess.run(["dpkg", "-x", glob.glob(os.path.join(cache, package + "_*.deb"))[-1], into], check=True)


def _one(tree, *names):
    """The path of a file at /NAME or, where /usr is merged, at /usr/NAME."""
    for name in names:
        for path in (os.path.join(tree, name), os.path.join(tree, "usr", name)):
            if os.path.exists(path):
                return path
    raise FileNotFoundError(f"none of {names} in the packages")


def _script(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, 0o755)


def _userland(tree, debs):
    for folder in KEEP_EMPTY + ("bin", "etc/ssl/certs", "usr/share"):
        os.makedirs(os.path.join(tree, folder))
    os.chmod(os.path.join(tree, "tmp"), 0o1777)
    busybox = os.path.join(tree, "bin/busybox")
    shutil.copy(_one(debs, "bin/busybox"), busybox)
    shutil.copy(_one(debs, "bin/bash-static"), os.path.join(tree, "bin/bash"))
    shutil.copy(_one(debs, "bin/tini-static"), os.path.join(tree, "bin/tini"))
    for applet in subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True).stdout.split():
        if not os.path.lexists(os.path.join(tree, "bin", applet)):
            os.symlink("busybox", os.path.join(tree, "bin", applet))
    with open(os.path.join(tree, "etc/ssl/certs/ca-certificates.crt"), "wb") as bundle:
        for certificate in sorted(glob.glob(os.path.join(debs, "usr/share/ca-certificates/**/*.crt"), recursive=True)):
            with open(certificate, "rb") as f:
                bundle.write(f.read())
    shutil.copytree(os.path.join(debs, "usr/share/zoneinfo"), os.path.join(tree, "usr/share/zoneinfo"), symlinks=True)
    for line, name in (("root:x:0:0:root:/root:/bin/sh\n", "passwd"), ("root:x:0:\n", "group")):
        with open(os.path.join(tree, "etc", name), "w") as f:
            f.write(line)


def _program(tree, debs):
    libraries = os.path.join(tree, "lib/x86_64-linux-gnu")
    os.makedirs(libraries)
    os.makedirs(os.path.join(tree, "lib64"))
    os.makedirs(os.path.join(tree, "usr/bin"))
    for name in ("ld-linux-x86-64.so.2", "libc.so.6", "libm.so.6", "libresolv.so.2", "libpthread.so.0"):
        shutil.copy(_one(debs, "lib/x86_64-linux-gnu/" + name), os.path.join(libraries, name))
    os.symlink("../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", os.path.join(tree, "lib64/ld-linux-x86-64.so.2"))
    shutil.copy(os.path.join(debs, "usr/bin/rclone"), os.path.join(tree, "usr/bin/rclone"))


def _userland_layer(work, folder):
    debs, tree = os.path.join(work, "debs"), os.path.join(work, "userland")
    cache = os.path.join(folder, "packages")
    os.makedirs(cache, exist_ok=True)
    _unpack(["busybox-static", "bash-static", "tini", "ca-certificates", "tzdata"], debs, cache)
    _userland(tree, debs)
    return _layer(tree)


def _once(folder, name, make):
    """Makes FOLDER/NAME with make(work, path) unless it exists; one process at a time."""
    os.makedirs(folder, exist_ok=True)
    layout = os.path.join(folder, name)
    with open(os.path.join(folder, ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(os.path.join(layout, "index.json")):
            shutil.rmtree(layout, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=folder) as work:
                make(work, layout)
    return layout


def small(folder):
    def make(work, layout):
        first = _userland_layer(work, folder)
        debs, tree, start = (os.path.join(work, name) for name in ("debs", "program", "start"))
        _unpack(["libc6", "rclone"], debs, os.path.join(folder, "packages"))
        _program(tree, debs)
        _script(os.path.join(start, "usr/local/bin/start"),
                "#!/bin/sh\nset -e\n[ -s /usr/share/zoneinfo/UTC ]\ngrep -q BEGIN /etc/ssl/certs/ca-certificates.crt\n"
                f"rclone version | head -n 1\necho '{GREETING}'\n")
        _write(layout, [first, _layer(tree), _layer(start)],
               {"Cmd": ["/usr/local/bin/start"], "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/root"]})
    return _once(folder, "app", make)


def pause(folder):
    """`pause:v1`: the userland with a command that never ends."""
    def make(work, layout):
        _write(layout, [_userland_layer(work, folder)], {"Cmd": ["/bin/sleep", "infinity"], "Env": ["PATH=/bin"]})
    return _once(folder, "pause", make)


PIECE = 64 << 20


def random(folder, name, size):
    def make(work, layout):
        first = _userland_layer(work, folder)
        tree = os.path.join(work, "noise")
        os.makedirs(tree)
        with open(os.path.join(tree, "noise"), "wb") as f:
            source = rng.Random(name)
            for at in range(0, size, PIECE):  # randbytes makes at most 256 MiB at once
                f.write(source.randbytes(min(PIECE, size - at)))
        _write(layout, [first, _layer(tree)], {"Cmd": ["/bin/sh", "-c", f"test $(stat -c %s /noise) = {size} && echo '{GREETING}'"],
                                               "Env": ["PATH=/bin"]})
    return _once(folder, f"{name}-{size}", make)


def real(folder, name):
    out = os.path.join(folder, "real")
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        maker = os.path.join(os.path.dirname(os.path.abspath(__file__)), "real", "make-images.sh")
        made = subprocess.run([maker, out, name], capture_output=True, text=True)
    if made.returncode:
        raise RuntimeError(f"{maker} {name}: exit status {made.returncode}\n{made.stdout[-1000:]}{made.stderr[-1000:]}")
    return os.path.join(out, name.removesuffix("next").rstrip("12") if name in ("svc1", "svc2", "base29next") else name)


def layers(layout, tag=None):
    """The manifest digest, config descriptor and layer descriptors of the image with this tag, by default of the first image."""
    with open(os.path.join(layout, "index.json")) as f:
        manifests = json.load(f)["manifests"]
    digest = next(m["digest"] for m in manifests if tag in (None, m["annotations"]["org.opencontainers.image.ref.name"]))
    with open(os.path.join(layout, "blobs", "sha256", digest[7:])) as f:
        manifest = json.load(f)
    return digest, manifest["config"], manifest["layers"]
