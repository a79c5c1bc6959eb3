"""ARM answers as ARM does: who may call, what is found, what is refused and in which shape."""

import json
from datetime import datetime

import pytest
import requests
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.mgmt.web import WebSiteManagementClient
from azure.mgmt.web.models import (
    AppServicePlan,
    Site,
    SkuDescription,
    SlotConfigNames,
    SlotConfigNamesResource,
    StringDictionary,
)

from tests.emulator.app_under_test import App, refused
from tests.platform import Platform, until

VERSION = "api-version=2025-05-01"
NAME = "Az-Fct-Python"


@pytest.fixture(scope="module")
def app(platform: Platform) -> App:
    """Share one app whose slots have no code; nothing here swaps it."""
    platform.create_app(NAME, {"A": "1"})
    return App(platform, NAME)


def test_no_token_is_refused(platform: Platform) -> None:
    """Without a bearer token: 401, the gateway's shape, and where to get one."""
    answer = requests.get(f"{platform.arm}/subscriptions?{VERSION}", verify=platform.ca, timeout=30)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "AuthenticationFailed"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer authorization_uri=")


def test_token_for_storage_does_not_open_arm(platform: Platform) -> None:
    """A token for another audience is refused by name."""
    answer = platform.ask(
        "GET", "/subscriptions", headers=platform.bearer("https://storage.azure.com")
    )
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "InvalidAuthenticationTokenAudience"


def test_forged_token_is_refused(platform: Platform) -> None:
    """A token whose signature does not fit is refused."""
    head, body, signature = platform.bearer()["Authorization"].removeprefix("Bearer ").split(".")
    forged = f"{head}.{body}.{'A' * len(signature)}"
    answer = platform.ask("GET", "/subscriptions", headers={"Authorization": f"Bearer {forged}"})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "InvalidAuthenticationToken"


def test_sdk_raises_client_authentication_error(platform: Platform) -> None:
    """The SDK's default audience is the public cloud's: its tokens are not for this ARM."""
    client = WebSiteManagementClient(
        platform.credential,
        platform.subscription,
        base_url=platform.arm,
        connection_verify=platform.ca,
    )
    with pytest.raises(ClientAuthenticationError):
        list(client.web_apps.list())


def test_api_version_is_required_and_any_will_do(app: App, platform: Platform) -> None:
    """No api-version is an error; which one does not matter."""
    missing = platform.ask("GET", platform.site_path(NAME), query="x=1")
    assert missing.status_code == 400
    assert missing.json()["error"]["code"] == "MissingApiVersionParameter"
    assert platform.ask("GET", platform.site_path(NAME), query="api-version=2016-08-01").ok


def test_paths_know_no_case_and_no_double_slash(app: App, platform: Platform) -> None:
    """Segments compare without case, `//` counts as one slash, names are shown as created."""
    path = platform.site_path(NAME, "/SLOTS/Staging").replace("providers", "PROVIDERS").lower()
    answer = platform.ask("GET", f"/{path}")
    assert answer.json()["name"] == f"{NAME}/staging"


def test_missing_things_have_the_gateways_words(app: App, platform: Platform) -> None:
    """404 with ResourceNotFound, SubscriptionNotFound, ResourceGroupNotFound."""
    with pytest.raises(ResourceNotFoundError) as caught:
        platform.web.web_apps.get_slot(platform.group, NAME, "x")
    assert caught.value.error is not None
    assert caught.value.error.code == "ResourceNotFound"
    assert f"The Resource 'Microsoft.Web/sites/{NAME}/slots/x'" in caught.value.message
    none = "00000000-0000-0000-0000-000000000000"
    foreign = platform.ask("GET", f"/subscriptions/{none}/resources")
    assert foreign.json()["error"]["code"] == "SubscriptionNotFound"
    assert foreign.headers["x-ms-request-id"]
    with pytest.raises(ResourceNotFoundError) as caught:
        platform.web.web_apps.get("other-group", NAME)
    assert "Resource group 'other-group' could not be found" in caught.value.message


