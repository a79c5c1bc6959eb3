"""
One event of the reconcile log: the same fields in the journal, in logging and on the terminal.

Pure. Texts that come from outside are escaped here, once, so that no commit subject or platform
message can forge a line or colour a terminal.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any

from gitslot.errors import JournalError
from gitslot.record import payload
from gitslot.record.payload import NONE, Payload
from gitslot.state.safe_text import safe
from gitslot.state.wanted import Release

BY_HAND = "ByHand"  # somebody else changed production
OBSERVING = "Observing"  # the controller only observes from now on
WOULD = "Would"  # followed by the kind of write that an observer leaves undone
# What is no act of ours: it vouches for nothing, and the recorded stop stays.
ONLY_SEEN = (BY_HAND, OBSERVING, *(f"{WOULD}{write}" for write in ("Deploy", "Swap", "Reset")))
STOPS = ("Converged", "Waiting", "Stalled", "Frozen", "Suspended")


@dataclass(frozen=True, slots=True)
class Event:
    """
    One transition. *time* is UTC; *duration_ms* counts from the start of the run. *revision* is
    the commit that last changed what the slot wants, *head* the newest one of that look.

    *detail* holds what only the controller's memory needs: markers, deploy ids, where to poll.
    """

    event: str
    app: str
    time: datetime
    run: str = ""
    revision: str = ""
    author: str = ""
    subject: str = ""
    head: str = ""
    slot: str = ""
    from_: str = ""
    to: str = ""
    from_digest: str = ""
    to_digest: str = ""
    verdict: str = ""
    rule: str = ""
    reason: str = ""
    message: str = ""
    duration_ms: int | None = None
    trigger: str = ""
    model: str = ""
    detail: Payload = NONE
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def release(self) -> Release | None:
        """Return the release that the event is about, or None."""
        return Release(self.model, self.to, self.to_digest) if self.to_digest else None

    @property
    def quiet(self) -> bool:
        """Return whether this is bookkeeping of a step that is recorded already."""
        return self.detail.quiet

    @property
    def rehearsal(self) -> bool:
        """Say whether this is about the release that waits in staging, not what Git wants."""
        return self.detail.rehearsal

    @property
    def replaced(self) -> Release | None:
        """Return the release that it replaces, or None; it may be of another model."""
        model = self.detail.from_model or self.model
        return Release(model, self.from_, self.from_digest) if self.from_digest else None

    def as_dict(self) -> dict[str, Any]:
        """Return the public form: every field that is not empty, in reading order."""
        shown: dict[str, Any] = {"id": self.id, "time": _time(self.time)}
        for entry in fields(self):
            value = getattr(self, entry.name)
            value = value.as_dict() if isinstance(value, Payload) else value
            if entry.name not in shown and value not in ("", None, {}):
                shown[entry.name.rstrip("_")] = value
        return shown

    def line(self) -> bytes:
        """Return the event as one line of the journal."""
        text = json.dumps(self.as_dict(), ensure_ascii=False, separators=(",", ":"), default=str)
        return text.encode() + b"\n"


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def clean(event: Event) -> Event:
    """Return *event* with every text made safe to print."""
    texts: dict[str, Any] = {
        entry.name: safe(value)
        for entry in fields(event)
        if isinstance(value := getattr(event, entry.name), str)
    }
    return replace(event, **texts)


def parse(line: bytes) -> Event:
    """
    Read one line of a journal.

    Raises JournalError where it is not an event; nothing is guessed.
    """
    try:
        raw = json.loads(line)
        moment = datetime.fromisoformat(raw.pop("time"))
        raw["from_"] = raw.pop("from", "")
        raw["detail"] = payload.read(raw.pop("detail", {}))
        values = {key: value for key, value in raw.items() if key in _KINDS}
        for key, value in values.items():
            if not isinstance(value, _KINDS[key]):
                raise ValueError(f"{key} has the wrong type")
        if moment.tzinfo is None:
            raise ValueError("time has no zone")
        return Event(time=moment, **values)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise JournalError(
            f"a line of the journal is not an event: {safe(repr(line[:80]))}",
            reason="JournalUnreadable",
        ) from error


_KINDS: Mapping[str, type] = {
    **{entry.name: str for entry in fields(Event)},
    **{"duration_ms": int, "detail": Payload},
}
