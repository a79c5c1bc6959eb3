"""Rules that prove, count or refuse what was deployed to a slot. Pure."""

from gitslot.decide.case import Case
from gitslot.decide.place import brought_since, is_held
from gitslot.state.decision import Note, Stalled, Verify, Waiting
from gitslot.state.reasons import REASONS, Nothing, reason_of
from gitslot.state.seen import Answer, Mark, Verdict

_REFUSED_AT_ONCE = ("UnknownVersion", "ManifestInvalid", "DigestMismatch")


def golden_rows_were_not_asked(case: Case) -> Verify | None:
    """Replay the golden rows where the slot answers with the wanted release."""
    if not case.answers or case.slot.verdict is not None:
        return None
    return Verify(case.wanted.release, case.counts_for, case.slot.name)


def golden_rows_differ(case: Case) -> Note | None:
    """Count answers that differ from the model's as a failed attempt."""
    verdict = _verdict(case, Mark.FAIL)
    return _failed(case, verdict.reason, verdict.message, Mark.FAIL) if verdict else None


def app_refuses_the_release(case: Case) -> Note | None:
    """Count a release that its own app refuses; wrong bytes are refused for good."""
    health = case.slot.health
    ours = health.deploy == case.arm.configured.deploy
    if case.answers or health.answer is not Answer.UNHEALTHY or not (ours and health.final):
        return None
    why = health.detail or health.reason
    message = f"{case.slot.name} refuses {case.wanted.release}: {why}"
    refuse = health.reason in _REFUSED_AT_ONCE
    return _failed(case, health.reason, message, Mark.FAIL, refuse=refuse)


def slot_is_not_ours(case: Case) -> Stalled | None:
    """Stall where the slot keeps answering as another app."""
    foreign = not case.answers and case.slot.health.answer is Answer.FOREIGN
    if not foreign or case.slot.down_s < case.policy.degraded_s:
        return None
    entry = REASONS["NotServingApp"]
    return Stalled(entry.name, {"slot": case.slot.name}, entry.next)


def proof_took_too_long(case: Case) -> Note | None:
    """Count an attempt that was inconclusive for longer than a deploy may take."""
    if _verdict(case, Mark.PASS):
        return None
    memory, name, deploy = case.memory, case.slot.name, case.remembered.deploy
    started = brought_since(memory, name)
    if deploy and deploy.deploy == case.arm.configured.deploy:
        started = max(deploy.time, started) if started else deploy.time
    # What was proved once and falls silent is no attempt: it is deployed over.
    silent = case.slot.health.answer is not Answer.SERVING
    late = started and (case.now - started).total_seconds() >= case.policy.deploy_deadline_s
    if not late or (silent and is_held(memory, name, case.wanted)):
        return None
    minutes = case.policy.deploy_deadline_s / 60
    message = f"{name} did not prove {case.wanted.release} in {minutes:.0f} min: {_why(case)}"
    return _failed(case, "DeployTimedOut", message, Mark.INCONCLUSIVE)


def proof_is_inconclusive(case: Case) -> Waiting | None:
    """Wait where golden rows gave no answer."""
    verdict = _verdict(case, Mark.INCONCLUSIVE)
    if verdict is None:
        return None
    entry = reason_of(verdict.reason or "VerifyInconclusive")
    facts = {"message": verdict.message}
    return Waiting(entry.name, facts, entry.next, poll_s=case.policy.poll_s)


def slot_probe_is_blocked(case: Case) -> Waiting | None:
    """Wait where something stands before the slot's health."""
    if case.answers or case.slot.health.answer is not Answer.BLOCKED:
        return None
    return Waiting("ProbeBlocked", _probe(case), REASONS["ProbeBlocked"].next)


def slot_is_starting(case: Case) -> Waiting | None:
    """Wait for a slot that starts what was deployed."""
    if case.answers:
        return None
    entry = REASONS["SlotStarting"]
    facts = {"slot": case.slot.name, "release": str(case.wanted.release)}
    return Waiting(entry.name, facts, entry.next, poll_s=case.policy.poll_s, quiet=True)


def _verdict(case: Case, mark: Mark) -> Verdict | None:
    verdict = case.slot.verdict
    return verdict if case.answers and verdict and verdict.mark is mark else None


def _probe(case: Case) -> dict[str, str]:
    return {"slot": case.slot.name, "detail": case.slot.health.detail}


def _why(case: Case) -> str:
    """Return what the slot does in place of proving the release."""
    if verdict := _verdict(case, Mark.INCONCLUSIVE):
        return verdict.message
    health, build = case.slot.health, case.wanted.build
    if health.answer is Answer.BLOCKED:
        return REASONS["ProbeBlocked"].message(_probe(case), Nothing(""))
    other = f"it runs code {health.code}, not {build}" if build and health.code else ""
    return health.reason or (other if health.code != build else "") or "no answer"


def _failed(case: Case, reason: str, message: str, mark: Mark, *, refuse: bool = False) -> Note:
    return Note(
        "VerifyFailed",
        reason,
        message,
        slot=case.slot.name,
        counts_for=case.counts_for,
        release=case.wanted.release,
        deploy=case.arm.configured.deploy,
        mark=mark,
        refuse=refuse,
    )
