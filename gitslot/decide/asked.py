"""
Rules about what is known at all: the file, the slots, the registry's answers, ARM's. Pure.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gitslot.decide.case import Look, clock, soaks_until
from gitslot.decide.place import holds
from gitslot.state.decision import Converged, Frozen, Stalled, Waiting, frozen, stalled, waiting
from gitslot.state.reasons import REASONS, Run, Wait
from gitslot.state.seen import Live, Seen
from gitslot.state.wanted import PRODUCTION, App, Doubt, Refusal, Release, Resolved


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the file wants and what the slots serve, or why that is in doubt."""

    app: App | Doubt
    live: Live | Doubt
    now: datetime


def git_is_put_off(evidence: Evidence) -> Waiting | None:
    """Wait while Git's host is slow or asks to be left alone: what it wants now is not known."""
    return _put_off(evidence.app, evidence.now)


def file_is_in_doubt(evidence: Evidence) -> Frozen | None:
    """Freeze where Git, the file or a signature cannot be trusted."""
    return frozen(evidence.app) if isinstance(evidence.app, Doubt) else None


def look_is_put_off(evidence: Evidence) -> Waiting | None:
    """Wait while ARM asks to be left alone: what the slots are set to is not known."""
    return _put_off(evidence.live, evidence.now)


def _put_off(found: object, now: datetime) -> Waiting | None:
    if not isinstance(found, Doubt) or found.again_s is None:
        return None
    until = now + timedelta(seconds=found.again_s) if found.again_s else None
    return replace(waiting(found), next=Wait(until), quiet=found.reason == "CallsUsedUp")


def slots_cannot_be_read(evidence: Evidence) -> Frozen | None:
    """Freeze where ARM cannot say what the slots are set to."""
    return frozen(evidence.live) if isinstance(evidence.live, Doubt) else None


def registry_cannot_be_read(evidence: Evidence) -> Frozen | None:
    """Freeze where the registry could not answer for production."""
    wanted = evidence.live.production.wanted if isinstance(evidence.live, Live) else None
    return frozen(wanted) if isinstance(wanted, Doubt) else None


# ---------------------------------------------------------------- one slot


@dataclass(frozen=True, slots=True)
class Ask:
    """One slot of the file in a look, before ARM has to be read."""

    look: Look
    name: str

    @property
    def seen(self) -> Seen | None:
        """Return the slot as it was seen; None where nobody has looked at it."""
        return self.look.live.slots.get(self.name)

    @property
    def wanted(self) -> Resolved | None:
        """Return the release that the file wants, where the registry has it."""
        found = self.seen.wanted if self.seen else None
        return found if isinstance(found, Resolved) else None

    @property
    def unread(self) -> Refusal | Doubt | None:
        """Return what kept ARM from being read."""
        return self.seen.unread if self.seen else None

    @property
    def is_settled(self) -> bool:
        """Return whether health alone shows that the slot has what the file wants."""
        if self.seen is None or self.wanted is None:
            return False
        if self.name == PRODUCTION:
            return self.seen.shows(self.wanted)
        return holds(self.look.memory, self.seen, self.wanted)


def slot_was_not_looked_at(ask: Ask) -> Waiting | None:
    """Wait for a look at a slot that was left out while production came first."""
    if ask.seen:
        return None
    entry, poll_s = REASONS["SlotNotSeen"], ask.look.policy.poll_s
    return Waiting(entry.name, {"slot": ask.name}, entry.next, poll_s=poll_s, quiet=True)


def registry_has_no_answer(ask: Ask) -> Stalled | Waiting | None:
    """Stall where the registry refuses the version; wait where it could only not be read."""
    found = ask.seen.wanted if ask.seen else None
    if isinstance(found, Refusal):
        return stalled(found)
    return waiting(found) if isinstance(found, Doubt) else None


def version_has_other_bytes(ask: Ask) -> Frozen | Stalled | None:
    """Stop where the registry holds other bytes under an unpinned version than were first seen."""
    if ask.wanted is None or not ask.wanted.changed:
        return None
    release, found = ask.wanted.release, ask.wanted.changed
    facts = {"release": str(release), "known": release.digest[:12], "found": found[:12]}
    step = _pin(ask, release, "accepts them")
    if ask.name == PRODUCTION:
        return Frozen("DigestChanged", facts, step)
    return Stalled("DigestChanged", facts, step)


def version_must_be_pinned(ask: Ask) -> Stalled | None:
    """Stall, where a setting asks for pins, over a version of which no digest is known."""
    if ask.wanted is None or ask.wanted.known or not ask.look.policy.require_pin:
        return None
    release = ask.wanted.release
    return Stalled("PinRequired", {"release": str(release)}, _pin(ask, release, "pins it"))


def _pin(ask: Ask, release: Release, effect: str) -> Run:
    words = ("gitslot", "bump", ask.name, release.version, ask.look.app.name, "--pin")
    return Run((words, ("git", "push")), effect)


_UNREAD = Doubt("Unreadable", "the slots' settings were not read")


def settings_were_not_read(ask: Ask) -> Frozen | Stalled | Waiting:
    """Stop where ARM could not be read: frozen for production, for another slot that slot alone."""
    why = ask.unread or _UNREAD
    if put_off := _put_off(why, ask.look.now):
        return put_off
    if ask.name == PRODUCTION:
        return frozen(why)
    return stalled(why) if isinstance(why, Refusal) else waiting(why)


# ---------------------------------------------------------------- in sync


def every_slot_has_what_is_wanted(look: Look) -> Converged:
    """Do nothing where every slot has what the file wants."""
    wanted = look.live.production.wanted
    served = wanted.release if isinstance(wanted, Resolved) else "what is wanted"
    until = soaks_until(look.app, look.memory, wanted) if isinstance(wanted, Resolved) else None
    soaks = f"; it soaks until {clock(until)}" if until and look.now < until else ""
    further = "".join(f"; {slot} {each.version}" for slot, each in look.app.further.items())
    return Converged(f"production serves {served}{further}{soaks}")
