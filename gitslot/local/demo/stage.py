"""The stage of the demo: a temporary folder, repository and platform, removed at the end."""

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from gitslot.http.login import credential
from gitslot.local import azurite, first_models, process
from gitslot.local.command import handling
from gitslot.local.demo import repository
from gitslot.local.demo.load import Load
from gitslot.local.demo.repository import Repository
from gitslot.local.demo.screen import Screen
from gitslot.local.demo.witness import Witness
from gitslot.local.first_models import Training
from gitslot.local.process import Facts, PlatformError
from gitslot.local.provision import CONTROLLER, Follow, Provisioner
from gitslot.local.up import use
from gitslot.record.blobs import AzureBlobs
from gitslot.record.event import Event
from gitslot.record.journal import Journal
from gitslot.state.code import Package

APP = "az-fct-python-ml"
BLIND = "swapped-by-hand"  # the app on which a pipeline swaps without looking
PATIENCE_S = 90.0
_READING_S = 1.5
# Ends the platform when the demo has ended in any way: its standard input then closes.
_GUARD = "import os, signal, sys; os.read(0, 1); os.kill(int(sys.argv[1]), signal.SIGTERM)"


@dataclass
class Stage:
    """What the steps of the demo work with."""

    folder: Path
    facts: Facts
    repository: Repository
    screen: Screen
    provisioner: Provisioner
    witness: Witness
    journal: Journal
    load: Load
    serving: Package
    ends: ExitStack
    shown: set[str] = field(default_factory=set)
    keep: bool = False  # the folder with the logs, although nothing was raised

    def train(self, version: str, estimator: str) -> Training:
        """Start to train and register *version* in the background."""
        begun = first_models.begin([(version, estimator)], self.facts.storage, self.folder)[0]
        self.ends.callback(begun.stop)
        return begun

    def events(self) -> list[Event]:
        """Return the log lines that were not shown yet."""
        new = [e for e in self.journal.events(APP) if e.id not in self.shown and not e.quiet]
        self.shown |= {event.id for event in new}
        return new

    def watch(
        self, done: Callable[[Event], bool], what: str, show: Callable[[Event], None] | None = None
    ) -> Event:
        """Show log lines as they come until one is *done*; PlatformError naming *what* if none."""

        def look() -> Event | None:
            new = self.events()
            for event in new:
                (show or self.screen.event)(event)
            return next(filter(done, reversed(new)), None)

        with self.screen.waiting(what):
            if found := process.wait_until(look, PATIENCE_S, pause_s=0.15):
                return found
        raise PlatformError(f"not within {PATIENCE_S:.0f} s: {what}")

    def converged(
        self, commit: str, what: str, show: Callable[[Event], None] | None = None
    ) -> Event:
        """Show log lines until production has what *commit* asks for."""
        found = self.watch(
            lambda event: event.event == "Converged" and event.revision == commit, what, show
        )
        # Users have the new version before Azure has tidied up, and people read before they type.
        if not process.wait_until(lambda: not self.witness.swapping(APP), PATIENCE_S):
            raise PlatformError(f"not within {PATIENCE_S:.0f} s: the end of the swap")
        time.sleep(_READING_S)
        return found

    def answered(self, version: str, since: float) -> float:
        """Return the seconds from *since* until a user was first answered by *version*."""
        seen = process.wait_until(lambda: self.load.seen(version, since), 10.0)
        if not seen:
            raise PlatformError(f"production converged, and no user was answered by {version}")
        return seen - since


@contextmanager
def opened(screen: Screen, load: str = "fast") -> Iterator[Stage]:
    """
    Open a stage; in every case nothing is left running. Logs are kept if the demo failed.

    *load* names the times that the platform takes.
    """
    folder = Path(tempfile.mkdtemp(prefix="gitslot-demo-")).resolve()
    ends = ExitStack()
    keep = True
    try:
        stage = _set(folder, screen, ends, load)
        yield stage
        keep = stage.keep
    finally:
        # Ctrl-C and polite kills are ignored, so that the clean-up ends.
        with handling(signal.SIG_IGN, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            ends.close()
            if not keep:
                with suppress(OSError):
                    process.remove(folder)
        if keep:
            screen.output(f"logs: {folder} (process.log, platform/logs)")


def _set(folder: Path, screen: Screen, ends: ExitStack, times: str) -> Stage:
    """Start everything: one app with two empty slots, and the controller that fills them."""
    git = repository.make(folder)
    state = folder / "platform"
    ends.callback(process.stop, state)
    program = azurite.script(screen.output)
    with screen.waiting("starting storage, ARM and identity"):
        facts = process.start(state, times, program)
    _guard(facts.pid, ends)
    use(facts)
    provisioner = Provisioner(facts, folder, lambda _: None)
    provisioner.registry.ensure_containers()
    witness = Witness(facts)
    with screen.waiting("training two models, creating one app with two empty slots"):
        first = first_models.begin(first_models.FIRST, facts.storage, folder)
        for each in first:
            ends.callback(each.stop)
        serving = provisioner.package("serving_app", thin=True)
        provisioner.app(APP, serving)
        code = provisioner.package("controller", thin=True)
        provisioner.controller(code, Follow(str(git.origin), "main"))
        provisioner.entitle(APP)
        provisioner.running(APP, CONTROLLER)
        trained = [each.finish() for each in first]
    for line in trained:
        screen.output(line)
    load = Load(witness.url(APP))
    ends.callback(load.stop)
    journal = Journal(AzureBlobs(facts.storage, credential()))
    return Stage(folder, facts, git, screen, provisioner, witness, journal, load, serving, ends)


def _guard(pid: int, ends: ExitStack) -> None:
    words = [sys.executable, "-S", "-c", _GUARD, str(pid)]
    guard = subprocess.Popen(words, stdin=subprocess.PIPE, start_new_session=True)
    ends.callback(guard.wait)
    ends.callback(guard.kill)
