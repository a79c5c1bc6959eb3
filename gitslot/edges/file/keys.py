"""
The keys of desired_state.yaml: one table that parser, refusals and schema are made from.

A row says what a key is for, how its value is read, what JSON schema has of it, and what to write
where it is missing or wrong.
"""

import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

from gitslot.edges.file.plain_yaml import Map, Node, Text, refuse
from gitslot.state.safe_text import safe
from gitslot.state.wanted import APP_NAME, PRODUCTION, STAGING, Wanted

MAX_SLOTS = 21  # production and 20 more, which is what the largest plans allow
VERSION = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,63})"
_WANTED = re.compile(rf"({VERSION})(?:@sha256:([0-9a-f]{{64}}))?")
_NAME = re.compile(VERSION)
_SLOT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,57}[A-Za-z0-9])?")
_GROUP = re.compile(r"[\w.()-]{1,90}")
_SUBSCRIPTION = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SOAK = re.compile(r"[1-9][0-9]{0,3}s|[1-9][0-9]{0,2}m|(?:[1-9]|1[0-9]|2[0-4])h")
_LATENCY = re.compile(r"\d{1,6}(\.\d{1,3})?")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_QUOTES = "Put quotes around a version that is only digits and dots, like '1.10' or '7'."
_KNOWN = {"apps": "each app has a file of its own: name their folder in GITSLOT_FILE"}

Schema: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """
    One key of a mapping in the file.

    *field* names the value in `App`, *means* is its description for editors, *fix* what to write
    where it is missing or no plain text. *read* returns the value, or refuses it by its line.
    """

    name: str
    field: str
    means: str
    fix: str
    schema: Schema
    read: Callable[[Text], Any]
    required: bool = False

    def value(self, block: Map) -> Any:
        """Return the key's value in *block*. Raises DesiredError."""
        node = block.items.get(self.name)
        if node is None:
            refuse(block.line, f"key `{self.name}` is missing; {self.fix}")
        if not isinstance(node, Text) or not node.value:
            refuse(node.line, f"`{self.name}` must be plain text; {self.fix}")
        return self.read(node)


def known(block: Map, keys: Collection[str]) -> None:
    """Refuse a key of *block* that is not one of *keys*, naming the nearest one."""
    for key, line in block.lines.items():
        if key in keys:
            continue
        near = difflib.get_close_matches(key, keys, 1, 0.5)
        hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(keys)}"
        refuse(line, f"unknown key `{safe(key, 60)}`; {_KNOWN.get(key, hint)}", "UnknownKey")


# ---------------------------------------------------------------- how values are read


def _wrong(node: Text, key: str, what: str) -> NoReturn:
    refuse(node.line, f"`{key}: {safe(node.value, 80)}` {what}")


def _matching(key: str, pattern: re.Pattern[str], what: str) -> Callable[[Text], str]:
    def read(node: Text) -> str:
        if not pattern.fullmatch(node.value):
            _wrong(node, key, f"is not {what}")
        return node.value

    return read


def _drift(node: Text) -> str:
    if node.value not in ("heal", "report"):
        _wrong(node, "drift", "must be `heal` or `report`")
    return node.value


def _latency(node: Text) -> float:
    if not _LATENCY.fullmatch(node.value) or float(node.value) <= 0:
        _wrong(node, "latency_p99_ms", "must be milliseconds above 0")
    return float(node.value)


def _soak(node: Text) -> float:
    if not _SOAK.fullmatch(node.value):
        _wrong(node, "soak", "must be a time such as 90s, 10m or 2h, at most 24h")
    return float(node.value[:-1]) * _SECONDS[node.value[-1]]


def _pattern(pattern: re.Pattern[str]) -> Schema:
    """Match *pattern* against the whole text; ours mean the same in Python and ECMA 262."""
    return {"type": "string", "pattern": f"^(?:{pattern.pattern})$"}


def _text(
    name: str, pattern: re.Pattern[str], what: str, means: str, fix: str, *, required: bool = False
) -> Key:
    """Return the key of a text that *pattern* describes."""
    field = "name" if name == "app" else name
    read = _matching(name, pattern, what)
    return Key(name, field, means, fix, _pattern(pattern), read, required)


