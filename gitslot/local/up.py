"""
What `gitslot local up` does: a platform for one checkout, filled and followed.

Every step may be repeated; what this started and could not finish, it takes back.
"""

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitslot.edges import settings
from gitslot.errors import DesiredError
from gitslot.local import first_models, process
from gitslot.local.process import Facts, PlatformError
from gitslot.state.wanted import Desired, Doubt

if TYPE_CHECKING:
    from gitslot.local.provision import Follow

FOLDER = ".gitslot"


class Latency(StrEnum):
    """How long the platform takes over things."""

    FAST = "fast"
    ZERO = "zero"
    RECORDED = "recorded"


@dataclass(frozen=True, slots=True)
class Place:
    """A checkout and what `gitslot local` keeps for it."""

    checkout: Path

    @property
    def folder(self) -> Path:
        """Return the folder that holds all of it."""
        return self.checkout / FOLDER

    @property
    def state(self) -> Path:
        """Return the platform's own folder."""
        return self.folder / "platform"

    @property
    def file(self) -> Path:
        """Return the file in which other commands find the platform."""
        return self.folder / "local.json"


def place(repo: Path | None) -> Place:
    """Return the place of *repo*, or of the checkout that one is in. Raises PlatformError."""
    from gitslot.edges.git.source import local_repository  # noqa: PLC0415 - slow import

    start = (repo or Path.cwd()).resolve()
    checkout = local_repository(start)
    if checkout is None:
        raise PlatformError(
            f"{start} is not in a Git checkout; go into one, or name it with --repo"
        )
    return Place(checkout)


def read(where: Place) -> dict[str, Any] | None:
    """Return what local.json says of the platform that is up at *where*, or None."""
    facts = process.find(where.state)
    try:
        said: dict[str, Any] = json.loads(where.file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return said if facts is not None and facts.pid == said.get("pid") else None


def bring_up(where: Place, latency: Latency | None, *, thin: bool) -> None:
    """
    Start the platform of *where* unless it is up, fill it, and say where everything is.

    Raises PlatformError, GitslotError where the file is not fit, or what Azure's clients raise.
    """
    from gitslot.local.provision import Follow  # noqa: PLC0415 - slow import

    steps = Steps()
    file = os.environ.get("GITSLOT_FILE", "").strip() or settings.FILE
    follow = Follow(str(where.checkout), _branch(where.checkout), file)
    apps = wanted_apps(follow)
    (where.folder / ".gitignore").write_text("*\n", encoding="utf-8")
    facts = process.find(where.state)
    was_up = facts is not None and read(where) is not None
    mine = facts is None
    try:
        if facts is None:
            where.file.unlink(missing_ok=True)
            steps("starting storage, ARM and identity")
            facts = process.start(where.state, latency or Latency.FAST)
        use(facts)
        if latency is not None and not mine:
            process.set_latency(facts, latency)
        urls = fill(facts, where.folder, follow, apps, steps, thin=thin)
        local = {
            "environment": {**facts.environment, **follow.settings(facts)},
            "pid": facts.pid,
            "urls": urls,
        }
        process.write_json(where.file, local)
    except BaseException:
        if mine:
            steps("stopping what was started")
            process.stop(where.state)
        raise
    steps("was up already; checked" if was_up else "up")
    _show(where, follow, urls)


def fill(
    facts: Facts,
    folder: Path,
    follow: "Follow",
    apps: list[str],
    steps: "Steps",
    *,
    thin: bool = True,
) -> dict[str, Any]:
    """
    Put on the platform what is missing: packages, first models, *apps*, the controller.

    Returns the addresses of everything. Raises PlatformError, or what Azure's clients raise.
    """
    from gitslot.local.provision import CONTROLLER, Provisioner, slots  # noqa: PLC0415

    fresh = Provisioner(facts, folder, steps)
    fresh.registry.ensure_containers()
    first = [] if fresh.registry.versions(first_models.MODEL) else list(first_models.FIRST)
    for version, estimator in first:
        steps(f"training {first_models.MODEL} {version} ({estimator})")
    under_way = first_models.begin(first, facts.storage, folder)
    try:
        steps("registering the code of the serving app and of the controller")
        serving = fresh.package("serving_app", thin=thin)
        code = fresh.package("controller", thin=thin)
        for app in apps:
            steps(f"{app}: production and staging")
            fresh.app(app, serving)
        for training_ in under_way:
            steps(training_.finish())
    finally:
        for training_ in under_way:
            training_.stop()
    steps(f"{CONTROLLER}: follows {follow.ref} of {follow.repository}")
    fresh.controller(code, follow)
    fresh.running(CONTROLLER, *apps)
    ports: dict[str, dict[str, str]] = {}
    for slot in slots(facts):
        ports.setdefault(slot["site"], {})[slot["slot"]] = slot["http"]
    return {
        "apps": {name: ports[name] for name in apps},
        "controller": ports[CONTROLLER]["production"],
        "arm": facts.arm,
        "storage": facts.storage,
        "admin": facts.admin,
    }


def wanted_apps(follow: "Follow") -> list[str]:
    """Return the apps that the newest commit asks for. Raises GitslotError."""
    from gitslot.edges.file.read import desired  # noqa: PLC0415 - slow import
    from gitslot.edges.git.source import GitSource  # noqa: PLC0415

    newest = GitSource(follow.repository, follow.ref, follow.file).newest()
    found = desired(newest.revision, newest.data)
    for doubt in [found] if isinstance(found, Doubt) else found.apps.values():
        if isinstance(doubt, Doubt):
            raise DesiredError(doubt.message, reason=doubt.reason)
    assert isinstance(found, Desired)
    return list(found.apps)


def use(facts: Facts) -> None:
    """Make Azure's clients in this process talk to the platform of *facts* and no other."""
    for name in strangers():
        del os.environ[name]
    os.environ.update(facts.environment)
    for name in process.NO_PROXY:
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), process.LOOPBACK]))


def strangers() -> set[str]:
    """Name the variables that would have Azure's clients use another identity."""
    known = ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID", "AZURE_USERNAME")
    return {name for name in known if name in os.environ}


def _branch(checkout: Path) -> str:
    """Return the branch that is checked out; HEAD where none is."""
    from dulwich.repo import Repo as GitRepo  # noqa: PLC0415 - slow import

    with GitRepo(str(checkout)) as repo:
        names, _ = repo.refs.follow(b"HEAD")  # type: ignore[arg-type]
    prefix = b"refs/heads/"
    return names[-1].removeprefix(prefix).decode() if names[-1].startswith(prefix) else "HEAD"


def _show(where: Place, follow: "Follow", urls: Mapping[str, Any]) -> None:
    for app, ports in urls["apps"].items():
        print(f"{app}")
        for slot, url in ports.items():
            print(f"  {slot:<11} {url}/api/health")
    print(f"""
Next:
  gitslot status --watch
  edit {follow.file}, for instance production: 1.5.0, then git commit -am "bump iris to 1.5.0"
  git revert --no-edit HEAD     to go back
  gitslot logs                  what happened
  gitslot local down            to stop""")


class Steps:
    """Tells what is being done, with the seconds since the beginning."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, text: str) -> None:
        """Say *text*."""
        say(f"{time.monotonic() - self._began:5.1f}s  {text}")


def say(text: str) -> None:
    """Print *text* for people, on stderr."""
    print(text, file=sys.stderr, flush=True)
