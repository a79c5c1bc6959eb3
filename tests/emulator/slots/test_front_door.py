"""A slot's port: every request is answered, by the process that holds the slot."""

import asyncio
import gzip
import itertools
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

import aiohttp
import pytest
import requests
from aiohttp.test_utils import make_mocked_request

from emulator.assumptions import Assumed
from emulator.seen.faults import Faults
from emulator.slots.front_door import FrontDoor
from emulator.slots.state import Keys, Slot
from emulator.slots.workers import Worker
from tests.emulator.app_under_test import App
from tests.platform import package, until

CONNECTIONS = 16


class Load:
    """Keep-alive connections that ask one slot again and again, half of them with a body."""

    def __init__(self, url: str, connections: int = CONNECTIONS, pause_s: float = 0.02) -> None:
        self.url = url
        self.connections = connections
        self.pause_s = pause_s
        self.statuses: Counter[int | str] = Counter()
        self.versions: list[list[str]] = []
        self.done = asyncio.Event()

    async def run(self) -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            await asyncio.gather(*(self._ask(session, n) for n in range(self.connections)))

    async def _ask(self, session: aiohttp.ClientSession, number: int) -> None:
        seen: list[str] = []
        self.versions.append(seen)
        while not self.done.is_set():
            try:
                request = (
                    session.post(f"{self.url}/api/echo", data=b"x" * 2000)
                    if number % 2
                    else session.get(f"{self.url}/api/health")
                )
                async with request as answer:
                    await answer.read()
                    self.statuses[answer.status] += 1
                    seen.append(answer.headers.get("x-model-version", "none"))
            except aiohttp.ClientError as error:
                self.statuses[repr(error)] += 1
            await asyncio.sleep(self.pause_s)


def under_load(
    url: str, act: Callable[[], None], connections: int = CONNECTIONS, pause_s: float = 0.02
) -> Load:
    """Do *act* in a thread while the load runs; return what the load saw."""

    async def both() -> Load:
        load = Load(url, connections, pause_s)
        running = asyncio.create_task(load.run())
        await asyncio.sleep(0.3)
        try:
            await asyncio.to_thread(act)
            await asyncio.sleep(0.5)
        finally:
            load.done.set()
            await running
        return load

    return asyncio.run(both())


def monotone(versions: list[str]) -> bool:
    """Tell whether the versions change at most once."""
    return sum(a != b for a, b in itertools.pairwise(versions)) <= 1


def test_nothing_fails_in_a_swap(app: App) -> None:
    """Under load a swap loses no request, and each connection sees the versions change once."""
    app.deploy("2")
    load = under_load(app.url("production"), app.swap)
    assert set(load.statuses) == {200}
    assert all(monotone(seen) for seen in load.versions)
    assert {seen[-1] for seen in load.versions} == {"2"}


def test_nothing_fails_in_restarts(app: App) -> None:
    """Under load restarts and settings changes of the same slot lose no request."""

    def act() -> None:
        for number in range(3):
            app.set("production", {"MODEL_VERSION": f"r{number}"})
            app.wait_serves("production", f"r{number}")
        app.web.restart(app.group, app.name)

    load = under_load(app.url("production"), act)
    assert set(load.statuses) == {200}


@pytest.mark.long
def test_nothing_fails_in_twenty_swaps_and_twenty_restarts(app: App) -> None:
    """64 connections, 20 swaps, 20 restarts: every request is answered, and answered well."""

    def act() -> None:
        for _ in range(20):
            app.swap()
            app.web.restart(app.group, app.name)

    load = under_load(app.url("production"), act, connections=64, pause_s=0.2)
    assert set(load.statuses) == {200}
    assert load.statuses.total() > 64 * 20
    assert len(app.history("swap-finished")) == 20


