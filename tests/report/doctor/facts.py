"""Facts of an app that is set up as it should be, to break one at a time."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gitslot.edges.azure.arm import AppRef
from gitslot.edges.settings import Settings
from gitslot.report.doctor.facts import (
    AppFacts,
    ConfigFacts,
    Function,
    Ground,
    Kept,
    SiteFacts,
    SlotFacts,
    Sticky,
)
from gitslot.state import slot_settings
from gitslot.state.code import Needs
from gitslot.state.seen import Answer, Health
from gitslot.state.wanted import PRODUCTION, STAGING, Desired, Resolved, Revision
from tests.report.looks import COMMIT, app, memory, release

NAME = "az-fct-python-ml"
STORE = "https://account.blob.core.windows.net"
REF = AppRef("00000000-0000-0000-0000-000000000001", "group", NAME)
SECRET = "canary-of-a-setting"
SITE = SiteFacts("Running", True, "ElasticPremium", "SystemAssigned", principals=("p-1",))
ALIKE = {"linuxFxVersion": "Python|3.13", "minTlsVersion": "1.2", "ftpsState": "Disabled"}


def slot(name: str, version: str | None) -> SlotFacts:
    """Return a slot that is set up; it serves *version*, or has no model yet."""
    settings = {
        "FUNCTIONS_EXTENSION_VERSION": "~4",
        "DB_PASSWORD": SECRET,
        slot_settings.PACKAGE_SETTING: f"{STORE}/code/3/app.zip",
        **slot_settings.WARMUP_SETTINGS,
    }
    health = Health(Answer.UNHEALTHY, reason="NoModel", code="build-3")
    if version is not None:
        what = release(version)
        settings |= {"MODEL_NAME": what.model, "MODEL_VERSION": what.setting}
        settings |= {"MODEL_DEPLOY": "run-1", "MODEL_STORE": STORE}
        health = Health(Answer.SERVING, what.model, version, what.digest, "run-1", code="build-3")
    functions = (Function("predict", "httpTrigger"), Function("warmup", "warmupTrigger"))
    config = ConfigFacts(alike=ALIKE)
    return SlotFacts(name, SITE, settings, config, functions, health, passwords=False)


GOOD = AppFacts(
    name=NAME,
    place=REF,
    slots=(slot(PRODUCTION, "1.5.0"), slot(STAGING, "1.4.0")),
    sticky=Sticky(("ONLY_HERE",)),
    wanted={PRODUCTION: Resolved(release("1.5.0"), needs=Needs(memory=200 * 2**20))},
    memory=memory("1.5.0", "1.4.0"),
    store=STORE,
    sku="EP1",
)
GROUND = Ground(
    settings=Settings("https://git.example/team/repo", STORE),
    newest=Revision(COMMIT, "sam", "bump"),
    desired=Desired(Revision(COMMIT), {"az-fct-python-ml": app("1.5.0")}),
    containers={"models": True, "code": True, "gitslot": True},
    skew_s=0.4,
    kept=Kept("group", "account", soft=True, policies=("models", "code")),
)


def at(name: str, found: AppFacts = GOOD, **changes: Any) -> AppFacts:
    """Return *found* with *changes* to the slot *name*."""
    slots = tuple(replace(s, **changes) if s.name == name else s for s in found.slots)
    return replace(found, slots=slots)


def at_site(name: str, **changes: Any) -> AppFacts:
    """Return a good app with *changes* to what ARM says of the slot *name*."""
    return at(name, site=replace(SITE, **changes))


def set_to(name: str, found: AppFacts = GOOD, /, **values: str | None) -> AppFacts:
    """Return *found* with settings of the slot *name* changed; None takes one away."""
    (old,) = [each.settings for each in found.slots if each.name == name]
    assert isinstance(old, Mapping)
    settings = {**old, **values}
    return at(name, found, settings={k: v for k, v in settings.items() if v is not None})
