"""Rounds: several apps at work at once, on virtual time; nothing waits for anything else."""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import Any

import pytest

from gitslot.edges.git.source import Newest
from gitslot.record.event import Event
from gitslot.record.journal import Journal
from gitslot.state.decision import Converged, Stalled
from reliability.cloud import APP
from reliability.company import Company
from reliability.doors import SeamGit
from reliability.scenarios import NEW, OLD, Scene, bump, revert, settled

Open = Callable[..., Company]


@pytest.fixture
def company() -> Iterator[Open]:
    """Give what opens a company of named scenes."""
    opened: list[Company] = []

    def open_company(threads: int = 16, **scenes: Scene) -> Company:
        opened.append(Company(scenes, threads))
        return opened[-1]

    yield open_company
    for each in opened:
        each.end()


def when(scene: Scene, operation: str, **fields: Any) -> float:
    """Return the seconds at which *operation* last happened to the app of *scene*."""
    wanted = {"operation": operation, **fields}
    found = [e["time"] for e in scene.cloud.history.entries if wanted.items() <= e.items()][-1]
    return datetime.fromisoformat(found).timestamp() if isinstance(found, str) else float(found)


def looks(scene: Scene) -> int:
    """Return how often production of *scene* was asked for its health."""
    return sum(call.name == "health.production" for call in scene.rig.seam.calls)


def released(company: Open, count: int) -> float:
    """Return the seconds in which so many apps are released, each by a commit of its own."""
    found = company(**{f"app{n}": bump() for n in range(count)})
    began = found.first.seconds()
    assert set(map(type, found.run().values())) == {Converged}
    assert {scene.cloud.serves() for scene in found.scenes.values()} == {NEW}
    return found.first.seconds() - began


def test_eight_apps_by_eight_commits_take_hardly_longer_than_one(company: Open) -> None:
    """All of them serve what was asked for in 1.3 times the time of one."""
    assert released(company, 8) <= 1.3 * released(company, 1)


def pushed_in(company: Company, seconds: float, push: Callable[[], object]) -> None:
    """Let somebody *push* in so many seconds, and the host of Git tell the controller."""

    def work() -> None:
        company.crew.wait(seconds)
        push()
        assert company.rounds
        company.rounds.go("push")

    company.crew.spawn(work)


def reverted(company: Open, **others: Scene) -> float:
    """Return when the revert of an app is sent that is pushed 45 s after *others* began to swap."""
    found = company(b=revert(), **others)
    cloud = found.scenes["b"].cloud
    commit = cloud.git.commits.pop()
    began = {name: s.cloud.now().timestamp() for name, s in found.scenes.items()}
    pushed_in(found, 45.0, partial(cloud.git.commits.append, commit))
    found.run()
    found.crew.wait(120.0)
    assert cloud.serves() == OLD
    sent = when(found.scenes["b"], "write-sent", what="slotsswap") - began["b"]
    for name, scene in others.items():
        swap = [when(scene, what) - began[name] for what in ("write-sent", "swap-flipped")]
        assert swap[0] < 45.0 <= sent < swap[1]
    return sent


def test_a_revert_beside_a_swap_under_way_is_sent_as_soon_as_alone(company: Open) -> None:
    """A second later at most: it does not wait for the end of the other app's swap."""
    assert reverted(company, a=bump()) <= reverted(company) + 1.0


def minutes(company: Company, count: int, every_s: float = 60.0) -> None:
    """Let the timer fire for so many minutes, once a minute or *every_s*."""
    ends = company.first.seconds() // 60 * 60 + 60 * count
    while company.first.seconds() < ends:
        company.run()
        company.crew.wait(every_s - company.first.seconds() % every_s)


