"""
Carry out one Decision: the only module that changes anything in Azure.

Every write has the same frame: intent into the journal, the lock checked, the world read once more,
one call, its answer into the journal. An answer that was lost is left open for the next look.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from gitslot.edges.azure.answers import is_busy, is_prepared
from gitslot.edges.azure.arm import AppRef, Sent, SwapAnswer
from gitslot.errors import (
    AzureError,
    AzureUnavailable,
    LockLost,
    RegistryUnavailable,
    Superseded,
)
from gitslot.record.event import Event
from gitslot.record.payload import Payload
from gitslot.state import slot_settings
from gitslot.state.decision import Deploy, Reset, Swap, Waiting, waiting
from gitslot.state.reasons import Wait
from gitslot.state.remembered import Memory
from gitslot.state.seen import Arm, Live, Mark
from gitslot.state.wanted import PRODUCTION, STAGING, Doubt, Release


class Writes(Protocol):
    """What an act needs of ARM."""

    def look(self, app: AppRef) -> tuple[Arm, Arm]: ...
    def look_at(self, app: AppRef, slot: str) -> Arm: ...
    def put_settings(self, app: AppRef, slot: str, settings: Mapping[str, str]) -> None: ...
    def swap(self, app: AppRef, slot: str) -> SwapAnswer: ...
    def reset(self, app: AppRef, slot: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Scene:
    """
    What an act works with: the look it was decided from, and how to write things down.

    *base* is an event of this run with every common field filled in; *record* appends to the
    journal under the condition of this look; *answer* writes down what became of the intent whose
    id it is given; *ready* raises LockLost unless a write may be sent, *newest* Superseded where a
    newer commit is known; *flaw_of_code* says what is wrong with the bytes of a package.
    """

    ref: AppRef
    live: Live
    memory: Memory
    base: Event
    azure: Writes
    store: str
    now: datetime
    record: Callable[..., Memory]
    answer: Callable[[Event, str], None]
    ready: Callable[[], None]
    newest: Callable[[], None]
    flaw_of_code: Callable[[str], str]

    @property
    def arms(self) -> tuple[Arm, Arm]:
        """Return production and staging as ARM showed them in this look."""
        pair = self.live.pair
        assert pair is not None
        return pair

    def arm_of(self, slot: str) -> Arm:
        """Return *slot* as ARM showed it in this look."""
        arm = self.live.slots[slot].arm
        assert arm is not None
        return arm

    def event(self, name: str, **fields: Any) -> Event:
        """Return an event of this run."""
        return replace(self.base, event=name, **fields)


_MOVED = Waiting("SlotsMoved", {}, Wait(), poll_s=1.0, quiet=True)


def act(decision: Deploy | Swap | Reset, scene: Scene) -> Waiting | None:
    """
    Carry out *decision*; return what to wait for where it could not be done now.

    Raises LockLost, Superseded or JournalMoved before anything was sent; JournalError also after.
    """
    scene.newest()
    match decision:
        case Deploy():
            return _deploy(decision, scene)
        case Swap():
            return _swap(decision, scene)
        case Reset():
            return _reset(decision, scene)


def _unmoved(scene: Scene, slot: str = STAGING) -> bool:
    """Read production and *slot* once more; False where it differs, or cannot be read."""
    try:
        if slot == STAGING:
            return scene.azure.look(scene.ref) == scene.arms
        two = (PRODUCTION, slot)
        return all(scene.azure.look_at(scene.ref, each) == scene.arm_of(each) for each in two)
    except AzureError:
        return False


def _to(release: Release, arm: Arm) -> dict[str, str]:
    before = {"from_": arm.configured.version, "from_digest": arm.configured.digest}
    return {"model": release.model, "to": release.version, "to_digest": release.digest, **before}


# ---------------------------------------------------------------- deploy


def _deploy(decision: Deploy, scene: Scene) -> Waiting | None:
    slot = decision.slot
    production, before = scene.arm_of(PRODUCTION), scene.arm_of(slot)
    deploy = f"{scene.base.run}-{decision.attempt}"
    target = slot_settings.staging_settings(
        production.settings,
        before.settings,
        production.sticky,
        release=decision.release,
        deploy=deploy,
        package=decision.package,
        store=scene.store,
    )
    fields = _to(decision.release, before)
    try:
        flaw = scene.flaw_of_code(decision.package)
    except RegistryUnavailable as error:
        return waiting(Doubt(error.reason, error.message))
    if flaw:
        scene.record(_refused(decision, scene, flaw, fields))
        return None
    if not _unmoved(scene, slot):
        return _MOVED
    lost = slot_settings.differences(target, before.settings, production.sticky)
    detail = Payload(
        deploy=deploy, counts_for=decision.counts_for, overwritten=tuple(lost), why=decision.why
    )
    scene.ready()
    scene.record(
        scene.event(
            "DeployStarted",
            slot=slot,
            message=f"{slot} <- {decision.release}",
            reason=decision.reason,
            detail=detail,
            **fields,
        )
    )
    scene.ready()
    try:
        scene.azure.put_settings(scene.ref, slot, target)
    except AzureError as error:
        throttled = _throttled(error)
        if isinstance(error, AzureUnavailable) and throttled is None:
            return None  # it may have arrived: the next looks show whether it did
        busy = is_busy(error)
        detail = Payload(
            counts_for=decision.counts_for,
            prepared=is_prepared(error),
            busy=busy,
            retry_after_s=throttled,
        )
        scene.record(
            scene.event(
                "DeployFinished",
                slot=slot,
                reason="DeployRefused" if throttled is None else "Throttled",
                message=f"{_whose(slot)}the platform refused the deploy: {error.message}",
                verdict="" if busy or throttled is not None else Mark.INCONCLUSIVE.value,
                detail=detail,
                **fields,
            )
        )
    return None


def _refused(decision: Deploy, scene: Scene, flaw: str, fields: Mapping[str, str]) -> Event:
    """Return the event of a deploy that was not sent because of its package: refused for good."""
    return scene.event(
        "DeployFinished",
        slot=decision.slot,
        reason="DigestMismatch",
        message=f"{_whose(decision.slot)}nothing is deployed: {flaw}",
        verdict=Mark.FAIL.value,
        detail=Payload(counts_for=decision.counts_for, refuse=True),
        **fields,
    )


def _whose(slot: str) -> str:
    return "" if slot == STAGING else f"{slot}: "


def _throttled(error: AzureError) -> float | None:
    """Return for how many seconds nothing may be written after a 429, None for another error."""
    limited = isinstance(error, AzureUnavailable) and error.status == 429
    return error.retry_after_s if limited and isinstance(error, AzureUnavailable) else None


# ---------------------------------------------------------------- swap


def _swap(decision: Swap, scene: Scene) -> Waiting | None:
    production, staging = scene.arms
    serving = scene.live.production.health.release
    fields = _to(decision.release, production)
    if serving:
        fields |= {"from_": serving.version, "from_digest": serving.digest}
    replaced = serving.model if serving else production.configured.model
    deploy = staging.configured.deploy
    passed = scene.event(
        "VerifyPassed",
        slot=STAGING,
        message=decision.verdict.message,
        verdict=Mark.PASS.value,
        model=decision.release.model,
        to=decision.release.version,
        to_digest=decision.release.digest,
        detail=Payload(
            deploy=deploy, worst=decision.verdict.worst, p99_ms=round(decision.verdict.p99_ms, 1)
        ),
    )
    started = scene.event(
        "SwapStarted",
        slot=PRODUCTION,
        message="staging <-> production" + (", back again" if decision.back else ""),
        detail=Payload(
            deploy=deploy,
            production_deployment=production.deployment_id,
            staging_deployment=staging.deployment_id,
            production_swap=production.swap_status,
            staging_swap=staging.swap_status,
            from_model=replaced if replaced != decision.release.model else "",
            back=decision.back,
        ),
        **fields,
    )
    scene.ready()
    opened = scene.record(passed, started).intent
    assert opened is not None
    try:
        unmoved = _unmoved(scene)
        scene.ready()
        scene.newest()
    except LockLost:
        scene.answer(_not_sent(scene, fields, "the lock was lost just before the swap"), opened.id)
        raise
    except Superseded:
        scene.answer(
            _not_sent(scene, fields, "a newer commit came just before the swap"), opened.id
        )
        raise
    except KeyboardInterrupt:  # Ctrl-C: recorded here, or the next pass would wait as for a swap
        scene.answer(_not_sent(scene, fields, "interrupted just before the swap"), opened.id)
        raise
    if not unmoved:
        event = _not_sent(scene, fields, "the slots moved just before the swap")
        scene.answer(event, opened.id)
        return _MOVED
    scene.answer(_answered(scene, scene.azure.swap(scene.ref, STAGING), fields), opened.id)
    return None


def _not_sent(scene: Scene, fields: Mapping[str, str], message: str) -> Event:
    return scene.event(
        "SwapFailed",
        slot=PRODUCTION,
        reason="NotSent",
        message=message,
        detail=Payload(unsent=True),
        **dict(fields),
    )


def _answered(scene: Scene, answer: SwapAnswer, fields: Mapping[str, str]) -> Event:
    """Say what became of the POST; only an answer that proves it closes the intent."""
    match answer.sent:
        case Sent.ACCEPTED if answer.location:
            detail = Payload(location=answer.location, quiet=True)
            return scene.event("Waiting", reason="SwapRunning", detail=detail)
        case Sent.BUSY:
            return scene.event("Waiting", reason="SwapBusy", detail=Payload(busy=True, quiet=True))
        case Sent.CONFLICT:
            detail = Payload(
                busy=True, refusal=answer.message, prepared=answer.prepared, quiet=True
            )
            return scene.event("Waiting", reason="SwapRefused", detail=detail)
        case Sent.THROTTLED:
            event = _not_sent(scene, fields, "ARM asked to wait; the swap was not begun")
            detail = Payload(unsent=True, retry_after_s=answer.retry_after_s)
            return replace(event, reason="Throttled", detail=detail)
        case Sent.NOT_SENT:
            return _not_sent(scene, fields, f"the swap was not sent: {answer.message}")
        case Sent.REFUSED:
            return scene.event(
                "SwapFailed",
                slot=PRODUCTION,
                reason="SwapRefused",
                message=f"the platform refused the swap: {answer.message}",
                verdict=Mark.INCONCLUSIVE.value,
                **dict(fields),
            )
        case _:
            return scene.event(
                "SwapUnknown",
                slot=PRODUCTION,
                reason="AnswerLost",
                message=f"the answer to the swap was lost ({answer.message or 'no location'}); "
                "it is not sent again",
                **dict(fields),
            )


# ---------------------------------------------------------------- reset


def _reset(decision: Reset, scene: Scene) -> Waiting | None:
    scene.ready()
    try:
        scene.azure.reset(scene.ref, STAGING)
    except AzureError as error:
        if (wait_s := _throttled(error)) is not None:
            detail = Payload(retry_after_s=wait_s, quiet=True)
            scene.record(scene.event("Waiting", reason="Throttled", detail=detail))
            return None
        return waiting(Doubt("ResetRefused", f"cannot reset it: {error.message}"))
    scene.record(
        scene.event(
            "Waiting",
            reason="PreparedReset",
            message=f"{decision.message}: reset",
            detail=Payload(reset=True),
        )
    )
    return None
