"""
The checks of running slots: code, triggers, health, blobs, releases, journal.

Pure: `AppFacts` in, notes out. These checks cost the most, so they come last.
"""

import re
import shlex
from collections.abc import Iterator, Mapping

from gitslot.report.doctor.facts import (
    AppFacts,
    Check,
    Function,
    Grade,
    Note,
    SiteFacts,
    SlotFacts,
    unread,
)
from gitslot.report.doctor.site import az, of_release
from gitslot.state.remembered import Memory
from gitslot.state.seen import Answer
from gitslot.state.slot_settings import PACKAGE_SETTING, is_url
from gitslot.state.wanted import PRODUCTION, STAGING, Doubt, Refusal, Resolved

# These run only when called; every other trigger fires by itself.
CALLED = (
    *("httpTrigger", "warmupTrigger", "eventGridTrigger"),
    *("orchestrationTrigger", "activityTrigger", "entityTrigger"),
)
# https://learn.microsoft.com/azure/azure-functions/disable-function; in an environment, _ is for .
_SWITCH = re.compile(r"AzureWebJobs([._])(.+)\1Disabled")
_NO_IDENTITY, _NO_BLOBS = "IdentityUnavailable", "RegistryUnavailable"  # as serving_app reports


def auto_swap(app: AppFacts) -> Iterator[Note]:
    """Check auto swap, which would swap after each deploy, proved or not."""
    for slot in app.there:
        if isinstance(slot.config, Doubt):
            yield unread(f"{slot.name}'s configuration", slot.config)
        elif slot.config.auto_swap:
            fix = az(app, "deployment slot auto-swap", slot.name, "--disable")
            yield Note(Grade.WRONG, f"{slot.name} swaps by itself after each deploy", (fix,))


def traffic(app: AppFacts) -> Iterator[Note]:
    """Check traffic: staging may restart at any time, so no user may be sent there."""
    production = app.slot(PRODUCTION)
    if production is None or isinstance(production.config, Doubt):
        text = "production's configuration could not be read"
        yield Note(Grade.UNKNOWN, text, ("ask for role Reader on the app",))
        return
    for slot, percent in production.config.routed.items():
        if percent > 0:
            line = az(app, "traffic-routing clear")
            fix = line.replace("az functionapp", "az webapp", 1)  # only there
            yield Note(Grade.WRONG, f"{percent:g} % of production's users go to {slot}", (fix,))


def code(app: AppFacts) -> Iterator[Note]:
    """
    Check the code: a URL is a setting and moves with its release; zip-deployed code does not.

    https://learn.microsoft.com/azure/azure-functions/run-functions-from-deployment-package
    """
    remedy = "register a package (docs/run/azure.md, Code), and set "
    kinds: dict[str, list[str]] = {}
    for slot in app.there:
        if isinstance(slot.settings, Doubt):
            yield unread(f"{slot.name}'s settings", slot.settings)
            continue
        package = slot.settings.get(PACKAGE_SETTING, "")
        kinds.setdefault("a URL" if is_url(package) else "a zip deploy", []).append(slot.name)
        if is_url(package) and "?" in package:
            text = f"{slot.name}'s package URL has a signature, which expires"
            fix = f"let its identity read the package, and take the query out of {PACKAGE_SETTING}"
            yield Note(Grade.WARNING, text, (fix,))
        elif is_url(package) and app.store and not package.startswith(f"{app.store}/code/"):
            text = f"{slot.name}'s code is unverified: its URL is outside the registry"
            yield Note(Grade.WARNING, text, (f"{remedy}its URL as {PACKAGE_SETTING}",))
    zipped = kinds.get("a zip deploy", [])
    fixes = tuple(
        az(app, "config appsettings set", each, f"--settings {PACKAGE_SETTING}=URL")
        for each in zipped
    )
    if len(kinds) > 1:
        text = "; ".join(f"{', '.join(slots)} from {kind}" for kind, slots in kinds.items())
        yield Note(Grade.WRONG, f"code comes {text}", (f"{remedy}it everywhere:", *fixes))
    elif zipped:
        text = "code comes from a zip deploy: no commit can change or restore it"
        yield Note(Grade.WARNING, text, (f"{remedy}its URL:", *fixes))


