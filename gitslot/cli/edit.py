"""
`gitslot bump`, `suspend` and `resume`: a commit to the watched file. Azure is not touched.
"""

from pathlib import Path
from typing import Annotated

import typer

from gitslot.cli.bump_from import version_from
from gitslot.cli.checkout import Checkout
from gitslot.cli.complete import AppArgument, complete_version
from gitslot.cli.session import CommandRefused, Session, session_of
from gitslot.cli.validate import check
from gitslot.edges.file.edit import with_suspend, with_version
from gitslot.edges.file.read import read
from gitslot.errors import RegistryUnavailable, SettingsError
from gitslot.state.safe_text import safe
from gitslot.state.wanted import App

_SLOTS = ("production", "staging")


def bump(
    ctx: typer.Context,
    slot: Annotated[
        str | None,
        typer.Argument(
            autocompletion=lambda: _SLOTS, help="production, staging, or another of the file."
        ),
    ] = None,
    version: Annotated[
        str | None,
        typer.Argument(autocompletion=complete_version, help="A version; left out with --from."),
    ] = None,
    app: AppArgument = None,
    pin: Annotated[
        bool | None,
        typer.Option(
            help="Add the digest from the registry, or none; by default as the slot has it now."
        ),
    ] = None,
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
    old = block.slots.get(slot)
    if pin is None:
        pin = old is not None and old.pin is not None
    text = _pinned(session, block, slot, version) if pin and "@" not in version else version
    after = with_version(before, slot, text, chosen.name)
    if after == before:
        session.print_err(f"{slot} is {version} already; nothing to commit")
        return 0
    _refuse_unregistered(session, read(after, chosen.name), slot)
    chosen.commit(after, _subject(block, slot, version, chosen.name))
    committed(session, checkout)
    return 0


def _refuse_unregistered(session: Session, app: App, slot: str) -> None:
    """Raise CommandRefused where a registry is at hand and has not what *slot* of *app* asks."""
    try:
        found = check(app, slot, app.slots[slot], session.registry_alone())
    except SettingsError:  # none is at hand
        return
    except RegistryUnavailable as error:
        session.print_err(f"not checked whether it is registered: {error.message}")
        return
    if not found.ok:
        raise CommandRefused(found.result, reason="NotRegistered")


def suspend(
    ctx: typer.Context,
    app: AppArgument = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, and who.")] = "",
) -> int:
    """Have the controller leave an app alone, by a commit.

    The file gets `suspend: TEXT`. A swap that was sent already ends;
    nothing else is done until `gitslot resume`.
    """
    if not reason.strip():
        raise typer.BadParameter('say why and who: --reason "incident 7, sam"', ctx=ctx)
    return _suspended(session_of(ctx), app, reason.strip())


def resume(ctx: typer.Context, app: AppArgument = None) -> int:
    """Take `suspend` out of an app's file, and commit it."""
    return _suspended(session_of(ctx), app, "")


def _suspended(session: Session, app: str | None, reason: str) -> int:
    checkout = Checkout.around(session)
    chosen = checkout.file_of(app)
    before, name = chosen.path.read_bytes(), chosen.read().name
    after = with_suspend(before, reason, chosen.name)
    if after == before:
        already = "suspended for that reason already" if reason else "not suspended"
        session.print_err(f"{name} is {already}; nothing to commit")
        return 0
    chosen.commit(after, f"suspend {name}: {safe(reason)}" if reason else f"resume {name}")
    committed(session, checkout)
    return 0


def _pinned(session: Session, app: App, slot: str, version: str) -> str:
    """Return *version* with its digest; raises CommandRefused where no registry is at hand."""
    try:
        digest = session.registry_alone().manifest(app.model, version).digest
    except (SettingsError, RegistryUnavailable) as error:
        raise CommandRefused(
            f"{slot} cannot be pinned without the registry: {error.message}; or write the digest "
            f"yourself: `gitslot bump {slot} {version}@sha256:DIGEST`",
            reason=error.reason,
        ) from error
    return f"{version}@sha256:{digest}"


def _subject(app: App, slot: str, version: str, name: str) -> str:
    place = "" if slot == "production" else f" in {slot}"
    which = f" on {name}" if name else ""
    return f"bump {app.model} to {version.partition('@')[0]}{place}{which}"


def committed(session: Session, checkout: Checkout) -> None:
    """Print the new commit, and the next step if there is a remote to push to."""
    made = checkout.git("log", "-1", "--format=%h %s", "--abbrev=7")
    session.out.write(f"{safe(made.strip())}\n")
    session.out.flush()
    if push := checkout.push():
        session.print_err(f"next: {push}")
