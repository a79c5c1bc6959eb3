"""
The keys of desired_state.yaml: one table that parser, refusals and schema are made from.

A row says what a key is for, how its value is read, what JSON schema has of it, and what to write
where it is missing or wrong.
"""

import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from gitslot.edges.file.plain_yaml import Map, Node, Text, refuse
from gitslot.state.safe_text import safe
from gitslot.state.wanted import APP_NAME, PRODUCTION, STAGING, Wanted

SUSPEND_LENGTH = 200  # characters of a reason that are shown
MAX_SLOTS = 21  # production and 20 more, which is what the largest plans allow
VERSION = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,63})"
_WANTED = re.compile(rf"({VERSION})(?:@sha256:([0-9a-f]{{64}}))?")
_NAME = re.compile(VERSION)
_SLOT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,57}[A-Za-z0-9])?")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_QUOTES = "Put quotes around a version that is only digits and dots, like '1.10' or '7'."
_KNOWN = {"apps": "each app has a file of its own: name their folder in GITSLOT_FILE"}

Schema: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """
    One key of a mapping in the file.

    *means* is its description for editors, *fix* what to write where it is missing or no plain
    text. The whole text matches *pattern*, or the refusal has the words of *wrong*; *convert* makes
    the value of it. *field* names the value in `App`, *schema* is what JSON schema has of it; left
    out, they are the name and the pattern.
    """

    name: str
    means: str
    fix: str
    pattern: re.Pattern[str]
    wrong: str = ""
    field: str = ""
    convert: Callable[[str], Any] = str
    schema: Schema | None = None
    required: bool = False

    @property
    def described(self) -> Schema:
        """Return what JSON schema has of the key."""
        return {"description": self.means, **(self.schema or whole(self.pattern))}

    def text(self, block: Map) -> Text:
        """Return the key's text in *block*. Raises DesiredError."""
        node = block.items.get(self.name)
        if node is None:
            refuse(block.line, f"key `{self.name}` is missing; {self.fix}")
        if not isinstance(node, Text) or not node.value:
            refuse(node.line, f"`{self.name}` must be plain text; {self.fix}")
        return node

    def value(self, block: Map) -> Any:
        """Return the key's value in *block*. Raises DesiredError."""
        node = self.text(block)
        if not self.pattern.fullmatch(node.value):
            refuse(node.line, f"`{self.name}: {safe(node.value, 80)}` {self.wrong}")
        return self.convert(node.value)


def whole(pattern: re.Pattern[str]) -> Schema:
    """Match *pattern* against the whole text; ours mean the same in Python and ECMA 262."""
    return {"type": "string", "pattern": f"^(?:{pattern.pattern})$"}


def known(block: Map, keys: Collection[str]) -> None:
    """Refuse a key of *block* that is not one of *keys*, naming the nearest one."""
    for key, line in block.lines.items():
        if key in keys:
            continue
        near = difflib.get_close_matches(key, keys, 1, 0.5)
        hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(keys)}"
        refuse(line, f"unknown key `{safe(key, 60)}`; {_KNOWN.get(key, hint)}", "UnknownKey")


APP = Key(
    "app",
    "Name of the function app. It is found by this name in the subscriptions that the controller "
    "may read. In a folder of files the file's name is the app's, and this may be left out.",
    "name the function app: `app: my-function-app`",
    APP_NAME,
    "is not a function app's name",
    field="name",
    required=True,
)
KEYS: Sequence[Key] = (
    APP,
    Key(
        "model",
        "Name of the model in the registry.",
        "name the model in the registry: `model: iris`",
        _NAME,
        "is not a model's name",
        required=True,
    ),
    Key(
        "resource_group",
        "Resource group of the app. Needed only if several apps have this name.",
        "give a resource group's name, or remove it",
        re.compile(r"[\w.()-]{1,90}"),
        "is not a resource group's name",
    ),
    Key(
        "subscription",
        "Id of the app's subscription. Needed only if several apps have this name.",
        "give a subscription's id, or remove it",
        re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
        "is not a subscription's id",
    ),
    Key(
        "suspend",
        "Leave the app alone while this key is here. Give a reason: 'incident 7, sam'.",
        'say why and who: `suspend: "incident 7, sam"`, or remove it',
        re.compile(r"(?s:.+)"),
        convert=lambda text: safe(text, SUSPEND_LENGTH),
        schema={"type": "string", "minLength": 1},
    ),
    Key(
        "drift",
        "What to do about a release that was edited by hand: heal restores it, report only "
        "reports it.",
        "`heal` or `report`",
        re.compile("heal|report"),
        "must be `heal` or `report`",
        schema={"enum": ["heal", "report"], "default": "heal"},
    ),
    Key(
        "latency_p99_ms",
        "Refuse a new release if the 99th percentile of 200 warm requests to staging is slower "
        "than this many milliseconds. Never blocks a rollback.",
        "milliseconds, as in `latency_p99_ms: 250`",
        re.compile(r"(?![0.]*$)[0-9]{1,6}(\.[0-9]{1,3})?"),
        "must be milliseconds above 0",
        convert=float,
        schema={"type": "number", "exclusiveMinimum": 0, "maximum": 999_999.999},
    ),
    Key(
        "soak",
        "How long to watch production after a swap, such as 90s, 10m or 2h. If it fails in that "
        "time and staging is proved to serve the release before, it is swapped back, once.",
        "how long to watch production after a swap, as in `soak: 10m`",
        re.compile(r"[1-9][0-9]{0,3}s|[1-9][0-9]{0,2}m|(?:[1-9]|1[0-9]|2[0-4])h"),
        "must be a time such as 90s, 10m or 2h, at most 24h",
        field="soak_s",
        convert=lambda text: float(text[:-1]) * _SECONDS[text[-1]],
    ),
)
SLOTS = "slots"
SLOTS_MEAN = "Which version each slot runs."
NAMES = ("app", "model", SLOTS, *(key.name for key in KEYS if not key.required))

# ---------------------------------------------------------------- slots

_VERSION = Key(
    "version",
    "Version of the model in the registry, such as 1.5.0; 1.5.0@sha256:<64 hex digits> pins its "
    f"bytes. {_QUOTES}",
    "name a registered version: `{version: 1.4.0}`",
    _WANTED,
    required=True,
)
_CODE = Key(
    "code",
    "Serving package in the registry. Left out, the slot gets the code that production runs. "
    f"{_QUOTES}",
    "name a serving package, or remove it",
    _NAME,
    "is not a package's version",
)
SLOT_KEYS: Sequence[Key] = (_VERSION, _CODE)
SLOT_NAME = whole(_SLOT)
SLOT_MEANS: Mapping[str, str] = {
    PRODUCTION: "What users get. Revert the commit that changed it to go back.",
    STAGING: "A candidate to deploy and hold. Left out, staging keeps the previous version, so "
    "that going back is one swap.",
}
FURTHER_MEANS = (
    "A further slot of the app: deployed and proved once production has converged, never swapped, "
    "never in the way of a release. Create it in Azure first."
)


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
    version = _VERSION.text(node)
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
