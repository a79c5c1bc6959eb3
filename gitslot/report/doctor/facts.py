"""
What a check is made of: the facts that were gathered, what it notes, the finding it comes to.

Pure, and the same for `gitslot doctor` and `gitslot adopt`. Facts hold settings with secrets of the
app, so a check may name a setting and never its value. A fact that could not be read is a Doubt.
"""

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

from gitslot.state.remembered import Memory
from gitslot.state.seen import Health
from gitslot.state.wanted import PRODUCTION, Desired, Doubt, Refusal, Resolved, Revision

if TYPE_CHECKING:
    from gitslot.edges.azure.arm import AppRef
    from gitslot.edges.settings import Settings


NOT_READ = Doubt("NotRead", "not read")


class Grade(StrEnum):
    """How a check ended, the gravest first."""

    WRONG = "wrong"
    WARNING = "warning"
    UNKNOWN = "not known"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that a check saw; *fixes* are lines to type, or one sentence."""

    grade: Grade
    found: str
    fixes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check came to; *app* is empty for what all apps share."""

    check: str
    app: str
    grade: Grade
    found: str
    fixes: tuple[str, ...] = ()


# ---------------------------------------------------------------- facts


@dataclass(frozen=True, slots=True)
class SiteFacts:
    """One slot as ARM describes it; *principals* are the object ids of its identities."""

    state: str
    https_only: bool
    tier: str
    identity: str = ""  # its kind, empty where it has none
    users: frozenset[str] = frozenset()  # resource ids of user-assigned identities
    principals: tuple[str, ...] = ()
    operation: str = ""
    prepared: str = ""


@dataclass(frozen=True, slots=True)
class ConfigFacts:
    """What `config/web` says; *routed* is the percentage of production's users by slot."""

    auto_swap: str = ""
    always_on: bool = False
    routed: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Function:
    """One function of a slot, and what triggers it."""

    name: str
    trigger: str
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Sticky:
    """Names that a swap leaves where they are; None where ARM has no such list."""

    settings: tuple[str, ...] = ()
    connections: tuple[str, ...] | None = None
    storage: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class SlotFacts:
    """One slot: what ARM says of it, and what it says itself."""

    name: str
    site: SiteFacts | Doubt
    settings: Mapping[str, str] | Doubt = field(repr=False)
    config: ConfigFacts | Doubt
    functions: tuple[Function, ...] | Doubt
    health: Health


@dataclass(frozen=True, slots=True)
class AppFacts:
    """
    One function app. *slots* begins with production and staging, whether they exist or not.

    *others* names the slots that were not looked at; *wanted* says of each slot what the registry
    knows of the release that is wanted there (or, while adopting, served there).
    """

    name: str
    place: "AppRef | Doubt"
    slots: tuple[SlotFacts, ...] = ()
    others: tuple[str, ...] = ()
    sticky: Sticky | Doubt = NOT_READ
    wanted: Mapping[str, Resolved | Refusal | Doubt] = field(default_factory=dict)
    memory: Memory | Doubt | None = None  # None: not asked
    listed: bool = True  # GITSLOT_APPS lets it be reconciled
    store: str = ""  # the registry's address
    local: bool = False  # on the local platform

    @property
    def there(self) -> tuple[SlotFacts, ...]:
        """Return the slots that exist."""
        return tuple(slot for slot in self.slots if isinstance(slot.site, SiteFacts))

    def slot(self, name: str) -> SlotFacts | None:
        """Return the slot *name* where it exists."""
        return next((slot for slot in self.there if slot.name == name), None)


@dataclass(frozen=True, slots=True)
class Ground:
    """
    What all apps share: the controller's settings, Git, storage.

    *flaw* is what was wrong with the settings; *skew_s* is this machine's clock before storage's.
    """

    settings: "Settings"
    flaw: str = ""
    newest: Revision | Doubt = NOT_READ
    desired: Desired | Doubt = NOT_READ
    untrusted: Mapping[str, Doubt] = field(default_factory=dict)  # apps whose file may not count
    containers: Mapping[str, bool | Doubt] = field(default_factory=dict)
    skew_s: float | None = None
    lease: Doubt | None = None


# ---------------------------------------------------------------- checking


Facts = TypeVar("Facts")


@dataclass(frozen=True, slots=True)
class Check(Generic[Facts]):
    """*look* notes what is not as it should be; *fine* is what is said where it notes nothing."""

    name: str
    fine: str
    look: Callable[[Facts], Iterator[Note]]


def examine(checks: Iterable[Check[Facts]], facts: Facts, app: str = "") -> tuple[Finding, ...]:
    """Return what each of *checks* finds; one that fails itself hides none of the others."""
    return tuple(_finding(check, facts, app) for check in checks)


def _finding(check: Check[Facts], facts: Facts, app: str) -> Finding:
    try:
        notes = list(check.look(facts))
    except Exception as error:  # noqa: BLE001 - a defect of one check shall not hide the others
        fix = "this is a defect of gitslot: report it with what `gitslot doctor -o json` says"
        notes = [Note(Grade.UNKNOWN, f"the check itself failed: {type(error).__name__}", (fix,))]
    if not notes:
        return Finding(check.name, app, Grade.OK, check.fine)
    gravest = min((note.grade for note in notes), key=list(Grade).index)
    notes = [note for note in notes if note.grade is not Grade.OK] or notes
    fixes = dict.fromkeys(fix for note in notes for fix in note.fixes)
    return Finding(check.name, app, gravest, "; ".join(n.found for n in notes), tuple(fixes))


def unread(what: str, doubt: Doubt) -> Note:
    """Note that *what* could not be read, and who can."""
    allowed = "ask for role Reader on the app; settings also need `config/list/action`"
    fix = allowed if doubt.reason == "NotAllowed" else "ask again: it was not answered"
    return Note(Grade.UNKNOWN, f"{what} could not be read: {doubt.message}", (fix,))


def label(slot: str) -> str:
    """Return the words of `az` that choose *slot*."""
    return "" if slot == PRODUCTION else f" --slot {shlex.quote(slot)}"
