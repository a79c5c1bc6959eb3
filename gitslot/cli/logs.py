"""`gitslot logs` and `gitslot history`: the journal, and what production served when."""

import heapq
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain, islice, takewhile
from typing import Annotated

import typer

from gitslot.cli import output as out
from gitslot.cli.complete import AppArgument
from gitslot.cli.output import Output, OutputOption
from gitslot.cli.session import CommandRefused, Session, session_of
from gitslot.record.event import Event
from gitslot.record.journal import Journal
from gitslot.record.recent import Change
from gitslot.report.history import hand_between, live_at, swap_under_way
from gitslot.report.text import Log, moment_text
from gitslot.state.remembered import Memory

_LAST = 100
_CLOCKS = timedelta(hours=1)  # clocks of controllers may differ: that far, times may go back
_EVER = datetime(2000, 1, 1, tzinfo=UTC)
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
    names = _apps(session, journal, app)
    lines = out.log(session.out, names)
    new = NewEvents(session, journal, names) if follow else None
    digits = ""  # every event
    if commit is not None:
        from gitslot.cli import release_of  # noqa: PLC0415 - slow import, seldom needed

        digits = release_of.digits(session, commit)
    start = _time(since, session.now()) if since else _EVER
    each = (journal.newest(name, digits) for name in names)
    back = heapq.merge(*each, key=_time_of, reverse=True)
    recent = takewhile(lambda event: event.time >= start - _CLOCKS, back)
    of_it = (e for e in recent if e.time >= start and e.revision.startswith(digits))
    events: Iterator[Event] = chain(first := list(islice(of_it, 1)), of_it)
    if commit and not first:
        every = [e for name in names for e in journal.events(name) if e.time >= start]
        events = reversed(release_of.of_its_release(session, commit, every))
    limit = _LAST if last is None else last
    visible = (event for event in events if output is not Output.TABLE or not event.quiet)
    shown = list(islice(visible, limit + 1 if limit else None))
    if limit and len(shown) > limit:
        shown.pop()
        if last is None:
            session.print_err("earlier events are left out; -n 0 shows them")
    shown.reverse()
    _print(session, lines, sorted(shown, key=_time_of), output, stream=follow)
    if new is None:
        return 0
    new.skip(shown)
    pause = max(session.settings().policy.poll_s, 0.5)
    while True:
        session.sleep(pause)
        added = [e for name in ([app] if app else journal.apps()) for e in new.of(name)]
        added = [e for e in added if e.revision.startswith(digits)]
        shown = [event for event in added if output is not Output.TABLE or not event.quiet]
        _print(session, lines, sorted(shown, key=_time_of), output, stream=True)


def _time_of(event: Event) -> datetime:
    return event.time


class NewEvents:
    """What is added to journals, those of *apps* from now on; a journal is read only if it grew."""

    def __init__(self, session: Session, journal: Journal, apps: Sequence[str]) -> None:
        self._session, self._journal = session, journal
        self._seen = {e.id for name in apps for e in islice(journal.newest(name), 1)}
        self._memories: dict[str, Memory] = {}

    def skip(self, events: Sequence[Event]) -> None:
        """Return none of *events*, the newest of their apps, nor those before them."""
        self._seen.update(event.id for event in events)

    def of(self, app: str) -> list[Event]:
        """Return the events of *app* that were not returned before."""
        memory = self._journal.memory(app, self._session.now())
        if self._memories.get(app) is memory:
            return []
        self._memories[app] = memory
        added = list(takewhile(lambda e: e.id not in self._seen, self._journal.newest(app)))[::-1]
        self.skip(added)
        return added


def _apps(session: Session, journal: Journal, app: str | None) -> list[str]:
    """Return the name of *app* as its journal has it, or of all apps that have one."""
    known = journal.apps()
    found = [name for name in known if app is None or name.lower() == app.lower()]
    if app is not None and not found:
        listed = f"; there are: {', '.join(known)}" if known else ""
        raise CommandRefused(f"no app `{app}` has a journal{listed}", reason="UnknownApp")
    if not known:
        session.print_err("the journal is empty: nothing has been reconciled yet")
    return found


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
    last: Annotated[int, typer.Option("--last", "-n", min=0, help="How many; 0 for all.")] = _LAST,
    output: OutputOption = Output.TABLE,
) -> int:
    """Show what production served, and when.

    The newest change comes first. Times are in UTC unless they name a
    zone; one without a date is the last such time of day.
    """
    session = session_of(ctx)
    moment = _time(at, session.now()) if at else None
    journal = session.journal()
    names = _apps(session, journal, app)
    found = {name: _changes(journal, name, moment, last) for name in names}
    if moment is None:
        flat = [change for each in found.values() for change in each]
        flat.sort(key=lambda c: c.time, reverse=True)
        _show_changes(session, flat[: last or None], output)
        if last and len(flat) > last:
            session.print_err("earlier changes are left out; -n 0 shows them")
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


def _changes(journal: Journal, app: str, moment: datetime | None, last: int) -> list[Change]:
    """Return the changes of *app*, oldest first: from *moment* on, or more than *last*."""
    found: list[Change] = []
    for part in journal.changes(app):
        found = part + found
        if any(c.time <= moment for c in part) if moment else 0 < last < len(found):
            break
    return found


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
