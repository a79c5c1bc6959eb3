"""`gitslot reconcile` and `gitslot retry`: act now, and try a stalled app again."""

import getpass
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

import typer

from gitslot.cli import output as out
from gitslot.cli import status as status_
from gitslot.cli.output import Output, OutputOption
from gitslot.cli.plan import show_plans
from gitslot.cli.session import CommandRefused, Session, session_of
from gitslot.errors import JournalError, JournalMoved
from gitslot.reconcile import observe
from gitslot.reconcile import reconcile as one_pass
from gitslot.record.event import Event
from gitslot.record.journal import Journal
from gitslot.record.payload import Payload
from gitslot.report import text
from gitslot.state.decision import Converged, Frozen, Observation, Stalled, Suspended, Waiting
from gitslot.state.remembered import Memory
from gitslot.state.seen import Live
from gitslot.state.wanted import Doubt, is_app_name
from gitslot.world import Clock, World

AppArgument = Annotated[str | None, typer.Argument(metavar="APP", help="One app; else all.")]
_TO_THE_END_S = 45 * 60.0  # longer than a swap whose answer was lost takes
_TRIES = 5


def reconcile(
    ctx: typer.Context,
    app: AppArgument = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be done.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> int:
    """Reconcile now, to the end, and show the result."""
    session = session_of(ctx)
    if dry_run:
        return show_plans(session, app, None, output)
    world = session.world()
    names = status_.names(world, app)
    width = max((len(name) for name in names), default=0)
    for name in names:
        events = NewEvents(session, world.journal, name, width)
        watched = replace(world, clock=PrintingClock(world.clock, events.print))
        with _progress(session, name):
            suspended = _to_the_end(name, watched)
        events.print()
        if suspended:
            session.print_err(f"{name}: nothing is reconciled: {_resumes(suspended)}")
    view = status_.Watcher(session, world).look(app)
    status_.show(session, view, output)
    return view.code


class NewEvents:
    """Prints the events added to one app's journal, by whichever controller."""

    def __init__(self, session: Session, journal: Journal, app: str, width: int) -> None:
        self._session, self._journal = session, journal
        self._app, self._width = app, width
        self._memory: Memory | None = journal.memory(app, session.now())
        self._printed = {event.id for event in journal.events(app)}

    def print(self) -> None:
        """Print, on stderr, the events added since the last call."""
        memory = self._journal.memory(self._app, self._session.now())
        if memory is self._memory:
            return
        self._memory = memory
        for event in self._journal.events(self._app):
            if event.id not in self._printed and not event.quiet:
                out.show_event(self._session.err, event, self._session.now(), self._width)
            self._printed.add(event.id)


class PrintingClock:
    """A clock that prints new events whenever a pass waits."""

    def __init__(self, clock: Clock, print_new: Callable[[], None]) -> None:
        self._clock, self._print_new = clock, print_new

    def now(self) -> datetime:
        """Return the time in UTC."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """Print new events, then wait."""
        with suppress(JournalError):  # the pass itself reports the error
            self._print_new()
        self._clock.sleep(seconds)


def _to_the_end(name: str, world: World) -> Suspended | None:
    """Run passes until none asks for another at once; return Suspended if the app is suspended."""
    until = world.clock.monotonic() + _TO_THE_END_S
    while world.clock.monotonic() < until:
        stop = one_pass(name, world, "cli")
        if not isinstance(stop, Waiting) or stop.poll_s is None:
            return stop if isinstance(stop, Suspended) else None
    return None


def _resumes(stop: Suspended) -> str:
    """Return why an app is suspended, and how to resume it."""
    if stop.reason == "SuspendedBySetting":
        where = "take GITSLOT_SUSPEND out of the controller's settings to resume"
    else:
        where = "take `suspend` out of the file to resume"
    return f"it is suspended: {stop.message}; {where}"


def _progress(session: Session, name: str) -> AbstractContextManager[Any]:
    """Return a spinner on a terminal, nothing elsewhere."""
    if not session.err.isatty():
        return nullcontext()
    screen: AbstractContextManager[Any] = text.console(session.err).status(f"reconciling {name}")
    return screen


# ---------------------------------------------------------------- retry


def retry(ctx: typer.Context, app: AppArgument = None) -> int:
    """Clear a stall or a freeze, to try again."""
    session = session_of(ctx)
    world = session.world()
    known = status_.names(world, app)
    if len(known) != 1:
        raise CommandRefused(
            f"name one app: {', '.join(known) or 'none is known'}", reason="WhichApp"
        )
    for attempt in range(_TRIES):
        try:
            return _retry(session, world, known[0])
        except JournalMoved:
            if attempt == _TRIES - 1:
                raise
    return 1


def _retry(session: Session, world: World, name: str) -> int:
    seen = observe(name, world, fresh=True)
    if isinstance(seen.decision, Converged):
        session.print_err(f"{name} is in sync: nothing to clear")
        return 0
    if isinstance(seen.decision, Suspended):
        session.print_err(f"{name}: nothing is cleared: {_resumes(seen.decision)}")
        return 1
    if isinstance(seen.app, Doubt) and not is_app_name(name):
        raise CommandRefused(seen.app.message, reason=seen.app.reason)
    if seen.head and world.wants.acknowledge(name, seen.head):
        session.print_err(f"{name}: the history up to {seen.head.short} is accepted")
    event = _retried(session, seen)
    world.journal.append(name, [event], event.time)
    out.show_event(session.out, event, session.now(), len(name))
    session.print_err(f"the controller's next pass acts on it; `gitslot reconcile {name}` acts now")
    return 0


def _retried(session: Session, seen: Observation) -> Event:
    """Return the Retried event; after a lost journal it holds both slots' markers."""
    stop = seen.memory.stop
    if isinstance(seen.decision, (Stalled, Frozen, Waiting)):
        cleared = f"{type(seen.decision).__name__} {seen.decision.reason}"
    else:
        cleared = " ".join(filter(None, stop[:2])) or "attempts"
    live = seen.live
    lost = not seen.memory.baseline and isinstance(live, Live)
    who = _who()
    return Event(
        "Retried",
        seen.name,
        session.now(),
        author=who,
        message=f"{who} cleared {cleared}",
        trigger="cli",
        detail=Payload(markers=live.markers if lost and isinstance(live, Live) else ""),
    )


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "somebody"
