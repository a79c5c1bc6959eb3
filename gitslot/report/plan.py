"""
What the controller would do, step by step: `decide` folded over what Azure promises.

Pure. A plan is an inert value: nothing acts on one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from gitslot.decide.decide import decide
from gitslot.record.event import Event
from gitslot.record.memory import remember
from gitslot.report.plan_model import promised
from gitslot.state import slot_settings
from gitslot.state.decision import (
    Converged,
    Decision,
    Deploy,
    Frozen,
    Note,
    Reset,
    Stalled,
    Suspended,
    Swap,
    Verify,
    Waiting,
)
from gitslot.state.policy import Policy
from gitslot.state.reasons import Run, Wait
from gitslot.state.remembered import Memory
from gitslot.state.safe_text import spoken
from gitslot.state.seen import Arm, Live
from gitslot.state.wanted import STAGING, App, Doubt, Release, Resolved

_MAX_TURNS = 40


@dataclass(frozen=True, slots=True)
class Step:
    """
    One thing that would be done, and why.

    *travels* names the settings whose values a swap brings to production, *stays* the sticky ones.
    """

    action: str  # deploy, verify, swap or reset
    what: str
    why: str
    travels: tuple[str, ...] = ()
    stays: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """
    The steps for one app and what stands at their end.

    *end* is the kind of stop, with its *reason* and *message*; *notes* say what a rollback costs.
    *follows* are the steps once that stop is over, *revision* and *subject* those of the commit.
    """

    app: str
    steps: tuple[Step, ...]
    end: str
    reason: str
    message: str
    notes: tuple[str, ...] = ()
    follows: tuple[Step, ...] = ()
    revision: str = ""
    subject: str = ""

    @property
    def exit_code(self) -> int:
        """Return 0 where nothing is to be done, 2 where the evidence is in doubt, else 1."""
        if self.end == "Frozen":
            return 2
        return 0 if self.end == "Converged" and not self.steps else 1


def plan(
    name: str, app: App | Doubt, live: Live | Doubt, memory: Memory, now: datetime, policy: Policy
) -> Plan:
    """Return what would be done for *name* from one look that read ARM."""
    turns = tuple(course(app, live, memory, now, policy))
    steps, (decision, end, after) = _steps(turns), turns[-1]
    notes: tuple[str, ...] = ()
    if isinstance(app, App) and isinstance(live, Live):
        notes = _notes(app, live, steps, after)
    over = _over(decision, app, after, now)
    follows = _steps(course(over[0], end, *over[1:], policy)) if over else ()
    return Plan(name, steps, *_ended(decision), notes, follows)


def _steps(turns: Iterable[tuple[Decision, Live | Doubt, Memory]]) -> tuple[Step, ...]:
    found = (_step(decision, seen) for decision, seen, _ in turns if isinstance(seen, Live))
    return tuple(filter(None, found))


def _over(
    stop: Decision, app: App | Doubt, memory: Memory, now: datetime
) -> tuple[App | Doubt, Memory, datetime] | None:
    """Return what is wanted, remembered and the time once *stop* is over; None if unknown."""
    match stop:
        case Suspended() if isinstance(app, App):
            return replace(app, suspend=None, suspended_by_setting=False), memory, now
        case Stalled(next=Run(commands=(("gitslot", "retry"), *_))) if isinstance(app, App):
            return app, remember(memory, Event("Retried", app.name, now)), now
        case Waiting(next=Wait(until=until)) if until is not None:
            return app, memory, until
        case _:
            return None


def course(
    app: App | Doubt, live: Live | Doubt, memory: Memory, now: datetime, policy: Policy
) -> Iterator[tuple[Decision, Live | Doubt, Memory]]:
    """Yield each decision with the world that it is made in, to where the plan ends."""
    for _ in range(_MAX_TURNS):
        decision = decide(app, live, memory, now, policy)
        yield decision, live, memory
        if memory.intent or not isinstance(live, Live):
            return
        moved = promised(decision, live, memory, now)
        if moved is None:
            return
        live, memory = moved


def _ended(decision: Decision) -> tuple[str, str, str]:
    match decision:
        case Converged(message=message):
            return "Converged", "", message
        case Waiting() | Stalled() | Frozen() | Suspended():
            return type(decision).__name__, decision.reason, decision.message
        case Note(reason=reason, message=message):
            return "Stalled" if decision.mark else "Waiting", reason, message
        case _:
            return "Waiting", "Unfinished", "the plan does not come to an end"


def _step(decision: Decision, live: Live) -> Step | None:
    match decision:
        case Deploy(release=release, why=why, slot=slot):
            return Step("deploy", f"{slot} <- {release}{_code_changes(live, decision)}", why)
        case Verify(release=release, slot=slot):
            why = "production changes only to what staging has just proved to serve"
            if slot != STAGING:
                why = "a slot counts once it has proved what it serves"
            return Step("verify", f"golden rows of {release} through {slot}", why)
        case Swap(release=release) if live.pair:
            return _swap_step(release, live, *live.pair)
        case Reset(message=message):
            return Step("reset", "the prepared swap is taken back", message)
        case _:
            return None


def _code_changes(live: Live, deploy: Deploy) -> str:
    slot, package = live.slots.get(deploy.slot), deploy.package
    arm = slot.arm if slot else None
    changes = arm and package and arm.configured.package != package
    return ", with its code" if changes else ""


def _swap_step(release: Release, live: Live, production: Arm, staging: Arm) -> Step:
    names = production.settings.keys() | staging.settings.keys()
    differ = {n for n in names if production.settings.get(n) != staging.settings.get(n)}
    serving = live.production.health.release
    before = serving.version if serving else production.configured.label
    return Step(
        "swap",
        "staging <-> production",
        f"production {before} -> {release.version}",
        travels=tuple(sorted(differ - production.sticky)),
        stays=tuple(sorted(differ & production.sticky)),
    )


# ---------------------------------------------------------------- what a person should know


def _holds_the_way_back(live: Live, after: Memory) -> bool:
    """Return whether the pin is what the last swap replaced, so that one swap still goes back."""
    last, pin = after.last_swap, live.staging.wanted
    return last is not None and isinstance(pin, Resolved) and last.replaced == pin.release


def _is_unverified(live: Live) -> bool:
    """Return whether production runs code from a URL of which the registry knows nothing."""
    production = live.production
    if production.arm is None or production.code is not None:
        return False
    named = isinstance(production.wanted, Resolved) and production.wanted.package is not None
    return slot_settings.is_url(production.arm.configured.package) and not named


def _notes(app: App, live: Live, steps: tuple[Step, ...], after: Memory) -> tuple[str, ...]:
    swaps = sum(step.action == "swap" for step in steps)
    serving = live.production.health.release
    notes = []
    if app.pin is not None and not _holds_the_way_back(live, after):
        notes.append(
            f"staging holds {app.pin.version}, which gives up the one-swap rollback: going back "
            "costs deploy, swap, deploy"
        )
    elif swaps and serving:
        way = f"`gitslot rollback {app.name}`"
        notes.append(f"to go back: {way}, one swap; {serving} stays in staging")
    if swaps and app.soak_s is not None:
        notes.append(
            f"production soaks for {spoken(app.soak_s)} after the swap: should it fail meanwhile, "
            "it is swapped back by itself"
        )
    kept = live.staging.health.release
    to_staging = steps and steps[0].action == "deploy" and steps[0].what.startswith(f"{STAGING} ")
    if to_staging and kept and kept != serving:
        notes.append(f"the deploy replaces what staging holds now: {kept}")
    deploys, wanted = any(step.action == "deploy" for step in steps), live.production.wanted
    if deploys and _is_unverified(live):
        notes.append(
            "unverified: the code comes from a URL that is no package of the registry, so its "
            "bytes are not checked"
        )
    if swaps and isinstance(wanted, Resolved) and wanted.needs.memory:
        held = round(wanted.needs.memory / 2**20)
        notes.append(
            f"a process that serves {wanted.release} holds {held} MiB, in production and in staging"
        )
    return tuple(notes)
