"""The platform ends clean, and comes back as it was."""

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from emulator.machine.children import Children, portrait
from emulator.machine.disk import read_json, write_json
from emulator.machine.storage import command
from tests.emulator.app_under_test import App
from tests.emulator.apps import PROBE
from tests.emulator.login.test_user_identities import ask, assign, create
from tests.platform import ROOT, Platform, package, start_platform, until


def children(platform: Platform) -> list[int]:
    return [child["pid"] for child in read_json(platform.state / "children.json")]


def running(pid: int) -> bool:
    return portrait(pid) is not None


def with_app(platform: Platform) -> App:
    url = platform.upload(package(PROBE))
    platform.create_app("app", {"WEBSITE_RUN_FROM_PACKAGE": url, "MODEL_VERSION": "1"})
    app = App(platform, "app")
    app.stick("RING")
    identity = create(platform, "kept")["id"]
    assign(platform, "app", "staging", "SystemAssigned, UserAssigned", identity)
    app.deploy("2")
    app.wait_serves("production", "1")
    # Azurite writes down what it holds each 5 s; what it has not is lost with kill -9.
    database = platform.state / "azurite" / "__azurite_db_blob__.json"
    name = url.rpartition("/")[2]
    until(lambda: database.exists() and name in database.read_text(), "the package is on disk")
    return app


def facts(app: App) -> list[object]:
    """Return what must survive: identities, addresses, settings, markers, keys, what is served."""
    slots = app.platform.slots()
    client = create(app.platform, "kept")["properties"]["clientId"]
    sides = ("production", "staging")
    return [
        [ask(app.platform, "app", side, client_id=client).status_code for side in sides],
        app.platform.facts["arm"],
        app.platform.facts["storage"],
        {key: (slot["https"], slot["http"]) for key, slot in slots.items()},
        [app.settings(slot) for slot in ("production", "staging")],
        [app.content(slot) for slot in ("production", "staging")],
        app.web.list_host_keys(app.group, "app").master_key,
        [app.serves(slot) for slot in ("production", "staging")],
        app.web.list_slot_configuration_names(app.group, "app").properties.app_setting_names,
        [e["seq"] for e in app.platform.history("site-put", "slot-put", "settings-put")],
    ]


def test_killed_platform_comes_back_as_it_was(tmp_path: Path) -> None:
    """After kill -9: no orphan; then same addresses, sites, keys, settings, content and history."""
    with start_platform(tmp_path / "state") as first:
        before = facts(with_app(first))
        started = children(first)
        assert len(started) >= 3  # Azurite and two slots
        first.kill()
    until(lambda: not [pid for pid in started if running(pid)], "every child ends", 20)
    with start_platform(tmp_path / "state") as second:
        app = App(second, "app")
        app.wait_serves("production", "1")
        app.wait_serves("staging", "2")
        assert facts(app) == before
        assert second.bearer()
        again = children(second)
    until(lambda: not [pid for pid in again if running(pid)], "every child ends", 10)


def test_killed_in_a_swap_puts_back(tmp_path: Path) -> None:
    """Killed before the flip, the swap has failed: settings put back, the poll says so."""
    with start_platform(tmp_path / "state") as first:
        app = with_app(first)
        app.set("production", {"RING": "users"})
        first.admin_put("/latency", {"name": "zero", "swap_flip_s": 60, "swap_end_s": 60})
        poller = app.begin_swap()
        until(lambda: app.settings("staging").get("RING") == "users", "the swap has begun")
        location = poller.polling_method()._initial_response.http_response.headers["Location"]
        first.kill()
    with start_platform(tmp_path / "state") as second:
        app = App(second, "app")
        assert "RING" not in app.settings("staging")
        assert app.content("production") == "app"
        assert app.site("production")["properties"]["inProgressOperationId"] is None
        answer = second.ask("GET", location)
        assert (answer.status_code, answer.json()["Code"]) == (500, "InternalServerError")
        app.reset()
        app.swap()
        app.wait_serves("production", "2")


@pytest.mark.parametrize(("failures", "ready"), [(1, True), (3, False)])
def test_azurite_that_ends_at_once_is_started_again(
    tmp_path: Path, failures: int, ready: bool
) -> None:
    """A port that is taken for a moment costs a second; an error that stays is shown."""
    script = tmp_path / "azurite"
    node = shlex.join(command(None, ROOT))
    script.write_text(
        f'#!/bin/sh\necho >> "{tmp_path}/tries"\n'
        f'[ "$(wc -l < "{tmp_path}/tries")" -gt {failures} ] && exec {node} "$@"\n'
        "echo port is taken; exit 1\n"
    )
    script.chmod(0o755)
    state = tmp_path / "state"
    if ready:
        with start_platform(state, azurite=script) as platform:
            assert platform.upload(b"kept")
    else:
        with pytest.raises(RuntimeError, match="azurite ended: port is taken; see logs/azurite"):
            start_platform(state, azurite=script)


def test_one_platform_a_folder_that_leaves_nothing(tmp_path: Path) -> None:
    """A second emulator is refused; SIGTERM ends every process; secrets are the owner's alone."""
    with start_platform(tmp_path / "state") as first:
        started, facts_file = children(first), first.state / "platform.json"
        kept = facts_file.read_text()
        with pytest.raises(RuntimeError, match="an emulator already runs"):
            start_platform(first.state, keep=True)
        assert facts_file.read_text() == kept
        assert first.admin_get("/slots") == []
        for name in ("seed.json", "server.key", "platform.json"):
            assert (first.state / name).stat().st_mode & 0o077 == 0
    assert not facts_file.exists()
    assert first.process.returncode == 0
    assert not [pid for pid in started if running(pid)]


def test_leftovers_are_told_from_strangers(tmp_path: Path) -> None:
    """A pid that meanwhile is somebody else's process is left alone."""
    stranger = f'[{{"pid": {os.getpid()}, "portrait": "an earlier process"}}]'
    (tmp_path / "children.json").write_text(stranger)
    assert Children(tmp_path / "children.json").end_leftovers() == []


def test_leftovers_are_ended(tmp_path: Path) -> None:
    """A process that is still the one that was written down is ended."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as left:
        write_json(tmp_path / "children.json", [{"pid": left.pid, "portrait": portrait(left.pid)}])
        assert Children(tmp_path / "children.json", 0.1).end_leftovers() == [left.pid]
        assert left.wait(5) == -signal.SIGTERM
