"""
The offline checker: replays a history that the platform wrote and says what must never have been.

It knows nothing of the controller but its name as a caller and the lines that it wrote into its
journal. What Git asked for is in the history too, from the day of each commit. The rules are those
of docs/believe/reliability.md, by their names.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import yaml

from gitslot.record.event import Event
from reliability import registered
from reliability.cloud import APP

Entry = Mapping[str, Any]
_RELEASE = ("MODEL_NAME", "MODEL_VERSION", "MODEL_DEPLOY", "MODEL_STORE")
_CODE = "WEBSITE_RUN_FROM_PACKAGE"
# Settings of one slot's files and host, which a swap moves.
_WITH_CONTENT = ("website_content", "azurefunctionswebhost__hostid")
_WARMUP = (
    "WEBSITE_SWAP_WARMUP_PING_PATH",
    "WEBSITE_SWAP_WARMUP_PING_STATUSES",
    "WEBSITE_ADD_SITENAME_BINDINGS_IN_APPHOST_CONFIG",
)


def _reads(slot: str) -> tuple[tuple[str, str], ...]:
    """Return what must have been read in the turn of a write to *slot*."""
    return (
        ("slotconfignames-get", "production"),
        ("site-get", "production"),
        ("site-get", slot),
        ("appsettings-list", "production"),
        ("appsettings-list", slot),
    )


_READS = _reads("staging")
_CLOSING = ("SwapFinished", "SwapFailed", "SwapReverted", "SwappedBack")
_TOOK_EFFECT = ("SwapFinished", "SwappedBack", "Converged")
_OURS_TO_SWAP = ("", "production", "staging")


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that does not hold, at entry *seq* of the history."""

    rule: str
    seq: int
    message: str

    def __str__(self) -> str:
        return f"{self.rule} at {self.seq}: {self.message}"


def digest_of(slot: Mapping[str, str]) -> str:
    """Return the digest that a slot is set to."""
    return slot.get("MODEL_VERSION", "").partition("@sha256:")[2]


@dataclass
class _Turn:
    """What one controller has seen since it last asked Git."""

    commit: str | None = None
    reads: dict[tuple[str, str], Entry] = field(default_factory=dict)
    locked_at: int = -1
    looked_at: int = -1


@dataclass
class _Intent:
    """A swap that was about to be sent, by the journal."""

    event: Event
    seq: int
    posts: int = 0
    effects: int = 0
    closed: str = ""  # what the journal says became of it
    back: bool = False  # a swap-back that the file asks for


@dataclass
class Replay:
    """The state of the replay: ghosts only."""

    ours: frozenset[str]
    found: list[Violation] = field(default_factory=list)
    commits: dict[str, Entry] = field(default_factory=dict)
    newest: Entry | None = None
    served: set[str] = field(default_factory=set)
    packages: dict[str, set[str]] = field(default_factory=dict)
    turns: dict[str, _Turn] = field(default_factory=dict)
    holder: str | None = None
    intent: _Intent | None = None
    last_intent: _Intent | None = None
    proofs: list[tuple[str, str]] = field(default_factory=list)
    beside: dict[str, set[tuple[str, str]]] = field(default_factory=dict)  # proofs by further slot
    passed: set[str] = field(default_factory=set)
    before_swap: Entry | None = None
    swapped_by: str = ""
    keeps: str = ""
    took_out: str = ""  # what our last swap replaced, until somebody else moves or it came back
    posted: _Intent | None = None
    production: str = ""
    foreign_at: int = -1  # when somebody else last changed a slot
    excused: bool = False  # somebody else acted between the last read before a POST and the POST

    def wrong(self, rule: str, entry: Entry, message: str) -> None:
        self.found.append(Violation(rule, int(entry["seq"]), message))

    def turn(self, entry: Entry) -> _Turn:
        return self.turns.setdefault(str(entry["caller"]), _Turn())


def check(entries: Iterable[Entry], ours: Sequence[str] = ("controller",)) -> list[Violation]:
    """Return every violation of S1 to S7, S10 and S11 in a history."""
    replay = Replay(frozenset(ours))
    for entry in entries:
        if rule := _RULES.get(entry["operation"]):
            rule(replay, entry)
    return replay.found


# ---------------------------------------------------------------- what is known


def _remember_code(replay: Replay, entry: Entry) -> None:
    settings = entry["settings"]["production"]
    replay.packages.setdefault(digest_of(settings), set()).add(settings.get(_CODE, ""))


