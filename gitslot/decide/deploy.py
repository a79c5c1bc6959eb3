"""Rules that stand before a write to a slot, and those that deploy. Pure."""

from dataclasses import replace

from gitslot.decide.case import Case
from gitslot.decide.place import brought_since, is_held
from gitslot.state import slot_settings
from gitslot.state.code import Package, shortfall
from gitslot.state.decision import (
    Deploy,
    Frozen,
    Note,
    Stalled,
    Waiting,
    frozen,
    stalled,
    waiting,
)
from gitslot.state.reasons import REASONS
from gitslot.state.seen import Answer, Arm, Mark, Seen
from gitslot.state.wanted import PRODUCTION, STAGING, Doubt, Refusal

# ---------------------------------------------------------------- what forbids a write to a slot


def release_setting_is_sticky(case: Case) -> Stalled | None:
    """Stall where a setting of the release is a slot setting, which a swap would not move."""
    if case.slot.name != STAGING or not (
        sticky := slot_settings.sticky_release(case.source.sticky)
    ):
        return None
    entry = REASONS["StickyReleaseSetting"]
    return Stalled(entry.name, {"names": ", ".join(sticky)}, entry.next)


def slots_share_their_content(case: Case) -> Stalled | None:
    """Stall where the slot has production's content share: what it is sent production runs."""
    entry, facts = REASONS["ContentShared"], {"slot": case.slot.name}
    shared = slot_settings.share_content(case.source.settings, case.arm.settings)
    return Stalled(entry.name, facts, entry.next) if shared else None


def code_has_no_package(case: Case) -> Frozen | None:
    """Freeze where the two slots run different code that comes from no package URL."""
    production, staging = case.live.production.health.code, case.slot.health.code
    named = case.wanted.package is not None
    if case.slot.name != STAGING or named or not (production and staging):
        return None
    if slot_settings.is_url(case.source.configured.package) or production == staging:
        return None
    what = (
        f"production runs code {production}, staging {staging}, and neither comes from a package "
        "URL"
    )
    return Frozen("CodeDiffers", {"what": what}, REASONS["CodeDiffers"].next)


def code_lacks_what_the_model_needs(case: Case) -> Stalled | Waiting | None:
    """Stall where the code that the slot would run has no build that can serve the model."""
    if case.wanted.package is not None or _keeps_its_code(case):
        return None
    code = case.live.production.code
    if isinstance(code, Doubt):
        return waiting(code)
    lacks = shortfall(code, case.wanted.needs) if isinstance(code, Package) else None
    return Stalled("RuntimeMissing", {"what": lacks[0]}, lacks[1]) if lacks else None


def slot_is_stopped(case: Case) -> Stalled | None:
    """Stall where ARM shows the slot stopped, or production, where the slot is swapped with it."""
    both = (case.live.production, case.slot) if case.slot.name == STAGING else (case.slot,)
    return next(filter(None, map(stopped, both)), None)


def stopped(slot: Seen) -> Stalled | None:
    """Return the stop where ARM shows *slot* not running, or the platform answers so for it."""
    state = slot.arm.state.lower() if slot.arm else ""
    if slot.health.answer is Answer.STOPPED:
        state = "stopped"
    if state in ("", "running"):
        return None
    facts = {"slot": slot.name, "state": state}
    return Stalled("SlotStopped", facts, REASONS["SlotStopped"].next)


def somebody_prepared_a_swap(case: Case) -> Stalled | Waiting | None:
    """Stall where a swap that is not ours is prepared with the slot or with production."""
    if not (case.arm.prepared or (case.slot.name == STAGING and case.source.prepared)):
        return None
    if running := operation_is_running(case):
        return replace(running, quiet=False)
    return Stalled("PreparedByPerson", {}, REASONS["PreparedByPerson"].next)


def operation_is_running(case: Case) -> Waiting | None:
    """Wait while ARM shows an operation on the app's pair of slots, or on this one."""
    if not case.live.operation and not case.arm.operation:
        return None
    # Not worth a line in the log: most often it is the tail of our own last swap.
    entry = REASONS["OperationInProgress"]
    return Waiting(entry.name, {}, entry.next, poll_s=case.policy.poll_s, quiet=True)


# ---------------------------------------------------------------- deploy


def _unanswered_s(case: Case) -> float | None:
    """Return for how many seconds the last deploy was not seen to arrive, None where it was."""
    deploy = case.remembered.deploy
    if deploy is None or case.arm.configured.deploy == deploy.deploy:
        return None
    return (case.now - deploy.time).total_seconds()


def deploy_may_still_arrive(case: Case) -> Waiting | None:
    """Wait two minutes for a deploy whose answer was lost."""
    seconds = _unanswered_s(case)
    if seconds is None or seconds >= case.policy.deploy_lost_s:
        return None
    entry, facts = REASONS["DeployUnknown"], {"slot": case.slot.name}
    return Waiting(entry.name, facts, entry.next, poll_s=case.policy.poll_s, quiet=True)


