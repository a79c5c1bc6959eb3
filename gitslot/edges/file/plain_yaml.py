"""
The safe part of YAML: bytes -> plain mappings of texts. Every refusal names the line.

The bytes may be hostile. PyYAML's C loader crashes on deep nesting, merge keys blow up, duplicate
keys pass silently and `1.10` becomes 1.1. So the pure-Python parser is read event by event, only
plain mappings of scalars are accepted, and every scalar is text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

import yaml

from gitslot.errors import DesiredError
from gitslot.state.safe_text import safe

MAX_BYTES = 64 * 1024
MAX_DEPTH = 8
# What stands in Git in place of the file that a checkout shows: how it begins, what to do.
_STAND_INS = {
    b"version https://git-lfs.github.com/spec/": "this is a pointer of Git LFS; take the file out "
    "of .gitattributes (often `*.yaml filter=lfs`) and commit it again",
    b"\0GITCRYPT\0": "the file is encrypted by git-crypt; take it out of .gitattributes and commit "
    "it again",
}


@dataclass(frozen=True, slots=True)
class Text:
    """A scalar, as it was written, and its line."""

    value: str
    line: int


@dataclass(frozen=True, slots=True)
class Map:
    """A mapping: its values and the line of each key."""

    items: Mapping[str, "Node"]
    lines: Mapping[str, int]
    line: int


Node: TypeAlias = Text | Map


def refuse(line: int, message: str, reason: str = "FileInvalid") -> NoReturn:
    """Raise the DesiredError that names *line*."""
    raise DesiredError(f"line {line}: {message}", reason=reason)


def parse(data: bytes) -> Node:
    """Return the one document of *data*. Raises DesiredError."""
    if len(data) > MAX_BYTES:
        refuse(1, f"the file has {len(data):,} bytes, {MAX_BYTES:,} are allowed", "FileTooLarge")
    for start, message in _STAND_INS.items():
        if data.startswith(start):
            refuse(1, message, "NotPlainFile")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        refuse(line, "the file is not UTF-8; save it as UTF-8")
    try:
        return _Reader(text).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        refuse(line, f"not valid YAML: {safe(error.problem or 'cannot be parsed', 200)}")
    except yaml.YAMLError as error:
        refuse(1, f"not valid YAML: {safe(str(error).splitlines()[0], 200)}")
    except (ValueError, OverflowError):  # PyYAML raises this for a character or number out of range
        refuse(1, "not valid YAML: an escape or a directive holds a number that is out of range")


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


class _Reader:
    """Build nodes from parser events; refuse every feature that a plain file does not need."""

    def __init__(self, text: str) -> None:
        self._events = yaml.parse(text, Loader=yaml.SafeLoader)

    def document(self) -> Node:
        root: Node | None = None
        for event in self._events:
            if isinstance(event, (yaml.StreamStartEvent, yaml.DocumentEndEvent)):
                continue
            if isinstance(event, yaml.StreamEndEvent):
                break
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    refuse(_line(event), "only one document is allowed; drop `---`")
                continue
            root = self._node(event, 1)
        if root is None:
            refuse(1, "the file is empty; name an `app`, its `model` and its `slots`")
        return root

    def _node(self, event: yaml.Event, depth: int) -> Node:
        line = _line(event)
        if depth > MAX_DEPTH:
            refuse(line, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.AliasEvent):
            name = safe(event.anchor or "", 40)
            refuse(line, f"alias *{name} is not allowed; write the value out")
        anchor = getattr(event, "anchor", None)
        if anchor:
            refuse(line, f"anchor &{safe(anchor, 40)} is not allowed; write the value out")
        tag = getattr(event, "tag", None)
        if tag and tag != "!":  # "!" alone means a quoted text
            refuse(line, f"tag {safe(tag, 60)} is not allowed; every value is plain text")
        if isinstance(event, yaml.ScalarEvent):
            return Text(event.value, line)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(line, depth)
        refuse(line, "a list is not allowed here; write `key: value`")

    def _mapping(self, line: int, depth: int) -> Map:
        items: dict[str, Node] = {}
        lines: dict[str, int] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if isinstance(event, yaml.CollectionStartEvent):
                refuse(_line(event), "a key must be plain text")
            key = self._node(event, depth)
            assert isinstance(key, Text)
            if key.value == "<<":
                refuse(key.line, "merge keys (<<) are not allowed; write the keys out")
            if key.value in items:
                what = f"key `{safe(key.value, 60)}` stands twice, first on line {lines[key.value]}"
                refuse(key.line, f"{what}; keep one")
            items[key.value] = self._node(next(self._events), depth + 1)
            lines[key.value] = key.line
        return Map(items, lines, line)
