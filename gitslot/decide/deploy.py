"""
What is missing until a slot is proved to serve a release: deploys and proofs.

Pure. Rules of `decide`: for production's wanted release and for a candidate, both in staging, and
by the same words for every further slot.
"""

from dataclasses import replace
from datetime import datetime

from controller import align
from controller.attempts import attempts_of, given_up, pause
from controller.case import Case, blocked, operation, soaks_until
from controller.state import (
    STAGING,
    Answer,
    Arm,
    Attempts,
    Decision,
    Deploy,
    Frozen,
    Mark,
    Memory,
    Note,
    OpenDeploy,
    Place,
    Refusal,
    Release,
    Resolved,
    SlotLive,
    Stalled,
    Verify,
    Waiting,
)


def cannot_swap(case: Case, production: Arm, wanted: Resolved) -> Decision | None:
    """Name what stands in the way of any write to staging."""
    live = case.live
    staging = live.staging.arm
    assert staging is not None
    if sticky := align.sticky_release(production.sticky):
        return Stalled(
            "StickyReleaseSetting",
            f"{', '.join(sticky)} is marked as a slot setting, so a swap would not move it; "
            "unmark it in the slot's configuration",
        )
    codes = (live.production.health.code, live.staging.health.code)
    if (
        wanted.package is None
        and not align.is_url(production.configured.package)
        and all(codes)
        and codes[0] != codes[1]
    ):
        return Frozen(
            "CodeDiffers",
            f"production runs code {codes[0]}, staging {codes[1]}, and neither comes from a "
            "package URL: deploy the same code to staging, or name it in the file",
        )
    return stopped(live.production) or stopped(live.staging) or busy(case)


def stopped(slot: SlotLive) -> Decision | None:
    """Stop for a slot that ARM shows stopped."""
    assert slot.arm is not None
    if not slot.arm.state or slot.arm.state == "Running":
        return None
    return Stalled("SlotStopped", f"{slot.name} is {slot.arm.state.lower()}; start it to go on")


def busy(case: Case, arm: Arm | None = None) -> Decision | None:
    """Wait while an operation runs on the app's two slots, or on that of *arm*."""
    if not operation(case.live) and not (arm and arm.operation):
        return None
    return Waiting(
        "OperationInProgress",
        "another operation runs on the app",
        poll_s=case.policy.poll_s,
        quiet=True,  # most often the tail of our own last swap
    )


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
    return _prove(case, place, wanted, counts_for)


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
    memory, began = case.memory, _began(case.memory, place)
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
    return source.configured.package if align.is_url(source.configured.package) else ""


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
    if names := align.differences(production.settings, arm.settings, production.sticky):
        return "SettingsDiffer", f"settings differ from production's: {', '.join(names)}"
    if names := align.missing_warmup(arm.settings):
        return "WarmupMissing", f"staging lacks {', '.join(names)}"
    return None


def _gone(case: Case, place: Place, wanted: Resolved) -> bool:
    """A slot that stays silent, and that this run did not deploy, is deployed over."""
    memory, arm = case.memory, place.slot.arm
    assert arm is not None
    deploy = memory.deploys.get(place.name)
    ours = deploy is not None and deploy.deploy == arm.configured.deploy
    began = _began(memory, place) or case.now
    recent = ours and deploy is not None and deploy.time >= began
    silent = place.slot.health.answer in (Answer.SILENT, Answer.UNHEALTHY)
    lasts = place.down_s >= case.policy.degraded_s
    return silent and lasts and (not recent or is_held(memory, place, wanted))


def _began(memory: Memory, place: Place) -> datetime | None:
    """Return since when *place* is being brought to what it shall; other slots do not count."""
    told = memory.drifts.get(place.name)
    if told is None and place.name == STAGING:
        return memory.run_started
    return told.time if told else None


def is_held(memory: Memory, place: Place, wanted: Resolved) -> bool:
    """Say whether *wanted* was proved in *place*, nothing having been deployed there since."""
    return memory.held.get(place.name) == (wanted.release, wanted.build or "")


def holds(memory: Memory, place: Place, wanted: Resolved) -> bool:
    """
    Say whether health alone shows that *place* serves what was proved in it.

    What staging holds may have been proved long ago and swapped out since. A further slot answers
    for itself: one that was made as a copy of production has proved nothing.
    """
    health = place.slot.health
    proof = health.deploy, health.digest
    here = place.name == STAGING
    known = proof in memory.verified if here else memory.proved.get(place.name) == proof
    code = wanted.build is None or health.code == wanted.build
    return known and code and health.serves(wanted.release)


# ---------------------------------------------------------------- proof


_REFUSED_AT_ONCE = ("UnknownVersion", "ManifestInvalid", "DigestMismatch")


