"""GITSLOT_SUSPEND stands in the controller's settings, and binds everybody beside it, too."""

from collections.abc import Iterator

import pytest

from gitslot.rounds import reconcile
from gitslot.state.decision import Converged, Frozen, Stop, Suspended
from gitslot.state.reasons import REASONS
from reliability.cloud import APP
from reliability.rig import Controller
from reliability.scenarios import NEW, OLD, Scene, bump, settled, want
from tests.cli.clones import beside

WHY = "incident 7, sam"


@pytest.fixture
def scene() -> Iterator[Scene]:
    """Give a scene in which a new version is asked for."""
    scene = bump()
    yield scene
    scene.cloud.end()


def asked_for(reason: str) -> Suspended:
    """Return the stop that names WHY."""
    return Suspended(reason, {"message": WHY}, REASONS[reason].next)


BY_SETTING = asked_for("SuspendedBySetting")


def gitslot(scene: Scene, *words: str) -> tuple[int, str]:
    """Run a command on a laptop, whose own environment suspends nothing."""
    return beside(scene.rig, *words)


def told(scene: Scene) -> list[str]:
    """Return the names of all events of the journal."""
    return [each.event for each in scene.rig.controller("reader").start().journal.events(APP)]


def suspended(scene: Scene) -> Controller:
    """Set the controller's setting and let it find that; return the restarted controller."""
    controller = scene.rig.controller(suspend=WHY)
    assert one_pass(controller) == BY_SETTING
    return controller


def one_pass(controller: Controller) -> Stop | None:
    stop = controller.run()
    controller.rig.cloud.wait(60)
    return stop


@pytest.mark.parametrize("words", [("status",), ("plan",), ("reconcile", "--dry-run")])
def test_whoever_asks_is_told_that_the_controller_stands_aside(
    scene: Scene, words: tuple[str, ...]
) -> None:
    """Asked with another environment than the controller's."""
    suspended(scene)
    code, said = gitslot(scene, *words)
    assert code == 1
    assert f"SuspendedBySetting: {WHY}" in said
    now, over, then = said.partition("once that is over:")
    assert "deploy" not in now
    assert bool(over) == ("1. deploy " in then and "3. swap " in then) == (words != ("status",))
    assert bool(over) == ("app  " in now and ' "' in now)


def test_nobody_reconciles_or_retries_past_the_setting(scene: Scene) -> None:
    """Nothing is written, not even a word into the journal, and the mend is named."""
    suspended(scene)
    before = told(scene)
    for words in (("reconcile",), ("retry",)):
        code, said = gitslot(scene, *words)
        assert code == 1
        assert "take GITSLOT_SUSPEND out of the controller's settings" in said
    assert (told(scene), scene.cloud.serves()) == (before, OLD)
    assert not [e for e in scene.cloud.history.entries if e["operation"] == "write-sent"]


def test_a_freeze_in_between_does_not_hide_the_setting(scene: Scene) -> None:
    """The newest stop says something else; the controller is suspended all the same."""
    controller = suspended(scene)
    scene.cloud.git.push("slots: [", None)
    assert isinstance(one_pass(controller), Frozen)
    scene.cloud.git.want(NEW)
    code, said = gitslot(scene, "reconcile")
    assert code == 1
    assert "SuspendedBySetting" in said
    assert scene.cloud.serves() == OLD


@pytest.mark.parametrize("frozen", [False, True])
def test_the_controller_goes_on_once_the_setting_is_gone(scene: Scene, frozen: bool) -> None:
    """It says so once, and then a laptop may act again."""
    controller = suspended(scene)
    if frozen:
        scene.cloud.git.push("slots: [", None)
        one_pass(controller)
        scene.cloud.git.want(NEW)
    free = scene.rig.controller("free")
    assert isinstance(free.settle(), Converged)
    assert scene.cloud.serves() == NEW
    assert told(scene).count("Resumed") == 1
    code, said = gitslot(scene, "status")
    assert (code, "Suspended" in said) == (0, False)


def test_a_suspension_of_the_file_names_its_own_mend() -> None:
    """It is the same for everybody, and a commit that takes it away ends it for everybody."""
    scene = settled()
    scene.cloud.git.want(NEW, more=f'suspend: "{WHY}"\n')
    assert one_pass(scene.controller) == asked_for("Suspended")
    for words in (("reconcile",), ("retry",)):
        assert "`gitslot resume app && git push` takes `suspend` out" in gitslot(scene, *words)[1]
    want(scene, NEW)
    code, said = gitslot(scene, "reconcile")
    assert (code, scene.cloud.serves()) == (0, NEW), said
    scene.cloud.end()


def test_a_setting_in_somebodys_own_shell_binds_nobody_else(scene: Scene) -> None:
    """What a command line was told is no setting of the controller's."""
    shell = scene.rig.controller("shell", suspend=WHY, guest=True)
    world = shell.start()
    assert reconcile(APP, world, "cli") == BY_SETTING
    code, said = gitslot(scene, "reconcile")
    assert (code, scene.cloud.serves()) == (0, NEW), said
