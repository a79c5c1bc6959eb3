"""
The checks of one function app on Azure: its place, plan, slots and identities.

Pure: `AppFacts` in, notes out. A fix is a line to type.
"""

import shlex
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from gitslot.report.doctor.facts import (
    AppFacts,
    Check,
    Grade,
    Note,
    SiteFacts,
    SlotFacts,
    label,
    unread,
)
from gitslot.state.slot_settings import PACKAGE_SETTING
from gitslot.state.wanted import PRODUCTION, Doubt, Resolved

# Slots, production included. https://learn.microsoft.com/azure/azure-functions/functions-deployment-slots
SLOTS = {"dynamic": 2, "elasticpremium": 3, "standard": 5, "premium": 20, "isolated": 20}
# Of an instance. https://learn.microsoft.com/azure/azure-functions/functions-premium-plan
# and https://azure.microsoft.com/pricing/details/app-service/linux/
MEMORY_GB = {
    **{"ep1": 3.5, "ep2": 7, "ep3": 14, "s1": 1.75, "s2": 3.5, "s3": 7},
    **{"p1v2": 3.5, "p2v2": 7, "p3v2": 14, "p0v3": 4, "p1v3": 8, "p2v3": 16, "p3v3": 32},
    **{"p1mv3": 16, "p2mv3": 32, "p3mv3": 64, "p4mv3": 128, "p5mv3": 256},
}
NO_SLOTS = ("flexconsumption", "basic", "free", "shared")
DEDICATED = ("standard", "premium", "isolated")
_PINGS = ("10.0.0.0/8", "100.64.0.0/10")
_READER = "WEBSITE_RUN_FROM_PACKAGE_BLOB_MI_RESOURCE_ID"


def az(app: AppFacts, words: str, slot: str = PRODUCTION, more: str = "") -> str:
    """Return the line `az functionapp` *words* for *slot*."""
    line = f"az functionapp {words} -g {_group(app)} -n {shlex.quote(app.name)}{label(slot)}"
    return f"{line} {more}" if more else line


def _group(app: AppFacts) -> str:
    return "GROUP" if isinstance(app.place, Doubt) else shlex.quote(app.place.resource_group)


def set_line(app: AppFacts, slot: str, values: Mapping[str, str]) -> str:
    """Return the line that sets *values* on *slot*; they must not be secret."""
    pairs = " ".join(shlex.quote(f"{name}={value}") for name, value in values.items())
    return az(app, "config appsettings set", slot, f"--settings {pairs}")


def place(app: AppFacts) -> Iterator[Note]:
    """Check that the app is found; all other checks need it."""
    if isinstance(app.place, Doubt):
        fix = "sign in (`az login`); else name `resource_group` in the file, or ask for role Reader"
        yield Note(Grade.WRONG, f"{app.place.reason}: {app.place.message}", (fix,))
        return
    yield Note(Grade.OK, f"in resource group {app.place.resource_group}")


def plan(app: AppFacts) -> Iterator[Note]:
    """Check the plan: Flex Consumption, Basic and Free have no slots, so nothing to swap."""
    production = app.slot(PRODUCTION)
    if production is None or not isinstance(production.site, SiteFacts):
        fix = "ask for role Reader on the app"
        yield Note(Grade.UNKNOWN, "production could not be read", (fix,))
        return
    tier = production.site.tier
    if tier.lower() in NO_SLOTS:
        fix = "move the app to Elastic Premium, Standard or Premium (docs/run/azure.md, Which plan)"
        yield Note(Grade.WRONG, f"the plan is {tier}, which has no slots", (fix,))
        return
    allowed = next((SLOTS[name] for name in SLOTS if tier.lower().startswith(name)), None)
    if allowed is None:
        text = f"the plan is {tier or 'unnamed'}, whose slots are not known"
        fix = "it must have at least one slot besides production (docs/run/azure.md, Which plan)"
        yield Note(Grade.UNKNOWN, text, (fix,))
        return
    has = len(app.there) + len(app.others)
    yield Note(Grade.OK, f"{tier} allows {allowed} slots with production; the app has {has}")
    if app.burst == 1 and tier.lower() == "elasticpremium" and not app.local:
        fix = f"az functionapp plan update --ids {production.site.plan} --max-burst 3"
        yield Note(Grade.WARNING, "the plan never grows beyond one instance", (fix,))
    config = production.config
    dedicated = tier.lower().startswith(DEDICATED)
    if dedicated and not isinstance(config, Doubt) and not config.always_on:
        fix = az(app, "config set", more="--always-on true")
        yield Note(Grade.WARNING, "alwaysOn is off: an idle production is unloaded", (fix,))


