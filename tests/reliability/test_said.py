"""S9 is heard where it is broken: what must not be said is found, wherever it was said."""

import logging
from collections.abc import Callable

import pytest

from gitslot.record.event import Event
from gitslot.state.decision import frozen
from gitslot.state.wanted import Doubt
from reliability.cloud import APP, token
from reliability.rig import CONTROLLER
from reliability.said import SETTING, leaks, listening
from reliability.scenarios import Scene, settled, write

LOG = logging.getLogger("anybody.at.all")


def in_words(scene: Scene) -> None:
    """A header in a message."""
    LOG.debug("GET %s", {"Authorization": f"Bearer {token(CONTROLLER)}"})


def beside_the_words(scene: Scene) -> None:
    """A key in a field that is not shown."""
    LOG.info("asked", extra={"custom_dimensions": scene.cloud.site.production.keys.function})


def in_an_exception(scene: Scene) -> None:
    """A setting in an exception's text."""
    try:
        raise ValueError(SETTING)
    except ValueError:
        LOG.exception("it broke off")


def in_the_journal(scene: Scene) -> None:
    """A setting in an event."""
    write(scene, Event("Drift", APP, scene.cloud.now(), message=f"THEIRS was {SETTING}"))


@pytest.mark.parametrize("say", [in_words, beside_the_words, in_an_exception, in_the_journal])
def test_a_secret_that_was_said_is_found(say: Callable[[Scene], None]) -> None:
    """Once, and not in what the next run says."""
    scene = settled()
    with listening():
        assert not leaks(scene.cloud, None)
        say(scene)
        assert [violation.rule for violation in leaks(scene.cloud, None)] == ["S9"]
        if say is not in_the_journal:
            assert not leaks(scene.cloud, None)
    scene.cloud.end()


def test_a_secret_in_a_stop_is_found() -> None:
    """What a pass ends with is shown to people."""
    scene = settled()
    assert leaks(scene.cloud, frozen(Doubt("Unreadable", f"ARM said {SETTING}")))
    scene.cloud.end()
