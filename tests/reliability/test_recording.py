"""A run that begins from a recording is the run that it would have been."""

from gitslot.state.decision import Stop
from reliability.runs import Run, play
from reliability.scenarios import OLD, SCENARIOS, bumped, want


def ending(run: Run) -> tuple[Stop | None, int, int, list[str]]:
    """Return what must be equal of two runs."""
    return run.stop, run.writes, run.turns, [f"{call.name} {call.stage}" for call in run.calls]


def test_a_revert_from_the_recorded_bump_is_the_revert_after_a_bump() -> None:
    """Call by call, to the same end."""
    whole = play(lambda: want(bumped(), OLD), {})
    assert not whole.violations
    assert ending(play(SCENARIOS["revert"], {})) == ending(whole)


def test_two_runs_from_one_recording_know_nothing_of_each_other() -> None:
    """What one does to its world is not there in the next."""
    first = play(SCENARIOS["revert"], {40: "killed-after"})
    assert ending(play(SCENARIOS["revert"], {})) == ending(play(SCENARIOS["revert"], {}))
    assert not first.violations