def _commit(replay: Replay, entry: Entry) -> None:
    replay.commits[entry["commit"]] = entry
    replay.newest = entry
    replay.keeps = ""


def _looked(replay: Replay, entry: Entry) -> None:
    turn = replay.turn(entry)
    turn.commit = entry["commit"]
    turn.reads.clear()
    turn.looked_at = entry["seq"]


def _read(replay: Replay, entry: Entry) -> None:
    replay.turn(entry).reads[entry["what"], entry["slot"]] = entry


def _taken(replay: Replay, entry: Entry) -> None:
    if replay.holder is not None:
        replay.wrong("S6", entry, f"{entry['caller']} took a lock that {replay.holder} holds")
    replay.holder = entry["caller"]
    replay.turn(entry).locked_at = entry["seq"]


def _freed(replay: Replay, entry: Entry) -> None:
    del entry
    replay.holder = None


# ---------------------------------------------------------------- the journal


def _journal(replay: Replay, entry: Entry) -> None:
    if not entry["blob"].startswith(f"journal/{APP}/"):
        replay.wrong("S5", entry, f"wrote to {entry['blob']}")
    for event in entry["events"]:
        _event(replay, entry, event)


def _event(replay: Replay, entry: Entry, event: Event) -> None:
    if event.event == "SwapStarted":
        if replay.intent is not None:
            replay.wrong("S3", entry, "an intent was opened while one was open")
        replay.intent = _Intent(event, entry["seq"], back=_goes_back(replay, entry, event))
        if event.revision not in replay.commits:
            replay.wrong("S10", entry, f"the intent names no commit: {event.revision!r}")
        if event.to_digest not in replay.passed:
            replay.wrong("S10", entry, "the intent has no verdict before it")
    if event.slot not in _OURS_TO_SWAP:
        _held(replay, entry, event)
    elif event.event == "DeployStarted":
        replay.passed.discard(event.to_digest)
    elif event.event == "VerifyPassed":
        replay.passed.add(event.to_digest)
    if event.event in _CLOSING or (event.event == "Converged" and event.detail.intent):
        _closed(replay, entry, event)


def _goes_back(replay: Replay, entry: Entry, event: Event) -> bool:
    """Check a swap-back: of what the file soaks and our last swap brought, to what it replaced."""
    if not event.detail.back:
        return False
    commit = replay.commits.get(event.revision)
    if commit is None or "soak" not in _file(str(commit.get("text", ""))):
        replay.wrong("S3", entry, "a swap-back that no file asks for")
    elif commit["wants"] != replay.production or event.to_digest != replay.took_out:
        replay.wrong("S3", entry, "a swap-back to what our last swap did not replace")
    return True


def _closed(replay: Replay, entry: Entry, event: Event) -> None:
    """Hold what the journal says became of a swap against what became of it."""
    intent, replay.intent = replay.intent, None
    replay.last_intent = intent
    if intent is None:
        return
    intent.closed = event.event
    # Somebody else's hands since then may have brought about what ours did not.
    alone = replay.foreign_at < intent.seq
    if event.event in _TOOK_EFFECT and intent.posts and not intent.effects and alone:
        replay.wrong("S10", entry, "the journal says that a swap took effect, which it never did")


def _held(replay: Replay, entry: Entry, event: Event) -> None:
    """Check what is said of a further slot: it counts by what it has itself proved."""
    proof = (event.to_digest, event.detail.deploy)
    if event.event == "VerifyPassed" and proof not in replay.beside.get(event.slot, set()):
        replay.wrong("S2", entry, f"{event.slot} is held without its golden rows")


def _dropped(replay: Replay, entry: Entry) -> None:
    del entry
    replay.intent = None
    replay.passed.clear()


# ---------------------------------------------------------------- writes


