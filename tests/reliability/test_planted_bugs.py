"""D11: the suite sees each of fourteen bugs that somebody might well write."""

from pathlib import Path
from shutil import copy2

import pytest

from reliability import planted_bugs

NAMED = (
    *("retry the swap", "skip verify", "verify before the deploy ended"),
    *("trust the answer to the post", "no fresh look", "drop the lock early"),
    *("404 means converged", "head only signature", "ignore duplicate keys"),
    *("hash before download", "log a header", "act on a stale operation"),
    *("look before lock", "deploy from staging s own settings"),
)


def test_the_fourteen_bugs_are_there_and_no_other() -> None:
    """Each has its patch, and each patch says what it plants and why one would."""
    names = [f"{n:02}-{name.replace(' ', '-')}" for n, name in enumerate(NAMED, 1)]
    assert sorted(path.name for path in planted_bugs.PATCHES.iterdir()) == [
        f"{n}.patch" for n in names
    ]
    assert list(planted_bugs.BUGS) == names
    for name in names:
        words, _, hunks = planted_bugs.patch_of(name).read_text().partition("\n\ndiff --git ")
        assert words.startswith("Plants: "), name
        assert "\nWhy one would: " in words, name
        assert hunks, name


@pytest.mark.parametrize("bug", planted_bugs.BUGS)
def test_a_bug_can_still_be_planted(bug: str, tmp_path: Path) -> None:
    """Its patch applies to the sources as they are now, exactly, and leaves Python behind."""
    places = planted_bugs.touched(planted_bugs.patch_of(bug))
    assert places
    for place in places:
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        copy2(planted_bugs.ROOT / place, tmp_path / place)
    planted_bugs.plant(bug, tmp_path)
    for place in places:
        compile((tmp_path / place).read_bytes(), place, "exec")


@pytest.mark.long
def test_every_planted_bug_is_seen_by_a_design(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever survives is a hole in the suite, not in the bug."""
    outcome = planted_bugs.run()
    with capsys.disabled():
        print(f"\n{outcome.line()}\n{outcome.table()}")
    assert not outcome.failed, outcome.report()
