"""`azure-mgmt-web`, sync and async: the calls that a tool for slots makes."""

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.mgmt.web.models import (
    CsmPublishingCredentialsPoliciesEntity,
    CsmPublishingProfileOptions,
    CsmSlotEntity,
    Site,
    SitePatchResource,
    SlotConfigNames,
    SlotConfigNamesResource,
    StringDictionary,
)

from tests.clients.web import AsyncWeb, SyncWeb, Web
from tests.emulator.app_under_test import App
from tests.emulator.apps import probe
from tests.platform import Platform, until

pytestmark = pytest.mark.clients

INTO_PRODUCTION = CsmSlotEntity(target_slot="production", preserve_vnet=True)


@pytest.fixture(params=[SyncWeb, AsyncWeb], ids=["sync", "async"])
def web(request: pytest.FixtureRequest, platform: Platform) -> Iterator[Web]:
    """Give one kind of client after the other."""
    client: Web = request.param(platform)
    yield client
    client.close()


def names(found: list[Any]) -> list[str]:
    return [one.name for one in found]


def test_sites_and_slots_are_found(app: App, web: Web) -> None:
    """Listed by subscription and by group, got by name; slots apart from sites."""
    assert app.name in names(web("list"))
    assert app.name in names(web("list_by_resource_group", app.group))
    assert web("get", app.group, app.name).properties.state == "Running"
    assert names(web("list_slots", app.group, app.name)) == [f"{app.name}/staging"]
    slot = web("get_slot", app.group, app.name, "staging")
    assert slot.type == "Microsoft.Web/sites/slots"
    with pytest.raises(ResourceNotFoundError):
        web("get_slot", app.group, app.name, "nowhere")


def test_slot_is_created_and_deleted(app: App, web: Web) -> None:
    """A slot is made with production's settings, and is gone after its deletion."""
    body = Site({"location": "France Central", "properties": {"httpsOnly": True}})
    made = web("begin_create_or_update_slot", app.group, app.name, "two", body)
    assert (made.name, made.properties.https_only) == (f"{app.name}/two", True)
    listed = web("list_application_settings_slot", app.group, app.name, "two")
    assert listed.properties["MODEL_VERSION"] == "1"
    web("delete_slot", app.group, app.name, "two")
    assert names(web("list_slots", app.group, app.name)) == [f"{app.name}/staging"]
    web("delete_slot", app.group, app.name, "two")  # 204 where there is nothing


def test_settings_and_sticky_names(app: App, web: Web) -> None:
    """Settings are replaced whole; sticky names belong to the site."""
    body = StringDictionary(properties={"MODEL_VERSION": "5"})
    made = web("update_application_settings_slot", app.group, app.name, "staging", body)
    assert dict(made.properties) == {"MODEL_VERSION": "5"}
    own = dict(web("list_application_settings", app.group, app.name).properties)
    more = StringDictionary(properties={**own, "A": "1"})
    written = web("update_application_settings", app.group, app.name, more)
    assert written.properties["A"] == "1"
    sticky = SlotConfigNamesResource(properties=SlotConfigNames(app_setting_names=["A"]))
    web("update_slot_configuration_names", app.group, app.name, sticky)
    found = web("list_slot_configuration_names", app.group, app.name)
    assert found.properties.app_setting_names == ["A"]


def test_swap_from_either_side(app: App, web: Web) -> None:
    """A slot swaps into production, and production with a slot."""
    app.deploy("2")
    web("begin_swap_slot", app.group, app.name, "staging", INTO_PRODUCTION)
    app.wait_serves("production", "2")
    status = web("get", app.group, app.name).properties.slot_swap_status
    assert (status.source_slot_name, status.destination_slot_name) == ("staging", "Production")
    back = CsmSlotEntity(target_slot="staging", preserve_vnet=True)
    web("begin_swap_slot_with_production", app.group, app.name, back)
    app.wait_serves("production", "1")
    status = web("get", app.group, app.name).properties.slot_swap_status
    assert (status.source_slot_name, status.destination_slot_name) == ("staging", "Production")


