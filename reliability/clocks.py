"""D7: the controller's clock is wrong: an hour or a day off, stepped back, standing still, fast."""

from collections.abc import Callable, Iterator
from functools import partial

from reliability.doors import SeamClock
from reliability.runs import Case, Run, play
from reliability.scenarios import SCENARIOS, Scene, bump

HOUR, DAY = 3600.0, 86_400.0
STEP_S = 90.0  # into the run: while the swap is under way
CLOCKS = ("+1h", "-1h", "+1day", "-1day", "frozen", "double")


def clock(kind: str, began: float) -> Callable[[SeamClock], None]:
    """Return what makes a clock wrong from the step on, or for double speed from the start."""
    steps = {"+1h": HOUR, "-1h": -HOUR, "+1day": DAY, "-1day": -DAY}

    def spoil(made: SeamClock) -> None:
        if kind == "double":
            made.rate = 2.0
            return

        def skew(seconds: float) -> float:
            late = seconds - began - STEP_S
            if late < 0:
                return 0.0
            return -late if kind == "frozen" else steps[kind]

        made.skew = skew

    return spoil


def run(kind: str, scenario: str) -> Run:
    """Run *scenario* with a clock that goes wrong as *kind* says."""
    plan = {}
    make = SCENARIOS.get(scenario, bump)
    if scenario == "lost-answer":  # to the swap's POST, and the swap takes effect
        calls = play(bump, {}).calls
        post = next(i for i, call in enumerate(calls) if call.name == "arm.slotsswap.staging")
        plan = {post: "reset"}

    def begin() -> Scene:
        scene = make()
        scene.rig.clock = clock(kind, scene.cloud.seconds())
        return scene

    return play(begin, plan)


def cases(*, long: bool = False) -> Iterator[Case]:
    """Give every clock in three scenarios: 18."""
    del long
    for kind in CLOCKS:
        for scenario in ("bump", "revert", "lost-answer"):
            yield f"D7,{kind},{scenario}", partial(run, kind, scenario)
