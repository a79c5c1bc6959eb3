"""
D6: the swap itself: cut off in each of its phases, failing in each way that the platform is known
to fail, and with other people's hands on the app.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import product

from emulator.state import Keys, Operation, mark
from tests.reliability import registered
from tests.reliability.between import ANSWERS
from tests.reliability.cloud import APP, STAGING, Cloud
from tests.reliability.runs import Case, Run, play, thinned
from tests.reliability.said import SETTING
from tests.reliability.scenarios import NEWER, SCENARIOS, Scene, bump

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
        stop_platform(cloud)
    return scene


def stop_platform(cloud: Cloud) -> None:
    """End the platform's own work on a swap where it stands, as a restart of it does."""
    for task in list(cloud.fabric._tasks):
        task.cancel()
    cloud.wait(0)
    for operation in cloud.world.estate.end_lost_operations(cloud.now().timestamp()):
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
        cloud.world.estate.put_operation(operation)
        cloud.world.estate.put(mark(cloud.site, ("production", STAGING), operation.id))
        cloud.at(60.0, end)

    def end() -> None:
        operation = cloud.world.estate.operations["theirs"]
        cloud.world.estate.operations["theirs"] = replace(operation, ended=True)
        cloud.world.estate.put(mark(cloud.site, ("production", STAGING), None))

    _just_before_the_post(scene, begin)


def busy_with_their_swap(scene: Scene) -> None:
    """409: somebody else swapped a moment before our POST."""
    _just_before_the_post(scene, scene.cloud.swap_by_hand)


def prepared_by_a_person(scene: Scene) -> None:
    """409: somebody prepared a swap with preview; they cancel it after a while."""
    body = b'{"targetSlot": "production"}'
    cloud = scene.cloud
    cloud.post("person", f"/slots/{STAGING}/applySlotConfig", body)

    def cancel() -> None:
        cloud.post("person", f"/slots/{STAGING}/resetSlotConfig")

    cloud.at(45.0, cancel)


def keys_changed(scene: Scene) -> None:
    """The function keys of staging are rotated while it is proved."""
    cloud = scene.cloud
    cloud.behaviour.keyed = True
    rotated = [False]

    def before(name: str) -> None:
        golden = name == "golden.staging" and scene.rig.seam.calls
        if golden and len(scene.rig.seam.calls) > 90 and not rotated[0]:
            rotated[0] = True
            slot = replace(
                cloud.site.slots[STAGING],
                keys=Keys("a-rotated-master-key", "a-rotated-function-key"),
            )
            cloud.world.estate.put(cloud.site.with_slots(slot))
            host = cloud.host(STAGING)
            if host:
                host.use_keys(slot.keys)

    scene.rig.seam.before = before


def restart_loop(scene: Scene) -> None:
    """Production's process dies every 20 s for a few minutes after the swap."""
    cloud = scene.cloud

    def crash() -> None:
        host = cloud.host("production")
        if host and cloud.site.production.last_swap and host.launch.slot == STAGING:
            host.crash()

    for turn in range(12):
        cloud.at(120.0 + 20.0 * turn, crash)


def _just_before_the_post(scene: Scene, what: Callable[[], None]) -> None:
    done = [False]

    def before(name: str) -> None:
        if name == "arm.slotsswap.staging" and not done[0]:
            done[0] = True
            what()

    scene.rig.seam.before = before


def planted(operation: str, times: int, delay_s: float = 0.0) -> Callable[[Scene], None]:
    """Return what makes the platform fail so many swaps as *operation* says."""

    def plant(scene: Scene) -> None:
        for _ in range(times):
            scene.cloud.plant(operation, delay_s)

    return plant


FAILURES: dict[str, Callable[[Scene], None]] = {
    "409-busy": busy_with_another,
    "409-their-swap": busy_with_their_swap,
    "409-prepared": prepared_by_a_person,
    **ANSWERS,
    "keys-changed": keys_changed,
    "restart-loop": restart_loop,
    "417-ping": planted("swap-ping", 1),
    "400-worker": planted("swap-worker", 1),
    "400-allocation": planted("swap-allocation", 1),
    "400-initialization": planted("swap-initialization", 1),
    "500-unexpected": planted("swap-unexpected", 1),
    "reverted": planted("swap-revert", 1, 120.0),
    "417-ping-for-ever": planted("swap-ping", 9),
    "400-worker-for-ever": planted("swap-worker", 9),
    "reverted-for-ever": planted("swap-revert", 9, 30.0),
}


# What somebody else may do to the app at any moment.
HANDS: dict[str, Callable[[Cloud], object]] = {
    "swap": Cloud.swap_by_hand,
    "deploy": lambda cloud: cloud.change(STAGING, **registered.settings(NEWER, "by-hand")),
    "edit": lambda cloud: cloud.change("production", THEIRS=SETTING),
    "restart": lambda cloud: cloud.post("person", f"/slots/{STAGING}/restart"),
}


def foreign(scenario: str, hand: str, moment: int) -> Run:
    """Let somebody else act right before the call number *moment*."""

    def begin() -> Scene:
        scene = SCENARIOS[scenario]()
        seam, done = scene.rig.seam, [False]

        def before(name: str) -> None:
            del name
            if seam.on and len(seam.calls) == moment and not done[0]:
                done[0] = True
                HANDS[hand](scene.cloud)

        seam.before = before
        return scene

    return play(begin, {})


def failing(scenario: str, failure: str) -> Run:
    """Run *scenario* on a platform that fails so."""

    def begin() -> Scene:
        scene = SCENARIOS[scenario]()
        FAILURES[failure](scene)
        return scene

    return play(begin, {}, ends=not failure.endswith("for-ever"))


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
        for failure in FAILURES:
            yield f"D6,{scenario},{failure}", partial(failing, scenario, failure)
        moments = thinned(play(SCENARIOS[scenario], {}).calls, last=long)
        for moment, hand in product(moments, HANDS):
            run = partial(foreign, scenario, hand, moment)
            yield f"D6,{scenario},{hand},{moment}", run
    yield "D6,bump,poll-without-body", poll_without_body
