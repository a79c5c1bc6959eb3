"""The slots of one app are asked at the same time."""

import threading
from collections.abc import Callable
from typing import Any

from gitslot.look.look import Looker
from gitslot.state.remembered import Memory
from gitslot.state.seen import Answer, Health, Live
from gitslot.state.wanted import App, Wanted
from reliability.cloud import APP
from reliability.lab import Lab


class _Together:
    """Slots that answer only once all of them were asked."""

    def __init__(self, slots: int) -> None:
        self._asked = threading.Barrier(slots)

    def health(self, host: str, **_: Any) -> Health:
        del host
        self._asked.wait(10)
        return Health(Answer.SILENT)

    def request(self, *_: Any, **more: Any) -> Any:
        raise NotImplementedError


def test_one_slot_that_hangs_does_not_keep_another_waiting(open_lab: Callable[..., Lab]) -> None:
    """So a look takes as long as its slowest slot, and not as long as all of them."""
    lab = open_lab("1.4.0")
    looker: Any = lab.world.looker
    shared = (looker._azure, looker._catalog._registry)
    own = Looker(*shared, _Together(2), lab.world.clock, lab.policy)
    seen = own.look(APP, App(APP, "iris", {"production": Wanted("1.4.0")}), Memory())
    assert isinstance(seen, Live)
    assert {each.health.answer for each in seen.slots.values()} == {Answer.SILENT}
