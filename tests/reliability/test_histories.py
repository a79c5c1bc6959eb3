"""D9: whatever is done to the watched repository is followed, or freezes by name."""

from pathlib import Path

import pytest

from gitslot.state.decision import Converged, Frozen
from reliability import histories


@pytest.mark.parametrize("case", histories.CASES)
def test_what_is_done_to_the_repository_is_followed_or_named(case: str, tmp_path: Path) -> None:
    """Production serves what git's own command line says, or nothing is written at all."""
    assert not histories.judge(case, histories.Watched(tmp_path))


def test_a_history_that_is_put_back_ends_the_freeze(tmp_path: Path) -> None:
    """Nobody has to acknowledge what was undone."""
    watched = histories.Watched(tmp_path)
    watched.lab.run()
    watched.spoil("force_push_back")
    assert isinstance(watched.lab.run(), Frozen)
    watched.git("reset", "-q", "--hard", watched.accepted)
    watched.want("1.5.0")
    assert isinstance(watched.lab.run(), Converged)
    assert watched.lab.serves() == "1.5.0"
