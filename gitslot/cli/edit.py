"""
`gitslot bump`: a commit to the watched file. Azure is not touched.
"""

from pathlib import Path
from typing import Annotated

import typer

from gitslot.cli.bump_from import version_from
from gitslot.cli.checkout import Checkout
from gitslot.cli.session import CommandRefused, Session, session_of
from gitslot.edges.file.edit import with_version
from gitslot.state.wanted import App

AppArgument = Annotated[
    str | None, typer.Argument(metavar="APP", help="Which app, if a folder has several.")
]
_SLOTS = ("production", "staging")


def _complete_slot(incomplete: str) -> list[str]:
    return [slot for slot in _SLOTS if slot.startswith(incomplete)]


def bump(
    ctx: typer.Context,
    slot: Annotated[
        str | None,
        typer.Argument(
            autocompletion=_complete_slot, help="production, staging, or another of the file."
        ),
    ] = None,
    version: Annotated[
        str | None, typer.Argument(help="A registered version; left out with --from.")
    ] = None,
    app: AppArgument = None,
    pin: Annotated[
        bool, typer.Option("--pin", help="Pin the bytes: add the digest from the registry.")
    ] = False,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="PATH", help="Copy what production of that file or folder serves."
        ),
    ] = None,
) -> int:
    """Set a slot's version in the app's file, and commit it.

    With --from, the version and its digest are those that another file
    or folder wants in production: `gitslot bump --from envs/dev` in the
    folder envs/prod. SLOT is production then, unless it is named.
    """
    session = session_of(ctx)
    if source:
        slot, version, app = slot or "production", None, version or app  # no VERSION before APP
    elif slot is None or version is None:
        example = "`gitslot bump production 1.5.0`, or --from another file"
        raise typer.BadParameter(f"name a slot and a version: {example}", ctx=ctx)
    checkout = Checkout.around(session)
    chosen = checkout.file_of(app)
    before, block = chosen.path.read_bytes(), chosen.read()
    if slot not in (*_SLOTS, *block.slots):
        raise CommandRefused(
            f"{chosen.file} names no slot `{slot}`; it names: {', '.join(block.slots)}. "
            f"To add one, write `{slot}: VERSION` below `slots`",
            reason="UnknownSlot",
        )
    if source:
        version = version_from(session, checkout.root, source, block, slot)
    assert version is not None
    text = _pinned(session, block, version) if pin and not source else version
    after = with_version(before, slot, text, chosen.name)
    if after == before:
        session.print_err(f"{slot} is {version} already; nothing to commit")
        return 0
    old = block.slots.get(slot)
    if old and old.pin and "@" not in text:
        session.print_err("the old version was pinned to a digest; --pin also pins the new one")
    chosen.commit(after, _subject(block, slot, version, chosen.name))
    committed(session, checkout)
    return 0


def _pinned(session: Session, app: App, version: str) -> str:
    plain = version.partition("@")[0]
    return f"{plain}@sha256:{session.registry().manifest(app.model, plain).digest}"


def _subject(app: App, slot: str, version: str, name: str) -> str:
    place = "" if slot == "production" else f" in {slot}"
    which = f" on {name}" if name else ""
    return f"bump {app.model} to {version.partition('@')[0]}{place}{which}"


def committed(session: Session, checkout: Checkout) -> None:
    """Print the new commit, and the next step if there is a remote to push to."""
    session.out.write(checkout.git("log", "-1", "--format=%h %s", "--abbrev=7"))
    session.out.flush()
    if push := checkout.push():
        session.print_err(f"next: {push}")
