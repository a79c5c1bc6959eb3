"""
The values of a check: the facts gathered, the notes it makes, the finding that results.

Pure, and shared by `gitslot doctor` and `gitslot adopt`. Facts hold settings with secrets of the
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
ALIKE = ("linuxFxVersion", "minTlsVersion", "ftpsState")  # of `config/web`, equal in all slots


class Grade(StrEnum):
    """The result of a check, the gravest first."""

    WRONG = "wrong"
    WARNING = "warning"
    UNKNOWN = "not known"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Note:
    """One observation of a check; *fixes* are lines to type, or one sentence."""

    grade: Grade
    found: str
    fixes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check; *app* is empty for what all apps share."""

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
    identity: str = ""  # its kind, or empty
    users: frozenset[str] = frozenset()  # resource ids of user-assigned identities
    principals: tuple[str, ...] = ()
    operation: str = ""
    prepared: str = ""
    plan: str = ""  # resource id of the plan
    affinity: bool = False  # clientAffinityEnabled


@dataclass(frozen=True, slots=True)
class ConfigFacts:
    """Facts of `config/web`; *routed* is the percentage of production's users by slot."""

    auto_swap: str = ""
    always_on: bool = False
    routed: Mapping[str, float] = field(default_factory=dict)
    admitted: frozenset[str] = frozenset({"Any"})  # address ranges of access restrictions
    alike: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Function:
    """One function of a slot, and its trigger."""

    name: str
    trigger: str
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Sticky:
    """Names that a swap does not move; None if ARM has no such list."""

    settings: tuple[str, ...] = ()
    connections: tuple[str, ...] | None = None
    storage: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class SlotFacts:
    """One slot: ARM's facts and its own health."""

    name: str
    site: SiteFacts | Doubt
    settings: Mapping[str, str] | Doubt = field(repr=False)
    config: ConfigFacts | Doubt
    functions: tuple[Function, ...] | Doubt
    health: Health
    passwords: bool | Doubt = NOT_READ  # whether Kudu takes them
    references: Mapping[str, str] | Doubt = field(default_factory=dict)  # Key Vault's, by setting

    @property
    def known(self) -> Mapping[str, str]:
        """Return its settings, none where they could not be read."""
        return {} if isinstance(self.settings, Doubt) else self.settings


@dataclass(frozen=True, slots=True)
class AppFacts:
    """
    One function app. *slots* begins with production and staging, whether they exist or not.

    *others* names the slots that were not examined. *wanted* has, for each slot, what the registry
    knows about the release that is wanted there (or, while adopting, served there).
    """

    name: str
    place: "AppRef | Doubt"
    slots: tuple[SlotFacts, ...] = ()
    others: tuple[str, ...] = ()
    sticky: Sticky | Doubt = NOT_READ
    wanted: Mapping[str, Resolved | Refusal | Doubt] = field(default_factory=dict)
    memory: Memory | Doubt = NOT_READ
    sku: str | Doubt = NOT_READ  # of the plan, as P1v3
    burst: int = 0  # to how many instances the plan grows; 0 where that is not known
    store: str = ""  # the registry's address
    local: bool = False  # on the local platform

    @property
    def sites(self) -> tuple[tuple[SlotFacts, SiteFacts], ...]:
        """Return the slots that exist, each with what ARM says of its site."""
        return tuple((slot, slot.site) for slot in self.slots if isinstance(slot.site, SiteFacts))

    @property
    def there(self) -> tuple[SlotFacts, ...]:
        """Return the slots that exist."""
        return tuple(slot for slot, _ in self.sites)

    def slot(self, name: str) -> SlotFacts | None:
        """Return the slot *name* where it exists."""
        return next((slot for slot in self.there if slot.name == name), None)


@dataclass(frozen=True, slots=True)
class Kept:
    """What keeps the blobs of a storage account: soft delete, and containers with a policy."""

    group: str
    account: str
    soft: bool
    policies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ground:
    """
    The facts that all apps share: the controller's settings, Git, storage.

    *flaw* is the error in the settings; *skew_s* is this machine's clock minus storage's. *amiss*
    says of what is wrong with who looks at which app: what it is, and what mends it.
    """

    settings: "Settings"
    flaw: str = ""
    newest: Revision | Doubt = NOT_READ
    desired: Desired | Doubt = NOT_READ
    untrusted: Mapping[str, Doubt] = field(default_factory=dict)  # apps whose file may not count
    containers: Mapping[str, bool | Doubt] = field(default_factory=dict)
    skew_s: float | None = None
    lease: Doubt | None = None
    kept: Kept | Doubt = NOT_READ
    amiss: tuple[tuple[str, str], ...] = ()


# ---------------------------------------------------------------- checking

Facts = TypeVar("Facts")


@dataclass(frozen=True, slots=True)
class Check(Generic[Facts]):
    """*look* notes every problem; *fine* is the message if there is none."""

    name: str
    fine: str
    look: Callable[[Facts], Iterator[Note]]


def examine(checks: Iterable[Check[Facts]], facts: Facts, app: str = "") -> tuple[Finding, ...]:
    """Return the finding of each of *checks*; a check that fails hides no other."""
    return tuple(_finding(check, facts, app) for check in checks)


def _finding(check: Check[Facts], facts: Facts, app: str) -> Finding:
    try:
        notes = list(check.look(facts))
    except Exception as error:  # noqa: BLE001 - a defect of one check must not hide the others
        fix = "this is a defect of gitslot: report it with the output of `gitslot doctor -o json`"
        notes = [Note(Grade.UNKNOWN, f"the check itself failed: {type(error).__name__}", (fix,))]
    if not notes:
        return Finding(check.name, app, Grade.OK, check.fine)
    gravest = min((note.grade for note in notes), key=list(Grade).index)
    notes = [note for note in notes if note.grade is not Grade.OK] or notes
    fixes = dict.fromkeys(fix for note in notes for fix in note.fixes)
    return Finding(check.name, app, gravest, "; ".join(n.found for n in notes), tuple(fixes))


def unread(what: str, doubt: Doubt) -> Note:
    """Note that *what* could not be read, and how to be allowed to."""
    allowed = "ask for role Reader on the app; settings also need `config/list/action`"
    fix = allowed if doubt.reason == "NotAllowed" else "run the command again: there was no answer"
    return Note(Grade.UNKNOWN, f"{what} could not be read: {doubt.message}", (fix,))


def label(slot: str) -> str:
    """Return the options of `az` that select *slot*."""
    return "" if slot == PRODUCTION else f" --slot {shlex.quote(slot)}"
