"""`gitslot wait`: end when a commit is done, for workflows. It reads the snapshot, and Git."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Annotated

import typer

from gitslot.cli import output as out
from gitslot.cli.checkout import Checkout
from gitslot.cli.complete import complete_app
from gitslot.cli.output import span
from gitslot.cli.session import CommandRefused, Session, chosen, session_of
from gitslot.cli.status import amiss_lines
from gitslot.errors import GitslotError, JournalError
from gitslot.record.event import Event
from gitslot.report import snapshot
from gitslot.report.snapshot import AppView, Snapshot
from gitslot.report.status import SYNCED
from gitslot.report.text import Log
from gitslot.state.safe_text import code_span
from gitslot.state.wanted import SUFFIX
from gitslot.world import World

_POLL_S, _GIT_S = 2.0, 10.0
_LINES = 5  # of the log, for a workflow's summary


class For(StrEnum):
    """What to wait for."""

    SYNCED = "synced"


@dataclass(frozen=True, slots=True)
class End:
    """How waiting for one app ended: *how* is synced, stalled, superseded or timeout."""

    how: str
    message: str


def wait(
    ctx: typer.Context,
    app: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="APP",
            autocompletion=complete_app,
            help="Which apps; else those that COMMIT changed.",
        ),
    ] = None,
    commit: Annotated[
        str, typer.Option(metavar="COMMIT", help="Which commit; else the one checked out.")
    ] = "HEAD",
    for_: Annotated[For, typer.Option("--for", help="What to wait for.")] = For.SYNCED,
    timeout: Annotated[
        str, typer.Option(metavar="TIME", help="For how long: 90s, 15m, 1h.")
    ] = "15m",
) -> int:
    """Wait until the controller is done with a commit.

    It ends with 0 when every slot of the apps that the commit changed
    has what it asks for; with 1 when the controller stopped (its reason
    and the next command are printed), a newer commit took over, or the
    time is over. In a GitHub workflow the last lines of the log become
    the job's summary.
    """
    session = session_of(ctx)
    del for_
    limit_s = span(timeout)
    if limit_s is None:
        raise CommandRefused(f"`{timeout}` is no time: write 90s, 15m or 1h", reason="BadTime")
    wanted, changed = _commit(session, commit)
    waiter = _Waiter(session, session.world(), wanted, app or changed)
    ends = waiter.run(limit_s.total_seconds())
    for name, end in ends.items():
        out.show_text(session, f"{name}: {end.how}: {end.message}")
    _summarise(session, waiter, ends)
    return 0 if all(end.how == "synced" for end in ends.values()) else 1


def ended(view: AppView | None, commit: str, tip: str) -> End | None:
    """Return how *commit* ended for the app of *view*, or None; *tip* is Git's newest, if known."""
    if view is None or view.head != commit:
        return End("superseded", f"by {tip[:7]}") if tip not in ("", commit) else None
    stops = [row for row in view.rows if row.state in ("Stalled", "Suspended", "Frozen")]
    for row in stops:
        if row.state != "Frozen" or row.mend:
            line = f"; next: {row.mend}" if row.mend else ""
            return End("stalled", f"{row.slot}: {row.reason}: {row.message}{line}")
    if all(row.state in ("", SYNCED) for row in view.rows):
        row = view.rows[0]
        return End("synced", f"production serves {row.model} {row.serves}")
    return None


