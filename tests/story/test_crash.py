"""Killed at the worst moment: one swap, and it converges; every other moment is D3's."""

import signal

from gitslot.state.decision import Converged
from tests.platform import until
from tests.story.stage import Stage


def test_killed_during_a_swap_it_finds_the_swap_done_and_sends_no_other(stage: Stage) -> None:
    """The platform took the swap, the controller died before the answer: one swap in all."""
    swaps, finished = stage.swaps(), len(stage.history("swap-finished"))
    stage.platform.faults(
        {"operation": "slotsswap", "when": "after", "times": 1, "status": 503, "hold": True}
    )
    stage.repository.want("1.6.0")
    process = stage.run("reconcile", stage.app)
    try:
        until(lambda: stage.swaps() > swaps, "the swap has begun")
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    until(lambda: len(stage.history("swap-finished")) > finished, "the swap's end")
    stage.events.clear()
    assert isinstance(stage.reconcile(stage.open()), Converged)
    assert (stage.serves(), stage.swaps()) == ("1.6.0", swaps + 1)
    assert stage.told() == ["SwapUnknown", "Converged"]
