#!/usr/bin/env python3
"""What can be said of the files without building them: ends of lines and files, projects of the solution, paths of the Dockerfile.

The analyzers and the style rules are errors of every build; `make lint` runs dotnet format over all of it besides."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lab"))
from tap import Results, equal  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
KINDS = (".cs", ".csproj", ".props", ".targets", ".sh", ".py", ".mjs", ".go", ".md", ".toml", ".proto", "Makefile", "Dockerfile", ".editorconfig")


def read(name):
    with open(os.path.join(ROOT, name), "rb") as file:
        return file.read()


def wrong(names, pattern):
    return [name for name in names if re.search(pattern, read(name), re.M)]


def dockerfile():
    """What its lines say that can't be: a path of the build's folder, a stage that is none."""
    text = read("Dockerfile").decode()
    stages = {name.lower() for name in re.findall(r"^FROM \S+ AS (\S+)$", text, re.M | re.I)}
    ignore, makes = read(".dockerignore").decode().splitlines(), read("Makefile").decode()
    for words in (line.split()[1:] for line in text.splitlines() if re.match(r"(COPY|ADD) ", line)):
        if words[0].startswith("--from="):
            if words[0][7:].lower() not in stages:
                yield f"{words[0]} is no stage"
            continue
        for path in words[:-1]:
            # In the repository, or what `make build` makes; and let in by .dockerignore.
            if not os.path.exists(os.path.join(ROOT, path)) and not re.search(rf"^{re.escape(path)}:", makes, re.M):
                yield f"{path} is copied and is not there"
            if "!" + path not in ignore:
                yield f"{path} is copied and ignored"


def main():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    files = [name for name in listed if name.endswith(KINDS) and os.path.isfile(os.path.join(ROOT, name))]
    code = [name for name in files if name.endswith(".cs")]
    solution = read("Ipcs.sln").decode()
    results = Results()
    with results.check("files are found"):
        equal(len(code) > 100, True, "more than 100 C# files")
    with results.check("no blanks at the ends of lines"):
        equal(wrong(files, rb"[ \t\r]$"), [], "the list of those that have some")
    with results.check("every file ends with a line"):
        equal([name for name in files if read(name)[-1:] not in (b"", b"\n")], [], "the list of those that don't")
    with results.check("no tabs in C#"):
        equal(wrong(code, rb"^ *\t"), [], "the list of those that have some")
    with results.check("namespaces are those of the file"):
        equal(wrong(code, rb"^namespace [^;]+$"), [], "the list of those in braces")
    with results.check("every project of the product and its tests is in the solution"):
        equal([name for name in files if name.endswith(".csproj") and not name.startswith("bench/") and f'"{name.replace("/", chr(92))}"' not in solution], [], "the list of those that aren't")
    with results.check("what the Dockerfile copies is there"):
        equal(list(dockerfile()), [], "the list of what isn't")
    sys.exit(1 if results.failed else 0)


if __name__ == "__main__":
    main()
