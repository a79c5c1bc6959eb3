"""`az` as it comes from PyPI, with a home of its own, on a platform."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.platform import ROOT, Platform
from tests.processes import run
from tests.story.stage import git_environment

CLOUD = "gitslot-local"
PATIENCE_S = 300.0


def installed() -> Path:
    """Return `az`; installed into build/azure-cli on first use."""
    subprocess.run([sys.executable, "tools/setup.py", "azure-cli"], cwd=ROOT, check=True)
    return ROOT / "build" / "azure-cli" / "bin" / "az"


@dataclass(frozen=True, slots=True)
class Az:
    """One person's `az`: *home* keeps who is signed in."""

    program: Path
    platform: Platform
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """Return what makes `az` in another process this person's."""
        return {
            **self.platform.environment,
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "AZURE_CONFIG_DIR": str(self.home / "azure"),
            "AZURE_CORE_COLLECT_TELEMETRY": "false",
            "AZURE_CORE_NO_COLOR": "true",
            "PYTHONWARNINGS": "ignore",
            "COLUMNS": "500",
        }

    def _ask(self, words: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        return run(str(self.program), *words, env=self.environment, timeout=PATIENCE_S)

    def run(self, *words: str) -> str:
        """Return what `az` prints; AssertionError with its words where it fails."""
        done = self._ask(words)
        assert done.returncode == 0, f"az {' '.join(words)}: {done.stderr[-2000:]}"
        return done.stdout

    def json(self, *words: str) -> Any:
        """Return the JSON that `az` prints, None for nothing."""
        text = self.run(*words, "-o", "json")
        return json.loads(text) if text.strip() else None

    def table(self, *words: str) -> list[list[str]]:
        """Return the lines of `az ... -o table`, cut at two spaces; its rule left out."""
        lines = self.run(*words, "-o", "table").splitlines()
        return [
            [word.strip() for word in line.split("  ") if word.strip()]
            for line in lines
            if set(line) - {"-", " "}
        ]

    def fails(self, *words: str) -> tuple[int, str]:
        """Return exit code and stderr of a command that must fail."""
        done = self._ask(words)
        assert done.returncode != 0, f"az {' '.join(words)} went well: {done.stdout}"
        return done.returncode, done.stderr

    def register(self) -> None:
        """Tell `az` of the platform's cloud, with a slash as in its own clouds, and use it."""
        arm = f"{self.platform.arm}/"
        self.run("cloud", "register", "-n", CLOUD, "--endpoint-resource-manager", arm)
        self.run("cloud", "set", "-n", CLOUD)


def shell_environment(folder: Path, platform: Platform) -> dict[str, str]:
    """Return a shell's environment that holds the emulator's user and nobody else, and `az`."""
    return {
        **git_environment(folder),
        **platform.environment,
        "AZURE_CONFIG_DIR": str(folder / "azure-cli"),
        "AZURE_CORE_COLLECT_TELEMETRY": "false",
        "NO_PROXY": "localhost,127.0.0.1",
        "PATH": f"{installed().parent}{os.pathsep}{os.environ['PATH']}",
    }


def log_in(env: Mapping[str, str], platform: Platform) -> None:
    """Make `az` know the emulator as a cloud, as `docs/believe/emulator.md` says."""
    for words in (
        ("cloud", "register", "-n", "emulator", "--endpoint-resource-manager", platform.arm),
        ("cloud", "set", "-n", "emulator"),
        ("login", "--identity", "-o", "none"),
    ):
        subprocess.run(["az", *words], env=env, capture_output=True, check=True)
