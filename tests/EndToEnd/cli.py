#!/usr/bin/env python3
"""The command line as a person or a script uses it: every command that needs no network, its text, JSON and exit status; the
daemon from `init` to SIGTERM; the control API as Kubo's clients use it. Needs neither root nor a network."""
import contextlib
import fcntl
import hashlib
import http.client
import http.server
import io
import json
import os
import pty
import re
import shutil
import signal
import socket
import socketserver
import stat
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lab"))
from tap import Results, Stop, equal, scenario, true  # noqa: E402

REPOSITORY = os.path.dirname(os.path.dirname(HERE))
IPCS = os.environ.get("IPCS_BIN") or os.path.join(REPOSITORY, "artifacts", "ipcs")
EMPTY_FOLDER = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"
HELLO = "QmZULkCELmmk5XNfCgTnCyFgAVxBRBXyDHGGMVoLFLiXEN"  # the CID that Kubo's add gives "hello\n"
ABSENT = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"  # the empty block, which no test adds


class Sandbox:
    """A folder for a daemon's data and sockets, and an environment that points to it."""

    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="ipcs-cli-")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("IPCS_", "NOTIFY_", "WATCHDOG_", "JOURNAL_"))}
        self.env |= {"IPCS_API_SOCKET": self.path("run/api.sock"), "HOME": self.root}

    def path(self, *names):
        return os.path.join(self.root, *names)

    def write(self, name, data):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "wb") as file:
            file.write(data if isinstance(data, bytes) else data.encode())
        return self.path(name)

    def run(self, *words, code=0, stdin=b"", env=None, seconds=60):
        """Runs a command. Returns its standard output as bytes. A failure must be one line on standard error."""
        done = subprocess.run([IPCS, *words], input=stdin, capture_output=True, timeout=seconds, env=self.env | (env or {}))
        err = done.stderr.decode()
        equal((done.returncode, err if done.returncode == 0 else ""), (code, ""), f"`ipcs {' '.join(words)}`, which said {err!r},")
        if code:
            true(err.startswith("ipcs: ") and err.endswith("\n") and err[:-1].isprintable(),
                 f"standard error is not one line of ours: {err!r}")
            true("internal error" not in err, f"a defect: {err!r}")
            equal(done.stdout if code == 2 else b"", b"", "standard output of wrong usage")
            return err
        return done.stdout

    def text(self, *words, **more):
        return self.run(*words, **more).decode().strip()

    def json(self, *words, **more):
        return json.loads(self.run(*words, "--json", **more))

    def lines(self, *words, **more):
        return [json.loads(line) for line in self.run(*words, "--json", **more).splitlines()]


class Daemon:
    """A running daemon; `ready` has the values of its ready line."""

    def __init__(self, place, *flags, env=None, wait=True, descriptors=None):
        self.errors = tempfile.TemporaryFile()
        words = [IPCS, "daemon", "--data", place.path("data"), "--content-socket", place.path("run/content.sock"), "--listen",
                 "/ip4/127.0.0.1/tcp/0", *flags]
        if descriptors:
            words = ["prlimit", f"--nofile={descriptors}", *words]
        self.begin = time.monotonic()
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.errors,
                                        env=place.env | (env or {}))
        self.ready = self.read_ready() if wait else {}

    def read_ready(self):
        line = self.process.stdout.readline().decode()
        self.seconds = time.monotonic() - self.begin
        true(line.startswith("ready ") and line.endswith("\n"), f"the daemon said {line!r} and {self.log()!r}")
        return dict(pair.split("=", 1) for pair in line.split()[1:])

    def log(self):
        self.errors.seek(0)
        return self.errors.read().decode()

    def end(self, signal_number=signal.SIGTERM, seconds=15):
        """Stops the daemon. Returns its exit status and the seconds it took."""
        begin = time.monotonic()
        self.process.send_signal(signal_number)
        code = self.process.wait(seconds)
        return code, time.monotonic() - begin


@contextlib.contextmanager
def sandbox():
    it = Sandbox()
    try:
        yield it
    finally:
        shutil.rmtree(it.root, ignore_errors=True)


@contextlib.contextmanager
def running(it, *flags, **more):
    daemon = Daemon(it, *flags, **more)
    try:
        yield daemon
    finally:
        if daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait()


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def post(address, path, body=None, headers=None, method="POST"):
    """One request over TCP, or over the unix socket when the address is a path. Returns status, headers and body."""
    connection = http.client.HTTPConnection("localhost", timeout=30) if address.startswith("/") else http.client.HTTPConnection(address,
        timeout=30)
    if address.startswith("/"):
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(30)
        connection.sock.connect(address)
    connection.request(method, "/api/v0/" + path, body=body, headers=headers or {})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, answer.headers, data


def multipart(*parts):
    """A body with parts of (escaped filename, content type, bytes), as Kubo's Go client writes it."""
    body = b""
    for name, kind, data in parts:
        head = f'--frontier\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: {kind}\r\n\r\n'
        body += head.encode() + data + b"\r\n"
    return body + b"--frontier--\r\n", {"Content-Type": 'multipart/form-data; boundary="frontier"'}


