"""
Train the first versions of a new registry with the training program, each in its own process.

Must not: import training.
"""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gitslot.local.process import PlatformError
from gitslot.registry.function_apps import ROOT as PROJECT

MODEL = "iris"
# (version, estimator): models that answer differently, so that people see which of them is live
FIRST = (("1.4.0", "logistic"), ("1.5.0", "forest"))


@dataclass(frozen=True, slots=True)
class Training:
    """A training that runs; *log* holds its output."""

    version: str
    log: Path
    process: subprocess.Popen[bytes]

    def finish(self) -> str:
        """Wait for its end and return its "registered" line; raise PlatformError if it failed."""
        code = self.process.wait()
        lines = self.log.read_text(encoding="utf-8").strip().splitlines() or ["it printed nothing"]
        if code == 0:
            return next((line for line in lines if line.startswith("registered ")), lines[-1])
        raise PlatformError(f"training {MODEL} {self.version} failed: {lines[-1]} ({self.log})")

    def stop(self) -> None:
        """Stop it if it still runs."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()


def begin(versions: Sequence[tuple[str, str]], storage: str, folder: Path) -> list[Training]:
    """Start to train and register *versions* at the account *storage*; logs go to *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    under_way = []
    for version, estimator in versions:
        words = [sys.executable, "-m", "training", "train", "--model", MODEL]
        words += ["--version", version, "--estimator", estimator, "--storage", storage]
        log = folder / f"training-{MODEL}-{version}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                words, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        under_way.append(Training(version, log, process))
    return under_way
