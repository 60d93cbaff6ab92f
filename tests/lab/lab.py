"""A fleet on one machine: hosts are network namespaces on one switch, each with its own containerd and ipcs daemon, and a
docker-registry has a host of its own. Needs root, Linux, iproute2, util-linux, containerd, runc, docker-registry, skopeo.

    with Lab(hosts=2) as lab:
        lab.registry.push(layout, "app:v1")
        one = lab.hosts[0]
        one.start_ipcs(); one.start_containerd()
        one.ctr("images", "pull", "--plain-http", lab.registry.reference("app:v1"))

The switch is a namespace too, so nothing appears in the machine's own network, no address collides with another lab's, and no
packet leaves the machine. Every name contains the id of this process; the next lab removes what a killed one left behind.
Every wait is for a condition and has a time-out. All processes end with this one at the latest.
"""
import ctypes
import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PREFIX = "ipcslab"
NET = "10.77.0"
REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
IPCS = os.environ.get("IPCS_BIN") or os.path.join(REPOSITORY, "artifacts", "ipcs")
IMAGES = os.path.join(REPOSITORY, "artifacts", "lab", "images")
PROGRAMS = ("ip", "tc", "nsenter", "containerd", "ctr", "runc", "docker-registry", "skopeo")
_libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """A command failed or a wait timed out; the message is for a person."""


