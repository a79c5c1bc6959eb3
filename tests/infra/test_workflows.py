"""
The workflows, ours and those that `gitslot init` writes, do what they say with the least that they
need. zizmor runs on ours in `make check`, on the others here.
"""

import os
import re
import subprocess
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import typer.main
import yaml

from gitslot.cli.app import app
from gitslot.cli.starter import Wish, files
from gitslot.registry.package import main as package_main
from gitslot.report.comment import MARK
from tests.infra.page import ROOT
from tools.check import workflow_problems
from training.__main__ import main as training_main


def _wish(folder: str = "", *environments: str) -> Wish:
    settings = {"storage": "", "repository": "", "branch": "main"}
    place = PurePosixPath("serving" if folder else "")
    words = ("churn", "risk", "1.10", folder, environments, settings, "", "gitslot==0.1.0")
    return Wish(place, *words)


FOLDER = PurePosixPath(".github/workflows")
OURS = {path.name: path.read_text() for path in sorted((ROOT / FOLDER).glob("*.yml"))}
MADE = {
    f"{kind}-{path.name}": text
    for kind, wish in (("one", _wish()), ("more", _wish("apps", "dev", "prod")))
    for path, text in files(wish).items()
    if path.parent == FOLDER
}
EVERY = pytest.mark.parametrize("text", (OURS | MADE).values(), ids=OURS | MADE)
_PINNED = re.compile(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
_COMMAND = re.compile(r"(?:\.venv/bin/|^ *)((?:gitslot|python -m) .*)", re.MULTILINE)
_MAY_WRITE = {"id-token", "contents", "pull-requests"}


def _jobs(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(text, Loader=yaml.BaseLoader)["jobs"]  # "on" stays text
    return found


def _scripts(text: str) -> list[str]:
    return [step["run"] for job in _jobs(text).values() for step in job["steps"] if "run" in step]


@EVERY
def test_a_job_may_only_what_it_says(text: str) -> None:
    """Nothing is granted to a whole workflow; each job names its permissions and its end."""
    assert "\npermissions: {}\n" in text and "\nconcurrency:\n" in text and "secrets." not in text
    for job in _jobs(text).values():
        assert "timeout-minutes" in job
        writes = {name for name, level in job["permissions"].items() if level == "write"}
        assert writes <= _MAY_WRITE
        opens = "gh pr create" in str(job["steps"])
        assert job["permissions"]["contents"] == ("write" if opens else "read")
        assert ("pull-requests" in writes) == ("GH_TOKEN" in str(job["steps"]))


@EVERY
def test_a_fork_without_azure_skips_what_needs_it(text: str) -> None:
    """Every job that logs in to Azure waits for a variable that a fork does not have."""
    azure = [job for job in _jobs(text).values() if "id-token" in job["permissions"]]
    assert azure
    for job in azure:
        assert job["if"].startswith("vars.AZURE_CLIENT_ID != ''")
        if "gitslot wait" in str(job["steps"]):
            continue
        matrix = job.get("strategy", {}).get("matrix", {}).get("include", [{}])
        names = {row.get("environment", job["environment"]) for row in matrix}
        assert all(re.match("gitslot-(models|code|plan)", name) for name in names)


@EVERY
def test_every_action_is_pinned(text: str) -> None:
    """An action is named by commit, with the release that it is."""
    used = [line for line in text.splitlines() if "uses:" in line]
    assert used
    assert [line for line in used if not _PINNED.search(line)] == []


@EVERY
def test_scripts_hold_no_expression(text: str) -> None:
    """Values come in as variables of the environment, never as text of a script."""
    for script in _scripts(text):
        assert "${{" not in script
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_the_commands_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    """Every command of ours that a workflow runs exists, with those options."""
    group: Any = typer.main.get_command(app)
    seen = set()
    for text in (OURS | MADE).values():
        for script in _scripts(text):
            for command in _COMMAND.findall(script.replace("\\\n", " ")):
                words = command.replace("python -m gitslot ", "gitslot ").split()
                options = {word for word in words if word.startswith("--")}
                if words[0] == "gitslot":
                    _, found, _ = group.resolve_command(None, words[1:])
                    known = {opt for p in found.params for opt in p.opts}
                else:
                    known = _help(words[2], capsys)
                assert options <= known, command
                seen.add(" ".join(words[:3]))
    ours = {" ".join(each.split()[:2]) for each in seen}
    assert {"gitslot validate", "gitslot plan", "gitslot wait", "gitslot bump"} <= ours
    assert {"python -m training", "python -m gitslot.registry.package"} <= seen


def _help(module: str, capsys: pytest.CaptureFixture[str]) -> set[str]:
    """Return the options that the help of *module* names."""
    run = {"training": (training_main, ["train"]), "gitslot.registry.package": (package_main, [])}
    main, words = run[module]
    with pytest.raises(SystemExit):
        main([*words, "--help"])
    return set(re.findall(r"--[a-z-]+", capsys.readouterr().out))


def test_a_made_workflow_needs_nothing_of_ours(tmp_path: Path) -> None:
    """It installs gitslot by the pinned reference, and zizmor finds nothing in it."""
    (tmp_path / FOLDER).mkdir(parents=True)
    for name, text in MADE.items():
        (tmp_path / FOLDER / name).write_text(text)
        for script in _scripts(text):
            assert not re.search(r"\.venv|tools/|\bmake\b|python -m", script)
        for job in _jobs(text).values():
            installs = [step.get("run", "") for step in job["steps"]]
            assert any(
                "pip install -r .github/gitslot-requirements.txt" in each for each in installs
            )
    assert list(workflow_problems(tmp_path)) == []


_GH = """#!/bin/sh
echo "$*" >> calls
case "$*" in *--jq*) cat found ;; esac
for word; do case $word in body=@*) cp "${word#body=@}" sent ;; esac; done
"""


@pytest.mark.parametrize("text", [OURS["desired-state.yml"], MADE["more-gitslot-plan.yml"]])
@pytest.mark.parametrize("found", ["", "77\n78\n"])
def test_the_plan_is_one_comment(text: str, found: str, tmp_path: Path) -> None:
    """The job's own comment is changed where there is one; else one is made."""
    (script,) = [each for each in _scripts(text) if "gh api" in each]
    (tmp_path / "gh").write_text(_GH)
    (tmp_path / "gh").chmod(0o755)
    (tmp_path / "found").write_text(found)
    (tmp_path / "plan.md").write_text(f"{MARK}\n\n{'x' * 70_000}")
    names = {"GITHUB_REPOSITORY": "you/models", "NUMBER": "7", "FOLDER": "envs/prod"}
    env = {**names, "RUNNER_TEMP": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env=env, check=True)
    asked, wrote = (tmp_path / "calls").read_text().strip().rsplit("\n", 1)
    assert "repos/you/models/issues/7/comments" in asked and "github-actions[bot]" in asked
    one = "-X PATCH repos/you/models/issues/comments/77"
    assert (one if found else "api repos/you/models/issues/7/comments --silent") in wrote
    sent = (tmp_path / "sent").read_text()
    assert sent.startswith("<!-- gitslot plan envs/prod -->\n\nxx") and len(sent) == 60_000
