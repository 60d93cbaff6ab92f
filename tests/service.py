#!/usr/bin/env python3
"""The systemd unit: valid, and as closed as `systemd-analyze security` asks of it. Skipped where systemd is not installed."""
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "lab"))
from tap import Results, equal, true  # noqa: E402

UNIT = os.path.join(ROOT, "docs", "operations", "ipcs.service")
MOST = 3.0


def main():
    results = Results()
    if not shutil.which("systemd-analyze"):
        print("skip the systemd unit: there is no systemd-analyze here (install the package systemd)")
        sys.exit(0)
    with results.check("the unit is valid"):
        done = subprocess.run(["systemd-analyze", "verify", UNIT], capture_output=True, text=True, check=False)
        # The program is not installed here.
        problems = [line for line in done.stderr.splitlines() if "ipcs.service" in line and "is not executable" not in line]
        equal(problems, [], "the problems")
    with results.check(f"its exposure is at most {MOST}"):
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", UNIT], capture_output=True, text=True,
                              check=False)
        exposure = re.search(r"Overall exposure level for ipcs\.service: ([\d.]+)", done.stdout)
        true(exposure and float(exposure.group(1)) <= MOST, done.stdout[-300:] + done.stderr)
    sys.exit(1 if results.failed else 0)


if __name__ == "__main__":
    main()
