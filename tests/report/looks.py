"""Values as one look finds them: two slots, what they serve, what they are set to."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from gitslot.state import slot_settings
from gitslot.state.code import ANY, Build, Package
from gitslot.state.remembered import Asked, LastSwap, Memory, SlotMemory
from gitslot.state.seen import Answer, Arm, Health, Live, Seen
from gitslot.state.wanted import PRODUCTION, STAGING, App, Release, Resolved, Revision, Wanted

NOW = datetime(2026, 11, 22, 14, 2, 11, tzinfo=UTC)
COMMIT = "9f3c2ab" + "0" * 33
PACKAGE = "https://account.example/code/3/app.zip"
CODE = Package("3", 1, {ANY: Build("0" * 64, 1, "app", "build-3", "3.13", url=PACKAGE)})


def release(version: str) -> Release:
    """Return iris *version* with a digest of its own."""
    return Release("iris", version, version.encode().hex().ljust(64, "0")[:64])


def slot(name: str, version: str | None, **more: str) -> Seen:
    """Return a slot that serves *version* (None: no model) and is set to it, and to *more*."""
    settings = {**slot_settings.WARMUP_SETTINGS, slot_settings.PACKAGE_SETTING: PACKAGE, **more}
    health = Health(Answer.UNHEALTHY, reason="NoModel")
    if version is not None:
        what = release(version)
        deploy = f"run{version}-1"
        settings |= {"MODEL_NAME": what.model, "MODEL_VERSION": what.setting}
        settings |= {"MODEL_DEPLOY": deploy, "MODEL_STORE": "https://account.example"}
        health = Health(Answer.SERVING, what.model, version, what.digest, deploy, code="build-3")
    configured = slot_settings.configured(settings)
    arm = Arm(f"{name}.example", f"id-{name}", "", "Running", configured, settings)
    return Seen(name, health, arm=arm)


def live(
    production: str | None,
    staging: str | None,
    wanted: str,
    pin: str | None = None,
    *,
    sticky: frozenset[str] = frozenset(),
    on_production: Mapping[str, str] | None = None,
    on_staging: Mapping[str, str] | None = None,
) -> Live:
    """Return a look that read ARM."""
    here = slot(PRODUCTION, production, **(on_production or {}))
    there = slot(STAGING, staging, **(on_staging or {}))
    here = replace(here, wanted=Resolved(release(wanted)), code=CODE)
    there = replace(there, wanted=Resolved(release(pin)) if pin else None)
    return Live({each.name: _with_sticky(each, sticky) for each in (here, there)})


def _with_sticky(found: Seen, sticky: frozenset[str]) -> Seen:
    assert found.arm is not None
    return replace(found, arm=replace(found.arm, sticky=sticky))


def app(production: str, staging: str | None = None) -> App:
    """Return the file's block."""
    slots = {PRODUCTION: Wanted(production)}
    if staging:
        slots[STAGING] = Wanted(staging)
    return App("az-fct-python-ml", "iris", slots)


def memory(version: str, before: str | None = None) -> Memory:
    """Return what the journal says after production came to *version* from *before*."""
    replaced = release(before) if before else None
    return Memory(
        baseline=True,
        converged=release(version),
        releases={each: True for each in (replaced, release(version)) if each},
        last_swap=LastSwap(release(version), replaced),
        swap_status="",
        slots={PRODUCTION: SlotMemory(asked=Asked(f"iris {version}", Revision(COMMIT, "sam")))},
        stop=("Converged", "", ""),
    )


def beside(found: Live, *names: str, serves: str | None = "1.4.0", wants: str = "1.6.0") -> Live:
    """Return *found* with further slots that serve one release and shall serve another."""
    return found.having(
        *(replace(slot(name, serves), wanted=Resolved(release(wants))) for name in names)
    )


def wanting(found: App, **slots: str) -> App:
    """Return the block with further slots."""
    return replace(found, slots={**found.slots, **{k: Wanted(v) for k, v in slots.items()}})
