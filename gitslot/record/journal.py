"""
The journal: append-only events in the storage account, and the questions asked of them.

One append blob an app and month, one event a line. An append says how long the journal was when it
was looked at, so that whoever did not see the newest event cannot write the next one. A blob is
sealed under the same condition before the next one is begun, and the seal names that one: clocks
that differ at the turn of a month lead to one blob, not to two.

A blob ends after so many events, too, and each but the first begins with the fold of those before
it: a new process reads one blob, however long the journal is.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from gitslot.errors import JournalError, JournalMoved
from gitslot.record import folded
from gitslot.record.event import Event, clean, parse
from gitslot.record.memory import fold
from gitslot.record.payload import Payload
from gitslot.record.recent import Change, Recent
from gitslot.state.remembered import Memory

if TYPE_CHECKING:
    from gitslot.record.blobs import Blobs, Listed

ROLL_EVENTS = 1_000  # an append blob holds 50,000
_MAX_BYTES = 256 * 1024 * 1024
_BACK_BYTES = 128 * 1024  # what `newest` reads first: 150 events or more


# What was known before some blobs, and their names and bytes, oldest first.
_Piece = tuple[Memory, Recent, list[tuple[str, bytes]]]


@dataclass(slots=True)
class _Tail:
    """
    Where the next event goes: the newest blob, its length in bytes and events.

    *unsealed* is the length of each older blob that a writer may still take for the newest.
    """

    name: str
    size: int = 0
    events: int = 0
    memory: Memory = field(default_factory=Memory)
    recent: Recent = field(default_factory=Recent)
    unsealed: dict[str, int] = field(default_factory=dict)

    def fold(self, events: Sequence[Event]) -> None:
        """Take *events* in, an id that comes twice once. Raises JournalError."""
        unique = list({event.id: event for event in events}.values())
        self.memory = fold(unique, self.memory)
        for event in unique:
            self.recent.add(event)
        self.events += len(unique)

    def take(self, data: bytes) -> str | None:
        """Fold *data*, which the newest blob goes on with; return the one that follows, if any."""
        self.fold(_events(data))
        self.size += len(data)
        self.memory = replace(self.memory, length=self.size)
        return _seal(data, self.name)

    def begin(self, name: str) -> None:
        """Go on in the blob *name*."""
        self.name, self.size, self.events = name, 0, 0


class Journal:
    """
    The journal of every app in one storage account.

    *tell* is called with each event after it is written: logging and the terminal listen there.
    """

    def __init__(self, blobs: "Blobs", tell: Callable[[Event], None] = lambda _: None) -> None:
        self.blobs = blobs
        self.tell = tell
        self._tails: dict[str, _Tail] = {}
        self._folders: dict[str, str] = {}

    def memory(self, app: str, now: datetime) -> Memory:
        """
        Return what the journal of *app* says, reading only what is new since the last call.

        Raises JournalError where it cannot be read.
        """
        tail = self._tails.get(app)
        if tail is None:
            tail = self._open(app, self._listed(app), now)
        self._tails.pop(app, None)  # what cannot be caught up with is read anew next time
        self._catch_up(tail)
        self._tails[app] = tail
        return tail.memory

    def known(self, app: str) -> tuple[Memory, Recent] | None:
        """Return what was last read or written of *app*, asking nobody; None where it is lost."""
        tail = self._tails.get(app)
        return (tail.memory, tail.recent) if tail else None

    def _open(self, app: str, found: Sequence["Listed"], now: datetime) -> _Tail:
        """Fold the blobs *found*, from the newest fold on that counts."""
        if not found:
            return _Tail(_month(self._folder(app), now))
        memory, recent, blobs = next(self._pieces(found))
        tail = _Tail("", memory=memory, recent=recent)
        for name, data in blobs:
            tail.begin(name)
            follows = tail.take(data)
            if follows is None and name != found[-1].name:
                tail.unsealed[name] = len(data)
        if follows:
            tail.begin(follows)
        return tail

    def _pieces(self, found: Sequence["Listed"]) -> Iterator[_Piece]:
        """Yield the blobs *found* in pieces, the newest first; each begins with a fold."""
        blobs: list[tuple[str, bytes]] = []
        for number in reversed(range(len(found))):
            name, size = found[number].name, found[number].size
            if size > _MAX_BYTES:
                raise JournalError(f"the journal {name} is too large", reason="JournalUnreadable")
            blobs.insert(0, (name, self.blobs.read(name)))
            start = folded.read(blobs[0][1], found[:number]) if number else (Memory(), Recent())
            if start:
                yield *start, blobs
                blobs = []

    def _listed(self, app: str) -> list["Listed"]:
        """Return the blobs of *app*, oldest first."""
        found = self.blobs.listed(f"journal/{self._folders.get(app, app)}/")
        if found:
            self._folders.setdefault(app, app)
        elif app not in self._folders and self._folder(app) != app:
            return self._listed(app)
        return sorted((e for e in found if _NAME.fullmatch(e.name)), key=lambda e: _order(e.name))

    def _folder(self, app: str) -> str:
        """Return the name that *app* was first written under: names are compared without case."""
        if app not in self._folders:
            known = (name for name in self.apps() if name.lower() == app.lower())
            self._folders[app] = next(known, app)
        return self._folders[app]

    def _catch_up(self, tail: _Tail) -> None:
        while sealed := self._read_on(tail):
            tail.begin(sealed)

    def _read_on(self, tail: _Tail) -> str | None:
        """Fold what was added to the newest blob; return the one that follows if it is sealed."""
        size = self.blobs.size(tail.name) or 0
        if size < tail.size:
            raise JournalError(
                f"the journal {tail.name} is shorter than it was", reason="JournalLost"
            )
        if size > _MAX_BYTES:
            raise JournalError(f"the journal {tail.name} is too large", reason="JournalUnreadable")
        if size == tail.size:
            return None
        return tail.take(self.blobs.read(tail.name, tail.size)[: size - tail.size])

    def reader(self) -> "Journal":
        """Return a journal that knows nothing yet, for reading while passes write to this one."""
        return Journal(self.blobs)

    def grew(self, app: str) -> bool:
        """Say whether anything was added to the journal of *app* since it was last read."""
        tail = self._tails.get(app)
        if tail is None:
            return False
        try:
            found = self.blobs.size(tail.name)
        except JournalError:
            return False
        return found is not None and found != tail.size

    def append(self, app: str, events: Sequence[Event], now: datetime) -> Memory:
        """
        Append *events* as one block and return the memory after them.

        The condition is the length that the last `memory` call saw: raises JournalMoved where
        somebody appended since, JournalError where the answer was lost. Either way the caller
        looks again.
        """
        tail = self._tails.get(app)
        if tail is None:
            raise JournalError("the journal could not be read again before it was written to")
        name = _next_name(tail, self._folder(app), now)
        left = {tail.name: tail.size} if name != tail.name and tail.size else {}
        first = not tail.size and tail.memory == Memory()
        position = tail.size if name == tail.name else 0
        cleaned = [clean(event) for event in events]
        data = b"".join(event.line() for event in cleaned)
        try:
            for older, length in {**tail.unsealed, **left}.items():
                self.blobs.append(older, _sealing(app, name, now).line(), length)
                tail.unsealed.pop(older, None)
            if not (position or first):
                data = self._fold_before(app, name, now) + data
            self.blobs.append(name, data, position)
        except JournalMoved:
            self._tails.pop(app, None)
            raise
        begun = [each.name for each in self._listed(app)] if first else [name]
        if begun != [name]:  # somebody else began it in another month
            self._tails.pop(app, None)
            raise JournalMoved("somebody else began the journal")
        if name != tail.name:
            tail.begin(name)
        tail.size = position + len(data)
        tail.fold(cleaned)
        tail.memory = replace(tail.memory, length=tail.size)
        self._tails[app] = tail
        for event in cleaned:
            self.tell(event)
        return tail.memory

    def _fold_before(self, app: str, name: str, now: datetime) -> bytes:
        """Return the first line of the blob *name*, folded anew of what storage holds by now."""
        with suppress(JournalError):
            found = [each for each in self._listed(app) if each.name != name]
            tail = self._open(app, found, now)
            if tail.name == name and not tail.unsealed:
                return folded.line(app, now, found, tail.memory, tail.recent)
        return b""

    def newest(self, app: str, having: str = "") -> Iterator[Event]:
        """Yield the events of *app*, newest first, each id once; those without *having* unread."""
        seen, text = set[str](), having.encode()
        for each in reversed(self._listed(app)):
            for line in self._lines_back(each):
                for event in _events(line + b"\n") if text in line else ():
                    if event.id not in seen:
                        seen.add(event.id)
                        yield event

    def _lines_back(self, blob: "Listed") -> Iterator[bytes]:
        """Yield the lines of *blob*, last first, reading it in parts from its end."""
        end, step, rest = blob.size, _BACK_BYTES, b""
        while end:
            start = max(0, end - step)
            lines = (self.blobs.read(blob.name, start, end - start) + rest).split(b"\n")
            rest = lines.pop(0) if start else b""
            yield from reversed(lines)
            end, step = start, 2 * step

    def changes(self, app: str) -> Iterator[list[Change]]:
        """Yield the changes of production of *app*, oldest first, in pieces, the newest first."""
        for _, recent, blobs in self._pieces(self._listed(app)):
            unique = {event.id: event for _, data in blobs for event in _events(data)}
            yield list(filter(None, map(recent.trace.add, unique.values())))

    def events(self, app: str) -> list[Event]:
        """Return every event of *app*, oldest first, each id once."""
        return list(self.newest(app))[::-1]

    def apps(self) -> list[str]:
        """Return the names of the apps that have a journal."""
        names = (name.split("/") for name in self.blobs.names("journal/"))
        return sorted({parts[1] for parts in names if len(parts) == 3})


_NAME = re.compile(r"journal/[^/]+/(\d{4}-\d{2})(?:-(\d+))?\.jsonl")


def _order(name: str) -> tuple[str, int]:
    match = _NAME.fullmatch(name)
    assert match is not None
    return match[1], int(match[2] or 1)


def _month(app: str, now: datetime) -> str:
    return f"journal/{app}/{now:%Y-%m}.jsonl"


def _next_name(tail: _Tail, app: str, now: datetime) -> str:
    """Return the blob that the next event belongs in: never one older than the newest."""
    month = _month(app, now)
    if _order(month)[0] > _order(tail.name)[0]:
        return month
    if tail.events < ROLL_EVENTS:
        return tail.name
    start, part = _order(tail.name)
    return f"journal/{app}/{start}-{part + 1}.jsonl"


_SEALED = "Sealed"


def _sealing(app: str, follows: str, now: datetime) -> Event:
    """Return the last line of a blob: the journal's own, and no event of the app."""
    detail = Payload(follows=follows, quiet=True)
    return Event(_SEALED, app, now, message=f"the journal goes on in {follows}", detail=detail)


def _seal(data: bytes, name: str) -> str | None:
    """
    Return the blob that follows *name*, whose lines *data* ends with, or None while it is open.

    Raises JournalError where the seal names none.
    """
    last = data.rstrip().rpartition(b"\n")[2]
    event = parse(last) if last else None
    if event is None or event.event != _SEALED:
        return None
    follows = event.detail.follows
    folder = name.rpartition("/")[0]
    if not (_NAME.fullmatch(follows) and follows.startswith(f"{folder}/")):
        raise JournalError(f"the seal of {name} names no journal", reason="JournalUnreadable")
    if _order(follows) <= _order(name):
        raise JournalError(f"the seal of {name} leads back", reason="JournalUnreadable")
    return follows


def _events(data: bytes) -> list[Event]:
    *lines, cut = data.split(b"\n")  # a line without its end is none of ours, and not passed over
    lines = [*(line for line in lines if not line.startswith(folded.BEGINS)), cut]
    events = map(parse, filter(bytes.strip, lines))
    return [event for event in events if event.event not in (_SEALED, folded.NAME)]
