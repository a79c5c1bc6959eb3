"""`gitslot status`: print a row per slot, and below them why an app is not in sync."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from gitslot.cli import output as out
from gitslot.cli.complete import AppArgument
from gitslot.cli.output import Output, OutputOption
from gitslot.cli.session import Session, chosen, session_of
from gitslot.record.event import Event
from gitslot.record.journal import Journal
from gitslot.report import snapshot, text
from gitslot.report.snapshot import Snapshot
from gitslot.report.status import Row

if TYPE_CHECKING:
    from gitslot.world import World

_COLUMNS = ("app", "slot", "serves", "wanted", "health", "state", "rollback", "since", "commit")
_NARROW = tuple(name for name in _COLUMNS if name not in ("rollback", "since", "commit"))
_LAST_EVENTS = 6
_DEAD = 2  # the exit code where nobody looks


def status(
    ctx: typer.Context,
    app: AppArgument = None,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Keep looking; print changes.")
    ] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Look at the slots now, not at what the controller saw.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> int:
    """Show what users get of each slot, and what is wanted."""
    session = session_of(ctx)
    logs = watch and output is Output.TABLE and session.out.isatty()
    watcher = Watcher(session, session.journal(), live=live, logs=logs)
    if not watch:
        view = watcher.look(app)
        show(session, view, output)
        return view.code
    return _watch(session, watcher, app, output)


@dataclass(frozen=True, slots=True)
class View:
    """One look at all the apps. *lines* name the steps under way, *age* says how old it is."""

    rows: tuple[Row, ...]
    events: tuple[Event, ...]
    code: int
    lines: tuple[str, ...] = ()
    age: tuple[str, ...] = ()


@dataclass(slots=True)
class Watcher:
    """
    Reads what controllers saw; looks itself where none wrote that, or where *live*.

    The newest events are read, a journal an app, only where *logs*.
    """

    session: Session
    journal: Journal
    world: "World | None" = None  # opened for the first look of its own
    live: bool = False
    logs: bool = False

    def look(self, app: str | None) -> View:
        """Return how *app* stands, or all do; raises CommandRefused if there is no such app."""
        if not self.live and (found := snapshot.read_all(self.journal.blobs)):
            return self._as_seen(found, app)
        return self._now(app)

    def _as_seen(self, found: Sequence[Snapshot], app: str | None) -> View:
        by_app, now = snapshot.by_app(found), self.session.now()
        chosen_ones = {name: by_app[name] for name in chosen(list(by_app), app)}
        mine = list({each.controller: each for each in chosen_ones.values()}.values())
        views = {name: each.apps[name] for name, each in chosen_ones.items()}
        dead = [each for each in mine or found if not each.looks(now)]
        lines = [f"{name}: {view.under_way(now)}" for name, view in views.items() if view.doing]
        return View(
            tuple(row for view in views.values() for row in view.rows),
            tuple(self._events(chosen_ones)),
            max([_DEAD if dead else 0, *(view.code for view in views.values())]),
            tuple(lines),
            (
                *amiss_lines(mine or found if app else found, now),
                *(each.said(now) for each in mine or found if each.looks(now)),
            ),
        )

    def _now(self, app: str | None) -> View:
        from gitslot.cli.live import look_now  # noqa: PLC0415 - slow import

        self.world = self.world or self.session.world()
        found, code, watched = look_now(self.world, app)
        return View(found, tuple(self._events(watched)), code)

    def _events(self, apps: Iterable[str]) -> Iterator[Event]:
        """Return the newest events of *apps*, where they are wanted."""
        if not self.logs:
            return iter(())
        now, journal = self.session.now(), self.journal
        for name in apps:
            journal.memory(name, now)
        read = (known for name in apps if (known := journal.known(name)))
        return iter(sorted((e for _, r in read for e in r.events), key=lambda e: e.time))


def amiss_lines(found: Sequence[Snapshot], now: datetime) -> Iterator[str]:
    """Yield what is wrong with who looks at which app, and what mends it."""
    for what, fix in snapshot.amiss(found, now):
        yield what
        if fix:
            yield f"next: {fix}"


def show(session: Session, view: View, output: Output) -> None:
    """Print *view*: its rows, and a line for each reason."""
    if output is not Output.TABLE:
        out.show_data(session, [row_data(row) for row in view.rows], output)
        return
    columns, cells = _fitting(session, view.rows)
    out.show_table(session, columns, cells)
    for line in _below(session, view, folded=columns == _NARROW):
        out.show_text(session, line)


def row_data(row: Row) -> dict[str, Any]:
    """Return *row* for programs; an unknown value is null."""
    shown = {name: value for name, value in out.data_of(row).items() if name != "mend"}
    unknown = {name: None for name in ("serves", "wanted") if shown[name] in ("?", "nothing")}
    return {**shown, **unknown}


def _cells(session: Session, row: Row, columns: Sequence[str]) -> list[str]:
    texts = {
        **{name: getattr(row, name) for name in _COLUMNS[:6]},
        "rollback": row.way_back(session.now()),
        "since": text.moment_text(row.since, session.now()),
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


def _below(session: Session, view: View, *, folded: bool) -> list[str]:
    lines = list(view.lines)
    for row in view.rows:
        if folded and row.commit:
            since = text.moment_text(row.since, session.now())
            rollback = f", rollback {row.way_back(session.now())}" if row.rollback else ""
            lines.append(f"{row.app}: commit {row.commit[:7]}, since {since}{rollback}")
        if row.message:
            reason = f"{row.reason}: " if row.reason != "Pending" else ""
            lines.append(f"{row.app}: {reason}{row.message}")
        if row.mend:
            back = row.mend.startswith(("git revert", "gitslot rollback"))
            lines.append(f"{row.app}: {'to go back' if back else 'next'}: {row.mend}")
    return [*lines, *view.age]


# ---------------------------------------------------------------- --watch


def _watch(session: Session, watcher: Watcher, app: str | None, output: Output) -> int:
    """Look repeatedly; a terminal shows the newest look, any other output each change."""
    pause = max(session.settings().policy.poll_s, 0.5)
    if output is Output.TABLE and session.out.isatty():
        from rich.live import Live as Screen  # noqa: PLC0415 - slow import, here alone

        with Screen(console=text.console(session.out), auto_refresh=False) as screen:
            while True:
                screen.update(_picture(session, watcher.look(app)), refresh=True)
                session.sleep(pause)
    last: set[Any] = set()
    while True:
        view = watcher.look(app)
        lines = {_change(row): None for row in view.rows}
        if output is not Output.TABLE and {*view.rows} != last:
            out.show_line(session, {"slots": [row_data(row) for row in view.rows]}, output)
        elif output is Output.TABLE:
            for line in (line for line in lines if line not in last):
                out.show_text(session, f"{session.now():%Y-%m-%d %H:%M:%SZ}  {line}")
        last = {*lines} if output is Output.TABLE else {*view.rows}
        session.out.flush()
        session.sleep(pause)


def _change(row: Row) -> str:
    """Return *row* as one line."""
    wanted = f", wanted {row.wanted}" if row.wanted else ""
    said = ": ".join(filter(None, (row.reason, row.message)))
    line = f"next: {row.mend}" if row.mend else ""
    words = (f"{row.app}/{row.slot}", f"serves {row.serves}{wanted}", row.health, row.state)
    return "  ".join(filter(None, (*words, said, line)))


def _picture(session: Session, view: View) -> Any:
    columns, cells = _fitting(session, view.rows)
    table = enumerate(out.table_lines(columns, cells))
    lines = [text.styled(line, None if row else "bold") for row, line in table]
    lines += [Text(line) for line in _below(session, view, folded=columns == _NARROW)]
    log = out.log(session.out, {row.app for row in view.rows})
    lines.append(Text(""))
    lines += [log.line(event, session.now()) for event in view.events[-_LAST_EVENTS:]]
    lines.append(Text(f"\n{session.now():%H:%M:%SZ}", "dim"))
    return Text("\n").join(lines)