def memory(app: AppFacts) -> Iterator[Note]:
    """Check memory: every slot of the plan holds a model, production's and staging's at once."""
    needs = [found.needs.memory for found in app.wanted.values() if isinstance(found, Resolved)]
    most = max(needs, default=0)
    if isinstance(app.sku, Doubt) or not most:
        why = f"the plan: {app.sku.message}" if isinstance(app.sku, Doubt) else "not measured"
        fix = "ask for role Reader on the plan" if most else "register the version again"
        yield Note(Grade.UNKNOWN, why, (fix,))
        return
    holds = MEMORY_GB.get(app.sku.lower())
    if holds is None:
        yield Note(Grade.UNKNOWN, f"the memory of a plan {app.sku} is not known", ("look it up",))
        return
    number = len(app.there) + len(app.others)
    share = most * number / (holds * 2**30)
    text = f"{most / 2**20:.0f} MiB in each of {number} slots, {share:.0%} of a plan {app.sku}"
    fix = "give the plan a larger size: `az functionapp plan update --sku SIZE`"
    if share <= 0.75:  # the host and the system need the rest
        yield Note(Grade.OK, text)
    else:
        yield Note(Grade.WARNING if share <= 1 else Grade.WRONG, text, (fix,))


def slots(app: AppFacts) -> Iterator[Note]:
    """Check slots: staging, where releases are proved, and every slot that the file names."""
    for slot in app.slots:
        if not isinstance(slot.site, Doubt):
            continue
        if slot.site.reason != "NotFound":
            yield unread(slot.name, slot.site)
            continue
        line = az(app, "deployment slot create", slot.name)
        yield Note(Grade.WRONG, f"there is no slot `{slot.name}`", (line,))


def running(app: AppFacts) -> Iterator[Note]:
    """
    Check that slots run: a stopped slot cannot be swapped.

    https://github.com/Azure/azure-functions-host/issues/10722
    """
    for slot, site in app.sites:
        if site.state.lower() != "running":
            fix = az(app, "start", slot.name)
            yield Note(Grade.WRONG, f"{slot.name} is {site.state or 'in no state'}", (fix,))


def https(app: AppFacts) -> Iterator[Note]:
    """Check https: plain http can be read and changed on the way."""
    if app.local:
        yield Note(Grade.OK, "plain http is meant on the local platform")
        return
    for slot, site in app.sites:
        if not site.https_only:
            fix = az(app, "update", slot.name, "--set httpsOnly=true")
            yield Note(Grade.WARNING, f"{slot.name} answers plain http too", (fix,))


def alike(app: AppFacts) -> Iterator[Note]:
    """
    Check runtime and protocols: a slot is not born with production's, and a swap moves a runtime.

    https://learn.microsoft.com/azure/app-service/deploy-staging-slots#which-settings-are-swapped
    """
    production = app.slot(PRODUCTION)
    for slot in app.there:
        configs = [each.config for each in (production or slot, slot)]
        ours, theirs = ({} if isinstance(each, Doubt) else each.alike for each in configs)
        if differ := {k: v for k, v in ours.items() if theirs.get(k, v) != v}:
            pairs = " ".join(shlex.quote(f"siteConfig.{k}={v}") for k, v in differ.items())
            fix = az(app, "update", slot.name, f"--set {pairs}")
            text = f"{slot.name} has another {', '.join(differ)} than production"
            yield Note(Grade.WRONG if "linuxFxVersion" in differ else Grade.WARNING, text, (fix,))


def identity(app: AppFacts) -> Iterator[Note]:
    """Check identities: a swap does not move them, so each slot needs one."""
    production = app.slot(PRODUCTION)
    users = production.site.users if production and isinstance(production.site, SiteFacts) else ()
    for slot, site in app.sites:
        shared = " ".join(shlex.quote(user) for user in sorted(users)) or "'[system]'"
        fix = az(app, "identity assign", slot.name, f"--identities {shared}")
        if not site.identity:
            yield Note(Grade.WRONG, f"{slot.name} has no managed identity", (fix,))
        elif lacks := frozenset(users) - site.users:
            text = f"{slot.name} lacks {len(lacks)} user-assigned identity that production has"
            yield Note(Grade.WRONG, text, (fix,))


