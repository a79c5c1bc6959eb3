"""The snapshot: what it holds, when it is written, and that nothing waits for it."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from gitslot.cli import status as shown
from gitslot.cli.output import Output
from gitslot.cli.session import Session
from gitslot.errors import JournalError
from gitslot.record.journal import Journal
from gitslot.report import snapshot
from gitslot.report.snapshot import CHANGED_S, LOOKED, STILL_S, AppView, Snapshot
from gitslot.report.status import Row
from gitslot.state.decision import Converged
from gitslot.state.plain import plain, read
from gitslot.state.wanted import Revision
from reliability.cloud import APP, START
from reliability.company import Company
from reliability.memory_blobs import MemoryBlobs
from reliability.scenarios import NEW, OLD, Scene, bump, settled
from tests.cli.clones import beside

Open = Callable[[Scene], Company]


@pytest.fixture
def company() -> Iterator[Open]:
    """Give what opens one app under one controller; each write of a snapshot is kept in *put*."""
    opened: list[Company] = []

    def open_company(scene: Scene) -> Company:
        opened.append(Company({"iris": scene}))
        return opened[-1]

    yield open_company
    for each in opened:
        each.end()


def recorded(company: Company) -> list[tuple[float, Snapshot]]:
    """Return a list that each write from now on is added to, with its second."""
    writes: list[tuple[float, Snapshot]] = []
    put = company.shown.put

    def note(name: str, data: bytes) -> None:
        put(name, data)
        writes.append((company.first.seconds(), read(Snapshot, json.loads(data))))

    setattr(company.shown, "put", note)  # noqa: B010 - a method, for mypy
    return writes


def test_a_release_is_shown_as_it_goes_on(company: Open) -> None:
    """Each step while it runs, then the change with its commit; at most every five seconds."""
    found = company(bump())
    writes = recorded(found)
    assert isinstance(found.settle("iris"), Converged)
    views = [each.apps["iris"] for _, each in writes]
    steps = [view.doing.step for view in views if view.doing]
    assert list(dict.fromkeys(steps)) == ["deploy", "swap"]
    times = [time for time, _ in writes]
    assert all(after - before >= CHANGED_S for before, after in pairwise(times))
    row, change = views[-1].rows[0], views[-1].changes[-1]
    assert (row.serves, row.wanted, row.health, row.state) == (NEW, NEW, "Healthy", "Synced")
    assert (change.before, change.version, change.commit) == (OLD, NEW, row.commit)
    last = writes[-1][1]
    assert last.head and last.looked["iris"] <= last.written
    assert read(Snapshot, json.loads(json.dumps(plain(last)))) == last


def test_a_converged_controller_writes_the_time_of_its_look_alone(
    company: Open, caplog: pytest.LogCaptureFixture
) -> None:
    """Every thirty seconds at most, at the end of a round; nothing else is written but a line."""
    caplog.set_level("INFO", "gitslot")
    found = company(settled())
    found.settle("iris")
    quiet = dict(found.first.blobs.kept)
    writes = recorded(found)
    for _ in range(6):
        found.run()
        found.crew.wait(20.0)
    times = [time for time, _ in writes]
    assert len(times) == 2  # of six rounds, one every 20 s
    assert all(after - before >= STILL_S for before, after in pairwise(times))
    assert [replace(each, written=writes[0][1].written, looked={}) for _, each in writes[1:]] == [
        replace(writes[0][1], looked={}, interval_s=20.0)
    ]
    assert dict(found.first.blobs.kept) == quiet
    logged = [getattr(each, "fields", {}) for each in caplog.records]
    assert [each["event"] for each in logged if each.get("event") == LOOKED] == [LOOKED]


# ---------------------------------------------------------------- read


def said(company: Company, later: timedelta = timedelta()) -> tuple[str, int]:
    """Return what `gitslot status` prints so much *later*, and its exit code."""
    now = company.first.now() + later
    session = Session(environ={}, out=io.StringIO(), err=io.StringIO(), now=lambda: now)

    view = shown.Watcher(session, Journal(company.shown)).look(None)
    shown.show(session, view, Output.TABLE)
    assert isinstance(session.out, io.StringIO)
    return session.out.getvalue(), view.code


def test_status_says_how_old_it_is_and_whether_anybody_looks(company: Open) -> None:
    """It asks nobody but storage; after three minutes it prints what starts the controller."""
    found = company(settled())
    found.settle("iris")
    text, code = said(found, timedelta(seconds=12))
    assert code == 0 and "seen by gitslot" in text and "production" in text
    (name,) = found.shown.kept
    seen = replace(snapshot.read_all(found.shown)[0], start="az functionapp restart -g g -n c")
    found.shown.put(name, json.dumps(plain(seen)).encode())
    text, code = said(found, timedelta(minutes=14))
    assert code == 2
    assert "controller gitslot does not look: it last wrote what it saw 1" in text
    assert "next: az functionapp restart -g g -n c" in text


def wrote(name: str, seconds: float, text: str) -> Snapshot:
    """Return what the controller *name* wrote then of apps: seen / unlisted / still ahead."""
    apps, unlisted, ahead = [*(tuple(part.split()) for part in text.split("/")), (), ()][:3]
    now = START + timedelta(seconds=seconds)
    views = {app: AppView((Row(app, "production", state="Synced"),), 0) for app in apps}
    found = Snapshot(name, "0", now, 60.0, None, "", "", dict.fromkeys(apps, now), views)
    return replace(found, unlisted=unlisted, ahead=ahead)


LAST = "controller west does not look: it last wrote what it saw 15 min ago; nobody looks at b"


@pytest.mark.parametrize(
    ("east", "west", "at_s", "apps", "said"),
    [
        ("a / b", "b / a", 990, "a b", []),
        ("a / b", " / a / B", 990, "a", []),
        ("a / b c", "b / a c", 990, "a b c!", ["nobody looks at c, which no GITSLOT_APPS lists"]),
        ("a b", "B / a", 990, "B a b", ["east and west both look at b"]),
        ("a / b", "b / a gone", 100, "a b", [LAST]),
        ("a b", "b / a gone", 100, "a b", []),
    ],
)
def test_snapshots_together_show_what_lists_miss_and_name_twice(
    east: str, west: str, at_s: float, apps: str, said: list[str]
) -> None:
    """An app that no controller lists is shown frozen (here with !); a dead one's list is old."""
    blobs = MemoryBlobs()
    for each in (wrote("east", 990, east), wrote("west", at_s, west)):
        blobs.put(f"state/{each.controller}.json", json.dumps(plain(each)).encode())
    found = snapshot.read_all(blobs)
    rows = {name: one.apps[name].rows[0] for name, one in snapshot.by_app(found).items()}
    assert " ".join(f"{name}{'!' * (row.state == 'Frozen')}" for name, row in rows.items()) == apps
    assert {row.reason for row in rows.values()} <= {"", "AppNotAllowed"}
    now = START + timedelta(seconds=1000)
    assert [what for what, _ in snapshot.amiss(found, now)] == said


