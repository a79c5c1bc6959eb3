"""Function apps and their slots: list, get, create, update, delete."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from emulator.arm import identities
from emulator.arm.bodies import etag, site_body
from emulator.arm.calls import Answer, Call, located, part, provider
from emulator.arm.settings import listed
from emulator.slots import state
from emulator.slots.azure import World
from emulator.slots.plans import SLOT_LIMITS
from emulator.slots.state import PRODUCTION, Keys, Plan, Site, Slot

Params = Mapping[str, str]
SITE_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,58}[A-Za-z0-9])")
SLOT_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,57}[A-Za-z0-9])?")


def _answer(world: World, site: Site, slot: Slot) -> Answer:
    return Answer(200, site_body(world, site, slot), {"etag": etag(slot)})


def sites(world: World, _call: Call, _params: Params) -> Answer:
    """List production sites; slots are not among them."""
    value = [site_body(world, site, site.production) for site in world.estate.sites.values()]
    return Answer(200, {"value": value, "nextLink": None})


def site_get(world: World, _call: Call, params: Params) -> Answer:
    return _answer(world, *world.slot(params))


def slots(world: World, _call: Call, params: Params) -> Answer:
    """List slots; production is not among them."""
    site = world.site(params)
    value = [site_body(world, site, slot) for key, slot in site.slots.items() if key != PRODUCTION]
    return Answer(200, {"value": value, "nextLink": None})


def site_put(world: World, call: Call, params: Params) -> Answer:
    """Create a site with its production slot, or update it."""
    body = call.json()
    given = part(body, "properties")
    settings = listed(given)
    known = world.estate.sites.get(params["site"].lower())
    if known is not None:
        return _update(world, call, known, known.production, body)
    location = located(body)
    if SITE_NAME.fullmatch(params["site"]) is None:
        raise provider(
            400, "BadRequest", f"The parameter name has an invalid value: {params['site']}."
        )
    plan = _plan(world, given)
    identity = identities.given(world, body)
    name = params["site"]
    ports = world.platform.slot_created(name.lower(), PRODUCTION)
    production = _slot(
        world,
        "Production",
        name,
        settings=settings or {},
        ports=(*ports, world.platform.scm_created(name.lower(), PRODUCTION)),
        linux_fx=_linux_fx(given) or "Python|3.13",
        https_only=bool(given.get("httpsOnly")),
        tags=part(body, "tags"),
    )
    production = replace(production, **identity)
    site = Site(
        name=name,
        location=location,
        kind=str(body.get("kind") or "functionapp,linux"),
        plan=_plan_id(world, plan),
        slots={PRODUCTION: production},
    )
    world.estate.put(site)
    world.note(call, "site-put", site, PRODUCTION)
    world.platform.restart(site.key, PRODUCTION)
    return _answer(world, site, site.production)


def slot_put(world: World, call: Call, params: Params) -> Answer:
    """
    Create a slot, or update it. A new one copies production's settings, sticky ones too.

    Refused over the plan's limit (text: azure-functions-ux#1309).
    """
    site = world.site(params)
    body = call.json()
    given = part(body, "properties")
    name = params["slot"]
    known = site.slots.get(name.lower())
    if known is not None:
        return _update(world, call, site, known, body)
    settings = listed(given)
    located(body)
    if SLOT_NAME.fullmatch(name) is None:
        raise provider(400, "BadRequest", f"The parameter slot has an invalid value: {name}.")
    world.changeable(site)
    identity = identities.given(world, body)
    plan = world.estate.plans.get(site.plan.rsplit("/", 1)[-1].lower())
    tier = plan.tier if plan else "Free"
    if len(site.slots) >= SLOT_LIMITS.get(tier, 1):
        raise provider(
            409,
            "Conflict",
            "Cannot complete the operation because the site will exceed the number of slots "
            f"allowed for the '{tier}' SKU.",
        )
    ports = world.platform.slot_created(site.key, name.lower())
    own = site.production.settings if settings is None else settings
    content = f"{site.name}__{world.new_id()[:4]}"
    slot = _slot(
        world,
        name,
        content,
        settings=own,
        ports=(*ports, world.platform.scm_created(site.key, name.lower())),
        linux_fx=_linux_fx(given) or site.production.linux_fx,
        https_only=bool(given.get("httpsOnly")),
        tags=part(body, "tags"),
    )
    slot = replace(slot, **identity)
    site = site.with_slots(slot)
    world.estate.put(site)
    world.note(call, "slot-put", site, slot.key)
    world.platform.restart(site.key, slot.key)
    return _answer(world, site, slot)


def _slot(
    world: World,
    name: str,
    content: str,
    *,
    settings: Mapping[str, str],
    ports: tuple[int, int, int],
    linux_fx: str,
    https_only: bool,
    tags: Mapping[str, str],
) -> Slot:
    return Slot(
        name=name,
        deployment_id=content,
        settings=dict(settings),
        keys=Keys(world.new_secret(), world.new_secret()),
        identity_header=world.new_secret(),
        principal=world.new_id(),
        https_port=ports[0],
        http_port=ports[1],
        modified=world.now(),
        linux_fx=linux_fx,
        https_only=https_only,
        tags=dict(tags),
        scm_port=ports[2],
        publishing_password=world.new_secret(),
    )


def site_patch(world: World, call: Call, params: Params) -> Answer:
    """Change what the body names of a site or slot that is there."""
    site, slot = world.slot(params)
    return _update(world, call, site, slot, call.json())


def _update(world: World, call: Call, site: Site, slot: Slot, body: Mapping[str, Any]) -> Answer:
    """Change what the body names; new settings, which replace the slot's, and runtimes restart."""
    world.changeable(site)
    given = part(body, "properties")
    settings = listed(given)
    runtime = _linux_fx(given) or slot.linux_fx
    restarts = slot.running and (settings is not None or runtime != slot.linux_fx)
    if settings is not None:
        world.unprepared(slot)
        slot = replace(slot, settings=settings)
    slot = replace(slot, linux_fx=runtime, modified=world.now(), **identities.given(world, body))
    if given.get("serverFarmId"):
        site = replace(site, plan=_plan_id(world, _plan(world, given)))
    if given.get("httpsOnly") is not None:
        slot = replace(slot, https_only=bool(given["httpsOnly"]))
    if body.get("tags") is not None:
        slot = replace(slot, tags=dict(part(body, "tags")))
    site = site.with_slots(slot)
    world.estate.put(site)
    world.note(call, "site-put" if slot.key == PRODUCTION else "slot-put", site, slot.key)
    if restarts:
        world.platform.restart(site.key, slot.key)
    return _answer(world, site, slot)


