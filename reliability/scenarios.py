"""Where a run begins: the state of the slots, the journal and Git, and what must come of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, partial

from gitslot.record.accepted import NAME, Accepted
from gitslot.record.event import Event
from gitslot.record.payload import Payload
from gitslot.state.decision import Converged, Stalled, Stop
from reliability import registered
from reliability.cloud import APP, ASSUMED, STAGING, Cloud
from reliability.memory_blobs import MemoryBlobs
from reliability.recording import Recording
from reliability.rig import CONTROLLER, Controller, Rig

OLDEST, OLD, NEW, NEWER = "1.3.0", "1.4.0", "1.5.0", "1.6.0"
CANARY = "canary"
REPORT = "drift: report\n"


@dataclass
class Scene:
    """A run that has been set up: the faults begin now."""

    rig: Rig
    controller: Controller
    wants: str  # the version that production must serve in the end
    stop: type[Stop] = Converged
    reason: str = ""  # of that stop, where it matters
    ends: bool = True  # else it may come to rest on anything
    beside: dict[str, str] = field(default_factory=dict)  # what other slots must serve then
    watched_s: float = 0.0  # for how long it is left alone at rest, before it must rest again
    planted: dict[str, Callable[[], bool]] = field(default_factory=dict)

    @property
    def cloud(self) -> Cloud:
        return self.rig.cloud

    def events(self) -> list[Event]:
        """Return all that the journal tells."""
        entries = (e for e in self.cloud.history.entries if e["operation"] == "journal")
        return [event for entry in entries for event in entry["events"]]

    def reasons(self) -> list[str]:
        """Return the reasons of all that the journal tells."""
        return [event.reason for event in self.events()]

    def must(self, what: str, came: Callable[[], bool]) -> None:
        """Ask at the end whether *what* was planted here *came* true: else it showed nothing."""
        self.planted[what] = came

    def must_see(self, operation: str, least: int = 1, **fields: object) -> None:
        """Ask that the platform notes *operation*, with these *fields*, so often from now on."""
        entries = self.cloud.history.entries
        mark = len(entries)

        def came() -> bool:
            found = (e for e in entries[mark:] if e["operation"] == operation)
            return sum(all(e.get(k) == v for k, v in fields.items()) for e in found) >= least

        self.must(f"{operation} {fields or ''}".strip(), came)


def open_scene(production: dict[str, str], staging: dict[str, str]) -> Scene:
    """Return a scene whose slots run with these settings, and nothing written down."""
    rig = Rig()
    rig.cloud.register(OLDEST, OLD, NEW, NEWER)
    for code in ("c1", "c2"):
        rig.cloud.account.blobs |= registered.package_blobs(code)
    rig.cloud.build(production, staging)
    return Scene(rig, rig.controller(), OLD)


def write(scene: Scene, *events: Event) -> None:
    """Append *events* to the journal, as a controller of long ago did."""
    journal = scene.controller.start().journal
    journal.memory(APP, scene.cloud.now())
    journal.append(APP, events, scene.cloud.now())
    scene.controller.world = None


def converged(version: str, commit: str, now: datetime) -> Event:
    """Return the line that says that production serves *version*, as *commit* wants it."""
    return Event(
        "Converged",
        APP,
        now,
        id="baseline",
        slot="production",
        model=registered.MODEL,
        to=version,
        to_digest=registered.digest(version),
        revision=commit,
        detail=Payload(swap_status=""),
    )


def accept(blobs: MemoryBlobs, commit: str) -> None:
    """Store that *commit* was accepted, as a controller of long ago did."""
    blobs.store(NAME, Accepted(commit, {APP: commit}).line(), "")


def settled() -> Scene:
    """Production serves OLD, staging keeps OLDEST, and everybody agrees."""
    scene = open_scene(registered.settings(OLD, "d-2"), registered.settings(OLDEST, "d-1"))
    commit = scene.cloud.git.want(OLD)
    write(scene, converged(OLD, commit.name, scene.cloud.now()))
    accept(scene.cloud.blobs, commit.name)
    return scene


def want(scene: Scene, version: str, **more: str) -> Scene:
    """Commit that production shall serve *version*."""
    scene.cloud.git.want(version, **more)
    scene.wants = version
    return scene


def bump() -> Scene:
    """A new version is asked for."""
    return want(settled(), NEW)


def bumped() -> Scene:
    """The bump is over, and the process that did it has ended."""
    scene = bump()
    scene.controller.settle()
    scene.controller.world = None
    return scene


@cache
def _bump_at_rest(reverses: frozenset[str]) -> Recording:
    del reverses  # rows of the world that is kept
    scene = bumped()
    return Recording.of(scene.rig, scene.controller.ids)


def revert() -> Scene:
    """The bump is reverted: the old release waits in staging."""
    kept = _bump_at_rest(frozenset(ASSUMED.reversed))
    rig = kept.resume()
    scene = Scene(rig, rig.controller(), NEW)
    scene.controller.ids = kept.events
    return want(scene, OLD)


def first_install() -> Scene:
    """Both slots carry the code and no model."""
    code = {"WEBSITE_RUN_FROM_PACKAGE": registered.package_url("c1")}
    return want(open_scene(code, code), NEW)


def half_done() -> Scene:
    """The controller died once the swap was sent, before it could write the answer down."""
    scene = bump()
    seam = scene.rig.seam

    def kill(name: str) -> None:
        del name
        process = scene.controller.process
        if seam.stage >= 2 and process:
            process.alive = False

    seam.before = kill
    scene.controller.run()
    seam.before = lambda _: None
    return scene


def bad_candidate(how: str = "wrong") -> Scene:
    """The new version answers with labels that its training did not give, or fails otherwise."""
    scene = bump()
    scene.cloud.behaviour.versions[NEW] = how
    scene.wants, scene.stop = OLD, Stalled
    return scene


def slow_candidate() -> Scene:
    """The new version is right and too slow."""
    scene = want(settled(), NEW, more="latency_p99_ms: 5\n")  # each answer takes 10 ms
    scene.wants, scene.stop = OLD, Stalled
    return scene


def canary() -> Scene:
    """Ask for a new version of a further slot, made as a copy of production, which is in sync."""
    scene = settled()
    scene.cloud.create(CANARY)
    scene.beside = {CANARY: NEW}
    return want(scene, OLD, slots=f"  {CANARY}: {NEW}\n")


def missing_canary() -> Scene:
    """A bump beside a further slot that nobody has created."""
    scene = want(settled(), NEW, slots=f"  {CANARY}: {NEWER}\n")
    scene.stop = Stalled
    return scene


def pin() -> Scene:
    """A bump, and beside it a candidate that staging shall hold once production has converged."""
    scene = settled()
    scene.beside = {STAGING: NEWER}
    return want(scene, NEW, more="latency_p99_ms: 20\n", slots=f"  {STAGING}: {NEWER}\n")


def report() -> Scene:
    """
    A bump where drift is only reported, and its revert while the swap runs.

    What the revert brings back has served before, so a budget that it breaks does not hold it.
    """
    scene = want(settled(), NEW, more=REPORT)
    scene.wants, more = OLD, f"{REPORT}latency_p99_ms: 5\n"
    scene.cloud.at(60.0, lambda: scene.cloud.git.want(OLD, more=more))
    return scene


def drifted() -> Scene:
    """Somebody has swapped where drift is only reported: it stays, and is told."""
    scene = want(settled(), OLD, more=REPORT)
    scene.controller.settle()
    scene.controller.world = None
    scene.cloud.swap_by_hand()
    scene.cloud.wait(90.0)
    scene.wants, scene.stop, scene.reason = OLDEST, Stalled, "DriftReported"
    return scene


def held() -> Scene:
    """Somebody has swapped: it is left alone for a while, and then put back."""
    scene = settled()
    scene.controller.run()
    scene.controller.world = None
    scene.cloud.swap_by_hand()
    scene.cloud.wait(90.0)
    return scene


def soak(serves_s: float = 60.0) -> Scene:
    """A bump that is soaked; its release fails once production has served it for *serves_s*."""
    scene = want(settled(), NEW, more="soak: 30m\n")
    cloud = scene.cloud

    def look() -> None:
        if cloud.serves() == NEW and not (serves_s and cloud.operation()):
            cloud.at(serves_s, fail)
        else:
            cloud.at(1.0, look)

    def fail() -> None:
        cloud.behaviour.versions[NEW] = "LoadFailed"
        host = cloud.host("production")
        assert host
        host.crash()

    cloud.at(1.0, look)
    scene.wants, scene.watched_s = OLD, 2 * serves_s
    # The one try is used when it is sent: where it was lost, production stays as it is.
    scene.ends = False
    scene.must("the way back", lambda: cloud.serves() == OLD or "NotBegun" in scene.reasons())
    return scene


def held_twice() -> Scene:
    """Somebody has swapped; while that is left alone, a bad version comes and goes again."""
    scene = held()
    cloud = scene.cloud
    cloud.behaviour.versions[NEWER] = "wrong"
    cloud.at(60.0, lambda: cloud.git.want(NEWER))
    back = 60.0 + 3 * scene.rig.policy.hold_s
    cloud.at(back, lambda: cloud.git.want(OLD))
    scene.watched_s = back
    scene.must("the first hold alone", lambda: scene.reasons().count("ForeignSwap") == 1)
    return scene


def preview_later() -> Scene:
    """A swap of ours has failed, and much later somebody prepares a swap with preview."""
    scene = bump()
    cloud = scene.cloud
    cloud.plant("swap-ping")
    scene.controller.settle()
    cloud.wait(3600.0)
    cloud.post("person", f"/slots/{STAGING}/applySlotConfig", b'{"targetSlot": "production"}')
    want(scene, NEWER)
    scene.wants, scene.stop, scene.reason = NEW, Stalled, "PreparedByPerson"
    scene.must("a preview", lambda: cloud.site.slots[STAGING].prepared_with == "production")
    return scene


SCENARIOS: dict[str, Callable[[], Scene]] = {
    "bump": bump,
    "revert": revert,
    "no-op": settled,
    "first-install": first_install,
    "half-done": half_done,
    "bad-candidate": bad_candidate,
    "slow-candidate": slow_candidate,
    "canary": canary,
    "pin": pin,
    "report": report,
    "drifted": drifted,
    "held": held,
    "soak": soak,
}
# Played as they are: what they are about is when somebody does what.
STORIES: dict[str, Callable[[], Scene]] = {
    "cannot-start": partial(bad_candidate, "crash"),
    "never-healthy": partial(soak, 0.0),  # it fails as soon as production has it
    "held-twice": held_twice,
    "preview-later": preview_later,
}

__all__ = ["CONTROLLER", "SCENARIOS", "Scene"]
