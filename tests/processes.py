"""Run Python in a process of its own, as people and CI do."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def python(
    *words: str, cwd: Path, env: Mapping[str, str], timeout: float = 60, **more: Any
) -> "subprocess.CompletedProcess[str]":
    """Run `python` with *words* to its end, whatever its exit code."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    found: subprocess.CompletedProcess[str] = subprocess.run(
        [sys.executable, *words], cwd=cwd, env=env, timeout=timeout, text=True, check=False, **pipes
    )
    return found