def test_old_process_finishes_what_it_has(app: App) -> None:
    """A request in flight when the slot restarts is answered by the process that had it."""

    async def both() -> tuple[str, str | None]:
        async with aiohttp.ClientSession() as session:
            slow = asyncio.create_task(session.get(f"{url}/api/slow?s=1.5"))
            await asyncio.sleep(0.2)
            await asyncio.to_thread(app.deploy, "2")
            now = await asyncio.to_thread(app.serves, "staging")
            return (await (await slow).json(content_type=None))["version"], now

    url = app.url("staging")
    assert asyncio.run(both()) == ("1", "2")


def test_second_change_wins(app: App) -> None:
    """Two settings changes in a row end with the second, whichever process was quicker."""
    app.set("staging", {"MODEL_VERSION": "2"})
    app.set("staging", {"MODEL_VERSION": "3"})
    app.wait_serves("staging", "3")
    assert app.platform.slots()[app.name, "staging"]["state"] == "Running"


def test_crashed_process_comes_back(app: App) -> None:
    """A process that dies is started again, and the history tells."""
    assert app.get("staging", "/api/crash").status_code == 502
    app.wait_serves("staging", "1")
    assert [e["slot"] for e in app.history("process-crashed")] == ["staging"]


def test_slot_that_cannot_start_answers_503(app: App) -> None:
    """A process that cannot start leaves 503 from the front, and the log says why."""
    app.set("staging", {"CRASH_AT_START": "1"})
    answer = until(
        lambda: [a for a in [app.get("staging")] if a.status_code != 200], "staging fails"
    )
    assert (answer[0].status_code, answer[0].text) == (503, "Function host is not running.")
    (failed,) = app.history("process-failed")[:1]
    assert failed["detail"] == "process ended with code 3"
    assert app.serves("production") == "1"
    app.set("staging", {"CRASH_AT_START": None})
    app.wait_serves("staging", "1")


class Hanging:
    """A process that never answers."""

    connections = property(lambda self: self)

    def enter(self) -> None: ...
    def leave(self) -> None: ...
    async def ask(self, *_: object) -> None:
        await asyncio.Event().wait()


@pytest.mark.parametrize(("host", "status"), [(None, 503), (Hanging(), 504)])
def test_a_request_does_not_wait_for_ever(host: Hanging | None, status: int) -> None:
    """One that finds only a starting process gets 503, one that the process leaves alone 504."""

    async def ask() -> int:
        worker = Worker(cast("Any", None), lambda *_: None, Assumed())
        worker.serving = cast("Any", host)
        slot = Slot("Production", "d", {}, Keys("m", "f"), "", "", 1, 2, 0.0)
        door = FrontDoor("app", "p", lambda _: (slot, worker), Faults(), answer_s=0.1, ready_s=0.01)
        return (await door._answer(make_mocked_request("GET", "/"))).status

    assert asyncio.run(ask()) == status


def test_missing_package_answers_503(app: App) -> None:
    """A package that storage does not have keeps the slot from starting."""
    url = f"{app.platform.storage}/code/nowhere.zip"
    app.set("staging", {"WEBSITE_RUN_FROM_PACKAGE": url})
    until(lambda: app.get("staging").status_code == 503, "staging fails")
    assert app.history("process-failed")[0]["detail"] == "package answers 404"


def test_package_stays_in_its_folder(app: App) -> None:
    """A package with a path outside itself is not unpacked."""
    url = app.platform.upload(package({"../evil.py": "x"}))
    app.set("staging", {"WEBSITE_RUN_FROM_PACKAGE": url})
    until(lambda: app.history("process-failed"), "staging fails")
    assert app.history("process-failed")[0]["detail"] == "package has a path outside itself"


def test_package_is_read_only(app: App) -> None:
    """Nobody may write where the code is, but for what Python compiles."""
    digest = app.settings("production")["WEBSITE_RUN_FROM_PACKAGE"].split("/")[-1]
    code = app.platform.state / "packages" / digest.removesuffix(".zip")
    found = [code, *code.rglob("*")]
    kept = [path for path in found if "__pycache__" not in path.parts]
    assert len(kept) == 4
    assert not [path for path in kept if path.stat().st_mode & 0o222]
    assert (code / "__pycache__").stat().st_mode & 0o700 == 0o700


