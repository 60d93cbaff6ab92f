"""Test results as lines that tests/run.sh counts: `ok NAME`, `not ok NAME: reason`."""
import contextlib
import time


class Results:
    def __init__(self):
        self.failed = 0

    @contextlib.contextmanager
    def check(self, name, need=False):
        """Reports one result. With need=True a failure also ends the scenario, because the following checks depend on this one."""
        begin = time.monotonic()
        try:
            yield
        except Exception as e:  # any exception fails this check, and the next one still runs
            self.failed += 1
            print(f"not ok {name}: {type(e).__name__}: {e}", flush=True)
            if need:
                raise Stop from e
        else:
            print(f"ok {name} ({time.monotonic() - begin:.1f} s)", flush=True)


class Stop(Exception):
    """Ends a scenario whose failure has been counted already."""


@contextlib.contextmanager
def scenario(name):
    """A group of checks that ends at the first failed check with need=True."""
    print(f"# {name}", flush=True)
    try:
        yield
    except Stop:
        print(f"# {name}: the remaining checks are skipped", flush=True)


def equal(actual, expected, what):
    if actual != expected:
        raise AssertionError(f"{what} is {actual!r}, not {expected!r}")


def true(condition, what):
    if not condition:
        raise AssertionError(what)
