#!/usr/bin/env python3
"""Images pulled by `ipcs pull`, used as a kubelet does: through the CRI plugin of a real containerd. Prints ok/not ok lines.

A converted image and a converted pause image are pulled into the namespace k8s.io without a registry, and a pod runs. Needs root.
CRI calls are made by hand, as gRPC through curl, with the few messages needed of
https://github.com/kubernetes/cri-api/blob/master/pkg/apis/runtime/v1/api.proto
"""
import os
import re
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
import images  # noqa: E402
import lab  # noqa: E402
import suites  # noqa: E402
from tap import Results, equal, true  # noqa: E402

APP, PAUSE = "registry.test/app:v1", "registry.test/pause:v1"
NODE = 2  # NamespaceMode: the host's own network, for which no network plugin is needed
EXITED = 2  # ContainerState
results = Results()
check = results.check


def varint(number):
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def message(fields):
    """A protobuf message of {number: text, bytes, integer or message}."""
    out = b""
    for number, value in fields.items():
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            value = message(value) if isinstance(value, dict) else value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(value)) + value
    return out


def fields(data):
    """The fields of a protobuf message: {number: [value, ...]}."""
    found, at = {}, 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value
    while at < len(data):
        tag = number()
        if tag & 7 == 0:
            value = number()
        else:
            length = {1: 8, 5: 4}.get(tag & 7) or number()
            value, at = data[at:at + length], at + length
        found.setdefault(tag >> 3, []).append(value)
    return found


class Kubelet:
    """A CRI client of a host's containerd."""

    def __init__(self, host):
        self.host = host

    def call(self, method, request):
        body = message(request)
        head = self.host.path("cri-headers")
        done = subprocess.run(["curl", "-sS", "--max-time", "60", "--http2-prior-knowledge", "--unix-socket", self.host.socket, "-D", head,
                               "--data-binary", "@-",
                               "-H", "content-type: application/grpc", "-H", "te: trailers", "http://localhost/runtime.v1." + method],
                              input=b"\0" + struct.pack(">I", len(body)) + body, capture_output=True)
        with open(head) as f:
            told = f.read()
        if done.returncode or not re.search(r"(?mi)^grpc-status: 0\s*$", told):
            raise lab.LabError(f"{method}: {done.stderr.decode()}{' '.join(re.findall(r'(?mi)^grpc-.*$', told))}")
        return fields(done.stdout[5:])

    def images(self):
        """The images that containerd lists, by name."""
        listed = [fields(i) for i in self.call("ImageService/ListImages", {}).get(1, [])]
        return {tag.decode(): i for i in listed for tag in i.get(2, [])}


def pod(fleet):
    one, two = fleet.hosts
    kubelet = Kubelet(two)
    with check("two daemons and their containerds start, one of them with the CRI plugin", need=True):
        one.start_ipcs()
        one.start_containerd()
        two.start_ipcs(one)
        two.start_containerd(pause=PAUSE)
        lab.wait("connection between the daemons", lambda: one.peer in two.peers())
        lab.wait("answer of the runtime interface", lambda: kubelet.call("RuntimeService/Version", {}))
    fleet.registry.stop()
    with check("converted images are pulled into k8s.io, with no registry", need=True):
        for name, layout in ((APP, images.small(lab.IMAGES)), (PAUSE, images.pause(lab.IMAGES))):
            digest = lab.convert_result(one.ipcs("convert", "oci:" + layout, name).stdout)
            two.ipcs("pull", f"{name}@{digest}", "-n", "k8s.io", "--unpack", "--snapshotter", two.snapshotter, seconds=150)
    with check("CRI lists them, as `crictl images` does", need=True):
        lab.wait("images in the list", lambda: {APP, PAUSE} <= set(kubelet.images()))
        status = fields(kubelet.call("ImageService/ImageStatus", {1: {1: APP}})[1][0])
        equal(status[1], kubelet.images()[APP][1], "the image's id in its status")
        true(status[4][0] > 0, "it has no size")
    sandbox = {1: {1: "pod", 2: "uid", 3: "default"}, 3: two.path("pods"), 8: {2: {1: {1: NODE, 2: 0, 3: NODE}}}}
    with check("a pod with them runs", need=True):
        os.makedirs(two.path("pods"))
        pod_id = kubelet.call("RuntimeService/RunPodSandbox", {1: sandbox})[1][0]
        made = kubelet.call("RuntimeService/CreateContainer", {1: pod_id, 2: {1: {1: "app"}, 2: {1: APP}, 11: "app.log"}, 3: sandbox})[1][0]
        kubelet.call("RuntimeService/StartContainer", {1: made})
        status = lambda: fields(kubelet.call("RuntimeService/ContainerStatus", {1: made})[1][0])
        lab.wait("end of the container", lambda: status().get(3) == [EXITED])
        equal(status().get(7, [0]), [0], "its exit status")
        with open(two.path("pods") + "/app.log") as f:
            true(images.GREETING in f.read(), "the container printed something else")
    with check("the pod is stopped and removed"):
        kubelet.call("RuntimeService/StopPodSandbox", {1: pod_id})
        kubelet.call("RuntimeService/RemovePodSandbox", {1: pod_id})


def main():
    return suites.run(results, "cri", [("a pod", 2, pod)])


if __name__ == "__main__":
    sys.exit(main())