def _sent(replay: Replay, entry: Entry) -> None:
    """Check S4, S5 and S6 for a write at the moment at which it reaches the platform."""
    caller, what, slot = entry["caller"], entry["what"], entry["slot"]
    turn = replay.turn(entry)
    if replay.holder != caller:
        replay.wrong("S6", entry, f"{what} while {replay.holder} holds the lock")
    if turn.locked_at > turn.looked_at:
        replay.wrong("S6", entry, f"{what} was decided from a look made before the lock")
    if turn.commit is None:
        replay.wrong("S4", entry, f"{what} while Git could not be read")
    commit = replay.commits.get(turn.commit or "")
    if turn.commit is not None and (commit is None or commit["wants"] is None):
        replay.wrong("S4", entry, f"{what} for a commit that is not valid")
    _where(replay, entry, commit)
    for key in _reads(slot):
        read = turn.reads.get(key)
        if read is None or not read["ok"]:
            replay.wrong("S4", entry, f"{what} though {' of '.join(key)} could not be read")
        elif read["busy"]:
            replay.wrong("S4", entry, f"{what} though an operation was seen on {key[1]}")
    if what != "slotsswap" and replay.intent is not None:
        replay.wrong("S3", entry, f"{what} while an intent is open")
    if what == "slotsswap":
        _post(replay, entry, turn)


def _where(replay: Replay, entry: Entry, commit: Entry | None) -> None:
    """Check S5: only what the file lists is written, and only staging is swapped."""
    what, slot = entry["what"], entry["slot"]
    if entry["site"] != APP:
        replay.wrong("S5", entry, f"{what} to {entry['site']}, which is not listed")
    if what == "appsettings-put" and slot == "production":
        replay.wrong("S5", entry, "production is never a deploy target")
    if what == "slotsswap" and slot != "staging":
        replay.wrong("S5", entry, f"{slot} is never swapped")
    if slot not in {"staging", "production", *_slots(commit)}:
        replay.wrong("S5", entry, f"{what} to {slot}, which the file does not list")


@cache
def _file(text: str) -> Mapping[str, Any]:
    """Return what the file says, as another reader of YAML finds it."""
    try:
        return dict(yaml.safe_load(text))
    except (yaml.YAMLError, TypeError, ValueError):
        return {}


def _slots(commit: Entry | None) -> Mapping[str, Any]:
    """Return what the file of *commit* says of its slots."""
    slots = _file(str(commit.get("text", ""))).get("slots") if commit else None
    return slots if isinstance(slots, dict) else {}


def _post(replay: Replay, entry: Entry, turn: _Turn) -> None:
    intent = replay.intent
    if intent is None:
        replay.wrong("S10", entry, "a swap was sent without an intent in the journal")
        return
    intent.posts += 1
    read_at = min((turn.reads[key]["seq"] for key in _READS if key in turn.reads), default=-1)
    replay.excused = replay.foreign_at > read_at
    if read_at < intent.seq:
        replay.wrong("S10", entry, "the slots were not read once more after the intent")
    if intent.posts > 1:
        # A network may deliver a request twice; that the second has no effect is checked below.
        return
    commit = replay.commits.get(turn.commit or "")
    brings = replay.production if intent.back else intent.event.to_digest
    if commit and commit["wants"] != brings:
        replay.wrong("S1", entry, "the swap brings what Git's newest commit did not ask for")


def _put(replay: Replay, entry: Entry) -> None:
    if entry["caller"] not in replay.ours:
        replay.foreign_at = entry["seq"]
    if entry["slot"] == "staging":
        replay.proofs.clear()
    replay.beside.pop(entry["slot"], None)
    if entry["slot"] == "production" or entry["caller"] not in replay.ours:
        replay.keeps = ""
    if entry["caller"] in replay.ours and entry["slot"] == "staging":
        new = digest_of(entry["staging"])
        if replay.keeps and new != replay.keeps and not _pinned(replay, new):
            replay.wrong("S7", entry, "staging lost the previous release with nothing asked for")
    _moved(replay, entry)


def _pinned(replay: Replay, digest: str) -> bool:
    """Say whether the newest file pins staging to *digest*, and production is as it wants it."""
    newest = replay.newest
    if newest is None or replay.production != newest["wants"]:
        return False
    pin = _slots(newest).get("staging")
    return pin is not None and digest == registered.digest(str(pin))


def _proved(replay: Replay, entry: Entry) -> None:
    if entry["slot"] == "staging":
        replay.proofs.append((entry["digest"], entry["deploy"]))
    replay.beside.setdefault(entry["slot"], set()).add((entry["digest"], entry["deploy"]))


def _started(replay: Replay, entry: Entry) -> None:
    replay.before_swap, replay.swapped_by = entry, entry["caller"]
    replay.posted = replay.intent
    if entry["caller"] not in replay.ours:
        replay.foreign_at = entry["seq"]
        return
    if replay.excused:
        return
    staging = entry["staging"]
    if (digest_of(staging), staging.get("MODEL_DEPLOY")) not in replay.proofs:
        replay.wrong("S2", entry, "staging was swapped in without its golden rows")


