"""
(App, Live, Memory, now) -> one Decision. Pure: no clock, no file, no network.

Read `decide` first: it is the order of precedence, one line a rule. Every rule returns a Decision,
or None for "not mine". At most one write follows, and only from a look made under the lock.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from controller import align, intents
from controller.state import (
    PRODUCTION,
    STAGING,
    Answer,
    App,
    Arm,
    Attempts,
    Converged,
    Decision,
    Deploy,
    Doubt,
    Frozen,
    Live,
    Mark,
    Memory,
    Note,
    Policy,
    Refusal,
    Release,
    Reset,
    Resolved,
    SlotLive,
    Stalled,
    Suspended,
    Swap,
    Verify,
    Waiting,
)


@dataclass(frozen=True, slots=True)
class _Case:
    """What every rule may look at."""

    app: App
    live: Live
    memory: Memory
    now: datetime
    policy: Policy


def decide(
    app: App | Doubt, live: Live | Doubt, memory: Memory, now: datetime, policy: Policy
) -> Decision:
    """Return the one next thing to do for *app*, or why nothing may be done."""
    if memory.intent:
        return intents.resolve(live, memory.intent, now, policy)
    if isinstance(app, Doubt):
        return Frozen(app.reason, app.message)
    if isinstance(live, Doubt):
        return Frozen(live.reason, live.message)
    case = _Case(app, live, memory, now, policy)
    return (
        _lost_journal(case)
        or _suspended(case)
        or _prepared(case)
        or _production(case)
        or _pin(case)
        or Converged(_summary(live))
    )


def _summary(live: Live) -> str:
    assert isinstance(live.wanted, Resolved)
    return f"production serves {live.wanted.release}"


# ---------------------------------------------------------------- before any write


def _lost_journal(case: _Case) -> Decision | None:
    live, memory = case.live, case.memory
    if memory.baseline or not any(map(_occupied, (live.production, live.staging))):
        return None
    if memory.lost_since is None:
        return Frozen(
            "JournalLost",
            "the slots serve a release and the journal is empty: a swap may be under way that "
            "nobody remembers; `gitslot retry` acknowledges it",
        )
    moved = bool(memory.lost_markers) and markers(live) not in ("", memory.lost_markers)
    if moved and live.still_s >= case.policy.settle_s and not _operation(live):
        return None
    until = memory.lost_since + timedelta(seconds=case.policy.swap_deadline_s)
    if case.now >= until:
        return None
    return Waiting(
        "JournalLost", f"a swap that nobody remembers could still end until {until:%H:%M:%SZ}"
    )


def _occupied(slot: SlotLive) -> bool:
    """Say whether *slot* names a release; while it is silent, its settings speak for it."""
    return bool(slot.health.version or (slot.arm and slot.arm.configured.version))


def markers(live: Live) -> str:
    """Return both slots' markers as one text, or "" where ARM was not asked."""
    arms = (live.production.arm, live.staging.arm)
    return "|".join(f"{a.deployment_id} {a.swap_status}" for a in arms if a) if all(arms) else ""


def _operation(live: Live) -> str:
    arms = (live.production.arm, live.staging.arm)
    return next((arm.operation for arm in arms if arm and arm.operation), "")


def _suspended(case: _Case) -> Decision | None:
    suspend = case.app.suspend
    return Suspended("Suspended", suspend) if suspend else None


def _prepared(case: _Case) -> Decision | None:
    live, memory = case.live, case.memory
    arms = (live.production.arm, live.staging.arm)
    shown = any(arm and arm.prepared for arm in arms)
    if not shown and not (memory.swap_failed and memory.conflict_prepared):
        return None
    if _operation(live):
        return Waiting(
            "OperationInProgress",
            "another operation runs on the app",
            poll_s=case.policy.poll_s,
        )
    if memory.swap_failed:
        return Reset("a failed swap left the slots prepared")
    return Stalled(
        "PreparedByPerson",
        "somebody prepared a swap with preview; complete or cancel it "
        "(az functionapp deployment slot swap --action reset)",
    )


# ---------------------------------------------------------------- production


