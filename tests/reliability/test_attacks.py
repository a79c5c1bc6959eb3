"""D10: hostile input of every kind is refused by name, writes nothing, and costs little."""

import pytest

from reliability import attacks
from reliability.judged import Judged

LEAST = {"yaml": 45, "git": 14, "webhook": 14, "addresses": 16, "models": 20, "logs": 14}


@pytest.mark.parametrize("group", attacks.GROUPS)
def test_every_attack_is_refused_by_name_within_its_limits(
    group: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each group in a process of its own, with limits of time and memory; figures are printed."""
    judged = Judged("D10")
    attacks.run_group(group, judged)
    with capsys.disabled():
        print("\n" + "\n".join(judged.notes))
    assert not judged.report(), judged.report()
    assert len(judged.told) >= LEAST[group]
