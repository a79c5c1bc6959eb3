"""
D6: the swap itself: cut off in each of its phases, failing in each way that the platform is known
to fail, and with other people's hands on the app.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import product

from emulator.seen.faults import Fault
from emulator.slots.state import Keys, Operation, mark
from gitslot.state.decision import Stalled
from reliability import registered
from reliability.between import ANSWERS, PUTS, SENT, spoilt_twice
from reliability.cloud import APP, STAGING, Cloud
from reliability.registered import ROWS
from reliability.rig import QUICK
from reliability.runs import Case, Run, play, thinned
from reliability.said import SETTING
from reliability.scenarios import NEW, NEWER, OLD, SCENARIOS, STORIES, Scene, bump

# Seconds after the POST: accepted, the source restarts, it is pinged, it waits, the content has
# moved, the old content restarts, the operation has ended.
PHASES = (0.0, 3.0, 6.0, 40.0, 67.0, 73.0, 90.0)
# What there was when the controller died: an intent and no POST, no answer, an answer written down.
KNOWN = ("not-sent", "unknown", "located")


def cut_off(scenario: str, known: str, phase: float, *, gives_up: bool = False) -> Scene:
    """Kill the controller about its POST, and start it again *phase* seconds later."""
    scene = SCENARIOS[scenario]()
    seam, cloud = scene.rig.seam, scene.cloud
    writes = 1 if scenario == "revert" else 2
    seen, seam.stage = [0], 0

    def kill(name: str) -> None:
        process = scene.controller.process
        if process is None:
            return
        sent = seam.stage >= writes
        told = seen[0] > 0
        seen[0] += sent and name == "blobs.append"
        if (
            (known == "not-sent" and name == "arm.slotsswap.staging")
            or (known == "unknown" and sent)
            or (known == "located" and sent and told)
        ):
            process.alive = False

    seam.before = kill
    scene.controller.run()
    assert scene.controller.world is None, "it was to be killed"
    seam.before = lambda _: None
    cloud.wait(phase)
    if gives_up:
        assert cloud.operation(), "there is nothing to give up"
        stop_platform(cloud)
    return scene


def stop_platform(cloud: Cloud) -> None:
    """End the platform's own work on a swap where it stands, as a restart of it does."""
    for task in list(cloud.fabric._tasks):
        task.cancel()
    cloud.wait(0)
    for operation in cloud.world.store.end_lost_operations(cloud.now().timestamp()):
        what = "swap-failed" if operation.failure else "swap-finished"
        cloud.history.record(what, site=cloud.site, slot=STAGING, caller=operation.caller)
    with cloud.loop.current():
        cloud.fabric.start_all()


# ---------------------------------------------------------------- what platforms do


def busy_with_another(scene: Scene) -> None:
    """409: somebody else's operation began a moment before our POST, and changes nothing."""
    cloud = scene.cloud

    def begin() -> None:
        at = cloud.now().timestamp()
        operation = Operation("theirs", APP, STAGING, "production", "person", at)
        cloud.world.store.put_operation(operation)
        cloud.world.store.put(mark(cloud.site, ("production", STAGING), operation.id))
        cloud.at(60.0, end)

    def end() -> None:
        operation = cloud.world.store.operations["theirs"]
        cloud.world.store.operations["theirs"] = replace(operation, ended=True)
        cloud.world.store.put(mark(cloud.site, ("production", STAGING), None))

    _refused(scene, POST, begin)


def busy_with_their_swap(scene: Scene) -> None:
    """409: somebody else swapped a moment before our POST."""
    _refused(scene, POST, scene.cloud.swap_by_hand)


def _prepare(cloud: Cloud, source: str, target: str) -> None:
    path = "" if source == "production" else f"/slots/{source}"
    cloud.post("person", f"{path}/applySlotConfig", f'{{"targetSlot": "{target}"}}'.encode())
    cloud.at(45.0, lambda: cloud.post("person", f"{path}/resetSlotConfig"))