def same_code(app: AppFacts) -> Iterator[Note]:
    """Check that both slots run the same code, unless it moves with the settings."""
    production, staging = app.slot(PRODUCTION), app.slot(STAGING)
    if not production or not staging:
        yield Note(Grade.UNKNOWN, "not both slots could be read", ("fix `slots` first",))
        return
    ours, theirs = production.health.code, staging.health.code
    if not ours or not theirs:
        text = "not both slots report their code"
        yield Note(Grade.UNKNOWN, text, ("fix `health` first: serving_app reports it there",))
        return
    if ours == theirs:
        return
    if isinstance(production.settings, Doubt):
        yield unread("production's settings", production.settings)
        return
    if not is_url(production.settings.get(PACKAGE_SETTING, "")):
        fix = "zip-deploy the same code to both slots, or let both take it from a URL"
        yield Note(Grade.WRONG, "production and staging run different code", (fix,))
    elif _kept_for_rollback(app, staging):
        yield Note(Grade.OK, "staging keeps the code that the last swap replaced, for a rollback")
    else:
        text = "staging runs other code than production"
        yield Note(Grade.WARNING, text, ("nothing to do: the next deploy aligns it",))


def _kept_for_rollback(app: AppFacts, staging: SlotFacts) -> bool:
    if not isinstance(app.memory, Memory) or app.memory.last_swap is None:
        return False
    replaced = app.memory.last_swap.replaced
    return replaced is not None and staging.health.serves(replaced)


def triggers(app: AppFacts) -> Iterator[Note]:
    """Check triggers: timers and queues fire in staging too, with production's settings."""
    for slot in app.there:
        if slot.name == PRODUCTION:
            continue
        off = _switched_off(slot.known)
        for name, setting in off.items():
            if not isinstance(app.sticky, Doubt) and setting not in app.sticky.settings:
                text = f"{slot.name}: {name} is switched off, which a swap moves to production"
                yield Note(Grade.WRONG, text, (_off(app, slot.name, setting),))
        if isinstance(slot.functions, Doubt):
            text = f"{slot.name}: its functions cannot be listed ({slot.functions.reason})"
            text = f"{text}; by its settings {len(off)} are switched off"
            fix = "ask for role Reader on the app; the portal shows them under Functions"
            yield Note(Grade.UNKNOWN, text, (fix,))
            continue
        firing = [each for each in slot.functions if fires(each) and each.name not in off]
        for each in firing:
            text = f"{slot.name}: {each.name} ({each.trigger}) fires beside production's"
            fix = _off(app, slot.name, f"AzureWebJobs.{each.name}.Disabled")
            if "-" in each.name:  # https://github.com/Azure/Azure-Functions/issues/1851
                fix = f"rename {each.name}: the name of its switch must not have a hyphen on Linux"
            yield Note(Grade.WRONG, text, (fix,))


def fires(function: Function) -> bool:
    """Say whether *function* runs without a call."""
    return function.trigger not in CALLED and not function.disabled


