"""
D5: two controllers on one app, in every order of their shared steps.

Each controller runs on a thread of its own, and exactly one of the two goes on at any moment: which
one is decided at every call to the outside, by a word such as ``ABBA`` or a list of switches.
"""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import combinations, product

from reliability.checker import check
from reliability.rig import Controller
from reliability.runs import Case, Run, finish, liveness
from reliability.scenarios import SCENARIOS, Scene

SEED = 20261122
NAMES = ("A", "B")
STEPS = ("blobs.acquire", "look", "blobs.append", "arm.slotsswap.staging", "blobs.release")
SHARED = ("blobs.", "arm.appsettings-put", "arm.slotsswap", "arm.operationresults", "look")
SHORT_SWITCHES = 68
_STUCK_S = 60.0

type Turn = Callable[[str, str, int], bool]  # who, which call, its number: must the other go on?


class Baton:
    """Lets one of two threads run; whoever has ended gives it to the other for good."""

    def __init__(self, must_yield: Turn) -> None:
        self._must_yield = must_yield
        self._change = threading.Condition()
        self._now = ""
        self._ended: set[str] = set()
        self._counts = dict.fromkeys(NAMES, 0)
        self.log: list[str] = []

    def run(self, first: str, work: dict[str, Callable[[], None]]) -> None:
        """Run both pieces of work to their ends, *first* first; raise what they raise."""
        self._now = first
        wrong: list[BaseException] = []

        def body(name: str) -> None:
            self._wait(name)
            try:
                work[name]()
            except BaseException as error:
                wrong.append(error)
            finally:
                with self._change:
                    self._ended.add(name)
                    self._now = _other(name)
                    self._change.notify_all()

        threads = [threading.Thread(target=body, args=(n,), name=n, daemon=True) for n in work]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(_STUCK_S)
            assert not thread.is_alive(), "both wait for each other"
        if wrong:
            raise wrong[0]

    def point(self, call: str) -> None:
        """Stop here, before *call*, if it is the other's turn."""
        name = threading.current_thread().name
        if name not in NAMES:
            return
        number = self._counts[name]
        if not call.startswith(SHARED):
            return
        self._counts[name] += 1
        self.log.append(f"{name}{call}")
        while self._must_yield(name, call, number) and _other(name) not in self._ended:
            with self._change:
                self._now = _other(name)
                self._change.notify_all()
            self._wait(name)

    def _wait(self, name: str) -> None:
        with self._change:
            free = self._change.wait_for(
                lambda: self._now == name or _other(name) in self._ended, _STUCK_S
            )
            assert free, "both wait for each other"


def _other(name: str) -> str:
    return "B" if name == "A" else "A"


def by_order(order: str) -> Turn:
    """Let the shared steps happen in *order*; whoever comes to a step out of turn waits."""
    left = list(order)

    def must_yield(name: str, call: str, number: int) -> bool:
        del number
        if call not in STEPS or name not in left:
            return False
        if left[0] != name:
            return True
        left.pop(0)
        return False

    return must_yield


def by_switches(first: str, switches: Sequence[int]) -> Turn:
    """Give the turn away before the given numbers of calls, by turns of whoever runs."""
    left = list(switches)
    running = [first]

    def must_yield(name: str, call: str, number: int) -> bool:
        del call
        if left and running[0] == name and number >= left[0]:
            left.pop(0)
            running[0] = _other(name)
            return True
        return False

    return must_yield


def play(scenario: str, first: str, must_yield: Callable[[], Turn]) -> Run:
    """Run two controllers on *scenario*, then let both come to rest one after the other."""
    scene = SCENARIOS[scenario]()
    rig, seam = scene.rig, scene.rig.seam
    both = {name: rig.controller(name) for name in NAMES}
    baton = Baton(must_yield())
    seam.on, seam.stage = True, 0
    last = [""]

    def before(call: str) -> None:
        looks = call.startswith(("arm.slotconfignames", "arm.site-get"))
        name = "look" if looks and last[0] == "blobs.touch" else call
        last[0] = call if not call.startswith(("git.", "health.", "blobs.size")) else last[0]
        baton.point(name)

    seam.before = before
    baton.run(first, {name: partial(_passes, both[name]) for name in NAMES})
    seam.before = lambda _: None
    stop = None
    for name in NAMES:
        stop = both[name].settle(20)
    return _judge(scene, stop)


def _passes(controller: Controller) -> None:
    controller.run()
    controller.run()


def _judge(scene: Scene, stop: object) -> Run:
    entries = scene.cloud.history.entries
    found = check(entries, ("controller", *NAMES))
    found += liveness(scene, stop, 1, 0)  # type: ignore[arg-type]
    return finish(scene, Run(None, found, [], 0, 1, scene.rig.seam.stage))


def orders(scenario: str) -> Iterator[Case]:
    """Give every order of the five shared steps of both: 252."""
    for chosen in combinations(range(10), 5):
        order = "".join("A" if place in chosen else "B" for place in range(10))
        run = partial(play, scenario, order[0], partial(by_order, order))
        yield f"D5,{scenario},{order}", run


def switches(scenario: str, most: int) -> Iterator[Case]:
    """Give all ways to change over at most *most* times, before any shared call."""
    calls = 26
    for first in NAMES:
        for count in range(1, most + 1):
            for places in product(range(calls), repeat=count):
                # The first and the third are calls of the same controller, and so in order.
                if count == 3 and places[2] <= places[0]:
                    continue
                seed = f"D5,{scenario},{first}," + ".".join(map(str, places))
                run = partial(play, scenario, first, partial(by_switches, first, places))
                yield seed, run


def cases(*, long: bool = False) -> Iterator[Case]:
    """Give all orders of the shared steps, and of the calls with few switches all or a sample."""
    yield from orders("revert")
    if long:
        yield from orders("bump")
        yield from switches("revert", 2)
        yield from switches("bump", 2)
    chance = random.Random(SEED)
    three = [*switches("revert", 3), *switches("bump", 3)]
    yield from chance.sample(three, 4000 if long else SHORT_SWITCHES)
