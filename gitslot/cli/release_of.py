"""Which release contains a commit that no event names, by the checkout's own history."""

import re
from collections.abc import Sequence
from itertools import chain

from gitslot.cli.checkout import Checkout
from gitslot.cli.session import CommandRefused, Session
from gitslot.edges.file.read import desired
from gitslot.edges.git.source import GitSource
from gitslot.errors import SourceError
from gitslot.record.event import STOPS, Event
from gitslot.state.wanted import PRODUCTION, App, Desired


def digits(session: Session, revision: str) -> str:
    """Return what the commit *revision* begins with: its digits as they were given, or all."""
    given = revision.lower()
    is_digits = re.fullmatch(r"[0-9a-f]{4,40}", given)
    return given if is_digits else Checkout.around(session).resolve(revision)


def of_its_release(session: Session, revision: str, events: Sequence[Event]) -> list[Event]:
    """Print what became of a commit that no event names; return the events of its release."""
    checkout = Checkout.around(session)
    commit = checkout.resolve(revision)
    found: list[Event] = []
    for name in dict.fromkeys(event.app for event in events):
        own = [event for event in events if event.app == name]
        said, named = release_of(checkout, commit, name, own)
        session.print_err(said)
        found += named
    return sorted(found, key=lambda event: event.time)


def release_of(
    checkout: Checkout, commit: str, app: str, events: Sequence[Event]
) -> tuple[str, tuple[Event, ...]]:
    """
    Return what became of *commit* (40 hex digits) for *app*, as a sentence, and the events of that.

    *events* are those of the app, oldest first; none of them names *commit*.
    """
    short, source = commit[:7], GitSource(str(checkout.root), "HEAD", checkout.file)

    def at(revision: str) -> App | None:
        try:
            newest = source.at(checkout.resolve(revision))
        except (SourceError, CommandRefused):  # before the first commit, or without the file
            return None
        found = desired(newest.revision, newest.data)
        apps = found.apps.values() if isinstance(found, Desired) else ()
        return next((a for a in apps if isinstance(a, App) and a.name.lower() == app.lower()), None)

    here = at(commit)
    changed = _changed(at(f"{commit}^"), here)
    if not changed:
        return f"{app}: {short} changed nothing of what it wants", ()
    later = set(
        (checkout.try_git("rev-list", "--all", "--ancestry-path", f"^{commit}") or "").split()
    )
    found = next(
        (event for event in events if event.revision in later and _is_about(event, changed)), None
    )
    if found is None:
        return f"{app}: {short} was not looked at yet", ()
    then, by = at(found.revision), found.revision[:7]
    stays = any(_wish(here, slot) == _wish(then, slot) for slot in changed)
    what = "is in the release of" if stays else "was overtaken, before it was looked at, by"
    named = tuple(event for event in events if event.revision == found.revision)
    return f"{app}: {short} {what} {by}", named


def _is_about(event: Event, slots: frozenset[str]) -> bool:
    return event.event in (*STOPS, "Drift") and (event.slot or PRODUCTION) in slots


def _wish(app: App | None, slot: str) -> str:
    return app.wish(slot) if app else ""


def _changed(before: App | None, after: App | None) -> frozenset[str]:
    """Return the slots whose wishes differ."""
    named = chain(*(app.slots for app in (before, after) if app))
    return frozenset(slot for slot in named if _wish(before, slot) != _wish(after, slot))
