"""
Write a desired_state.yaml that asks for what a running app serves, for a person to review.

Pure. If production's release is not known, the file suspends the app and marks what a person must
decide. So committing it unread changes nothing.
"""

import re
from dataclasses import dataclass

from gitslot.edges.file.edit import needs_quotes
from gitslot.edges.file.keys import VERSION
from gitslot.edges.file.read import read
from gitslot.errors import DesiredError
from gitslot.report.doctor.facts import AppFacts, SlotFacts
from gitslot.state.safe_text import safe
from gitslot.state.slot_settings import configured
from gitslot.state.wanted import PRODUCTION, STAGING, App, Doubt, Refusal, Resolved

UNDECIDED = "to-be-decided"
_NAME = re.compile(VERSION)


@dataclass(frozen=True, slots=True)
class Adoption:
    """The file, its parsed form, and whether a person must fill something in first."""

    text: str
    app: App
    decided: bool


@dataclass(frozen=True, slots=True)
class _Seen:
    """The release of one slot, and how it is known."""

    model: str
    version: str
    how: str


def adopt(facts: AppFacts, day: str, *, group: bool = False, every_slot: bool = False) -> Adoption:
    """
    Return the file for the app of *facts*, as seen on *day*.

    *group* also writes the resource group and subscription, for an ambiguous name; *every_slot*
    also writes further slots with their releases. Raises DesiredError if the file cannot hold the
    app's name.
    """
    if isinstance(facts.place, Doubt):
        raise DesiredError(facts.place.message, reason=facts.place.reason)
    production = _seen(facts, PRODUCTION)
    lines = [
        f"# What {facts.place.name} serves, as gitslot found it on {day}. Read it, then commit it:",
        "# from then on a release is a commit, and a rollback is `gitslot rollback`.",
        f"app: {_text(facts.place.name)}",
    ]
    if group:
        lines += [
            f"resource_group: {_text(facts.place.resource_group)}",
            f"subscription: {_text(facts.place.subscription)}",
        ]
    if production is None:
        lines += [
            "# decide: which model and version? Then remove this line, and gitslot starts",
            'suspend: "adopted; it is not decided yet which version production serves"',
            f"model: {UNDECIDED}    # decide: a model listed by `gitslot models`",
            "slots:",
            f"  production: {UNDECIDED}    # decide: {_why(facts.slot(PRODUCTION))}",
        ]
    else:
        lines += [
            f"model: {_text(production.model)}",
            "slots:",
            _line(facts, PRODUCTION, production),
        ]
    lines += _others(facts, production, every_slot=every_slot)
    text = "\n".join(lines) + "\n"
    return Adoption(text, read(text.encode()), production is not None)


def _others(facts: AppFacts, production: _Seen | None, *, every_slot: bool) -> list[str]:
    lines = ["  # staging is left out on purpose: it is where releases are proved, and what it"]
    lines.append("  # keeps afterwards makes a rollback one swap")
    staging = _seen(facts, STAGING)
    if production and staging and staging.version != production.version:
        said = "it serves this now, and is redeployed unless the file names it"
        lines.append(f'  # staging: "{staging.version}"    # {said}')
    if not every_slot:
        if facts.others:
            names = ", ".join(safe(each, 60) for each in facts.others)
            lines.append(f"  # not looked after: {names} (`gitslot adopt --slots` names them)")
        return lines
    for slot in facts.there:
        if slot.name in (PRODUCTION, STAGING):
            continue
        seen = _seen(facts, slot.name)
        if seen is None:
            lines.append(f"  # {safe(slot.name, 60)}: decide, or leave it out: {_why(slot)}")
        elif production is None or seen.model != production.model:
            lines.append(f"  # {safe(slot.name, 60)} serves another model: {seen.model}")
        else:
            lines.append(_line(facts, slot.name, seen))
    return lines


def _line(facts: AppFacts, slot: str, seen: _Seen) -> str:
    known = facts.wanted.get(slot)
    if isinstance(known, Resolved):
        said = f"{seen.how}; registered"
    elif isinstance(known, Refusal):
        said = f"{seen.how}; decide: {known.reason}, {known.message}"
    elif isinstance(known, Doubt):
        said = f"{seen.how}; the registry could not be asked"
    else:
        said = f"{seen.how}; decide: not proved to be served"
    return f'  {_text(slot)}: "{seen.version}"    # {safe(said, 200)}'


def _seen(facts: AppFacts, name: str) -> _Seen | None:
    """Return the release that slot *name* serves, else the one that it is set to, else None."""
    slot = facts.slot(name)
    if slot is None:
        return None
    if release := slot.health.release:
        return _usable(release.model, release.version, "serves it now")
    if isinstance(slot.settings, Doubt):
        return None
    found = configured(slot.settings)
    return _usable(found.model, found.version, "is set to it, and does not serve it")


def _usable(model: str, version: str, how: str) -> _Seen | None:
    """Refuse names from outside that the file cannot hold."""
    fits = _NAME.fullmatch(model) and _NAME.fullmatch(version)
    return _Seen(model, version, how) if fits else None


def _why(slot: SlotFacts | None) -> str:
    if slot is None:
        return "the slot could not be read"
    said = slot.health.reason or slot.health.detail or slot.health.answer.value
    return f"neither /api/health ({safe(said, 60)}) nor MODEL_VERSION says it"


def _text(value: str) -> str:
    return f'"{value}"' if needs_quotes(value) else value