def test_both_ports_reach_the_slot(app: App) -> None:
    """defaultHostName is the TLS port; the plain one answers the same."""
    host = app.site("production")["properties"]["defaultHostName"]
    secure = requests.get(f"https://{host}/api/health", verify=app.platform.ca, timeout=30)
    assert secure.json() == app.get("production").json()


def test_request_arrives_whole(app: App) -> None:
    """Path, query, body and headers pass; hop-by-hop and forged front headers do not."""
    hop = {"Connection": "keep-alive, X-Hop", "X-Hop": "dropped"}
    body = gzip.compress(b"y" * 300_000, compresslevel=0)
    answer = requests.post(
        f"{app.url('production')}/api/echo?a=1%202&b",
        data=body,
        headers={**hop, "X-Own": "kept", "X-Forwarded-Proto": "https", "Content-Encoding": "gzip"},
        timeout=30,
    )
    seen = answer.json()
    assert seen["size"] == len(body) > 300_000
    assert (seen["headers"]["x-own"], seen["headers"]["content-encoding"]) == ("kept", "gzip")
    assert "x-hop" not in seen["headers"]
    assert seen["headers"]["x-forwarded-proto"] == "http"
    assert "a=1%202" in seen["url"]


def test_foreign_host_cannot_be_reached(app: App) -> None:
    """A path that looks like another host's address stays on the slot."""
    answer = app.get("production", "//127.0.0.1:1/api/health")
    assert answer.status_code == 404


def test_host_status_wants_the_master_key(app: App) -> None:
    """From outside /admin is closed without the slot's master key, and open with it."""
    assert app.get("production", "/admin/host/status").status_code == 401
    keys = app.web.list_host_keys(app.group, app.name)
    headers = {"x-functions-key": keys.master_key}
    status = app.get("production", "/admin/host/status", headers=headers)
    assert status.json()["state"] == "Running"


def test_keys_stay_with_the_slot(app: App) -> None:
    """After a swap production's key opens production, whose process came from staging."""
    key = app.web.list_host_keys(app.group, app.name).function_keys["default"]
    headers = {"x-functions-key": key}
    assert app.get("production", "/api/keyed").status_code == 401
    assert app.get("production", "/api/keyed", headers=headers).status_code == 200
    app.swap()
    assert app.get("production", "/api/keyed", headers=headers).status_code == 200
    assert app.web.list_host_keys(app.group, app.name).function_keys["default"] == key


def test_environment_is_the_slots_alone(app: App) -> None:
    """A process sees its settings and what Azure gives it, nothing of the emulator's own."""
    seen = app.get("staging", "/api/environment").json()
    assert seen["WEBSITE_SITE_NAME"] == app.name
    assert seen["WEBSITE_SLOT_NAME"] == "staging"
    assert seen["WEBSITE_HOSTNAME"] == app.site("staging")["properties"]["defaultHostName"]
    assert seen["MODEL_VERSION"] == seen["APPSETTING_MODEL_VERSION"] == "1"
    assert seen["REQUESTS_CA_BUNDLE"] == app.platform.facts["ca_bundle"]
    assert not {name for name in seen if name.startswith(("VIRTUAL_ENV", "PYTEST", "AZURITE"))}


def test_swap_adds_little_to_the_workers_start(app: App) -> None:
    """Without waits the flip comes at once after the new process answers."""
    app.swap()
    entries = app.history("process-started", "swap-flipped")
    flipped = next(i for i, e in enumerate(entries) if e["operation"] == "swap-flipped")
    assert entries[flipped - 1]["operation"] == "process-started"
    assert time.strptime(entries[flipped]["time"], "%Y-%m-%dT%H:%M:%S.%fZ")
