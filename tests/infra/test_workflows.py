"""The workflows do what they say with the least that they need; zizmor runs in `make check`."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from gitslot.cli.app import app
from gitslot.registry.package import main as package_main
from tests.infra.page import ROOT
from training.__main__ import main as training_main

FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
_PINNED = re.compile(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
_MAY_WRITE = {"id-token", "contents", "pull-requests"}


def _jobs(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.load(text, Loader=yaml.BaseLoader)["jobs"]  # "on" stays text
    return found


def _scripts(path: Path) -> list[str]:
    return [step["run"] for job in _jobs(path).values() for step in job["steps"] if "run" in step]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_job_may_only_what_it_says(path: Path) -> None:
    """Nothing is granted to a whole workflow; each job names its permissions and its end."""
    text = path.read_text(encoding="utf-8")
    assert "\npermissions: {}\n" in text and "\nconcurrency:\n" in text and "secrets." not in text
    for job in _jobs(path).values():
        assert "timeout-minutes" in job
        writes = {name for name, level in job["permissions"].items() if level == "write"}
        assert writes <= _MAY_WRITE
        assert job["permissions"]["contents"] == ("write" if "pull-requests" in writes else "read")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_fork_without_azure_skips_what_needs_it(path: Path) -> None:
    """Every job that logs in to Azure waits for a variable that a fork does not have."""
    azure = [job for job in _jobs(path).values() if "id-token" in job["permissions"]]
    assert azure
    for job in azure:
        assert job["if"].startswith("vars.AZURE_CLIENT_ID != ''")
        assert job["environment"].startswith("gitslot")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_action_is_pinned(path: Path) -> None:
    """An action is named by commit, with the release that it is."""
    used = [line for line in path.read_text(encoding="utf-8").splitlines() if "uses:" in line]
    assert used
    assert [line for line in used if not _PINNED.search(line)] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_scripts_hold_no_expression(path: Path) -> None:
    """Values come in as variables of the environment, never as text of a script."""
    for script in _scripts(path):
        assert "${{" not in script
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_the_commands_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    """Every command of ours that a workflow runs exists, with those options."""
    group: Any = typer.main.get_command(app)
    seen = set()
    for path in FILES:
        for script in _scripts(path):
            for command in re.findall(r"\.venv/bin/(.*)", script.replace("\\\n", " ")):
                words = command.split()
                options = {word for word in words if word.startswith("--")}
                if words[0] == "gitslot":
                    _, found, _ = group.resolve_command(None, words[1:])
                    known = {opt for p in found.params for opt in p.opts}
                else:
                    known = _help(words[2], capsys)
                assert options <= known, command
                seen.add(" ".join(words[:3]))
    ours = {" ".join(each.split()[:2]) for each in seen}
    assert {"gitslot validate", "gitslot plan", "gitslot bump"} <= ours
    assert {"python -m training", "python -m gitslot.registry.package"} <= seen


def _help(module: str, capsys: pytest.CaptureFixture[str]) -> set[str]:
    """Return the options that the help of *module* names."""
    run = {"training": (training_main, ["train"]), "gitslot.registry.package": (package_main, [])}
    main, words = run[module]
    with pytest.raises(SystemExit):
        main([*words, "--help"])
    return set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