def _flipped(replay: Replay, entry: Entry) -> None:
    before, replay.before_swap = replay.before_swap, None
    new, old = digest_of(entry["production"]), replay.production
    if replay.swapped_by not in replay.ours:
        replay.foreign_at = entry["seq"]
    elif before is not None:
        _effect(replay, entry, before, old, new)
    replay.proofs.clear()
    mine = replay.swapped_by in replay.ours and not replay.excused
    # While the swap ran, Git may have come to want something else: then staging is free again.
    newest = replay.newest
    replay.keeps = old if mine and newest is not None and newest["wants"] == new else ""
    back = replay.posted is not None and replay.posted.back
    replay.took_out = old if mine and not back else ""
    replay.served.add(new)
    _remember_code(replay, entry)
    replay.production = new


def _effect(replay: Replay, entry: Entry, before: Entry, old: str, new: str) -> None:
    intent = replay.posted
    if replay.excused:
        return
    asked = {commit["wants"] for commit in replay.commits.values()}
    if new not in asked:
        replay.wrong("S1", entry, "production serves what no commit asked for")
    if intent is None:
        replay.wrong("S10", entry, "production changed without an intent")
        return
    intent.effects += 1
    if intent.closed and intent.closed not in _TOOK_EFFECT:
        replay.wrong("S10", entry, f"a swap took effect that the journal ended as {intent.closed}")
    if intent.effects > 1:
        replay.wrong("S3", entry, "one intent took effect twice")
    if new != intent.event.to_digest:
        replay.wrong("S10", entry, "production changed to what the intent does not name")
    newest = replay.newest
    constant = newest is not None and newest["commit"] == intent.event.revision
    away = newest is not None and old == newest["wants"] and new != old
    if constant and away and not intent.back:
        replay.wrong("S3", entry, "production went from new to old while Git was constant")
    _only_what_was_asked(replay, entry, before, intent)


def _only_what_was_asked(replay: Replay, entry: Entry, before: Entry, intent: _Intent) -> None:
    old, new = before["settings"]["production"], entry["settings"]["production"]
    changed = {k for k in old.keys() | new.keys() if old.get(k) != new.get(k)}
    there = entry["settings"]["staging"]
    owned = {k for k in changed if k.lower().startswith(_WITH_CONTENT)}
    moved = {k for k in owned if new.get(k) != there.get(k)}
    others = changed - {*_RELEASE, *_WARMUP, _CODE} - moved
    if others:
        replay.wrong("S11", entry, f"the swap changed {', '.join(sorted(others))} on production")
    commit = replay.commits.get(intent.event.revision)
    if _CODE in changed and commit is not None and not commit["code"]:
        # What ran with the release before, or another build of what runs now.
        known = {*replay.packages.get(digest_of(new), set()), _version(old.get(_CODE, ""))}
        if not known & {new.get(_CODE, ""), _version(new.get(_CODE, ""))}:
            replay.wrong("S11", entry, "the swap changed code that no commit named")


def _version(package: str) -> str:
    """Return the address of a package's version, which the addresses of its builds begin with."""
    return package.rpartition("/")[0] or "none"


def _moved(replay: Replay, entry: Entry) -> None:
    replay.production = digest_of(entry["production"])
    replay.served.add(replay.production)
    _remember_code(replay, entry)


def _broke_off(replay: Replay, entry: Entry) -> None:
    replay.wrong("L1", entry, f"the pass broke off: {entry['error']}")


def _reverted(replay: Replay, entry: Entry) -> None:
    replay.keeps = replay.took_out = ""
    replay.proofs.clear()
    _moved(replay, entry)


_RULES: dict[str, Callable[[Replay, Entry], None]] = {
    "begin": _moved,
    "git-commit": _commit,
    "git-looked": _looked,
    "arm-read": _read,
    "lock-taken": _taken,
    "lock-released": _freed,
    "lock-broken": _freed,
    "journal": _journal,
    "journal-dropped": _dropped,
    "write-sent": _sent,
    "settings-put": _put,
    "proved": _proved,
    "swap-started": _started,
    "swap-flipped": _flipped,
    "swap-reverted": _reverted,
    "pass-broke-off": _broke_off,
}