def test_unknown_paths_are_counted(platform: Platform) -> None:
    """A call that the emulator does not know is a 404 that GET /coverage lists."""
    answer = platform.ask("GET", platform.site_path(NAME, "/unheard-of"))
    assert answer.status_code == 404
    assert answer.headers["x-ms-client-request-id"]
    assert answer.headers["x-ms-request-id"]
    unknown = platform.admin_get("/coverage")
    assert [u["path"] for u in unknown] == [platform.site_path(NAME, "/unheard-of")]


def test_site_reads_as_the_sdk_declares_it(app: App) -> None:
    """Types and names are those of the SDK's models; settings are never in a site."""
    site = app.web.get(app.group, NAME)
    assert (site.name, site.type, site.kind) == (NAME, "Microsoft.Web/sites", "functionapp,linux")
    assert site.properties.state == "Running"
    assert isinstance(site.properties.last_modified_time_utc, datetime)
    assert site.properties.default_host_name.startswith("localhost:")
    assert site.properties.site_config.app_settings is None
    assert site.properties.in_progress_operation_id is None
    assert site.properties.slot_swap_status is None
    slot = app.web.get_slot(app.group, NAME, "staging")
    assert (slot.name, slot.type) == (f"{NAME}/staging", "Microsoft.Web/sites/slots")
    assert slot.properties.repository_site_name == NAME
    assert slot.properties.server_farm_id == site.properties.server_farm_id


def test_lists_keep_production_and_slots_apart(app: App) -> None:
    """Sites are listed without slots, or with them where they are asked for; values come apart."""
    listed = {site.name: site for site in app.web.list()}
    assert (NAME in listed, listed[NAME].properties.site_config.linux_fx_version) == (True, None)
    both = {site.name for site in app.web.list_by_resource_group(app.group, include_slots=True)}
    assert (NAME in both, f"{NAME}/staging" in both - listed.keys()) == (True, True)
    assert [slot.name for slot in app.web.list_slots(app.group, NAME)] == [f"{NAME}/staging"]


def test_resource_is_found_by_type_and_name(app: App, platform: Platform) -> None:
    """The filter that finds an app's group: type and name, without regard to case."""
    query = f"{VERSION}&$filter=resourceType EQ 'microsoft.web/Sites' AND name eq '{NAME.lower()}'"
    path = f"/subscriptions/{platform.subscription}/resources"
    (found,) = platform.ask("GET", path, query=query).json()["value"]
    assert found["id"].split("/")[4] == platform.group
    wrong = platform.ask("GET", path, query=f"{VERSION}&$filter=tagName eq 'x'")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "InvalidFilterInQueryString")


def test_new_slot_copies_productions_settings(app: App) -> None:
    """A slot starts with all of production's settings."""
    assert app.settings("staging")["A"] == "1"


def test_settings_are_replaced_whole(app: App) -> None:
    """A PUT of settings drops what it does not name, and moves the slot's time of change."""
    before = app.site("staging")["properties"]["lastModifiedTimeUtc"]
    body = StringDictionary(properties={"B": "2"})
    answer = app.web.update_application_settings_slot(app.group, NAME, "staging", body)
    assert dict(answer.properties) == {"B": "2"}
    assert app.settings("staging") == {"B": "2"}
    assert app.settings("production")["A"] == "1"
    assert app.site("staging")["properties"]["lastModifiedTimeUtc"] > before


def test_sticky_names_are_null_until_set(app: App, platform: Platform) -> None:
    """slotConfigNames answers nulls and no id before the first PUT."""
    raw = platform.ask("GET", platform.site_path(NAME, "/config/slotConfigNames")).json()
    assert raw["id"] is None
    assert set(raw["properties"].values()) == {None}
    app.stick("X")
    kept = app.web.list_slot_configuration_names(app.group, NAME).properties
    assert kept.app_setting_names == ["X"]
    none = SlotConfigNamesResource(properties=SlotConfigNames())
    app.web.update_slot_configuration_names(app.group, NAME, none)


