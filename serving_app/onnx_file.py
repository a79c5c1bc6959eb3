"""
Check the bytes of an ONNX file before anything loads it.

ONNX Runtime would open files that external-data tensors name, and run operators of added
libraries. A registered model needs neither, so both are refused before loading. So is everything
that is not ONNX, such as a pickle. This module reads just enough of the protobuf wire format
(https://protobuf.dev/programming-guides/encoding/) to find the model's operator sets, functions and
nodes (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto), which is much faster than importing
the onnx package.

Some operators make a tensor of a size that they are told: 200 bytes can ask for gigabytes. Where a
constant tells it, the size is checked here; what is computed on the way is bounded by the arena in
onnx_runtime.py.
"""

import math
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING or __package__:
    from .limits import CONSTANT
    from .refused import Refused
else:  # the Functions worker puts this folder itself on sys.path
    from limits import CONSTANT
    from refused import Refused

STANDARD = (b"", b"ai.onnx", b"ai.onnx.ml")

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# Field numbers of onnx.proto: the messages that can hold a tensor or a node, and how to reach them.
_MODEL_GRAPH, _MODEL_OPSETS, _MODEL_TRAINING, _MODEL_FUNCTIONS = 7, 8, 20, 25
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_SPARSE = 1, 5, 15
_NODE_INPUT, _NODE_OUTPUT, _NODE_TYPE, _NODE_ATTRIBUTE, _NODE_DOMAIN = 1, 2, 4, 5, 7
_ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS, _ATTRIBUTE_SPARSE = (5, 10), (6, 11), (22, 23)
_TENSOR_EXTERNAL, _TENSOR_LOCATION = 13, 14
_TENSOR_TYPE, _TENSOR_INTS, _TENSOR_NAME, _TENSOR_RAW = 2, (5, 7), 8, 9
_ATTRIBUTE_TENSOR, _ATTRIBUTE_INTS = 5, (3, 8)
_RAW = {6: "i", 7: "q"}  # struct's letters of int32 and int64
_DEEPEST = 16  # graphs within graphs
_RANKS = 64  # values of a constant that can be a size

# Operators that make a tensor of a size that one of their inputs tells.
_GROWING = {
    *(b"ConstantOfShape", b"Expand", b"Tile", b"Range", b"EyeLike", b"Pad", b"Resize"),
    *(b"Upsample", b"OneHot"),
}


def check_onnx(content: bytes) -> None:
    """Raise Refused("FormatRefused") unless *content* is self-contained ONNX."""
    view = memoryview(content)
    graphs = opsets = 0
    try:
        for number, value in _fields(view):
            if number == _MODEL_GRAPH:
                graphs += 1
                # External data has a key "location". Without that word there is none,
                # and the attributes need not be searched for tensors.
                _check_graph(_message(value), deep=b"location" in content, depth=0)
            elif number == _MODEL_OPSETS:
                opsets += 1
                _check_domain(_first(_message(value), 1))
            elif number in (_MODEL_FUNCTIONS, _MODEL_TRAINING):
                _refuse("it defines functions or training steps of its own")
    except (ValueError, IndexError) as error:
        raise Refused("FormatRefused", "the artifact is not an ONNX file") from error
    if graphs != 1 or not opsets:
        _refuse("it is not an ONNX file")


def _check_graph(graph: memoryview, *, deep: bool, depth: int) -> None:
    if depth > _DEEPEST:
        _refuse("its graphs are nested too deep")
    sizes: dict[bytes, int] = {}  # of constants, by name: what they ask for if they are a size
    growing: list[memoryview] = []
    for number, value in _fields(graph):
        if number == _GRAPH_NODE:
            node = _message(value)
            _check_node(node, deep=deep, depth=depth)
            kind = _first(node, _NODE_TYPE)
            if kind == b"Constant":
                sizes[_first(node, _NODE_OUTPUT)] = _asked_by_attributes(node)
            elif kind in _GROWING:
                growing.append(node)
        elif number == _GRAPH_INITIALIZER:
            tensor = _message(value)
            _check_tensor(tensor)
            sizes[_first(tensor, _TENSOR_NAME)] = _asked_by(tensor)
        elif number == _GRAPH_SPARSE:
            _refuse("it holds sparse tensors")
    for node in growing:
        for number, value in _fields(node):
            if number == _NODE_INPUT and sizes.get(bytes(_message(value)), 1) > CONSTANT:
                kind = _first(node, _NODE_TYPE)
                _refuse(f"its {kind.decode()} makes more than {CONSTANT} values of a constant")


