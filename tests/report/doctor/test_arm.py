"""What ARM says beyond a release, read by Microsoft's own client from answers of Azure's shape."""

import pytest

from gitslot.errors import AzureError, NotFound
from gitslot.report.doctor.arm import Survey
from gitslot.report.doctor.facts import ALIKE, ConfigFacts, Function, Kept, Sticky
from gitslot.state.wanted import PRODUCTION, STAGING
from tests.edges.azure.arm import APP, SITE, Arm, gateway

GROUP = "/subscriptions/1/resourceGroups/g/providers/Microsoft.ManagedIdentity"
SHARED = f"{GROUP}/userAssignedIdentities/shared"


def function(name: str, trigger: str, *, disabled: bool = False) -> dict[str, object]:
    """Return a FunctionEnvelope: an output stands before the trigger, as it may."""
    bindings = [{"type": "blob", "direction": "out"}, {"type": trigger, "direction": "in"}]
    properties = {"name": name, "config": {"bindings": bindings}, "isDisabled": disabled}
    return {"id": f"x/functions/{name}", "name": f"app/{name}", "properties": properties}


def test_functions_are_known_by_their_triggers(arm: Arm) -> None:
    """Of production and of a slot, whatever stands beside the trigger."""
    listed = [function("predict", "httpTrigger"), function("clean", "timerTrigger", disabled=True)]
    arm.answers["functions"] = (200, {}, {"value": listed, "nextLink": None})
    expected = (Function("predict", "httpTrigger"), Function("clean", "timerTrigger", True))
    survey = Survey(arm.address, arm.credential)
    assert survey.functions(APP, PRODUCTION) == survey.functions(APP, STAGING) == expected
    assert [path.split("?")[0].rsplit("/", 2)[-2] for _, path in arm.asked] == ["app", "staging"]


def test_a_site_tells_its_plan_and_its_identities(arm: Arm) -> None:
    """The system's own and shared ones, with the ids that roles are given to."""
    properties: dict[str, object] = {"defaultHostName": "app.example.net", "state": "Running"}
    properties |= {"httpsOnly": True, "sku": "ElasticPremium"}
    shared = {SHARED: {"principalId": "p-2", "clientId": "c"}}
    both = {"type": "SystemAssigned, UserAssigned", "principalId": "p-1"}
    identity = {**both, "userAssignedIdentities": shared}
    arm.answers["staging"] = (200, {}, {**SITE, "properties": properties, "identity": identity})
    site, host = Survey(arm.address, arm.credential).site(APP, STAGING)
    assert (site.state, site.https_only, site.tier) == ("Running", True, "ElasticPremium")
    assert (site.users, site.principals) == (frozenset({SHARED.lower()}), ("p-1", "p-2"))
    assert host == "app.example.net"


def test_a_site_without_identity_has_none(arm: Arm) -> None:
    """Azure leaves it out, or says None."""
    for identity in (None, {"type": "None"}):
        arm.answers["staging"] = (200, {}, {**SITE, "identity": identity})
        assert Survey(arm.address, arm.credential).site(APP, STAGING)[0].identity == ""


def test_auto_swap_and_traffic_are_read_from_the_configuration(arm: Arm) -> None:
    """Percentages by slot."""
    rule = {"actionHostName": "app-staging.example", "reroutePercentage": 25.0, "name": "staging"}
    experiments = {"rampUpRules": [rule]}
    properties = {"autoSwapSlotName": "production", "alwaysOn": True, "experiments": experiments}
    arm.answers["web"] = (200, {}, {"id": "x", "properties": properties})
    unset = dict.fromkeys(ALIKE, "")
    expected = ConfigFacts("production", True, {"staging": 25.0}, alike=unset)
    assert Survey(arm.address, arm.credential).config(APP, PRODUCTION) == expected
    arm.answers["web"] = (200, {}, {"id": "x", "properties": {"experiments": None}})
    assert Survey(arm.address, arm.credential).config(APP, STAGING) == ConfigFacts(alike=unset)


def test_restrictions_passwords_and_references_are_read(arm: Arm) -> None:
    """Who is let in (the rest is kept out once a rule is there), by password or not; states."""
    survey = Survey(arm.address, arm.credential)
    rules = [{"ipAddress": "10.0.0.0/8", "action": "Allow"}, {"ipAddress": "9.9.9.9/32"}]
    for more, admitted in (
        ({}, set()),
        ({"ipSecurityRestrictionsDefaultAction": "Allow"}, {"Any"}),
    ):
        arm.answers["web"] = (200, {}, {"properties": {"ipSecurityRestrictions": rules, **more}})
        expected = {"10.0.0.0/8", "9.9.9.9/32", *admitted}
        assert survey.config(APP, STAGING).admitted == expected
    for allow in (True, False):
        arm.answers["scm"] = (200, {}, {"name": "scm", "properties": {"allow": allow}})
        assert survey.passwords(APP, STAGING) is allow
    found = {"name": "TOKEN", "properties": {"status": "SecretNotFound"}}
    arm.answers["appsettings"] = (200, {}, {"value": [found]})
    assert survey.references(APP, PRODUCTION) == {"TOKEN": "SecretNotFound"}


def test_every_list_of_sticky_names_is_kept_apart_from_none(arm: Arm) -> None:
    """What was null is written back as null."""
    lists = {"appSettingNames": ["A"], "connectionStringNames": [], "azureStorageConfigNames": None}
    arm.answers["slotConfigNames"] = (200, {}, {"id": None, "name": "app", "properties": lists})
    assert Survey(arm.address, arm.credential).sticky_names(APP) == Sticky(("A",), (), None)


def test_slots_are_named_without_their_app(arm: Arm) -> None:
    """ARM calls them app/staging."""
    value = [{"id": "x", "name": "app/staging"}, {"id": "y", "name": "app/canary"}]
    arm.answers["slots"] = (200, {}, {"value": value, "nextLink": None})
    assert Survey(arm.address, arm.credential).slots(APP) == ("staging", "canary")


def test_what_is_refused_or_missing_says_so(arm: Arm) -> None:
    """A role that is too small is told apart from a slot that is not there."""
    arm.answers["functions"] = (403, {}, gateway("AuthorizationFailed", "no authorization"))
    with pytest.raises(AzureError) as refused:
        Survey(arm.address, arm.credential).functions(APP, STAGING)
    assert refused.value.reason == "NotAllowed"
    with pytest.raises(NotFound):
        Survey(arm.address, arm.credential).site(APP, "nowhere")


def test_what_keeps_blobs_is_read_of_the_account_at_an_address(arm: Arm) -> None:
    """The account is found by its endpoint; one that may not be read is not found."""
    place = "/subscriptions/1/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a"
    endpoint = {"primaryEndpoints": {"blob": "https://a.example/"}}
    on = {"enabled": True}
    for last, body in {
        "subscriptions": {"value": [{"id": "/subscriptions/1"}]},
        "storageAccounts": {"value": [{"id": "x"}, {"id": place, "properties": endpoint}]},
        "default": {"properties": {"deleteRetentionPolicy": on}},
        "models": {"properties": {"hasImmutabilityPolicy": True}},
        "code": {"properties": None},
    }.items():
        arm.answers[last] = (200, {}, body)
    survey = Survey(arm.address, arm.credential)
    assert survey.kept("https://a.example") == Kept("g", "a", soft=False, policies=("models",))
    with pytest.raises(NotFound):
        survey.kept("https://b.example")
