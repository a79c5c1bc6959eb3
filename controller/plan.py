"""
What the controller would do, step by step: `decide` folded over what Azure promises.

Pure. The model of Azure is small: a deploy makes staging serve what it is set to, a proof passes, a
swap exchanges what is not sticky. A plan is an inert value: nothing acts on one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from controller import align
from controller.decide import decide
from controller.memory import went_back
from controller.soak import spoken
from controller.state import (
    STAGING,
    Answer,
    App,
    Arm,
    Converged,
    Decision,
    Deploy,
    Doubt,
    Frozen,
    Health,
    LastSwap,
    Live,
    Mark,
    Memory,
    Note,
    OpenDeploy,
    Place,
    Policy,
    Release,
    Reset,
    Resolved,
    SlotLive,
    Stalled,
    Suspended,
    Swap,
    Verdict,
    Verify,
    Waiting,
)

_MAX_STEPS = 20


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
    """

    app: str
    steps: tuple[Step, ...]
    end: str
    reason: str
    message: str
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """Return 0 where nothing is to be done, 2 where the evidence is in doubt, else 1."""
        if self.end == "Frozen":
            return 2
        return 0 if self.end == "Converged" and not self.steps else 1


def plan(
    name: str,
    app: App | Doubt,
    live: Live | Doubt,
    memory: Memory,
    now: datetime,
    policy: Policy,
) -> Plan:
    """Return what would be done for *name* from one look that read ARM."""
    steps: list[Step] = []
    start = live
    decision = decide(app, live, memory, now, policy)
    while len(steps) < _MAX_STEPS and isinstance(live, Live) and isinstance(app, App):
        decision = decide(app, live, memory, now, policy)
        if memory.intent:
            break
        if step := _step(decision, live):
            steps.append(step)
        moved = _promised(decision, live, memory, now)
        if moved is None:
            break
        live, memory = moved
    end, reason, message = _ended(decision)
    notes: tuple[str, ...] = ()
    if isinstance(app, App) and isinstance(start, Live):
        notes = _notes(app, start, tuple(steps), memory)
    return Plan(name, tuple(steps), end, reason, message, notes)


def _ended(decision: Decision) -> tuple[str, str, str]:
    match decision:
        case Converged(message=message):
            return "Converged", "", message
        case Waiting(reason, message) | Stalled(reason, message):
            return type(decision).__name__, reason, message
        case Frozen(reason, message) | Suspended(reason, message):
            return type(decision).__name__, reason, message
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
        case Swap(release=release):
            return _swap_step(release, live)
        case Reset(message=message):
            return Step("reset", "the prepared swap is taken back", message)
        case _:
            return None


def _code_changes(live: Live, deploy: Deploy) -> str:
    place = _place(live, deploy.slot)
    arm, package = place and place.slot.arm, deploy.package
    changes = arm and package and arm.configured.package != package
    return ", with its code" if changes else ""


def _place(live: Live, slot: str) -> Place | None:
    if slot == STAGING:
        return live.at_staging
    return next((each.place for each in live.further if each.place.name == slot), None)


def _with(live: Live, place: Place) -> Live:
    """Return *live* with *place* as it is now."""
    if place.name == STAGING:
        return replace(live, staging=place.slot, verdict=place.verdict)
    found = (
        replace(each, place=place) if each.place.name == place.name else each
        for each in live.further
    )
    return replace(live, further=tuple(found))


def _swap_step(release: Release, live: Live) -> Step:
    production, staging = live.production.arm, live.staging.arm
    assert production is not None
    assert staging is not None
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


# ---------------------------------------------------------------- what Azure promises


def _promised(
    decision: Decision, live: Live, memory: Memory, now: datetime
) -> tuple[Live, Memory] | None:
    """Return the world after *decision* was carried out, or None where the plan ends."""
    match decision:
        case Deploy():
            return _deployed(decision, live, memory, now)
        case Verify(slot=slot) if place := _place(live, slot):
            passed = Verdict(Mark.PASS, f"{slot}: golden rows")
            return _with(live, replace(place, verdict=passed)), memory
        case Swap(release=release, back=back):
            moved, after = _swapped(release, live, memory)
            production = live.production.arm
            if not back or production is None:
                return moved, after
            return moved, went_back(memory, release, _configured_release(production))
        case Reset():
            cleared = replace(memory, swap_failed=False, conflict_prepared=False)
            return _prepared_cleared(live), cleared
        case Note(mark=None, deploy=deploy, release=Release(digest=digest), slot=slot) if deploy:
            proof = (deploy, digest)
            proved = {**memory.proved, slot: proof}
            return live, replace(memory, verified=memory.verified | {proof}, proved=proved)
        case Waiting(poll_s=float()):
            settled = _settled(live)
            return None if settled == live else (settled, memory)
        case _:
            return None


