"""The emulator is no friendlier than Azure: who is refused, with which status and code."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from azure.core.exceptions import ResourceExistsError
from azure.mgmt.web.models import Site

from emulator.login.identity import Caller, Identity
from tests.emulator.app_under_test import App, refused
from tests.platform import Platform, until

NAME = "strict"


@pytest.fixture(scope="module")
def site(platform: Platform) -> Iterator[App]:
    """Share one app whose slots have no code."""
    platform.create_app(NAME, {"A": "1"})
    yield App(platform, NAME)


def minted(
    platform: Platform, *, tenant: str | None = None, now: Callable[[], float] = time.time
) -> str:
    """Return a token with the platform's own signature, of another tenant or another time."""
    seed = json.loads((platform.state / "seed.json").read_text())
    identity = Identity(tenant or platform.facts["tenant"], seed["signing_key"], now)
    return f"Bearer {identity.mint(Caller('laptop', seed['laptop']), platform.arm)[0]}"


def test_own_token_is_taken(site: App) -> None:
    """What the next tests spoil is taken as it is."""
    good = {"Authorization": minted(site.platform)}
    assert site.ask("GET", headers=good).status_code == 200


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (lambda _platform: None, "AuthenticationFailed"),
        (lambda _platform: "Basic eDp5", "AuthenticationFailedInvalidHeader"),
        (lambda _platform: "Bearer none", "InvalidAuthenticationToken"),
        (
            lambda platform: minted(platform, now=lambda: time.time() - 48 * 3600),
            "ExpiredAuthenticationToken",
        ),
        (
            lambda platform: minted(platform, tenant="99999999-9999-9999-9999-999999999999"),
            "InvalidAuthenticationTokenTenant",
        ),
    ],
)
def test_401(site: App, authorization: Callable[[Platform], str | None], code: str) -> None:
    """No token, no bearer, no token at all, an expired one, another tenant's: 401 by name."""
    given = {"Authorization": authorization(site.platform)}
    answer = site.ask("GET", headers=given)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer authorization_uri=")
    assert answer.headers["x-ms-request-id"] == answer.headers["x-ms-correlation-request-id"]


@pytest.mark.parametrize("name", ["a", "-a", "a_b", "a" * 61, "a.b"])
def test_site_names_have_bounds(site: App, name: str) -> None:
    """2 to 60 letters, digits and hyphens, none at the ends."""
    plan = site.web.get(site.group, NAME).properties.server_farm_id
    body = {"location": "France Central", "properties": {"serverFarmId": plan}}
    answer = site.platform.ask("PUT", site.platform.site_path(name), json=body)
    assert (answer.status_code, answer.json()["Code"]) == (400, "BadRequest")
    assert name not in [one.name for one in site.web.list()]


def test_what_is_new_needs_a_location(site: App) -> None:
    """So does a slot: refused by name and not created without; one that is there keeps its own."""
    shown = site.web.get(site.group, NAME)
    body = {"properties": {"serverFarmId": shown.properties.server_farm_id}}
    answer = site.platform.ask("PUT", site.platform.site_path("nowhere"), json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "LocationRequired")
    assert "nowhere" not in [one.name for one in site.web.list()]
    answer = site.ask("PUT", "/slots/nowhere", json={"properties": {}})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "LocationRequired")
    assert site.ask("GET", "/slots/nowhere").status_code == 404
    updated = site.ask("PUT", json=body)
    assert (updated.status_code, updated.json()["location"]) == (200, shown.location)