def without_a_daemon(results):
    with sandbox() as it, scenario("without a daemon"):
        with results.check("version"):
            true(it.text("version").startswith("ipcs version 0."), "version")
            true(it.json("version")["Version"].startswith("0."), "version --json")
            parts = it.json("version")["Components"]
            equal(list(parts), ["ipcs", ".NET", "RocksDB", "zstd", "OpenSSL", "libsodium"], "the parts")
            true(all(re.fullmatch(r"\d+\.\d+\.\d+", v or "") for v in parts.values()), f"their versions: {parts}")
        with results.check("help names every command"):
            words = it.text("--help")
            commands = "daemon init id version config swarm ping add cat get ls refs block dag repo content convert pull containerd"
            for command in commands.split():
                true(f"\n  {command} " in words, f"{command} is not in the help")
        with results.check("without a daemon, a command fails with one line that names the socket"):
            for words in (["id"], ["add", "-"], ["cat", HELLO], ["block", "put", "-"], ["content", "ls"], ["swarm", "peers"]):
                true(it.path("run/api.sock") in it.run(*words, code=1), f"{words} does not name the socket")
            true("/nowhere.sock" in it.run("id", "--api-socket", "/nowhere.sock", code=1), "the flag goes before the environment")
        with results.check("wrong usage gives exit 2 and one line"):
            for words in ([], ["nonsense"], ["add"], ["add", "a", "b"], ["add", "-", "--nonsense"], ["add", "-", "--cid-version", "2"],
                          ["add", "-", "--cid-version", "x"],
                          ["add", "-", "--chunker", "size-0"], ["add", "-", "--chunker", "rabin-9-1-5"], ["add", "-", "--chunker", "fixed"],
                          ["add", "-", "--raw-leaves=maybe"],
                          ["add", "-", "--pin=perhaps"], ["cat"], ["cat", HELLO, "--offset", "-1"], ["cat", HELLO, "--length", "many"],
                          ["get"], ["ls"], ["refs"],
                          ["block"], ["block", "get"], ["block", "put", "-", "--cid-codec", "dag-cbor"],
                          ["block", "put", "-", "--mhtype", "md5"], ["block", "rm"],
                          ["dag", "import"], ["containerd", "config", "--version", "1"], ["containerd", "config", "--version", "4"],
                          ["config"], ["ping", "x", "-n", "y"],
                          ["daemon", "--nonsense"], ["daemon", "--muxers", "quic"], ["daemon", "--listen", "nowhere"],
                          ["daemon", "--peer", "/ip4/1.2.3.4/tcp/0"],
                          ["daemon", "--api-addr", "everywhere"], ["daemon", "--log-format", "xml"], ["daemon", "--log-level", "loud"],
                          ["daemon", "--config", it.path("gone.toml")],
                          ["daemon", "--find-time", "-5"], ["daemon", "--data", "/a", "--data", "/b"],
                          ["daemon", "--max-connections", "0"],
                          ["daemon", "--data", ""], ["daemon", "--api-socket", "/" + "x" * 120]):
                it.run(*words, code=2)
        with results.check("the error for a misspelt variable suggests the right one"):
            error = it.run("daemon", code=2, env={"IPCS_LISTN": "/ip4/127.0.0.1/tcp/0"})
            true("IPCS_LISTN" in error and "IPCS_LISTEN" in error, error)
            true("IPCS_LOG_LEVEL" in it.run("daemon", code=2, env={"IPCS_LOG_LEVEL": "loud"}), "a bad value names its variable")
        with results.check("the error for a bad config file has its name and key"):
            for text, word in (("nonsense = 1\n", "nonsense"), ("muxers = 'quic'\n", "muxers"), ("data = \n", "c.toml"),
                               ("listen = [1.5]\n", "listen")):
                error = it.run("daemon", "--config", it.write("c.toml", text), code=2)
                true("c.toml" in error and word in error, error)
        with results.check("containerd config in both versions"):
            for version in ("2", "3"):
                words = it.text("containerd", "config", "--version", version, "--content-socket", "/x/content.sock")
                for part in (f"version = {version}", 'disabled_plugins = ["io.containerd.content.v1.content"]', "[proxy_plugins.ipcs]",
                             'type = "content"', 'address = "/x/content.sock"'):
                    true(part in words, f"{part} is not in {words}")
            true(it.text("containerd", "config").startswith("version = 2"), "version 2 is the default")
        with results.check("config show: flags override the environment, which overrides the file; its output is a valid config file"):
            config = it.write("c.toml", 'muxers = "yamux"\nfind-time = 7\nlog-level = "debug"\nlisten = ["/ip4/127.0.0.1/tcp/1"]\n')
            env = {"IPCS_CONFIG": config, "IPCS_FIND_TIME": "8", "IPCS_LISTEN": "/ip4/127.0.0.1/tcp/2,/ip4/127.0.0.1/tcp/3"}
            shown = it.json("config", "show", "--log-level", "warn", env=env)
            equal([shown[k] for k in ("muxers", "find-time", "log-level", "listen")],
                  ["yamux", 8, "warn", ["/ip4/127.0.0.1/tcp/2", "/ip4/127.0.0.1/tcp/3"]], "the options")
            again = it.write("again.toml", it.run("config", "show", "--log-level", "warn", env=env))
            equal(it.json("config", "show", "--config", again), shown, "what was fed back")
        with results.check("init makes the key and the folders, once"):
            words = ("init", "--data", it.path("data"), "--content-socket", it.path("run/content.sock"))
            peer = it.json(*words)["ID"]
            equal([mode(it.path(p)) for p in ("data", "data/key", "run")], [0o700, 0o600, 0o750], "the modes of data, key, run")
            key = open(it.path("data/key"), "rb").read()
            error = it.run(*words, code=1)
            true(it.path("data/key") in error and peer in error, error)
            equal(open(it.path("data/key"), "rb").read(), key, "the key")
        with results.check("init --swarm-key new makes the key of a network, once"):
            made = it.json(*words, "--swarm-key", "new")
            equal([made["ID"], made["SwarmKey"]], [peer, it.path("data/swarm.key")], "the node, which had its own key, and the network's")
            text = open(it.path("data/swarm.key")).read()
            true(re.fullmatch("/key/swarm/psk/1.0.0/\n/base16/\n[0-9a-f]{64}\n", text), f"the key's form: {text!r}")
            equal(mode(it.path("data/swarm.key")), 0o600, "its mode")
            true(it.path("data/swarm.key") in it.run(*words, "--swarm-key", "new", code=1), "the error names it")
            equal(open(it.path("data/swarm.key")).read(), text, "the key afterwards")
            equal(sorted(os.listdir(it.path("data"))), ["key", "swarm.key"], "the files")
            it.run(*words, "--swarm-key", "old", code=2)


def bad_input(results):
    """Every command with empty values, and with paths and names of the wrong kind: exit 1 or 2 and one line, never a stack trace."""
    with sandbox() as it, scenario("bad input"):
        folder, file = it.path("folder"), it.write("file", "x")
        os.makedirs(folder)
        paths = {"a missing file": it.path("none/none"), "a folder": folder, "a path below a file": it.path("file/below"),
                 "a long path": "x" * 5000}
        one_argument = ("add", "cat", "get", "ls", "refs", "block get", "block put", "block stat", "block rm", "dag stat", "dag export",
                        "dag import", "pin add", "pin rm", "pin ls", "content info", "content resolve", "routing provide",
                        "routing findprovs", "routing findpeer", "ping", "perf", "bitswap ledger", "swarm connect", "swarm disconnect",
                        "convert", "pull")
        with results.check("an empty argument is wrong usage"):
            for words in (*(c.split() for c in one_argument), ["compare", "x"], ["convert", "x"], ["pull", "x"], ["get", "x", "-o"],
                          ["convert", "x", "--chunker"], ["compare", "x", "y", "--plot"], ["pin", "add", "x", "-n"],
                          ["bitswap", "wantlist", "--peer"], ["containerd", "config", "--content-socket"],
                          ["containerd", "config", "--version"], ["id", "--api-socket"], ["block", "put", "-", "--mhtype"],
                          ["add", "-", "--chunker"], ["add", "-", "--cid-version"], ["ping", "x", "-n"], ["config", "show", "--config"],
                          ["init", "--config"], ["init", "--data"], ["daemon", "--config"], ["daemon", "--listen"],
                          ["daemon", "--swarm-key"]):
                true("empty" in it.run(*words, "", code=2), f"{words} does not say what is wrong")
            for words in (["get", "/"], ["get", "//"]):
                it.run(*words, code=2)
        with results.check("a value of the wrong kind names the option and what it takes"):
            for words, takes in ((["containerd", "config", "--version", "x"], "--version takes 2 or 3"),
                                 (["block", "put", "-", "--cid-codec", "x"], "--cid-codec takes raw or dag-pb"),
                                 (["ping", "x", "-n", "many"], "--count takes a number"),
                                 (["convert", "x", "--max-layer-size", "much"], "--max-layer-size takes a size"),
                                 (["ping", "x", "-n", "0"], "--count takes a number from 1"),
                                 (["perf", "x", "--upload", "9" * 20], "--upload takes a number"),
                                 (["pin", "ls", "-t", "some"], "--type takes all")):
                true(takes in it.run(*words, code=2), f"{words} does not say: {takes}")
        with results.check("paths of the wrong kind, without a daemon"):
            for kind, path in paths.items():
                for words in (["add"], ["block", "put"], ["dag", "import"], ["id", "--api-socket"]):
                    it.run(*words, path, code=1)
                it.run("config", "show", "--config", path, code=2)
                it.run("daemon", "--config", path, code=2)
        with results.check("paths of the wrong kind, with a daemon"), running(it, "--mdns", "off"):
            cid = it.text("add", "-Q", "-", stdin=b"hello\n")
            for kind, path in paths.items():
                for form in ("oci", "oci-archive", "docker-archive", "containerd"):
                    it.run("convert", f"{form}:{path}", code=1)
                it.run("compare", f"oci:{path}", f"oci:{file}", code=1)
            os.mkfifo(it.path("pipe"))
            os.makedirs(it.path("layout"))
            os.mkfifo(it.path("layout/index.json"))
            for form in ("oci-archive", "docker-archive"):
                for path, what in ((it.path("pipe"), "a pipe"), ("/dev/zero", "a device"), (folder, "is a folder, not a file")):
                    true(what in it.run("convert", f"{form}:{path}", code=1, seconds=10), f"the error of {form}:{path}")
            true("is a file, not a folder" in it.run("convert", f"oci:{file}", code=1), "the error of oci:FILE")
            it.run("convert", f"oci:{it.path('layout')}", code=1, seconds=10)
            for path in (it.path("file/below"), "x" * 5000):
                it.run("get", cid, "-o", path, code=1)
            for form in ("oci:", "oci-archive:", "docker-archive:", "containerd:"):
                it.run("convert", form, code=1)