def missing_requirement():
    """Why a lab cannot run here, as one line; empty when it can."""
    if os.geteuid() != 0:
        return "network namespaces, containerd and runc need root"
    absent = [p for p in PROGRAMS if not shutil.which(p, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")]
    if absent:
        return "not installed: " + " ".join(absent) + " (scripts/setup.sh demo)"
    if not os.access(IPCS, os.X_OK):
        return f"no binary at {IPCS} (make build)"
    return ""


def unable(program):
    """Prepares a program for interrupts. True when it cannot run here, after printing the reason on standard error."""
    interruptible()
    reason = missing_requirement()
    if reason:
        print(f"{program}: cannot run here: {reason}", file=sys.stderr)
    return bool(reason)


def run(*command, seconds=60, check=True):
    """Runs a command to its end. Returns its exit status, standard output and standard error."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               errors="replace", preexec_fn=_end_with_parent)
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise LabError(f"not done within {seconds} s: {' '.join(command)}\n{err.strip()}") from None
    except BaseException:
        process.kill()
        process.wait()
        raise
    done = subprocess.CompletedProcess(command, process.returncode, out, err)
    if check and done.returncode:
        shown = " ".join(command[2 if command[0] == "nsenter" else 0:])
        raise LabError(f"{shown}: exit status {done.returncode}\n{err.strip() or out.strip()}")
    return done


def wait(what, condition, seconds=30.0, every=0.05):
    """Calls condition() at this interval in seconds until it returns something true, and returns that."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise LabError(f"timed out after {seconds:g} s waiting for: {what}")
        time.sleep(every)


def link_bytes(service):
    """Bytes received and sent so far over the link of the node that a service runs on."""
    with open(f"/proc/{service.pid}/net/dev") as f:
        fields = re.search(r"eth0:(.*)", f.read()).group(1).split()
    return int(fields[0]), int(fields[8])


def _end_with_parent():
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: even a killed test leaves no daemon behind
    os.setpgid(0, 0)  # an interrupt from the terminal reaches only this script, which then stops the others


class Service:
    """A long-running process in a host's namespace, with its log."""

    def __init__(self, name, namespace, command, log, env=None):
        self.name, self.log = name, log
        # Not `ip netns exec`: that mounts another /sys, and runc then finds no cgroups.
        with open(log, "ab") as output, open(log + ".out", "ab") as lines:
            self.begin = output.tell(), lines.tell()
            self.process = subprocess.Popen(["nsenter", "--net=/run/netns/" + namespace, *command], stdin=subprocess.DEVNULL, stdout=lines,
                                            stderr=output, preexec_fn=_end_with_parent, env={**os.environ, **(env or {})})

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process.poll() is None

    def output(self):
        """What the service wrote to its standard output in this run."""
        with open(self.log + ".out", errors="replace") as f:
            f.seek(self.begin[1])
            return f.read()

    def tail(self):
        with open(self.log, errors="replace") as f:
            return "".join(f.readlines()[-15:])

    def ready(self, what, condition, seconds):
        """Waits for condition(); fails at once when the process ends meanwhile."""
        def check():
            if not self.running():
                raise LabError(f"{self.name} ended with status {self.process.returncode}:\n{self.tail()}{self.output()}")
            return condition()
        try:
            return wait(what, check, seconds)
        except LabError as e:
            raise LabError(f"{e}\n{self.tail()}") from None

    def stop(self, how=signal.SIGTERM, seconds=20):
        """Stops the service. Returns the seconds that took."""
        begin = time.monotonic()
        if self.running():
            self.process.send_signal(how)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise LabError(f"{self.name} did not end within {seconds} s after {signal.Signals(how).name}") from None
        return time.monotonic() - begin


class Node:
    """A network namespace on the lab's switch."""

    def __init__(self, lab, number, name):
        self.lab, self.number, self.name = lab, number, name
        self.address = f"{NET}.{number}"
        self.namespace = f"{lab.name}-{number}"
        self.folder = os.path.join(lab.folder, name)
        self.delaying = None
        os.makedirs(self.folder)
        ip = lambda *words: run("ip", *words)
        inside = lambda *words: run("ip", "-n", self.namespace, *words)
        ip("netns", "add", self.namespace)
        ip("link", "add", f"v{number}", "netns", lab.switch, "type", "veth", "peer", "name", "eth0", "netns", self.namespace)
        run("ip", "-n", lab.switch, "link", "set", f"v{number}", "master", "switch", "up")
        inside("link", "set", "lo", "up")
        inside("addr", "add", self.address + "/24", "dev", "eth0")
        inside("link", "set", "eth0", "up")

    def path(self, name):
        return os.path.join(self.folder, name)

    def enter(self, *command, **options):
        return run("nsenter", "--net=/run/netns/" + self.namespace, *command, **options)

    def limit(self, rate):
        """Limits the rate of the host's link in both directions, as a switch port would; in tc's units: 20mbit. None removes the limit."""
        for namespace, device in ((self.namespace, "eth0"), (self.lab.switch, f"v{self.number}")):
            run("tc", "-n", namespace, "qdisc", "del", "dev", device, "root", check=False)
            if rate:
                run("tc", "-n", namespace, "qdisc", "add", "dev", device, "root", "tbf", "rate", rate, "burst", "256kb", "latency", "30ms")

    def cut(self):
        """Unplugs the cable at the switch: the host's own interface stays up, but nothing is received or sent."""
        run("ip", "-n", self.lab.switch, "link", "set", f"v{self.number}", "down")

    def heal(self):
        run("ip", "-n", self.lab.switch, "link", "set", f"v{self.number}", "up")

    def impair(self, delay_ms=0, loss_percent=0):
        """Delays what the host receives and drops that share of it at random; with neither, ends both.
        Without netem, which many kernels lack: packets wait in a netfilter queue (nfdelay.c)."""
        if self.delaying:
            self.delaying.stop()
            self.delaying = None
        iptables = lambda *words: self.enter("iptables-legacy", *words)
        iptables("-t", "raw", "-F", "PREROUTING")
        iptables("-t", "mangle", "-F", "PREROUTING")
        if loss_percent:
            iptables("-t", "mangle", "-A", "PREROUTING", "-i", "eth0", "-m", "statistic", "--mode", "random",
                     "--probability", str(loss_percent / 100), "-j", "DROP")
        if delay_ms:
            self.delaying = Service("nfdelay", self.namespace, [nfdelay(), str(delay_ms * 1000)], self.path("nfdelay.log"))
            iptables("-t", "raw", "-A", "PREROUTING", "-i", "eth0", "-p", "ip", "-j", "NFQUEUE", "--queue-num", "0", "--queue-bypass")


def nfdelay():
    """The path of the program that delays packets, compiled when it is missing."""
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "nfdelay.c")
    binary = os.path.join(REPOSITORY, "artifacts", "lab", "nfdelay")
    if not os.path.exists(binary) or os.path.getmtime(binary) < os.path.getmtime(source):
        os.makedirs(os.path.dirname(binary), exist_ok=True)
        run("gcc", "-O2", "-o", binary + ".new", source, "-lnetfilter_queue", "-lnfnetlink")
        os.rename(binary + ".new", binary)
    return binary


class Host(Node):
    """A host of the fleet: an ipcs daemon, and a containerd that uses it as its content store."""

    def __init__(self, lab, number):
        super().__init__(lab, number, f"host{number}")
        self.ipcs_service = self.containerd_service = None
        self.api, self.content, self.socket = self.path("api.sock"), self.path("content.sock"), self.path("c.sock")
        self.multiaddr = self.peer = None
        self.snapshotter = lab.snapshotter
        self.disk = None
        self.programs = ""  # the folder of a containerd other than the system's

    # ---- ipcs

    def start_ipcs(self, *peers, options=(), seconds=30, names=None):
        """Starts the daemon and waits for its ready line. Arguments: hosts for --peer, further options, and the name server it uses."""
        command = [IPCS, "daemon", "--data", self.path("ipcs"), "--listen", f"/ip4/{self.address}/tcp/4001",
                   "--content-socket", self.content, "--api-socket", self.api, "--mdns", "off", "--containerd", self.socket]
        for other in peers:
            command += ["--peer", other.multiaddr]
        command += options
        if names:  # in a mount namespace with another resolv.conf
            command = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', names.configuration, *command]
        service = self.ipcs_service = Service(f"ipcs on {self.name}", self.namespace, command, self.path("ipcs.log"))
        line = re.compile(r"^ready peer=(\S+) listen=(\S+) .*$", re.M)
        ready = service.ready("line `ready peer=`", lambda: line.search(service.output()), seconds)
        self.peer = ready.group(1)
        listen = ready.group(2).split(",")[0]
        self.multiaddr = listen if "/p2p/" in listen else f"{listen}/p2p/{self.peer}"

    def ipcs(self, *words, seconds=120, check=True):
        return self.enter(IPCS, *words, "--api-socket", self.api, seconds=seconds, check=check)

    def peers(self):
        return self.ipcs("swarm", "peers").stdout

    def ask(self, command, arg):
        """The answer to a command as text. Sent over the control socket, which costs the machine less than a process."""
        with socket.socket(socket.AF_UNIX) as api:
            api.connect(self.api)
            api.sendall(f"POST /api/v0/{command}?arg={arg} HTTP/1.0\r\nHost: ipcs\r\nContent-Length: 0\r\n\r\n".encode())
            answer = b"".join(iter(lambda: api.recv(65536), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise LabError(f"{self.name}: {command} {arg}: {body.decode(errors='replace')}")
        return body.decode(errors="replace")

    def has_whole(self, digest):
        """True when the host has every block of a content."""
        return json.loads(self.ask("ipcs/content/info", digest))["complete"]

    def blocks_of(self, roots):
        """The CIDs of all blocks of these DAGs, each once, in order."""
        below = [line.split() for root in roots for line in [root, *self.ipcs("refs", "-r", "--unique", root).stdout.splitlines()]]
        return list(dict.fromkeys(cid for line in below for cid in line))

    def take_blocks(self, cids):
        """Fetches single blocks over Bitswap, compressed ones as such. Nothing owns or pins them, so a garbage collection removes them."""
        for cid in cids:
            self.ask("block/stat", cid)

    def received(self):
        """Bytes received over the host's link so far."""
        return link_bytes(self.ipcs_service)[0]

    def sent(self):
        """Bytes sent over the host's link so far."""
        return link_bytes(self.ipcs_service)[1]

    # ---- containerd

    def start_containerd(self, own_store=False, pause=None, processor=None, seconds=30):
        """
        Starts containerd with ipcs as its only content store, or with its own store for comparison. With the name of a pause image the CRI
        plugin is enabled too (containerd 1.6 and 1.7). processor replaces ipcs as the stream processor for layers; "" for none.
        """
        containerd = os.path.join(self.programs, "containerd")
        version = 3 if re.search(r" v?2\.", run(containerd, "--version").stdout) else 2
        if own_store:
            text = f"version = {version}\ndisabled_plugins = []\n"
        else:
            sockets = ("--content-socket", self.content, "--api-socket", self.api)
            text = run(IPCS, "containerd", "config", "--version", str(version), *sockets).stdout
            if processor is not None:
                section = re.search(r"(?m)^\[stream_processors\.ipcs\]\n(?:  .*\n)+", text).group()
                text = text.replace(section, re.sub(r"(?m)^(  path = ).*$", rf'\1"{processor}"', section) if processor else "")
        # The CRI plugin needs a network configuration, which most labs do not have.
        cri = '"io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"'
        if pause:
            cri = ""
            text += (f'\n[plugins."io.containerd.grpc.v1.cri"]\n  sandbox_image = "{pause}"\n  restrict_oom_score_adj = true\n'
                     f'[plugins."io.containerd.grpc.v1.cri".containerd]\n  snapshotter = "{self.snapshotter}"\n')
        def disable(match):
            others = match.group(2).strip() != "]"
            return match.group(1) + cri + (", " if cri and others else "") + match.group(2)

        text = re.sub(r"(?m)^(disabled_plugins\s*=\s*\[)(.*)", disable, text)
        text = re.sub(r"(?m)^(version\s*=.*)$", rf'\1\nroot = "{self.path("root")}"\nstate = "{self.path("state")}"', text)
        text += f'\n[grpc]\n  address = "{self.socket}"\n[debug]\n  level = "warn"\n'
        with open(self.path("containerd.toml"), "w") as f:
            f.write(text)
        command = [containerd, "-c", self.path("containerd.toml")]
        service = self.containerd_service = Service(f"containerd on {self.name}", self.namespace, command, self.path("containerd.log"),
                                                    {"OTEL_TRACES_EXPORTER": "none", "PATH": self._path()})
        service.ready("containerd that answers", lambda: self.ctr("version", check=False, seconds=10).returncode == 0, seconds)

    def ctr(self, *words, seconds=120, check=True):
        return self.enter(os.path.join(self.programs, "ctr"), "-a", self.socket, *words, seconds=seconds, check=check)

    def _path(self):  # containerd finds its shim there
        path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
        return f"{self.programs}:{path}" if self.programs else path

    def read(self, digest):
        """The bytes of a content, read through containerd."""
        path = self.path("content")
        self.enter("sh", "-c", f'"{os.path.join(self.programs, "ctr")}" -a "{self.socket}" content get {digest} > "{path}"')
        with open(path, "rb") as f:
            return f.read()

    def answers(self, digest):
        """Waits until containerd can read a content: it dials a lost plugin again at growing intervals."""
        wait("answer to a read", lambda: self.ctr("content", "get", digest, check=False).returncode == 0)

    def contents(self):
        """The contents that containerd owns according to ipcs: documents by digest."""
        return {d["digest"]: d for d in documents(self.ipcs("content", "ls", "--json").stdout)}

    def pull(self, reference, seconds=120, check=True):
        """Pulls and unpacks a reference of the lab's registry with `ctr images pull`. Returns the seconds it took."""
        begin = time.monotonic()
        self.ctr("images", "pull", "--plain-http", "--snapshotter", self.snapshotter, reference, seconds=seconds, check=check)
        return time.monotonic() - begin

    def run_container(self, reference, seconds=60):
        """Runs the image's own command in a container to its end. Returns what it printed."""
        name = f"run-{time.monotonic_ns()}"
        return self.ctr("run", "--rm", "--snapshotter", self.snapshotter, reference, name, seconds=seconds).stdout

    # ---- end

    def clear(self):
        """Stops the daemon and containerd and removes their data: the host is as new, with another identity."""
        if self.containerd_service and self.containerd_service.running():
            for snapshot in reversed(self.ctr("snapshots", "--snapshotter", self.snapshotter, "ls").stdout.splitlines()[1:]):
                self.ctr("snapshots", "--snapshotter", self.snapshotter, "rm", snapshot.split()[0], check=False)
            self.containerd_service.stop()
        if self.ipcs_service:
            self.ipcs_service.stop()
        if self.disk:
            self._unmount()
        for left in ("ipcs", "root", "state"):
            shutil.rmtree(self.path(left), ignore_errors=True)

    def fresh_disk(self):
        """
        Gives the host a new ext4 file system until it is cleared: after an image was deleted, ext4 takes several times as long to unpack
        the next one for about a minute.
        """
        self.disk = self.folder + ".ext4"
        run("truncate", "--size", "16G", self.disk)
        run("mkfs.ext4", "-q", self.disk)
        run("mount", "-o", "loop", self.disk, self.folder)

    def _unmount(self):
        wait("end of the use of " + self.folder, lambda: run("umount", self.folder, check=False).returncode == 0)
        os.remove(self.disk)
        self.disk = None

    def stop(self):
        if self.delaying:
            self._end(self.delaying)
        if self.containerd_service:
            if self.containerd_service.running():
                for space in ("default", "k8s.io"):
                    for task in run("ctr", "-a", self.socket, "-n", space, "tasks", "ls", "-q", check=False, seconds=10).stdout.split():
                        run("ctr", "-a", self.socket, "-n", space, "tasks", "rm", "-f", task, check=False, seconds=10)
            self._end(self.containerd_service)
        if self.ipcs_service:
            self._end(self.ipcs_service)
        if self.disk:
            self._unmount()

    @staticmethod
    def _end(service):
        service.process.kill()
        service.process.wait()


class Registry(Node):
    """A docker-registry over its filesystem store, with an access log."""

    def __init__(self, lab, number):
        super().__init__(lab, number, "registry")
        self.service = None

    def reference(self, name):
        return f"{self.address}:5000/{name}"

    def start(self):
        with open(self.path("config.yml"), "w") as f:  # no cache: what is deleted on disk is gone at once
            f.write(f'version: 0.1\nlog: {{level: warn}}\nstorage:\n  filesystem: {{rootdirectory: "{self.path("data")}"}}\n'
                    f'http: {{addr: "{self.address}:5000"}}\n')
        service = self.service = Service("docker-registry", self.namespace, ["docker-registry", "serve", self.path("config.yml")],
                                         self.path("registry.log"), {"OTEL_TRACES_EXPORTER": "none"})
        service.ready("listening registry", self._listens, 20)

    def _listens(self):
        with open(f"/proc/{self.service.pid}/net/tcp") as f:  # 0A is LISTEN, 1388 port 5000
            if any(line.split()[1].endswith(":1388") and line.split()[3] == "0A" for line in list(f)[1:]):
                return True
        with open(f"/proc/{self.service.pid}/net/tcp6") as f:
            return any(line.split()[1].endswith(":1388") and line.split()[3] == "0A" for line in list(f)[1:])

    def stop(self):
        if self.service:
            self.service.process.kill()
            self.service.process.wait()

    def push(self, layout, name):
        """Copies the first image of an OCI layout, or of another skopeo source such as docker-archive:FILE, into the registry."""
        source = layout
        if ":" not in layout:
            with open(os.path.join(layout, "index.json")) as f:
                manifests = json.load(f)["manifests"]
            tag = ":" + manifests[0]["annotations"]["org.opencontainers.image.ref.name"] if len(manifests) > 1 else ""
            source = "oci:" + layout + tag
        self.enter("skopeo", "--insecure-policy", "copy", "-q", "--preserve-digests", "--dest-tls-verify=false", source,
                   "docker://" + self.reference(name), seconds=300)

    def lose_layers(self, keep):
        """Deletes the bytes of every blob whose digest is not in keep. Returns how many it deleted."""
        deleted = 0
        for data in glob.glob(self.path("data/docker/registry/v2/blobs/sha256/*/*/data")):
            if "sha256:" + os.path.basename(os.path.dirname(data)) not in keep:
                shutil.rmtree(os.path.dirname(data))
                deleted += 1
        return deleted

    def served(self, host):
        """(path, status, bytes) of every GET of a blob by the host."""
        with open(self.service.log, errors="replace") as err, open(self.service.log + ".out", errors="replace") as out:
            text = out.read() + err.read()
        line = re.compile(r'^(\S+) - \S+ \[[^]]*\] "GET (/v2/\S*/blobs/\S+) HTTP/\S+" (\d+) (\d+)', re.M)
        return [(path, int(status), int(size)) for address, path, status, size in line.findall(text) if address == host.address]


class NameServer(Node):
    """A dnsmasq that serves only the given records."""

    def __init__(self, lab, number):
        super().__init__(lab, number, "names")
        self.service = None
        self.configuration = self.path("resolv.conf")
        with open(self.configuration, "w") as f:
            f.write(f"nameserver {self.address}\noptions timeout:1 attempts:2\n")

    def serve(self, addresses, texts):
        """Serves these A records (name: addresses) and TXT records (name: texts) from now on, with a time to live of 0."""
        self.stop()
        with open(self.path("hosts"), "w") as f:
            f.writelines(f"{address} {name}\n" for name, all in addresses.items() for address in all)
        records = [f"--txt-record={name},{text}" for name, all in texts.items() for text in all]
        dnsmasq = shutil.which("dnsmasq", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        service = self.service = Service("dnsmasq", self.namespace, [
            dnsmasq, "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--pid-file=", "--no-resolv", "--no-hosts",
            "--local-ttl=0", "--local=/test/", "--addn-hosts=" + self.path("hosts"), "--listen-address=" + self.address,
            "--bind-interfaces", *records], self.path("dnsmasq.log"))
        service.ready("listening name server", self._listens, 10)

    def _listens(self):
        with open(f"/proc/{self.service.pid}/net/udp") as f:  # 0035 is port 53
            return any(line.split()[1].endswith(":0035") for line in list(f)[1:])

    def stop(self):
        if self.service:
            self.service.process.kill()
            self.service.process.wait()


class Lab:
    """The switch, the registry and the hosts; a context manager that removes everything again."""

    def __init__(self, hosts=2, keep_logs=None):
        self.name = f"{PREFIX}-{os.getpid()}-{time.monotonic_ns() % 1000000:x}"
        self.switch = self.name + "-switch"
        self.keep_logs = keep_logs
        self.count = hosts
        self.hosts, self.registry, self.names, self.folder = [], None, None, None

    def __enter__(self):
        sweep()
        self.folder = tempfile.mkdtemp(prefix=f"{PREFIX}-{os.getpid()}-")
        # overlayfs does not work on top of overlayfs, which is a container's own file system.
        overlaid = run("stat", "-f", "-c", "%T", self.folder).stdout.strip() == "overlayfs"
        self.snapshotter = "native" if overlaid else "overlayfs"
        try:
            run("ip", "netns", "add", self.switch)
            run("ip", "-n", self.switch, "link", "add", "switch", "type", "bridge")
            run("ip", "-n", self.switch, "link", "set", "switch", "up")
            self.registry = Registry(self, 100)
            self.registry.start()
            self.hosts = [Host(self, k) for k in range(1, self.count + 1)]
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def add_host(self):
        """Adds a host with nothing running."""
        self.hosts.append(Host(self, len(self.hosts) + 1))
        return self.hosts[-1]

    def add_name_server(self):
        """Adds a name server without records."""
        self.names = NameServer(self, 101)
        return self.names

    def __exit__(self, *_):
        handlers = {s: signal.signal(s, signal.SIG_IGN) for s in (signal.SIGINT, signal.SIGTERM)}  # a second Ctrl-C must not cut this short
        try:
            for host in self.hosts:
                host.stop()
            for server in (self.registry, self.names):
                if server:
                    server.stop()
            if self.keep_logs:
                for log in glob.glob(self.folder + "/*/*.log") + glob.glob(self.folder + "/*/*.toml"):
                    os.makedirs(self.keep_logs, exist_ok=True)
                    shutil.copy(log, os.path.join(self.keep_logs, os.path.basename(os.path.dirname(log)) + "-" + os.path.basename(log)))
            _remove(self.name, self.folder)
        finally:
            for s, handler in handlers.items():
                signal.signal(s, handler)


def _remove(name, folder):
    """Removes a lab's leftover processes, mounts, folder and namespaces."""
    if folder:
        for pid in filter(str.isdigit, os.listdir("/proc")):  # containerd's shims outlive it
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    if (folder + "/").encode() in f.read() and int(pid) != os.getpid():
                        os.kill(int(pid), signal.SIGKILL)
            except (OSError, ProcessLookupError):
                pass
        with open("/proc/mounts") as f:
            mounts = [line.split()[1] for line in f]
        for mount in sorted((m for m in mounts if m.startswith(folder + "/")), reverse=True):
            run("umount", "-l", mount, check=False)
        shutil.rmtree(folder, ignore_errors=True)
    for namespace in os.listdir("/run/netns") if os.path.isdir("/run/netns") else []:
        if namespace.startswith(name + "-"):
            run("ip", "netns", "del", namespace, check=False)


def sweep():
    """Removes what labs left behind whose process was killed."""
    left = (os.listdir("/run/netns") if os.path.isdir("/run/netns") else []) + os.listdir(tempfile.gettempdir())
    matches = (re.match(PREFIX + r"-(\d+)-", name) for name in left)
    dead = {m.group(1) for m in matches if m and not os.path.isdir("/proc/" + m.group(1))}
    for pid in dead:
        name = f"{PREFIX}-{pid}"
        for folder in glob.glob(os.path.join(tempfile.gettempdir(), name + "-*")) or [None]:
            _remove(name, folder)


def interruptible():
    """Makes Ctrl-C and SIGTERM end this process through its `with` blocks, also when it was started in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def convert_result(output):
    """The digest in the last line of `ipcs convert`: converted <NAME> sha256:<digest>."""
    match = re.search(r"^converted (\S+) (sha256:[0-9a-f]{64})\s*$", output, re.M)
    if not match:
        raise LabError("`ipcs convert` printed no line `converted NAME sha256:DIGEST`:\n" + output)
    return match.group(2)


def as_root(digest):
    """A converted digest as a CID of version 0: its multihash in base58."""
    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    number, text = int("1220" + digest[7:], 16), ""
    while number:
        number, digit = divmod(number, 58)
        text = alphabet[digit] + text
    return text


def documents(output):
    """The JSON documents of an output: one per line, or one array or document in total."""
    try:
        whole = json.loads(output)
        return whole if isinstance(whole, list) else [whole]
    except ValueError:
        return [json.loads(line) for line in output.splitlines() if line.strip()]
