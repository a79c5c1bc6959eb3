"""Function apps and their slots: list, get, create, update, delete."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from emulator.arm import identities
from emulator.arm.bodies import etag, plan_id, site_body, web_config_body
from emulator.arm.calls import Answer, Call, invalid, located, part, provider
from emulator.arm.handling import (
    Params,
    changed,
    record,
    refuse_if_busy,
    refuse_if_prepared,
    site_of,
    slot_of,
)
from emulator.arm.settings import listed
from emulator.slots import state
from emulator.slots.azure import Azure
from emulator.slots.plans import SLOT_LIMITS
from emulator.slots.state import CONTENT_SHARE, PRODUCTION, SHARE_ACCOUNT, Keys, Plan, Site, Slot

SITE_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,58}[A-Za-z0-9])")
SLOT_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,57}[A-Za-z0-9])?")
PAGE = 100


def _answer(azure: Azure, site: Site, slot: Slot) -> Answer:
    return Answer(200, site_body(azure, site, slot), {"etag": etag(slot)})


def sites(azure: Azure, call: Call, params: Params) -> Answer:
    """
    List the sites, those of one group with their slots where `includeSlots` asks for them.

    `siteConfig` has no values in lists (azure-powershell#4841, #22784); a page holds 100
    (azure-powershell#16214).
    """
    slots = "group" in params and call.query.get("includeslots", "").lower() == "true"
    found = [
        (site, slot)
        for site in azure.store.sites.values()
        for slot in (site.slots.values() if slots else (site.production,))
    ]
    if not azure.assumed.holds("sites-listed"):
        found = found[::2]
    first = int(call.query.get("$skiptoken", "0"))
    end, link = first + PAGE, None
    if end < len(found):
        query = {**call.query, "$skiptoken": str(end)}
        link = f"{azure.url}{call.path}?{urlencode(query)}"
    value = [site_body(azure, *each) for each in found[first:end]]
    for body in value:
        body["properties"]["siteConfig"] = dict.fromkeys(body["properties"]["siteConfig"])
    return Answer(200, {"value": value, "nextLink": link})


def site_get(azure: Azure, _call: Call, params: Params) -> Answer:
    return _answer(azure, *slot_of(azure, params))


def slots(azure: Azure, _call: Call, params: Params) -> Answer:
    """List the slots without production."""
    site = site_of(azure, params)
    value = [site_body(azure, site, slot) for key, slot in site.slots.items() if key != PRODUCTION]
    return Answer(200, {"value": value, "nextLink": None})


def site_put(azure: Azure, call: Call, params: Params) -> Answer:
    """Create a site with its production slot, or update it."""
    body = call.json()
    given = part(body, "properties")
    settings = listed(given)
    known = azure.store.sites.get(params["site"].lower())
    if known is not None:
        return _update(azure, call, known, known.production, body)
    location = located(body)
    if SITE_NAME.fullmatch(params["site"]) is None:
        raise invalid("name", params["site"])
    plan, name = _plan(azure, given), params["site"]
    kind = str(body.get("kind") or "functionapp,linux")
    site = Site(name, location, kind, plan_id(azure, plan), slots={})
    slot = _slot(azure, site, "Production", name, settings or {}, body)
    return _answer(azure, changed(azure, call, "site-put", site, slot, restart=True), slot)


def slot_put(azure: Azure, call: Call, params: Params) -> Answer:
    """
    Create a slot, or update it. A new one copies production's settings, sticky ones too, no more.

    Raises RefusalError over the plan's limit (text: azure-functions-ux#1309).
    """
    site = site_of(azure, params)
    body = call.json()
    given = part(body, "properties")
    name = params["slot"]
    known = site.slots.get(name.lower())
    if known is not None:
        return _update(azure, call, site, known, body)
    settings = listed(given)
    located(body)
    if SLOT_NAME.fullmatch(name) is None:
        raise invalid("slot", name)
    refuse_if_busy(azure, site)
    identities.given(azure, body)  # refuses before the limit does
    plan = azure.store.plans.get(site.plan.rsplit("/", 1)[-1].lower())
    tier = plan.tier if plan else "Free"
    if len(site.slots) >= SLOT_LIMITS.get(tier, 1):
        message = "Cannot complete the operation because the site will exceed the number of slots "
        raise provider(409, "Conflict", f"{message}allowed for the '{tier}' SKU.")
    own = site.production.settings if settings is None else settings
    if settings is None:  # a share is never copied; Azure makes one, as below
        own = {k: v for k, v in own.items() if k.upper() != CONTENT_SHARE}
    content = f"{site.name}__{azure.new_id()[:4]}"
    slot = _slot(azure, site, name, content, own, body)
    return _answer(azure, changed(azure, call, "slot-put", site, slot, restart=True), slot)


def _slot(
    azure: Azure,
    site: Site,
    name: str,
    content: str,
    settings: Mapping[str, str],
    body: Mapping[str, Any],
) -> Slot:
    """Return a new slot as *body* asks, with a share of its own (azurerm#10499); open its ports."""
    identity, tags = identities.given(azure, body), part(body, "tags")
    given, share = part(body, "properties"), f"{site.name.lower()}-{azure.new_id()[:8]}"
    if state.value(settings, SHARE_ACCOUNT) and not state.value(settings, CONTENT_SHARE):
        settings = {**settings, CONTENT_SHARE: share}
    https, http = azure.placement.slot_created(site.key, name.lower())
    slot = Slot(
        name=name,
        deployment_id=content,
        settings=dict(settings),
        keys=Keys(azure.new_secret(), azure.new_secret()),
        identity_header=azure.new_secret(),
        principal=azure.new_id(),
        https_port=https,
        http_port=http,
        modified=azure.now(),
        https_only=bool(given.get("httpsOnly")),
        tags=dict(tags),
        scm_port=azure.placement.scm_created(site.key, name.lower()),
        publishing_password=azure.new_secret(),
    )
    return replace(slot, **identity, **_config(given))


def site_patch(azure: Azure, call: Call, params: Params) -> Answer:
    """Change the properties in the body of an existing site or slot."""
    site, slot = slot_of(azure, params)
    return _update(azure, call, site, slot, call.json())


def config_patch(azure: Azure, call: Call, params: Params) -> Answer:
    """Change `config/web`, as a PATCH of the site does by its siteConfig."""
    config = part(call.json(), "properties")
    _update(azure, call, *slot_of(azure, params), {"properties": {"siteConfig": config}})
    return Answer(200, web_config_body(azure, *slot_of(azure, params)))


def _update(azure: Azure, call: Call, site: Site, slot: Slot, body: Mapping[str, Any]) -> Answer:
    """Change the properties in the body; new settings, which replace all, and runtimes restart."""
    refuse_if_busy(azure, site)
    given = part(body, "properties")
    settings = listed(given)
    config = _config(given)
    runtime = config.get("linux_fx", slot.linux_fx)
    restarts = slot.running and (settings is not None or runtime != slot.linux_fx)
    if settings is not None:
        refuse_if_prepared(slot)
        slot = replace(slot, settings=settings)
    slot = replace(slot, modified=azure.now(), **config, **identities.given(azure, body))
    if given.get("serverFarmId"):
        site = replace(site, plan=plan_id(azure, _plan(azure, given)))
    if given.get("httpsOnly") is not None:
        slot = replace(slot, https_only=bool(given["httpsOnly"]))
    if body.get("tags") is not None:
        slot = replace(slot, tags=dict(part(body, "tags")))
    operation = "site-put" if slot.key == PRODUCTION else "slot-put"
    return _answer(azure, changed(azure, call, operation, site, slot, restart=restarts), slot)


def _config(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a slot that ``siteConfig`` sets."""
    fields = {"linuxFxVersion": "linux_fx", "minTlsVersion": "min_tls", "ftpsState": "ftps"}
    config = part(given, "siteConfig")
    return {field: str(config[name]) for name, field in fields.items() if config.get(name)}


def _plan(azure: Azure, given: Mapping[str, Any]) -> Plan:
    wanted = str(given.get("serverFarmId") or "")
    plan = azure.store.plans.get(wanted.rstrip("/").rsplit("/", 1)[-1].lower())
    if plan is None:
        raise provider(404, "NotFound", f"Cannot find serverfarm with name {wanted or '(none)'}.")
    return plan


def site_delete(azure: Azure, call: Call, params: Params) -> Answer:
    """
    Delete a slot, or a site with all its slots; 204 if it does not exist.

    Assumption: ``slots/production`` cannot be deleted.
    """
    site = azure.store.sites.get(params["site"].lower())
    key = params.get("slot", PRODUCTION).lower()
    if site is None or key not in site.slots:
        return Answer(204)
    whole = "slot" not in params
    if key == PRODUCTION and not whole:
        raise invalid("slot", key)
    refuse_if_busy(azure, site)
    gone = list(site.slots.values()) if whole else [site.slots[key]]
    if whole:
        azure.store.remove(site.key)
    else:
        _remove(azure, site, site.slots[key])
    for slot in gone:
        azure.placement.slot_deleted(site.key, slot.key, slot.deployment_id)
    record(azure, call, "site-delete" if whole else "slot-delete", site, key)
    return Answer(200)


def _remove(azure: Azure, site: Site, slot: Slot) -> None:
    """Remove *slot*; cancel the swap that it was prepared for, because its partner stays."""
    partner = site.slots.get(slot.prepared_with or "")
    azure.store.put(state.reset(site, slot.key, azure.now()).without(slot.key))
    if partner is not None and partner.set_aside is not None:
        azure.placement.restart(site.key, partner.key)
