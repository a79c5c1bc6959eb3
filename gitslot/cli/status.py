"""`gitslot status`: print a row per slot, and below them why an app is not in sync."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import typer
from rich.live import Live as Screen
from rich.text import Text

from gitslot.cli import output as out
from gitslot.cli.output import Output, OutputOption
from gitslot.cli.session import CommandRefused, Session, chosen, session_of
from gitslot.decide.decide import is_further_slot
from gitslot.reconcile import observe
from gitslot.record.event import Event
from gitslot.report import text
from gitslot.report.status import Row, exit_code, rows
from gitslot.state.decision import Converged, Observation
from gitslot.state.remembered import Memory
from gitslot.state.seen import Live, Rehearsal
from gitslot.state.wanted import Doubt
from gitslot.world import World

_COLUMNS = ("app", "slot", "serves", "wanted", "sync", "health", "rollback", "since", "commit")
_NARROW = tuple(name for name in _COLUMNS if name not in ("rollback", "since", "commit"))
_LAST_EVENTS = 6

AppArgument = Annotated[str | None, typer.Argument(metavar="APP", help="One app; else all.")]


def status(
    ctx: typer.Context,
    app: AppArgument = None,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Keep looking; print changes.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> int:
    """Show what every slot serves and what is wanted."""
    session = session_of(ctx)
    watcher = Watcher(session, session.world())
    if not watch:
        view = watcher.look(app)
        show(session, view, output)
        return view.code
    return _watch(session, watcher, app, output)


@dataclass(frozen=True, slots=True)
class View:
    """The result of one look at all the apps."""

    rows: tuple[Row, ...]
    events: tuple[Event, ...]
    code: int


@dataclass(slots=True)
class Watcher:
    """Looks at apps, and reads a journal again only if it grew."""

    session: Session
    world: World
    read: dict[str, tuple[Memory, list[Event]]] = field(default_factory=dict)

    def look(self, app: str | None) -> View:
        """Look once at *app*, or at all; raises CommandRefused if the file does not list it."""
        found: list[Row] = []
        events: list[Event] = []
        codes = [0]
        for name in names(self.world, app):
            seen = observe(name, self.world, whole=True)
            journal = self._events(name, seen.memory)
            found.extend(rows(seen, journal, self._rehearsed(seen)))
            events.extend(journal)
            codes.append(exit_code(seen))
        events.sort(key=lambda event: event.time)
        return View(tuple(found), tuple(events), max(codes))

    def _rehearsed(self, seen: Observation) -> Rehearsal | None:
        """Check now that the rollback would work, so that the row about it is true."""
        done = isinstance(seen.decision, Converged) and seen.decision.finishes is None
        done = done or is_further_slot(seen.decision)
        if not done or not isinstance(seen.live, Live):
            return None
        return self.world.looker.rehearse(seen.name, seen.live, seen.memory, at_once=True)

    def _events(self, name: str, memory: "Memory") -> list[Event]:
        if name not in self.read or self.read[name][0] is not memory:
            self.read[name] = (memory, self.world.journal.events(name))
        return self.read[name][1]


def names(world: World, app: str | None) -> list[str]:
    """Return *app* alone, or all apps; raises CommandRefused if *app* is not known."""
    desired = world.wants.desired()
    known = world.apps(desired)
    if not known and isinstance(desired, Doubt):
        raise CommandRefused(desired.message, reason=desired.reason)
    return chosen(known, app)


def show(session: Session, view: View, output: Output) -> None:
    """Print *view*: its rows, and a line for each reason."""
    if output is not Output.TABLE:
        out.show_data(session, [row_data(row) for row in view.rows], output)
        return
    columns, cells = _fitting(session, view.rows)
    out.show_table(session, columns, cells)
    for line in _below(session, view.rows, folded=columns == _NARROW):
        out.show_text(session, line)


def row_data(row: Row) -> dict[str, Any]:
    """Return *row* for programs; an unknown value is null."""
    shown = {name: value for name, value in out.data_of(row).items() if name != "mend"}
    unknown = {name: None for name in ("serves", "wanted") if shown[name] in ("?", "nothing")}
    return {**shown, **unknown}


def _cells(session: Session, row: Row, columns: Sequence[str]) -> list[str]:
    texts = {
        **{name: getattr(row, name) for name in _COLUMNS[:7]},
        "since": out.moment_text(row.since, session.now()),
        "commit": row.commit[:7],
    }
    return [texts[name] for name in columns]


def _fitting(session: Session, rows: Sequence[Row]) -> tuple[tuple[str, ...], list[list[str]]]:
    """Return all columns or, on a terminal too narrow for them, the most important ones."""
    cells = [_cells(session, row, _COLUMNS) for row in rows]
    room = out.terminal_width(session)
    need = max(len("  ".join(line)) for line in out.table_lines(_COLUMNS, cells))
    if room is None or need <= room:
        return _COLUMNS, cells
    return _NARROW, [_cells(session, row, _NARROW) for row in rows]


def _below(session: Session, rows: Sequence[Row], *, folded: bool) -> list[str]:
    lines = []
    for row in rows:
        if folded and row.commit:
            since = out.moment_text(row.since, session.now())
            rollback = f", rollback {row.rollback}" if row.rollback else ""
            lines.append(f"{row.app}: commit {row.commit[:7]}, since {since}{rollback}")
        if row.message:
            reason = f"{row.reason}: " if row.reason != "Pending" else ""
            lines.append(f"{row.app}: {reason}{row.message}")
        if row.mend:
            back = row.mend.startswith(("git revert", "gitslot rollback"))
            lines.append(f"{row.app}: {'to go back' if back else 'next'}: {row.mend}")
    return lines


# ---------------------------------------------------------------- --watch


def _watch(session: Session, watcher: Watcher, app: str | None, output: Output) -> int:
    """Look repeatedly; a terminal shows the newest look, any other output each change."""
    pause = max(session.settings().policy.poll_s, 0.5)
    if output is Output.TABLE and session.out.isatty():
        return _watch_screen(session, watcher, app, pause)
    last: tuple[Row, ...] | None = None
    while True:
        view = watcher.look(app)
        if (steady := _without_age(view.rows)) != last:
            last = steady
            if output is Output.TABLE:
                show(session, view, output)
                session.out.write("\n")
                session.out.flush()
            else:
                out.show_line(session, {"slots": [row_data(row) for row in view.rows]}, output)
        session.sleep(pause)


def _without_age(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """Return *rows* without the part that changes every minute."""
    return tuple(replace(row, rollback=row.rollback.partition(", proven")[0]) for row in rows)


def _watch_screen(session: Session, watcher: Watcher, app: str | None, pause: float) -> int:
    console = text.console(session.out)
    with Screen(console=console, auto_refresh=False) as screen:
        while True:
            view = watcher.look(app)
            screen.update(_picture(session, view), refresh=True)
            session.sleep(pause)


def _picture(session: Session, view: View) -> Any:
    columns, cells = _fitting(session, view.rows)
    table = enumerate(out.table_lines(columns, cells))
    lines = [text.styled(line, None if row else "bold") for row, line in table]
    lines += [Text(line) for line in _below(session, view.rows, folded=columns == _NARROW)]
    events = [event for event in view.events if not event.quiet][-_LAST_EVENTS:]
    width = max((len(event.app) for event in events), default=0)
    lines.append(Text(""))
    lines += [out.event_text(event, session.now(), width) for event in events]
    return Text("\n", no_wrap=True, overflow="ellipsis").join(lines)