def _production(case: _Case) -> Decision | None:
    live = case.live
    wanted = live.wanted
    if isinstance(wanted, Refusal):
        return Stalled(wanted.reason, wanted.message)
    assert wanted is not None
    if production_serves(live, wanted):
        return None
    production, staging = live.production.arm, live.staging.arm
    if production is None or staging is None:
        return Frozen("Unreadable", "the slots' settings were not read")
    return (
        _not_a_write(case, production, wanted)
        or _attempts_spent(case, PRODUCTION, wanted.release)
        or _by_hand(case, production, wanted)
        or _cannot_swap(case, production, wanted)
        or _bring_to_staging(case, wanted, PRODUCTION)
        or _swap(live, wanted)
    )


def production_serves(live: Live, wanted: Resolved) -> bool:
    """Say whether production's own health names *wanted*, and its code where that is named."""
    health = live.production.health
    code = wanted.build is None or health.code == wanted.build
    return health.serves(wanted.release) and code


def _not_a_write(case: _Case, production: Arm, wanted: Resolved) -> Decision | None:
    """Production that is set to the wanted release gets no write, whatever its health."""
    live = case.live
    answer = live.production.health.answer
    # Production that is set to a release of ours and answers 404 is ours and broken: a revert may
    # replace it. Without one it is somebody else's app, or one that still starts.
    if answer is Answer.FOREIGN and not production.configured.version:
        if live.down_s < case.policy.degraded_s:
            return Waiting(
                "ProductionStarting",
                "production does not speak the serving contract yet",
                poll_s=case.policy.poll_s,
                quiet=True,
            )
        return Stalled(
            "NotServingApp",
            "production answers, but not as an app that speaks the serving contract "
            "(GET /api/health)",
        )
    same_code = wanted.package is None or production.configured.package == wanted.package
    if not (production.configured.holds(wanted.release) and same_code):
        return None
    if answer is Answer.BLOCKED:
        return Waiting("ProbeBlocked", f"production: {_blocked(live.production.health.detail)}")
    if live.down_s < case.policy.degraded_s:
        return Waiting(
            "ProductionStarting",
            f"production is set to {wanted.release} and does not serve it yet",
            poll_s=case.policy.poll_s,
            quiet=True,
        )
    why = live.production.health.reason or _NO_SERVING[answer]
    return Stalled(
        "ProductionDegraded",
        f"production is set to {wanted.release} and does not serve it: {why}; "
        f"`git revert {_asked(case, wanted.release)} && git push` goes back",
    )


_NO_SERVING = {
    Answer.SERVING: "it still serves another release",
    Answer.UNHEALTHY: "it is unhealthy",
    Answer.SILENT: "no answer",
    Answer.FOREIGN: "GET /api/health is not there",
    Answer.BLOCKED: "GET /api/health is blocked",
}


def _asked(case: _Case, release: Release) -> str:
    """Return the commit whose swap brought *release*, else the newest that was acted upon."""
    last, accepted = case.memory.last_swap, case.memory.accepted
    if last and last.release == release and last.commit:
        return last.commit[:7]
    return accepted.short if accepted else "HEAD"


def _blocked(detail: str) -> str:
    return (
        f"GET /api/health is blocked ({detail}); make it anonymous, and let the controller "
        "through access restrictions"
    )


def _by_hand(case: _Case, production: Arm, wanted: Resolved) -> Decision | None:
    """Hold a swap that somebody else made, and only report where drift is not to be healed."""
    memory = case.memory
    if (memory.converged, memory.converged_code) != (wanted.release, wanted.build or ""):
        return None
    foreign = memory.swap_status is not None and production.swap_status != memory.swap_status
    serves = _served_label(case.live)
    if case.app.drift == "report":
        how = "a swap that is not ours" if foreign else "an edit that is not ours"
        return Stalled(
            "DriftReported", f"production serves {serves} by {how}; drift is only reported"
        )
    if not foreign:
        return None
    since = memory.hold_since or case.now
    until = since + timedelta(seconds=case.policy.hold_s)
    if case.now >= until:
        return None
    return Waiting(
        "ForeignSwap",
        f"somebody swapped: production serves {serves}; {wanted.release} is put back at "
        f"{until:%H:%M:%SZ}, and `git revert {_asked(case, wanted.release)}` makes it last",
        since=since,
    )


def _served_label(live: Live) -> str:
    release = live.production.health.release
    if release:
        return release.version
    return live.production.arm.configured.label if live.production.arm else "nothing"