def package(app: AppFacts) -> Iterator[Note]:
    """
    Check packages: a slot whose identity cannot read its package does not start.

    https://learn.microsoft.com/azure/azure-functions/run-functions-from-deployment-package
    """
    for slot, site in app.sites:
        if isinstance(slot.settings, Doubt):
            yield unread(f"{slot.name}'s settings", slot.settings)
            continue
        address = urlsplit(slot.settings.get(PACKAGE_SETTING, ""))
        blob = ".blob." in address.netloc or address.netloc == urlsplit(app.store).netloc
        if not blob or not address.netloc or "sig=" in address.query:
            continue
        named = slot.settings.get(_READER, "")
        if named.lower() in ("", "systemassigned"):
            if "systemassigned" in site.identity.lower():
                continue
            text = f"{slot.name} reads its package with its own identity, and has none"
            fixes = [set_line(app, slot.name, {_READER: user}) for user in sorted(site.users)]
            fix = az(app, "identity assign", slot.name, "--identities '[system]'")
            yield Note(Grade.WRONG, text, (fixes[0] if fixes else fix,))
        elif named.lower() not in site.users:
            text = f"{slot.name} lacks the identity that {_READER} names"
            fix = az(app, "identity assign", slot.name, f"--identities {shlex.quote(named)}")
            yield Note(Grade.WRONG, text, (fix,))


def affinity(app: AppFacts) -> Iterator[Note]:
    """Check affinity: a cookie would hold a client, and a probe, to one instance."""
    for slot, site in app.sites:
        if site.affinity:
            fix = az(app, "update", slot.name, "--set clientAffinityEnabled=false")
            yield Note(Grade.WARNING, f"{slot.name} ties each client to one instance", (fix,))


def passwords(app: AppFacts) -> Iterator[Note]:
    """
    Check basic authentication: a publishing password puts code into a slot past Git.

    https://learn.microsoft.com/azure/app-service/configure-basic-auth-disable
    """
    for slot in app.there:
        if isinstance(slot.passwords, Doubt):
            yield unread(f"{slot.name}'s publishing policy", slot.passwords)
        elif slot.passwords:
            parent = app.name if slot.name == PRODUCTION else f"{app.name}/slots/{slot.name}"
            fix = f"az resource update -g {_group(app)} --namespace Microsoft.Web --parent "
            fix += f"sites/{parent} --resource-type basicPublishingCredentialsPolicies -n scm"
            text = f"{slot.name} takes code with a password"
            yield Note(Grade.WARNING, text, (f"{fix} --set properties.allow=false",))


def ping(app: AppFacts) -> Iterator[Note]:
    """
    Check access restrictions: the ping of a swap comes from 10.* and 100.*, within Azure.

    https://github.com/MicrosoftDocs/azure-docs/issues/43262
    """
    for slot in app.there:
        if isinstance(slot.config, Doubt):
            yield unread(f"{slot.name}'s configuration", slot.config)
            continue
        for each in _PINGS:
            if not {"Any", each} & slot.config.admitted:
                more = f"--priority 90 --ip-address {each}"
                fix = az(app, "config access-restriction add", slot.name, more)
                text = f"{slot.name} keeps out {each}: swaps may fail (417)"
                yield Note(Grade.WARNING, text, (fix,))


def operation(app: AppFacts) -> Iterator[Note]:
    """Check for a prepared swap, which blocks every change until it is completed or reset."""
    for slot, site in app.sites:
        if site.prepared:
            fix = az(app, "deployment slot swap", slot.name, "--action reset")
            yield Note(Grade.WRONG, f"a swap of {slot.name} is prepared and not completed", (fix,))
        elif site.operation:
            yield Note(Grade.WARNING, f"an operation on {slot.name} is in progress", ("wait",))


def of_release(slot: SlotFacts) -> str:
    """Describe the release that *slot* serves."""
    release = slot.health.release
    return str(release) if release else slot.health.reason or slot.health.detail or "nothing"


CHECKS: tuple[Check[AppFacts], ...] = (
    Check("app", "", place),
    Check("plan", "", plan),
    Check("memory", "", memory),
    Check("slots", "every slot that is needed is there", slots),
    Check("running", "every slot runs", running),
    Check("https", "every slot answers https only", https),
    Check("alike", "all slots have production's runtime, TLS and FTP", alike),
    Check("identity", "every slot has the identities that it needs", identity),
    Check("package", "every slot has the identity that reads its package", package),
    Check("affinity", "no slot ties a client to one instance", affinity),
    Check("passwords", "no slot takes code with a password", passwords),
    Check("ping", "access restrictions let the ping of a swap in", ping),
    Check("operation", "no swap is prepared or in progress", operation),
)
