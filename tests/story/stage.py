"""
A stage for whole stories: a platform, a serving app with two slots, a repository, a controller.

Everything is real: processes, HTTP, Git, blobs. Only the clock of the controller runs as fast as
the local profile lets it.
"""

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
from gitslot.reconcile import World, reconcile
from gitslot.record.event import Event
from gitslot.registry.registry import Registry
from gitslot.state.decision import Stop
from gitslot.state.wanted import Release
from gitslot.world import open_world
from tests.platform import ROOT, Platform, package, start_platform, until
from training.data import load
from training.train import build_version

APP = "az-fct-python-ml"
MODEL = "iris"
SERVING_FILES = (*sorted((ROOT / "serving_app").glob("*.py")), ROOT / "serving_app/host.json")


@dataclass
class Repository:
    """A Git repository with one file that matters."""

    path: Path
    env: Mapping[str, str]

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
        text = f"app: {APP}\nmodel: {MODEL}\n{more}slots:\n  production: {version}\n"
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
        return reconcile(APP, world or self.world)

    def told(self) -> list[str]:
        """Return the names of the events so far, bookkeeping left out."""
        return [event.event for event in self.events if not event.quiet]

    def serves(self, slot: str = "production") -> str:
        """Return the version that *slot* names in the header of its health."""
        url = self.platform.slots()[APP, slot]["http"]
        answer = requests.get(f"{url}/api/health", timeout=10)
        return answer.headers.get("x-model-version", "")

    def settings(self, slot: str) -> dict[str, str]:
        """Return the settings of *slot*, as ARM has them."""
        web, group = self.platform.web.web_apps, self.platform.group
        if slot == "production":
            return dict(web.list_application_settings(group, APP).properties or {})
        return dict(web.list_application_settings_slot(group, APP, slot).properties or {})

    def change(self, slot: str, **values: str | None) -> None:
        """Change settings of *slot* by hand, as the portal does; None takes one away."""
        kept = {**self.settings(slot), **values}
        body: Any = {"properties": {k: v for k, v in kept.items() if v is not None}}
        web, group = self.platform.web.web_apps, self.platform.group
        if slot == "production":
            web.update_application_settings(group, APP, body)
        else:
            web.update_application_settings_slot(group, APP, slot, body)

    def writes(self) -> list[tuple[str, str]]:
        """Return what was changed in Azure since the start: operation and slot."""
        kinds = ("settings-put", "swap-started", "swap-reset", "restart", "site-put", "slot-put")
        return [(entry["operation"], entry["slot"]) for entry in self.platform.history(*kinds)]

    def swaps(self) -> int:
        """Return how many swaps the platform has begun."""
        return len(self.platform.history("swap-started"))

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


def make_repository(folder: Path) -> Repository:
    """Make an empty repository whose branch is main."""
    folder.mkdir(parents=True)
    repository = Repository(folder, git_environment(folder))
    repository.git("init", "-q", "-b", "main")
    return repository


@cache
def trained(version: str, seed: int) -> Built:
    """Train *version* once a process; every stage registers the same bytes."""
    return build_version(
        model=MODEL,
        version=version,
        data=load("iris"),
        estimator="logistic",
        seed=seed,
        commit=None,
        created=datetime(2026, 1, 1, tzinfo=UTC),
        progress=lambda _: None,
    )


def register(stage: Stage, *versions: str) -> dict[str, Release]:
    """Register *versions*, each trained from another seed, and return their releases."""
    registry = Registry(stage.platform.storage, stage.platform.credential)
    registry.ensure_containers()
    found = {}
    for seed, version in enumerate(versions, 1):
        built = trained(version, seed)
        manifest = registry.register(built.raw, built.artifact)
        found[version] = Release(MODEL, version, manifest.digest)
    return found


def serving_package() -> bytes:
    """Return the serving app as a package; its libraries are the platform's."""
    return package({path.name: path.read_text() for path in SERVING_FILES})


@contextmanager
def open_stage(folder: Path, *versions: str, auth: str = "anonymous") -> Iterator[Stage]:
    """Set a stage whose registry holds *versions* and whose two slots are empty."""
    with (
        start_platform(folder / "platform") as platform,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("REQUESTS_CA_BUNDLE", str(platform.facts["ca_bundle"]))
        stage = Stage(platform, make_repository(folder / "repository"), folder)
        register(stage, *versions)
        settings = {
            "FUNCTIONS_EXTENSION_VERSION": "~4",
            "MODEL_PREDICT_AUTH": auth,
            "WEBSITE_RUN_FROM_PACKAGE": platform.upload(serving_package()),
        }
        platform.create_app(APP, settings)
        until(lambda: stage.serves() == stage.serves("staging") == "none", "both slots are up")
        yield stage
