#!/usr/bin/env python3
"""sbom.py [-o FILE] [--lock FILE]     writes the bill of materials of the published binary as CycloneDX JSON

Components: the NuGet packages of src/Node/packages.lock.json with their hashes, .NET's runtime from project.assets.json where the binary
was built, and the libraries that native/build.sh links, with the versions of their Debian packages. Packages that only the build uses have
the scope "excluded". The same inputs give the same bytes. Spec: https://cyclonedx.org/docs/1.6/json/."""
import argparse
import base64
import json
import os
import re
import subprocess
import urllib.parse
import uuid

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NODE = os.path.join(ROOT, "src", "Node")
# The Debian packages whose archives are in the binary: the list of native/build.sh, and OpenSSL.
NATIVE = ("librocksdb-dev", "libbz2-dev", "libsnappy-dev", "liblz4-dev", "libzstd-dev", "zlib1g-dev", "libssl-dev")
COMPILER_LIBRARIES = re.compile(r"libstdc\+\+-\d+-dev")
BUILD_ONLY = ("meziantou.analyzer", "roslynator.analyzers", "grpc.tools", "microsoft.net.illink.tasks")


def product_version():
    with open(os.path.join(ROOT, "Directory.Build.props"), encoding="utf-8") as file:
        return re.search(r"<VersionPrefix>([^<]+)<", file.read()).group(1)


def nuget(name, version, content_hash=None, scope="required"):
    purl = f"pkg:nuget/{urllib.parse.quote(name)}@{urllib.parse.quote(version)}"
    component = {"type": "library", "bom-ref": purl, "name": name, "version": version, "scope": scope, "purl": purl}
    if content_hash:
        component["hashes"] = [{"alg": "SHA-512", "content": base64.b64decode(content_hash).hex()}]
    return component


def packages(lock):
    """The components of a lock file, and which depend on which, by lower-case name."""
    found, needs = {}, {}
    for target in lock["dependencies"].values():
        for name, entry in target.items():
            if entry["type"] == "Project":
                continue
            key = name.lower()
            only_build = key in BUILD_ONLY
            found[key] = nuget(name, entry["resolved"], entry.get("contentHash"), "excluded" if only_build else "required")
            needs.setdefault(key, set()).update(d.lower() for d in entry.get("dependencies", {}))
    return found, needs


def runtime(assets):
    """The packages of .NET itself that the build downloaded: its runtime, and the compiler with its libraries."""
    for framework in assets["project"]["frameworks"].values():
        for package in framework.get("downloadDependencies", []):
            yield nuget(package["name"], package["version"].strip("[]").split(",")[0])


def debian():
    """The installed Debian packages that are linked statically."""
    form = "-f=${Package} ${Version} ${Architecture} ${db:Status-Status}\n"
    done = subprocess.run(["dpkg-query", "-W", form], capture_output=True, text=True, check=False)
    distribution = dict(line.rstrip().split("=", 1) for line in open("/etc/os-release", encoding="utf-8") if "=" in line)
    vendor, release = distribution.get("ID", "debian").strip('"'), distribution.get("VERSION_ID", "").strip('"')
    for name, version, architecture, status in (line.split() for line in done.stdout.splitlines() if len(line.split()) == 4):
        if status == "installed" and (name in NATIVE or COMPILER_LIBRARIES.fullmatch(name)):
            purl = (f"pkg:deb/{vendor}/{urllib.parse.quote(name)}@{urllib.parse.quote(version)}"
                    f"?arch={architecture}&distro={vendor}-{release}")
            yield {"type": "library", "bom-ref": purl, "name": name, "version": version, "scope": "required", "purl": purl}


def make(lock, assets, native):
    """The document."""
    version = product_version()
    found, needs = packages(lock)
    every = list(found.values()) + list(runtime(assets) if assets else []) + list(native)
    # Of two with the same reference the first stays: it has a hash.
    every = sorted({c["bom-ref"]: c for c in reversed(every)}.values(), key=lambda c: c["bom-ref"])
    root = f"pkg:generic/ipcs@{version}"
    below = {found[d]["bom-ref"] for ds in needs.values() for d in ds if d in found}
    dependencies = [{"ref": root, "dependsOn": [c["bom-ref"] for c in every if c["bom-ref"] not in below]}]
    refs = {component["bom-ref"]: sorted(found[d]["bom-ref"] for d in needs[key] if d in found) for key, component in found.items()}
    dependencies += [{"ref": c["bom-ref"], "dependsOn": refs.get(c["bom-ref"], [])} for c in every]
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([version, every], sort_keys=True))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": {"type": "application", "bom-ref": root, "name": "ipcs", "version": version, "purl": root}},
        "components": every,
        "dependencies": dependencies,
    }


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("-o", default=os.path.join(ROOT, "artifacts", "ipcs.cdx.json"), metavar="FILE", help="where to write it")
    arguments.add_argument("--lock", default=os.path.join(NODE, "packages.lock.json"), metavar="FILE", help="the lock file")
    given = arguments.parse_args()
    assets = os.path.join(NODE, "obj", "project.assets.json")
    document = make(read(given.lock), read(assets) if os.path.exists(assets) else None, debian())
    os.makedirs(os.path.dirname(os.path.abspath(given.o)), exist_ok=True)
    with open(given.o, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
