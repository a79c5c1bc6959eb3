"""Run Python, or another program, in a process of its own, as people and CI do."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def python(
    *words: str, cwd: Path, env: Mapping[str, str], timeout: float = 60, **more: Any
) -> "subprocess.CompletedProcess[str]":
    """Run `python` with *words* to its end, whatever its exit code."""
    return run(sys.executable, *words, cwd=cwd, env=env, timeout=timeout, **more)


def run(
    *words: str, env: Mapping[str, str], cwd: Path | None = None, **more: Any
) -> "subprocess.CompletedProcess[str]":
    """Run a program to its end, whatever its exit code."""
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    found: subprocess.CompletedProcess[str] = subprocess.run(
        words, cwd=cwd, env=env, text=True, check=False, **given
    )
    return found
