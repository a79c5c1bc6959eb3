"""
Parse the bytes of desired_state.yaml into Desired; every refusal names line, key and fix.

The bytes may be hostile. PyYAML's C loader crashes on deep nesting, merge keys blow up, duplicate
keys pass silently and `1.10` becomes 1.1. So the pure-Python parser is read event by event, only
plain mappings of scalars are accepted, and every scalar is text.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

import yaml

from gitslot.errors import DesiredError
from gitslot.state.safe_text import safe
from gitslot.state.wanted import PRODUCTION, STAGING, App, Desired, Revision, Wanted

MAX_BYTES = 64 * 1024
MAX_DEPTH = 8
MAX_APPS = 5000
MAX_SLOTS = 21  # production and 20 more, which is what the largest plans allow
VERSION = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,63})"
_WANTED = re.compile(rf"({VERSION})(?:@sha256:([0-9a-f]{{64}}))?")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,58}[A-Za-z0-9])?")
_SLOT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,57}[A-Za-z0-9])?")
_MODEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,63})")
_GROUP = re.compile(r"[\w.()-]{1,90}")
_SUBSCRIPTION = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_APP_KEYS = (
    "app",
    "model",
    "slots",
    "resource_group",
    "subscription",
    "suspend",
    "drift",
    "latency_p99_ms",
    "soak",
)
_SOAK = re.compile(r"[1-9][0-9]{0,3}s|[1-9][0-9]{0,2}m|(?:[1-9]|1[0-9]|2[0-4])h")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_SLOT_KEYS = ("version", "code")


@dataclass(frozen=True, slots=True)
class _Text:
    value: str
    line: int


@dataclass(frozen=True, slots=True)
class _Map:
    items: Mapping[str, "_Node"]
    lines: Mapping[str, int]
    line: int


_Node: TypeAlias = _Text | _Map


def read(data: bytes, revision: Revision) -> Desired:
    """
    Parse *data* (at most 64 KB of UTF-8) as the desired state at *revision*.

    Raises DesiredError; its message starts with "line N:" and includes the fix.
    """
    root = _parse(data)
    if not isinstance(root, _Map):
        _refuse(root.line, "the file must be a mapping that starts with `app:` or `apps:`")
    apps = _many(root) if "apps" in root.items else (_single(root),)
    return Desired(revision, apps)


def _refuse(line: int, message: str, reason: str = "FileInvalid") -> NoReturn:
    raise DesiredError(f"line {line}: {message}", reason=reason)


# ---------------------------------------------------------------- YAML, the safe part of it


def _parse(data: bytes) -> _Node:
    if len(data) > MAX_BYTES:
        raise DesiredError(
            f"line 1: the file has {len(data):,} bytes, {MAX_BYTES:,} are allowed",
            reason="FileTooLarge",
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        _refuse(line, "the file is not UTF-8; save it as UTF-8")
    try:
        return _Reader(text).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        _refuse(line, f"not valid YAML: {safe(error.problem or 'cannot be parsed', 200)}")
    except yaml.YAMLError as error:
        _refuse(1, f"not valid YAML: {safe(str(error).splitlines()[0], 200)}")
    except (ValueError, OverflowError):  # PyYAML raises this for a character or number out of range
        _refuse(1, "not valid YAML: an escape or a directive holds a number that is out of range")


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


class _Reader:
    """Build nodes from parser events; refuse every feature that a plain file does not need."""

    def __init__(self, text: str) -> None:
        self._events = yaml.parse(text, Loader=yaml.SafeLoader)

    def document(self) -> _Node:
        root: _Node | None = None
        for event in self._events:
            if isinstance(event, (yaml.StreamStartEvent, yaml.DocumentEndEvent)):
                continue
            if isinstance(event, yaml.StreamEndEvent):
                break
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    _refuse(_line(event), "only one document is allowed; drop `---`")
                continue
            root = self._node(event, 1)
        if root is None:
            _refuse(1, "the file is empty; name an `app`, its `model` and its `slots`")
        return root

    def _node(self, event: yaml.Event, depth: int) -> _Node:
        line = _line(event)
        if depth > MAX_DEPTH:
            _refuse(line, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.AliasEvent):
            _refuse(
                line, f"alias *{safe(event.anchor or '', 40)} is not allowed; write the value out"
            )
        anchor = getattr(event, "anchor", None)
        if anchor:
            _refuse(line, f"anchor &{safe(anchor, 40)} is not allowed; write the value out")
        tag = getattr(event, "tag", None)
        if tag and tag != "!":  # "!" alone means a quoted text
            _refuse(line, f"tag {safe(tag, 60)} is not allowed; every value is plain text")
        if isinstance(event, yaml.ScalarEvent):
            return _Text(event.value, line)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(line, depth)
        _refuse(line, "a list is not allowed here; write `key: value`")

    def _mapping(self, line: int, depth: int) -> _Map:
        items: dict[str, _Node] = {}
        lines: dict[str, int] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if isinstance(event, yaml.CollectionStartEvent):
                _refuse(_line(event), "a key must be plain text")
            key = self._node(event, depth)
            assert isinstance(key, _Text)
            if key.value == "<<":
                _refuse(key.line, "merge keys (<<) are not allowed; write the keys out")
            if key.value in items:
                _refuse(
                    key.line,
                    f"key `{safe(key.value, 60)}` stands twice, first on line {lines[key.value]}; "
                    "keep one",
                )
            items[key.value] = self._node(next(self._events), depth + 1)
            lines[key.value] = key.line
        return _Map(items, lines, line)


# ---------------------------------------------------------------- the shape of the file


def _single(root: _Map) -> App:
    name = _text(root, "app", "name the function app: `app: my-function-app`")
    return _app(_checked(name, _NAME, "app", "a function app's name"), root, _APP_KEYS)


def _many(root: _Map) -> tuple[App, ...]:
    _only(root, ("apps",))
    apps = root.items["apps"]
    if not isinstance(apps, _Map) or not apps.items:
        _refuse(root.lines["apps"], "`apps` must name at least one app: `my-app: {model: ...}`")
    if len(apps.items) > MAX_APPS:
        _refuse(apps.line, f"{len(apps.items)} apps, {MAX_APPS} are allowed")
    folded: dict[str, int] = {}
    result = []
    for name, block in apps.items.items():
        line = apps.lines[name]
        _checked(_Text(name, line), _NAME, "app", "a function app's name")
        if name.lower() in folded:
            _refuse(line, f"app `{name}` stands twice, first on line {folded[name.lower()]}")
        folded[name.lower()] = line
        if not isinstance(block, _Map):
            _refuse(line, f"`{name}` must be a mapping with `model` and `slots`")
        result.append(_app(name, block, _APP_KEYS[1:]))
    return tuple(result)


def _app(name: str, block: _Map, keys: tuple[str, ...]) -> App:
    _only(block, keys)
    model = _text(block, "model", "name the model in the registry: `model: iris`")
    return App(
        name=name,
        model=_checked(model, _MODEL, "model", "a model's name"),
        slots=_slots(block),
        resource_group=_optional(block, "resource_group", _GROUP, "a resource group's name"),
        subscription=_optional(block, "subscription", _SUBSCRIPTION, "a subscription's id"),
        suspend=_suspend(block),
        drift=_drift(block),
        latency_p99_ms=_latency(block),
        soak_s=_soak(block),
    )


def _only(block: _Map, keys: tuple[str, ...]) -> None:
    for key, line in block.lines.items():
        if key in keys:
            continue
        near = difflib.get_close_matches(key, keys, 1, 0.5)
        hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(keys)}"
        _refuse(line, f"unknown key `{safe(key, 60)}`; {hint}", "UnknownKey")


def _text(block: _Map, key: str, fix: str) -> _Text:
    node = block.items.get(key)
    if node is None:
        _refuse(block.line, f"key `{key}` is missing; {fix}")
    if not isinstance(node, _Text) or not node.value:
        _refuse(node.line, f"`{key}` must be plain text; {fix}")
    return node


def _checked(node: _Text, pattern: re.Pattern[str], key: str, what: str) -> str:
    if not pattern.fullmatch(node.value):
        _refuse(node.line, f"`{key}: {safe(node.value, 80)}` is not {what}")
    return node.value


def _optional(block: _Map, key: str, pattern: re.Pattern[str], what: str) -> str | None:
    if key not in block.items:
        return None
    return _checked(_text(block, key, f"give {what}, or remove it"), pattern, key, what)


def _suspend(block: _Map) -> str | None:
    if "suspend" not in block.items:
        return None
    why = _text(block, "suspend", 'say why and who: `suspend: "incident 7, sam"`, or remove it')
    return safe(why.value, 200)


def _drift(block: _Map) -> str:
    if "drift" not in block.items:
        return "heal"
    node = _text(block, "drift", "`heal` or `report`")
    if node.value not in ("heal", "report"):
        _refuse(node.line, f"`drift: {safe(node.value, 60)}` must be `heal` or `report`")
    return node.value


def _latency(block: _Map) -> float | None:
    if "latency_p99_ms" not in block.items:
        return None
    node = _text(block, "latency_p99_ms", "milliseconds, as in `latency_p99_ms: 250`")
    if not re.fullmatch(r"\d{1,6}(\.\d{1,3})?", node.value) or float(node.value) <= 0:
        _refuse(node.line, f"`latency_p99_ms: {safe(node.value, 40)}` must be milliseconds above 0")
    return float(node.value)


def _soak(block: _Map) -> float | None:
    if "soak" not in block.items:
        return None
    node = _text(block, "soak", "how long to watch production after a swap, as in `soak: 10m`")
    if not _SOAK.fullmatch(node.value):
        _refuse(
            node.line,
            f"`soak: {safe(node.value, 40)}` must be a time such as 90s, 10m or 2h, at most 24h",
        )
    return float(node.value[:-1]) * _SECONDS[node.value[-1]]


def _slots(block: _Map) -> dict[str, Wanted]:
    slots = block.items.get("slots")
    if not isinstance(slots, _Map):
        line = slots.line if slots else block.line
        _refuse(line, "`slots` must say what production serves: `slots: {production: 1.4.0}`")
    if len(slots.items) > MAX_SLOTS:
        _refuse(slots.line, f"{len(slots.items)} slots, {MAX_SLOTS} are allowed")
    folded: dict[str, int] = {}
    for name, line in slots.lines.items():
        _slot_name(name, line)
        if name.lower() in folded:
            _refuse(line, f"slot `{name}` stands twice, first on line {folded[name.lower()]}")
        folded[name.lower()] = line
    if PRODUCTION not in slots.items:
        _refuse(slots.line, "slot `production` is missing; say which version users get")
    return {name: _wanted(name, node) for name, node in slots.items.items()}


def _slot_name(name: str, line: int) -> None:
    """Refuse an impossible slot name, and a probable typo of production or staging."""
    if name in (PRODUCTION, STAGING):
        return
    if not _SLOT.fullmatch(name):
        _refuse(
            line,
            f"`{safe(name, 60)}` is not a slot's name; use letters, digits and hyphens, at most 59",
        )
    # A digit or a hyphen is deliberate, not a typo: staging2, production-eu.
    near = difflib.get_close_matches(name.lower(), (PRODUCTION, STAGING), 1, 0.8)
    if name.isalpha() and near:
        _refuse(
            line,
            f"slot `{name}` is probably a typo; did you mean `{near[0]}`?",
            "UnknownKey",
        )


def _wanted(slot: str, node: _Node) -> Wanted:
    if isinstance(node, _Text):
        return _version(slot, node, None)
    _only(node, _SLOT_KEYS)
    version = _text(node, "version", f"`{slot}: {{version: 1.4.0}}`")
    code = node.items.get("code")
    if code is None:
        return _version(slot, version, None)
    text = _text(node, "code", "name a serving package, or remove it")
    return _version(slot, version, _checked(text, _MODEL, "code", "a package's version"))


def _version(slot: str, node: _Text, code: str | None) -> Wanted:
    match = _WANTED.fullmatch(node.value)
    if not match:
        _refuse(
            node.line,
            f"`{slot}: {safe(node.value, 90)}` is not a version; use letters, digits, `.`, `_`, "
            "`-`, at most 64, perhaps followed by @sha256: and 64 hex digits",
        )
    return Wanted(match[1], match[2], code)