def broken_off(results):
    with sandbox() as it, running(it, "--mdns", "off") as daemon, scenario("answers that fail"):
        api = it.path("run/api.sock")

        def lacking(data, leaf):
            """The root of a file of chunks of 100 kB, one of which is not in the store."""
            root = it.text("add", "-Q", "--pin=false", "--chunker", "size-100000", "-", stdin=data)
            it.run("block", "rm", it.text("refs", root).splitlines()[leaf])
            return root

        def raw(path):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(30)
                connection.connect(api)
                connection.sendall(f"POST /api/v0/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                return b"".join(iter(lambda: connection.recv(1 << 20), b""))

        first, later = lacking(os.urandom(1_000_000), 0), lacking(os.urandom(1_000_000), 7)
        with results.check("an error before the first byte is a status with the reason"):
            for path in ("cat", "get", "dag/export", "block/get"):
                status, headers, data = post(api, f"{path}?arg={first if path != 'block/get' else ABSENT}&offline=true")
                if path == "dag/export":
                    continue  # the root is sent before its first leaf
                equal((status, headers["Content-Type"]), (500, "application/json"), f"the head of {path}")
                true("not in the local store" in json.loads(data)["Message"], f"{path} says {data!r}")
        with results.check("an error after the first byte is the trailer X-Stream-Error"):
            for path in ("cat", "get", "dag/export"):
                answer = raw(f"{path}?arg={later}&offline=true")
                head, body = answer.split(b"\r\n\r\n", 1)
                true(b"HTTP/1.1 200" in head and b"Transfer-Encoding: chunked" in head and b"Trailer: X-Stream-Error" in head,
                     f"the head of {path}: {head!r}")
                true(len(body) > 600_000, f"{path}: {len(body)} bytes")
                true(b"\r\n0\r\nX-Stream-Error: " in body[-300:] and body.endswith(b"not in the local store\r\n\r\n"),
                     f"the end of {path}: {body[-300:]!r}")
        with results.check("a whole answer has no such trailer, and its length"):
            data = os.urandom(1_000_000)
            root = it.text("add", "-Q", "-", stdin=data)
            status, headers, body = post(api, f"cat?arg={root}")
            equal((status, headers["X-Content-Length"], body == data), (200, "1000000", True), "the answer")
            true(b"X-Stream-Error:" not in raw(f"cat?arg={root}")[-200:], "there is a trailer")
            equal(raw(f"cat?arg={root}&length=3").split(b"\r\n\r\n", 1)[1], data[:3], "a short answer, with its length")
        with results.check("none of these is an unhandled error of the daemon"):
            true("nhandled" not in daemon.log() and "mismatch" not in daemon.log(), daemon.log())


def daemon_life(results):
    with sandbox() as it, scenario("the daemon's life"):
        flags = ("--data", it.path("data"), "--content-socket", it.path("run/content.sock"))
        with results.check("one ready line with every address", need=True):
            peer = it.json("init", *flags)["ID"]
            with running(it) as daemon:
                equal(list(daemon.ready), ["peer", "listen", "content", "api"], "the words of the line")
                equal(daemon.ready["peer"], peer, "the peer id")
                true(daemon.ready["listen"].startswith("/ip4/127.0.0.1/tcp/") and not daemon.ready["listen"].endswith("/0"),
                     "the real port")
                equal([daemon.ready["content"], daemon.ready["api"]], [it.path("run/content.sock"), it.path("run/api.sock")], "the sockets")
                equal([mode(it.path(p)) for p in ("run", "run/content.sock", "run/api.sock")], [0o750, 0o660, 0o660], "the modes")
                node = it.json("id")
                equal([node["ID"], node["Addresses"]], [peer, [f"{daemon.ready['listen']}/p2p/{peer}"]], "id")
                true("/ipfs/bitswap/1.2.0" in node["Protocols"], "id names its protocols")
                shown = it.json("config", "show")
                equal([shown["data"], shown["listen"]], [it.path("data"), ["/ip4/127.0.0.1/tcp/0"]], "config show of the running daemon")
                true(it.text("config", "show").startswith("# of the daemon at "), "config show names its daemon")
                equal(daemon.end()[0], 0, "the exit status after SIGTERM")
                equal([os.path.exists(it.path(p)) for p in ("run/content.sock", "run/api.sock")], [False, False], "the sockets are gone")
                equal(daemon.process.stdout.read(), b"", "the rest of standard output")
        with results.check("a second daemon on the same sockets or data is refused"):
            with running(it) as daemon:
                true("in use" in it.run("daemon", "--data", it.path("other"), "--content-socket", it.path("run/content.sock"), "--listen",
                                        "/ip4/127.0.0.1/tcp/0", code=1), "sockets")
                error = it.run("daemon", "--data", it.path("data"), "--content-socket", it.path("r2/c"), "--api-socket", it.path("r2/a"),
                               "--listen", "/ip4/127.0.0.1/tcp/0", code=1)
                true("in use" in error and it.path("data") in error, error)
                it.json("id")
        with results.check("the sockets of a killed daemon are taken over"):
            with running(it) as daemon:
                daemon.end(signal.SIGKILL)
                true(os.path.exists(it.path("run/api.sock")), "the dead socket")
            with running(it):
                it.json("id")
        with results.check("a path that is not a socket is not removed"):
            file = it.write("precious", "mine")
            it.run("daemon", *flags[:2], "--content-socket", file, "--listen", "/ip4/127.0.0.1/tcp/0", code=1)
            equal(open(file).read(), "mine", "the file")
        with results.check("a damaged key is reported and left"):
            it.write("bad/key", b"\x08\x01rubbish")
            true(it.path("bad/key") in it.run("daemon", "--data", it.path("bad"), *flags[2:], code=1), "the key's name")
            equal(open(it.path("bad/key"), "rb").read(), b"\x08\x01rubbish", "the key")
        with results.check("a port in use is reported"):
            with socket.create_server(("127.0.0.1", 0)) as taken:
                port = taken.getsockname()[1]
                true(str(port) in it.run("daemon", *flags, "--listen", f"/ip4/127.0.0.1/tcp/{port}", code=1), "the peers' port")
                true(str(port) in it.run("daemon", *flags, "--listen", "/ip4/127.0.0.1/tcp/0", "--api-addr", f"127.0.0.1:{port}", code=1),
                     "the API's port")
        with results.check("SIGTERM lets a request finish, but aborts it within 10 s"):
            with running(it) as daemon:
                slow = socket.socket(socket.AF_UNIX)
                slow.connect(it.path("run/api.sock"))
                slow.sendall(b"POST /api/v0/add HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
                             b"Transfer-Encoding: chunked\r\n\r\n"
                             b"31\r\n--b\r\nContent-Disposition: form-data; name=f\r\n\r\n\r\n")
                it.json("id")
                code, seconds = daemon.end()
                equal(code, 0, "the exit status")
                true(1 < seconds < 10, f"it took {seconds:.1f} s")
                slow.close()
        with results.check("without requests SIGTERM and SIGINT end the daemon at once"):
            for number in (signal.SIGTERM, signal.SIGINT):
                with running(it) as daemon:
                    it.json("id")
                    code, seconds = daemon.end(number)
                    true(code == 0 and seconds < 5, f"exit {code} after {seconds:.1f} s")
        with results.check("a node that any host may ask says so"):
            said = "can read every content by its digest"

            def told(*flags, env=None):
                with running(it, *flags, env=env) as daemon:
                    node = it.json("id")
                    done = subprocess.run([IPCS, "id"], capture_output=True, text=True, env=it.env)
                    equal((done.returncode, done.stdout.startswith(f"peer      {node['ID']}")), (0, True), "id for a person")
                    equal(list(node), ["ID", "PublicKey", "Addresses", "AgentVersion", "Protocols", "OpenToAnyHost"], "the keys of id")
                    daemon.end()
                    equal(done.stderr.count(said), done.stderr.count("\n"), "the lines on standard error")
                    return daemon.log().count(said), done.stderr.count(said), node["OpenToAnyHost"]

            everywhere = ("--listen", "/ip4/0.0.0.0/tcp/0", "--mdns", "off", "--dht", "off")
            equal(told(*everywhere), (1, 1, True), "without key and list: warnings, lines of id, the field of id")
            equal(told(), (0, 0, False), "on loopback")
            equal(told(*everywhere, "--allow", "127.0.0.0/8"), (0, 0, False), "with an allow list")
            it.run("init", *flags, "--swarm-key", "new")
            equal(told(*everywhere), (0, 0, False), "with the key in the data folder")
            with running(it):
                equal(it.json("config", "show")["swarm-key"], it.path("data/swarm.key"), "the key that is used")
            os.remove(it.path("data/swarm.key"))
        with results.check("as many connections as the limit on open files allows"):
            with running(it, descriptors="512:1024") as daemon:
                equal(it.json("config", "show")["max-connections"], 320, "max-connections with 1024 open files")
                true(re.search("1024 open files .* max-connections is 320 instead of 2048", daemon.log()), f"the log: {daemon.log()!r}")
            with running(it, "--max-connections", "100", descriptors="4096:4096") as daemon:
                equal(it.json("config", "show")["max-connections"], 100, "max-connections that fit")
                true("RLIMIT_NOFILE" not in daemon.log(), f"the log: {daemon.log()!r}")
        with results.check("logs: lines when piped, JSON when asked"):
            with running(it, env={"IPCS_OF_ANOTHER_PROGRAM": "1"}) as daemon:
                daemon.end()
                true("IPCS_OF_ANOTHER_PROGRAM" in daemon.log() and "\x1b" not in daemon.log(), f"the log: {daemon.log()!r}")
                true(all(line[:2] == "20" and "Z " in line for line in daemon.log().splitlines()),
                     f"every line has its time: {daemon.log()!r}")
            with running(it, "--log-format", "json") as daemon:
                daemon.end()
                true([json.loads(line) for line in daemon.log().splitlines()], "JSON lines")
            with running(it, "--log-level", "error") as daemon:
                daemon.end()
                equal(daemon.log(), "", "the log of errors")


def systemd(results):
    with sandbox() as it, scenario("systemd"):
        with results.check("READY, the watchdog, STOPPING"):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
                notify.bind(it.path("notify"))
                notify.settimeout(10)
                with running(it, env={"NOTIFY_SOCKET": it.path("notify"), "WATCHDOG_USEC": "200000"}) as daemon:
                    equal(notify.recv(100), b"READY=1", "the first word")
                    equal([notify.recv(100) for _ in range(3)], [b"WATCHDOG=1"] * 3, "the watchdog's")
                    equal(daemon.end()[0], 0, "the exit status")
                    words = [b"WATCHDOG=1"]
                    while words[-1] == b"WATCHDOG=1":
                        words.append(notify.recv(100))
                    equal(words[-1], b"STOPPING=1", "the last word")
        with results.check("the daemon starts when the notify socket does not exist"):
            with running(it, env={"NOTIFY_SOCKET": it.path("nowhere"), "WATCHDOG_USEC": "100000"}) as daemon:
                it.json("id")
                equal(daemon.end()[0], 0, "the exit status")
        with results.check("a watchdog for another process is not answered"):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
                notify.bind(it.path("notify2"))
                notify.settimeout(10)
                with running(it, env={"NOTIFY_SOCKET": it.path("notify2"), "WATCHDOG_USEC": "2000", "WATCHDOG_PID": "1"}) as daemon:
                    equal(notify.recv(100), b"READY=1", "the first word")
                    it.json("id")
                    daemon.end()
                    equal(notify.recv(100), b"STOPPING=1", "the next")


def files(results):
    with sandbox() as it, running(it) as daemon, scenario("files and folders"):
        data = os.urandom(3_000_000)
        big = it.write("big", data)
        with results.check("add prints what Kubo prints"):
            hello = it.write("hello", "hello\n")
            equal(it.text("add", hello), f"added {HELLO} hello", "add")
            equal(it.text("add", "-Q", hello), HELLO, "add -Q")
            equal(it.text("add", "-Q", "-", stdin=b"hello\n"), HELLO, "add -")
            equal(it.lines("add", hello), [{"Name": "hello", "Hash": HELLO, "Size": "14"}], "add --json")
            equal(it.text("add", "-Q", "--cid-version", "1", hello), "bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am",
                  "version 1")
            equal(it.text("add", "-Q", "--cid-version=1", "--raw-leaves=false", hello)[:7], "bafybei", "--raw-leaves=false")
            equal(it.text("add", "-Q", "--raw-leaves", hello)[:7], "bafkrei", "--raw-leaves")
        with results.check("every chunker and layout gives the bytes back"):
            roots = set()
            for flags in ([], ["--chunker", "size-1000"], ["--chunker", "rabin-4096-8192-16384"], ["--chunker", "buzhash"], ["--trickle"],
                          ["--trickle", "--chunker", "size-1000"]):
                cid = it.text("add", "-Q", *flags, big)
                true(it.run("cat", cid) == data, f"the bytes of {flags}")
                roots.add(cid)
            true(len(roots) >= 5, f"they are cut in different ways: {roots}")
        with results.check("cat of a part, and of nothing"):
            cid = it.text("add", "-Q", big)
            equal(it.run("cat", cid, "--offset", "1234567", "--length", "100"), data[1234567:1234667], "the part")
            equal(it.run("cat", cid, "--offset", "3000000"), b"", "at the end")
            it.run("cat", cid, "--offset", "3000001", code=1)
            empty = it.text("add", "-Q", "-")
            equal(it.run("cat", empty), b"", "the empty file")
        folder = it.path("tree")
        with results.check("a folder: links, hidden files, odd names", need=True):
            for name, text in (("tree/a", "A"), ("tree/sub/deep/x", "X"), ("tree/.hidden", "H"), ("tree/with +space%20é\"", "S"),
                               ("tree/sub/big", data)):
                it.write(name, text)
            os.makedirs(it.path("tree/empty"))
            os.symlink("../a", it.path("tree/sub/link"))
            os.symlink("/nowhere", it.path("tree/broken"))
            added = it.lines("add", folder)
            by_name = {line["Name"]: line["Hash"] for line in added}
            root = by_name["tree"]
            equal(added[-1]["Name"], "tree", "the last line")
            equal(by_name["tree/empty"], EMPTY_FOLDER, "the empty folder")
            true("tree/.hidden" not in by_name and "tree/sub/deep/x" in by_name, f"the names: {list(by_name)}")
            equal(it.text("add", "-Q", folder), root, "the same again")
            true("tree/.hidden" in {line["Name"] for line in it.lines("add", "-H", folder)}, "-H takes hidden files")
            os.symlink("tree", it.path("way"))
            equal([line["Name"] for line in it.lines("add", it.path("way"))][-1], "way", "a link that is named is followed")
        with results.check("ls"):
            links = it.json("ls", root)["Objects"][0]["Links"]
            equal({(e["Name"], e["Type"], e["Size"]) for e in links},
                  {("a", 2, 1), ("broken", 4, 0), ("empty", 1, 0), ("sub", 1, 0), ("with +space%20é\"", 2, 1)}, "the entries")
            equal({e["Name"]: e["Target"] for e in links}["broken"], "/nowhere", "the link's target")
            true(f"{EMPTY_FOLDER} - empty/" in it.text("ls", root).splitlines(), "the line of a folder")
            equal(it.json("ls", f"{root}/sub/deep")["Objects"][0]["Links"][0]["Name"], "x", "ls of a path")
            it.run("ls", f"{root}/none", code=1)
        with results.check("paths"):
            for form in (f"{root}/sub/deep/x", f"/ipfs/{root}/sub/deep/x", f"ipfs://{root}/sub/deep/x", f"{root}/sub//deep/x"):
                equal(it.run("cat", form), b"X", form)
            for bad in (f"{root}/sub/deep/none", f"{root}/a/below", f"{root}/../x", root, f"{root}/sub"):
                it.run("cat", bad, code=1)
        with results.check("get gives the folder back"):
            it.run("get", root, "-o", it.path("out"))
            os.remove(it.path("tree/.hidden"))
            equal(subprocess.run(["diff", "-r", "--no-dereference", folder, it.path("out")], capture_output=True).stdout, b"",
                  "the differences")
            it.run("get", f"{root}/a", "-o", it.path("out/a"))
            equal(it.json("get", f"{root}/sub/big", "-o", it.path("one"))["Bytes"], len(data), "get of a file")
            true(open(it.path("one"), "rb").read() == data, "its bytes")
            it.run("get", f"{root}/a", "-o", it.path("out"))
            equal(open(it.path("out/a")).read(), "A", "a file into a folder that is there")
            before = os.getcwd()
            os.chdir(it.path("empty-dir") if os.makedirs(it.path("empty-dir")) is None else before)
            try:
                it.run("get", f"{root}/a")
                equal(open(it.path("empty-dir/a")).read(), "A", "without -o")
            finally:
                os.chdir(before)
        with results.check("get writes through no link"):
            it.write("victim/deep/x", "untouched")
            os.makedirs(it.path("trap"))
            os.symlink(it.path("victim"), it.path("trap/sub"))
            it.run("get", root, "-o", it.path("trap"))
            equal(open(it.path("victim/deep/x")).read(), "untouched", "what the link leads to")
            true(not os.path.islink(it.path("trap/sub")), "the link was replaced by the folder")
            os.symlink(it.path("victim/deep/x"), it.path("leaf"))
            it.run("get", f"{root}/a", "-o", it.path("leaf"))
            equal((open(it.path("victim/deep/x")).read(), open(it.path("leaf")).read()), ("untouched", "A"),
                  "a file in the place of a link")
        with results.check("a wrapped file keeps its name"):
            wrapped = it.lines("add", "-w", it.path("hello"))[-1]["Hash"]
            equal(it.run("cat", f"{wrapped}/hello"), b"hello\n", "the file in it")
        with results.check("a folder that is sharded"):
            for i in range(2000):
                it.write(f"many/{'n' * 110}-{i}", str(i))
            many = it.text("add", "-Q", it.path("many"))
            equal(len(it.text("ls", many).splitlines()), 2000, "its entries")
            equal(it.run("cat", f"{many}/{'n' * 110}-1999"), b"1999", "one of them")
            it.run("get", many, "-o", it.path("many-out"))
            equal(len(os.listdir(it.path("many-out"))), 2000, "what get made of it")
        with results.check("what can't be added"):
            it.run("add", it.path("not-there"), code=1)
            os.mkfifo(it.path("tree/pipe"))
            true("pipe" in it.run("add", folder, code=1), "the pipe is named")
            os.remove(it.path("tree/pipe"))
        with results.check("a pipe that is named is read"):
            os.mkfifo(it.path("pipe"))
            writer = subprocess.Popen(["sh", "-c", f"printf 'hello\\n' > {it.path('pipe')}"])
            equal(it.text("add", "-Q", it.path("pipe")), HELLO, "the pipe's bytes")
            writer.wait(10)
        with results.check("a command ends silently when its reader closes the pipe"):
            cid = it.text("add", "-Q", big)
            done = subprocess.run(f"{IPCS} cat {cid} | head -c 10 | wc -c; exit ${{PIPESTATUS[0]}}", shell=True, executable="/bin/bash",
                                  capture_output=True, env=it.env, timeout=30)
            equal((done.returncode, done.stdout.strip(), done.stderr), (0, b"10", b""), "the pipe")
        with results.check("two commands share one output"):
            with open(it.path("both"), "wb") as out:
                for words in (["cat", f"{root}/a"], ["add", "-Q", it.path("hello")], ["cat", f"{root}/sub/deep/x"]):
                    subprocess.run([IPCS, *words], stdout=out, env=it.env, check=True, timeout=30)
            equal(open(it.path("both")).read(), f"A{HELLO}\nX", "the file")
        with results.check("progress on a terminal, none when piped"):
            controller, terminal = pty.openpty()
            slow = subprocess.Popen(["bash", "-c", "for i in $(seq 8); do head -c 100000 /dev/zero; sleep 0.1; done"],
                                    stdout=subprocess.PIPE)
            done = subprocess.run([IPCS, "add", "-Q", "-"], stdin=slow.stdout, stdout=subprocess.PIPE, stderr=terminal, env=it.env,
                                  timeout=30)
            os.close(terminal)
            shown = os.read(controller, 100_000).decode()
            equal(done.returncode, 0, "the exit status")
            true("KiB" in shown and "/s" in shown, f"the terminal shows {shown!r}")
        with results.check("progress of a file that the daemon reads"):
            controller, terminal = pty.openpty()
            daemon.process.send_signal(signal.SIGSTOP)
            adding = subprocess.Popen([IPCS, "add", "-Q", big], stdout=subprocess.PIPE, stderr=terminal, env=it.env)
            shown = os.read(controller, 100_000).decode()
            daemon.process.send_signal(signal.SIGCONT)
            equal(adding.communicate(timeout=30)[0].decode().strip(), it.text("add", "-Q", "-", stdin=data), "the CID")
            os.close(terminal)
            true("0 B of 2.9 MiB" in shown, f"the terminal shows {shown!r}")
        with results.check("SIGINT ends a command with exit 1"):
            waiting = subprocess.Popen([IPCS, "add", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                       env=it.env)
            # More than a pipe holds: once it is written, the command reads.
            waiting.stdin.write(b"x" * 200_000)
            waiting.stdin.flush()
            waiting.send_signal(signal.SIGINT)
            equal(waiting.wait(10), 1, "the exit status")
            equal(waiting.stderr.read(), b"ipcs: interrupted\n", "standard error")


def passed_files(results):
    """Files that the daemon reads itself, through the client's descriptors."""
    with sandbox() as it, running(it, "--api-addr", "127.0.0.1:0") as daemon, scenario("files passed as descriptors"):
        data = os.urandom(3_000_001)
        big = it.write("big", data)
        cid = it.text("add", "-Q", "-", stdin=data)

        def opened(path, flags=os.O_RDONLY, mark=True):
            descriptor = os.open(path, flags)
            if mark:
                fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_APPEND)
            return descriptor

        def add(descriptor, path="ipcs/add?pin=false", one=None, door=it.path("run/api.sock"), kind="application/octet-stream"):
            body, headers = multipart(("f", kind, b""))
            status, _, answer = post(door, f"{path}&descriptor={good if one is None else one}",
                                     body.replace(b"\r\n\r\n", f"\r\nIpcs-Descriptor: {descriptor}\r\n\r\n".encode(), 1), headers)
            answer = json.loads(answer)
            return status, answer.get("Hash"), answer.get("Message", "")

        good = opened(big)
        with results.check("a file is read from its beginning, whatever the descriptor's position", need=True):
            os.lseek(good, 1000, os.SEEK_SET)
            equal(add(good)[:2], (200, cid), "the answer")
            equal(os.lseek(good, 0, os.SEEK_CUR), len(data), "the position, which says how far the daemon has read")
        with results.check("a descriptor that is not a marked regular file is the client's error"):
            os.mkfifo(it.path("pipe"))
            pipe = opened(it.path("pipe"), os.O_RDONLY | os.O_NONBLOCK)
            listening = socket.socket(socket.AF_UNIX)
            other = it.write("other", "x")
            for descriptor, why in ((pipe, "regular file"), (listening.fileno(), "marked"), (opened("/dev/zero"), "regular file"),
                                    (opened(it.root), "regular file"), (opened(other, os.O_WRONLY), "marked"),
                                    (opened(other, os.O_RDWR), "marked"), (opened(other, os.O_PATH, mark=False), "marked"),
                                    (opened(other, mark=False), "marked"), (1_000_000, "not open"),
                                    (2147483647, "not open"), (2147483648, "number"), (-1, "number"), ("9" * 30, "number"), ("", "number"),
                                    ("/etc/passwd", "number")):
                status, _, message = add(descriptor)
                true(status == 400 and why in message, f"descriptor {descriptor} gives {status}, {message!r}")
            for kind in ("application/x-directory", "application/symlink"):
                equal(add(good, kind=kind)[0], 400, f"the status of {kind}")
            listening.close()
        with results.check("where no descriptor can be duplicated, the answer comes before the body is read"):
            for more in ({"one": 1_000_000}, {"one": pipe}, {"door": daemon.ready["api-addr"]}):
                equal(add(good, **more)[0], 501, f"the status with {more}")
            equal(add(good, one="-1")[0], 400, "the status with a number that is none")
            equal(add(good, path="add?pin=false")[0], 400, "the status of Kubo's add, which knows no descriptors")
        with results.check("through a proxy, files are sent instead"):
            with relay(it.path("run/api.sock"), it.path("run/relay.sock")) as seen:
                equal(it.text("add", "-Q", "--api-socket", it.path("run/relay.sock"), big), cid, "the CID")
                true(seen[0] > len(data), f"{seen[0]} bytes went through")
        with results.check("files are sent to a daemon that does not know descriptors"):
            with old_daemon(it.path("run/old.sock")) as seen:
                equal(it.text("add", "-Q", "--api-socket", it.path("run/old.sock"), big), HELLO, "its answer")
            equal([path for path, _ in seen],
                  [f"/api/v0/ipcs/add?trickle=false&wrap-with-directory=false&pin=true&descriptor={seen[0][0].rsplit('=', 1)[1]}",
                                               "/api/v0/add?trickle=false&wrap-with-directory=false&pin=true"], "what it was asked")
            true(seen[0][1] == b"" and data in seen[1][1], "what it was sent")
        with results.check("a folder of more files than are passed"):
            for i in range(300):
                it.write(f"many/{i:03}", i.to_bytes(2, "big") * ((1 << 19) + i % 7))
            with relay(it.path("run/api.sock"), it.path("run/relay.sock")):
                sent = it.text("add", "-Q", "--api-socket", it.path("run/relay.sock"), it.path("many"))
            equal(it.text("add", "-Q", it.path("many")), sent, "the CID, passed and sent")
        with results.check("no descriptor stays open"):
            names = [os.readlink(f"/proc/{daemon.process.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{daemon.process.pid}/fd")
                     if os.path.lexists(f"/proc/{daemon.process.pid}/fd/{fd}")]
            equal([n for n in names if n.startswith((big, it.path("many"), it.path("other"))) or "pidfd" in n], [],
                  "the daemon's open files")


@contextlib.contextmanager
def old_daemon(path):
    """Serves `add` with a CID, and everything else as an unknown command. Yields the list of paths and bodies received."""
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_expect_100(self):
            return not self.path.startswith("/api/v0/add") or super().handle_expect_100()

        def do_POST(self):
            known = self.path.startswith("/api/v0/add")
            seen.append((self.path, self.rfile.read(int(self.headers["Content-Length"])) if known else b""))
            answer = json.dumps({"Name": "f", "Hash": HELLO, "Size": "1"}
                                if known else {"Message": "no such command", "Code": 0, "Type": "error"}).encode()
            self.send_response(200 if known else 404)
            self.send_header("Content-Length", str(len(answer)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

        def address_string(self):
            return path

    with socketserver.ThreadingUnixStreamServer(path, Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield seen
        server.shutdown()


@contextlib.contextmanager
def relay(target, path):
    """A proxy between unix sockets, in this process. Yields a list of one number, the bytes sent to the target."""
    seen = [0]

    def pump(source, sink, count):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                seen[0] += len(data) * count
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                client, _ = listening.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(target)
                threading.Thread(target=pump, args=(client, server, 1), daemon=True).start()
                threading.Thread(target=pump, args=(server, client, 0), daemon=True).start()

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        threading.Thread(target=accept, daemon=True).start()
        yield seen
        listening.shutdown(socket.SHUT_RDWR)
    os.remove(path)


def blocks(results):
    with sandbox() as it, running(it), scenario("blocks and DAGs"):
        with results.check("block put, get, stat, rm"):
            digest = hashlib.sha256(b"a block").hexdigest()
            cid = it.text("block", "put", "-", stdin=b"a block")
            equal(cid, it.json("block", "put", it.write("b", "a block"))["Key"], "the CID")
            equal(it.run("block", "get", cid), b"a block", "its bytes")
            equal(it.json("block", "stat", cid), {"Key": cid, "Size": 7}, "its stat")
            equal(it.text("block", "rm", cid), f"removed {cid}", "rm")
            true(cid in it.run("block", "rm", cid, code=1), "rm of what is gone")
            it.run("block", "rm", "--force", cid)
            equal(len(digest), 64, "the digest")
            equal(it.text("block", "put", "--cid-codec", "dag-pb", "-", stdin=b"")[:7], "bafybei", "dag-pb")
            equal(it.text("block", "put", "--mhtype", "sha2-512", "-", stdin=b"x")[:6], "bafkrg", "sha2-512")
            it.run("block", "put", "-", stdin=b"x" * (3 << 20), code=1)
        with results.check("a block that is needed is not removed"):
            root = it.text("add", "-Q", "--chunker", "size-1000", "-", stdin=os.urandom(5000))
            leaf = it.text("refs", root).splitlines()[0]
            for needed in (root, leaf):
                true("pinned" in it.run("block", "rm", needed, code=1), "the reason")
                it.run("block", "get", needed)
            loose = it.text("add", "-Q", "--pin=false", "-", stdin=b"loose")
            it.run("block", "rm", loose)
        with results.check("refs and dag stat"):
            cid = it.text("add", "-Q", "--cid-version", "1", "--chunker", "size-10", "-", stdin=bytes(range(256)) * 10)
            direct, all_below = it.text("refs", cid).splitlines(), it.text("refs", "-r", cid).splitlines()
            true(2 <= len(direct) < len(all_below), f"{len(direct)} links, {len(all_below)} in all")
            unique = it.text("refs", "-r", "-u", cid).splitlines()
            equal(len(unique), len(set(all_below)), "each once")
            equal(it.lines("refs", cid)[0], {"Ref": direct[0], "Err": ""}, "refs --json")
            stats = it.json("dag", "stat", cid)
            equal(stats["DagStats"][0]["NumBlocks"], len(unique) + 1, "the blocks")
            sizes = sum(json.loads(post(it.path("run/api.sock"), f"block/stat?arg={c}")[2])["Size"] for c in {cid, *unique})
            equal(stats["DagStats"][0]["Size"], sizes, "their bytes")
            true(f"NumBlocks: {len(unique) + 1}" in it.text("dag", "stat", cid), "the text")
        with results.check("a DAG travels as a CAR"):
            car = it.write("x.car", it.run("dag", "export", cid))
            with sandbox() as other, running(other):
                imported = other.lines("dag", "import", car, "--stats")
                equal(imported[0], {"Root": {"Cid": {"/": cid}, "PinErrorMsg": ""}}, "the root")
                equal(imported[1]["Stats"]["BlockCount"], len(unique) + 1, "the blocks")
                equal(other.run("cat", cid), bytes(range(256)) * 10, "the bytes")
                equal(other.run("dag", "export", cid), open(car, "rb").read(), "exported again")
                true("success" in other.text("dag", "import", "-", stdin=open(car, "rb").read()), "from standard input")
                for broken in (b"", b"rubbish", open(car, "rb").read()[:-1], open(car, "rb").read()[:-1] + b"\0"):
                    other.run("dag", "import", "-", stdin=broken, code=1)
        with results.check("malformed arguments fail with one line"):
            bad = ("x", "Qm", HELLO[:-1], HELLO + "x", "bafy", "bafkreixxxx", "/ipfs/", "ipfs://", "sha256:12", "sha256:" + "z" * 64, "md5:"
                   + "0" * 32, "/ipns/x", " ", "b" * 5000)
            for text in bad:
                for path in ("cat", "get", "ls", "refs", "block/get", "block/stat", "block/rm", "dag/stat", "dag/export",
                             "ipcs/content/info", "ipcs/content/resolve"):
                    equal(post(it.path("run/api.sock"), f"{path}?arg={urllib.parse.quote(text)}")[0], 400,
                          f"the status of {path} {text[:70]}")
            for words in (["cat"], ["get"], ["ls"], ["refs"], ["block", "get"], ["block", "stat"], ["block", "rm"], ["dag", "stat"],
                          ["dag", "export"], ["content", "info"]):
                it.run(*words, bad[2], code=1)
        with results.check("a digest that is not here"):
            true("is not here" in it.run("cat", "sha256:" + "0" * 64, code=1), "cat")
            it.run("content", "info", "sha256:" + "0" * 64, code=1)
            equal(it.lines("content", "ls"), [], "content ls")


def scrape(address):
    """The metrics of an endpoint, by name with labels."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=30) as answer:
        equal(answer.headers["Content-Type"].split(";")[0], "text/plain", "the type")
        return dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if not line.startswith("#"))


def metrics(results):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = "127.0.0.1:%d" % free.getsockname()[1]
    with sandbox() as it, running(it, "--metrics-addr", address), scenario("metrics"):
        with results.check("Prometheus finds every metric"):
            it.run("add", "-Q", "-", stdin=b"hello\n")
            figures = scrape(address)
            equal(figures["ipcs_store_blocks"], "1", "the blocks")
            for name in ("ipcs_store_bytes", "ipcs_store_contents", "ipcs_provide_queue", "ipcs_swarm_peers", "ipcs_fetch_active",
                         "ipcs_bitswap_blocks_received",
                         "ipcs_bitswap_bytes_sent", "ipcs_bitswap_bytes_duplicate", "ipcs_bitswap_wants", "ipcs_bitswap_peers",
                         "ipcs_swarm_connections", "ipcs_swarm_streams", "ipcs_swarm_bytes_received", "ipcs_swarm_bytes_sent",
                         "ipcs_swarm_dials_failed", "ipcs_swarm_handshakes_refused", "ipcs_swarm_closed_for_room"):
                true(name in figures, name)
        with results.check("garbage collections are counted"):
            equal([figures[f"ipcs_gc_{name}"] for name in ("runs", "failures", "blocks", "bytes", "last_time", "running")], ["0"] * 6,
                  "the figures of a daemon that has collected nothing")
            it.run("add", "-Q", "--pin=false", "-", stdin=b"rubbish\n")
            it.run("repo", "gc")
            figures = scrape(address)
            equal([figures[f"ipcs_gc_{name}"] for name in ("runs", "failures", "blocks", "running")], ["1", "0", "1", "0"],
                  "the figures after one collection")
            true(int(figures["ipcs_gc_bytes"]) > 0 and float(figures["ipcs_gc_last_time"]) > 0, "its bytes and its time")


def api(results):
    with sandbox() as it, running(it, "--api-addr", "127.0.0.1:0") as daemon, scenario("the control API as Kubo's clients speak to it"):
        address = daemon.ready["api-addr"]
        with results.check("on TCP and on the socket"):
            for door in (address, it.path("run/api.sock")):
                status, headers, data = post(door, "version")
                equal((status, headers["Content-Type"]), (200, "application/json"), f"the answer of {door}")
                true(json.loads(data)["Version"], "the version")
        with results.check("pages of other origins are refused"):
            for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}, {"Referer": "http://evil.example/"},
                            {"User-Agent": "Mozilla/5.0"}, {"Origin": "null"}):
                equal(post(address, "version", headers=headers)[0], 403, f"the status with {headers}")
            equal(post(address, "version", headers={"Origin": f"http://{address}"})[0], 200, "its own origin")
        with results.check("errors in Kubo's form"):
            for path, status in (("nonsense", 404), ("no.thing", 404), ("cat", 400), ("cat?arg=x", 400),
                                 (f"cat?arg={HELLO}&offset=-1", 400), ("add?chunker=x", 400), ("add?only-hash=true", 400),
                                 ("add", 400), ("block/put", 400), ("dag/import", 400), (f"block/stat?arg={ABSENT}&offline=true", 500),
                                 (f"ls?arg={ABSENT}&offline=true", 500),
                                 (f"refs?arg={ABSENT}&offline=true", 500), (f"dag/export?arg={ABSENT}&offline=true", 500),
                                 (f"get?arg={ABSENT}&offline=true", 500),
                                 ("refs?" + "&".join(["arg=x"] * 300), 400), ("cat?arg=x&offline=maybe", 400)):
                got, _, data = post(address, path)
                document = json.loads(data.splitlines()[-1])
                equal((got, sorted(document), document["Type"]), (status, ["Code", "Message", "Type"], "error"), f"the answer to {path}")
            status, headers, data = post(address, "version", method="GET")
            equal((status, headers["Allow"], json.loads(data)["Type"]), (405, "POST", "error"), "the answer to a GET")
            true(post(address, "cat?arg=" + "x" * 20_000)[0] in (400, 414), "a long line")
            true(post(address, "version", headers={"X": "y" * 70_000})[0] in (400, 431), "a long header")
        with results.check("add of a tree, as Kubo's Go client sends it"):
            body, headers = multipart(("dir", "application/x-directory", b""), ("dir%2Fa+b%2Bc", "application/octet-stream", b"A"),
                                      ("dir%2Fsub", "application/x-directory", b""),
                                      ("dir%2Fsub%2Flink", "application/symlink", b"../a"),
                                      ("alone", "application/octet-stream", b"hello\n"))
            status, answer, data = post(address, "add?pin=false", body, headers)
            lines = [json.loads(line) for line in data.splitlines()]
            equal((status, answer["Content-Type"], answer["X-Chunked-Output"]), (200, "application/json", "1"), "the head")
            equal([line["Name"] for line in lines], ["dir/a b+c", "dir/sub/link", "dir/sub", "dir", "alone"], "the names")
            equal(lines[-1]["Hash"], HELLO, "the file alone")
            names = json.loads(post(address, f"ls?arg={lines[3]['Hash']}")[2])["Objects"][0]["Links"]
            equal([(n["Name"], n["Type"]) for n in names], [("a b+c", 2), ("sub", 1)], "ls of it")
        with results.check("add of mode and time"):
            body, headers = multipart(("f", "application/octet-stream", b"x"))
            body = body.replace(b'name="file"', b'name="file?mode=0640&mtime=1600000000&mtime-nsecs=5"')
            cid = json.loads(post(address, "add?pin=false", body, headers)[2])["Hash"]
            with tarfile.open(fileobj=io.BytesIO(post(address, f"get?arg={cid}")[2])) as tar:
                equal([(m.name, m.mode, m.mtime, m.size) for m in tar.getmembers()], [(cid, 0o640, 1600000000, 1)], "what get says of it")
        with results.check("names cannot leave the added folder"):
            body, headers = multipart(("..%2F..%2Fetc%2Fpasswd", "application/octet-stream", b"x"),
                                      ("d%2F.%2F%2Fe", "application/octet-stream", b"y"))
            equal([json.loads(line)["Name"] for line in post(address, "add?pin=false", body, headers)[2].splitlines()],
                  ["etc/passwd", "etc", "d/e", "d"], "the names")
            for parts in ((("d%2Fa", "application/octet-stream", b"1"), ("d%2Fa", "application/octet-stream", b"2")),
                          (("a", "application/octet-stream", b"1"), ("l", "application/symlink", b"x" * 5000)),
                          (("d%2F" + "n" * 2000, "application/octet-stream", b"1"),)):
                equal(post(address, "add", *multipart(*parts))[0], 400, "the status of a tree that can't be")
        with results.check("streams have the headers that Kubo's clients check"):
            cid = it.text("add", "-Q", "-", stdin=b"hello\n")
            for path, kind in ((f"cat?arg={cid}", "application/octet-stream"), (f"get?arg={cid}", "application/x-tar"),
                               (f"block/get?arg={cid}", "application/octet-stream"),
                               (f"dag/export?arg={cid}", "application/vnd.ipld.car")):
                status, headers, data = post(address, path)
                equal((status, headers["X-Stream-Output"], headers["Content-Type"]), (200, "1", kind), f"the head of {path}")
            equal(post(address, f"cat?arg={cid}&offset=1&length=3")[2], b"ell", "a part")
            equal(json.loads(post(address, f"ls?arg={cid}&stream=true")[2] or b"null"), None, "ls of a file without links")
            equal(json.loads(post(address, f"refs?arg={EMPTY_FOLDER}&offline=true")[2].splitlines()[-1])["Type"], "error",
                  "refs of what is not here")
        with results.check("block put with the parameters of older clients"):
            body, headers = multipart(("b", "application/octet-stream", b"\n\x02\x08\x01"))
            equal(json.loads(post(address, "block/put?format=v0", body, headers)[2]), {"Key": EMPTY_FOLDER, "Size": 4}, "format=v0")
            equal(json.loads(post(address, "block/put", body, headers)[2])["Key"][:7], "bafkrei", "raw is the default")
        with results.check("an interrupted upload does not disturb the daemon"):
            with socket.create_connection(tuple(address.rsplit(":", 1))) as broken:
                broken.sendall(b"POST /api/v0/add HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=b\r\n"
                               b"Content-Length: 1000\r\n\r\n--b\r\n")
            it.json("id")
            equal(daemon.process.poll(), None, "the daemon")


def names(results):
    """Names with control characters: escaped wherever they are shown to people, whole in JSON."""
    with sandbox() as it, scenario("names with control characters"):
        evil, shown = "a\x1b[31mb\nc\x7f\u009b1m", "a\\x1b[31mb\\x0ac\\x7f\\x9b1m"
        with running(it, "--mdns", "off") as daemon:
            it.write(f"tree/{evil}", "x")
            with results.check("add and ls"):
                lines = it.text("add", it.path("tree")).split("\n")
                true(len(lines) == 2 and lines[0].endswith(f"tree/{shown}"), f"add says {lines}")
                root = it.json("add", "-Q", it.path("tree"))["Hash"]
                true(it.text("ls", root).endswith(" 1 " + shown), it.text("ls", root))
                equal(it.json("ls", root)["Objects"][0]["Links"][0]["Name"], evil, "ls --json")
            with results.check("pin ls"):
                it.run("pin", "add", "-n", evil, root)
                true(it.text("pin", "ls", root).endswith(shown), it.text("pin", "ls", root))
                equal(it.json("pin", "ls", root)["Keys"][root]["Name"], evil, "pin ls --json")
            with results.check("errors"):
                for words in (["cat", evil], ["get", evil], ["add", it.path(evil)], ["convert", evil], ["convert", f"oci:{it.path(evil)}"],
                              ["compare", f"oci-archive:{it.path(evil)}", evil], ["pull", evil], ["swarm", "disconnect", evil],
                              ["get", root, "-o", it.path(f"tree/{evil}/below")]):
                    true(shown in it.run(*words, code=1), f"the error of {words}")
                for words in (["block", "put", "-", "--mhtype", evil], ["config", "show", "--log-level", evil]):
                    true(shown in it.run(*words, code=2), f"the error of {words}")
            true(daemon.log().replace("\n", "").isprintable(), f"the log: {daemon.log()!r}")
        with results.check("the daemon's log"):
            with running(it, "--mdns", "off", env={f"IPCS_{evil}": "1"}) as daemon:
                true(shown in daemon.log() and daemon.log().replace("\n", "").isprintable(), f"the log: {daemon.log()!r}")


def api_token(results):
    with sandbox() as it, scenario("the token of the control API on TCP"):
        flags = ("--data", it.path("data"), "--content-socket", it.path("run/content.sock"), "--listen", "/ip4/127.0.0.1/tcp/0")
        token = it.write("token", "secret-0123\n")
        os.chmod(token, 0o600)
        with results.check("an address that other hosts can reach is refused without one"):
            for address in ("0.0.0.0:0", "[::]:0"):
                error = it.run("daemon", *flags, "--api-addr", address, code=2)
                true("--api-token" in error and address in error, error)
            for name, text in (("empty", ""), ("blank", " \n"), ("words", "a b")):
                it.run("daemon", *flags, "--api-addr", "127.0.0.1:0", "--api-token", it.write(name, text), code=2)
            it.run("daemon", *flags, "--api-token", it.path("none"), code=2)
        with running(it, "--api-addr", "0.0.0.0:0", "--mdns", "off", env={"IPCS_API_TOKEN": token}) as daemon:
            address = "127.0.0.1:" + daemon.ready["api-addr"].rsplit(":", 1)[1]
            with results.check("only requests with the token are answered, also those that name no command"):
                for path in ("version", "nonsense", "cat?arg=x"):
                    for headers in ({}, {"Authorization": "Bearer secret-012"}, {"Authorization": "Basic secret-0123"}):
                        status, answer, data = post(address, path, headers=headers)
                        equal((status, answer["WWW-Authenticate"], json.loads(data)["Type"]), (401, "Bearer", "error"), f"{path} {headers}")
                equal(post(address, "version", headers={"Authorization": "Bearer secret-0123"})[0], 200, "the status with the token")
                equal(post(address, "nonsense", headers={"Authorization": "Bearer secret-0123"})[0], 404, "that of an unknown command")
            with results.check("the socket needs none"):
                equal(post(it.path("run/api.sock"), "version")[0], 200, "the status")
                it.json("id")
            with results.check("the log warns of the address"):
                true("without encryption" in daemon.log() and "chmod" not in daemon.log(), daemon.log())
        with results.check("the log warns of a file that others can read"):
            os.chmod(token, 0o644)
            with running(it, "--api-addr", "127.0.0.1:0", "--api-token", token) as daemon:
                true(token in daemon.log() and "chmod 600" in daemon.log(), daemon.log())


def main():
    if not os.access(IPCS, os.X_OK):
        sys.exit(f"no binary at {IPCS} (make build)")
    every = (without_a_daemon, bad_input, broken_off, daemon_life, systemd, files, passed_files, blocks, names, api, api_token, metrics)
    scenarios = {f.__name__: f for f in every}
    results = Results()
    for name in sys.argv[1:] or scenarios:
        try:
            scenarios[name](results)
        except Stop:
            pass
        except Exception as e:  # a scenario whose preparation failed
            results.failed += 1
            print(f"not ok {name}: {type(e).__name__}: {e}", flush=True)
    sys.exit(1 if results.failed else 0)


if __name__ == "__main__":
    main()
