"""Results as lines that tests/run.sh counts: `ok NAME`, `not ok NAME: why`."""
import contextlib
import time


class Results:
    def __init__(self):
        self.failed = 0

    @contextlib.contextmanager
    def check(self, name, need=False):
        """One result. With need=True an exception goes on after it has been counted: what follows could not hold either."""
        begin = time.monotonic()
        try:
            yield
        except Exception as e:  # whatever went wrong is this test's failure, and the next one still runs
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
    """A group of checks that is left at the first one that the others need."""
    print(f"# {name}", flush=True)
    try:
        yield
    except Stop:
        print(f"# {name}: the rest of it was left out", flush=True)


def equal(actual, expected, what):
    if actual != expected:
        raise AssertionError(f"{what} is {actual!r}, not {expected!r}")


def true(condition, what):
    if not condition:
        raise AssertionError(what)
