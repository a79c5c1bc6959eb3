"""Break glass: production goes back while the Git host is down, and gitslot agrees afterwards."""

import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from gitslot.state.decision import Converged, Frozen, Suspended
from tests.clients.azure_cli import log_in, shell_environment
from tests.emulator.app_under_test import App
from tests.platform import ROOT, until
from tests.story.stage import Stage

WHY = "incident 7, sam"


class Incident:
    """A stage whose controller has an app of its own, and whose Git host can be down."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.controller = stage, f"{stage.app}-controller"
        stage.platform.create_app(self.controller, {"GITSLOT_REF": "main"}, slots=())
        self._away = stage.folder / "away"

    def reconcile(self) -> Any:
        """Start the controller on the settings that its app has now, and let it look once."""
        return self.stage.reconcile(self.stage.open(**self.settings()))

    def settings(self) -> dict[str, str]:
        """Return the settings of the controller's app."""
        return App(self.stage.platform, self.controller).settings("production")

    def suspend(self, why: str | None) -> None:
        """Do what `az functionapp config appsettings` does: read all, write all."""
        App(self.stage.platform, self.controller).set("production", {"GITSLOT_SUSPEND": why})

    def git_down(self) -> None:
        """Take the repository away."""
        self.stage.repository.path.rename(self._away)

    def git_up(self) -> None:
        """Bring the repository back."""
        self._away.rename(self.stage.repository.path)


@pytest.fixture
def found(stage: Stage) -> Iterator[Incident]:
    """Set a stage on which 1.5.0 was just released and turns out to be bad."""
    stage.repository.want("1.5.0")
    assert isinstance(stage.reconcile(), Converged)
    incident = Incident(stage)
    yield incident
    stage.platform.web.web_apps.delete(stage.platform.group, incident.controller)


def tell(found: Incident, suspend: Callable[[], None], swap: Callable[[], None]) -> None:
    """Tell the story up to the return of the Git host; both commands are somebody's hand."""
    stage = found.stage
    found.git_down()
    stop = found.reconcile()
    assert isinstance(stop, Frozen)
    assert stop.reason == "GitUnreachable"
    assert stop.message == f"{stage.repository.path} is not a Git repository, or not one for us"
    suspend()
    assert isinstance(found.reconcile(), Frozen)
    assert stage.serves("staging") == "1.4.0"
    swap()
    until(lambda: stage.serves() == "1.4.0", "the swap by hand shows")
    writes = stage.writes()
    assert isinstance(found.reconcile(), Frozen)
    found.git_up()
    stop = found.reconcile()
    assert isinstance(stop, Suspended)
    assert (stop.reason, stop.message) == ("SuspendedBySetting", WHY)
    assert (stage.writes(), stage.serves()) == (writes, "1.4.0")


def agree(found: Incident, resume: Callable[[], None]) -> None:
    """The revert comes, then the suspension goes: one word, and not one write."""
    stage = found.stage
    stage.repository.revert()
    assert isinstance(found.reconcile(), Suspended)
    resume()
    writes, known = stage.writes(), len(stage.told())
    assert isinstance(found.reconcile(), Converged)
    assert isinstance(found.reconcile(), Converged)
    assert stage.told()[known:] == ["Resumed", "Converged"]
    assert (stage.writes(), stage.serves()) == (writes, "1.4.0")


def test_production_goes_back_without_git_and_the_revert_agrees(found: Incident) -> None:
    """Suspended, swapped by hand, reverted: production serves the old version throughout."""
    tell(found, lambda: found.suspend(WHY), found.stage.hand.swap)
    agree(found, lambda: found.suspend(None))


def commands() -> list[str]:
    """Return the lines of the document, in its order."""
    text = (ROOT / "docs/run/break-glass.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def test_the_document_has_three_commands_and_two_for_afterwards() -> None:
    """They stand there as they are run."""
    kinds = [line.split(" -", 1)[0] for line in commands()]
    assert kinds == [
        "az functionapp config appsettings set",
        "curl",
        "az functionapp deployment slot swap",
        "git revert HEAD && git push",
        "az functionapp config appsettings delete",
    ]


@pytest.mark.long
def test_the_commands_of_the_document_do_it(found: Incident) -> None:
    """Each line as it stands there, by Microsoft's own command line, on the local platform."""
    stage, (suspend, look, swap, _, resume) = found.stage, commands()
    env = shell_environment(stage.folder, stage.platform)
    log_in(env, stage.platform)
    names = {"RG": stage.platform.group, "APP": stage.app, "CONTROLLER": found.controller}

    def run(line: str) -> None:
        subprocess.run([names.get(each, each) for each in shlex.split(line)], env=env, check=True)

    def look_and_swap() -> None:
        url = look.split()[-1]
        front = stage.platform.slots()[stage.app, "staging"]["http"]
        place = url.replace("https://APP-staging.azurewebsites.net", front)
        assert requests.get(place, timeout=10).json()["version"] == "1.4.0"
        run(swap)

    tell(found, lambda: run(suspend), look_and_swap)
    agree(found, lambda: run(resume))
