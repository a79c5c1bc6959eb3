"""Which platform a command talks to, and that it says so."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gitslot.edges.target import find
from gitslot.errors import SettingsError

AZURE = {
    "GITSLOT_STORAGE": "https://account.blob.core.windows.net",
    "GITSLOT_REPO": "https://git.example/team/repo",
}


def local(folder: Path, pid: int, **more: str) -> Path:
    """Write what a local platform leaves in *folder* and return a folder below it."""
    (folder / ".gitslot").mkdir(parents=True)
    environment = {
        "GITSLOT_REPO": str(folder),
        "GITSLOT_STORAGE": "https://127.0.0.1:3001/gitslot",
        "GITSLOT_ARM": "https://localhost:3002",
        "GITSLOT_PROFILE": "local",
        "IDENTITY_ENDPOINT": "http://127.0.0.1:3003/msi/token",
        "REQUESTS_CA_BUNDLE": "ca-bundle.pem",
        **more,
    }
    text = json.dumps({"environment": environment, "pid": pid})
    (folder / ".gitslot/local.json").write_text(text)
    below = folder / "deep/down"
    below.mkdir(parents=True)
    return below


@pytest.fixture
def ended() -> int:
    """Return the id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_environment_is_used_and_its_hosts_are_said(tmp_path: Path) -> None:
    """Whoever set GITSLOT_STORAGE sees where that leads before anything happens."""
    target = find(dict(AZURE), tmp_path)
    assert target.settings.storage == AZURE["GITSLOT_STORAGE"]
    assert target.lines == ("target: account.blob.core.windows.net, management.azure.com",)


def test_a_local_platform_above_the_current_folder_is_found(tmp_path: Path) -> None:
    """From anywhere in the checkout."""
    environ: dict[str, str] = {}
    target = find(environ, local(tmp_path, os.getpid()))
    assert target.settings.local
    assert target.settings.arm == "https://localhost:3002"
    assert target.lines == ("target: local platform (.gitslot)",)
    assert environ["IDENTITY_ENDPOINT"] == "http://127.0.0.1:3003/msi/token"


def test_a_local_platform_never_sees_a_real_log_in(tmp_path: Path) -> None:
    """Secrets of the user's own Azure are taken out of the environment, proxies are passed by."""
    environ = {"AZURE_CLIENT_SECRET": "hush", "AZURE_CLIENT_ID": "me", "MSI_SECRET": "hush"}
    find(environ, local(tmp_path, os.getpid()))
    assert "hush" not in environ.values()
    assert "AZURE_CLIENT_ID" not in environ
    assert "127.0.0.1" in environ["NO_PROXY"]


def test_a_local_platform_takes_only_its_own_variables_along(tmp_path: Path) -> None:
    """The file cannot set anything else, such as where programs are looked for."""
    environ = {"PATH": "as it was"}
    find(environ, local(tmp_path, os.getpid(), PATH="elsewhere", LD_PRELOAD="x"))
    assert environ["PATH"] == "as it was"
    assert "LD_PRELOAD" not in environ


def test_with_half_an_environment_the_local_platform_is_used_alone(tmp_path: Path) -> None:
    """A forgotten GITSLOT_REPO does not mix the two, and is said to be unused."""
    target = find({"GITSLOT_REPO": "https://git.example/x"}, local(tmp_path, os.getpid()))
    assert target.settings.repository == str(tmp_path)
    assert any("GITSLOT_REPO" in line and "not used" in line for line in target.lines)


def test_an_explicit_environment_beside_a_local_platform_says_what_it_uses(tmp_path: Path) -> None:
    """Nobody takes Azure for the laptop."""
    lines = find(dict(AZURE), local(tmp_path, os.getpid())).lines
    assert lines[0] == "target: account.blob.core.windows.net, management.azure.com"
    assert any("local platform" in line and "not used" in line for line in lines)


def test_local_storage_with_the_real_azure_is_warned_of(tmp_path: Path) -> None:
    """A mixed environment prints both hosts and that they do not belong together."""
    mixed = {**AZURE, "GITSLOT_STORAGE": "https://127.0.0.1:3001/gitslot"}
    lines = find(mixed, tmp_path).lines
    assert lines[0] == "target: 127.0.0.1:3001, management.azure.com"
    assert lines[1].startswith("warning:")


def test_a_platform_that_has_ended_is_no_target(tmp_path: Path, ended: int) -> None:
    """What it left behind leads nowhere, and the error says how to start it."""
    with pytest.raises(SettingsError, match=r"not running.*gitslot local up.*GITSLOT_STORAGE"):
        find({}, local(tmp_path, ended))


def test_without_any_target_the_error_names_both_ways(tmp_path: Path) -> None:
    """Local, or the controller's own settings."""
    with pytest.raises(SettingsError, match=r"gitslot local up.*GITSLOT_STORAGE"):
        find({}, tmp_path)


@pytest.mark.parametrize("text", ["", "[]", '{"pid": true}', '{"pid": "1"}', "{"])
def test_a_broken_local_file_is_no_target(tmp_path: Path, text: str) -> None:
    """Nothing is guessed from it."""
    (tmp_path / ".gitslot").mkdir()
    (tmp_path / ".gitslot/local.json").write_text(text)
    with pytest.raises(SettingsError, match="no target"):
        find({}, tmp_path)


def test_a_local_platform_that_is_up_goes_before_the_storage_of_a_file(tmp_path: Path) -> None:
    """What is tried on the laptop never reaches the team's account."""
    below = local(tmp_path, os.getpid())
    (tmp_path / ".gitslot.toml").write_text('storage = "https://account.blob.core.windows.net"')
    target = find({}, below)
    assert target.settings.local
    assert target.lines[1].startswith("not used while it is up: storage of ")