def _deployed(decision: Deploy, live: Live, memory: Memory, now: datetime) -> tuple[Live, Memory]:
    production, place = live.production.arm, _place(live, decision.slot)
    assert production is not None
    assert place is not None
    before = place.slot.arm
    assert before is not None
    deploy = f"plan-{decision.attempt}-{len(before.configured.deploy)}"
    settings = align.staging_settings(
        production.settings,
        before.settings,
        production.sticky,
        release=decision.release,
        deploy=deploy,
        package=decision.package,
        store=before.settings.get("MODEL_STORE", "the registry"),
    )
    arm = replace(before, settings=settings, configured=align.configured(settings))
    build = _build(live, decision.package)
    memory = replace(
        memory,
        baseline=True,
        deploys={**memory.deploys, decision.slot: OpenDeploy(deploy, now, decision.release)},
        run_started=now,
    )
    return _with(live, Place(_serving(place.slot, arm, build))), memory


def _build(live: Live, package: str) -> str:
    """Return what health would call *package*."""
    for wanted in (live.wanted, live.pin, *(each.wanted for each in live.further)):
        if isinstance(wanted, Resolved) and wanted.build and wanted.package == package:
            return wanted.build
    return live.production.health.code


def _serving(slot: SlotLive, arm: Arm, build: str) -> SlotLive:
    """Return *slot* serving what *arm* is set to."""
    configured = arm.configured
    health = Health(
        Answer.SERVING,
        model=configured.model,
        version=configured.version,
        digest=configured.digest,
        deploy=configured.deploy,
        code=build,
    )
    return replace(slot, health=health, arm=arm)


def _swapped(release: Release, live: Live, memory: Memory) -> tuple[Live, Memory]:
    production, staging = live.production.arm, live.staging.arm
    assert production is not None
    assert staging is not None
    replaced = live.production.health.release
    moved = replace(
        live,
        production=SlotLive(
            live.production.name, live.staging.health, _exchanged(production, staging)
        ),
        staging=SlotLive(
            live.staging.name, live.production.health, _exchanged(staging, production)
        ),
        verdict=None,
    )
    return moved, replace(
        memory,
        last_swap=LastSwap(release, replaced, ""),
        swap_status="planned",
        converged=release,
        hold_since=None,
        deploys={name: each for name, each in memory.deploys.items() if name != STAGING},
        served=memory.served | {release},
    )


def _exchanged(here: Arm, there: Arm) -> Arm:
    """Return the slot *here* with what travels from *there*; what is sticky stays."""
    kept = {n: v for n, v in here.settings.items() if n in here.sticky}
    came = {n: v for n, v in there.settings.items() if n not in here.sticky}
    settings: Mapping[str, str] = {**came, **kept}
    return replace(
        here,
        settings=settings,
        configured=align.configured(settings),
        deployment_id=there.deployment_id,
        swap_status="planned",
    )


def _prepared_cleared(live: Live) -> Live:
    def cleared(slot: SlotLive) -> SlotLive:
        return replace(slot, arm=slot.arm and replace(slot.arm, prepared=""))

    return replace(live, production=cleared(live.production), staging=cleared(live.staging))


def _settled(live: Live) -> Live:
    """Return *live* once what is starting or under way has ended well."""

    def settled(slot: SlotLive) -> SlotLive:
        arm = slot.arm and replace(slot.arm, operation="")
        if arm is None or not arm.configured.digest:
            return replace(slot, arm=arm)
        if slot.health.serves(_configured_release(arm)):
            return replace(slot, arm=arm)
        return _serving(slot, arm, _build(live, arm.configured.package))

    beside = tuple(
        replace(each, place=replace(each.place, slot=settled(each.place.slot)))
        for each in live.further
    )
    return replace(
        live,
        production=settled(live.production),
        staging=settled(live.staging),
        further=beside,
    )


def _configured_release(arm: Arm) -> Release:
    configured = arm.configured
    return Release(configured.model, configured.version, configured.digest)


# ---------------------------------------------------------------- what a person should know


def _holds_the_way_back(live: Live, after: Memory) -> bool:
    """Say whether the pin is what the last swap replaced, so that one swap still goes back."""
    last = after.last_swap
    return last is not None and isinstance(live.pin, Resolved) and last.replaced == live.pin.release


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
        notes.append(f"to go back: `gitslot rollback`, one swap; {serving} stays in staging")
    if swaps and app.soak_s is not None:
        notes.append(
            f"production soaks for {spoken(app.soak_s)} after the swap: should it fail meanwhile, "
            "it is swapped back by itself"
        )
    kept = live.staging.health.release
    to_staging = steps and steps[0].action == "deploy" and steps[0].what.startswith(f"{STAGING} ")
    if to_staging and kept and kept != serving:
        notes.append(f"the deploy replaces what staging holds now: {kept}")
    return tuple(notes)
