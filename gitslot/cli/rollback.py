"""`gitslot rollback`: a commit that takes production of one app back. Azure is not touched."""

import difflib
from collections.abc import Iterable
from typing import Annotated

import typer

from gitslot.cli.checkout import AppFile, Checkout
from gitslot.cli.complete import AppArgument
from gitslot.cli.edit import committed
from gitslot.cli.past import SUBJECT, Past, Wish, past
from gitslot.cli.session import CommandRefused, Session, session_of
from gitslot.edges.file.edit import with_wish
from gitslot.edges.file.read import read
from gitslot.errors import DesiredError, GitslotError, SettingsError
from gitslot.state.remembered import Memory
from gitslot.state.safe_text import safe
from gitslot.state.wanted import PRODUCTION, App, Release

_LISTED = 20  # versions that an error names


def rollback(
    ctx: typer.Context,
    app: AppArgument = None,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION",
            help="Which version; it must have been asked for before. Without one, they are listed.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the change and the message; commit nothing.")
    ] = False,
    no_fetch: Annotated[
        bool,
        typer.Option("--no-fetch", help="Go on with what is here: ask no remote and no journal."),
    ] = False,
) -> int:
    """Take production back to what was asked for before.

    Model, version, pin and code of production become those that the
    file asked for before the present ones: the newest of them that
    production served, where the controller's journal can be read.
    Nothing else in the file changes, and it is one commit. A file that
    is broken becomes the last valid one. Typed twice it is refused, so
    that the bad version does not come back: --to chooses one.
    """
    session = session_of(ctx)
    checkout = Checkout.around(session)
    chosen = checkout.file_of(app)
    ahead = 0 if no_fetch else checkout.refuse_stale(session.branch())
    found = past(chosen)
    if not found.wishes:
        raise _nothing_before(checkout, chosen, "anything that is valid")
    base = found.wishes[0].data if found.broken else chosen.path.read_bytes()
    now = read(base, chosen.name)
    chosen.refuse_other(app, now)
    if to is not None:
        wish = _named(found, to)
    elif found.broken:
        wish = found.wishes[0]
    else:
        wish = _before(chosen, found, None if no_fetch else _memory(session, now.name))
    after = with_wish(base, PRODUCTION, wish.app.model, wish.app.production, chosen.name)
    if after == chosen.path.read_bytes():
        session.print_err(f"production is {wish.app.production.version} already; nothing to commit")
        return 0
    message = _message(chosen, found, now, wish, after)
    for line in _notes(now, wish.app, found.broken, ahead):
        session.print_err(line)
    if dry_run:
        for line in (*_diff(chosen, after), "", *message.split("\n")):
            print(safe(line), file=session.out)
        return 0
    chosen.commit(after, message)
    session.print_err(f"production of {now.name}: {_change(now, wish.app)}")
    committed(session, checkout)
    return 0


# ---------------------------------------------------------------- which one


def _before(chosen: AppFile, found: Past, memory: Memory | None) -> Wish:
    """Return the newest other wish, of those that production is known to have served if any."""
    asked = memory.of(PRODUCTION).asked if memory else None
    if asked and asked.text == found.wishes[0].text and asked.revision.exact:
        # A merge may have put the commits that asked for it beside the first parents.
        commit = asked.revision.commit
        if chosen.checkout.try_git("merge-base", "--is-ancestor", commit, "HEAD") is not None:
            found = past(chosen, commit)
    newest = found.wishes[0]
    older = [wish for wish in found.wishes if not wish.app.may_ask_the_same(newest.app)]
    if not older:
        raise _nothing_before(chosen.checkout, chosen, newest.text)
    if found.went_back:
        raise CommandRefused(
            f"production went back already: {newest.commit[:7]} took it to {newest.text}. To "
            f"choose another version: `gitslot rollback {newest.app.name} --to VERSION`; it was "
            f"asked for {_listed(found)}",
            reason="RolledBack",
        )
    served = memory.served if memory else frozenset()
    return next((wish for wish in older if any(_is(wish.app, each) for each in served)), older[0])


