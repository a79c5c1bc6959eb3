"""
The checks of an app's settings: which of them a swap moves, and which it leaves behind.

Pure: `AppFacts` in, notes out. Settings hold secrets, so only their names are shown.
"""

import json
import shlex
from collections.abc import Iterator

from gitslot.report.doctor.facts import AppFacts, Check, Grade, Note, Sticky, unread
from gitslot.report.doctor.site import az, set_line
from gitslot.state.slot_settings import (
    CONTENT_SHARE,
    HOST_ID,
    RELEASE_SETTINGS,
    WARMUP_SETTINGS,
    missing_warmup,
    share_content,
    sticky_release,
    value_of,
)
from gitslot.state.wanted import PRODUCTION, STAGING, Doubt

_CUT = 32  # characters; https://learn.microsoft.com/azure/azure-functions/storage-considerations
_BINDING = "WEBSITE_ADD_SITENAME_BINDINGS_IN_APPHOST_CONFIG"
_RUNTIME = "FUNCTIONS_EXTENSION_VERSION"


def rights(app: AppFacts) -> Iterator[Note]:
    """Check the rights of whoever runs this, which are seldom the controller's."""
    role = "assign the role of infra/role.json on the app, as in docs/run/azure.md"
    if not app.there:
        yield Note(Grade.UNKNOWN, "nothing of the app could be read", (role,))
        return
    asked = [(f"{slot.name}: no settings", slot.settings) for slot in app.there]
    refused = [(what, found) for what, found in asked if isinstance(found, Doubt)]
    if isinstance(app.sticky, Doubt):
        refused.append(("no sticky names", app.sticky))
    for what, doubt in refused:
        grade = Grade.WRONG if doubt.reason == "NotAllowed" else Grade.UNKNOWN
        yield Note(grade, f"{what}: {doubt.message}", (role,))
    if not refused:
        yield Note(
            Grade.OK,
            "you may read the slots and list their settings; not tried, because it would change or "
            "disclose something: writing settings, swapping, host keys; the controller's own "
            "rights are not known",
        )


def names(app: AppFacts) -> Iterator[Note]:
    """
    Check names: slots that agree in 32 characters are one host to Azure, and restart in turn.

    https://github.com/Azure/azure-functions-host/issues/8122
    """
    seen: dict[str, str] = {}
    marked = () if isinstance(app.sticky, Doubt) else tuple(map(str.lower, app.sticky.settings))
    for slot in app.there:
        own = value_of(slot.known, HOST_ID)
        full = app.name if slot.name == PRODUCTION else f"{app.name}-{slot.name}"
        host = own or full.lower()[:_CUT].rstrip("-")
        if host in seen:
            text = f"{seen[host]} and {slot.name} have the same host id, `{host}`"
            fixes = (_named(app, each, f"{each}-short") for each in (seen[host], slot.name))
            yield Note(Grade.WRONG, text, tuple(fixes))
        elif own and HOST_ID.lower() not in marked:
            fix = _named(app, slot.name, host)
            yield Note(Grade.WARNING, f"a swap moves {slot.name}'s {HOST_ID}", (fix,))
        elif not own and len(full) > _CUT:
            text = f"{slot.name}'s host id is cut to `{host}`"
            yield Note(Grade.WARNING, text, ("keep site and slot name within 32 characters",))
        seen.setdefault(host, slot.name)


def _named(app: AppFacts, slot: str, host: str) -> str:
    return az(app, "config appsettings set", slot, f"--slot-settings {HOST_ID}={shlex.quote(host)}")


def content(app: AppFacts) -> Iterator[Note]:
    """Check content shares: gitslot sends nothing to a slot that has production's."""
    taken = {value_of(slot.known, CONTENT_SHARE).lower() for slot in app.there}
    production = app.slot(PRODUCTION)
    for slot in app.there:
        if production and slot is not production and share_content(production.known, slot.known):
            names_ = (f"{app.name}-{slot.name}{end}".lower() for end in ("", "-2", "-3", "-4"))
            own = {CONTENT_SHARE: next(name for name in names_ if name not in taken)}
            text = f"{slot.name} has production's content share: a deploy overwrites production"
            yield Note(Grade.WRONG, text, (set_line(app, slot.name, own),))


def warm_up(app: AppFacts) -> Iterator[Note]:
    """
    Check warm-up: by default any answer counts as warm, even a 500, so a broken model is swapped
    in.

    https://learn.microsoft.com/azure/app-service/deploy-staging-slots#specify-custom-warm-up
    """
    yield from _settings_as(app, tuple(name for name in WARMUP_SETTINGS if name != _BINDING))


def binding(app: AppFacts) -> Iterator[Note]:
    """Check the bindings setting: without it a swap may restart the app."""
    yield from _settings_as(app, (_BINDING,))


def _settings_as(app: AppFacts, wanted: tuple[str, ...]) -> Iterator[Note]:
    for slot in app.there:
        if isinstance(slot.settings, Doubt):
            yield unread(f"{slot.name}'s settings", slot.settings)
            continue
        lacking = [name for name in missing_warmup(slot.settings) if name in wanted]
        if lacking:
            fix = set_line(app, slot.name, {name: WARMUP_SETTINGS[name] for name in lacking})
            yield Note(Grade.WRONG, f"{slot.name} lacks {', '.join(lacking)}", (fix,))


