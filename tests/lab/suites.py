"""Runs the scenarios of a suite, each in a lab of its own."""
import os
import re

import lab
from tap import scenario


def run(results, suite, scenarios, words=()):
    """
    Runs scenarios, tuples of a name, a number of hosts and a function of the lab. Given words, only those with one of them in their name.
    Logs go to artifacts/logs/SUITE/NAME. Returns the exit status of the process.
    """
    lab.interruptible()
    reason = lab.missing_requirement()
    if reason:
        print(f"not ok {suite} cannot run here: {reason}")
        return 1
    for name, hosts, function in scenarios:
        if words and not any(word in name for word in words):
            continue
        logs = os.path.join(lab.REPOSITORY, "artifacts", "logs", suite, re.sub(r"\W+", "-", name))
        with scenario(name), lab.Lab(hosts=hosts, keep_logs=logs) as fleet:
            function(fleet)
    return 1 if results.failed else 0
