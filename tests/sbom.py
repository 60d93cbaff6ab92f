#!/usr/bin/env python3
"""The bill of materials (scripts/sbom.py): the fields that CycloneDX requires, and that every package and linked library is in it."""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "lab"))
from tap import Results, equal, true  # noqa: E402

SERIAL = r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def make():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "bom.json")
        subprocess.run([sys.executable, os.path.join(ROOT, "scripts", "sbom.py"), "-o", path], check=True)
        with open(path, encoding="utf-8") as file:
            return file.read()


def main():
    results = Results()
    text = make()
    bom = json.loads(text)
    with results.check("the document has what CycloneDX requires"):
        equal([bom["bomFormat"], bom["specVersion"], bom["version"]], ["CycloneDX", "1.6", 1], "the format")
        true(re.fullmatch(SERIAL, bom["serialNumber"]), bom["serialNumber"])
        for component in [bom["metadata"]["component"], *bom["components"]]:
            true(all(component[key] for key in ("type", "name", "version", "bom-ref", "purl")), f"{component} lacks a field")
            true(component.get("scope", "required") in ("required", "optional", "excluded"), f"the scope of {component}")
            for each in component.get("hashes", []):
                true(each["alg"] == "SHA-512" and re.fullmatch("[0-9a-f]{128}", each["content"]), f"the hash of {component['name']}")
    with results.check("references are unique and lead to a component"):
        refs = [c["bom-ref"] for c in bom["components"]] + [bom["metadata"]["component"]["bom-ref"]]
        equal(len(refs), len(set(refs)), "the number of references")
        for entry in bom["dependencies"]:
            true({entry["ref"], *entry["dependsOn"]} <= set(refs), f"{entry['ref']} depends on what is not there")
    with results.check("every package of the lock file is in it, with its hash"):
        with open(os.path.join(ROOT, "src", "Node", "packages.lock.json"), encoding="utf-8") as file:
            lock = json.load(file)
        purls = {c["purl"]: c for c in bom["components"]}
        for target in lock["dependencies"].values():
            for name, entry in target.items():
                if entry["type"] != "Project":
                    true("hashes" in purls.get(f"pkg:nuget/{name}@{entry['resolved']}", {}), f"{name} is missing, or its hash")
    with results.check("every archive that native/build.sh links is in it, where its package is installed"):
        with open(os.path.join(ROOT, "native", "build.sh"), encoding="utf-8") as file:
            linked = set(re.findall(r"lib\w+\.a:([\w+-]+-dev)", file.read())) | {"libssl-dev"}
        have = {c["name"] for c in bom["components"]}
        for package in sorted(linked):
            installed = subprocess.run(["dpkg-query", "-W", "-f=${db:Status-Status}", package], capture_output=True, text=True, check=False)
            true(package in have or installed.stdout != "installed", f"{package} is missing")
    with results.check("the same inputs give the same document"):
        equal(make() == text, True, "the equality")
    with results.check("every project has a lock file"):
        projects = glob.glob(os.path.join(ROOT, "*", "**", "*.csproj"), recursive=True)
        equal([p for p in projects if not os.path.exists(os.path.join(os.path.dirname(p), "packages.lock.json"))], [], "those without")
    sys.exit(1 if results.failed else 0)


if __name__ == "__main__":
    main()
