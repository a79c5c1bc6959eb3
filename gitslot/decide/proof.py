"""Rules that prove, count or refuse what was deployed to a slot. Pure."""

from gitslot.decide.case import Case, blocked
from gitslot.decide.place import bringing_since, is_held
from gitslot.state.decision import Decision, Note, Stalled, Verify, Waiting
from gitslot.state.seen import Answer, Mark, Place
from gitslot.state.wanted import Resolved

_REFUSED_AT_ONCE = ("UnknownVersion", "ManifestInvalid", "DigestMismatch")


def prove_release(case: Case, place: Place, wanted: Resolved, counts_for: str) -> Decision | None:
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
    deploy, started = arm.configured.deploy, bringing_since(memory, place)
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
