"""A look of the command line's own: what `status --live`, `plan` and `reconcile` go by."""

from gitslot.cli.session import CommandRefused, chosen
from gitslot.decide.decide import is_further_slot
from gitslot.reconcile import observe
from gitslot.record.recent import Recent
from gitslot.report.status import Row, exit_code, rows
from gitslot.state.decision import Converged, Observation
from gitslot.state.seen import Live, Rehearsal
from gitslot.state.wanted import Doubt
from gitslot.world import World


def look_now(world: World, app: str | None) -> tuple[tuple[Row, ...], int, list[str]]:
    """Look at *app*, or at all; return the rows, the exit code, and the apps that it looked at."""
    found: list[Row] = []
    codes, watched = [0], names(world, app)
    for name in watched:
        seen = observe(name, world, whole=True)
        known = world.journal.known(name)
        recent = known[1] if known else Recent()
        found.extend(rows(seen, recent, _rehearsed(world, seen)))
        codes.append(exit_code(seen))
    return tuple(found), max(codes), watched


def _rehearsed(world: World, seen: Observation) -> Rehearsal | None:
    """Check now that the rollback would work, so that the row about it is true."""
    done = isinstance(seen.decision, Converged) and seen.decision.finishes is None
    done = done or is_further_slot(seen.decision)
    if not done or not isinstance(seen.live, Live):
        return None
    return world.looker.rehearse(seen.name, seen.live, seen.memory, at_once=True)


def names(world: World, app: str | None) -> list[str]:
    """Return *app* alone, or all apps; raises CommandRefused if *app* is not known."""
    desired = world.wants.desired()
    known = world.apps(desired)
    if not known and isinstance(desired, Doubt):
        raise CommandRefused(desired.message, reason=desired.reason)
    return chosen(known, app)
