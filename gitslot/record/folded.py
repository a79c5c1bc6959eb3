"""
The first line of a blob of the journal: the fold of all that stands in the blobs before it. Pure.

It counts only where this version folds alike and those blobs are still the ones that were folded;
else it is passed over, and all is folded. Storage gives a blob another etag with every write.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from gitslot.record.event import Event
from gitslot.record.recent import Recent
from gitslot.state import plain
from gitslot.state.remembered import Memory

if TYPE_CHECKING:
    from gitslot.record.blobs import Listed

VERSION = 1  # raise it whenever the same events fold to something else
NAME = "Folded"
BEGINS = b'{"event":"Folded",'
_MAX_BYTES = 3 * 1024 * 1024  # some 10,000 releases; one append takes 4 MiB


@dataclass(frozen=True, slots=True)
class Folded:
    """What the blobs that *covers* stands for fold to, by the rules of *version*."""

    version: int
    covers: str
    memory: Memory
    recent: Recent


def line(
    app: str, now: datetime, older: Sequence["Listed"], memory: Memory, recent: Recent
) -> bytes:
    """Return the line for the blob that follows *older*; nothing where it would be too long."""
    fold = plain.plain(Folded(VERSION, _covers(older), memory, recent))
    event = Event(NAME, app, now).as_dict()  # an older controller passes over an event like this
    raw = {"event": NAME, **event, "detail": {"quiet": True, "fold": fold}}
    found = json.dumps(raw, separators=(",", ":")).encode() + b"\n"
    return found if len(found) <= _MAX_BYTES else b""


def read(data: bytes, older: Sequence["Listed"]) -> tuple[Memory, Recent] | None:
    """Return the fold that *data*, a blob that follows *older*, begins with, if it counts."""
    if not data.startswith(BEGINS):
        return None
    try:
        raw = json.loads(data[: data.find(b"\n")])["detail"]["fold"]
        if (raw["version"], raw["covers"]) != (VERSION, _covers(older)):
            return None
        found = plain.read(Folded, raw)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return found.memory, found.recent


def _covers(older: Sequence["Listed"]) -> str:
    known = "".join(f"{each.name} {each.size} {each.etag}\n" for each in older)
    return hashlib.sha256(known.encode()).hexdigest()