def deploy_never_arrived(case: Case) -> Note | None:
    """Count a deploy of this run that never arrived as a failed attempt."""
    seconds, deploy = _unanswered_s(case), case.remembered.deploy
    if seconds is None or deploy is None or seconds < case.policy.deploy_lost_s:
        return None
    since, counted = brought_since(case.memory, case.slot.name), case.attempts.counted
    # One that was proved, or that failed once, did arrive.
    proof = (deploy.deploy, deploy.release.digest)
    arrived = proof in case.memory.verified or deploy.deploy in counted
    ours = deploy.release == case.wanted.release and since is not None and deploy.time >= since
    if arrived or not ours:
        return None
    return Note(
        "DeployFinished",
        "DeployLost",
        f"{case.slot.name}: a deploy was sent, its answer was lost, and it never arrived",
        slot=case.slot.name,
        counts_for=case.counts_for,
        release=case.wanted.release,
        deploy=deploy.deploy,
        mark=Mark.INCONCLUSIVE,
    )


_ALIGNING = ("SettingsDiffer", "WarmupMissing")


def settings_never_become_equal(case: Case) -> Frozen | None:
    """Freeze where the slots' settings differ again after three deploys."""
    reason, why = _why_deploy(case) or ("", "")
    if reason not in _ALIGNING or case.memory.aligned < case.policy.max_attempts:
        return None
    what = f"{why}, again after {case.memory.aligned} deploys"
    return Frozen(reason, {"what": what}, REASONS[reason].next)


def code_has_other_bytes(case: Case) -> Frozen | Stalled | None:
    """Stop before a deploy of code whose manifest was changed under the name that a slot runs."""
    if _why_deploy(case) is None:
        return None
    version = _package(case).rpartition("/")[0]
    for seen in (case.live.production, case.slot):
        runs = seen.arm.configured.package if seen.arm else ""
        if isinstance(seen.code, Refusal) and runs.rpartition("/")[0] == version:
            return frozen(seen.code) if case.counts_for == PRODUCTION else stalled(seen.code)
    return None


def slot_needs_a_deploy(case: Case) -> Deploy | None:
    """Deploy where the slot is not set to the wanted release, code and settings, or is silent."""
    found = _why_deploy(case)
    if found is None:
        return None
    attempts = (each.attempts for each in case.memory.slots.values())
    started = sum(each.started for each in attempts if each)
    return Deploy(
        case.wanted.release,
        _package(case),
        *found,
        attempt=started + 1,
        counts_for=case.counts_for,
        slot=case.slot.name,
    )


def _package(case: Case) -> str:
    """Return the code to run: left out, it is production's, in the build that the model needs."""
    if case.wanted.package is not None:
        return case.wanted.package
    source: Arm = case.arm if _keeps_its_code(case) else case.source
    url, code = source.configured.package, case.live.production.code
    if source is case.source and isinstance(code, Package):
        return code.url_for(case.wanted.needs, url)
    return url if slot_settings.is_url(url) else ""


def _keeps_its_code(case: Case) -> bool:
    """
    Return whether the slot holds the release with the code that belongs to it.

    Staging does where the last swap took both out of production, a further slot always.
    """
    last, release = case.memory.last_swap, case.wanted.release
    stays = case.slot.name != STAGING or (last is not None and last.replaced == release)
    return stays and case.arm.configured.holds(release)


def _why_deploy(case: Case) -> tuple[str, str] | None:
    """Return reason and words for a deploy, or None where the slot is set as it should be."""
    name, arm, source, package = case.slot.name, case.arm, case.source, _package(case)
    if not arm.configured.holds(case.wanted.release):
        return "ReleaseDiffers", f"{name} is set to {arm.configured.label}"
    if package and arm.configured.package != package:
        return "CodeDiffers", f"{name} runs other code"
    if arm.configured.deploy in case.attempts.counted:
        return "AttemptFailed", "the last attempt failed"
    if name == STAGING:  # what is never swapped changes nothing on production
        if names := slot_settings.differences(source.settings, arm.settings, source.sticky):
            return "SettingsDiffer", f"settings differ from production's: {', '.join(names)}"
        if names := slot_settings.missing_warmup(arm.settings):
            return "WarmupMissing", f"staging lacks {', '.join(names)}"
    if _is_gone(case):
        return "SlotSilent", f"{name} does not answer"
    return None


def _is_gone(case: Case) -> bool:
    """Return whether the slot stays silent, and this run did not deploy it."""
    deploy, name = case.remembered.deploy, case.slot.name
    since = brought_since(case.memory, name) or case.now
    ours = deploy is not None and deploy.deploy == case.arm.configured.deploy
    recent = ours and deploy is not None and deploy.time >= since
    silent = case.slot.health.answer in (Answer.SILENT, Answer.UNHEALTHY)
    lasts = case.slot.down_s >= case.policy.degraded_s
    return silent and lasts and (not recent or is_held(case.memory, name, case.wanted))
