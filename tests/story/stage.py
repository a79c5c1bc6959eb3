"""
A stage for whole stories: a platform, a serving app with two slots, a repository, a controller.

Everything is real: processes, HTTP, Git, blobs. Only the clock of the controller runs as fast as
the local profile lets it. Stories share a platform; each has an app and a repository of its own.
"""

import contextlib
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pytest
import requests

from gitslot.convert.version import Built
from gitslot.edges import settings as settings_
from gitslot.errors import VersionExists
from gitslot.record.event import Event
from gitslot.record.payload import Payload
from gitslot.registry.manifest import Memory, Source
from gitslot.registry.registry import Registry
from gitslot.rounds import reconcile
from gitslot.state.decision import Converged, Stop
from gitslot.state.slot_settings import staging_settings
from gitslot.state.wanted import Release
from gitslot.world import World, open_world
from tests.emulator.app_under_test import App
from tests.platform import ROOT, Platform, package, start_platform, until
from training.data import load
from training.train import build_version

APP = "az-fct-python-ml"
MODEL = "iris"
VERSIONS = ("1.4.0", "1.5.0", "1.6.0")  # registered on every stage
NUMBERS = itertools.count(1)
SERVING_FILES = (*sorted((ROOT / "serving_app").glob("*.py")), ROOT / "serving_app/host.json")


@dataclass
class Repository:
    """A Git repository with one file that matters."""

    path: Path
    env: Mapping[str, str]
    app: str = APP

    def git(self, *words: str) -> str:
        """Run git and return what it printed."""
        done = subprocess.run(
            ["git", *words], cwd=self.path, env=self.env, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, text: str, subject: str = "change what is wanted") -> str:
        """Commit *text* as desired_state.yaml and return the commit's name."""
        (self.path / "desired_state.yaml").write_text(text)
        self.git("add", "desired_state.yaml")
        self.git("commit", "-q", "--allow-empty", "-m", subject)
        return self.git("rev-parse", "HEAD")

    def want(self, version: str, *, staging: str = "", more: str = "") -> str:
        """Commit that production shall serve *version*."""
        text = f"app: {self.app}\nmodel: {MODEL}\n{more}slots:\n  production: {version}\n"
        if staging:
            text += f"  staging: {staging}\n"
        return self.commit(text, f"bump {MODEL} to {version}")

    def revert(self) -> str:
        """Revert the newest commit, as somebody on call would."""
        self.git("revert", "--no-edit", "HEAD")
        return self.git("rev-parse", "HEAD")


@dataclass
class Stage:
    """The platform, the repository, and a controller that reconciles when told to."""

    platform: Platform
    repository: Repository
    folder: Path
    app: str = APP
    events: list[Event] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """Return what a controller in another process needs."""
        return {
            **self.platform.environment,
            "GITSLOT_PROFILE": "local",
            "GITSLOT_REPO": str(self.repository.path),
            "GITSLOT_REF": "main",
            "GITSLOT_STORAGE": self.platform.storage,
            "GITSLOT_ARM": self.platform.arm,
            "HOME": str(self.folder),
            "PATH": os.environ["PATH"],
        }

    @property
    def hand(self) -> App:
        """Return the app as somebody's hand finds it."""
        return App(self.platform, self.app)

    def open(self, **changes: str) -> World:
        """Return a controller's world, as a process that has just started has it."""
        environ = {**self.environment, **changes}
        return open_world(
            settings_.read(environ), self.platform.credential, tell=self.events.append
        )

    @cached_property
    def world(self) -> World:
        """Return one world that lives as long as the story."""
        return self.open()

    def reconcile(self, world: World | None = None) -> Stop:
        """Run one pass and return the stop that it ended with."""
        return reconcile(self.app, world or self.world)

    def told(self) -> list[str]:
        """Return the names of the events so far, bookkeeping left out."""
        return [event.event for event in self.events if not event.quiet]

    def serves(self, slot: str = "production") -> str:
        """Return the version that *slot* names in the header of its health."""
        url = self.platform.slots()[self.app, slot]["http"]
        answer = requests.get(f"{url}/api/health", timeout=10)
        return answer.headers.get("x-model-version", "")

    def settings(self, slot: str) -> dict[str, str]:
        """Return the settings of *slot*, as ARM has them."""
        return self.hand.settings(slot)

    def change(self, slot: str, **values: str | None) -> None:
        """Change settings of *slot* by hand, as the portal does; None takes one away."""
        self.hand.set(slot, values)

    def history(self, *operations: str) -> list[Mapping[str, Any]]:
        """Return what happened to the app, or of it the entries of *operations*."""
        return [e for e in self.platform.history(*operations) if e.get("site") == self.app]

    def writes(self) -> list[tuple[str, str]]:
        """Return what was changed in Azure since the start: operation and slot."""
        kinds = ("settings-put", "swap-started", "swap-reset", "restart", "site-put", "slot-put")
        return [(entry["operation"], entry["slot"]) for entry in self.history(*kinds)]

    def requests(self) -> list[Mapping[str, Any]]:
        """Return the history's entries that a client's request made."""
        return [entry for entry in self.history() if entry["request"] is not None]

    def swaps(self) -> int:
        """Return how many swaps the platform has begun."""
        return len(self.history("swap-started"))

    def run(self, *words: str, **changes: str) -> "subprocess.Popen[str]":
        """Start `gitslot` with *words* in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "gitslot", *words],
            env={**self.environment, **changes},
            cwd=self.repository.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def git_environment(home: Path) -> dict[str, str]:
    """Return an environment in which git knows nothing of this machine's user."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "sam",
        "GIT_AUTHOR_EMAIL": "sam@example.com",
        "GIT_COMMITTER_NAME": "sam",
        "GIT_COMMITTER_EMAIL": "sam@example.com",
    }


