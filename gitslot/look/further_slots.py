"""
The look at further slots: what each serves and, where that does not settle it, what it is set to.

Whatever cannot be read of one is said of that slot alone. None of it raises.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from gitslot.decide.place import holds
from gitslot.edges.azure.arm import AppRef
from gitslot.errors import AzureError, AzureUnavailable, NotFound, RegistryUnavailable
from gitslot.look.stopwatch import Since, is_down
from gitslot.look.wanted import Catalog
from gitslot.state.policy import Policy
from gitslot.state.remembered import Memory
from gitslot.state.seen import Answer, Arm, Further, Health, Place, SlotLive
from gitslot.state.wanted import App, Doubt, Refusal, Resolved, Wanted

T = TypeVar("T")


class Reads(Protocol):
    """What a look at one slot needs of ARM."""

    def host(self, app: AppRef, slot: str) -> str: ...
    def look_at(self, app: AppRef, slot: str) -> Arm: ...


class Healths(Protocol):
    """What a look at one slot needs of the slot itself."""

    def health(self, host: str) -> Health: ...


class Ticks(Protocol):
    """A clock that never goes back."""

    def monotonic(self) -> float: ...


@dataclass(slots=True)
class _Kept:
    """What is kept of one slot between looks: it only saves questions or delays answers."""

    host: str = ""
    arm: Arm | None = None
    arm_at: float = 0.0
    arm_length: int = -1  # of the journal, when it was read
    down: Since = field(default_factory=Since)
    blocked_until: float = 0.0


class Beside:
    """Looks at further slots. One instance lives as long as the process."""

    def __init__(
        self, azure: Reads, catalog: Catalog, probes: Healths, clock: Ticks, policy: Policy
    ) -> None:
        self._azure, self._catalog, self._probes = azure, catalog, probes
        self._clock, self._policy = clock, policy
        self._slots: dict[tuple[AppRef, str], _Kept] = {}

    def healths(self, ref: AppRef, app: App) -> tuple[Further, ...]:
        """Ask each further slot of *app* for its health; ARM only for a host not known yet."""
        return tuple(self._health(ref, app, *each) for each in app.further.items())

    def _health(self, ref: AppRef, app: App, name: str, wanted: Wanted) -> Further:
        kept = self._slots.setdefault((ref, name), _Kept())
        standing: Refusal | Doubt | None = None
        health = Health(Answer.SILENT, detail="its host is not known")
        if not kept.host:
            found = self._read(kept, ref, name, lambda: self._azure.host(ref, name))
            if isinstance(found, str):
                kept.host = found
            else:
                standing = found
        if kept.host:
            health = self._probes.health(kept.host)
        return Further(Place(SlotLive(name, health)), self._resolve(app, wanted), standing)

    def _resolve(self, app: App, wanted: Wanted) -> Resolved | Refusal | Doubt:
        try:
            return self._catalog.resolve(app.model, wanted)
        except RegistryUnavailable as error:
            return Doubt(error.reason, error.message)

    def settings(
        self, ref: AppRef, found: tuple[Further, ...], memory: Memory, *, fresh: bool
    ) -> tuple[Further, ...]:
        """Add what ARM says of each slot that health does not show to be as it shall."""
        return tuple(self._settings(ref, each, memory, fresh=fresh) for each in found)

    def _settings(self, ref: AppRef, seen: Further, memory: Memory, *, fresh: bool) -> Further:
        if not needs_arm(seen, memory):
            return seen
        name, now = seen.place.name, self._clock.monotonic()
        kept = self._slots[ref, name]
        young = now - kept.arm_at < self._policy.arm_reuse_s and kept.arm_length == memory.length
        if fresh or kept.arm is None or not young:
            arm = self._read(kept, ref, name, lambda: self._azure.look_at(ref, name))
            if not isinstance(arm, Arm):
                kept.arm = None
                return replace(seen, standing=arm)
            kept.arm, kept.arm_at, kept.arm_length = arm, now, memory.length
        slot = replace(seen.place.slot, arm=kept.arm)
        if kept.arm.host != kept.host:
            kept.host = kept.arm.host
            slot = replace(slot, health=self._probes.health(kept.host))
        return replace(seen, place=replace(seen.place, slot=slot))

    def timed(self, ref: AppRef, found: tuple[Further, ...]) -> tuple[Further, ...]:
        """Add for how long each slot has been down."""
        return tuple(self._timed(ref, each) for each in found)

    def _timed(self, ref: AppRef, seen: Further) -> Further:
        since = self._slots[ref, seen.place.name].down
        down_s = since.lasting(is_down(seen.place.slot), self._clock.monotonic())
        return replace(seen, place=replace(seen.place, down_s=down_s))

    def _read(
        self, kept: _Kept, ref: AppRef, slot: str, read: Callable[[], T]
    ) -> T | Refusal | Doubt:
        """Ask ARM, no sooner than it wishes; what keeps it from answering stands for the slot."""
        now = self._clock.monotonic()
        if now < kept.blocked_until:
            return Doubt("Throttled", "ARM asked to wait")
        try:
            return read()
        except AzureUnavailable as error:
            kept.blocked_until = now + error.retry_after_s
            return Doubt("Unreadable", error.message)
        except NotFound as error:
            kept.host = ""
            if not error.code:  # not ARM's own words: something on the way said so
                return Doubt("Unreadable", error.message)
            return Refusal("SlotMissing", _missing(ref, slot))
        except AzureError as error:
            return Refusal(error.reason, error.message)


def _missing(ref: AppRef, slot: str) -> str:
    return (
        f"the app has no such slot; create it (az functionapp deployment slot create "
        f"-g {ref.resource_group} -n {ref.name} --slot {slot}), or take it out of the file"
    )


def needs_arm(seen: Further, memory: Memory) -> bool:
    """Say whether only ARM can tell what is to be done about a slot."""
    if seen.standing or not isinstance(seen.wanted, Resolved):
        return False
    return not holds(memory, seen.place, seen.wanted)


def settled(app: App, found: tuple[Further, ...], memory: Memory) -> bool:
    """Say whether nothing is to be done about the further slots of *app*, or nothing can be."""
    return len(found) == len(app.further) and not any(needs_arm(each, memory) for each in found)
