"""
`gitslot bump` and `gitslot rollback`: commits to the watched file. Neither touches Azure.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from gitslot.cli.bump_from import version_from
from gitslot.cli.checkout import AppFile, Checkout
from gitslot.cli.session import CommandRefused, Session, session_of
from gitslot.edges.file.edit import beyond_production, with_version
from gitslot.edges.file.read import read
from gitslot.errors import DesiredError, RegistryUnavailable, SettingsError
from gitslot.state.safe_text import safe
from gitslot.state.wanted import App, Wanted

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
    chosen.path.write_bytes(after)
    try:
        subject = _subject(block, slot, version, chosen.name)
        checkout.git("commit", "-m", subject, "--", chosen.file)
    except BaseException:
        chosen.path.write_bytes(before)
        raise
    _committed(session, checkout)
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


def _committed(session: Session, checkout: Checkout) -> None:
    """Print the new commit, and the next step if there is a remote to push to."""
    made = checkout.git("log", "-1", "--format=%h %s", "--abbrev=7")
    session.out.write(f"{safe(made.strip())}\n")
    session.out.flush()
    if checkout.has_remote():
        session.print_err("next: git push")


# ---------------------------------------------------------------- rollback


@dataclass(frozen=True, slots=True)
class _Wish:
    """The model and version that one commit wants in production."""

    model: str
    wanted: Wanted

    def __str__(self) -> str:
        return f"{self.model} {self.wanted}"


@dataclass(frozen=True, slots=True)
class _LastChange:
    """The commit that last changed what production is to serve."""

    commit: str
    before: _Wish
    after: _Wish
    merge: bool
    reverts: str | None

    @property
    def short(self) -> str:
        """Return the short commit id."""
        return self.commit[:7]

    @property
    def mainline(self) -> tuple[str, ...]:
        """Return the words that git needs to revert a merge."""
        return ("-m", "1") if self.merge else ()

    @property
    def command(self) -> str:
        """Return the command that reverts all of it."""
        return f"`{' '.join(('git', 'revert', *self.mainline, self.short))}`"


def rollback(ctx: typer.Context, app: AppArgument = None) -> int:
    """Revert the commit that last changed production.

    It refuses where the revert would change anything but that app's production.
    """
    session = session_of(ctx)
    checkout = Checkout.around(session)
    chosen = checkout.file_of(app)
    block = chosen.read()
    last = _last_change(chosen, block)
    if last.reverts:
        raise CommandRefused(
            f"production went back already: {last.short} reverts {last.reverts[:7]}. To bring "
            f"{last.before} again: {last.command}; to go back further: "
            "`gitslot bump production VERSION`",
            reason="RolledBack",
        )
    alone = _production_alone(last, f" {chosen.name}" if chosen.name else "")
    words = (*last.mainline, last.commit)
    try:
        files, data = checkout.would_revert(chosen.path, *words)
    except CommandRefused as error:
        raise CommandRefused(
            f"{last.short} cannot be reverted as it stands ({error.message}). For production "
            f"alone: {alone}",
            reason="RevertConflict",
        ) from error
    more = _beyond_production(block, data, chosen.name) + sorted(files - {chosen.file})
    if more:
        raise CommandRefused(
            f"nothing is reverted: {last.short} changed more than production of {block.name}; "
            f"going back would also change {', '.join(more)}. For production alone: {alone}; "
            f"for all of it: {last.command}",
            reason="RevertsMore",
        )
    checkout.revert(*words)
    session.print_err(f"production of {block.name}: {last.after} -> {last.before}")
    _committed(session, checkout)
    return 0


def _last_change(chosen: AppFile, app: App) -> _LastChange:
    """Walk back to the commit whose parent wants something else in production."""
    wish = _wish(app)
    form = "--format=%H%x00%P%x00%b%x01"
    for record in chosen.checkout.git("log", form, "--", chosen.file).split("\x01"):
        if not record.strip():
            continue
        commit, parents, body = record.strip("\n").split("\x00")
        after = chosen.at(commit)
        if after is None:  # skip commits whose file is broken
            continue
        if _wish(after) != wish:
            break
        before = chosen.at(f"{commit}^") if parents else None
        if before is not None and _wish(before) != wish:
            merge = len(parents.split()) > 1
            return _LastChange(commit, _wish(before), wish, merge, _reverted(body))
    raise CommandRefused(
        f"no commit is found that brought {app.name} to {wish} from another version; "
        "`gitslot bump production VERSION` asks for one",
        reason="NothingBefore",
    )


def _wish(app: App) -> _Wish:
    return _Wish(app.model, app.production)


def _reverted(body: str) -> str | None:
    marker = "This reverts commit "
    return body.partition(marker)[2][:40] if marker in body else None


def _production_alone(last: _LastChange, which: str) -> str:
    """Return how to take production back and nothing else; `bump` sets no model and no code."""
    before, after = last.before, last.after
    if (before.model, before.wanted.code) != (after.model, after.wanted.code):
        return f"bring {before} back by hand, in the file"
    pin = f"@sha256:{before.wanted.pin}" if before.wanted.pin else ""
    return f"`gitslot bump production {before.wanted.version}{pin}{which}`"


def _beyond_production(before: App, data: bytes, name: str) -> list[str]:
    """Return what *data* changes in the file other than production."""
    try:
        return beyond_production(before, read(data, name))
    except DesiredError as error:
        return [f"the file to one that is refused ({error.message})"]