def make_repository(folder: Path, app: str = APP) -> Repository:
    """Make an empty repository whose branch is main, for a file that names *app*."""
    folder.mkdir(parents=True)
    repository = Repository(folder, git_environment(folder), app)
    repository.git("init", "-q", "-b", "main")
    return repository


@cache
def trained(version: str, seed: int, estimator: str = "logistic") -> Built:
    """Train *version* once a process; every stage registers the same bytes."""
    return build_version(
        model=MODEL,
        version=version,
        data=load("iris"),
        estimator=estimator,
        seed=seed,
        source=Source(),
        created=datetime(2026, 1, 1, tzinfo=UTC),
        progress=lambda _: None,
        measure=lambda *_: Memory(60_000_000, 1_000_000),
    )


def register(platform: Platform) -> dict[str, Release]:
    """Register VERSIONS, each trained from another seed, and return their releases."""
    registry = Registry(platform.storage, platform.credential)
    registry.ensure_containers()
    found = {}
    for seed, version in enumerate(VERSIONS, 1):
        built = trained(version, seed)
        with contextlib.suppress(VersionExists):
            registry.register(*built.files)
        digest = registry.manifest(MODEL, version).digest
        found[version] = Release(MODEL, version, digest)
    return found


def serving_package() -> bytes:
    """Return the serving app as a package; its libraries are the platform's."""
    return package({path.name: path.read_text() for path in SERVING_FILES})


@contextmanager
def set_stage(
    platform: Platform,
    folder: Path,
    *,
    app: str = "",
    auth: str = "anonymous",
    serves: tuple[str, str] | None = None,
) -> Iterator[Stage]:
    """
    Set a stage on *platform*, with an app of its own.

    Production and staging are empty; or they have the two versions that it *serves*, as the newest
    commit asks and the journal knows.
    """
    app = app or f"app-{next(NUMBERS)}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", platform.ca)
        stage = Stage(platform, make_repository(folder / "repository", app), folder, app)
        releases = register(platform)
        empty = {
            "FUNCTIONS_EXTENSION_VERSION": "~4",
            "MODEL_PREDICT_AUTH": auth,
            "WEBSITE_RUN_FROM_PACKAGE": platform.upload(serving_package()),
        }
        if serves:
            production, staging = (
                staging_settings(
                    *(empty, empty, frozenset()),
                    release=releases[version],
                    deploy=f"before-{slot}",
                    package="",
                    store=platform.storage,
                )
                for slot, version in zip(("production", "staging"), serves, strict=True)
            )
            platform.create_app(app, production, in_slots=staging)
        else:
            platform.create_app(app, empty)
        wanted = serves or ("none", "none")
        until(lambda: (stage.serves(), stage.serves("staging")) == wanted, "both slots are up")
        if serves:
            _settle(stage, releases[serves[0]])
        yield stage
        platform.faults()
        platform.web.web_apps.delete(platform.group, app)


def _settle(stage: Stage, release: Release) -> None:
    """Commit that production shall serve *release*, and let the journal know that it does."""
    commit, journal = stage.repository.want(release.version), stage.world.journal
    journal.memory(stage.app, datetime.now(UTC))
    converged = Event(
        "Converged",
        stage.app,
        datetime.now(UTC),
        slot="production",
        model=release.model,
        to=release.version,
        to_digest=release.digest,
        revision=commit,
        detail=Payload(swap_status=""),
    )
    journal.append(stage.app, [converged], converged.time)
    stop = stage.reconcile()
    assert isinstance(stop, Converged), stop
    stage.events.clear()


@contextmanager
def open_stage(folder: Path) -> Iterator[Stage]:
    """Set a stage with a platform of its own, whose two slots are empty."""
    with (
        start_platform(folder / "platform") as platform,
        set_stage(platform, folder, app=APP) as stage,
    ):
        yield stage
