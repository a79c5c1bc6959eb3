"""Tenants, subscriptions, groups, plans, and the list of resources by filter."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from emulator.arm.bodies import plan_body, site_body
from emulator.arm.calls import Answer, Call, gateway, invalid, located, not_found, part
from emulator.arm.handling import Params
from emulator.arm.rights import may_read
from emulator.slots.azure import Azure
from emulator.slots.plans import tier_of
from emulator.slots.state import Plan


def shown(body: Callable[[Azure], Mapping[str, Any]]) -> Callable[[Azure, Call, Params], Answer]:
    """Return the handler that shows *body*."""
    return lambda azure, _call, _params: Answer(200, body(azure))


def tenants(azure: Azure) -> Mapping[str, Any]:
    one = {
        "id": f"/tenants/{azure.tenant}",
        "tenantId": azure.tenant,
        "countryCode": "FR",
        "displayName": "gitslot local platform",
        "tenantCategory": "Home",
    }
    return {"value": [one]}


def subscription(azure: Azure) -> Mapping[str, Any]:
    return {
        "id": f"/subscriptions/{azure.subscription}",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": azure.subscription,
        "tenantId": azure.tenant,
        "displayName": "gitslot local platform",
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
    }


def subscriptions(azure: Azure, call: Call, _params: Params) -> Answer:
    """List the subscriptions in which the caller has any role."""
    found = [subscription(azure)] if _listed(azure, call) else []
    return Answer(200, {"value": found, "count": {"type": "Total", "value": len(found)}})


def group(azure: Azure) -> Mapping[str, Any]:
    return {
        "id": azure.scope,
        "name": azure.group,
        "type": "Microsoft.Resources/resourceGroups",
        "location": azure.location.replace(" ", "").lower(),
        "properties": {"provisioningState": "Succeeded"},
    }


def groups(azure: Azure) -> Mapping[str, Any]:
    return {"value": [group(azure)]}


CLAUSE = re.compile(r"\s*(resourceType|name|resourceGroup)\s+eq\s+'([^']*)'\s*", re.IGNORECASE)


def resources(azure: Azure, call: Call, _params: Params) -> Answer:
    """
    List resources, filtered as in ``resourceType eq 'Microsoft.Web/sites' and name eq 'app'``.

    Of ARM's filter language only ``eq`` on resourceType, name and resourceGroup, joined by ``and``,
    is supported.
    """
    bodies = _all(azure) if _listed(azure, call) else ()
    found = [body for body in bodies if may_read(azure, call.caller, body["id"])]
    text = call.query.get("$filter", "").strip()
    for clause in re.split(r"\s+and\s+", text, flags=re.IGNORECASE) if text else ():
        match = CLAUSE.fullmatch(clause)
        if match is None:
            message = f"Invalid $filter '{text}' specified in the query string."
            raise gateway(400, "InvalidFilterInQueryString", message)
        key, wanted = match[1].lower(), match[2].lower()
        if key == "resourcegroup":
            found = [item for item in found if wanted == azure.group.lower()]
            continue
        field = "type" if key == "resourcetype" else "name"
        found = [item for item in found if item[field].lower() == wanted]
    return Answer(200, {"value": found})


def _listed(azure: Azure, call: Call) -> bool:
    """Return whether lists of the subscription show the caller anything: by any role, or not."""
    held = [each for _, each in azure.store.rights.roles_of(call.caller.principal, azure.now())]
    above = any(each.covers(azure.scope) for each in held)
    return above or (held != [] and azure.assumed.holds("listed-by-role"))


def _all(azure: Azure) -> Iterable[dict[str, Any]]:
    shown = ("id", "name", "type", "kind", "location", "tags", "identity", "sku")
    bodies = [plan_body(azure, plan) for plan in azure.store.plans.values()]
    for site in azure.store.sites.values():
        bodies += [site_body(azure, site, slot) for slot in site.slots.values()]
    for body in bodies:
        yield {key: body[key] for key in shown if body.get(key) is not None}


def plan_put(azure: Azure, call: Call, params: Params) -> Answer:
    """Create a plan, or change its SKU."""
    body = call.json()
    sku = part(body, "sku").get("name")
    location = located(body)
    if not isinstance(sku, str) or not tier_of(sku):
        raise invalid("SKU.Name", str(sku))
    tier = tier_of(sku)
    kind = "elastic" if tier == "ElasticPremium" else "linux"
    known = azure.store.plans.get(params["plan"].lower())
    plan = known or Plan(params["plan"], location, sku, tier, kind)
    capacity = part(body, "sku").get("capacity") or plan.capacity
    burst = part(body, "properties").get("maximumElasticWorkerCount") or plan.burst
    if not f"{capacity}{burst}".isdigit():
        raise invalid("SKU.Capacity", f"{capacity}, {burst}")
    plan = Plan(plan.name, location, sku, tier, kind, int(capacity), max(int(burst), int(capacity)))
    azure.store.put_plan(plan)
    return Answer(200, plan_body(azure, plan))


def plan_get(azure: Azure, _call: Call, params: Params) -> Answer:
    plan = azure.store.plans.get(params["plan"].lower())
    if plan is None:
        raise not_found("Microsoft.Web/serverFarms", params["plan"], azure.group)
    return Answer(200, plan_body(azure, plan))


def plans(azure: Azure) -> Mapping[str, Any]:
    value = [plan_body(azure, plan) for plan in azure.store.plans.values()]
    return {"value": value, "nextLink": None}
