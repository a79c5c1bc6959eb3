"""docs/azure.md is run as it stands, with the real `az`, up to a production that answers."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from bench.scene import azure_cli
from tests.infra.page import ROOT, lines
from tests.platform import Platform, start_platform, until
from tests.story.stage import git_environment, make_repository

pytestmark = [pytest.mark.clients, pytest.mark.long]

FIRST_TICK_S = 240.0  # the controller looks each minute, and polls a swap as on Azure


def test_the_page_leads_to_a_production_that_answers(tmp_path: Path) -> None:
    """Whoever pastes the lines of the page in order ends with a controller that reconciles."""
    checkout = make_repository(tmp_path / "models")
    checkout.git("commit", "-q", "--allow-empty", "-m", "begin")
    checkout.git("clone", "-q", "--bare", ".", str(tmp_path / "origin"))
    checkout.git("remote", "add", "origin", str(tmp_path / "origin"))
    checkout.git("push", "-q", "-u", "origin", "main")
    with start_platform(tmp_path / "platform") as platform:
        for container in ("models", "code", "gitslot"):
            platform.blobs.create_container(container)
        env = _environment(tmp_path, platform)
        _log_in(env, platform)
        script = _script(tmp_path, platform)
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", script],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]

        assert set(platform.slots()) == {
            ("iris7421", "production"),
            ("iris7421", "staging"),
            ("iris7421-gitslot", "production"),
        }
        url = platform.slots()["iris7421", "production"]["https"]

        def serves() -> bool:
            answer = requests.get(f"{url}/api/health", verify=platform.ca, timeout=10)
            return answer.headers.get("x-model-version") == "1.0.0"

        until(serves, "production serves the first model", FIRST_TICK_S)
        assert len(platform.history("swap-started")) == 1


def _environment(folder: Path, platform: Platform) -> dict[str, str]:
    """Return a shell's environment that holds the emulator's user and nobody else."""
    az = azure_cli(ROOT)
    return {
        **git_environment(folder),
        **platform.environment,
        "AZURE_CONFIG_DIR": str(folder / "azure-cli"),
        "AZURE_CORE_COLLECT_TELEMETRY": "false",
        "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
        "NO_PROXY": "localhost,127.0.0.1",
        "PATH": f"{az.parent}{os.pathsep}{os.environ['PATH']}",
    }


def _log_in(env: dict[str, str], platform: Platform) -> None:
    """Make `az` know the emulator as a cloud, as `docs/emulator.md` says."""
    for words in (
        ("cloud", "register", "-n", "emulator", "--endpoint-resource-manager", platform.arm),
        ("cloud", "set", "-n", "emulator"),
        ("login", "--identity", "-o", "none"),
    ):
        subprocess.run(["az", *words], env=env, capture_output=True, check=True)


def _script(folder: Path, platform: Platform) -> str:
    """
    Return the page's lines as one script for *platform*.

    Changed are only names that a person would fill in or that skipped lines would have set, and the
    packages, which are thin here: their libraries are the platform's.
    """
    group = f"/subscriptions/{platform.subscription}/resourceGroups/{platform.group}"
    identities = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities"
    given = {
        "REPO": str(folder / "origin"),
        "CHECKOUT": str(folder / "models"),
        "GROUP": platform.group,
        "STORE": platform.storage,
        "ARM": platform.arm,
        "PACKAGES": str(folder / "packages" / "code"),
        "GROUP_ID": group,
    }
    for name in ("SERVING", "CONTROLLING"):
        given |= {
            name: f"{identities}/iris7421-{name.lower()}",
            f"{name}_CLIENT": "",  # the emulator gives each slot an identity of its own
            f"{name}_OBJECT": "",
        }
    python = shlex.quote(sys.executable)
    thin = f"{python} -m tools.package --thin --out {shlex.quote(str(folder / 'packages'))}"
    script = ["make() { :; }"]  # this process runs in what it would have set up
    for line in lines():
        if set(line.sets) & set(given):
            script += [f"{name}={shlex.quote(given[name])}" for name in line.sets]
        elif not line.only_on_azure:
            text = line.text.replace(".venv/bin/python", python)
            script.append(text.replace(f"{python} -m tools.package", thin))
    return "\n".join(script)