def sticky(app: AppFacts) -> Iterator[Note]:
    """Check sticky settings: if the release is sticky, a swap succeeds and moves nothing."""
    if isinstance(app.sticky, Doubt):
        yield unread("the sticky names", app.sticky)
        return
    names_ = frozenset(app.sticky.settings)
    ours = {*sticky_release(names_), *(names_ & WARMUP_SETTINGS.keys())}
    if ours:
        fixes = (_unstick(app, app.sticky, ours),)
        yield Note(Grade.WRONG, f"{', '.join(sorted(ours))}: set as slot settings", fixes)


def _unstick(app: AppFacts, found: Sticky, names_: set[str]) -> str:
    """Return the call that writes the list without *names_* and keeps the other lists."""
    if isinstance(app.place, Doubt):
        return f"untick `Deployment slot setting` of {', '.join(sorted(names_))}"
    ref = app.place
    path = f"/subscriptions/{ref.subscription}/resourceGroups/{ref.resource_group}"
    url = f"{path}/providers/Microsoft.Web/sites/{ref.name}/config/slotConfigNames"
    properties = {
        "appSettingNames": [name for name in found.settings if name not in names_],
        "connectionStringNames": found.connections,
        "azureStorageConfigNames": found.storage,
    }
    address = shlex.quote(f"{url}?api-version=2024-04-01")
    body = shlex.quote(json.dumps({"properties": properties}))
    return f"az rest --method put --url {address} --body {body}"


def runtime(app: AppFacts) -> Iterator[Note]:
    """
    Check runtimes: a swap does not move the runtime's version, so both slots must name the same.

    https://github.com/Azure/Azure-Functions/issues/925
    """
    production, staging = app.slot(PRODUCTION), app.slot(STAGING)
    if not production or not staging:
        yield Note(Grade.UNKNOWN, "not both slots could be read", ("fix `slots` first",))
        return
    if isinstance(production.settings, Doubt) or isinstance(staging.settings, Doubt):
        yield Note(Grade.UNKNOWN, "the settings could not be read", ("fix `rights` first",))
        return
    version = production.settings.get(_RUNTIME, "")
    if not version:
        fix = set_line(app, PRODUCTION, {_RUNTIME: "~4"})
        yield Note(Grade.WARNING, f"production has no {_RUNTIME}", (fix,))
    elif staging.settings.get(_RUNTIME) != version:
        fixes = tuple(
            set_line(app, slot.name, {_RUNTIME: "~4"})
            for slot, settings in ((production, production.settings), (staging, staging.settings))
            if settings.get(_RUNTIME) != "~4"
        )
        yield Note(Grade.WRONG, f"{_RUNTIME} differs between production and staging", fixes)


def apart(app: AppFacts) -> Iterator[Note]:
    """Check for a controller in the app: one that swaps its own app swaps itself away."""
    for slot in app.there:
        if slot.known.keys() & {"GITSLOT_REPO", "GITSLOT_STORAGE"}:
            text = f"{slot.name} has settings of the controller (GITSLOT_*)"
            fix = "give the controller an app of its own (docs/run/azure.md), and remove them here"
            yield Note(Grade.WRONG, text, (fix,))


def pinned(app: AppFacts) -> Iterator[Note]:
    """Check the release's settings, which the first deploy writes."""
    production = app.slot(PRODUCTION)
    if production is None or isinstance(production.settings, Doubt):
        text = "production's settings could not be read"
        yield Note(Grade.UNKNOWN, text, ("fix `rights` first",))
        return
    fix = "nothing to do: the first release through gitslot writes them"
    lacking = [name for name in RELEASE_SETTINGS if not production.settings.get(name)]
    if lacking:
        yield Note(Grade.WARNING, f"production lacks {', '.join(lacking)}", (fix,))
    elif "@sha256:" not in production.settings["MODEL_VERSION"]:
        yield Note(Grade.WARNING, "production's MODEL_VERSION is not pinned by a digest", (fix,))


def secrets(app: AppFacts) -> Iterator[Note]:
    """Check Key Vault references: the app gets one that is not resolved as its literal text."""
    fix = 'give the identity that keyVaultReferenceIdentity names the role "Key Vault Secrets User"'
    for slot in app.there:
        if isinstance(slot.references, Doubt):
            yield unread(f"{slot.name}'s Key Vault references", slot.references)
            continue
        for name, state in slot.references.items():
            if state != "Resolved":
                yield Note(Grade.WRONG, f"{slot.name}'s {name} is not resolved: {state}", (fix,))


CHECKS: tuple[Check[AppFacts], ...] = (
    Check("rights", "", rights),
    Check("names", "every slot has its own host id within 32 characters", names),
    Check("content", "no slot has production's content share", content),
    Check("warm-up", "a slot counts as warm only when /api/health answers 200", warm_up),
    Check("binding", "host names are bound so that a swap restarts nothing", binding),
    Check("sticky", "no setting of a release is sticky", sticky),
    Check("runtime", "both slots name the same runtime", runtime),
    Check("apart", "the controller is not in it", apart),
    Check("release", "production is set to a pinned release", pinned),
    Check("secrets", "every Key Vault reference is resolved", secrets),
)
