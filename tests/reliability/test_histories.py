"""D9: whatever is done to the watched repository is followed, or freezes by name."""

from collections.abc import Callable
from pathlib import Path

import pytest

from controller.state import Converged, Frozen
from tests.reliability import d9


@pytest.mark.parametrize("spoil", d9.CASES, ids=[case.__name__ for case in d9.CASES])
def test_what_is_done_to_the_repository_is_followed_or_named(
    spoil: Callable[[d9.Watched], None], tmp_path: Path
) -> None:
    """Production serves what git's own command line says, or nothing is written at all."""
    assert not d9.judge(spoil, tmp_path)


def test_a_history_that_is_put_back_ends_the_freeze(tmp_path: Path) -> None:
    """Nobody has to acknowledge what was undone."""
    watched = d9.Watched(tmp_path)
    watched.lab.run()
    d9.force_push_back(watched)
    assert isinstance(watched.lab.run(), Frozen)
    watched.git("reset", "-q", "--hard", watched.accepted)
    watched.want("1.5.0")
    assert isinstance(watched.lab.run(), Converged)
    assert watched.lab.serves() == "1.5.0"
