"""`gitslot local demo` plays the whole story, tells what it measured, and leaves nothing behind."""

import json
import signal
from pathlib import Path

import pytest

from tests.platform import until
from tests.story.laptop import new_laptop

KEYS = {
    *("bump_s", "rollback_s", "rollback_deploys", "rollback_swaps", "requests", "failed"),
    *("failed_by_hand", "versions_seen", "refused_reason", "blind_swaps", "blind_serves"),
    *("ours_swaps", "ours_serves"),
}


def test_every_expected_value_holds(tmp_path: Path) -> None:
    """One swap takes a bump back, no request fails, and a lost answer sends no second swap."""
    laptop = new_laptop(tmp_path)
    results = tmp_path / "demo.json"
    played = laptop.run(tmp_path, "local", "demo", "--results", str(results))
    assert played.returncode == 0, played.stdout + played.stderr
    measured = json.loads(results.read_text())
    assert measured.keys() == KEYS
    assert (measured["rollback_deploys"], measured["rollback_swaps"]) == (0, 1)
    assert (measured["failed"], measured["versions_seen"]) == (0, ["1.4.0", "1.5.0"])
    assert (measured["blind_swaps"], measured["blind_serves"]) == (2, "1.4.0")
    assert (measured["ours_swaps"], measured["ours_serves"]) == (1, "1.5.0")
    assert measured["refused_reason"] == "DigestMismatch"
    assert measured["requests"] > 0
    until(lambda: not laptop.processes(), "every process has ended", 10)
    assert list((tmp_path / "tmp").glob("gitslot-*")) == []


@pytest.mark.long
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_demo_cut_off_leaves_nothing_running(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """Whether it is interrupted or killed, every process that it started ends."""
    laptop = new_laptop(tmp_path)
    words = ("local", "demo", "--results", str(tmp_path / "demo.json"))
    assert laptop.interrupt(tmp_path, *words, after="First install", number=number) == code
    until(lambda: laptop.processes() == [], "every process has ended", 60)
