"""
What a case on real processes was seen to do, as the history that the checker replays.

Three witnesses that do not know of each other: the platform's own history, the requests and answers
of each controller process, and git's command line. The platform tells only some of the settings, so
the whole of them is worked out from what was put and swapped, and held against ARM at the end.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from gitslot.record.event import parse
from reliability.cloud import APP

Line = Mapping[str, Any]
Settings = dict[str, dict[str, str]]  # by slot
_JUST_AFTER = 1e-6  # seconds
_READS = ("appsettings-list", "site-get", "slotconfignames-get")
_ARM_WRITES = ("appsettings-put", "slotsswap", "resetslotconfig")
# Of the platform's history, what the checker knows.
_PLATFORM = ("settings-put", "swap-started", "swap-flipped", "swap-reverted", "swap-failed")


@dataclass
class Trace:
    """The requests of one controller process, in the order in which they left."""

    caller: str
    lines: list[Line]

    @classmethod
    def read(cls, caller: str, file: Path) -> "Trace":
        """Read a trace; a line that was cut off is a ValueError."""
        raw = file.read_text().splitlines() if file.exists() else []
        return cls(caller, [json.loads(line) for line in raw])

    @property
    def sent(self) -> list[Line]:
        """Return the requests that left."""
        return [line for line in self.lines if "sent" in line]

    @property
    def killed(self) -> str:
        """Return the place at which the process was killed, or ""."""
        return next((line["killed"] for line in self.lines if "killed" in line), "")

    @property
    def bypassed(self) -> list[Line]:
        """Return the requests that passed nobody."""
        return [line for line in self.lines if "bypassed" in line]

    def calls(self, name: str = "") -> list[tuple[Line, Line | None]]:
        """Return requests whose names begin with *name*, each with its answer if one came."""
        answers = {line["answered"]: line for line in self.lines if "answered" in line}
        return [
            (line, answers.get(line["sent"])) for line in self.sent if line["name"].startswith(name)
        ]

    def done(self, name: str, *statuses: int) -> int:
        """Return how many requests of *name* were answered by one of *statuses*."""
        return sum(bool(a and a["status"] in statuses) for _, a in self.calls(name))

    def after_pass(self, number: int) -> list[Line]:
        """Return the requests that left once pass *number* had begun."""
        began = next((i for i, line in enumerate(self.lines) if line.get("began") == number), None)
        return [] if began is None else [line for line in self.lines[began:] if "sent" in line]


def body(line: Line | None) -> bytes:
    """Return the body of a request or of an answer."""
    return base64.b64decode(line["body"]) if line else b""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit as git's command line shows it, and the digest of the version that it asks for."""

    name: str
    time: float
    wants: str


