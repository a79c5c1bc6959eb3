"""`gitslot logs` and `gitslot history`: the journal, and what production served when."""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from gitslot.cli import output as out
from gitslot.cli.complete import AppArgument
from gitslot.cli.output import Output, OutputOption
from gitslot.cli.session import CommandRefused, Session, session_of
from gitslot.record.event import Event
from gitslot.record.journal import Journal
from gitslot.record.recent import Change
from gitslot.report.history import changes, hand_between, live_at, swap_under_way
from gitslot.report.text import Log, moment_text
from gitslot.state.remembered import Memory

_LAST = 100
_CHANGES = ("time", "app", "version", "before", "commit", "author", "how", "verified")


def logs(
    ctx: typer.Context,
    app: AppArgument = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Keep printing new events.")
    ] = False,
    commit: Annotated[
        str | None,
        typer.Option("--commit", metavar="REV", help="Events of one commit, or of its release."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="From then on: 13:27, 2h, 2026-11-22T03:00Z."),
    ] = None,
    last: Annotated[
        int | None, typer.Option("--last", "-n", min=0, help="How many; 0 for all, else 100.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> int:
    """Show the reconcile log: one line per transition."""
    session = session_of(ctx)
    journal = session.journal()
    lines = out.log(session.out, [app] if app else journal.apps())
    wants: Callable[[Event], bool] = bool  # every event
    if commit is not None:
        from gitslot.cli import release_of  # noqa: PLC0415 - slow import, seldom needed

        wants = release_of.names(session, commit)
    every = _read(session, journal, app)
    if since:
        start = _time(since, session.now())
        every = [event for event in every if event.time >= start]
    events = [event for event in every if wants(event)]
    if commit and not events:
        events = release_of.of_its_release(session, commit, every)
    shown = [event for event in events if output is not Output.TABLE or not event.quiet]
    if last is None and len(shown) > _LAST:
        session.print_err(f"{len(shown) - _LAST} earlier events are left out; -n 0 shows them")
    shown = shown[-(_LAST if last is None else last) :]
    _print(session, lines, shown, output, stream=follow)
    if not follow:
        return 0
    new = NewEvents(session, journal, {event.id for event in events})
    pause = max(session.settings().policy.poll_s, 0.5)
    while True:
        session.sleep(pause)
        added = [e for name in ([app] if app else journal.apps()) for e in new.of(name) if wants(e)]
        shown = [event for event in added if output is not Output.TABLE or not event.quiet]
        shown.sort(key=lambda event: event.time)
        _print(session, lines, shown, output, stream=True)


class NewEvents:
    """What was added to journals, each event once; a journal is read again only if it grew."""

    def __init__(self, session: Session, journal: Journal, seen: Iterable[str] = ()) -> None:
        self._session, self._journal, self._seen = session, journal, set(seen)
        self._memories: dict[str, Memory] = {}

    def of(self, app: str) -> list[Event]:
        """Return the events of *app* that were not returned before."""
        memory = self._journal.memory(app, self._session.now())
        if self._memories.get(app) is memory:
            return []
        self._memories[app] = memory
        added = [event for event in self._journal.events(app) if event.id not in self._seen]
        self._seen.update(event.id for event in added)
        return added


def _read(session: Session, journal: Journal, app: str | None) -> list[Event]:
    """Return every event of *app*, or of all, oldest first."""
    known = journal.apps()
    if app is not None and app.lower() not in map(str.lower, known):
        listed = f"; there are: {', '.join(known)}" if known else ""
        raise CommandRefused(f"no app `{app}` has a journal{listed}", reason="UnknownApp")
    if not known:
        session.print_err("the journal is empty: nothing has been reconciled yet")
    events = [event for name in ([app] if app else known) for event in journal.events(name)]
    return sorted(events, key=lambda event: event.time)


def _print(
    session: Session, lines: Log, events: Sequence[Event], output: Output, *, stream: bool
) -> None:
    if output is Output.TABLE:
        now = session.now()
        dated = any(event.time.astimezone(UTC).date() != now.date() for event in events)
        for event in events:
            out.show_event(session.out, lines, event, now, dated=dated)
    elif stream:
        for event in events:
            out.show_line(session, out.event_data(event), output)
    else:
        out.show_data(session, [out.event_data(event) for event in events], output)


# ---------------------------------------------------------------- history


def history(
    ctx: typer.Context,
    app: AppArgument = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="What was live then: 13:27, 2026-11-22T03:00Z."),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> int:
    """Show what production served, and when.

    The newest change comes first. Times are in UTC unless they name a
    zone; one without a date is the last such time of day.
    """
    session = session_of(ctx)
    moment = _time(at, session.now()) if at else None
    events = _read(session, session.journal(), app)
    names = list(dict.fromkeys(event.app for event in events))
    found = {name: changes(event for event in events if event.app == name) for name in names}
    if moment is None:
        flat = [change for each in found.values() for change in each]
        _show_changes(session, sorted(flat, key=lambda c: c.time, reverse=True), output)
        for name in [name for name, each in found.items() if len(each) > 1]:
            if output is Output.TABLE:
                session.print_err(f"to go back: gitslot rollback {name} && git push")
        return 0
    live = [change for each in found.values() if (change := live_at(each, moment))]
    for each in found.values():
        if swap := swap_under_way(each, moment):
            session.print_err(
                f"{swap.app}: a swap to {swap.version} was under way then, "
                f"sent {out.iso(swap.swap_sent)}, proved {out.iso(swap.time)}"
            )
        if hand := hand_between(each, moment):
            session.print_err(
                f"{hand.app}: somebody else's change to {hand.version} may have come before; it "
                f"happened {_between(hand, session.now())}"
            )
    _show_changes(session, live, output)
    missing = [name for name, each in found.items() if not live_at(each, moment)]
    for name in missing:
        session.print_err(f"{name}: nothing is recorded before {out.iso(moment)}")
    return 1 if missing or not found else 0


def _time(text: str, now: datetime) -> datetime:
    """Return the moment that *text* names; a time of day is the last one before *now*."""
    if (ago := out.span(text)) is not None:
        return now - ago
    try:
        if re.fullmatch(r"\d\d:\d\d(:\d\d)?Z?", text):
            moment = datetime.fromisoformat(f"{now.astimezone(UTC):%Y-%m-%d}T{text}")
            moment = moment.replace(tzinfo=UTC)
            return moment if moment <= now else moment - timedelta(days=1)
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        why = f"`{text}` is not a time; write it as 13:27, 2h, 2026-11-22T03:00Z or +01:00"
        raise CommandRefused(why, reason="TimeInvalid") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _between(change: Change, now: datetime) -> str:
    if change.between is None:
        return ""
    after, before = (moment_text(moment, now) for moment in change.between)
    return f"between {after} and {before}"


def _show_changes(session: Session, found: Sequence[Change], output: Output) -> None:
    if output is not Output.TABLE:
        out.show_data(session, [out.data_of(change) for change in found], output)
        return
    rows = [
        (
            moment_text(change.time, session.now(), dated=True),
            change.app,
            change.version,
            change.before,
            change.commit[:7],
            change.author,
            " ".join(filter(None, (change.how, _between(change, session.now())))),
            change.verified.removeprefix("staging: "),
        )
        for change in found
    ]
    if rows:
        out.show_table(session, _CHANGES, rows)