def _prove(case: Case, place: Place, wanted: Resolved, counts_for: str) -> Decision | None:
    release, health, arm = wanted.release, place.slot.health, place.slot.arm
    assert arm is not None
    deploy = arm.configured.deploy
    code = wanted.build is None or health.code == wanted.build
    if health.serves(release) and health.deploy == deploy and code:
        return _judge(case, place, wanted, counts_for)
    if health.answer is Answer.UNHEALTHY and health.deploy == deploy and health.final:
        return Note(
            "VerifyFailed",
            health.reason,
            f"{place.name} refuses {release}: {health.detail or health.reason}",
            slot=place.name,
            counts_for=counts_for,
            release=release,
            deploy=deploy,
            mark=Mark.FAIL,
            refuse=health.reason in _REFUSED_AT_ONCE,
        )
    if health.answer is Answer.FOREIGN and place.down_s >= case.policy.degraded_s:
        return Stalled(
            "NotServingApp",
            f"{place.name} answers, but not as an app that speaks the serving contract "
            "(GET /api/health)",
        )
    why = blocked(health.detail) if health.answer is Answer.BLOCKED else health.reason
    if not code and health.code:
        why = why or f"it runs code {health.code}, not {wanted.build}"
    if late := _too_late(case, place, wanted, counts_for, why or "no answer"):
        return late
    if health.answer is Answer.BLOCKED:
        return Waiting("ProbeBlocked", f"{place.name}: {why}")
    return Waiting(
        "SlotStarting", f"{place.name} starts {release}", poll_s=case.policy.poll_s, quiet=True
    )


def _judge(case: Case, place: Place, wanted: Resolved, counts_for: str) -> Decision | None:
    verdict, arm = place.verdict, place.slot.arm
    assert arm is not None
    if verdict is None:
        return Verify(wanted.release, counts_for, place.name)
    if verdict.mark is Mark.PASS:
        return None
    if verdict.mark is Mark.FAIL:
        return Note(
            "VerifyFailed",
            verdict.reason,
            verdict.message,
            slot=place.name,
            counts_for=counts_for,
            release=wanted.release,
            deploy=arm.configured.deploy,
            mark=Mark.FAIL,
        )
    late = _too_late(case, place, wanted, counts_for, verdict.message)
    return late or Waiting(
        verdict.reason or "VerifyInconclusive", verdict.message, poll_s=case.policy.poll_s
    )


def _too_late(
    case: Case, place: Place, wanted: Resolved, counts_for: str, why: str
) -> Decision | None:
    """Count an attempt that has been inconclusive for longer than a deploy may take."""
    memory, arm = case.memory, place.slot.arm
    assert arm is not None
    deploy, started = arm.configured.deploy, _began(memory, place)
    last = memory.deploys.get(place.name)
    if last and last.deploy == deploy:
        started = max(last.time, started) if started else last.time
    # What was proved once and falls silent is no attempt: `_gone` deploys over it.
    over = place.slot.health.answer is not Answer.SERVING and is_held(memory, place, wanted)
    late = started and (case.now - started).total_seconds() >= case.policy.deploy_deadline_s
    if over or not late:
        return None
    return Note(
        "VerifyFailed",
        "DeployTimedOut",
        f"{place.name} did not prove {wanted.release} in "
        f"{case.policy.deploy_deadline_s / 60:.0f} min: {why}",
        slot=place.name,
        counts_for=counts_for,
        release=wanted.release,
        deploy=deploy,
        mark=Mark.INCONCLUSIVE,
    )


# ---------------------------------------------------------------- a candidate held in staging


def hold_pin(case: Case) -> Decision | None:
    """Bring the candidate that the file pins to staging, once production has what it wants."""
    decision = _pinned(case)
    match decision:
        case Stalled() | Waiting():
            return replace(decision, slot=STAGING)
        case _:
            return decision


def _pinned(case: Case) -> Decision | None:
    live = case.live
    if case.app.pin is None or live.pin is None:
        return None
    if isinstance(live.pin, Refusal):
        return Stalled(live.pin.reason, live.pin.message)
    pin, place = live.pin, live.at_staging
    if holds(case.memory, place, pin):
        return None
    assert isinstance(live.wanted, Resolved)
    until = soaks_until(case.app, case.memory, live.wanted)
    if until and case.now < until:
        return Waiting(
            "Soaking", f"production soaks until {until:%H:%M:%SZ}; then staging gets {pin.release}"
        )
    production = live.production.arm
    if production is None or live.staging.arm is None:
        return Frozen("Unreadable", "the slots' settings were not read")
    missing = (
        given_up(case, STAGING, pin.release)
        or cannot_swap(case, production, pin)
        or bring(case, place, pin, STAGING)
    )
    return missing or proved(place, pin)


def proved(place: Place, wanted: Resolved) -> Decision:
    """Write down that *place* holds *wanted*, which nothing is missing for."""
    assert place.verdict is not None
    assert place.slot.arm is not None
    return Note(
        "VerifyPassed",
        "Held",
        place.verdict.message,
        slot=place.name,
        counts_for=place.name,
        release=wanted.release,
        deploy=place.slot.arm.configured.deploy,
        code=wanted.build or "",
    )