def test_git_is_asked_each_ten_seconds_and_a_converged_app_each_minute(
    company: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call of the timer with nothing due is one question to Git, and ends at once."""
    asked: list[SeamGit] = []
    shown = SeamGit.shown

    def counted(git: SeamGit, at: int) -> Newest:
        asked.append(git)
        return shown(git, at)

    monkeypatch.setattr(SeamGit, "shown", counted)
    found = company(a=settled(), b=settled())
    minutes(found, 2, 10.0)
    asked.clear()
    calls = {name: scene.rig.seam.calls for name, scene in found.scenes.items()}
    for each in calls.values():
        each.clear()
    before, began = found.shown.calls.count("put"), found.first.seconds()
    minutes(found, 10, 10.0)
    assert found.first.seconds() - began == pytest.approx(600.0, abs=1.0)
    names = [call.name for each in calls.values() for call in each]
    assert (len(asked), names.count("health.production")) == (60 * len(calls), 10 * len(calls))
    assert not any(name.startswith("arm.") for name in names)
    assert found.shown.calls.count("put") - before <= 20


def test_a_commit_makes_its_own_app_due_and_a_push_all_of_them(company: Open) -> None:
    """Whose file did not change is looked at when its time comes."""
    found = company(a=settled(), b=settled())
    minutes(found, 2)
    found.run()
    found.crew.wait(5.0)
    before = {name: looks(scene) for name, scene in found.scenes.items()}
    assert found.rounds
    found.scenes["a"].cloud.git.want(OLD, more="drift: report\n")
    found.rounds.go("timer")
    after = {name: looks(scene) for name, scene in found.scenes.items()}
    assert (after["a"] > before["a"], after["b"]) == (True, before["b"])
    found.rounds.go("push")
    assert looks(found.scenes["b"]) > after["b"]


def test_a_retry_makes_an_app_at_a_stop_due(company: Open) -> None:
    """After an hour it would be looked at every five minutes."""
    scene = settled()
    scene.cloud.git.want("9.9.9")
    found = company(a=scene)
    minutes(found, 62)
    assert isinstance(found.run()["a"], Stalled)
    quiet = looks(scene)
    minutes(found, 2)
    assert looks(scene) == quiet
    journal, now = Journal(scene.cloud.blobs), scene.cloud.now()
    journal.memory(APP, now)
    journal.append(APP, [Event("Retried", "a", now, id="by-hand")], now)
    minutes(found, 1)
    assert looks(scene) > quiet


def test_a_pass_that_breaks_off_ends_no_other(company: Open) -> None:
    """It is a stop of its own app, and that is looked at again."""
    found = company(a=settled(), b=bump())

    def breaks(name: str) -> None:
        if name.startswith("health"):
            raise RuntimeError("a fault of ours")

    seam = found.scenes["a"].rig.seam
    seam.before = breaks
    stops = found.run()
    assert getattr(stops["a"], "reason", "") == "InternalError"
    assert isinstance(stops["b"], Converged)
    seam.before = lambda _: None
    minutes(found, 2)
    assert isinstance(found.settle("a"), Converged)


def test_an_app_at_a_stop_is_read_from_arm_now_and_then(company: Open) -> None:
    """Every five minutes, and at once when it answers otherwise or somebody retries."""
    scene = settled()
    scene.cloud.git.want("9.9.9")
    found = company(a=scene)
    minutes(found, 60)
    reads = [call.name for call in scene.rig.seam.calls if call.name.startswith("arm.")]
    assert reads.count("arm.slotconfignames-get.production") in (12, 13)
    assert len(reads) < 75
    scene.cloud.behaviour.slots["production"] = "silent"
    minutes(found, 1)
    assert sum(call.name.startswith("arm.") for call in scene.rig.seam.calls) > len(reads)


@pytest.mark.parametrize("moved", [False, True])
def test_a_new_process_asks_arm_only_where_slots_do_not_settle_it(
    company: Open, *, moved: bool
) -> None:
    """It looks where the last one found the apps; a release there reads ARM before it is made."""
    found = company(a=bump(), b=bump())
    found.run()
    found.kill()
    (name,) = found.shown.names("state/")
    if moved:
        data, etag = found.shown.load(name) or (b"", "")
        found.shown.store(name, data.replace(b"localhost:443", b"localhost:444"), etag)
    marks = {each: len(scene.rig.seam.calls) for each, scene in found.scenes.items()}
    assert set(map(type, found.run().values())) == {Converged}
    for each, scene in found.scenes.items():
        asked = [call.name for call in scene.rig.seam.calls[marks[each] :]]
        assert sum(call == "arm.resources-list" for call in asked) == moved
        assert any(call.startswith("arm.") for call in asked) == moved
