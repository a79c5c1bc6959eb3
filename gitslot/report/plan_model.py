"""
The model of Azure that a plan is folded over: what each decision leads to, if all goes well.

Pure. A deploy makes its slot serve what it is set to, a proof passes, a swap exchanges what is not
sticky.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from gitslot.record.memory import went_back
from gitslot.state import slot_settings
from gitslot.state.code import Package
from gitslot.state.decision import Decision, Deploy, Note, Reset, Swap, Verify, Waiting
from gitslot.state.remembered import LastSwap, Memory, OpenDeploy
from gitslot.state.seen import Answer, Arm, Health, Live, Mark, Seen, Verdict
from gitslot.state.wanted import STAGING, Release, Resolved


def promised(
    decision: Decision, live: Live, memory: Memory, now: datetime
) -> tuple[Live, Memory] | None:
    """Return the world after *decision* was carried out, or None where the plan ends."""
    match decision:
        case Deploy(slot=name) if (source := live.production.arm) and (arm := live.slots[name].arm):
            return _deployed(decision, source, arm, live, memory, now)
        case Verify(slot=name) if slot := live.slots.get(name):
            passed = Verdict(Mark.PASS, f"{name}: golden rows")
            return live.having(replace(slot, verdict=passed)), memory
        case Swap(release=release, back=back) if pair := live.pair:
            moved, after = _swapped(release, live, *pair, memory)
            if back:
                after = went_back(memory, release, pair[0].configured.release)
            return moved, after
        case Reset():
            cleared = replace(memory, swap_failed=None, conflict_prepared=False)
            return _prepared_cleared(live), cleared
        case Note(mark=None, deploy=deploy, release=Release(digest=digest), slot=slot) if deploy:
            proof = (deploy, digest)
            memory = replace(memory, verified=(*memory.verified, proof))
            return live, _remembering(memory, slot, proved=proof)
        case Note(event="SoakPassed") if last := memory.last_swap:
            return live, replace(memory, last_swap=replace(last, soaked=True))
        case Waiting(poll_s=float()):
            settled = _settled(live)
            return None if settled == live else (settled, memory)
        case _:
            return None


def _remembering(memory: Memory, slot: str, **changes: Any) -> Memory:
    return replace(memory, slots={**memory.slots, slot: replace(memory.of(slot), **changes)})


def _deployed(
    decision: Deploy, production: Arm, before: Arm, live: Live, memory: Memory, now: datetime
) -> tuple[Live, Memory]:
    slot = live.slots[decision.slot]
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
    began = OpenDeploy(deploy, now, decision.release)
    memory = replace(memory, baseline=True, run_started=now)
    memory = _remembering(memory, decision.slot, deploy=began)
    return live.having(replace(_serving(slot, arm, build), verdict=None, down_s=0.0)), memory


def _build(live: Live, package: str) -> str:
    """Return what health would call *package*."""
    for wanted in (slot.wanted for slot in live.slots.values()):
        if isinstance(wanted, Resolved) and wanted.build and wanted.package == package:
            return wanted.build
    code = live.production.code
    for build in code.builds.values() if isinstance(code, Package) else ():
        if build.url == package:
            return build.build
    return live.production.health.code


def _serving(slot: Seen, arm: Arm, build: str) -> Seen:
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


def _swapped(
    release: Release, live: Live, production: Arm, staging: Arm, memory: Memory
) -> tuple[Live, Memory]:
    here, there = live.production, live.staging
    moved = live.having(
        replace(here, health=there.health, arm=_exchanged(production, staging)),
        replace(there, health=here.health, arm=_exchanged(staging, production), verdict=None),
    )
    memory = replace(
        _remembering(memory, STAGING, deploy=None),
        last_swap=LastSwap(release, here.health.release),
        swap_status="planned",
        converged=release,
        hold_since=None,
        releases={**memory.releases, release: True},
    )
    return moved, memory


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
    slots = (live.production, live.staging)
    return live.having(
        *(replace(slot, arm=slot.arm and replace(slot.arm, prepared="")) for slot in slots)
    )


def _settled(live: Live) -> Live:
    """Return *live* once what is starting or under way has ended well."""

    def settled(slot: Seen) -> Seen:
        arm = slot.arm and replace(slot.arm, operation="")
        if arm is None or not arm.configured.digest:
            return replace(slot, arm=arm)
        if slot.health.serves(arm.configured.release):
            return replace(slot, arm=arm)
        return _serving(slot, arm, _build(live, arm.configured.package))

    return live.having(*map(settled, live.slots.values()))
