"""The commands that need a platform, on a real one."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.platform import PATIENCE_S, Platform, until
from tests.processes import python
from tests.story.stage import MODEL, VERSIONS, Stage, set_stage
from tests.story.typed import gitslot

LONG = pytest.mark.long


@pytest.fixture(scope="module", params=["anonymous", pytest.param("function", marks=LONG)])
def stage(
    platform: Platform, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Stage]:
    """Set one stage for all of this file: open to all as here, and asking for keys as on Azure."""
    with set_stage(platform, tmp_path_factory.mktemp("commands"), auth=request.param) as found:
        yield found


def test_bump_plan_reconcile_status_and_back_by_rollback(settled: Stage) -> None:
    """Each command says what it is asked, with its exit code; what is planned is what is done."""
    assert gitslot(settled, "status").code == 0
    bumped = gitslot(settled, "bump", "production", "1.5.0")
    assert bumped.code == 0, bumped.err

    drifted = gitslot(settled, "status", "-o", "json")
    assert drifted.code == 1
    assert (drifted.data[0]["serves"], drifted.data[0]["wanted"]) == ("1.4.0", "1.5.0")
    plan = gitslot(settled, "plan", "-o", "json")
    assert plan.code == 1
    steps = [step["action"] for step in plan.data[0]["steps"]]
    assert steps[-2:] == ["verify", "swap"]
    assert any("MiB in each of 2 slots" in note for note in plan.data[0]["notes"])
    older = gitslot(settled, "plan", "HEAD~1", "--markdown").out
    assert "1.4.0" in older and "this plan may be stale" in older
    assert gitslot(settled, "plan", "HEAD~99").code == 2
    assert (gitslot(settled, "reconcile", "--dry-run").code, settled.serves()) == (1, "1.4.0")

    before = len(settled.writes())
    done = gitslot(settled, "reconcile")
    assert done.code == 0, done.err + done.out
    writes = {"settings-put": "deploy", "swap-started": "swap"}
    made = [writes[operation] for operation, _ in settled.writes()[before:]]
    assert made == [step for step in steps if step != "verify"]
    told = [line.split()[2] for line in done.err.splitlines() if line[2:3] == ":"]
    assert (told[0], told[-1], told.count("SwapStarted")) == ("Drift", "Converged", 1)
    assert "1.5.0" in done.out
    assert (settled.serves(), settled.serves("staging")) == ("1.5.0", "1.4.0")

    assert (gitslot(settled, "rollback").code, gitslot(settled, "reconcile").code) == (0, 0)
    assert (settled.serves(), settled.serves("staging")) == ("1.4.0", "1.5.0")
    row = gitslot(settled, "status", "-o", "json").data[0]
    assert (row["state"], row["rollback"]) == ("Synced", "ready, 1 swap")
    assert row["proved"]
    assert gitslot(settled, "plan").code == 0


def test_an_unknown_version_stalls_and_retry_does_not_clear_it(settled: Stage) -> None:
    """validate finds it before the commit does; status names it; retry names what would help."""
    settled.repository.want("9.9.9")
    checked = gitslot(settled, "validate")
    assert checked.code == 1
    assert "UnknownVersion" in checked.out
    done = gitslot(settled, "reconcile")
    assert done.code == 1
    assert "UnknownVersion: iris 9.9.9 is not registered" in done.out
    retried = gitslot(settled, "retry")
    assert retried.code == 1
    assert "retry does not clear UnknownVersion; register the version" in retried.err
    last = gitslot(settled, "logs", "-n", "1", "-o", "json").data
    assert (last[0]["reason"], settled.serves()) == ("UnknownVersion", "1.4.0")


def test_validate_checks_pins_against_the_registry(settled: Stage) -> None:
    """bump --pin writes the digest that validate finds; another one is refused."""
    assert gitslot(settled, "bump", "production", "1.5.0", "--pin").code == 0
    assert "digest matches" in gitslot(settled, "validate").out
    assert gitslot(settled, "bump", "production", "1.4.0").code == 0  # a pinned slot stays pinned
    assert "digest matches" in gitslot(settled, "validate").out
    settled.repository.want(f"1.5.0@sha256:{'0' * 64}")
    wrong = gitslot(settled, "validate", "-o", "json")
    assert wrong.code == 1
    assert wrong.data[0]["result"].startswith("DigestMismatch")


def test_a_version_of_another_file_comes_with_the_registrys_digest(settled: Stage) -> None:
    """bump --from pins what the other file does not."""
    folder = settled.repository.path / "envs/dev"
    folder.mkdir(parents=True)
    text = f"app: dev\nmodel: {MODEL}\nslots: {{production: 1.5.0}}\n"
    (folder / "desired_state.yaml").write_text(text)
    settled.repository.git("add", "envs")
    settled.repository.git("commit", "-q", "-m", "what dev serves")
    assert gitslot(settled, "bump", "--from", "envs/dev").code == 0
    assert "digest matches" in gitslot(settled, "validate").out


def test_models_says_where_each_version_runs(settled: Stage) -> None:
    """Registered versions, oldest first, with the slots that really serve them."""
    registered = gitslot(settled, "models", "-o", "json").data
    found = [entry for entry in registered if entry["version"] in VERSIONS]  # stories add others
    assert [entry["version"] for entry in found] == list(VERSIONS)
    assert f"{settled.app}/production" in found[0]["runs"]


def test_ctrl_c_in_a_reconcile_is_quiet_and_gives_the_lock_back(settled: Stage) -> None:
    """Exit code 130, no traceback; the next reconcile goes on at once."""
    assert gitslot(settled, "bump", "production", "1.5.0").code == 0
    settled.platform.faults(
        {"operation": "slotsswap", "times": 1, "when": "after", "delay_s": 5, "status": 202}
    )
    before = settled.swaps()
    process = start(settled, "reconcile")
    try:
        until(lambda: process.poll() is not None or settled.swaps() > before, "the swap")
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert "Traceback" not in out + err
    lock = settled.platform.blobs.get_blob_client("gitslot", f"locks/{settled.app}")
    assert lock.get_blob_properties().lease.state == "available"
    settled.platform.faults()
    assert (gitslot(settled, "reconcile").code, settled.serves()) == (0, "1.5.0")


def test_following_the_log_shows_a_change_as_it_happens(settled: Stage) -> None:
    """`logs -f` prints what another process reconciles; so does `status --watch`."""
    log = start(settled, "logs", "-f", "-n", "1")
    watch = start(settled, "status", "--watch", "-o", "json")
    timers = [threading.Timer(PATIENCE_S, each.kill) for each in (log, watch)]
    for timer in timers:
        timer.start()
    try:
        assert _reads(log, "Converged")
        assert _reads(watch, '"serves": "1.4.0"')
        gitslot(settled, "bump", "production", "1.5.0")
        gitslot(settled, "reconcile")
        assert _reads(log, "Converged")
        assert _reads(watch, '"serves": "1.5.0"')
    finally:
        for timer in timers:
            timer.cancel()
        for process in (log, watch):
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
    assert (log.returncode, watch.returncode) == (130, 130)


def start(stage: Stage, *words: str) -> "subprocess.Popen[str]":
    """Start a command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "gitslot", *words],
        cwd=stage.repository.path,
        env={**stage.repository.env, **stage.environment, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _reads(process: "subprocess.Popen[str]", text: str) -> bool:
    """Read lines until one holds *text*; the stream ends only with the process."""
    assert isinstance(process.stdout, io.TextIOBase)
    return any(text in line for line in iter(process.stdout.readline, ""))


def test_the_local_file_leads_every_command_to_the_platform(settled: Stage, tmp_path: Path) -> None:
    """With .gitslot/local.json above and an empty environment, it is used alone and said."""
    environment = {k: v for k, v in settled.environment.items() if k not in ("HOME", "PATH")}
    (tmp_path / ".gitslot").mkdir()
    local = {"environment": environment, "pid": os.getpid()}
    (tmp_path / ".gitslot/local.json").write_text(json.dumps(local))
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AZURE_CLIENT_ID": "me"}
    done = python("-m", "gitslot", "status", cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == ["target: local platform (.gitslot)"]
