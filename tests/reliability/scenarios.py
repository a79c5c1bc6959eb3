"""Where a run begins: the state of the slots, the journal and Git, and what must come of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from controller.events import Event
from controller.state import Converged, Stalled, Stop
from tests.reliability import registered
from tests.reliability.cloud import APP, Cloud
from tests.reliability.recording import Recording
from tests.reliability.rig import CONTROLLER, Controller, Rig

OLDEST, OLD, NEW, NEWER = "1.3.0", "1.4.0", "1.5.0", "1.6.0"
CANARY = "canary"


@dataclass
class Scene:
    """A run that has been set up: the faults begin now."""

    rig: Rig
    controller: Controller
    wants: str  # the version that production must serve in the end
    stop: type[Stop] = Converged
    beside: dict[str, str] = field(default_factory=dict)  # what further slots must serve then

    @property
    def cloud(self) -> Cloud:
        return self.rig.cloud


def open_scene(production: dict[str, str], staging: dict[str, str]) -> Scene:
    """Return a scene whose slots run with these settings, and nothing written down."""
    rig = Rig()
    rig.cloud.register(OLDEST, OLD, NEW, NEWER)
    rig.cloud.build(production, staging)
    return Scene(rig, rig.controller(), OLD)


def write(scene: Scene, *events: Event) -> None:
    """Append *events* to the journal, as a controller of long ago did."""
    journal = scene.controller.start().journal
    journal.memory(APP, scene.cloud.now())
    journal.append(APP, events, scene.cloud.now())
    scene.controller.world = None


def settled() -> Scene:
    """Production serves OLD, staging keeps OLDEST, and everybody agrees."""
    scene = open_scene(registered.settings(OLD, "d-2"), registered.settings(OLDEST, "d-1"))
    commit = scene.cloud.git.want(OLD)
    write(
        scene,
        Event(
            "Converged",
            APP,
            scene.cloud.now(),
            id="baseline",
            slot="production",
            model=registered.MODEL,
            to=OLD,
            to_digest=registered.digest(OLD),
            revision=commit.name,
            detail={"swap_status": ""},
        ),
    )
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
def _bump_at_rest() -> Recording:
    scene = bumped()
    return Recording.of(scene.rig, scene.controller.ids)


def revert() -> Scene:
    """The bump is reverted: the old release waits in staging."""
    kept = _bump_at_rest()
    rig = kept.resume()
    scene = Scene(rig, rig.controller(), NEW)
    scene.controller.ids = kept.events
    return want(scene, OLD)


def noop() -> Scene:
    """Nothing is asked for; an hour later ARM is looked at anyway."""
    return settled()


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


def bad_candidate() -> Scene:
    """The new version answers with labels that its training did not give."""
    scene = bump()
    scene.cloud.behaviour.versions[NEW] = "wrong"
    scene.wants, scene.stop = OLD, Stalled
    return scene


def canary() -> Scene:
    """Production is as it shall; a further slot, made as its copy, is asked for a new version."""
    scene = settled()
    scene.cloud.create(CANARY)
    scene.beside = {CANARY: NEW}
    return want(scene, OLD, slots=f"  {CANARY}: {NEW}\n")


def missing_canary() -> Scene:
    """A bump beside a further slot that nobody has created."""
    scene = want(settled(), NEW, slots=f"  {CANARY}: {NEWER}\n")
    scene.stop = Stalled
    return scene


SCENARIOS: dict[str, Callable[[], Scene]] = {
    "bump": bump,
    "revert": revert,
    "no-op": noop,
    "first-install": first_install,
    "half-done": half_done,
    "bad-candidate": bad_candidate,
    "canary": canary,
}

__all__ = ["CONTROLLER", "SCENARIOS", "Scene"]
