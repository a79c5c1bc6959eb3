"""How `gitslot doctor` and `gitslot adopt` look, and what they refuse before they ask anybody."""

import io
import json
from pathlib import Path

import pytest
import yaml

from gitslot.cli import doctor
from gitslot.cli.app import run
from gitslot.cli.output import Output
from gitslot.cli.session import Session
from gitslot.report.doctor import checks
from gitslot.report.doctor.facts import Finding, Grade
from gitslot.state.wanted import STAGING
from tests.cli.clones import Clone
from tests.report.doctor.facts import GOOD, GROUND, at_site


def shown(found: tuple[Finding, ...], output: Output, folder: Path) -> str:
    out = io.StringIO()
    doctor.show(Session({}, folder, out), found, output)
    return out.getvalue()


STOPPED = checks.of_app(at_site(STAGING, state="Stopped"))


def test_what_is_not_ok_stands_alone_with_its_fix(tmp_path: Path) -> None:
    """The gravest first."""
    lines = shown((Finding("x", "", Grade.WARNING, "odd"), *STOPPED), Output.TABLE, tmp_path)
    assert lines.splitlines() == [
        *("wrong  running  az-fct-python-ml", "  staging is Stopped"),
        "    az functionapp start -g group -n az-fct-python-ml --slot staging",
        *("", "warning  x", "  odd", ""),
    ]


def test_one_line_tells_how_many_are_ok() -> None:
    """All of them, or how many ended how."""
    fine = (*checks.of_ground(GROUND), *checks.of_app(GOOD))
    assert doctor.summary(fine, verbose=True) == f"{len(fine)} checks, all ok"
    wanted = f"{len(STOPPED)} checks, 1 wrong, {len(STOPPED) - 1} ok (-v shows each)"
    assert doctor.summary(STOPPED, verbose=False) == wanted


@pytest.mark.parametrize("output", [Output.JSON, Output.YAML])
def test_programs_get_every_field(tmp_path: Path, output: Output) -> None:
    """The same data in both."""
    text = shown(STOPPED, output, tmp_path)
    data = json.loads(text) if output is Output.JSON else yaml.safe_load(text)
    (wrong,) = [each for each in data if each["result"] == "wrong"]
    fixes = ["az functionapp start -g group -n az-fct-python-ml --slot staging"]
    expected = {"app": "az-fct-python-ml", "check": "running", "result": "wrong", "fixes": fixes}
    assert wrong == {**expected, "found": "staging is Stopped"}


@pytest.mark.parametrize(
    ("grade", "code"), [(Grade.OK, 0), (Grade.WARNING, 0), (Grade.UNKNOWN, 0), (Grade.WRONG, 1)]
)
def test_only_something_wrong_is_a_failure(grade: Grade, code: int) -> None:
    """Warnings, and what could not be known, leave the exit code alone."""
    assert doctor.code((Finding("a", "", Grade.OK, ""), Finding("b", "", grade, ""))) == code


def test_adopt_never_replaces_a_file_that_it_was_not_told_to(tmp_path: Path) -> None:
    """Nor follows a link to nowhere; nobody is asked anything."""
    (tmp_path / "desired_state.yaml").write_text("app: mine\n")
    (tmp_path / "link.yaml").symlink_to(tmp_path / "elsewhere")
    for words in (("adopt", "a"), ("adopt", "a", "link.yaml")):
        code, out, err = Clone(tmp_path).gitslot(*words)
        assert (code, out, "--overwrite" in err) == (2, "", True)
    assert (tmp_path / "desired_state.yaml").read_text() == "app: mine\n"
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("command", ["doctor", "adopt"])
def test_their_help_fits_a_narrow_terminal(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line is broken in its middle, and the exit codes are there."""
    monkeypatch.setenv("COLUMNS", "80")
    assert run([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert "Exit codes: 0" in text