def _asked_by_attributes(node: memoryview) -> int:
    """Return how many values a Constant asks for if it is a size."""
    asked = 1
    for number, value in _fields(node):
        if number != _NODE_ATTRIBUTE:
            continue
        ints: list[int] = []
        for inner, found in _fields(_message(value)):
            if inner == _ATTRIBUTE_TENSOR:
                asked *= _asked_by(_message(found))
            elif inner in _ATTRIBUTE_INTS:
                ints.extend(_ints(found))
        asked *= _product(ints)
    return asked


def _asked_by(tensor: memoryview) -> int:
    """Return how many values a tensor asks for if it is a size: the product of its integers."""
    kind, raw = 0, b""
    numbers: list[int] = []
    for number, value in _fields(tensor):
        if number == _TENSOR_TYPE and isinstance(value, int):
            kind = value
        elif number == _TENSOR_RAW:
            raw = bytes(_message(value)[: _RANKS * 8])
        elif number in _TENSOR_INTS and len(numbers) < _RANKS:
            numbers.extend(_ints(value))
    if raw and kind in _RAW:
        count = len(raw) // struct.calcsize(_RAW[kind])
        numbers.extend(struct.unpack_from(f"<{count}{_RAW[kind]}", raw))
    return _product(numbers)


def _ints(value: "memoryview | int") -> list[int]:
    """Return the numbers of a field of int64, packed or not."""
    found, at = [], 0
    if isinstance(value, int):
        found.append(value)
    else:
        while at < len(value) and len(found) < _RANKS:
            number, at = _varint(value, at)
            found.append(number)
    return [number - (1 << 64) if number >= 1 << 63 else number for number in found]


def _product(numbers: list[int]) -> int:
    return math.prod(max(1, abs(number)) for number in numbers) if len(numbers) < _RANKS else 1


def _check_node(node: memoryview, *, deep: bool, depth: int) -> None:
    for number, value in _fields(node):
        if number == _NODE_DOMAIN:
            _check_domain(bytes(_message(value)))
        elif number == _NODE_ATTRIBUTE and deep:
            _check_attribute(_message(value), depth=depth)


def _check_attribute(attribute: memoryview, *, depth: int) -> None:
    for number, value in _fields(attribute):
        if number in _ATTRIBUTE_TENSORS:
            _check_tensor(_message(value))
        elif number in _ATTRIBUTE_GRAPHS:
            _check_graph(_message(value), deep=True, depth=depth + 1)
        elif number in _ATTRIBUTE_SPARSE:
            _refuse("it holds sparse tensors")


def _check_tensor(tensor: memoryview) -> None:
    for number, value in _fields(tensor):
        if number == _TENSOR_EXTERNAL or (number == _TENSOR_LOCATION and value != 0):
            _refuse("it keeps tensors in other files")


def _check_domain(domain: bytes) -> None:
    if domain not in STANDARD:
        _refuse(f"it needs operators of {ascii(domain.decode('utf-8', 'replace'))[:60]}")


def _refuse(why: str) -> None:
    raise Refused("FormatRefused", f"the artifact is refused: {why}")


def _first(message: memoryview, wanted: int) -> bytes:
    """Return the last value of text field *wanted* (the one that counts), or nothing."""
    found = [_message(value) for number, value in _fields(message) if number == wanted]
    return bytes(found[-1]) if found else b""


def _message(value: "memoryview | int") -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number where a message belongs")
    return value


def _fields(view: memoryview) -> "Iterator[tuple[int, memoryview | int]]":
    """Yield (field number, value) of one message; broken: ValueError or IndexError."""
    at = 0
    end = len(view)
    while at < end:
        key, at = _varint(view, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise ValueError("field 0")
        if kind == _VARINT:
            value, at = _varint(view, at)
            yield number, value
            continue
        if kind == _BYTES:
            size, at = _varint(view, at)
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError("groups are not used by ONNX")
        if size > end - at:
            raise ValueError("a field runs past the end")
        yield number, view[at : at + size]
        at += size


def _varint(view: memoryview, at: int) -> "tuple[int, int]":
    result = shift = 0
    while True:
        byte = view[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, at
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")
