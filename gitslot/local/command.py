"""
`gitslot local`: the platform on this machine, following the checkout of the current folder.

Everything it keeps is in .gitslot/ at the root of that checkout. Here are `down` and `env`, which
start quickly, and what all its commands share.
"""

import json
import os
import shlex
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from gitslot.edges.git.source import local_repository
from gitslot.local import process
from gitslot.local.process import PlatformError

FOLDER = ".gitslot"

Repo = Annotated[
    Path | None,
    typer.Option("--repo", metavar="PATH", help="Checkout to follow; else the one you are in."),
]


class Output(StrEnum):
    """How to print."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Place:
    """
    A checkout and what `gitslot local` keeps for it, all in *folder*.

    *start* is the folder whose .gitslot.toml counts; *state* is the platform's own; in *file* other
    commands find the platform.
    """

    start: Path
    checkout: Path
    folder: Path
    state: Path
    file: Path


def down(
    repo: Repo = None,
    wipe: Annotated[
        bool, typer.Option("--wipe", help="Also remove its models, journal and history.")
    ] = False,
) -> int:
    """Stop the platform and everything that it started.

    Its models, journal and history stay for the next `up`.
    """
    where = place(repo)
    if not where.folder.is_dir():
        print_err("nothing is up")
        return 0
    with process.alone(where.folder):
        where.file.unlink(missing_ok=True)
        was_up = process.stop(where.state)
        if wipe:
            process.remove(where.folder)
    print_err(("stopped" if was_up else "nothing was up") + (", and removed" if wipe else ""))
    return 0


def env(
    repo: Repo = None,
    output: Annotated[Output, typer.Option("-o", "--output", help="How to print.")] = Output.TEXT,
) -> int:
    """Print variables that point Azure clients at the platform.

    Set them in a shell with: eval "$(gitslot local env)"
    """
    found = read(place(repo))
    if found is None:
        print_err("nothing is up here; start it with `gitslot local up`")
        return 1
    environment: Mapping[str, str] = found["environment"]
    if output is Output.JSON:
        print(json.dumps(environment, indent=2))
        return 0
    for name, value in environment.items():
        print(f"export {name}={shlex.quote(value)}")
    for name in process.NO_PROXY:
        print(f'export {name}="{process.LOOPBACK}${{{name}:+,${name}}}"')
    for name in sorted(other_identities()):
        print(f"unset {name}")
    return 0


# ---------------------------------------------------------------- what the commands share


def place(repo: Path | None) -> Place:
    """Return the place of *repo*, or of the current folder's checkout. Raises PlatformError."""
    start = (repo or Path.cwd()).resolve()
    checkout = local_repository(start)
    if checkout is None:
        why = "is not in a Git checkout; go into one, or name it with --repo"
        raise PlatformError(f"{start} {why}")
    folder = checkout / FOLDER
    return Place(start, checkout, folder, folder / "platform", folder / "local.json")


def read(where: Place) -> dict[str, Any] | None:
    """Return the content of local.json for the platform that is up at *where*, or None."""
    facts = process.find(where.state)
    try:
        content: dict[str, Any] = json.loads(where.file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return content if facts is not None and facts.pid == content.get("pid") else None


def other_identities() -> set[str]:
    """Return the variables that are set and would make Azure's clients use another identity."""
    known = ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID", "AZURE_USERNAME")
    return {name for name in known if name in os.environ}


@contextmanager
def handling(handler: Any, *numbers: int) -> Iterator[None]:
    """Handle the signals *numbers* by *handler*, and then as before."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


@contextmanager
def interruptible() -> Iterator[None]:
    """Handle SIGTERM and SIGHUP like Ctrl-C, so that clean-up runs."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    try:
        with handling(interrupt, signal.SIGTERM, signal.SIGHUP):
            yield
    except KeyboardInterrupt:
        print_err("interrupted; nothing is left running")
        raise


def print_err(text: str) -> None:
    """Print *text* for people, on stderr."""
    print(text, file=sys.stderr, flush=True)
