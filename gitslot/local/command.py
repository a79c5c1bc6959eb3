"""
`gitslot local`: the platform on this machine, following the checkout that one stands in.

Everything it keeps is in .gitslot/ at the root of that checkout.
"""

import json
import shlex
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gitslot.errors import GitslotError
from gitslot.local import process
from gitslot.local.up import FOLDER, Latency, bring_up, place, read, say, strangers
from gitslot.registry.package import ROOT as PROJECT

local_app = typer.Typer(
    no_args_is_help=True,
    help="The local platform: real slots, real blobs, real git, no cloud account.",
)


class Output(StrEnum):
    """How to print."""

    TEXT = "text"
    JSON = "json"


Repo = Annotated[
    Path | None,
    typer.Option("--repo", metavar="PATH", help="checkout to follow (default: the one you are in)"),
]


@local_app.command()
def up(
    latency: Annotated[
        Latency | None,
        typer.Option(
            help="fast (default): Azure's times divided by 40; recorded: as measured; zero: none"
        ),
    ] = None,
    repo: Repo = None,
    full: Annotated[
        bool,
        typer.Option("--full", help="packages with their dependencies, byte for byte as on Azure"),
    ] = False,
) -> None:
    """Start the platform on your checkout. It follows your newest commit until `down`."""
    with _told(), _interruptible():
        where = place(repo)
        with process.alone(where.folder):
            bring_up(where, latency, thin=not full)


@local_app.command()
def down(
    repo: Repo = None,
    wipe: Annotated[
        bool, typer.Option("--wipe", help="also remove its models, journal and history")
    ] = False,
) -> None:
    """Stop the platform and all that it started. What it holds stays, for the next `up`."""
    with _told():
        where = place(repo)
        if not where.folder.is_dir():
            say("nothing is up")
            return
        with process.alone(where.folder):
            where.file.unlink(missing_ok=True)
            was_up = process.stop(where.state)
            if wipe:
                process.remove(where.folder)
        say(("stopped" if was_up else "nothing was up") + (", and removed" if wipe else ""))


@local_app.command()
def env(
    repo: Repo = None,
    output: Annotated[Output, typer.Option("-o", "--output", help="text or json")] = Output.TEXT,
) -> None:
    """Print what points any Azure client at the platform: eval "$(gitslot local env)"."""
    with _told():
        where = place(repo)
        found = read(where)
        if found is None:
            say("nothing is up here; start it with `gitslot local up`")
            raise typer.Exit(1)
        environment: Mapping[str, str] = found["environment"]
        if output is Output.JSON:
            print(json.dumps(environment, indent=2))
            return
        for name, value in environment.items():
            print(f"export {name}={shlex.quote(value)}")
        for name in process.NO_PROXY:
            print(f'export {name}="{process.LOOPBACK}${{{name}:+,${name}}}"')
        for name in sorted(strangers()):
            print(f"unset {name}")


@local_app.command()
def demo(
    results: Annotated[
        Path, typer.Option(metavar="FILE", help="where the measured values go, as JSON")
    ] = PROJECT / FOLDER / "demo.json",
) -> None:
    """Watch the whole story on a platform of its own: a minute or two, leaves nothing running."""
    from gitslot.local.demo import run  # noqa: PLC0415 - only where it is asked for

    with _told(), _interruptible():
        raise typer.Exit(run(results.absolute()))


# ---------------------------------------------------------------- how it talks


@contextmanager
def _told() -> Iterator[None]:
    """Turn what goes wrong into one sentence and exit code 2."""
    try:
        yield
    except KeyboardInterrupt:
        say("interrupted; nothing is left running")
        raise typer.Exit(130) from None
    except GitslotError as error:
        say(f"error: {error}")
        raise typer.Exit(2) from error


@contextmanager
def _interruptible() -> Iterator[None]:
    """Treat a closed terminal or a polite kill as Ctrl-C, so that clean-up runs."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    local_app()