APP = _text(
    "app",
    APP_NAME,
    "a function app's name",
    "Name of the function app. It is found by this name in the subscriptions that the controller "
    "may read. In a folder of files the file's name is the app's, and this may be left out.",
    "name the function app: `app: my-function-app`",
    required=True,
)
KEYS: Sequence[Key] = (
    APP,
    _text(
        "model",
        _NAME,
        "a model's name",
        "Name of the model in the registry.",
        "name the model in the registry: `model: iris`",
        required=True,
    ),
    _text(
        "resource_group",
        _GROUP,
        "a resource group's name",
        "Resource group of the app. Needed only if several apps have this name.",
        "give a resource group's name, or remove it",
    ),
    _text(
        "subscription",
        _SUBSCRIPTION,
        "a subscription's id",
        "Id of the app's subscription. Needed only if several apps have this name.",
        "give a subscription's id, or remove it",
    ),
    Key(
        "suspend",
        "suspend",
        "Leave the app alone while this key is here. Give a reason: 'incident 7, sam'.",
        'say why and who: `suspend: "incident 7, sam"`, or remove it',
        {"type": "string", "minLength": 1},
        lambda node: safe(node.value, 200),
    ),
    Key(
        "drift",
        "drift",
        "What to do about a release that was edited by hand: heal restores it, report only "
        "reports it.",
        "`heal` or `report`",
        {"enum": ["heal", "report"], "default": "heal"},
        _drift,
    ),
    Key(
        "latency_p99_ms",
        "latency_p99_ms",
        "Refuse a new release if the 99th percentile of 200 warm requests to staging is slower "
        "than this many milliseconds. Never blocks a rollback.",
        "milliseconds, as in `latency_p99_ms: 250`",
        {"type": "number", "exclusiveMinimum": 0, "maximum": 999_999.999},
        _latency,
    ),
    Key(
        "soak",
        "soak_s",
        "How long to watch production after a swap, such as 90s, 10m or 2h. If it fails in that "
        "time and staging is proved to serve the release before, it is swapped back, once.",
        "how long to watch production after a swap, as in `soak: 10m`",
        _pattern(_SOAK),
        _soak,
    ),
)
SLOTS = "slots"
SLOTS_MEAN = "Which version each slot runs."
NAMES = ("app", "model", SLOTS, *(key.name for key in KEYS if not key.required))

# ---------------------------------------------------------------- slots

_VERSION = Key(
    "version",
    "version",
    "Version of the model in the registry, such as 1.5.0; 1.5.0@sha256:<64 hex digits> pins its "
    f"bytes. {_QUOTES}",
    "name a registered version: `{version: 1.4.0}`",
    _pattern(_WANTED),
    lambda node: node,
    required=True,
)
_CODE = Key(
    "code",
    "code",
    "Serving package in the registry. Left out, the slot gets the code that production runs. "
    f"{_QUOTES}",
    "name a serving package, or remove it",
    _pattern(_NAME),
    _matching("code", _NAME, "a package's version"),
)
SLOT_KEYS: Sequence[Key] = (_VERSION, _CODE)
SLOT_NAME = _pattern(_SLOT)
SLOT_MEANS: Mapping[str, str] = {
    PRODUCTION: "What users get. Revert the commit that changed it to go back.",
    STAGING: "A candidate to deploy and hold. Left out, staging keeps the previous version, so "
    "that going back is one swap.",
}


def slots(block: Map) -> dict[str, Wanted]:
    """Return what each slot of *block* shall serve. Raises DesiredError."""
    found = block.items.get(SLOTS)
    if not isinstance(found, Map):
        line = found.line if found else block.line
        refuse(line, "`slots` must say what production serves: `slots: {production: 1.4.0}`")
    if len(found.items) > MAX_SLOTS:
        refuse(found.line, f"{len(found.items)} slots, {MAX_SLOTS} are allowed")
    folded: dict[str, int] = {}
    for name, line in found.lines.items():
        _slot_name(name, line)
        if name.lower() in folded:
            refuse(line, f"slot `{name}` stands twice, first on line {folded[name.lower()]}")
        folded[name.lower()] = line
    if PRODUCTION not in found.items:
        refuse(found.line, "slot `production` is missing; say which version users get")
    return {name: _wanted(name, node) for name, node in found.items.items()}


def _slot_name(name: str, line: int) -> None:
    """Refuse an impossible slot name, and a probable typo of production or staging."""
    if name in (PRODUCTION, STAGING):
        return
    if not _SLOT.fullmatch(name):
        what = "is not a slot's name; use letters, digits and hyphens, at most 59"
        refuse(line, f"`{safe(name, 60)}` {what}")
    # A digit or a hyphen is deliberate, not a typo: staging2, production-eu.
    near = difflib.get_close_matches(name.lower(), (PRODUCTION, STAGING), 1, 0.8)
    if name.isalpha() and near:
        what = f"is probably a typo; did you mean `{near[0]}`?"
        refuse(line, f"slot `{name}` {what}", "UnknownKey")


def _wanted(slot: str, node: Node) -> Wanted:
    if isinstance(node, Text):
        return _version(slot, node, None)
    known(node, [key.name for key in SLOT_KEYS])
    version = _VERSION.value(node)
    return _version(slot, version, _CODE.value(node) if "code" in node.items else None)


def _version(slot: str, node: Text, code: str | None) -> Wanted:
    match = _WANTED.fullmatch(node.value)
    if not match:
        refuse(
            node.line,
            f"`{slot}: {safe(node.value, 90)}` is not a version; use letters, digits, `.`, `_`, "
            "`-`, at most 64, perhaps followed by @sha256: and 64 hex digits",
        )
    return Wanted(match[1], match[2], code)
