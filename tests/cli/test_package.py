"""`gitslot package`: what it refuses before it asks anybody, and the blueprint that it copies."""

from pathlib import Path

import pytest

from gitslot.cli.app import run
from gitslot.registry.function_apps import ROOT

WRONG = {
    "": "--version must be letters",
    "--version ../x": "--version must be letters",
    "--version 1 --contract 3": "--contract must be 1 or 2 (docs/use/serving-contract.md)",
    "app --version 1 --sklearn 1.8": "--sklearn is for gitslot's own serving app",
    "--version 1 --sklearn 1.8 --thin": "--sklearn is for gitslot's own serving app",
    "no-such-folder --version 1": "no-such-folder is not a folder",
    "--blueprint": "--blueprint needs FOLDER",
}


@pytest.mark.parametrize("line", WRONG)
def test_wrong_words_are_refused_in_a_sentence(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and nothing was asked of any registry."""
    assert run(["package", *line.split()]) == 2
    printed = capsys.readouterr()
    assert (printed.out, WRONG[line] in printed.err) == ("", True)


def test_the_blueprint_is_copied_once_and_a_changed_one_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What somebody changed in their copy is theirs."""
    copy, words = tmp_path / "gitslot_blueprint.py", ["package", str(tmp_path), "--blueprint"]
    assert [run(words), run(words)] == [0, 0]
    assert copy.read_bytes() == (ROOT / "serving_app" / "blueprint.py").read_bytes()
    assert capsys.readouterr().out.splitlines() == [str(copy)] * 2
    copy.write_text("# mine\n")
    assert run(words) == 2
    assert "is there and differs" in capsys.readouterr().err
    assert copy.read_text() == "# mine\n"
