"""
The model of Azure that a plan is folded over: what each decision leads to, if all goes well.

Pure. A deploy makes its slot serve what it is set to, a proof passes, a swap exchanges what is not
sticky.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from gitslot.record.memory import went_back
from gitslot.state import slot_settings
from gitslot.state.decision import Decision, Deploy, Note, Reset, Swap, Verify, Waiting
from gitslot.state.remembered import LastSwap, Memory, OpenDeploy
from gitslot.state.seen import Answer, Arm, Health, Live, Mark, Place, SlotLive, Verdict
from gitslot.state.wanted import STAGING, Release, Resolved


def place_of(live: Live, slot: str) -> Place | None:
    """Return *slot* as it was seen, None where nobody has looked at it."""
    if slot == STAGING:
        return live.at_staging
    return next((each.place for each in live.further if each.place.name == slot), None)


def promised(
    decision: Decision, live: Live, memory: Memory, now: datetime
) -> tuple[Live, Memory] | None:
    """Return the world after *decision* was carried out, or None where the plan ends."""
    match decision:
        case Deploy():
            return _deployed(decision, live, memory, now)
        case Verify(slot=slot) if place := place_of(live, slot):
            passed = Verdict(Mark.PASS, f"{slot}: golden rows")
            return _with(live, replace(place, verdict=passed)), memory
        case Swap(release=release, back=back):
            moved, after = _swapped(release, live, memory)
            production = live.production.arm
            if not back or production is None:
                return moved, after
            return moved, went_back(memory, release, _configured_release(production))
        case Reset():
            cleared = replace(memory, swap_failed=None, conflict_prepared=False)
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
    production, place = live.production.arm, place_of(live, decision.slot)
    assert production is not None
    assert place is not None
    before = place.slot.arm
    assert before is not None
    deploy = f"plan-{decision.attempt}-{len(before.configured.deploy)}"
    settings = slot_settings.staging_settings(
        production.settings,
        before.settings,
        production.sticky,
        release=decision.release,
        deploy=deploy,
        package=decision.package,
        store=before.settings.get("MODEL_STORE", "the registry"),
    )
    arm = replace(before, settings=settings, configured=slot_settings.configured(settings))
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
        configured=slot_settings.configured(settings),
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


def _with(live: Live, place: Place) -> Live:
    """Return *live* with *place* as it is now."""
    if place.name == STAGING:
        return replace(live, staging=place.slot, verdict=place.verdict)
    found = (
        replace(each, place=place) if each.place.name == place.name else each
        for each in live.further
    )
    return replace(live, further=tuple(found))
