"""Controllers that share a storage account and split its apps by GITSLOT_APPS, on virtual time."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import pytest

from gitslot.report import snapshot
from gitslot.report.status import SYNCED
from reliability.checker import check
from reliability.company import GITSLOT, Company
from reliability.rig import CONTROLLER
from reliability.scenarios import NEW, Scene, bump

APPS = [f"app{number:02}" for number in range(40)]
EAST, WEST = APPS[:20], APPS[20:]
Open = Callable[[Iterable[str], Iterable[str]], tuple[Company, Company]]


@pytest.fixture
def split() -> Iterator[Open]:
    """Give what opens two controllers of these apps, for all of which a commit came."""
    opened: list[Company] = []

    def open_two(east: Iterable[str], west: Iterable[str]) -> tuple[Company, Company]:
        scenes = {name: bump() for name in (*east, *west)}
        opened.append(Company(scenes, 16, allowed=frozenset(east)))
        return opened[0], opened[0].colleague("west", west)

    yield open_two
    for each in opened:
        each.end()


def tick(trigger: str, company: Company) -> None:
    """Call the controller's timer, in a thread named *trigger*."""
    (company.rounds or company.start()).go(trigger)


def go(seconds: float, *companies: Company) -> None:
    """Let the timers of *companies* fire once a minute, at once, for *seconds*."""
    crew, first = companies[0].crew, companies[0].first
    until = first.seconds() + seconds
    while first.seconds() < until:
        for each in companies:
            crew.spawn(partial(tick, "timer", each))
        crew.wait(min(60.0, until - first.seconds()))


def restart(company: Company, *apps: str) -> None:
    """End the process of *company*, as a changed setting does; the next one lists *apps*."""
    company.kill()
    company.allowed = frozenset(apps)


def released_once(scene: Scene, *by: str) -> bool:
    """Say whether one deploy and one swap, *by* these, are all that was done and recorded."""
    entries = scene.cloud.history.entries
    assert check(entries) == []
    sent = dict.fromkeys(e["caller"] for e in entries if e["operation"] == "write-sent")
    told = [event.event for event in scene.events() if event.event != "LockBroken"]
    assert told[:5] == ["Converged", "Drift", "DeployStarted", "VerifyPassed", "SwapStarted"]
    assert (told.count("Converged"), told[-1], {*sent}) == (2, "Converged", {*by} or {*sent})
    return scene.cloud.serves() == NEW and {*told[5:-1]} <= {"Waiting", "SwapFinished"}


def shown(company: Company) -> tuple[dict[str, str], list[str]]:
    """Return who shows each app in sync, and what is wrong with who looks at which."""
    found = snapshot.read_all(company.shown)
    amiss = [what for what, _ in snapshot.amiss(found, company.first.now())]
    views = snapshot.by_app(found).items()
    return {n: s.controller for n, s in views if s.apps[n].rows[0].state == SYNCED}, amiss


def test_forty_apps_are_split_and_taken_over(split: Open) -> None:
    """One commit changes all; one controller dies in mid-swap, and the other gets its list."""
    east, west = split(EAST, WEST)
    scenes = east.scenes
    go(75.0, east, west)
    assert all(scene.cloud.operation() for scene in scenes.values())  # the swaps
    west.kill()
    go(240.0, east)
    assert all(released_once(scenes[name], CONTROLLER) for name in EAST)
    found, (amiss,) = shown(east)
    assert found == dict.fromkeys(EAST, GITSLOT)
    assert amiss.endswith("nobody looks at app20, app21, app22, app23, app24 and 15 more")
    restart(east, *APPS)
    go(240.0, east)
    assert all(released_once(scenes[name], "west") for name in WEST)
    assert shown(east) == (dict.fromkeys(APPS, GITSLOT), [])
    restart(east, *APPS[:10])
    restart(west, *APPS[10:])
    go(120.0, east, west)
    assert all(map(released_once, scenes.values()))  # nothing was written of the move
    assert shown(east) == ({n: GITSLOT if n in APPS[:10] else "west" for n in APPS}, [])


@pytest.mark.parametrize("at_s", [20.0, 75.0])  # in mid-deploy, in mid-swap
@pytest.mark.parametrize("order", [1, -1])  # for half a minute no list has it, or both
def test_an_app_is_moved_from_list_to_list(split: Open, at_s: float, order: int) -> None:
    """It is released once, has not left, and its neighbours notice nothing."""
    east, west = split(("a", "moved"), ("b",))
    go(at_s, east, west)
    for each, apps in [(east, "a"), (west, ("moved", "b"))][::order]:
        restart(each, *apps)
        go(30.0, east, west)
    go(300.0, east, west)
    assert all(map(released_once, east.scenes.values()))
    assert shown(east) == ({"a": GITSLOT, "b": "west", "moved": "west"}, [])
