"""A folder of files, each an app with its own owners: the loop on the in-process platform."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from gitslot.edges.git.source import GitSource
from gitslot.reconcile import World, observe
from gitslot.record.accepted import AcceptedBlob
from gitslot.record.event import Event
from gitslot.rounds import tick
from gitslot.wants import Wants
from reliability.cloud import APP
from reliability.doors import SeamBlobs
from reliability.scenarios import NEW, OLD, Scene, bumped, settled
from tests.edges.git.signing import Works, wanting

OWNERS = "/apps/ @platform\n/apps/app.yaml @app-team\n/apps/other.yaml @other-team\n"


def file(version: str, more: str = "") -> str:
    return wanting(version, more=more).partition("\n")[2]


@dataclass
class Fleet:
    """A controller of the folder `apps`; *app* is on Azure, the other apps are not."""

    scene: Scene
    works: Works
    files: dict[str, str] = field(default_factory=lambda: {"CODEOWNERS": OWNERS})
    tip: str = ""

    def __post_init__(self) -> None:
        self.scene.cloud.blobs.drop("accepted.json")  # of another repository
        self.push(app=file(OLD))
        self.world = self.start()

    def start(self) -> World:
        """Start the controller anew."""
        controller = self.scene.controller
        world = controller.start()
        assert controller.process
        blobs = SeamBlobs(self.scene.cloud, controller.process)
        source = GitSource(str(self.works.path), "main", "apps")
        world.wants = Wants(source, AcceptedBlob(blobs), world.clock.monotonic)
        self.world = world
        return world

    def push(self, **files: str | None) -> str:
        """Push a commit that changes *files*, by app; None takes one away."""
        for name, text in files.items():
            if text is None:
                del self.files[f"apps/{name}.yaml"]
            else:
                self.files[f"apps/{name}.yaml"] = text
        self.tip = self.works.point(self.works.files(self.files, self.tip))
        return self.tip

    def tick(self, times: int = 20, until: Callable[[], bool] = lambda: False) -> dict[str, str]:
        """Reconcile all apps, a minute apart; return how the last passes ended."""
        for _ in range(times):
            stops = tick(self.world)
            if until():
                break
            self.scene.cloud.wait(60.0)
        return {
            n: f"{type(s).__name__} {getattr(s, 'reason', '')}".strip() for n, s in stops.items()
        }

    def events(self, app: str = APP) -> list[Event]:
        """Return what was written of *app*, the first event of the scene left out."""
        return [event for event in self.world.journal.events(app) if event.id != "baseline"]


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """Give a fleet of one app, which production serves as its file asks."""
    scene = settled()
    yield Fleet(scene, Works(tmp_path / "repo"))
    scene.cloud.end()


def test_a_broken_file_freezes_its_own_app_and_a_neighbour_is_released(fleet: Fleet) -> None:
    """An app that Azure does not know, and names that cannot be apps, stop for themselves too."""
    head = fleet.push(app=file(NEW), broken="model: [", ghost=file(OLD), _odd=file(OLD))
    stops = fleet.tick()
    assert stops["app"] == "Converged"
    assert fleet.scene.cloud.serves() == NEW
    assert stops["broken"] == "Frozen FileInvalid"
    assert stops["_odd"] == "Frozen FileNameInvalid"
    assert stops["ghost"] == "Frozen AppNotFound"
    (frozen,) = fleet.events("broken")
    assert (frozen.reason, frozen.revision, frozen.head) == ("FileInvalid", head, head)
    assert "broken.yaml: line 1" in frozen.message
    assert "_odd" not in fleet.world.journal.apps()


def test_a_deleted_file_leaves_its_app_running(fleet: Fleet) -> None:
    """One line says so; nobody touches it, or looks at it, until a file is there again."""
    fleet.push(ghost=file(OLD))
    fleet.tick(3)
    fleet.push(app=None)
    known = len(fleet.events())
    assert set(fleet.tick(3)) == {"ghost"}
    assert fleet.scene.cloud.serves() == OLD
    (left,) = fleet.events()[known:]
    assert (left.event, left.revision) == ("Left", fleet.tip)
    assert observe(APP, fleet.world).app is None
    fleet.push(app=file(NEW))
    assert fleet.tick()["app"] == "Converged"
    assert fleet.scene.cloud.serves() == NEW
    back = fleet.events()[known + 1]
    assert (back.event, back.revision) == ("Returned", fleet.tip)


def test_an_app_of_another_controller_has_not_left(fleet: Fleet) -> None:
    """
    Two controllers may share a storage account, each with its own folder or repository.

    Nor is it looked at while the other swaps it, or while Git is in doubt for this one.
    """
    fleet.tick(2)
    blobs = fleet.scene.cloud.blobs
    accepted = AcceptedBlob(blobs)
    theirs = {"elsewhere": "e" * 40, "beside": fleet.tip}
    known = accepted.read()
    accepted.write(replace(known, apps={**known.apps, **theirs}))
    fleet.start()
    for name in theirs:
        swap = next(e for e in bumped().events() if e.event == "SwapStarted")
        fleet.world.journal.memory(name, fleet.world.clock.now())
        fleet.world.journal.append(name, [replace(swap, app=name)], fleet.world.clock.now())
    fleet.push(app=file(NEW))
    assert set(fleet.tick(30)) == {"app"}
    fleet.works.path.rename(fleet.works.path.with_name("away"))
    assert fleet.tick(3) == {"app": "Frozen GitUnreachable"}
    assert [len(fleet.events(name)) for name in theirs] == [1, 1]


def test_an_app_renamed_by_case_alone_stays_the_same_app(fleet: Fleet) -> None:
    """Azure compares names without case, and so does the journal: nothing is lost, nobody left."""
    fleet.tick(2)
    known = len(fleet.events())
    fleet.push(app=None, App=file(NEW))
    assert fleet.tick(2) == {"App": "Converged"}
    assert fleet.scene.cloud.serves() == NEW
    assert [event.event for event in fleet.events()[known:]][:2] == ["Drift", "DeployStarted"]


@pytest.mark.parametrize("restart", [False, True])
def test_a_swap_under_way_is_brought_to_its_end_though_the_file_is_gone(
    fleet: Fleet, restart: bool
) -> None:
    """Then the app is left as it is."""
    fleet.push(app=file(NEW), ghost=file(OLD))
    fleet.scene.cloud.at(1.0, lambda: _once_swapping(fleet, lambda: fleet.push(app=None)))
    fleet.tick(1)
    if restart:
        fleet.start()
    assert set(fleet.tick(30)) == {"ghost"}
    assert fleet.world.journal.memory(APP, fleet.world.clock.now()).intent is None
    assert [event.event for event in fleet.events()][-2:] == ["Left", "SwapFinished"]
    assert fleet.scene.cloud.serves() == NEW


def _once_swapping(fleet: Fleet, what: Callable[[], object]) -> None:
    if fleet.scene.cloud.operation():
        what()
    else:
        fleet.scene.cloud.at(1.0, lambda: _once_swapping(fleet, what))


def test_a_second_file_of_one_app_by_other_letters_freezes_both(fleet: Fleet) -> None:
    """Until one of them is gone."""
    fleet.tick(2)
    fleet.push(APP=file(NEW))
    assert fleet.tick(3) == {"APP": "Frozen AppTwice", "app": "Frozen AppTwice"}
    assert fleet.scene.cloud.serves() == OLD
    fleet.push(APP=None, app=file(NEW))
    assert fleet.tick() == {"app": "Converged"}
    assert fleet.scene.cloud.serves() == NEW


def test_events_name_who_asked_for_it_and_the_newest_commit(fleet: Fleet) -> None:
    """Another team's commit on top is the head of the look, and asked for nothing here."""
    first = fleet.tip
    fleet.tick(2)
    asked = fleet.push(app=file(NEW))
    head = fleet.push(ghost=file(OLD))
    fleet.tick()
    drift, *_, done = fleet.events()
    assert (drift.event, done.event) == ("Drift", "Converged")
    assert {event.revision for event in fleet.events()} == {asked}
    assert {event.head for event in fleet.events()} == {head}
    assert f"{asked[:7]} wants {NEW}" in drift.message
    back = fleet.push(app=file(OLD))
    known = len(fleet.events())
    fleet.tick()
    assert {event.revision for event in fleet.events()[known:]} == {back}
    assert first not in {event.revision for event in fleet.events()}


def test_what_ends_a_swap_names_its_own_commit_and_the_newest_one(fleet: Fleet) -> None:
    """Whoever pushes while it runs."""
    asked = fleet.push(app=file(NEW))
    later: list[str] = []
    fleet.scene.cloud.at(
        1.0, lambda: _once_swapping(fleet, lambda: later.append(fleet.push(app=file(OLD))))
    )
    fleet.tick()
    ends = [e for e in fleet.events() if e.detail.intent or e.event == "SwapFinished"]
    assert [(end.revision, end.head) for end in ends] == [(asked, later[0]), (later[0], later[0])]
    assert fleet.scene.cloud.serves() == OLD


def test_a_stop_of_one_slot_names_who_asked_for_that_slot(fleet: Fleet) -> None:
    """Not who last changed production, nor whoever committed on top."""
    fleet.tick(2)
    asked = fleet.push(app=file(OLD) + f"  canary: {NEW}\n")  # Azure has no such slot
    head = fleet.push(ghost=file(OLD))
    assert fleet.tick(3)["app"] == "Stalled SlotMissing"
    stop = fleet.events()[-1]
    assert (stop.event, stop.slot, stop.revision, stop.head) == ("Stalled", "canary", asked, head)
