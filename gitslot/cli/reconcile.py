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
from gitslot.cli.logs import NewEvents
from gitslot.cli.output import Output, OutputOption
from gitslot.cli.plan import show_plans
from gitslot.cli.session import CommandRefused, Session, session_of
from gitslot.errors import JournalError, JournalMoved
from gitslot.reconcile import observe, would_decide
from gitslot.reconcile import reconcile as one_pass
from gitslot.record.event import Event
from gitslot.record.memory import remember
from gitslot.record.payload import Payload
from gitslot.report import text
from gitslot.state.decision import Converged, Frozen, Observation, Stalled, Suspended, Waiting
from gitslot.state.seen import Live
from gitslot.state.wanted import Doubt, is_app_name
from gitslot.world import World

_TO_THE_END_S = 45 * 60.0  # longer than a swap whose answer was lost takes
_TRIES = 5
_Standing: TypeAlias = Stalled | Frozen | Waiting


def reconcile(
    ctx: typer.Context,
    app: status_.AppArgument = None,
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
        new = NewEvents(session, world.journal, [e.id for e in world.journal.events(name)])
        print_new = partial(_print_new, session, new, name, width)
        with _progress(session, name):
            suspended = _to_the_end(name, _printing(world, print_new))
        print_new()
        if suspended:
            session.print_err(f"{name}: nothing is reconciled: {_resumes(suspended)}")
    view = status_.Watcher(session, world).look(app)
    status_.show(session, view, output)
    return view.code


def _print_new(session: Session, new: NewEvents, name: str, width: int) -> None:
    for event in new.of(name):
        if not event.quiet:
            out.show_event(session.err, event, session.now(), width)


@dataclass(frozen=True, slots=True)
class _Clock:
    """A clock made of functions."""

    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]


def _printing(world: World, print_new: Callable[[], None]) -> World:
    """Return *world* with a clock that prints new events whenever a pass waits."""
    clock = world.clock

    def sleep(seconds: float) -> None:
        with suppress(JournalError):  # the pass itself reports the error
            print_new()
        clock.sleep(seconds)

    return replace(world, clock=_Clock(clock.now, clock.monotonic, sleep))


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
    return f"it is suspended: {stop.message}; {stop.next.clause}"


def _progress(session: Session, name: str) -> AbstractContextManager[Any]:
    """Return a spinner on a terminal, nothing elsewhere."""
    if not session.err.isatty():
        return nullcontext()
    screen: AbstractContextManager[Any] = text.console(session.err).status(f"reconciling {name}")
    return screen


# ---------------------------------------------------------------- retry


def retry(ctx: typer.Context, app: status_.AppArgument = None) -> int:
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
    out.show_event(session.out, event, session.now(), len(name))
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