def _linux_fx(given: Mapping[str, Any]) -> str:
    return str(part(given, "siteConfig").get("linuxFxVersion") or "")


def _plan(world: World, given: Mapping[str, Any]) -> Plan:
    wanted = str(given.get("serverFarmId") or "")
    plan = world.estate.plans.get(wanted.rstrip("/").rsplit("/", 1)[-1].lower())
    if plan is None:
        raise provider(404, "NotFound", f"Cannot find serverfarm with name {wanted or '(none)'}.")
    return plan


def _plan_id(world: World, plan: Plan) -> str:
    return (
        f"/subscriptions/{world.subscription}/resourceGroups/{world.group}"
        f"/providers/Microsoft.Web/serverfarms/{plan.name}"
    )


def site_delete(world: World, call: Call, params: Params) -> Answer:
    """
    Delete a slot, or a site with all its slots; 204 where there is nothing.

    That ``slots/production`` cannot be deleted is an assumption.
    """
    site = world.estate.sites.get(params["site"].lower())
    key = params.get("slot", PRODUCTION).lower()
    if site is None or key not in site.slots:
        return Answer(204)
    whole = "slot" not in params
    if key == PRODUCTION and not whole:
        raise provider(400, "BadRequest", f"The parameter slot has an invalid value: {key}.")
    world.changeable(site)
    gone = list(site.slots.values()) if whole else [site.slots[key]]
    if whole:
        world.estate.remove(site.key)
    else:
        _remove(world, site, site.slots[key])
    for slot in gone:
        world.platform.slot_deleted(site.key, slot.key, slot.deployment_id)
    world.note(call, "site-delete" if whole else "slot-delete", site, key)
    return Answer(200)


def _remove(world: World, site: Site, slot: Slot) -> None:
    """Take *slot* away; a swap that it was prepared for is cancelled, as its partner stays."""
    partner = site.slots.get(slot.prepared_with or "")
    world.estate.put(state.reset(site, slot.key, world.now()).without(slot.key))
    if partner is not None and partner.set_aside is not None:
        world.platform.restart(site.key, partner.key)
