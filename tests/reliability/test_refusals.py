"""A platform that says no, or not now, for as long as one likes: bounded, told, and mended."""

from collections.abc import Callable, Mapping
from itertools import pairwise

import pytest

from controller.state import Converged, Stalled, Stop
from emulator.arm.calls import Answer
from tests.reliability.checker import check
from tests.reliability.scenarios import NEW, SCENARIOS, Scene, bump

POST, PUT = "/slotsswap", "/config/appsettings"
LOCK = (
    "The scope '/subscriptions/s/resourceGroups/group' cannot perform write operation because "
    "following scope(s) are locked: '/subscriptions/s/resourceGroups/group'. Please remove the "
    "lock and try again."
)
BUSY = "Cannot modify this site because another operation is in progress. Details: Id: 1"
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