def _switched_off(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the setting that switches it off, for each function that has one."""
    on = (name for name in sorted(settings) if settings[name].strip().lower() in ("true", "1"))
    return {match[2]: match[0] for match in map(_SWITCH.fullmatch, on) if match}


def _off(app: AppFacts, slot: str, setting: str) -> str:
    value = shlex.quote(f"{setting}=true")
    return az(app, "config appsettings set", slot, f"--slot-settings {value}")


def health(app: AppFacts) -> Iterator[Note]:
    """Check health: a slot that does not answer cannot be proved."""
    for slot in app.there:
        said = slot.health
        if said.answer is Answer.SERVING:
            yield Note(Grade.OK, f"{slot.name} serves {of_release(slot)}")
        elif said.answer is Answer.BLOCKED:
            # 403: perhaps a restriction that keeps this machine out, and not the controller
            grade = Grade.WARNING if said.detail == "HTTP 403" else Grade.WRONG
            text = f"{slot.name}: /api/health is closed to you ({said.detail})"
            fix = "let /api/health be anonymous, and let the controller's network in"
            yield Note(grade, text, (fix,))
        elif said.answer is Answer.STOPPED:
            line = az(app, "start", slot.name)
            yield Note(Grade.WARNING, f"{slot.name} is stopped, so it does not answer", (line,))
        elif said.answer is Answer.FOREIGN:
            text = f"{slot.name}: /api/health is not of the serving contract ({said.detail})"
            fix = "serve with serving_app, or as docs/use/serving-contract.md asks"
            yield Note(Grade.WRONG, text, (fix,))
        elif said.answer is Answer.SILENT:
            fix = f"{az(app, 'restart', slot.name)}; then look at its log stream"
            yield Note(Grade.WRONG, f"{slot.name} does not answer ({said.detail})", (fix,))
        elif said.reason == "NoModel":
            yield Note(Grade.OK, f"{slot.name} has no model yet")
        else:
            fix = f"`gitslot logs {app.name}` and the slot's log stream say more"
            yield Note(Grade.WRONG, f"{slot.name} answers 503 {said.reason}", (fix,))


def blobs(app: AppFacts) -> Iterator[Note]:
    """Check that the slot can read blobs: a served model was read with the slot's identity."""
    for slot, site in app.sites:
        if slot.health.answer is Answer.SERVING:
            yield Note(Grade.OK, f"{slot.name} has read its model")
        elif slot.health.reason == _NO_BLOBS:
            text = f"{slot.name} cannot read the registry"
            yield Note(Grade.WRONG, text, _reader(app, site))
        elif slot.health.reason == _NO_IDENTITY:
            fix = az(app, "identity assign", slot.name, "--identities '[system]'")
            yield Note(Grade.WRONG, f"{slot.name} gets no token for its identity", (fix,))
        else:
            fix = "nothing to do: the first deployed model will show it"
            yield Note(Grade.UNKNOWN, f"{slot.name} has read no model", (fix,))
        store = slot.known.get("MODEL_STORE", "")
        if store and app.store and store.rstrip("/") != app.store:
            text = f"{slot.name}'s MODEL_STORE is another registry than GITSLOT_STORAGE"
            yield Note(Grade.WARNING, text, ("nothing to do: the next deploy sets it",))


def _reader(app: AppFacts, site: SiteFacts) -> tuple[str, ...]:
    account = app.store.removeprefix("https://").split(".")[0]
    scope = f"$(az storage account show -n {shlex.quote(account)} --query id -o tsv)"
    return tuple(
        f"az role assignment create --assignee-object-id {shlex.quote(principal)} "
        '--assignee-principal-type ServicePrincipal --role "Storage Blob Data Reader" '
        f'--scope "{scope}/blobServices/default/containers/models"'
        for principal in site.principals or ("OBJECT_ID",)
    )


def versions(app: AppFacts) -> Iterator[Note]:
    """Check versions: one that is not registered stalls the app at the next look."""
    if not app.wanted:
        yield Note(Grade.UNKNOWN, "the wanted versions are not known", ("fix `file` first",))
    for slot, found in app.wanted.items():
        if isinstance(found, Resolved):
            yield Note(Grade.OK, f"{slot}: {found.release} is registered")
        elif isinstance(found, Refusal):
            fix = "register it, or name one listed by `gitslot models`"
            yield Note(Grade.WRONG, f"{slot}: {found.reason}: {found.message}", (fix,))
        else:
            yield unread(f"{slot}: the registry", found)


def journal(app: AppFacts) -> Iterator[Note]:
    """Check the journal, the controller's memory: without it, it waits for a person."""
    if isinstance(app.memory, Doubt):
        fix = 'the role "Storage Blob Data Contributor" on container `gitslot`, and an open network'
        yield Note(Grade.WRONG, f"{app.memory.reason}: {app.memory.message}", (fix,))
        return
    serving = [slot.name for slot in app.there if slot.health.release]
    if not app.memory.baseline and serving:
        text = f"it holds nothing of this app, and {' and '.join(serving)} already serves"
        fix = f"`gitslot retry {app.name}`, once: until then it is frozen or only observed"
        yield Note(Grade.WARNING, text, (fix,))
        return
    event, reason, message = app.memory.stop
    if event in ("Stalled", "Frozen"):
        fix = f"fix the cause, then `gitslot retry {app.name}`"
        yield Note(Grade.WARNING, f"the controller is {event}: {reason}: {message}", (fix,))
        return
    yield Note(Grade.OK, f"the last pass ended {event}" if event else "nothing has happened yet")


CHECKS: tuple[Check[AppFacts], ...] = (
    Check("auto-swap", "no slot swaps by itself", auto_swap),
    Check("traffic", "all of production's users get production", traffic),
    Check("code", "every slot takes its code from a URL", code),
    Check("journal", "", journal),
    Check("versions", "", versions),
    Check("triggers", "nothing fires in staging by itself", triggers),
    Check("health", "", health),
    Check("same code", "both slots run the same code", same_code),
    Check("blobs", "", blobs),
)
