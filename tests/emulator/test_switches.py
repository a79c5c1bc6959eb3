"""Limits, transitions, stale reads and what people have reported of Azure, on demand."""

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import requests

from emulator.arm.calls import RefusalError
from emulator.arm.limits import Limits
from emulator.arm.spoiling import DroppedError, Spoiler
from emulator.login.rights import OWNER, Assignment
from emulator.seen.faults import REPORTED, Faults, parse
from emulator.slots.connection import LostError, Reply
from reliability.cloud import Cloud, token
from reliability.processes import ModelHost
from tests.emulator.app_under_test import App, refused
from tests.platform import Platform, until

SITE = (
    "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/group"
    "/providers/Microsoft.Web/sites/app"
)


@pytest.fixture
def app(app: App) -> Iterator[App]:
    """Put every switch back."""
    yield app
    app.platform.admin_put("/limits", "generous")
    app.platform.admin_put("/transitions", {"mode": "timed"})
    app.platform.admin_put("/assumptions", {"restart-overlap": True})


# ------------------------------------------------------------ rate limits


def test_bucket_empties_and_fills_again() -> None:
    """Documented: 200 writes at once, then 10 a second, for each principal."""
    now = [0.0]
    limits = Limits(lambda: now[0], "sub")
    limits.use("documented")
    prefix = "x-ms-ratelimit-remaining-subscription"
    left = [limits.take("writes", "one")[f"{prefix}-writes"] for _ in range(200)]
    assert (left[0], left[-1]) == ("199", "0")
    with pytest.raises(RefusalError) as caught:
        limits.take("writes", "one")
    answer = caught.value.answer
    assert (answer.status, answer.headers["retry-after"]) == (429, "1")
    assert answer.body["error"]["code"] == "SubscriptionRequestsThrottled"
    assert limits.take("writes", "two")[f"{prefix}-writes"] == "199"
    assert limits.take("reads", "one")[f"{prefix}-reads"] == "249"
    assert limits.take("reads", "one")[f"{prefix}-global-reads"] == "3748"
    now[0] = 0.5
    for _ in range(5):
        limits.take("writes", "one")
    with pytest.raises(RefusalError):
        limits.take("writes", "one")


def test_client_over_its_limit_is_told_to_wait(app: App) -> None:
    """429 with Retry-After in ARM's words; the call has had no effect; settings have a bucket."""
    app.platform.admin_put(
        "/limits", {"name": "documented", "writes": {"holds": 1, "refill": 0.05}}
    )
    app.web.restart_slot(app.group, app.name, "staging")
    where = (app.group, app.name, "staging")
    answer = refused(lambda: app.web.restart_slot(*where, retry_total=0))
    assert answer.status_code == 429
    assert 15 <= int(answer.headers["Retry-After"]) <= 20
    assert answer.json()["error"]["code"] == "SubscriptionRequestsThrottled"
    assert "Number of 'write' requests for subscription" in answer.json()["error"]["message"]
    assert len(app.history("restart")) == 1
    assert app.settings("staging")["MODEL_VERSION"] == "1"


def test_generous_is_the_default_and_refuses_nobody() -> None:
    """Without a switch the headers are there and no call is refused."""
    limits = Limits(lambda: 0.0, "sub")
    found = [limits.take("writes", "one") for _ in range(1000)]
    assert found[-1]["x-ms-ratelimit-remaining-subscription-writes"] == "799"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/limits", "endless"),
        ("/limits", {"name": "documented", "write": {"holds": 1, "refill": 1}}),
        ("/limits", {"writes": {"holds": 1}}),
        ("/transitions", {"mode": "later"}),
        ("/transitions", {"mode": "timed", "overlap": False}),
        ("/assumptions", {"swap-visble": False}),
        ("/assumptions", {"swap-visible": "no"}),
        ("/faults", [{"operation": "slotswap"}]),
        ("/faults", [{"reported": "ping-418"}]),
        ("/faults", [{"operation": "site-get", "delay_s": "1"}]),
        ("/faults", [{"operation": "site-get", "times": -1}]),
        ("/faults", [{"operation": "slotsswap", "tims": 1}]),
        ("/faults", [{"when": "after"}]),
        ("/faults", [{"operation": "front", "when": "after"}]),
        ("/faults", [{"operation": "kudu", "hold": True}]),
        ("/faults", [{"operation": "token", "site": "app"}]),
        ("/faults", [{"operation": "swap-ping", "status": 500}]),
        ("/latency", "slow"),
        ("/latency", {"swap_s": 3}),
        ("/latency", {"call_s": -1}),
    ],
)
def test_switches_refuse_nonsense(platform: Platform, path: str, value: object) -> None:
    """A switch with a typo is refused by name, never taken for nothing."""
    answer = requests.put(f"{platform.admin}{path}", json=value, timeout=30)
    assert (answer.status_code, bool(answer.json()["message"])) == (400, True)


