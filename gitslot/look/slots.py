"""
One slot in a look: its health, what the file wants of it and, where that does not settle it, ARM.

Every slot has one entry of what is kept between looks. It only saves questions or delays answers.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from gitslot.decide.digest import remembered, set_to
from gitslot.decide.place import holds
from gitslot.edges.azure.answers import unread
from gitslot.edges.azure.arm import AppRef, Azure
from gitslot.errors import AzureError, AzureUnavailable, NotFound, RegistryUnavailable
from gitslot.look.golden_rows import PROBES, Asks
from gitslot.look.stopwatch import Since, is_down, is_failing
from gitslot.look.wanted import Catalog
from gitslot.state.policy import Policy
from gitslot.state.remembered import Memory
from gitslot.state.seen import Answer, Arm, Health, Live, Seen
from gitslot.state.wanted import App, Doubt, Refusal, Resolved, Wanted

T = TypeVar("T")


class Probes(Asks, Protocol):
    """What a look needs of the slots themselves."""

    def health(self, host: str, *, fresh: bool = False) -> Health: ...


@dataclass(slots=True)
class Kept:
    """What is kept of one slot between looks."""

    host: str = ""
    arm: Arm | None = None
    arm_at: float = 0.0
    arm_for: tuple[int, Health, object] | None = None  # what was known when it was read
    down: Since = field(default_factory=Since)
    failing: Since = field(default_factory=Since)

    def read_of(self, arm: Arm, seen: Seen, memory: Memory, now: float) -> None:
        """Keep *arm*, as it was read for the look that has *seen* the slot."""
        self.arm, self.arm_at = arm, now
        self.arm_for = (memory.length, seen.health, seen.wanted)

    def is_recent(self, seen: Seen, memory: Memory, now: float, reuse_s: float) -> bool:
        """Return whether ARM was read *reuse_s* seconds ago, and nothing has changed since."""
        if self.arm is None or self.arm_for != (memory.length, seen.health, seen.wanted):
            return False
        return now - self.arm_at < reuse_s


class Slots:
    """
    Looks at slots one by one. One instance lives as long as the process.

    *monotonic* returns seconds that never go back.
    """

    def __init__(
        self,
        azure: Azure,
        catalog: Catalog,
        probes: Probes,
        monotonic: Callable[[], float],
        policy: Policy,
    ) -> None:
        self._azure, self._catalog, self._probes = azure, catalog, probes
        self._monotonic, self._policy = monotonic, policy
        self._kept: dict[tuple[str, str], Kept] = {}

    def kept(self, app: str, slot: str) -> Kept:
        """Return what is kept of *slot*."""
        return self._kept.setdefault((app, slot), Kept())

    def health(
        self,
        ref: AppRef,
        app: App | None,
        name: str,
        wanted: Wanted | None,
        memory: Memory,
        *,
        anew: bool,
    ) -> Seen:
        """
        Ask the slot *name* for its health; ARM only for a host that is not known yet.

        What is *wanted* is looked up in the registry, *anew* or where it is not known yet.
        """
        kept = self.kept(ref.name, name)
        unread: Refusal | Doubt | None = None
        if not kept.host:
            found = self._read(kept, ref, name, lambda: self._azure.host(ref, name))
            kept.host, unread = (found, None) if isinstance(found, str) else ("", found)
        if kept.host:
            health = self._probes.health(kept.host)
        else:
            health = Health(Answer.SILENT, detail="its host is not known")
        resolved: Resolved | Refusal | Doubt | None = None
        if app and wanted:
            digest = remembered(memory, None, app.model, wanted.version)
            resolved = self._resolve(app, wanted, digest, anew=anew)
        return Seen(name, health, resolved, unread=unread)

    def everywhere(self, ref: AppRef, seen: Seen) -> Seen:
        """Return *seen*, with another answer if one of three new connections gives one."""
        host = self.kept(ref.name, seen.name).host
        for _ in range(PROBES):
            if (health := self._probes.health(host, fresh=True)) != seen.health:
                return replace(seen, health=health)
        return seen

    def first_seen(self, app: App, live: Live, memory: Memory) -> Live:
        """Return a journal's first look, with the digests that the slots are set to remembered."""
        for seen in live.slots.values() if set_to(memory, live) else ():
            wanted = app.slots.get(seen.name)
            if wanted and isinstance(seen.wanted, Resolved):
                digest = remembered(memory, live, app.model, wanted.version)
                resolved = self._resolve(app, wanted, digest, anew=False)
                live = live.having(replace(seen, wanted=resolved))
        return live

    def _resolve(
        self, app: App, wanted: Wanted, digest: str, *, anew: bool
    ) -> Resolved | Refusal | Doubt:
        try:
            return self._catalog.resolve(app.model, wanted, digest, anew=anew)
        except RegistryUnavailable as error:
            return Doubt(error.reason, error.message)

    def settings(self, ref: AppRef, seen: Seen, memory: Memory, *, fresh: bool) -> Seen:
        """Add what a slot is set to in ARM, unless its health shows that it has what is wanted."""
        if not needs_arm(seen, memory):
            return seen
        kept, now = self.kept(ref.name, seen.name), self._monotonic()
        reuse_s = reuse_of(seen, memory, self._policy)
        if kept.arm and not fresh and kept.is_recent(seen, memory, now, reuse_s):
            return self.set_to(ref, seen, kept.arm)
        arm = self._read(kept, ref, seen.name, lambda: self._azure.look_at(ref, seen.name))
        if not isinstance(arm, Arm):
            kept.arm = None
            return replace(seen, unread=arm)
        kept.read_of(arm, seen, memory, now)
        return self.set_to(ref, seen, arm)

    def set_to(self, ref: AppRef, seen: Seen, arm: Arm) -> Seen:
        """Return *seen* with *arm*; a slot whose host has moved is asked for its health anew."""
        kept = self.kept(ref.name, seen.name)
        if arm.host != kept.host:
            kept.host = arm.host
            seen = replace(seen, health=self._probes.health(arm.host))
        return replace(seen, arm=arm)

    def timed(self, ref: AppRef, seen: Seen) -> Seen:
        """Add for how long the slot was down, and failing."""
        kept, now = self.kept(ref.name, seen.name), self._monotonic()
        return replace(
            seen,
            down_s=kept.down.lasting(is_down(seen), now),
            failing_s=kept.failing.lasting(is_failing(seen), now),
        )

    def _read(
        self, kept: Kept, ref: AppRef, slot: str, read: Callable[[], T]
    ) -> T | Refusal | Doubt:
        """Read from ARM; on failure return the reason in its place."""
        try:
            return read()
        except AzureUnavailable as error:
            return unread(error)
        except NotFound as error:
            kept.host = ""
            if not error.code:  # not ARM's own words: something on the way answered
                return Doubt("Unreadable", error.message)
            return Refusal("SlotMissing", _missing(ref, slot))
        except AzureError as error:
            return Refusal(error.reason, error.message)


def _missing(ref: AppRef, slot: str) -> str:
    return (
        f"the app has no such slot; create it (az functionapp deployment slot create "
        f"-g {ref.resource_group} -n {ref.name} --slot {slot}), or take it out of the file"
    )


def needs_arm(seen: Seen, memory: Memory) -> bool:
    """Return whether only ARM can show what is to be done about a slot but production."""
    if seen.unread or not isinstance(seen.wanted, Resolved):
        return False
    return not holds(memory, seen, seen.wanted)


def reuse_of(seen: Seen, memory: Memory, policy: Policy) -> float:
    """
    Return for how many seconds an answer of ARM about *seen* serves a look that writes nothing.

    Longer where only a commit or a person ends what the app waits for, so nothing in ARM does.
    """
    if memory.intent is not None:
        return policy.arm_reuse_s
    wanted, attempts = seen.wanted, memory.of(seen.name).attempts
    if not isinstance(wanted, Resolved) or memory.stop[0] == "Suspended" or memory.observed:
        return policy.arm_stop_s
    refused = attempts is not None and attempts.refused and attempts.release == wanted.release
    return policy.arm_stop_s if refused else policy.arm_reuse_s
