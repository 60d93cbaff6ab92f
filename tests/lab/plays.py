"""The main of a suite that is played in labs."""
import os
import re

import lab
from tap import scenario


def run(results, suite, plays, words=()):
    """
    Plays each of plays, (name, hosts, function of the lab), in a lab of its own, whose logs are kept in artifacts/logs/SUITE/NAME; of these only such as
    have one of the words in their name, if there are words. The status that the process is to end with.
    """
    lab.interruptible()
    lacking = lab.lacks()
    if lacking:
        print(f"not ok {suite} cannot run here: {lacking}")
        return 1
    for name, hosts, play in plays:
        if words and not any(word in name for word in words):
            continue
        logs = os.path.join(lab.REPOSITORY, "artifacts", "logs", suite, re.sub(r"\W+", "-", name))
        with scenario(name), lab.Lab(hosts=hosts, keep_logs=logs) as fleet:
            play(fleet)
    return 1 if results.failed else 0