def _is(app: App, release: Release) -> bool:
    wanted = app.production
    same = (app.model, wanted.version) == (release.model, release.version)
    return same and wanted.pin in (None, release.digest)


def _named(found: Past, version: str) -> Wish:
    for wish in found.wishes:
        wanted = wish.app.production
        if version in (wanted.version, f"{wanted.version}@sha256:{wanted.pin}", wish.text):
            return wish
    raise CommandRefused(
        f"production was never asked for `{version}`; it was asked for {_listed(found)}. Another "
        "version is a release: `gitslot bump production VERSION`"
        if version
        else f"name a version: --to VERSION; production was asked for {_listed(found)}",
        reason="NotAskedBefore",
    )


def _listed(found: Past) -> str:
    newest: dict[str, Wish] = {}
    for wish in found.wishes:
        newest.setdefault(wish.text, wish)
    each = [f"{text} ({wish.by})" for text, wish in newest.items()]
    more = [f"and {len(each) - _LISTED} more"] if len(each) > _LISTED else []
    return ", ".join([*each[:_LISTED], *more])


def _nothing_before(checkout: Checkout, chosen: AppFile, now: str) -> CommandRefused:
    shallow = (checkout.try_git("rev-parse", "--is-shallow-repository") or "").strip() == "true"
    way = "`gitslot bump production VERSION` asks for another"
    if shallow:
        way = "this is a shallow clone: `git fetch --unshallow` brings its past"
    what = f"no commit asked production of {chosen.file} for anything but {now}"
    return CommandRefused(f"{what}; {way}", reason="NothingBefore")


def _memory(session: Session, app: str) -> Memory | None:
    """Return what the journal remembers of *app*, or None where no journal is at hand."""
    try:
        return session.world().journal.memory(app, session.now())
    except SettingsError:
        return None
    except GitslotError as error:
        session.print_err(f"going by Git alone; the journal cannot be read: {error.message}")
        return None


# ---------------------------------------------------------------- what is said of it


def _change(now: App, then: App) -> str:
    """Return what changes, in as few words as tell the two apart."""
    return f"{_label(now, then)} -> {_label(then, now)}"


def _label(app: App, other: App) -> str:
    wanted, pin = app.production, ""
    if wanted.version == other.production.version:
        pin = f" pinned to {wanted.pin[:12]}" if wanted.pin else " unpinned"
    if wanted.pin == other.production.pin:
        pin = ""
    model = f"{app.model} " if app.model != other.model else ""
    return f"{model}{wanted.version}{pin}" + (f" with code {wanted.code}" if wanted.code else "")


def _message(chosen: AppFile, found: Past, now: App, wish: Wish, after: bytes) -> str:
    newest, back = found.wishes[0], f"Back to: {wish.made}"
    if found.broken:
        flaw = f"In {found.broken[:7]} it is refused: {_flaw(chosen)}"
        return f"Restore the file of {now.name}\n\n{flaw}\n{back}"
    text = f"{SUBJECT}{now.name}: {_change(now, wish.app)}\n\n{back}\nInstead of: {newest.made}"
    if len(newest.parents) == 1 and chosen.is_undone_by(after, newest.commit):
        text += f"\n\nThis reverts commit {newest.commit}."
    return text


def _flaw(chosen: AppFile) -> str:
    try:
        chosen.read()
    except DesiredError as error:
        return error.message
    return "it is no plain file"


def _notes(now: App, then: App, broken: str, ahead: int) -> Iterable[str]:
    others = [f"{slot} {each.version}" for slot, each in now.slots.items() if slot != PRODUCTION]
    if others and now.model != then.model:
        yield f"left as they are, and asked of {then.model} from now on: {', '.join(others)}"
    if broken:
        yield f"{broken[:7]} broke the file; the last valid one is restored"
    if ahead:
        yield f"{ahead} commit(s) that are not pushed yet go with it"


def _diff(chosen: AppFile, after: bytes) -> Iterable[str]:
    before = chosen.path.read_bytes().decode("utf-8", "replace").splitlines()
    names = (f"a/{chosen.file}", f"b/{chosen.file}")
    return difflib.unified_diff(before, after.decode().splitlines(), *names, lineterm="")
