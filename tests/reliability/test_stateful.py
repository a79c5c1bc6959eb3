"""
Stories that nobody planned: Hypothesis strings commits, faults, kills, other people's hands and
platform failures together, and makes a failing story as short as it can.
"""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from gitslot.errors import SourceError
from gitslot.record.event import Event
from gitslot.state.decision import Converged, Stop
from reliability.checker import check
from reliability.cloud import APP, STAGING
from reliability.registered import digest
from reliability.rig import Controller
from reliability.scenarios import NEW, NEWER, OLD, Scene, first_install, settled, want, write
from reliability.seam import KILL_KINDS, READ_KINDS, WRITE_KINDS
from reliability.swaps import HANDS, stop_platform

NAMES = ("controller", "second")
FAILURES = ("swap-ping", "swap-worker", "swap-allocation", "swap-unexpected", "swap-revert")
KINDS = tuple(dict.fromkeys((*READ_KINDS, *WRITE_KINDS, *KILL_KINDS)))


class Story(RuleBasedStateMachine):
    """One app, two controllers, a branch, and whatever may happen to them."""

    scene: Scene

    @initialize(begin=st.sampled_from([settled, first_install]))
    def begin(self, begin: Any) -> None:
        self.scene = begin()
        self.scene.rig.seam.on = True
        self.others: list[Controller] = [self.scene.controller, self.scene.rig.controller("second")]

    # ------------------------------------------------------------ Git

    @rule(version=st.sampled_from([OLD, NEW, NEWER]), more=st.sampled_from(["", "soak: 10m\n"]))
    def commit(self, version: str, more: str) -> None:
        """Somebody asks for a version."""
        self.scene.cloud.git.want(version, more=more)

    @rule()
    def break_the_file(self) -> None:
        """Somebody commits what is no YAML."""
        self.scene.cloud.git.push("slots: [", None)

    @rule(down=st.booleans())
    def git(self, down: bool) -> None:
        """The Git host goes, or comes back."""
        self.scene.cloud.git.down = SourceError("cannot reach the repository") if down else None

    # ------------------------------------------------------------ controllers

    @rule(who=st.sampled_from([0, 0, 0, 1]))
    def reconcile(self, who: int) -> None:
        """A controller's timer fires."""
        self.others[who].run()

    @rule(
        faults=st.lists(
            st.tuples(st.integers(0, 120), st.sampled_from(KINDS)), min_size=1, max_size=3
        ),
        who=st.sampled_from([0, 0, 0, 1]),
    )
    def reconcile_under_faults(self, faults: list[tuple[int, str]], who: int) -> None:
        """A controller's timer fires while the outside is broken."""
        seam = self.scene.rig.seam
        seam.plan = {len(seam.calls) + ahead: kind for ahead, kind in faults}
        self.others[who].run()
        seam.plan = {}

    @rule(who=st.sampled_from([0, 1]))
    def restart(self, who: int) -> None:
        """A controller's process is replaced between two passes."""
        self.others[who].world = None

    @rule(seconds=st.sampled_from([1.0, 20.0, 61.0, 400.0, 4000.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.scene.cloud.wait(seconds)

    # ------------------------------------------------------------ the platform and other people

    @rule(hand=st.sampled_from(sorted(HANDS)))
    def hand(self, hand: str) -> None:
        """Somebody acts on the app."""
        HANDS[hand](self.scene.cloud)

    @rule(failure=st.sampled_from(FAILURES), delay_s=st.sampled_from([0.0, 120.0]))
    def fail_the_next_swap(self, failure: str, delay_s: float) -> None:
        """The platform will fail a swap."""
        self.scene.cloud.plant(failure, delay_s)

    @precondition(lambda self: self.scene.cloud.operation())
    @rule()
    def lose_the_operation(self) -> None:
        """The platform gives up what it is at."""
        stop_platform(self.scene.cloud)

    @rule(
        version=st.sampled_from([NEW, NEWER]),
        how=st.sampled_from(["wrong", "crash", "LoadFailed", ""]),
    )
    def spoil(self, version: str, how: str) -> None:
        """A version turns out bad, or was mended."""
        self.scene.cloud.behaviour.versions[version] = how

    # ------------------------------------------------------------ what must be true of every story

    def teardown(self) -> None:
        """
        Nothing was violated; and once all is well again, a new commit reaches production.

        What was given up stays given up until the controller has seen another wish, so there are
        two: the first may meet what the story left, the second is certainly new.
        """
        scene = getattr(self, "scene", None)
        if scene is None:
            return
        cloud = scene.cloud
        cloud.git.down = None
        cloud.faults.rules.clear()
        cloud.behaviour.versions.clear()
        self.others[0].settle()
        wanted = {each.wants for each in cloud.git.commits[-1:]}
        first, version = (OLD, NEW) if digest(OLD) not in wanted else (NEW, OLD)
        self._bring(first)
        stop = self._bring(version)
        try:
            found = check(cloud.history.entries, NAMES)
            assert not found, "\n".join(map(str, found))
            assert isinstance(stop, Converged), stop
            assert cloud.serves() == version
        finally:
            cloud.end()

    def _bring(self, version: str) -> Stop | None:
        """Want *version*, and mend what only a person can."""
        want(self.scene, version)
        stop = self.others[0].settle()
        for _ in _BY_A_PERSON:
            if mend := _BY_A_PERSON.get(getattr(stop, "reason", "")):
                mend(self.scene)
                stop = self.others[0].settle()
        return stop


def _acknowledge(scene: Scene) -> None:
    """Say `gitslot retry`: somebody had deployed by hand before anything was written down."""
    write(scene, Event("Retried", APP, scene.cloud.now(), id="retried"))


def _cancel(scene: Scene) -> None:
    """Cancel the swap that somebody else had begun, and that the platform left half done."""
    scene.cloud.post("person", f"/slots/{STAGING}/resetSlotConfig")


_BY_A_PERSON: dict[str, Callable[[Scene], None]] = {
    "JournalLost": _acknowledge,
    "PreparedByPerson": _cancel,
}


def _machine(examples: int, steps: int) -> type[Any]:
    case: type[Any] = Story.TestCase
    case.settings = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    return case


def test_an_older_swap_that_comes_back_is_not_ours() -> None:
    """Our swap back fails while the platform takes the first one back: the journal says so."""
    scene = settled()
    cloud = scene.cloud
    cloud.plant("swap-revert", 120.0)
    cloud.git.want(NEW, more="")
    scene.controller.run()
    cloud.git.want(OLD, more="")
    cloud.plant("swap-unexpected", 0.0)
    assert isinstance(scene.controller.settle(), Converged)
    assert cloud.serves() == OLD
    assert "SwapReverted" in scene.reasons()
    assert not check(cloud.history.entries, NAMES)


def test_no_short_story_breaks_a_promise() -> None:
    """Fifteen things happen in an order that nobody planned."""
    _machine(30, 15)("runTest").runTest()


@pytest.mark.long
def test_no_long_story_breaks_a_promise() -> None:
    """Forty of them, many times."""
    _machine(1500, 40)("runTest").runTest()
