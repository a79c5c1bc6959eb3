"""
What is missing until staging is proved to serve a release: deploys and proofs.

Pure. Rules of `decide`, for production's wanted release and for a candidate that staging holds.
"""

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
    Refusal,
    Release,
    Resolved,
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
    for slot in (live.production, live.staging):
        assert slot.arm is not None
        if slot.arm.state and slot.arm.state != "Running":
            return Stalled(
                "SlotStopped", f"{slot.name} is {slot.arm.state.lower()}; start it to go on"
            )
    if operation(live):
        return Waiting(
            "OperationInProgress",
            "another operation runs on the app",
            poll_s=case.policy.poll_s,
            quiet=True,  # most often the tail of our own last swap
        )
    return None


# ---------------------------------------------------------------- deploy


def bring_to_staging(case: Case, wanted: Resolved, slot: str) -> Decision | None:
    """Return what is missing until staging is proved to serve *wanted*, or None when it is."""
    live, memory = case.live, case.memory
    production, staging = live.production.arm, live.staging.arm
    assert production is not None
    assert staging is not None
    attempts = attempts_of(memory, slot, wanted.release)
    if pending := _deploy_in_doubt(case, staging):
        return pending
    package = _package(production, staging, memory, wanted)
    why = _why_deploy(production, staging, wanted.release, package, attempts)
    if why is None and _staging_gone(case):
        why = "StagingSilent", "staging does not answer"
    if wait := pause(case, slot, wanted.release):
        return wait
    if why and why[0] in _ALIGNING and memory.aligned >= case.policy.max_attempts:
        return Frozen(
            why[0],
            f"{why[1]}, again after {memory.aligned} deploys: make them equal in both slots, or "
            "mark them as slot settings, then `gitslot retry`",
        )
    if why:
        started = sum(each.started for each in memory.attempts.values())
        return Deploy(wanted.release, package, *why, started + 1, slot)
    return _prove(case, wanted.release, slot)


_ALIGNING = ("SettingsDiffer", "WarmupMissing")


def _deploy_in_doubt(case: Case, staging: Arm) -> Decision | None:
    deploy = case.memory.deploy
    if deploy is None or staging.configured.deploy == deploy.deploy:
        return None
    if (case.now - deploy.time).total_seconds() >= case.policy.deploy_lost_s:
        return None
    return Waiting(
        "DeployUnknown",
        "a deploy to staging was sent and its answer is not known",
        poll_s=case.policy.poll_s,
        quiet=True,
    )


def _package(production: Arm, staging: Arm, memory: Memory, wanted: Resolved) -> str:
    """Code left out means production's, or what the last swap took out of production."""
    if wanted.package is not None:
        return wanted.package
    last = memory.last_swap
    waiting = last is not None and last.replaced == wanted.release
    source = staging if waiting and staging.configured.holds(wanted.release) else production
    return source.configured.package if align.is_url(source.configured.package) else ""


def _why_deploy(
    production: Arm, staging: Arm, release: Release, package: str, attempts: Attempts
) -> tuple[str, str] | None:
    """Return reason and words for a deploy, or None where staging is set as it should be."""
    configured = staging.configured
    if not configured.holds(release):
        return "ReleaseDiffers", f"staging is set to {configured.label}"
    if package and configured.package != package:
        return "CodeDiffers", "staging runs other code"
    if configured.deploy in attempts.counted:
        return "AttemptFailed", "the last attempt failed"
    if names := align.differences(production.settings, staging.settings, production.sticky):
        return "SettingsDiffer", f"settings differ from production's: {', '.join(names)}"
    if names := align.missing_warmup(staging.settings):
        return "WarmupMissing", f"staging lacks {', '.join(names)}"
    return None


def _staging_gone(case: Case) -> bool:
    """A staging that stays silent, and that this run did not deploy, is deployed over."""
    staging, memory = case.live.staging, case.memory
    assert staging.arm is not None
    deploy = memory.deploy
    ours = deploy is not None and deploy.deploy == staging.arm.configured.deploy
    began = memory.run_started or case.now
    recent = ours and deploy is not None and deploy.time >= began
    silent = staging.health.answer in (Answer.SILENT, Answer.UNHEALTHY)
    return silent and not recent and case.live.staging_down_s >= case.policy.degraded_s


