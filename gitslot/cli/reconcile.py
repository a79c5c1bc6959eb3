"""`gitslot reconcile` and `gitslot retry`: act now, and try a stalled app again."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Annotated, Any, TypeAlias

import typer

from gitslot.cli import output as out
from gitslot.cli import status as status_
from gitslot.cli.checkout import user_name
from gitslot.cli.complete import AppArgument
from gitslot.cli.live import names as names_of
from gitslot.cli.logs import NewEvents
from gitslot.cli.output import Output, OutputOption
from gitslot.cli.plan import show_plans
from gitslot.cli.session import CommandRefused, Session, session_of
from gitslot.decide.decide import foremost
from gitslot.errors import JournalError, JournalMoved
from gitslot.reconcile import observe, would_decide
from gitslot.record.event import Event
from gitslot.record.memory import remember
from gitslot.record.payload import Payload
from gitslot.report import text
from gitslot.rounds import reconcile as to_the_end
from gitslot.state.decision import Converged, Frozen, Observation, Stalled, Suspended, Waiting
from gitslot.state.reasons import next_line
from gitslot.state.seen import Live
from gitslot.state.wanted import Doubt, is_app_name
from gitslot.world import Clock, World

_TO_THE_END_S = 45 * 60.0  # longer than a swap whose answer was lost takes
_TRIES = 5
_Standing: TypeAlias = Stalled | Frozen | Waiting


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
    names = names_of(world, app)
    lines = out.log(session.err, names)
    for name in names:
        new = NewEvents(session, world.journal, [name])
        print_new = partial(_print_new, session, new, name, lines)
        with _progress(session, name):
            stop = to_the_end(name, _printing(world, print_new), "cli", _TO_THE_END_S)
        print_new()
        if isinstance(stop, Suspended):
            session.print_err(f"{name}: nothing is reconciled: {_resumes(stop, name)}")
    view = status_.Watcher(session, world.journal, world, live=True).look(app)
    status_.show(session, view, output)
    return view.code


def _print_new(session: Session, new: NewEvents, name: str, lines: text.Log) -> None:
    for event in new.of(name):
        if not event.quiet:
            out.show_event(session.err, lines, event, session.now())


@dataclass(frozen=True, slots=True)
class _Clock:
    """A clock that calls *on_wait* whenever a round waits, as its own news."""

    clock: Clock
    on_wait: Callable[[], None]

    def now(self) -> datetime:
        return self.clock.now()

    def monotonic(self) -> float:
        return self.clock.monotonic()

    def sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)

    @property
    def news(self) -> "_Clock":
        return self

    def __enter__(self) -> object:
        return self.clock.news.__enter__()

    def __exit__(self, *raised: Any) -> object:
        return self.clock.news.__exit__(*raised)

    def wait(self, timeout: float) -> object:
        self.on_wait()
        return self.clock.news.wait(timeout)

    def notify_all(self) -> None:
        self.clock.news.notify_all()


def _printing(world: World, print_new: Callable[[], None]) -> World:
    """Return *world* with a clock that prints new events whenever a round waits."""

    def print_or_not() -> None:
        with suppress(JournalError):  # the pass itself reports the error
            print_new()

    return replace(world, clock=_Clock(world.clock, print_or_not))


def _resumes(stop: Suspended, app: str) -> str:
    """Return why *app* is suspended, and how to resume it."""
    return f"it is suspended: {stop.message}; {next_line(stop.next.clause, app)}"


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
    known = names_of(world, app)
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
    if seen.observed:  # what stands in the way once that has ended
        found = would_decide(seen, seen.memory)
        seen = replace(seen, decisions=found, decision=foremost(found))
    if isinstance(seen.decision, Converged):
        session.print_err(f"{name} is in sync: nothing to clear")
        return 0
    if isinstance(seen.decision, Suspended):
        session.print_err(f"{name}: nothing is cleared: {_resumes(seen.decision, name)}")
        return 1
    if isinstance(seen.app, Doubt) and not is_app_name(name):
        raise CommandRefused(seen.app.message, reason=seen.app.reason)
    who = user_name(session)
    event = _retried(session, seen, who)
    cleared, stands = _cleared(seen, event)
    if seen.head and world.wants.acknowledge(name, seen.head):
        cleared, stands = [f"HistoryRewritten and accepted {seen.head.short}"], []
    for stop in stands:
        remedy = f"; {stop.next.clause}" if stop.next.clause else ""
        session.print_err(f"{name}: retry does not clear {stop.reason}{remedy}")
    if stands and not cleared:
        return 1
    what = ", ".join(cleared) or " ".join(filter(None, seen.memory.stop[:2])) or "attempts"
    event = replace(event, message=f"{who} cleared {what}")
    world.journal.append(name, [event], event.time)
    out.show_event(session.out, out.log(session.out, ()), event, session.now())
    session.print_err(f"the controller's next pass acts on it; `gitslot reconcile {name}` acts now")
    return 0


def _retried(session: Session, seen: Observation, who: str) -> Event:
    """Return the Retried event; after a lost journal it holds both slots' markers."""
    live = seen.live
    lost = not seen.memory.baseline and isinstance(live, Live)
    return Event(
        "Retried",
        seen.name,
        session.now(),
        author=who,
        head=seen.head.commit if seen.head else "",
        trigger="cli",
        detail=Payload(markers=live.markers if lost and isinstance(live, Live) else ""),
    )


def _cleared(seen: Observation, event: Event) -> tuple[list[str], list[_Standing]]:
    """Return the stops that *event* ends, by name, and those that it does not."""
    after = would_decide(seen, remember(seen.memory, event))
    cleared, stands = [], []
    for slot, stop in seen.decisions.items():
        if not isinstance(stop, _Standing):
            continue
        then = after.get(slot)
        if (type(then), getattr(then, "reason", "")) == (type(stop), stop.reason):
            stands.append(stop)
        else:
            cleared.append(f"{type(stop).__name__} {stop.reason}")
    return cleared, stands