# ------------------------------------------------------------ transitions


def test_swap_waits_for_a_hand(app: App) -> None:
    """Manual: nothing flips, ends or takes over until it is let go, one step at a time."""
    platform = app.platform
    app.deploy("2")
    platform.admin_put("/transitions", {"mode": "manual"})
    poller = app.begin_swap()

    def waiting() -> list[str]:
        shown = platform.admin_get("/transitions")
        return [one["what"] for one in shown["waiting"] if one["site"] == app.name]

    def go(what: str) -> None:
        body = {"site": app.name, "what": what}
        answer = requests.post(f"{platform.admin}/transitions/advance", json=body, timeout=30)
        answer.raise_for_status()

    until(lambda: waiting() == ["swap-flip"], "the swap is ready to flip")
    assert (app.serves("production"), poller.done()) == ("1", False)
    go("swap-flip")
    until(lambda: waiting() == ["swap-end"], "the swap has flipped")
    assert app.serves("production") == "2"
    assert app.site("production")["properties"]["inProgressOperationId"] is not None
    go("swap-end")
    poller.result()
    app.set("staging", {"MODEL_VERSION": "3"})
    until(lambda: waiting() == ["restart"], "the new process is ready")
    assert app.serves("staging") == "1"
    go("restart")
    app.wait_serves("staging", "3")
    nothing = requests.post(f"{platform.admin}/transitions/advance", json={}, timeout=30)
    assert nothing.status_code == 400


def test_immediate_waits_for_nothing(app: App) -> None:
    """Immediate: no profile's wait counts, only what the processes need."""
    platform = app.platform
    platform.admin_put("/latency", {"name": "zero", "swap_flip_s": 60, "swap_end_s": 90})
    platform.admin_put("/transitions", {"mode": "immediate"})
    try:
        began = time.monotonic()
        app.swap()
        assert time.monotonic() - began < 55
    finally:
        platform.admin_put("/latency", "zero")


def test_restarts_that_do_not_overlap(app: App) -> None:
    """Without overlap the old process goes first; a request meanwhile waits for the new one."""
    app.platform.admin_put("/transitions", {"mode": "manual"})
    app.platform.admin_put("/assumptions", {"restart-overlap": False})
    app.set("staging", {"MODEL_VERSION": "2"})
    until(
        lambda: app.platform.slots()[app.name, "staging"]["pid"] is None, "the old process is gone"
    )
    with pytest.raises(requests.Timeout):
        requests.get(f"{app.url('staging')}/api/health", timeout=0.5)
    app.platform.admin_put("/transitions", {"mode": "timed"})
    app.wait_serves("staging", "2")


# ------------------------------------------------------------ faults


def test_reported_failures_have_names(app: App) -> None:
    """Each is taken by its name, shown with what it does, and some of it may be changed."""
    rules = [{"reported": name, "site": app.name, "times": 0} for name in REPORTED]
    app.platform.faults(*rules)
    shown = app.platform.admin_get("/faults")
    assert [rule["reported"] for rule in shown] == list(REPORTED)
    assert {rule["times"] for rule in shown} == {0}


def test_restart_loop_ends_with_a_restart(app: App) -> None:
    """After the swap production's process dies on and on, until somebody restarts it."""
    app.platform.faults({"reported": "restart-loop"})
    app.swap()
    until(lambda: len(app.history("process-crashed")) >= 2, "it dies again")
    app.web.restart(app.group, app.name)
    until(lambda: app.serves("production") == "1", "it stays")
    crashed = len(app.history("process-crashed"))
    time.sleep(1)
    assert (app.serves("production"), len(app.history("process-crashed"))) == ("1", crashed)


