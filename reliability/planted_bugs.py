"""
D11: fourteen bugs, planted one at a time in a copy of the sources; a design must see each of them.

    python -m reliability D11              one line: how many were killed
    python -m reliability.planted_bugs --table      the same, and which design killed which

A bug is a patch in `bugs/`, with what it plants and why somebody might write it at its top. With it
a plain bump and a plain revert still come to their ends. A kill counts only where the design ran to
its own end and says what was violated; one that breaks off proves nothing, and stops all of this.

A patch that the sources have outgrown is made anew: plant the same bug by hand, and put what
`git diff -U1` says below the words of the old one. A bug that survives is mended in a design.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import gitslot
from gitslot.state.decision import Converged

ROOT = Path(__file__).resolve().parents[1]
PATCHES = ROOT / "reliability/bugs"
# Of each bug, the design that most likely sees it; the others follow.
BUGS: Mapping[str, str] = {
    **dict.fromkeys(sorted(patch.stem for patch in PATCHES.glob("*.patch")), "D6"),
    **{"08-head-only-signature": "D9", "09-ignore-duplicate-keys": "D10"},
    **{"10-hash-before-download": "D8"},
}
SLOWEST_FIRST = ("D10", "D6", "D9", "D8")  # what the unspoilt copy must pass
OTHERS = ("D6", "D8", "D9", "D1", "D7", "D5", "D2", "D4", "D10")
AT_ONCE = 2
LIMIT_S = 900.0  # of one design in one copy
_SHORT = 240  # characters of what a design says, in the table
_LINE = re.compile(r"(?m)^(D\d+) cases=(\d+) violations=(\d+) seconds=")
_BROKEN = re.compile(r"\b(?:Import|ModuleNotFound|Name|Type|Attribute|Syntax|Indentation)Error\b")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a design said of a copy: *case* is the first that failed, *violation* all of it."""

    design: str
    cases: int
    case: str = ""
    violation: str = ""

    def short(self) -> str:
        """Return what was violated in a few words, without places in a history."""
        words = re.sub(r"\b([A-Z]+\d+) at \d+:", r"\1:", self.violation).replace("|", "/")
        return words if len(words) <= _SHORT else words[: _SHORT - 1] + "…"


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one bug: *seen* None where it survived. Seconds are of a clock on a wall."""

    bug: str
    seen: Seen | None
    tried: tuple[Seen, ...]
    seconds: float


@dataclass
class Outcome:
    """The fates of all bugs."""

    fates: list[Fate] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def failed(self) -> list[str]:
        """Return the names of the bugs that no design saw."""
        return [fate.bug for fate in self.fates if fate.seen is None]

    @property
    def violations(self) -> int:
        """Return how many bugs survived."""
        return len(self.failed)

    def line(self) -> str:
        """Return the one line of the design; its seconds are of a clock on a wall."""
        killed = len(self.fates) - len(self.failed)
        return f"D11 killed={killed} of={len(self.fates)} seconds={self.seconds:.1f}"

    def report(self) -> str:
        """Return who survived, and what looked for it in vain."""
        return "\n".join(
            f"no design sees {fate.bug}: {', '.join(seen.design for seen in fate.tried)} ran"
            for fate in self.fates
            if fate.seen is None
        )

    def table(self) -> str:
        """Return which design killed which bug, as Markdown."""
        rows = ["| bug | planted in | killed by | first case | it says |", "|---|---|---|---|---|"]
        for fate in self.fates:
            places = ", ".join(f"`{name}`" for name in touched(patch_of(fate.bug)))
            words = fate.bug.partition("-")[2].replace("-", " ").replace("staging s", "staging's")
            seen = fate.seen
            told = "**nothing** | |"
            if seen:
                told = f"{seen.design} | `{seen.case}` | {seen.short()}"
            rows.append(f"| {words} | {places} | {told} |")
        return "\n".join(rows)


class BrokenOffError(Exception):
    """A copy in which nothing could be judged: it proves neither a kill nor a survival."""


# ---------------------------------------------------------------- copies


def patch_of(bug: str) -> Path:
    """Return the patch that plants *bug*."""
    return PATCHES / f"{bug}.patch"


def touched(patch: Path) -> list[str]:
    """Return the files that *patch* changes."""
    return re.findall(r"(?m)^\+\+\+ b/(\S+)$", patch.read_text())


def copy_sources(to: Path) -> None:
    """Copy what Git tracks, as it is in this checkout now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)


