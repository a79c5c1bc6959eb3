"""
S9 in process: all that a run said (log records of every logger, its journal, its stop) is searched
for what must stay where it is: tokens, the slots' keys, values of the app's own settings.
"""

import contextlib
import logging
from collections.abc import Iterator

from gitslot.state.decision import Stop
from reliability.checker import Violation
from reliability.cloud import Cloud, token

SETTING = "https://team.example/x?sig=canary-of-the-app"  # what people set on the app
CALLERS = ("controller", "A", "B")


class _Heard(logging.Handler):
    """Keeps what every logger says, with everything that hangs on a record."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self.texts.append(f"{record.getMessage()} {vars(record)} {error!r}")


_heard = _Heard()


@contextlib.contextmanager
def listening() -> Iterator[None]:
    """Hear every logger at its lowest level."""
    root = logging.getLogger()
    level = root.level
    root.addHandler(_heard)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(_heard)
        _heard.texts.clear()


def heard() -> str:
    """Return all that was logged since the last call."""
    texts = "\n".join(_heard.texts)
    _heard.texts.clear()
    return texts


def leaks(cloud: Cloud, stop: Stop | None) -> list[Violation]:
    """Return which secrets of *cloud* were said since the last call."""
    journal = b"".join(cloud.blobs.read(name) for name in cloud.blobs.names("journal/"))
    said = "\n".join([heard(), journal.decode(), repr(stop)])
    secrets = {"an app's setting": SETTING}
    secrets |= {f"the token of {name}": token(name) for name in CALLERS}
    for slot in cloud.site.slots.values():
        secrets[f"a key of {slot.key}"] = slot.keys.function
        secrets[f"the master key of {slot.key}"] = slot.keys.master
    return [Violation("S9", 0, f"{what} was said") for what, it in secrets.items() if it in said]