def test_settings_must_be_text(app: App, platform: Platform) -> None:
    """A value that is no text, or a body that is no JSON, is refused."""
    path = platform.site_path(NAME, "/config/appsettings")
    assert platform.ask("PUT", path, json={"properties": {"A": {"b": 1}}}).status_code == 400
    broken = platform.ask("PUT", path, data=b"{")
    assert broken.json()["error"]["code"] == "InvalidRequestContent"
    assert app.settings("production")["A"] == "1"


@pytest.mark.parametrize("name", ["AzureWebJobs.a-b.Disabled", "A:B", "A=1", "a b", "é"])
def test_names_of_settings_have_bounds(app: App, platform: Platform, name: str) -> None:
    """On Linux letters, digits, periods and underscores; refused in Azure's words, nothing set."""
    path = platform.site_path(NAME, "/config/appsettings")
    refused = platform.ask("PUT", path, json={"properties": {"OWN": "1", name: "1"}})
    assert (refused.status_code, refused.json()["Code"]) == (400, "BadRequest")
    assert refused.json()["Message"] == f"AppSetting with name '{name}' is not allowed."
    assert "OWN" not in app.settings("production")


def test_chunked_bodies_are_read(app: App, platform: Platform) -> None:
    """A body without Content-Length arrives whole."""
    body = json.dumps({"properties": {"C": "3"}}).encode()
    answer = platform.ask(
        "PUT",
        platform.site_path(NAME, "/slots/staging/config/appsettings"),
        data=iter([body[:5], body[5:]]),
        headers={"Content-Type": "application/json"},
    )
    assert answer.json()["properties"] == {"C": "3"}


def test_plan_limits_slots(app: App, platform: Platform) -> None:
    """Elastic Premium has three slots with production; a Basic plan has none besides it."""
    body = Site({"location": "France Central", "properties": {}})
    app.web.begin_create_or_update_slot(app.group, NAME, "third", body).result()
    with pytest.raises(ResourceExistsError) as caught:
        app.web.begin_create_or_update_slot(app.group, NAME, "fourth", body)
    assert caught.value.error is None  # the provider's shape, which the SDK does not read
    assert caught.value.response is not None
    assert json.loads(caught.value.response.text())["Message"] == (
        "Cannot complete the operation because the site will exceed the number of slots allowed "
        "for the 'ElasticPremium' SKU."
    )
    app.web.delete_slot(app.group, NAME, "third")
    platform.create_app("basic", slots=(), sku="B1")
    with pytest.raises(ResourceExistsError):
        app.web.begin_create_or_update_slot(app.group, "basic", "staging", body)
    app.web.delete(app.group, "basic")


@pytest.mark.parametrize(
    ("sku", "tier"),
    [
        *(("EP2", "ElasticPremium"), ("S1", "Standard")),
        *(("P1v3", "PremiumV3"), ("FC1", "FlexConsumption")),
    ],
)
def test_plan_knows_its_tier(platform: Platform, sku: str, tier: str) -> None:
    """az reads sku.tier of a plan before it swaps."""
    plan = AppServicePlan(location="France Central", sku=SkuDescription({"name": sku}))
    plans = platform.web.app_service_plans
    plans.begin_create_or_update(platform.group, f"plan-{sku}", plan).result()
    found = plans.get(platform.group, f"plan-{sku}")
    assert found.sku is not None
    assert found.sku.tier == tier


def test_a_site_needs_a_plan(platform: Platform) -> None:
    """A site on a plan that is not there is refused and not created."""
    body = Site({"location": "x", "properties": {"serverFarmId": "/x/serverfarms/nowhere"}})
    with pytest.raises(HttpResponseError):
        platform.web.web_apps.begin_create_or_update(platform.group, "lonely", body)
    assert "lonely" not in [site.name for site in platform.web.web_apps.list()]