def plant(bug: str, copy: Path) -> None:
    """Apply the patch of *bug* to *copy*, exactly; BrokenOffError that names it where it fails."""
    done = subprocess.run(
        ["git", "apply", str(patch_of(bug))],
        cwd=copy,
        # Were the copy inside another repository, git would pass over files that are not its own.
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(copy.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BrokenOffError(f"{bug} does not apply any more: {done.stderr.strip()}")
    for name in touched(patch_of(bug)):
        if (copy / name).read_bytes() == (ROOT / name).read_bytes():
            raise BrokenOffError(f"{bug} changed nothing in {name}")


def _run(copy: Path, *words: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST"))}
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=copy,
        env=kept,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )


# ---------------------------------------------------------------- judging one copy


def plain() -> None:
    """Print how a plain bump and a plain revert end in this very copy."""
    from reliability.scenarios import SCENARIOS  # noqa: PLC0415 - slow, and for copies alone

    told = {"gitslot": str(Path(gitslot.__file__).parent)}
    for name in ("bump", "revert"):
        scene = SCENARIOS[name]()
        stop = scene.controller.settle()
        well = isinstance(stop, Converged) and scene.cloud.serves() == scene.wants
        told[name] = "" if well else f"{stop}, production serves {scene.cloud.serves()!r}"
        scene.cloud.end()
    print(json.dumps(told))


def still_works(what: str, copy: Path) -> None:
    """Raise BrokenOffError unless *copy* still bumps and reverts, being itself what runs."""
    done = _run(copy, "reliability.planted_bugs", "--plain")
    if done.returncode:
        raise BrokenOffError(f"{what}: it does not even run: {done.stderr[-800:]}")
    told = json.loads(done.stdout)
    if Path(told.pop("gitslot")).resolve() != (copy / "gitslot").resolve():
        raise BrokenOffError(f"{what}: another gitslot ran than the copy's")
    if wrong := [f"{name}: {end}" for name, end in told.items() if end]:
        raise BrokenOffError(f"{what}: a plain run fails, so it is no faithful bug: {wrong}")


def judge(what: str, copy: Path, design: str) -> Seen:
    """Return what *design* sees in *copy*, up to its first violation."""
    done = _run(copy, "reliability", "--first", design)
    line = _LINE.search(done.stdout)
    if line is None or done.returncode not in (0, 1) or (line[3] == "0") != (done.returncode == 0):
        raise BrokenOffError(f"{what}: {design} broke off: {(done.stderr or done.stdout)[-1500:]}")
    if line[3] == "0":
        return Seen(design, int(line[2]))
    first, *said = done.stderr.strip().splitlines()
    case, violation = first.partition("SEED=")[2], "; ".join(each.strip() for each in said)
    if not case or case.endswith((": the process", ": memory")) or _BROKEN.search(violation):
        raise BrokenOffError(f"{what}: {design} fails, but by breaking: {done.stderr[-1500:]}")
    return Seen(design, int(line[2]), case, violation)


def hunt(bug: str, clean: Path, folder: Path) -> Fate:
    """Plant *bug* in a copy of its own and let the designs look for it, one after the other."""
    began, tried = time.monotonic(), []
    copy = folder / bug
    shutil.copytree(clean, copy)
    plant(bug, copy)
    still_works(bug, copy)
    seen = None
    for design in dict.fromkeys((BUGS[bug], *OTHERS)):
        found = judge(bug, copy, design)
        tried.append(found)
        if found.case:
            seen = found
            break
    shutil.rmtree(copy)
    return Fate(bug, seen, tuple(tried), time.monotonic() - began)


# ---------------------------------------------------------------- all of them


@contextmanager
def clean_copy() -> Iterator[tuple[Path, Path]]:
    """Give a folder and, in it, an unspoilt copy that bumps and reverts, its code compiled."""
    with tempfile.TemporaryDirectory(prefix="gitslot-d11-") as name:
        folder = Path(name).resolve()
        clean = folder / "clean"
        clean.mkdir()
        copy_sources(clean)
        still_works("the unspoilt copy", clean)
        yield folder, clean


def control(clean: Path, design: str) -> None:
    """Raise BrokenOffError where *design* sees something in the unspoilt copy."""
    found = judge("the unspoilt copy", clean, design)
    if found.case:
        raise BrokenOffError(f"{design} sees a bug where none is: {found.case}: {found.violation}")


def run(bugs: Mapping[str, str] = BUGS) -> Outcome:
    """
    Hunt for all *bugs*, two at a time. Raises BrokenOffError where a hunt proves nothing.

    The designs must first see nothing in the unspoilt copy.
    """
    began, outcome = time.monotonic(), Outcome()
    with clean_copy() as (folder, clean), ThreadPoolExecutor(AT_ONCE) as pool:
        used = [design for design in SLOWEST_FIRST if design in bugs.values()]
        list(pool.map(lambda design: control(clean, design), used))
        outcome.fates = list(pool.map(lambda bug: hunt(bug, clean, folder), bugs))
        late = {fate.seen.design for fate in outcome.fates if fate.seen} - set(used)
        list(pool.map(lambda design: control(clean, design), sorted(late)))
    outcome.seconds = time.monotonic() - began
    return outcome


def main(words: list[str]) -> int:
    """Do as the words of the command line say."""
    if words == ["--plain"]:
        plain()
        return 0
    outcome = run()
    print(outcome.line())
    print(outcome.table() if words == ["--table"] else outcome.report())
    return len(outcome.failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
