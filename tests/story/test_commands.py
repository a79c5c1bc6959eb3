"""The commands that need a platform, on a real one."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gitslot.cli.app import run
from gitslot.cli.session import Session
from gitslot.registry.registry import Registry
from gitslot.state.decision import Converged
from gitslot.world import open_world
from tests.platform import PATIENCE_S, Platform, until
from tests.processes import python
from tests.story.stage import VERSIONS, Stage, set_stage


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


@dataclass
class Shell:
    """The command line on a stage, without any controller beside it."""

    stage: Stage

    @property
    def environ(self) -> dict[str, str]:
        return {**self.stage.repository.env, **self.stage.environment}

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """Start a command in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "gitslot", *words],
            cwd=self.stage.repository.path,
            env={**self.environ, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def gitslot(self, *words: str) -> Done:
        """Run a command to its end, in this process because starting one takes a second."""
        out, err = io.StringIO(), io.StringIO()
        credential = self.stage.platform.credential
        session = Session(
            self.environ,
            self.stage.repository.path,
            out,
            err,
            open_world=lambda settings: open_world(settings, credential, tell=lambda _: None),
            open_registry=lambda settings: Registry(settings.storage, credential),
        )
        return Done(run(words, session), out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def shell(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """Set one stage for all of this file."""
    with set_stage(platform, tmp_path_factory.mktemp("commands")) as stage:
        yield Shell(stage)


@pytest.fixture
def settled(shell: Shell) -> Shell:
    """Production serves 1.4.0 by the file's newest commit."""
    shell.stage.repository.want("1.4.0")
    assert isinstance(shell.stage.reconcile(), Converged)
    return shell


def serves(shell: Shell) -> tuple[str, str]:
    return shell.stage.serves(), shell.stage.serves("staging")


def test_bump_plan_reconcile_status_and_back_by_rollback(settled: Shell) -> None:
    """The whole loop from a terminal: each command says what it is asked, with its exit code."""
    assert settled.gitslot("status").code == 0
    bumped = settled.gitslot("bump", "production", "1.5.0")
    assert bumped.code == 0, bumped.err

    drifted = settled.gitslot("status", "-o", "json")
    assert drifted.code == 1
    assert (drifted.data[0]["serves"], drifted.data[0]["wanted"]) == ("1.4.0", "1.5.0")
    plan = settled.gitslot("plan", "-o", "json")
    assert plan.code == 1
    assert [step["action"] for step in plan.data[0]["steps"]][-2:] == ["verify", "swap"]
    assert (settled.gitslot("reconcile", "--dry-run").code, settled.stage.serves()) == (1, "1.4.0")

    done = settled.gitslot("reconcile")
    assert done.code == 0, done.err + done.out
    told = [line.split()[3] for line in done.err.splitlines() if f"  {settled.stage.app}  " in line]
    assert (told[0], told[-1], told.count("SwapStarted")) == ("Drift", "Converged", 1)
    assert "1.5.0" in done.out
    assert serves(settled) == ("1.5.0", "1.4.0")

    assert (settled.gitslot("rollback").code, settled.gitslot("reconcile").code) == (0, 0)
    assert serves(settled) == ("1.4.0", "1.5.0")
    row = settled.gitslot("status", "-o", "json").data[0]
    assert (row["sync"], row["rollback"]) == ("Synced", "ready, 1 swap, proven just now")
    assert settled.gitslot("plan").code == 0


def test_what_is_planned_is_what_is_done(settled: Shell) -> None:
    """The plan's steps are the writes that the controller then makes, one by one."""
    settled.gitslot("bump", "production", "1.5.0")
    steps = [s["action"] for s in settled.gitslot("plan", "-o", "json").data[0]["steps"]]
    before = len(settled.stage.writes())
    assert settled.gitslot("reconcile").code == 0
    writes = {"settings-put": "deploy", "swap-started": "swap"}
    made = [writes[operation] for operation, _ in settled.stage.writes()[before:]]
    assert made == [step for step in steps if step != "verify"]


def test_an_older_revision_can_be_planned(settled: Shell) -> None:
    """`plan HEAD~1` looks at the checkout, whatever branch the controller follows."""
    settled.gitslot("bump", "production", "1.5.0")
    assert settled.gitslot("plan", "HEAD~1").code == 0
    assert "nothing to do" in settled.gitslot("plan", "HEAD~1", "--markdown").out
    assert settled.gitslot("plan", "HEAD~99").code == 2


def test_an_unknown_version_stalls_until_retried_or_changed(settled: Shell) -> None:
    """validate finds it before the commit does; status names it; retry is journalled by name."""
    settled.stage.repository.want("9.9.9")
    checked = settled.gitslot("validate")
    assert checked.code == 1
    assert "UnknownVersion" in checked.out
    done = settled.gitslot("reconcile")
    assert done.code == 1
    assert "UnknownVersion: iris 9.9.9 is not registered" in done.out
    retried = settled.gitslot("retry")
    assert retried.code == 0
    assert "cleared Stalled UnknownVersion" in retried.out
    last = settled.gitslot("logs", "-n", "1", "-o", "json").data
    assert (last[0]["event"], settled.stage.serves()) == ("Retried", "1.4.0")


def test_a_deleted_branch_freezes_with_exit_code_2(settled: Shell) -> None:
    """What is served is still shown; nothing is said to be wanted."""
    git = settled.stage.repository.git
    git("branch", "-m", "main", "elsewhere")
    try:
        done = settled.gitslot("status", settled.stage.app, "-o", "json")
    finally:
        git("branch", "-m", "elsewhere", "main")
    assert done.code == 2
    row = done.data[0]
    assert (row["sync"], row["reason"], row["serves"]) == ("Unknown", "RefGone", "1.4.0")
    assert row["wanted"] is None


def test_validate_checks_pins_against_the_registry(settled: Shell) -> None:
    """bump --pin writes the digest that validate finds; another one is refused."""
    assert settled.gitslot("bump", "production", "1.5.0", "--pin").code == 0
    assert "digest matches" in settled.gitslot("validate").out
    settled.stage.repository.want(f"1.5.0@sha256:{'0' * 64}")
    wrong = settled.gitslot("validate", "-o", "json")
    assert wrong.code == 1
    assert wrong.data[0]["result"].startswith("DigestMismatch")


def test_models_says_where_each_version_runs(settled: Shell) -> None:
    """Registered versions, oldest first, with the slots that really serve them."""
    found = settled.gitslot("models", "-o", "json").data
    assert [entry["version"] for entry in found] == list(VERSIONS)
    assert f"{settled.stage.app}/production" in found[0]["runs"]


def test_history_is_the_sequence_of_what_production_served(settled: Shell) -> None:
    """Every change of the stories above is there, and none beside them."""
    found = settled.gitslot("history", settled.stage.app, "-o", "json").data
    versions = [change["version"] for change in found]
    assert versions[0] == "1.4.0"
    assert all(a != b for a, b in pairwise(versions))
    assert all(change["how"] == "swap" for change in found)
    assert all("golden rows" in change["verified"] for change in found)


def test_ctrl_c_in_a_reconcile_is_quiet_and_gives_the_lock_back(settled: Shell) -> None:
    """Exit code 130, no traceback; the next reconcile goes on at once."""
    assert settled.gitslot("bump", "production", "1.5.0").code == 0
    settled.stage.platform.faults(
        {"operation": "slotsswap", "times": 1, "when": "after", "delay_s": 5, "status": 202}
    )
    before = settled.stage.swaps()
    process = settled.start("reconcile")
    try:
        until(lambda: process.poll() is not None or settled.stage.swaps() > before, "the swap")
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert "Traceback" not in out + err
    lock = settled.stage.platform.blobs.get_blob_client("gitslot", f"locks/{settled.stage.app}")
    assert lock.get_blob_properties().lease.state == "available"
    settled.stage.platform.faults()
    assert (settled.gitslot("reconcile").code, settled.stage.serves()) == (0, "1.5.0")


def test_following_the_log_shows_a_change_as_it_happens(settled: Shell) -> None:
    """`logs -f` prints what another process reconciles; so does `status --watch`."""
    log = settled.start("logs", "-f", "-n", "1")
    watch = settled.start("status", "--watch", "-o", "json")
    timers = [threading.Timer(PATIENCE_S, each.kill) for each in (log, watch)]
    for timer in timers:
        timer.start()
    try:
        assert _reads(log, "Converged")
        assert _reads(watch, '"serves": "1.4.0"')
        settled.gitslot("bump", "production", "1.5.0")
        settled.gitslot("reconcile")
        assert _reads(log, "Converged")
        assert _reads(watch, '"serves": "1.5.0"')
    finally:
        for timer in timers:
            timer.cancel()
        for process in (log, watch):
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
    assert (log.returncode, watch.returncode) == (130, 130)


def _reads(process: "subprocess.Popen[str]", text: str) -> bool:
    """Read lines until one holds *text*; the stream ends only with the process."""
    assert isinstance(process.stdout, io.TextIOBase)
    return any(text in line for line in iter(process.stdout.readline, ""))


def test_the_local_file_leads_every_command_to_the_platform(settled: Shell, tmp_path: Path) -> None:
    """With .gitslot/local.json above and an empty environment, it is used alone and said."""
    environment = {
        name: value
        for name, value in settled.stage.environment.items()
        if name not in ("HOME", "PATH")
    }
    (tmp_path / ".gitslot").mkdir()
    local = {"environment": environment, "pid": os.getpid()}
    (tmp_path / ".gitslot/local.json").write_text(json.dumps(local))
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AZURE_CLIENT_ID": "me"}
    done = python("-m", "gitslot", "status", cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == ["target: local platform (.gitslot)"]