def test_what_people_reported_after_a_swap(app: App) -> None:
    """503 from production for a while, and other keys in both slots, although it succeeded."""
    before = app.web.list_host_keys(app.group, app.name).master_key
    app.platform.faults({"reported": "keys-changed"}, {"reported": "front-503", "delay_s": 1.0})
    app.swap()
    until(lambda: app.get("production").status_code == 503, "production fails", 5)
    app.wait_serves("production", "1")
    assert app.web.list_host_keys(app.group, app.name).master_key != before


# ------------------------------------------------------------ in process


def ask(spoiler: Spoiler, method: str, rest: str, body: bytes = b"") -> Any:
    headers = {"authorization": f"Bearer {token('tester')}"}
    query = {"api-version": "2025-05-01"}
    spoiler.gateway.azure.store.rights.assignments["tester"] = Assignment(
        "tester", "principal-tester", OWNER, spoiler.gateway.azure.scope, 0.0
    )
    return asyncio.run(spoiler.answer(method, f"{SITE}{rest}", query, headers, body))


def in_process(cloud: Cloud, *rules: Mapping[str, Any]) -> Spoiler:
    async def ended(_operation: str) -> None:
        return None

    faults = Faults()
    faults.rules = parse(list(rules), ("site-get", "appsettings-list"))
    return Spoiler(cloud.gateway, faults, ended)


def test_the_switchboard_works_without_sockets() -> None:
    """The same rules spoil calls in this process: a status, a drop, a delay, then nothing."""
    cloud = Cloud()
    cloud.build({"MODEL_VERSION": "1"}, {"MODEL_VERSION": "1"})
    spoiler = in_process(
        cloud,
        {"operation": "site-get", "status": 503, "code": "ServerBusy"},
        {"operation": "site-get", "status": 429, "retry_after_s": 17},
        {"operation": "site-get", "drop": True, "when": "after"},
    )
    first = ask(spoiler, "GET", "")
    assert (first.status, first.body["error"]["code"]) == (503, "ServerBusy")
    throttled = ask(spoiler, "GET", "")
    assert (throttled.status, throttled.headers["retry-after"]) == (429, "17")
    assert "try again after '17' seconds" in throttled.body["error"]["message"]
    with pytest.raises(DroppedError):
        ask(spoiler, "GET", "")
    assert json.loads(json.dumps(ask(spoiler, "GET", "").body))["name"] == "app"
    cloud.end()


def test_stale_reads_show_what_was() -> None:
    """A read that is stale by so much shows the site as it was then; a write is never stale."""
    cloud = Cloud()
    cloud.world.store.now = cloud.world.now
    cloud.build({"V": "1"}, {"V": "1"})
    for version in ("2", "3"):
        cloud.wait(100)
        cloud.change("production", V=version)
    cloud.wait(10)
    stale = {"operation": "appsettings-list", "times": 1}
    spoiler = in_process(cloud, *({**stale, "stale_s": s} for s in (5, 50, 150)))
    seen = [
        ask(spoiler, "POST", "/config/appsettings/list").body["properties"]["V"] for _ in range(4)
    ]
    assert seen == ["3", "2", "1", "3"]
    cloud.end()


@pytest.mark.parametrize(
    ("answers", "ends"), [((503,), "swap-failed"), ((None, None, 200), "swap-finished")]
)
def test_warm_up_stops_at_a_wrong_status_and_repeats_after_silence(
    answers: tuple[int | None, ...], ends: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Microsoft's page on slots says; the swap ends with the last of *answers*."""
    left = list(answers)

    async def ask(_self: ModelHost, *_: Any) -> Reply:
        status = left.pop(0)
        if status is None:
            raise LostError
        return Reply(status, [], b"")

    monkeypatch.setattr(ModelHost, "ask", ask)
    cloud = Cloud()
    cloud.build({"V": "1"}, {"V": "2", "WEBSITE_SWAP_WARMUP_PING_STATUSES": "200"})
    cloud.swap_by_hand()
    cloud.wait(200)
    assert (left, ends in {entry["operation"] for entry in cloud.history.entries}) == ([], True)
    cloud.end()
