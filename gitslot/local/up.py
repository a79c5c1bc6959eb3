"""
`gitslot local up`: start a platform for one checkout and fill it.

Every step may be repeated. A platform that it started and could not fill is stopped again.
"""

import os
import shutil
import sys
import time
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from dulwich.repo import Repo as GitRepo

from gitslot.edges.file.read import desired
from gitslot.edges.git.source import GitSource
from gitslot.edges.gitslot_toml import watched
from gitslot.edges.installed import refuse_without_local
from gitslot.errors import DesiredError
from gitslot.local import azurite, first_models, process
from gitslot.local.command import (
    Place,
    Repo,
    interruptible,
    other_identities,
    place,
    read,
)
from gitslot.local.process import Facts
from gitslot.local.provision import CONTROLLER, Follow, Provisioner, set_latency, slots
from gitslot.state.wanted import App, Doubt

_NEXT = """\
status --watch
models                   what is registered
bump production VERSION  to release it: one commit
rollback                 to go back
logs                     what happened
local down               to stop"""


class Latency(StrEnum):
    """How long the platform takes over things."""

    FAST = "fast"
    ZERO = "zero"
    RECORDED = "recorded"


def up(
    latency: Annotated[
        Latency | None,
        typer.Option(
            help="How long Azure's operations take: fast (default) is a fortieth of the recorded "
            "times, recorded is as measured, zero is no wait."
        ),
    ] = None,
    repo: Repo = None,
    full: Annotated[
        bool,
        typer.Option("--full", help="Build packages with their libraries, as on Azure."),
    ] = False,
) -> int:
    """Start the platform on your checkout and follow its newest commit.

    It runs in the background until `gitslot local down`.
    """
    refuse_without_local()
    with interruptible():
        where = place(repo)
        with process.alone(where.folder):
            bring_up(where, latency, thin=not full)
    return 0


def bring_up(where: Place, latency: Latency | None, *, thin: bool) -> None:
    """
    Start the platform of *where* unless it is up, fill it, and print where everything is.

    Raises PlatformError, GitslotError for a file that cannot be used, or the errors of Azure's
    clients.
    """
    steps = Steps()
    file = watched(os.environ, where.start)
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
            facts = process.start(where.state, latency or Latency.FAST, azurite.script(steps))
        use(facts)
        if latency is not None and not mine:
            set_latency(facts, latency)
        urls = fill(facts, where.folder, follow, apps, steps, thin=thin)
        local = {
            "environment": {**facts.environment, **follow.settings(facts)},
            "pid": facts.pid,
            "urls": urls,
        }
        process.write_json(where.file, local)
    except BaseException:
        if mine:
            steps("stopping what was started", last=True)
            process.stop(where.state)
        raise
    steps("was up already; checked" if was_up else "up", last=True)
    _show(urls)


def fill(
    facts: Facts,
    folder: Path,
    follow: Follow,
    wanted: list[App],
    steps: "Steps",
    *,
    thin: bool = True,
) -> dict[str, Any]:
    """
    Add what the platform lacks: packages, the *wanted* apps, the controller.

    The first models are trained where an app asks for that model and has none yet. Returns the
    addresses of everything. Raises PlatformError, or the errors of Azure's clients.
    """
    fresh = Provisioner(facts, folder, steps)
    fresh.registry.ensure_containers()
    apps = [app.name for app in wanted]
    first = list(first_models.FIRST)
    asked = any(app.model == first_models.MODEL for app in wanted)
    if not asked or fresh.registry.versions(first_models.MODEL):
        first = []
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
    fresh.entitle(*apps)
    fresh.running(CONTROLLER, *apps)
    ports: dict[str, dict[str, str]] = {}
    for slot in slots(facts):
        ports.setdefault(slot["site"], {})[slot["slot"]] = slot["http"]
    return {
        "apps": {name: ports[name] for name in apps},
        "page": f"{ports[CONTROLLER]['production']}/?code={fresh.key()}",
        "arm": facts.arm,
        "storage": facts.storage,
        "admin": facts.admin,
    }


def wanted_apps(follow: Follow) -> list[App]:
    """Return the apps that the newest commit asks for. Raises GitslotError."""
    newest = GitSource(follow.repository, follow.ref, follow.file).newest()
    found = desired(newest.revision, newest.data)
    apps = []
    for app in [found] if isinstance(found, Doubt) else found.apps.values():
        if isinstance(app, Doubt):
            raise DesiredError(app.message, reason=app.reason)
        apps.append(app)
    return apps


def use(facts: Facts) -> None:
    """Make Azure's clients in this process talk to the platform of *facts* and no other."""
    for name in other_identities():
        del os.environ[name]
    os.environ.update(facts.environment)
    for name in process.NO_PROXY:
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), process.LOOPBACK]))


def _branch(checkout: Path) -> str:
    """Return the branch that is checked out; HEAD where none is."""
    with GitRepo(str(checkout)) as repo:
        names, _ = repo.refs.follow(b"HEAD")  # type: ignore[arg-type]
    prefix = b"refs/heads/"
    return names[-1].removeprefix(prefix).decode() if names[-1].startswith(prefix) else "HEAD"


def _show(urls: Mapping[str, Any]) -> None:
    for app, ports in urls["apps"].items():
        print(f"{app}")
        for slot, url in ports.items():
            print(f"  {slot:<11} {url}/api/health")
    print(f"\nWhat the controller sees: {urls['page']}\n\nNext:")
    for line in _NEXT.splitlines():
        print(f"  {_program()} {line}")


def _program() -> str:
    """Return what runs this gitslot in the shell around here."""
    own = Path(sys.executable).with_name("gitslot")
    if shutil.which("gitslot") == str(own) or not own.exists():
        return "gitslot"
    return str(own.relative_to(Path.cwd()) if own.is_relative_to(Path.cwd()) else own)


class Steps:
    """Prints each step as it begins, with the seconds since then; a terminal has one line."""

    def __init__(self) -> None:
        self._began, self._live = time.monotonic(), sys.stderr.isatty()

    def __call__(self, text: str, *, last: bool = False) -> None:
        """Print *text*, which stays where it is the *last*."""
        line = f"{time.monotonic() - self._began:5.1f}s  {text}"
        if self._live:
            line = f"\r\x1b[K{line[: shutil.get_terminal_size().columns - 1]}"
        print(line, end="" if self._live and not last else "\n", file=sys.stderr, flush=True)