class _Waiter:
    def __init__(self, session: Session, world: World, commit: str, apps: list[str]) -> None:
        self._session, self.world, self._commit, self._apps = session, world, commit, apps
        self._asked_git: float | None = None
        self._tip = ""
        self._said: dict[str, str] = {}

    def run(self, limit_s: float) -> Mapping[str, End]:
        """Return how each app ended, after *limit_s* seconds at most."""
        clock = self.world.clock
        until = clock.monotonic() + limit_s
        while True:
            seen, found = self._look()
            ends = {
                name: end
                for name, each in seen.items()
                if (end := ended(each.apps.get(name) if each else None, self._commit, self._tip))
            }
            if seen and len(ends) == len(seen):
                return ends
            if clock.monotonic() >= until:
                why = self._why_not(found)
                return {name: End("timeout", why) for name in seen or self._apps or ["all"]} | ends
            self._session.sleep(_POLL_S)

    def _look(self) -> tuple[dict[str, Snapshot | None], list[Snapshot]]:
        found: list[Snapshot] = []
        why = "no controller has written what it sees yet"
        try:
            found = snapshot.read_all(self.world.journal.blobs)
        except JournalError as error:  # it may answer the next time
            why = error.message
        by_app = snapshot.by_app(found)
        self._ask_git()
        if not found:
            self._tell("", why)
        names = self._apps or chosen(list(by_app), None)
        for name in by_app.keys() & set(names):
            view = by_app[name].apps[name]
            doing = [f"{name}: {view.under_way(self._session.now())}"] if view.doing else []
            state = next((row.state for row in view.rows if row.state not in ("", SYNCED)), SYNCED)
            step = view.doing.step if view.doing else ""
            at = view.head[:7] or "no commit"
            self._tell(name, f"{name}: {state} at {at}", key=step, more=doing)
        return {name: by_app.get(name) for name in names}, found

    def _tell(self, name: str, line: str, key: str = "", more: list[str] | None = None) -> None:
        """Print *line*, and *more*, where it or *key* is news."""
        if self._said.get(name) != line + key:
            self._said[name] = line + key
            for each in (line, *(more or ())):
                self._session.print_err(each)

    def _ask_git(self) -> None:
        now = self.world.clock.monotonic()
        if self._asked_git is not None and now - self._asked_git < _GIT_S:
            return
        self._asked_git = now
        try:
            self._tip = self.world.wants.git.newest().revision.commit
        except GitslotError as error:
            self._tell("git", f"Git cannot be asked: {error.message}")

    def _why_not(self, found: list[Snapshot]) -> str:
        amiss = "; ".join(amiss_lines(found, self._session.now()))
        return amiss or f"{self._commit[:7]} is not done yet; `gitslot status` says more"

    def events(self, name: str) -> list[Event]:
        """Return the last events of *name*, or nothing where they cannot be read."""
        try:
            self.world.journal.memory(name, self._session.now())
        except JournalError:
            return []
        known = self.world.journal.known(name)
        return list(known[1].events)[-_LINES:] if known else []


def _commit(session: Session, commit: str) -> tuple[str, list[str]]:
    """Return the 40 digits of *commit*, and the apps that it changed where that is known."""
    try:
        checkout = Checkout.around(session)
        full = checkout.resolve(commit)
    except CommandRefused:
        if re.fullmatch(r"[0-9a-f]{40}", commit):
            return commit, []
        raise
    file = PurePosixPath(checkout.file)
    names = (
        checkout.try_git(
            "diff", "--name-only", "--diff-filter=d", f"{full}^", full, "--", checkout.file
        )
        or ""
    )
    paths = [PurePosixPath(line) for line in names.splitlines()]
    return full, [path.stem for path in paths if path.parent == file and path.suffix == SUFFIX]


def _summarise(session: Session, waiter: _Waiter, ends: Mapping[str, End]) -> None:
    """Add the ends and the last lines of the log to the summary of a GitHub workflow's job."""
    file = session.environ.get("GITHUB_STEP_SUMMARY")
    if not file:
        return
    lines = []
    for name, end in ends.items():
        lines += [f"**{code_span(name)} {end.how}**: {code_span(end.message)}", ""]
        lines += [f"    {Log().line(event, event.time).plain}" for event in waiter.events(name)]
        lines.append("")
    with Path(file).open("a", encoding="utf-8") as summary:
        summary.write("\n".join(lines))