# ---------------------------------------------------------------- proof


_REFUSED_AT_ONCE = ("UnknownVersion", "ManifestInvalid", "DigestMismatch")


def _prove(case: Case, release: Release, slot: str) -> Decision | None:
    live = case.live
    health, arm = live.staging.health, live.staging.arm
    assert arm is not None
    deploy = arm.configured.deploy
    if health.serves(release) and health.deploy == deploy:
        return _judge(case, release, slot)
    if health.answer is Answer.UNHEALTHY and health.deploy == deploy and health.final:
        return Note(
            "VerifyFailed",
            health.reason,
            f"staging refuses {release}: {health.detail or health.reason}",
            slot=slot,
            release=release,
            deploy=deploy,
            mark=Mark.FAIL,
            refuse=health.reason in _REFUSED_AT_ONCE,
        )
    if health.answer is Answer.FOREIGN and live.staging_down_s >= case.policy.degraded_s:
        return Stalled(
            "NotServingApp",
            "staging answers, but not as an app that speaks the serving contract (GET /api/health)",
        )
    why = blocked(health.detail) if health.answer is Answer.BLOCKED else health.reason
    if late := _too_late(case, release, slot, why or "no answer"):
        return late
    if health.answer is Answer.BLOCKED:
        return Waiting("ProbeBlocked", f"staging: {why}")
    return Waiting(
        "StagingStarting", f"staging starts {release}", poll_s=case.policy.poll_s, quiet=True
    )


def _judge(case: Case, release: Release, slot: str) -> Decision | None:
    live = case.live
    verdict = live.verdict
    assert live.staging.arm is not None
    deploy = live.staging.arm.configured.deploy
    if verdict is None:
        return Verify(release, slot)
    if verdict.mark is Mark.PASS:
        return None
    if verdict.mark is Mark.FAIL:
        return Note(
            "VerifyFailed",
            verdict.reason,
            verdict.message,
            slot=slot,
            release=release,
            deploy=deploy,
            mark=Mark.FAIL,
        )
    late = _too_late(case, release, slot, verdict.message)
    return late or Waiting(
        verdict.reason or "VerifyInconclusive", verdict.message, poll_s=case.policy.poll_s
    )


def _too_late(case: Case, release: Release, slot: str, why: str) -> Decision | None:
    """Count an attempt that has been inconclusive for longer than a deploy may take."""
    live, memory = case.live, case.memory
    assert live.staging.arm is not None
    deploy = live.staging.arm.configured.deploy
    started = memory.run_started
    if memory.deploy and memory.deploy.deploy == deploy:
        started = max(memory.deploy.time, started) if started else memory.deploy.time
    if started is None or (case.now - started).total_seconds() < case.policy.deploy_deadline_s:
        return None
    return Note(
        "VerifyFailed",
        "DeployTimedOut",
        f"staging did not prove {release} in {case.policy.deploy_deadline_s / 60:.0f} min: {why}",
        slot=slot,
        release=release,
        deploy=deploy,
        mark=Mark.INCONCLUSIVE,
    )


# ---------------------------------------------------------------- a candidate held in staging


def hold_pin(case: Case) -> Decision | None:
    """Bring the candidate that the file pins to staging, once production has what it wants."""
    live = case.live
    if case.app.pin is None or live.pin is None:
        return None
    if isinstance(live.pin, Refusal):
        return Stalled(live.pin.reason, live.pin.message)
    pin, health = live.pin, live.staging.health
    proved = (health.deploy, health.digest) in case.memory.verified and (
        pin.build is None or health.code == pin.build
    )
    if health.serves(pin.release) and proved:
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
        or bring_to_staging(case, pin, STAGING)
    )
    if missing:
        return missing
    assert live.verdict is not None
    return Note(
        "VerifyPassed",
        "Held",
        live.verdict.message,
        release=pin.release,
        deploy=live.staging.arm.configured.deploy,
    )