def test_swap_with_preview_is_applied_completed_and_cancelled(app: App, web: Web) -> None:
    """Preview marks its target and applies settings; reset takes that back; a swap completes it."""
    app.stick("WHERE")
    app.set("production", {"WHERE": "production"})
    app.deploy("2")
    where = (app.group, app.name, "staging")
    cancels: tuple[tuple[Any, ...], ...] = (
        ("reset_slot_configuration_slot", *where),
        ("reset_production_slot_config", app.group, app.name),
    )
    for cancel in cancels:
        web("apply_slot_configuration_slot", *where, INTO_PRODUCTION)
        assert web("get_slot", *where).properties.target_swap_slot == "Production"
        assert app.settings("staging")["WHERE"] == "production"
        with pytest.raises(ResourceExistsError):
            web("update_application_settings_slot", *where, StringDictionary(properties={}))
        web(*cancel)
        assert web("get_slot", *where).properties.target_swap_slot is None
        assert "WHERE" not in app.settings("staging")
    web("apply_slot_configuration_slot", *where, INTO_PRODUCTION)
    web("begin_swap_slot", *where, INTO_PRODUCTION)
    app.wait_serves("production", "2")


def test_slot_differences(app: App, web: Web) -> None:
    """Both forms name each difference, its rule and both values, from the slot that is asked."""
    app.stick("PLACE", "ALONE")
    app.set("production", {"PLACE": "same", "GONE": "1"})
    app.set("staging", {"MODEL_VERSION": "2", "NEW": "1", "PLACE": "same", "ALONE": "1"})
    found = {
        one.properties.setting_name: one.properties
        for one in web(
            "list_slot_differences_slot", app.group, app.name, "staging", INTO_PRODUCTION
        )
    }
    assert {name: one.diff_rule for name, one in found.items()} == {
        "MODEL_VERSION": "SettingsWillBeModifiedInDestination",
        "NEW": "SettingsWillBeAddedToDestination",
        "GONE": "SettingsNotInSource",
        "PLACE": "SlotSettingsSameValue",
        "ALONE": "SlotSettingsMissing",
    }
    changed = found["MODEL_VERSION"]
    assert (changed.value_in_current_slot, changed.value_in_target_slot) == ("2", "1")
    assert (changed.setting_type, changed.level) == ("AppSetting", "Information")
    into_staging = CsmSlotEntity(target_slot="staging", preserve_vnet=True)
    turned = {
        one.properties.setting_name: one.properties.value_in_current_slot
        for one in web("list_slot_differences_from_production", app.group, app.name, into_staging)
    }
    assert turned["MODEL_VERSION"] == "1"
    nowhere = CsmSlotEntity(target_slot="nowhere", preserve_vnet=True)
    with pytest.raises(ResourceNotFoundError):
        web("list_slot_differences_slot", app.group, app.name, "staging", nowhere)


def test_patch(app: App, web: Web) -> None:
    """PATCH changes what it names of one slot and leaves the rest."""
    patch = SitePatchResource({"properties": {"httpsOnly": True}})
    assert web("update_slot", app.group, app.name, "staging", patch).properties.https_only
    assert not web("get", app.group, app.name).properties.https_only
    assert web("update", app.group, app.name, patch).properties.https_only
    assert app.settings("production")["MODEL_VERSION"] == "1"
    with pytest.raises(ResourceNotFoundError):
        web("update_slot", app.group, app.name, "nowhere", patch)


def test_restart_stop_start(app: App, web: Web) -> None:
    """Each acts on its slot alone."""
    before = app.get("staging").json()["pid"]
    web("restart_slot", app.group, app.name, "staging")
    until(lambda: app.get("staging").json()["pid"] != before, "another process answers")
    web("stop_slot", app.group, app.name, "staging")
    assert web("get_slot", app.group, app.name, "staging").properties.state == "Stopped"
    assert app.serves("production") == "1"
    web("start_slot", app.group, app.name, "staging")
    app.wait_serves("staging", "1")
    web("stop", app.group, app.name)
    assert app.get("production").status_code == 403
    web("start", app.group, app.name)
    web("restart", app.group, app.name)
    app.wait_serves("production", "1")


def test_publishing(app: App, web: Web) -> None:
    """Credentials, policy and profiles of each slot; the policy is off until switched on."""
    where = (app.group, app.name, "staging")
    own = web("begin_list_publishing_credentials", app.group, app.name)
    slot = web("begin_list_publishing_credentials_slot", *where)
    assert own.properties.publishing_user_name == f"${app.name}"
    assert slot.properties.publishing_user_name == f"${app.name}__staging"
    assert own.properties.publishing_password != slot.properties.publishing_password
    assert web("get_scm_allowed_slot", *where).properties.allow is False
    on = CsmPublishingCredentialsPoliciesEntity({"properties": {"allow": True}})
    assert web("update_scm_allowed_slot", *where, on).properties.allow is True
    assert web("get_scm_allowed_slot", *where).properties.allow is True
    assert web("get_scm_allowed", app.group, app.name).properties.allow is False
    options = CsmPublishingProfileOptions(format="WebDeploy")
    text = web("list_publishing_profile_xml_with_secrets_slot", *where, options)
    profiles = ET.fromstring(text).findall("publishProfile")
    assert [one.get("publishMethod") for one in profiles] == ["MSDeploy", "FTP", "ZipDeploy"]
    assert {one.get("userPWD") for one in profiles} == {slot.properties.publishing_password}
    front = web("get_slot", *where).properties.default_host_name
    assert {one.get("destinationAppUrl") for one in profiles} == {f"https://{front}"}
    assert web("list_publishing_profile_xml_with_secrets", app.group, app.name, options)


