"""
Change what one slot asks for in desired_state.yaml, or who suspends it, and no other byte.

Pure: text in, text out. ruamel.yaml gives the position of each scalar; only that text is replaced,
so comments, order and layout stay as they are.
"""

import io
import json
import re
from dataclasses import replace
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from gitslot.edges.file.keys import SUSPEND_LENGTH
from gitslot.edges.file.read import read
from gitslot.errors import DesiredError
from gitslot.state.safe_text import safe
from gitslot.state.wanted import Wanted

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
    return with_wish(data, slot, before.model, wanted, name)


def with_wish(data: bytes, slot: str, model: str, wanted: Wanted, name: str = "") -> bytes:
    """
    Return *data* with *slot* set to *wanted*, and with *model*, which is that of every slot.

    Raises DesiredError as `with_version` does.
    """
    before, text = read(data, name), data.decode("utf-8")
    if model != before.model:
        text = _replaced(text, _child(_compose(text), "model"), model)
    if wanted != before.slots.get(slot):
        text = _edited(text, slot, wanted)
    edited = text.encode()
    slots = {**before.slots, slot: wanted}
    if read(edited, name) != replace(before, model=model, slots=slots):
        what = f"cannot change `{slot}` without changing more; edit the file by hand"
        raise DesiredError(what, reason="EditRefused")
    return edited


def with_suspend(data: bytes, reason: str, name: str = "") -> bytes:
    """
    Return *data* with *reason* as its `suspend`, or without that key where *reason* is "".

    Raises DesiredError as `with_version` does.
    """
    before, text = read(data, name), data.decode("utf-8")
    root = _compose(text)
    old = _child(root, "suspend")
    quoted = json.dumps(reason, ensure_ascii=False)
    if reason and old:
        text = _spliced(text, old, quoted)
    elif reason:
        text = _inserted(text, root, f"suspend: {quoted}")
    elif old:
        text = _without(text, old)
    edited = text.encode()
    if read(edited, name) != replace(before, suspend=safe(reason, SUSPEND_LENGTH) or None):
        what = "cannot change `suspend` without changing more; edit the file by hand"
        raise DesiredError(what, reason="EditRefused")
    return edited


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


def _edited(text: str, slot: str, wanted: Wanted) -> str:
    slots = _child(_compose(text), "slots")
    assert isinstance(slots, MappingNode)
    target, version, code = _child(slots, slot), str(replace(wanted, code=None)), wanted.code
    whole = plain = _scalar(version, None)
    if code:
        whole = f"{{version: {plain}, code: {_scalar(code, None)}}}"
    if target is None:
        return _inserted(text, slots, f"{slot}: {whole}")
    if isinstance(target, ScalarNode):
        return _spliced(text, target, whole) if code else _replaced(text, target, version)
    there = _child(target, "code")
    if target.flow_style and bool(there) != bool(code):
        return _spliced(text, target, whole)
    if code and there:
        text = _replaced(text, there, code)
    elif code:
        text = _inserted(text, target, f"code: {_scalar(code, None)}")
    elif there:
        text = _without(text, there)
    slots = _child(_compose(text), "slots")
    return _replaced(text, _child(_child(slots, slot), "version"), version)


def _spliced(text: str, node: Node, new: str) -> str:
    return text[: node.start_mark.index] + new + text[node.end_mark.index :]


def _replaced(text: str, scalar: ScalarNode, value: str) -> str:
    return _spliced(text, scalar, _scalar(value, scalar.style))


def _without(text: str, scalar: ScalarNode) -> str:
    """Return *text* without the line of *scalar*, the value of a key."""
    start = text.rfind("\n", 0, scalar.start_mark.index) + 1
    end = text.find("\n", scalar.end_mark.index)
    return text[:start] + (text[end + 1 :] if end >= 0 else "")


def _scalar(text: str, style: str | None) -> str:
    if style in ("'", '"'):
        return f"{style}{text}{style}"
    return f'"{text}"' if needs_quotes(text) else text


def _inserted(text: str, block: MappingNode, entry: str) -> str:
    """Add *entry* after the last one of *block*, in the style of its neighbours."""
    last_key, last = block.value[-1]
    if block.flow_style:
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