def prepared_before(call: str, source: str, target: str) -> Callable[[Scene], None]:
    """
    Return what has somebody prepare a swap with preview a moment before *call*.

    ARM takes a POST the same way round for the preview's completion, and refuses it the other way
    round; it refuses every PUT. After a while they cancel.
    """

    def plant(scene: Scene) -> None:
        _refused(scene, call, lambda: _prepare(scene.cloud, source, target))

    return plant


def preview(scene: Scene) -> None:
    """Somebody has prepared a swap with preview; they cancel it after a while."""
    _prepare(scene.cloud, STAGING, "production")
    scene.must("a stop that tells", lambda: "PreparedByPerson" in scene.reasons())


def keys_changed(scene: Scene) -> None:
    """The function keys of staging are rotated while it is proved."""
    cloud = scene.cloud
    cloud.behaviour.keyed = True

    def rotate() -> None:
        keys = Keys("a-rotated-master-key", "a-rotated-function-key")
        slot = replace(cloud.site.slots[STAGING], keys=keys)
        cloud.world.store.put(cloud.site.with_slots(slot))
        host = cloud.host(STAGING)
        assert host
        host.use_keys(keys)

    _just_before(scene, "golden.staging", rotate, number=ROWS // 2)


def restart_loop(scene: Scene) -> None:
    """Production's process dies every 20 s for a few minutes after the swap."""
    cloud, before = scene.cloud, scene.cloud.site.production.last_swap

    def crash() -> None:
        host = cloud.host("production")
        if host and cloud.site.production.last_swap != before:
            host.crash()

    for turn in range(12):
        cloud.at(120.0 + 20.0 * turn, crash)
    scene.watched_s = 300.0
    scene.must_see("process-crashed", 9)


def _just_before(scene: Scene, call: str, what: Callable[[], object], number: int = 1) -> None:
    """Do *what* once, before the call of that *number* of those named *call*."""
    left = [number]

    def before(name: str) -> None:
        left[0] -= name == call
        if name == call and left[0] == 0:
            what()

    scene.rig.seam.before = before
    scene.must(f"{number} x {call}", lambda: left[0] <= 0)


def _refused(scene: Scene, call: str, what: Callable[[], object]) -> None:
    """Do *what* just before *call*, so that ARM refuses it."""
    _just_before(scene, call, what)
    scene.must_see("write-answered", what=call.split(".")[1], status=409)


def planted(operation: str, times: int = 1) -> Callable[[Scene], None]:
    """Return what makes the platform fail so many swaps as *operation* says."""

    def plant(scene: Scene) -> None:
        for _ in range(times):
            scene.cloud.plant(operation)
        gives_up = times > TRIES and scene.wants == NEW
        scene.must_see("swap-failed", TRIES if gives_up else times)
        if gives_up:  # a release that has served before is tried on
            scene.wants, scene.stop = OLD, Stalled

    return plant


def reverted(scene: Scene) -> None:
    """The platform takes the swap back two minutes after it reported success."""
    scene.cloud.plant("swap-revert", 120.0)
    scene.watched_s = 180.0
    scene.must_see("swap-reverted")


def reverted_for_ever(scene: Scene) -> None:
    """It takes back every swap: that is told, and ends after as many tries as a bad candidate."""
    scene.cloud.faults.rules.append(Fault("swap-revert", times=None, delay_s=30.0))
    scene.wants, scene.stop, scene.reason = scene.cloud.serves(), Stalled, "SwapReverted"
    scene.watched_s = 1800.0
    scene.must_see("swap-reverted", TRIES)


TRIES = QUICK.max_attempts
POST, PUT = "arm.slotsswap.staging", "arm.appsettings-put.staging"
FAILURES: dict[str, Callable[[Scene], None]] = {
    "409-busy": busy_with_another,
    "409-their-swap": busy_with_their_swap,
    "409-prepared": prepared_before(POST, "production", STAGING),
    "preview": preview,
    **ANSWERS,
    "keys-changed": keys_changed,
    "restart-loop": restart_loop,
    "417-ping": planted("swap-ping"),
    "400-worker": planted("swap-worker"),
    "400-allocation": planted("swap-allocation"),
    "400-initialization": planted("swap-initialization"),
    "500-unexpected": planted("swap-unexpected"),
    "reverted": reverted,
    "417-ping-for-ever": planted("swap-ping", 9),
    "400-worker-for-ever": planted("swap-worker", 9),
    "reverted-for-ever": reverted_for_ever,
}
# What can go wrong only where something is deployed.
DEPLOYING = {"409-prepared-put": prepared_before(PUT, STAGING, "production")}


# What somebody else may do to the app at any moment.
HANDS: dict[str, Callable[[Cloud], int]] = {
    "swap": Cloud.swap_by_hand,
    "deploy": lambda cloud: cloud.change(STAGING, **registered.settings(NEWER, "by-hand")),
    "edit": lambda cloud: cloud.change("production", THEIRS=SETTING),
    "restart": lambda cloud: cloud.post("person", f"/slots/{STAGING}/restart"),
}


def foreign(scenario: str, hand: str, moment: int) -> Run:
    """Let somebody else act right before the call number *moment*, or the next of its thread."""

    def begin() -> Scene:
        scene = SCENARIOS[scenario]()
        seam, cloud = scene.rig.seam, scene.cloud
        acted: list[bool] = []  # whether ARM took it, or refused it while something else ran

        def before(name: str) -> None:
            del name
            if seam.on and len(seam.calls) >= moment and not acted:
                busy = cloud.operation() is not None
                status = HANDS[hand](cloud)
                acted.append(status < 300 or (busy and status == 409))

        seam.before = before
        scene.must(hand, lambda: acted == [True])
        return scene

    return play(begin, {})


def failing(scenario: str, fail: Callable[[Scene], None]) -> Run:
    """Run *scenario* on a platform that fails so."""

    def begin() -> Scene:
        scene = SCENARIOS[scenario]()
        fail(scene)
        return scene

    return play(begin, {})


def poll_without_body() -> Run:
    """The poll of the swap answers 400 with nothing in it, which proves nothing."""
    calls = play(bump, {}).calls
    polls = [i for i, call in enumerate(calls) if call.name.startswith("arm.operationresults")]
    return play(bump, dict.fromkeys(polls, "empty-before"))


def cases(*, long: bool = False) -> Iterator[Case]:
    """Give every phase cut off, every failure, and other people's hands at every moment."""
    for scenario in ("bump", "revert"):
        for known in KNOWN:
            for phase in PHASES if known != "not-sent" else PHASES[:1]:
                make = partial(cut_off, scenario, known, phase)
                yield f"D6,{scenario},{known},{phase:g}", partial(play, make, {})
                if phase < 79 and known != "not-sent":
                    make = partial(cut_off, scenario, known, phase, gives_up=True)
                    yield f"D6,{scenario},{known},{phase:g},given-up", partial(play, make, {})
        failures = {**FAILURES, **(DEPLOYING if scenario == "bump" else {})}
        for failure, fail in failures.items():
            yield f"D6,{scenario},{failure}", partial(failing, scenario, fail)
        moments = thinned(play(SCENARIOS[scenario], {}).calls, last=long)
        for moment, hand in product(moments, HANDS):
            run = partial(foreign, scenario, hand, moment)
            yield f"D6,{scenario},{hand},{moment}", run
    for story, begin in STORIES.items():
        yield f"D6,{story}", partial(play, begin, {})
    yield "D6,bump,poll-without-body", poll_without_body
    for names in product(SENT, SENT, PUTS) if long else ():
        yield f"D6,bump,{','.join(names)}", partial(spoilt_twice, *names)
