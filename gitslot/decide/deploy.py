"""
What is missing until a slot is proved to serve a release: deploys and proofs.

Pure. Rules of `decide`: for production's wanted release and for a candidate, both in staging, and
by the same words for every further slot.
"""

from gitslot.decide.attempts import attempts_of, pause
from gitslot.decide.case import Case
from gitslot.decide.place import bringing_since, busy, is_held, stopped
from gitslot.decide.proof import prove_release
from gitslot.state import slot_settings
from gitslot.state.decision import Decision, Deploy, Frozen, Note, Stalled, Waiting
from gitslot.state.remembered import Attempts, Memory, OpenDeploy
from gitslot.state.seen import Answer, Arm, Mark, Place
from gitslot.state.wanted import STAGING, Release, Resolved


def cannot_swap(case: Case, production: Arm, wanted: Resolved) -> Decision | None:
    """Name what stands in the way of any write to staging."""
    live = case.live
    staging = live.staging.arm
    assert staging is not None
    if sticky := slot_settings.sticky_release(production.sticky):
        return Stalled(
            "StickyReleaseSetting",
            f"{', '.join(sticky)} is marked as a slot setting, so a swap would not move it; "
            "unmark it in the slot's configuration",
        )
    codes = (live.production.health.code, live.staging.health.code)
    if (
        wanted.package is None
        and not slot_settings.is_url(production.configured.package)
        and all(codes)
        and codes[0] != codes[1]
    ):
        return Frozen(
            "CodeDiffers",
            f"production runs code {codes[0]}, staging {codes[1]}, and neither comes from a "
            "package URL: deploy the same code to staging, or name it in the file",
        )
    return stopped(live.production) or stopped(live.staging) or busy(case)


# ---------------------------------------------------------------- deploy


def bring(case: Case, place: Place, wanted: Resolved, counts_for: str) -> Decision | None:
    """
    Return what is missing until *place* is proved to serve *wanted*, or None when it is.

    Failures count for the slot of the file that wants it.
    """
    memory, production, arm = case.memory, case.live.production.arm, place.slot.arm
    assert production is not None
    assert arm is not None
    attempts = attempts_of(memory, counts_for, wanted.release)
    if pending := _deploy_in_doubt(case, place, wanted, counts_for):
        return pending
    package = _package(production, place, memory, wanted)
    why = _why_deploy(production, place, wanted.release, package, attempts)
    if why is None and _gone(case, place, wanted):
        why = "SlotSilent", f"{place.name} does not answer"
    if wait := pause(case, counts_for, wanted.release):
        return wait
    if why and why[0] in _ALIGNING and memory.aligned >= case.policy.max_attempts:
        return Frozen(
            why[0],
            f"{why[1]}, again after {memory.aligned} deploys: make them equal in both slots, or "
            "mark them as slot settings, then `gitslot retry`",
        )
    if why:
        started = sum(each.started for each in memory.attempts.values())
        return Deploy(wanted.release, package, *why, started + 1, counts_for, place.name)
    return prove_release(case, place, wanted, counts_for)


_ALIGNING = ("SettingsDiffer", "WarmupMissing")


def _deploy_in_doubt(
    case: Case, place: Place, wanted: Resolved, counts_for: str
) -> Decision | None:
    deploy, arm = case.memory.deploys.get(place.name), place.slot.arm
    assert arm is not None
    if deploy is None or arm.configured.deploy == deploy.deploy:
        return None
    if (case.now - deploy.time).total_seconds() >= case.policy.deploy_lost_s:
        return _lost(case, place, deploy, wanted, counts_for)
    return Waiting(
        "DeployUnknown",
        f"a deploy to {place.name} was sent and its answer is not known",
        poll_s=case.policy.poll_s,
        quiet=True,
    )


def _lost(
    case: Case, place: Place, deploy: OpenDeploy, wanted: Resolved, counts_for: str
) -> Decision | None:
    """Count a deploy of this run that never arrived; one that was proved or failed once did."""
    memory, began = case.memory, bringing_since(case.memory, place)
    counted = attempts_of(memory, counts_for, wanted.release).counted
    arrived = (deploy.deploy, deploy.release.digest) in memory.verified or deploy.deploy in counted
    ours = deploy.release == wanted.release and began is not None and deploy.time >= began
    if arrived or not ours:
        return None
    return Note(
        "DeployFinished",
        "DeployLost",
        f"{place.name}: a deploy was sent, its answer was lost, and it never arrived",
        slot=place.name,
        counts_for=counts_for,
        release=wanted.release,
        deploy=deploy.deploy,
        mark=Mark.INCONCLUSIVE,
    )


def _package(production: Arm, place: Place, memory: Memory, wanted: Resolved) -> str:
    """
    Code left out means production's, or what the last swap took out of production.

    A further slot that holds the release keeps the code with which it got it.
    """
    if wanted.package is not None:
        return wanted.package
    last, arm = memory.last_swap, place.slot.arm
    assert arm is not None
    stays = place.name != STAGING or (last is not None and last.replaced == wanted.release)
    source = arm if stays and arm.configured.holds(wanted.release) else production
    return source.configured.package if slot_settings.is_url(source.configured.package) else ""


def _why_deploy(
    production: Arm, place: Place, release: Release, package: str, attempts: Attempts
) -> tuple[str, str] | None:
    """Return reason and words for a deploy, or None where the slot is set as it should be."""
    arm = place.slot.arm
    assert arm is not None
    configured = arm.configured
    if not configured.holds(release):
        return "ReleaseDiffers", f"{place.name} is set to {configured.label}"
    if package and configured.package != package:
        return "CodeDiffers", f"{place.name} runs other code"
    if configured.deploy in attempts.counted:
        return "AttemptFailed", "the last attempt failed"
    if place.name != STAGING:
        return None  # what is never swapped changes nothing on production
    if names := slot_settings.differences(production.settings, arm.settings, production.sticky):
        return "SettingsDiffer", f"settings differ from production's: {', '.join(names)}"
    if names := slot_settings.missing_warmup(arm.settings):
        return "WarmupMissing", f"staging lacks {', '.join(names)}"
    return None


def _gone(case: Case, place: Place, wanted: Resolved) -> bool:
    """A slot that stays silent, and that this run did not deploy, is deployed over."""
    memory, arm = case.memory, place.slot.arm
    assert arm is not None
    deploy = memory.deploys.get(place.name)
    ours = deploy is not None and deploy.deploy == arm.configured.deploy
    began = bringing_since(memory, place) or case.now
    recent = ours and deploy is not None and deploy.time >= began
    silent = place.slot.health.answer in (Answer.SILENT, Answer.UNHEALTHY)
    lasts = place.down_s >= case.policy.degraded_s
    return silent and lasts and (not recent or is_held(memory, place, wanted))
