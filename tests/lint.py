#!/usr/bin/env python3
"""Checks of the files that need no build: whitespace, line width, projects of the solution, paths of the Dockerfile, retired names,
commit titles.

The analyzers and the style rules are errors of every build; `make lint` also runs dotnet format over the whole solution."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lab"))
from tap import Results, equal  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
KINDS = (".cs", ".csproj", ".props", ".targets", ".proto", ".c", ".go", ".mjs", ".py", ".sh", ".md", ".toml", ".service",
         "Makefile", "Dockerfile", ".editorconfig", ".ci/run")
WIDTH = 140
TITLE = 72
TITLES_AFTER = "9d2ed84afecabe96ef8c5ae3a068549232105b0e"  # older titles are as they are
TEST_NAME = re.compile(r"[A-Z][A-Za-z0-9]*(_[A-Za-z0-9]+)+")
# Names that were replaced by the field's own terms; none of them comes back as a part of an identifier.
RETIRED = """
    WantBook WantDesk PeerLink PeerWants BlockIntake AheadBlock WantAhead AskedBlocks Fellow Fellows Scattered AskPace UploadPace LinkWindow
    BlockGate Condemn Absolve Keeping SettleAsync ContentUpdates UnixDoor MetricsDoor Doors FleetQuestions FleetIndex LongWork BulkWork
    ContentNeeds brokenOff InboundGate StreamGate DhtLink ResolveLink(?!Target) ProvideEntry ProviderEntry
""".split()


def read(name):
    with open(os.path.join(ROOT, name), "rb") as file:
        return file.read()


def git(*words):
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


def matching(names, pattern):
    return [name for name in names if re.search(pattern, read(name), re.M)]


def too_wide(names):
    for name in names:
        for number, line in enumerate(read(name).decode().split("\n"), 1):
            if len(line) > WIDTH:
                yield f"{name}:{number} ({len(line)})"


def dockerfile():
    """What the Dockerfile copies that does not exist: a path in the build's folder, or another stage."""
    text = read("Dockerfile").decode()
    stages = {name.lower() for name in re.findall(r"^FROM \S+ AS (\S+)$", text, re.M | re.I)}
    ignored, makefile = read(".dockerignore").decode().splitlines(), read("Makefile").decode()
    for words in (line.split()[1:] for line in text.splitlines() if re.match(r"(COPY|ADD) ", line)):
        if words[0].startswith("--from="):
            if words[0][7:].lower() not in stages:
                yield f"{words[0]} is no stage"
            continue
        for path in words[:-1]:
            # Tracked, or made by `make build`; and let through by .dockerignore.
            made = re.search(rf"^(\S+ )*{re.escape(path)}[ :]", makefile, re.M)
            if not os.path.exists(os.path.join(ROOT, path)) and not made:
                yield f"{path} is copied but does not exist"
            if "!" + path not in ignored:
                yield f"{path} is copied but ignored"


def badly_named_tests(names):
    """Test methods whose names are not a sentence with underscores, such as A_want_that_is_cancelled_is_not_sent."""
    method = re.compile(r"^ *\[(?:Fact|Theory)\b.*\n(?:^ *(?:\[.*|//.*)\n)*^ *public (?:async )?[\w<>]+ (\w+)\(", re.M)
    for name in names:
        if re.match(r"tests/\w+\.Tests/", name):
            yield from (f"{name}: {test}" for test in method.findall(read(name).decode()) if not TEST_NAME.fullmatch(test))


def retired_names(names):
    pattern = re.compile(r"\w*(?<![A-Z])(?:" + "|".join(RETIRED) + r")(?![a-z])\w*")
    for name in names:
        found = sorted(set(pattern.findall(read(name).decode()) + pattern.findall(os.path.basename(name))))
        if found:
            yield f"{name}: {', '.join(found)}"


def long_titles():
    """Commit titles longer than TITLE, in a clone that has the commits to look at."""
    known = subprocess.run(["git", "merge-base", "--is-ancestor", TITLES_AFTER, "HEAD"], cwd=ROOT, capture_output=True).returncode == 0
    return [title for title in git("log", "--format=%s", TITLES_AFTER + "..") if len(title) > TITLE] if known else []


def main():
    listed = git("ls-files", "-co", "--exclude-standard")
    files = [name for name in listed if name.endswith(KINDS) and os.path.isfile(os.path.join(ROOT, name))]
    code = [name for name in files if name.endswith(".cs")]
    solution = read("Ipcs.sln").decode()
    results = Results()
    with results.check("files are found"):
        equal(len(code) > 100, True, "more than 100 C# files")
    with results.check("no blanks at the ends of lines"):
        equal(matching(files, rb"[ \t\r]$"), [], "the list of files that have some")
    with results.check("every file ends with a line"):
        equal([name for name in files if read(name)[-1:] not in (b"", b"\n")], [], "the list of those that do not")
    with results.check("no tabs in C#"):
        equal(matching(code, rb"^ *\t"), [], "the list of files that have some")
    with results.check("namespaces are file-scoped"):
        equal(matching(code, rb"^namespace [^;]+$"), [], "the list of files with one in braces")
    with results.check(f"commit titles have at most {TITLE} characters"):
        equal(long_titles(), [], "the list of longer ones")
    with results.check(f"lines have at most {WIDTH} characters"):
        equal(list(too_wide(files)), [], "the list of longer ones")
    with results.check("test methods are named as sentences"):
        equal(list(badly_named_tests(code)), [], "the list of others")
    with results.check("no retired name comes back"):
        equal(list(retired_names(code)), [], "the list of those that do")
    with results.check("every project of the product and its tests is in the solution"):
        projects = [name for name in files if name.endswith(".csproj") and not name.startswith("bench/")]
        equal([name for name in projects if f'"{name.replace("/", chr(92))}"' not in solution], [], "the list of those that are not")
    with results.check("everything that the Dockerfile copies exists"):
        equal(list(dockerfile()), [], "the list of problems")
    sys.exit(1 if results.failed else 0)


if __name__ == "__main__":
    main()