def _cannot_swap(case: _Case, production: Arm, wanted: Resolved) -> Decision | None:
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
    if _operation(live):
        return Waiting(
            "OperationInProgress",
            "another operation runs on the app",
            poll_s=case.policy.poll_s,
            quiet=True,  # most often the tail of our own last swap
        )
    return None


def _swap(live: Live, wanted: Resolved) -> Decision:
    assert live.verdict is not None
    return Swap(wanted.release, live.verdict)


# ---------------------------------------------------------------- attempts


def _attempts(memory: Memory, slot: str, release: Release) -> Attempts:
    attempts = memory.attempts.get(slot)
    return attempts if attempts and attempts.release == release else Attempts(release)


def _attempts_spent(case: _Case, slot: str, release: Release) -> Decision | None:
    """A release that production has served before is given up only for wrong answers."""
    attempts = _attempts(case.memory, slot, release)
    if attempts.refused:
        return Stalled(attempts.reason, attempts.message)
    limit = case.policy.max_attempts
    counted = attempts.disproved if release in case.memory.served else attempts.failed
    if counted < limit:
        return None
    return Stalled(
        attempts.reason,
        f"{attempts.message}; {limit} attempts failed, and it is tried again when the file wants "
        "another version or after `gitslot retry`",
    )


def _pause(case: _Case, slot: str, release: Release) -> Decision | None:
    attempts = _attempts(case.memory, slot, release)
    if attempts.last is None:
        return None
    pauses = case.policy.pauses_s
    due = attempts.last + timedelta(seconds=pauses[min(attempts.failed, len(pauses) - 1)])
    if case.now >= due:
        return None
    return Waiting(
        "RetryPause",
        f"attempt {attempts.failed} failed ({attempts.reason}); trying again at {due:%H:%M:%SZ}",
        poll_s=case.policy.poll_s,
    )


# ---------------------------------------------------------------- staging


def _bring_to_staging(case: _Case, wanted: Resolved, slot: str) -> Decision | None:
    """Return what is missing until staging is proved to serve *wanted*, or None when it is."""
    live, memory = case.live, case.memory
    production, staging = live.production.arm, live.staging.arm
    assert production is not None
    assert staging is not None
    attempts = _attempts(memory, slot, wanted.release)
    if pending := _deploy_in_doubt(case, staging):
        return pending
    package = _package(production, staging, memory, wanted)
    why = _why_deploy(production, staging, wanted.release, package, attempts)
    if why is None and _staging_gone(case):
        why = "StagingSilent", "staging does not answer"
    if pause := _pause(case, slot, wanted.release):
        return pause
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


def _deploy_in_doubt(case: _Case, staging: Arm) -> Decision | None:
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


def _staging_gone(case: _Case) -> bool:
    """A staging that stays silent, and that this run did not deploy, is deployed over."""
    staging, memory = case.live.staging, case.memory
    assert staging.arm is not None
    deploy = memory.deploy
    ours = deploy is not None and deploy.deploy == staging.arm.configured.deploy
    began = memory.run_started or case.now
    recent = ours and deploy is not None and deploy.time >= began
    silent = staging.health.answer in (Answer.SILENT, Answer.UNHEALTHY)
    return silent and not recent and case.live.staging_down_s >= case.policy.degraded_s


_REFUSED_AT_ONCE = ("UnknownVersion", "ManifestInvalid", "DigestMismatch")


def _prove(case: _Case, release: Release, slot: str) -> Decision | None:
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
    why = _blocked(health.detail) if health.answer is Answer.BLOCKED else health.reason
    if late := _too_late(case, release, slot, why or "no answer"):
        return late
    if health.answer is Answer.BLOCKED:
        return Waiting("ProbeBlocked", f"staging: {why}")
    return Waiting(
        "StagingStarting", f"staging starts {release}", poll_s=case.policy.poll_s, quiet=True
    )


def _judge(case: _Case, release: Release, slot: str) -> Decision | None:
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


def _too_late(case: _Case, release: Release, slot: str, why: str) -> Decision | None:
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


def _pin(case: _Case) -> Decision | None:
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
    production = live.production.arm
    if production is None or live.staging.arm is None:
        return Frozen("Unreadable", "the slots' settings were not read")
    missing = (
        _attempts_spent(case, STAGING, pin.release)
        or _cannot_swap(case, production, pin)
        or _bring_to_staging(case, pin, STAGING)
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