def test_deployments(app: App, web: Web) -> None:
    """Nothing has been deployed by upload, and an unknown deployment is 404."""
    assert web("list_deployments", app.group, app.name) == []
    assert web("list_deployments_slot", app.group, app.name, "staging") == []
    with pytest.raises(ResourceNotFoundError):
        web("get_deployment", app.group, app.name, "latest")
    with pytest.raises(ResourceNotFoundError):
        web("get_deployment_slot", app.group, app.name, "1", "staging")


def test_deployment_statuses(app: App, web: Web) -> None:
    """What Kudu has deployed has a status of its own; onedeploy without a body is refused."""
    package = app.platform.upload(probe("deployed"))
    for slot in ("staging", "production"):
        app.set(slot, {"WEBSITE_RUN_FROM_PACKAGE": "1"})
    with pytest.raises(HttpResponseError) as caught:
        web("create_one_deploy_operation", app.group, app.name)
    assert caught.value.status_code == 400
    assert web("get_one_deploy_status", app.group, app.name)["value"] == []
    assert web("list_production_site_deployment_statuses", app.group, app.name) == []
    for slot in ("production", "staging"):
        app.one_deploy(slot, package)
        app.wait_serves(slot, "deployed")
    (own,) = web("list_production_site_deployment_statuses", app.group, app.name)
    (other,) = web("list_slot_site_deployment_statuses_slot", app.group, app.name, "staging")
    id_ = own.properties.deployment_id
    assert other.properties.deployment_id != id_
    told = web("begin_get_production_site_deployment_status", app.group, app.name, id_)
    assert told.properties.status == "RuntimeSuccessful"
    id_ = other.properties.deployment_id
    where = (app.group, app.name, "staging", id_)
    told = web("begin_get_slot_site_deployment_status_slot", *where)
    assert told.properties.number_of_instances_successful == 1
    with pytest.raises(ResourceNotFoundError):
        web("begin_get_production_site_deployment_status", app.group, app.name, id_)


def test_keys_and_triggers(app: App, web: Web) -> None:
    """Keys per slot; triggers are synced where a host answers, and nowhere else."""
    keys = web("list_host_keys", app.group, app.name)
    assert keys.master_key != web("list_host_keys_slot", app.group, app.name, "staging").master_key
    assert set(keys.function_keys) == {"default"}
    web("sync_function_triggers", app.group, app.name)
    web("sync_functions", app.group, app.name)
    web("sync_function_triggers_slot", app.group, app.name, "staging")
    web("stop_slot", app.group, app.name, "staging")
    with pytest.raises(HttpResponseError):
        web("sync_function_triggers_slot", app.group, app.name, "staging")


def test_functions(app: App, web: Web) -> None:
    """Listed and got, of production and of a slot, with what triggers them."""
    assert f"{app.name}/health" in names(web("list_functions", app.group, app.name))
    one = web("get_function", app.group, app.name, "health")
    assert one.type == "Microsoft.Web/sites/functions"
    assert one.properties.config["bindings"][0]["type"] == "httpTrigger"
    where = (app.group, app.name, "staging")
    assert f"{app.name}/staging/keyed" in names(web("list_instance_functions_slot", *where))
    slot = web("get_instance_function_slot", app.group, app.name, "keyed", "staging")
    assert slot.properties.is_disabled is False
    with pytest.raises(ResourceNotFoundError):
        web("get_function", app.group, app.name, "none")


def test_plans(app: App, web: Web) -> None:
    """A plan is found with its tier and what runs on it."""
    plan = web("get", app.group, f"{app.name}-plan", group="app_service_plans")
    assert (plan.sku.tier, plan.sku.name) == ("ElasticPremium", "EP1")
    assert plan.properties.number_of_sites == 1
    assert plan.name in names(web("list", group="app_service_plans"))
    found = names(web("list_by_resource_group", app.group, group="app_service_plans"))
    assert plan.name in found
