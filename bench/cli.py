"""
Measure the command line: the processor time of a whole process, Python's start and its end in it.

Each round runs every command once, in turn with `python -c pass` and `az version`. The commands
read a real journal, snapshot and registry over https, and log in by a managed identity. One row
logs in by `az login`: its time has that of `az account get-access-token`, which is not ours.

Of what a reader takes, 0.24 s is the import of azure-identity and azure-storage-blob. Requests of
our own in their place were tried (`logs`: 0.25 s instead of 0.43 s, on a busy machine) and left:
logins and storage are Microsoft's to keep right.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.report import Report, Target
from gitslot.edges import settings
from gitslot.report.snapshot import Snapshots
from gitslot.rounds import Rounds
from tests.clients.azure_cli import installed, log_in, shell_environment
from tests.story.stage import Stage, open_stage

ROUNDS = 15
BIN = Path(sys.executable).parent
PASS, AZ, BY_AZ = "python -c pass", "az version", "logs, by `az login`"
HELP_S, READ_S = 0.12, 0.35
READERS = ("status", "logs", "history", "models")
COMPLETION = "completion of an app"
COMPLETING = {
    "_GITSLOT_COMPLETE": "complete_bash",
    "COMP_WORDS": "gitslot status a",
    "COMP_CWORD": "2",
}
COMMANDS = ("--help", *READERS, "plan", "bump production 1.4.0")


def run(rounds: int) -> Report:
    """Measure *rounds* runs of each command, all of them on one stage."""
    report = Report("cli", rounds)
    az = installed()
    with tempfile.TemporaryDirectory() as folder, open_stage(Path(folder)) as stage:
        stage.repository.want("1.4.0")
        world = stage.open()
        read = settings.read(stage.environment)
        Rounds(world, shown=Snapshots(world.journal.blobs, world.clock, read, world.looker)).go(
            "push"
        )
        lines = {
            PASS: [str(BIN / "python"), "-c", "pass"],
            **{name: [str(BIN / "gitslot"), *name.split()] for name in COMMANDS},
            COMPLETION: [str(BIN / "gitslot")],
            BY_AZ: [str(BIN / "gitslot"), "logs"],
            AZ: [str(az), "version"],
        }
        managed = {"AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential"}
        path = f"{az.parent}{os.pathsep}{stage.environment['PATH']}"
        more = {
            BY_AZ: {"AZURE_TOKEN_CREDENTIALS": "AzureCliCredential", "PATH": path},
            COMPLETION: {**managed, **COMPLETING},
        }
        shell = shell_environment(stage.folder, stage.platform)
        log_in(shell, stage.platform)
        environment = {**shell, **stage.environment}
        cpu: dict[str, list[float]] = {name: [] for name in lines}
        wall: dict[str, list[float]] = {name: [] for name in lines}
        for number in range(rounds + 1):
            for name, words in lines.items():
                changed = {**environment, **more.get(name, managed)}
                seconds, worked = _timed(words, stage, changed)
                if number:  # the first one compiles modules and starts what is started once
                    cpu[name].append(worked)
                    wall[name].append(seconds)
    base = report.add(PASS, "cpu", cpu[PASS], "s")
    for name in list(lines)[1:]:
        own = report.add(name, "cpu", cpu[name], "s")
        report.ratios[f"{name} / {PASS}"] = round(own / base, 2)
        want = HELP_S if name == "--help" else READ_S if name in READERS else 0.0
        if want:
            got = f"{own:.3f} s, {own / base:.1f} times `{PASS}`"
            report.targets[name] = Target(f"<= {want} s of cpu", got, own <= want)
    for name, values in wall.items():
        report.add(name, "wall", values, "s")
    return report


def _timed(words: Sequence[str], stage: Stage, env: Mapping[str, str]) -> tuple[float, float]:
    """Run *words* in the checkout of *stage*; return its seconds, and those of processors."""
    began = time.perf_counter()
    process = subprocess.Popen(
        words,
        cwd=stage.repository.path,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise RuntimeError(f"{' '.join(words)} ends with {process.returncode}")
    return seconds, used.ru_utime + used.ru_stime