@dataclass
class Account:
    """Everything that was seen of one case. *settings* are as it began."""

    began: float
    settings: Settings
    sticky: frozenset[str]
    rows: int
    commits: Sequence[Commit]
    traces: Sequence[Trace]
    platform: Sequence[Line]
    now: Settings = field(default_factory=dict)
    put: dict[str, str] = field(default_factory=dict)  # what was last deployed

    def entries(self) -> list[dict[str, Any]]:
        """Return the history, numbered from 1, in the order of what happened."""
        timed = [(self.began, self._begin())]
        timed += [(c.time, self._committed(c)) for c in self.commits]
        leaving: dict[str, tuple[float, Trace, Line]] = {}
        for trace in self.traces:
            for call, answer in trace.calls():
                if call["id"]:
                    leaving[call["id"]] = (call["at"], trace, call)
                timed += _controller(trace, call, answer)
            timed += _proofs(trace, self.rows)
        timed += self._of_platform(leaving)
        timed.sort(key=lambda pair: pair[0])
        return [
            {**self._whole(entry), "seq": n, "time": at} for n, (at, entry) in enumerate(timed, 1)
        ]

    def _begin(self) -> dict[str, Any]:
        self.now = {slot: dict(values) for slot, values in self.settings.items()}
        return {"operation": "begin", "settings": self.settings, **self.settings}

    @staticmethod
    def _committed(commit: Commit) -> dict[str, Any]:
        facts = {"commit": commit.name, "wants": commit.wants, "code": None}
        return {"operation": "git-commit", **facts}

    def _of_platform(
        self, leaving: Mapping[str, tuple[float, Trace, Line]]
    ) -> Iterator[tuple[float, dict[str, Any]]]:
        """Give what the platform did; what no request of ours asked for is a stranger's."""
        asked = ""
        for entry in self.platform:
            if entry["operation"] not in _PLATFORM:
                continue
            at = datetime.fromisoformat(entry["time"]).timestamp()
            given: dict[str, Any] = {**entry, "caller": "stranger"}
            if entry["request"]:
                left = leaving.get(entry["request"]["id"])
                if left:  # the platform's clock counts whole milliseconds
                    at = max(at, left[0] + _JUST_AFTER)
                    given["caller"], given["put"] = left[1].caller, body(left[2])
                asked = given["caller"]
            else:
                given["caller"] = asked
            yield at, given

    def _whole(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Add the whole settings of both slots to what the platform did."""
        operation = entry["operation"]
        if operation not in _PLATFORM:
            return entry
        put = entry.pop("put", b"")
        if operation == "settings-put" and put:
            self.put = dict(json.loads(put)["properties"])
            self.now[entry["slot"]] = dict(self.put)
        if operation in ("swap-flipped", "swap-reverted"):
            self.now = exchanged(self.now, self.sticky)
        return {**entry, "settings": {slot: dict(values) for slot, values in self.now.items()}}


def exchanged(settings: Settings, sticky: frozenset[str]) -> Settings:
    """Return what a swap makes of *settings*."""
    here, there = settings["production"], settings["staging"]

    def mixed(stays: Mapping[str, str], comes: Mapping[str, str]) -> dict[str, str]:
        return {k: v for k, v in comes.items() if k not in sticky} | {
            k: v for k, v in stays.items() if k in sticky
        }

    return {"production": mixed(here, there), "staging": mixed(there, here)}


def _controller(
    trace: Trace, call: Line, answer: Line | None
) -> Iterator[tuple[float, dict[str, Any]]]:
    """Give what one request shows: a write when it leaves, everything else once it was answered."""
    name, caller = call["name"], trace.caller
    kind, _, rest = name.partition(".")
    if kind == "arm":
        operation, _, slot = rest.partition(".")
        site = call["path"].lower().partition("/sites/")[2].partition("/")[0]
        if operation in _ARM_WRITES:
            where = {"what": operation, "site": site, "slot": slot}
            yield call["at"], {"operation": "write-sent", "caller": caller, **where}
        elif operation in _READS and answer:
            yield answer["at"], _read(caller, operation, slot, answer)
    elif name == "git.look" and answer:
        commit = None
        if answer["status"] == 200:
            refs = body(answer).decode("ascii", "replace").splitlines()
            found = [line[4:44] for line in refs if line.endswith(" refs/heads/main")]
            commit = found[0] if found else None
        yield answer["at"], {"operation": "git-looked", "caller": caller, "commit": commit}
    elif name.startswith("journal.append.") and answer and answer["status"] == 201:
        events = [parse(line) for line in body(call).splitlines()]
        blob = call["path"].partition("/gitslot/gitslot/")[2]
        wrote = {"caller": caller, "blob": blob, "events": events}
        yield answer["at"], {"operation": "journal", **wrote}
    elif kind == "lock" and answer and 200 <= answer["status"] < 300:
        done = {"acquire": "taken", "release": "released", "break": "broken"}.get(rest)
        if done:
            blob = call["path"].partition("/gitslot/gitslot/")[2]
            yield answer["at"], {"operation": f"lock-{done}", "caller": caller, "blob": blob}


def _read(caller: str, operation: str, slot: str, answer: Line) -> dict[str, Any]:
    said = json.loads(body(answer) or b"{}") if answer["status"] == 200 else {}
    return {
        "operation": "arm-read",
        "caller": caller,
        "what": operation,
        "slot": slot,
        "ok": answer["status"] == 200,
        "busy": bool((said.get("properties") or {}).get("inProgressOperationId")),
    }


def _proofs(trace: Trace, rows: int) -> Iterator[tuple[float, dict[str, Any]]]:
    """Say when one process had every golden row answered by one release and deploy."""
    seen: dict[tuple[str, str], set[bytes]] = {}
    for call, answer in trace.calls("golden.staging"):
        if not answer or answer["status"] != 200 or not answer["body"]:
            continue
        key = tuple(answer["headers"].get(f"x-model-{what}", "") for what in ("digest", "deploy"))
        asked = seen.setdefault((key[0], key[1]), set())
        if len(json.loads(body(call))) == 1:  # what proves before a swap is each row alone
            asked.add(body(call))
        if len(asked) == rows:
            asked.clear()
            proof = {"slot": "staging", "digest": key[0], "deploy": key[1]}
            yield answer["at"], {"operation": "proved", **proof}


def as_lines(entries: Iterable[Mapping[str, Any]]) -> bytes:
    """Return a history as JSON, one entry a line."""
    lines = (json.dumps(entry, default=lambda e: e.as_dict()) for entry in entries)
    return "".join(f"{line}\n" for line in lines).encode()


def strangers(traces: Iterable[Trace]) -> Iterator[str]:
    """Name the requests that a controller has no business to send."""
    for trace in traces:
        for line in trace.sent:
            name, path = line["name"], line["path"]
            if name.startswith("other"):
                yield f"{trace.caller} sent {name}"
            elif name.startswith("lock.") and not path.endswith(f"/gitslot/locks/{APP}"):
                yield f"{trace.caller} sent {name} to {path}"
        for line in trace.bypassed:
            yield f"{trace.caller} sent {line['bypassed']} past the tap"
