"""A platform that says no, or not now, for as long as one likes: bounded, told, and mended."""

from collections.abc import Callable, Mapping
from itertools import pairwise

import pytest

from emulator.arm.calls import Answer
from gitslot.state.decision import Converged, Stalled, Stop, Waiting
from reliability.checker import check
from reliability.scenarios import NEW, SCENARIOS, Scene, bump

POST, PUT = "/slotsswap", "/config/appsettings"
LOCK = (
    "The scope '/subscriptions/s/resourceGroups/group' cannot perform write operation because "
    "following scope(s) are locked: '/subscriptions/s/resourceGroups/group'. Please remove the "
    "lock and try again."
)
BUSY = "Cannot modify this site because another operation is in progress. Details: Id: 1"
THROTTLED = Answer(
    429, {"error": {"code": "TooManyRequests", "message": "wait"}}, {"retry-after": "300"}
)
LOCKED = Answer(409, {"error": {"code": "ScopeLocked", "message": LOCK}})


class Before:
    """Stands before ARM's front and answers writes that end with *path* itself, while *on*."""

    def __init__(self, scene: Scene, path: str, answer: Callable[[], Answer]) -> None:
        self._inner, self._path, self._answer = scene.cloud.gateway, path, answer
        self._scene = scene
        self.on = True
        self.at: list[float] = []
        scene.cloud.gateway = self  # type: ignore[assignment]  # the same by shape

    def answer(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Answer:
        """Answer in ARM's place, or let the request through."""
        ours = method in ("POST", "PUT") and path.endswith(self._path)
        if not (self.on and ours):
            return self._inner.answer(method, path, query, headers, body)
        self.at.append(self._scene.cloud.seconds())
        return self._answer()


def passes(scene: Scene, count: int) -> Stop | None:
    """Run so many passes, one a minute, and return how the last ended."""
    stop = None
    for _ in range(count):
        stop = scene.controller.run()
        scene.cloud.wait(60)
    return stop


def told(scene: Scene) -> list[str]:
    """Return event and reason of everything in the journal."""
    world = scene.controller.start()
    scene.controller.world = None
    return [f"{each.event} {each.reason}".strip() for each in world.journal.events("app")]


@pytest.mark.parametrize("path", [POST, PUT])
def test_a_resource_lock_is_three_failed_attempts_in_its_own_words(path: str) -> None:
    """It is no operation that ends by itself; production is untouched, and the words are shown."""
    scene = bump()
    door = Before(scene, path, lambda: LOCKED)
    stop = passes(scene, 20)
    assert isinstance(stop, Stalled)
    assert "following scope(s) are locked" in stop.message
    assert len(door.at) == 3
    assert scene.cloud.serves() == scene.cloud.serves("production") != NEW
    door.on = False
    scene.cloud.git.want("1.6.0")
    scene.controller.settle()
    assert scene.cloud.serves() == "1.6.0"
    assert check(scene.cloud.history.entries) == []
    scene.cloud.end()


def test_a_lock_on_the_way_back_is_asked_again_every_two_minutes_at_most() -> None:
    """A release that production has served is tried on, and nothing spins."""
    scene = SCENARIOS["revert"]()
    door = Before(scene, POST, lambda: LOCKED)
    passes(scene, 10)
    assert len(door.at) > 9
    assert min(after - before for before, after in pairwise(door.at[1:])) >= 120
    door.on = False
    scene.controller.settle()
    assert scene.cloud.serves() == scene.wants
    scene.cloud.end()


@pytest.mark.parametrize("path", [POST, PUT])
def test_an_operation_that_arm_never_shows_is_not_asked_for_without_end(path: str) -> None:
    """Paused, bounded by what a swap may take, then told by name; nothing is counted as failed."""
    scene = bump()
    door = Before(scene, path, lambda: Answer(409, {"Code": "Conflict", "Message": BUSY}))
    stop = passes(scene, 30)
    assert isinstance(stop, Stalled)
    assert stop.reason == "PlatformBusy"
    assert len(door.at) == scene.rig.policy.max_busy
    assert "SwapFailed SwapRefused" not in told(scene)
    scene.cloud.end()


def test_a_refused_swap_that_runs_after_all_is_waited_for() -> None:
    """409 in other words, and yet ARM shows an operation: the slots tell, not the answer."""
    scene = bump()
    inner = scene.cloud.gateway
    door = Before(scene, POST, lambda: LOCKED)
    refuse = door.answer

    def answer(method: str, path: str, *rest: object) -> Answer:
        if path.endswith(POST):
            inner.answer(method, path, *rest)  # type: ignore[arg-type]
        return refuse(method, path, *rest)  # type: ignore[arg-type]

    door.answer = answer  # type: ignore[assignment,method-assign]
    assert isinstance(scene.controller.settle(), Converged)
    assert scene.cloud.serves() == NEW
    assert len(door.at) == 1
    assert check(scene.cloud.history.entries) == []
    scene.cloud.end()


def test_a_refused_swap_leaves_a_persons_preview_alone() -> None:
    """What never began has prepared nothing: what is prepared later is somebody else's."""
    scene = bump()
    Before(scene, POST, lambda: LOCKED)
    passes(scene, 20)
    body = b'{"targetSlot": "production"}'
    assert scene.cloud.post("person", "/slots/staging/applySlotConfig", body) < 300
    stop = passes(scene, 5)
    assert isinstance(stop, Stalled)
    assert stop.reason == "PreparedByPerson"
    scene.cloud.end()


@pytest.mark.parametrize("path", [POST, PUT])
def test_a_throttled_write_waits_as_long_as_arm_asks_and_counts_nothing(path: str) -> None:
    """L5: an hour of 429 to writes alone, by processes that remember nothing, then it goes on."""
    scene = bump()
    door = Before(scene, path, lambda: THROTTLED)
    stops = []
    for _ in range(60):
        stops.append(scene.controller.run())
        scene.controller.world = None
        scene.cloud.wait(60)
    gaps = [after - before for before, after in pairwise(door.at)]
    assert len(gaps) > 5
    assert min(gaps) >= 300
    reasons = {getattr(stop, "reason", "") for stop in stops if isinstance(stop, Waiting)}
    assert "Throttled" in reasons
    assert not any(isinstance(stop, Stalled) for stop in stops)
    door.on = False
    assert isinstance(scene.controller.settle(), Converged)
    assert scene.cloud.serves() == NEW
    assert check(scene.cloud.history.entries) == []
    scene.cloud.end()


def test_a_throttled_write_does_not_wait_for_a_time_that_arm_does_not_name() -> None:
    """429 without Retry-After: half a minute, and not at once."""
    scene = bump()
    door = Before(scene, PUT, lambda: Answer(429, {"error": {"code": "429", "message": "wait"}}))
    passes(scene, 5)
    assert min(after - before for before, after in pairwise(door.at)) >= 30
    scene.cloud.end()


def test_deploys_that_never_arrive_are_failed_attempts() -> None:
    """503 to every PUT: three of them, two minutes and a pause apart, and then by name."""
    scene = bump()
    door = Before(scene, PUT, lambda: Answer(503))
    stop = passes(scene, 30)
    assert isinstance(stop, Stalled)
    assert stop.reason == "DeployLost"
    assert len(door.at) == 3
    assert told(scene).count("DeployFinished DeployLost") == 3
    assert scene.cloud.serves() != NEW
    door.on = False
    scene.cloud.git.want("1.6.0")
    scene.controller.settle()
    assert scene.cloud.serves() == "1.6.0"
    assert check(scene.cloud.history.entries) == []
    scene.cloud.end()


def test_a_throttled_reset_waits_too() -> None:
    """What a failed swap left prepared is reset once ARM may be asked again."""
    scene = bump()
    scene.cloud.plant("swap-ping")
    door = Before(scene, "/resetSlotConfig", lambda: THROTTLED)
    passes(scene, 10)
    assert door.at
    assert min([300.0, *(after - before for before, after in pairwise(door.at))]) >= 300
    door.on = False
    assert isinstance(scene.controller.settle(), Converged)
    scene.cloud.end()