@pytest.mark.parametrize("name", ["a" * 60, "-a", "a_b"])
def test_slot_names_have_bounds(site: App, name: str) -> None:
    """Up to 59 letters, digits and hyphens."""
    body: dict[str, Any] = {"location": "France Central", "properties": {}}
    answer = site.ask("PUT", f"/slots/{name}", json=body)
    assert (answer.status_code, answer.json()["Code"]) == (400, "BadRequest")


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff\xfe", b""])
@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("PUT", ""),
        ("PATCH", ""),
        ("PUT", "/config/appsettings"),
        ("PUT", "/config/slotConfigNames"),
        ("POST", "/slots/staging/slotsswap"),
        ("POST", "/slotsdiffs"),
    ],
)
def test_bodies_that_are_no_json_objects(site: App, method: str, rest: str, body: bytes) -> None:
    """400 InvalidRequestContent from the gateway, and nothing has changed."""
    before = site.settings("production")
    answer = site.ask(method, rest, data=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "InvalidRequestContent"
    assert site.settings("production") == before


@pytest.mark.parametrize(
    ("rest", "body"),
    [
        ("", {"properties": [1]}),
        ("/slots/staging", {"properties": "x"}),
        ("/slots/new", {"properties": {"siteConfig": 1}}),
        ("", {"identity": 1}),
        ("", {"identity": {"type": "UserAssigned", "userAssignedIdentities": 1}}),
        ("", {"tags": ["a"]}),
        ("/config/slotConfigNames", {"properties": 1}),
        ("/basicPublishingCredentialsPolicies/scm", {"properties": True}),
        ("/extensions/onedeploy", {"properties": [1]}),
    ],
)
def test_parts_of_a_body_that_are_no_objects(site: App, rest: str, body: Any) -> None:
    """400 InvalidRequestContent, which names the part; never an error of the platform's own."""
    answer = site.ask("PUT", rest, json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidRequestContent")
    words = answer.json()["error"]["message"]
    assert any(f"'{name}'" in words for name in (*body, "siteConfig", "userAssignedIdentities"))


def test_unknown_slots(site: App) -> None:
    """A slot that is not there: the gateway's 404 in a path, the provider's as a swap's target."""
    answer = site.ask("POST", "/slots/none/restart")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "ResourceNotFound")
    target = site.ask("POST", "/slots/staging/slotsswap", json={"targetSlot": "none"})
    assert (target.status_code, target.json()["Code"]) == (404, "NotFound")


@pytest.mark.parametrize(("sku", "slots"), [("FC1", 0), ("B1", 0), ("Y1", 1), ("EP1", 2)])
def test_plans_have_so_many_slots(platform: Platform, sku: str, slots: int) -> None:
    """Flex Consumption and Basic none, Consumption 1, Elastic Premium 2, besides."""
    name = f"plan-{sku.lower()}"
    names = tuple(f"s{number}" for number in range(slots))
    platform.create_app(name, slots=names, sku=sku)
    body = Site({"location": "France Central", "properties": {}})
    with pytest.raises(ResourceExistsError):
        platform.web.web_apps.begin_create_or_update_slot(platform.group, name, "more", body)
    listed = platform.web.web_apps.list_slots(platform.group, name)
    assert len(list(listed)) == slots
    platform.web.web_apps.delete(platform.group, name)


def test_https_only(app: App) -> None:
    """With httpsOnly the plain port sends callers to the other one; each slot has its own word."""
    answer = app.ask("PATCH", "/slots/staging", json={"properties": {"httpsOnly": True}})
    assert answer.json()["properties"]["httpsOnly"] is True
    for method in ("GET", "POST"):
        turned = requests.request(
            method, f"{app.url('staging')}/api/health?x=1", allow_redirects=False, timeout=30
        )
        secure = app.platform.slots()[app.name, "staging"]["https"]
        assert turned.status_code == 301
        assert turned.headers["Location"] == f"{secure}/api/health?x=1"
    direct = requests.get(f"{secure}/api/health", verify=app.platform.ca, timeout=30)
    assert direct.status_code == 200
    assert app.serves("production") == "1"


def test_who_reads_key_vault_is_kept(app: App) -> None:
    """keyVaultReferenceIdentity is SystemAssigned until somebody sets it, each slot its own."""
    said = {"properties": {"keyVaultReferenceIdentity": "/subscriptions/x/reader"}}
    app.ask("PATCH", "/slots/staging", json=said)
    app.ask("PATCH", "/slots/staging", json={"properties": {}})
    shown = [
        app.site(slot)["properties"]["keyVaultReferenceIdentity"]
        for slot in ("production", "staging")
    ]
    assert shown == ["SystemAssigned", "/subscriptions/x/reader"]


def test_tags_and_runtime_belong_to_each_slot(site: App) -> None:
    """What a slot is given is shown of that slot alone, by create and by update; gone is gone."""
    config = {"linuxFxVersion": "Python|3.12", "minTlsVersion": "1.3", "ftpsState": "Disabled"}
    said = {"tags": {"of": "new"}, "properties": {"siteConfig": config}}
    body = {"location": "France Central", **said}
    site.ask("PUT", "/slots/new", json=body).raise_for_status()
    said = {"tags": {"of": "p"}, "properties": {"siteConfig": {"linuxFxVersion": "Python|3.11"}}}
    site.ask("PATCH", json=said).raise_for_status()
    for path, tags, runtime in (
        ("/slots/new", {"of": "new"}, "Python|3.12"),
        ("/slots/staging", None, ""),
        ("", {"of": "p"}, "Python|3.11"),
    ):
        shown = site.ask("GET", path).json()
        web = site.ask("GET", f"{path}/config/web").json()
        assert shown["tags"] == tags
        assert shown["properties"]["siteConfig"]["linuxFxVersion"] == runtime
        assert web["properties"]["linuxFxVersion"] == runtime
        assert (config.items() <= web["properties"].items()) == (path == "/slots/new")
    site.web.delete_slot(site.group, NAME, "new")


def test_production_is_deleted_with_its_site_alone(site: App) -> None:
    """A path that names it among the slots takes nothing away."""
    answer = site.ask("DELETE", "/slots/production")
    assert (answer.status_code, answer.json()["Code"]) == (400, "BadRequest")
    assert site.ask("GET", "/slots/staging").ok


@pytest.mark.parametrize(("source", "target"), [("gone", "production"), ("production", "gone")])
def test_a_deleted_slot_leaves_nothing_prepared(site: App, source: str, target: str) -> None:
    """Its partner in a preview has its own settings again and can be changed, without a reset."""
    own = {"siteConfig": {"appSettings": [{"name": "A", "value": "of gone"}]}}
    body = {"location": "France Central", "properties": own}
    site.ask("PUT", "/slots/gone", json=body).raise_for_status()
    path = "" if source == "production" else f"/slots/{source}"
    before = site.settings("production")
    site.stick(*before)
    prepared = site.ask("POST", f"{path}/applySlotConfig", json={"targetSlot": target})
    assert prepared.status_code == 200
    site.web.delete_slot(site.group, NAME, "gone")
    assert site.settings("production") == before
    assert site.site("production")["properties"]["targetSwapSlot"] is None
    site.set("production", {"A": "2"})
    site.set("production", {"A": "1"})
    site.stick()


def test_kudu_has_a_port_of_its_own(app: App) -> None:
    """The Repository host of a slot is another than its Standard one, and is there."""
    hosts = app.hosts("staging")
    assert hosts["Standard"] != hosts["Repository"]
    url, ca = f"https://{hosts['Repository']}/api/settings", app.platform.ca
    until(lambda: requests.get(url, verify=ca, timeout=30).status_code, "Kudu's port answers")


def test_stopped_production_refuses_a_swap(app: App) -> None:
    """Both slots must run, not the source alone."""
    app.web.stop(app.group, app.name)
    assert refused(lambda: app.begin_swap(retry_total=0)).status_code == 409
    assert not app.history("swap-started")
