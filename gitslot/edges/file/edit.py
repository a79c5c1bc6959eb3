"""
Change one version in desired_state.yaml and no other byte.

Pure: text in, text out. ruamel.yaml gives the position of each scalar; only that text is replaced,
so comments, order and layout stay as they are.
"""

import io
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from gitslot.edges.file.read import read
from gitslot.errors import DesiredError
from gitslot.state.wanted import PRODUCTION, App, Wanted

_TEXT = "tag:yaml.org,2002:str"
_NUMBER_1_2 = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0o[0-7]+|0x[0-9a-fA-F]+"
)


def with_version(data: bytes, slot: str, version: str, name: str = "") -> bytes:
    """
    Return *data* with *slot* set to *version* (which may carry a digest).

    *name* is that of a file in a folder. Raises DesiredError if the file is refused before or after
    the change.
    """
    before = read(data, name)
    number, _, pin = version.partition("@sha256:")
    old = before.slots.get(slot)
    wanted = Wanted(number, pin or None, old.code if old else None)
    edited = _edited(data.decode("utf-8"), slot, version).encode()
    if read(edited, name) != replace(before, slots={**before.slots, slot: wanted}):
        what = f"cannot change `{slot}` without changing more; edit the file by hand"
        raise DesiredError(what, reason="EditRefused")
    return edited


def beyond_production(before: App, after: App) -> list[str]:
    """
    Return what differs but the model, version, pin and code of production.

    Another slot that only follows the app's `model` does not count.
    """
    slots = _differing(before.slots, after.slots)
    found = [f"slot {slot}" for slot in slots if slot != PRODUCTION]
    for each in fields(App):
        was, becomes = getattr(before, each.name), getattr(after, each.name)
        if each.name not in ("model", "slots") and was != becomes:
            found.append(f"`{'app' if each.name == 'name' else each.name.removesuffix('_s')}`")
    return found


def _differing(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    return [key for key in {**old, **new} if old.get(key) != new.get(key)]


def needs_quotes(version: str) -> bool:
    """Say whether other tools would read an unquoted *version* as something other than text."""
    loader = yaml.SafeLoader("")
    tag = loader.resolve(yaml.ScalarNode, version, (True, False))  # type: ignore[no-untyped-call]
    return tag != _TEXT or _NUMBER_1_2.fullmatch(version) is not None


def unquoted(data: bytes) -> tuple[tuple[int, str], ...]:
    """Return line and value of every version and code that needs quotes and has none."""
    slots = _child(_compose(data.decode("utf-8")), "slots")
    return tuple(
        (scalar.start_mark.line + 1, scalar.value)
        for value in (_values(slots) if isinstance(slots, MappingNode) else [])
        for scalar in (_values(value) if isinstance(value, MappingNode) else [value])
        if _is_plain(scalar) and needs_quotes(scalar.value)
    )


def _is_plain(node: Node) -> bool:
    return isinstance(node, ScalarNode) and not node.style


# ---------------------------------------------------------------- positions


def _compose(text: str) -> MappingNode:
    root = YAML(typ="rt", pure=True).compose(io.StringIO(text))
    assert isinstance(root, MappingNode)
    return root


def _child(node: MappingNode, key: str) -> Any:
    return next((value for name, value in node.value if name.value == key), None)


def _values(node: MappingNode) -> list[Node]:
    return [value for _, value in node.value]


def _edited(text: str, slot: str, version: str) -> str:
    slots = _child(_compose(text), "slots")
    assert isinstance(slots, MappingNode)
    target = _child(slots, slot)
    if isinstance(target, MappingNode):
        target = _child(target, "version")
    if isinstance(target, ScalarNode):
        start, end = target.start_mark.index, target.end_mark.index
        return text[:start] + _scalar(version, target.style) + text[end:]
    return _inserted(text, slots, slot, version)


def _scalar(version: str, style: str | None) -> str:
    if style in ("'", '"'):
        return f"{style}{version}{style}"
    return f'"{version}"' if needs_quotes(version) else version


def _inserted(text: str, slots: MappingNode, slot: str, version: str) -> str:
    """Add *slot* after the last one, in the style of its neighbours."""
    entry = f"{slot}: {_scalar(version, None)}"
    last_key, last = slots.value[-1]
    if slots.flow_style:
        end = last.end_mark.index
        return f"{text[:end]}, {entry}{text[end:]}"
    leaf = last
    while isinstance(leaf, MappingNode) and not leaf.flow_style:
        leaf = leaf.value[-1][1]
    end = text.find("\n", leaf.end_mark.index)
    head, tail = (text, "") if end < 0 else (text[:end], text[end:])
    indent = " " * last_key.start_mark.column
    newline = "\r\n" if head.endswith("\r") else "\n"
    head = head.removesuffix("\r")
    return f"{head}{newline}{indent}{entry}" + (tail if newline == "\n" else "\r" + tail)
