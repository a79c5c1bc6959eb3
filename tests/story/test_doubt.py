"""Doubt freezes: one clear reason, no write, and production keeps serving."""

from collections.abc import Callable, Iterator

import pytest

from gitslot.rounds import tick
from gitslot.state.decision import Converged
from tests.platform import Platform
from tests.story.stage import Stage, set_stage

FILE = "desired_state.yaml"


@pytest.fixture(scope="module")
def stage(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Set one stage for all of this file: no doubt changes what is there."""
    folder = tmp_path_factory.mktemp("doubt")
    with set_stage(platform, folder, serves=("1.4.0", "1.5.0")) as found:
        yield found


def no_file(stage: Stage) -> None:
    stage.repository.git("rm", "-q", FILE)
    stage.repository.git("commit", "-q", "-m", "drop the file")


def linked_file(stage: Stage) -> None:
    (stage.repository.path / FILE).unlink()
    (stage.repository.path / FILE).symlink_to("elsewhere")
    stage.repository.git("add", FILE)
    stage.repository.git("commit", "-q", "-m", "link the file")


def want(version: str, more: str = "") -> Callable[[Stage], object]:
    return lambda stage: stage.repository.want(version, more=more)


@pytest.mark.parametrize(
    ("spoil", "reason", "words"),
    [
        (lambda stage: stage.repository.commit("app: ["), "FileInvalid", "line 1"),
        (want("1.5.0", "sloots: 3\n"), "UnknownKey", "did you mean `slots`?"),
        (want("9.9.9"), "UnknownVersion", "iris 9.9.9 is not registered"),
        (want("1.5.0@sha256:" + "0" * 64), "DigestMismatch", "another digest"),
        (no_file, "FileMissing", FILE),
        (linked_file, "NotPlainFile", "a link"),
    ],
)
def test_what_cannot_be_followed_is_named_and_nothing_is_written(
    stage: Stage, spoil: Callable[[Stage], object], reason: str, words: str
) -> None:
    """Each spoiled commit gives its own reason once, no write, and production still serves."""
    start = stage.repository.git("rev-parse", "HEAD")
    writes = stage.writes()
    spoil(stage)
    stage.events.clear()
    stops = [stage.reconcile(), stage.reconcile(stage.open())]
    assert [getattr(stop, "reason", "") for stop in stops] == [reason, reason]
    assert words in getattr(stops[0], "message", "")
    assert [event.reason for event in stage.events] == [reason]
    assert stage.writes() == writes
    assert stage.serves() == "1.4.0"
    stage.repository.git("reset", "-q", "--hard", start)
    assert isinstance(stage.reconcile(), Converged)


def test_an_app_that_azure_does_not_know_is_named(stage: Stage) -> None:
    """The file names an app that nobody can see: frozen by name, and the known one untouched."""
    start = stage.repository.git("rev-parse", "HEAD")
    stage.repository.commit("app: no-such-app\nmodel: iris\nslots: {production: 1.5.0}\n")
    reasons = {name: getattr(stop, "reason", "") for name, stop in tick(stage.world).items()}
    assert reasons == {"no-such-app": "AppNotFound", stage.app: "NotInFile"}  # it has left
    assert stage.serves() == "1.4.0"
    stage.repository.git("reset", "-q", "--hard", start)


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [("GITSLOT_REPO", "/nowhere", "GitUnreachable"), ("GITSLOT_REF", "gone", "RefGone")],
)
def test_a_repository_or_branch_that_is_gone_freezes(
    stage: Stage, variable: str, value: str, reason: str
) -> None:
    """It gives a reason: a look-up with nothing in it is not "nothing is wanted"."""
    world = stage.open(**{variable: value})
    writes = stage.writes()
    assert getattr(stage.reconcile(world), "reason", "") == reason
    assert (stage.writes(), stage.serves()) == (writes, "1.4.0")
    assert isinstance(stage.reconcile(), Converged)


def test_a_suspended_app_is_left_alone(stage: Stage) -> None:
    """`suspend` in the file: nothing is written until it goes, then the bump goes through."""
    writes = stage.writes()
    stage.repository.want("1.5.0", more='suspend: "incident, sam"\n')
    stop = stage.reconcile()
    assert getattr(stop, "message", "") == "incident, sam"
    assert stage.writes() == writes
    stage.repository.want("1.5.0")
    assert isinstance(stage.reconcile(), Converged)
    assert stage.serves() == "1.5.0"
    stage.repository.want("1.4.0")
    assert isinstance(stage.reconcile(), Converged)


def test_the_journal_names_every_stop_once(stage: Stage) -> None:
    """The same cause gives one event, pass after pass, and the same words."""
    stage.repository.commit("app: [")
    before = len(stage.world.journal.events(stage.app))
    for _ in range(5):
        stage.reconcile()
    assert len(stage.world.journal.events(stage.app)) == before + 1
    stage.repository.want("1.4.0")
    assert isinstance(stage.reconcile(), Converged)