def test_calls_say_what_is_left(app: App, platform: Platform) -> None:
    """Rate limits are in headers; appsettings/list counts on a budget of its own."""
    prefix = "x-ms-ratelimit-remaining-subscription"
    assert f"{prefix}-reads" in platform.ask("GET", platform.site_path(NAME)).headers
    listed = platform.ask("POST", platform.site_path(NAME, "/config/appsettings/list"))
    assert listed.headers[f"{prefix}-resource-requests"] == "799"
    assert f"{prefix}-writes" not in listed.headers


def test_keys_belong_to_slots(app: App) -> None:
    """Each slot has host keys of its own."""
    until(lambda: app.get("production", "/").ok, "production answers")
    until(lambda: app.get("staging", "/").ok, "staging answers")
    own = app.web.list_host_keys(app.group, NAME).master_key
    assert own != app.web.list_host_keys_slot(app.group, NAME, "staging").master_key


def test_keys_of_a_silent_slot_are_an_error(app: App) -> None:
    """ARM asks the slot's host for its keys, so a stopped slot has none to show."""
    app.web.stop_slot(app.group, NAME, "staging")
    keys = refused(lambda: app.web.list_host_keys_slot(app.group, NAME, "staging"))
    assert keys.status_code == 400
    app.web.start_slot(app.group, NAME, "staging")


def test_az_finds_its_cloud_and_subscription(platform: Platform) -> None:
    """What `az cloud register` and `az login --identity` ask for is there."""
    cloud = requests.get(
        f"{platform.arm}/metadata/endpoints?api-version=2022-09-01", verify=platform.ca, timeout=30
    ).json()
    assert cloud["resourceManager"] == f"{platform.arm}/"
    assert cloud["authentication"]["loginEndpoint"].endswith("/adfs")
    assert f"{platform.arm}/" in cloud["authentication"]["audiences"]
    (found,) = platform.ask("GET", "/subscriptions").json()["value"]
    assert (found["subscriptionId"], found["state"]) == (platform.subscription, "Enabled")
    (tenant,) = platform.ask("GET", "/tenants").json()["value"]
    assert tenant["tenantId"] == found["tenantId"]


def test_deleting_a_site_ends_it(platform: Platform) -> None:
    """A deleted site is gone from lists, and so are its processes and ports."""
    platform.create_app("doomed")
    doomed = App(platform, "doomed")
    until(lambda: doomed.get("production", "/").ok, "doomed answers")
    url = doomed.url("production")
    doomed.web.delete(doomed.group, "doomed")
    assert "doomed" not in [site.name for site in doomed.web.list()]
    assert not [slot for slot in platform.slots() if slot[0] == "doomed"]

    def closed() -> bool:
        try:
            requests.get(url, timeout=5)
        except requests.ConnectionError:
            return True
        return False

    until(closed, "the port is closed")


def test_az_swaps_by_hand(app: App, platform: Platform) -> None:
    """
    The calls of `az functionapp deployment slot list` and `slot swap`, in az 2.91's order, succeed.

    Paths with two slashes and the older api-version are az's own.
    """
    site = platform.ask(
        "GET", f"/{platform.site_path(NAME)}", query="api-version=2023-12-01"
    ).json()
    assert {"serverFarmId", "sku"} <= set(site["properties"])
    plan = platform.ask("GET", site["properties"]["serverFarmId"]).json()
    assert plan["sku"]["tier"] == "ElasticPremium"
    (slot,) = platform.ask("GET", platform.site_path(NAME, "/slots")).json()["value"]
    assert slot["properties"]["enabledHostNames"]
    begun = platform.ask(
        "POST",
        platform.site_path(NAME, "/slots/staging/slotsswap"),
        json={"targetSlot": "production", "preserveVnet": True},
    )
    assert (begun.status_code, begun.content) == (202, b"")
    location = begun.headers["Location"]
    final = until(
        lambda: [a for a in [platform.ask("GET", location)] if a.status_code == 200],
        "the swap ends",
    )
    assert final[0].json()["name"] == f"{NAME}/staging"
