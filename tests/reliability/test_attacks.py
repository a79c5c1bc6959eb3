"""D10: hostile input of every kind is refused by name, writes nothing, and costs little."""

import pytest

from reliability import attacks

LEAST = {"yaml": 45, "git": 14, "webhook": 14, "addresses": 16, "models": 20, "logs": 14}


@pytest.mark.parametrize("group", attacks.GROUPS)
def test_every_attack_is_refused_by_name_within_its_limits(
    group: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each group in a process of its own, with limits of time and memory; figures are printed."""
    found, figures = attacks.run_group(group)
    with capsys.disabled():
        print(f"\n{figures}")
    assert not any(found.values()), {name: wrong for name, wrong in found.items() if wrong}
    assert len(found) >= LEAST[group]