def test_a_terminal_reads_no_journal_unless_it_watches(company: Open) -> None:
    """One list and one blob, however many apps there are."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    found = company(settled())
    found.settle("iris")
    calls = found.shown.calls
    calls.clear()
    session = Session(environ={}, out=Terminal(), now=found.first.now)
    shown.Watcher(session, Journal(found.shown)).look(None)
    assert calls == ["names", "load"]
    shown.Watcher(session, Journal(found.shown), logs=True).look(None)
    assert len(calls) > 4


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b'{"controller": 1}', b"[" * 100_000, b'{"controller":"a","apps":{"b":3}}'],
)
def test_a_snapshot_that_is_none_is_named(data: bytes) -> None:
    """It is text from outside; nothing of it is guessed."""
    blobs = MemoryBlobs()
    blobs.put("state/a.json", data)
    with pytest.raises(JournalError, match=r"state/a\.json"):
        snapshot.read_all(blobs)


def test_reconcile_shows_what_is_so_now() -> None:
    """What a controller saw before says nothing of what the command itself has just done."""
    scene = settled()
    head = Revision("a" * 40, "sam", "older")
    row = Row(APP, "production", "iris", OLD, "d", NEW, "Healthy", "Progressing")
    view = AppView((row,), 1)
    seen = Snapshot("ctl", "0", scene.cloud.now(), 60.0, head, "", "", {APP: START}, {APP: view})
    scene.cloud.blobs.put("state/ctl.json", json.dumps(plain(seen)).encode())
    assert beside(scene.rig, "status")[0] == 1
    code, said = beside(scene.rig, "reconcile")
    assert (code, "seen by" in said, "Progressing" in said) == (0, False, False)
