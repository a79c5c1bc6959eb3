"""
Read JSON from outside strictly: size, exact keys, types, ranges; refusals name the place.

Every function takes a value and *where* it stands, returns the value with its type, and raises
ManifestInvalid, which begins with *where*.

It must not use the network, or import anything but the standard library and errors.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import NoReturn, TypeVar, cast

from gitslot.errors import ManifestInvalid

T = TypeVar("T")

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


def load(raw: bytes, where: str, most: int) -> object:
    """Return the JSON in *raw*, which has at most *most* bytes, no key twice and no NaN."""
    if len(raw) > most:
        refuse(where, f"is {len(raw)} bytes, at most {most} are read")

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        result = dict(pairs)
        if len(result) != len(pairs):
            refuse(where, "a key is there twice")
        return result

    def no_constant(text: str) -> NoReturn:
        refuse(where, f"holds {text}, which is not a number")

    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=unique, parse_constant=no_constant)
    except UnicodeDecodeError as error:
        raise ManifestInvalid(f"{where}: not UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise ManifestInvalid(f"{where}: not JSON") from error


def refuse(where: str, why: str) -> NoReturn:
    """Raise ManifestInvalid that names the place and the problem."""
    raise ManifestInvalid(f"{where}: {why}")


def shown(value: object) -> str:
    """Quote a value from outside: escaped, and short."""
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."


def mapping(value: object, where: str) -> dict[str, object]:
    """Return *value*, an object."""
    if not isinstance(value, dict):
        refuse(where, "must be an object")
    return cast("dict[str, object]", value)


def exact(value: object, where: str, *keys: str, optional: Sequence[str] = ()) -> dict[str, object]:
    """Return *value*, an object with exactly these *keys*, and perhaps *optional* ones."""
    found = mapping(value, where)
    for missing in sorted(set(keys) - set(found)):
        refuse(where, f"{missing} is missing")
    for unknown in sorted(set(found) - set(keys) - set(optional)):
        refuse(where, f"{shown(unknown)} is not a key")
    return found


def items(value: object, where: str, least: int, most: int) -> list[object]:
    """Return *value*, a list of *least* to *most* items."""
    if not isinstance(value, list):
        refuse(where, "must be a list")
    if not least <= len(value) <= most:
        refuse(where, f"has {len(value)} items, must have {least} to {most}")
    return cast("list[object]", value)


def text(value: object, where: str, most: int = 200) -> str:
    """Return *value*, printable text of 1 to *most* characters."""
    if not isinstance(value, str):
        refuse(where, f"is {shown(value)}, must be text")
    if not 1 <= len(value) <= most or not value.isprintable():
        refuse(where, f"must be 1 to {most} printable characters")
    return value


def matching(value: object, where: str, fits: Callable[[str], object], what: str) -> str:
    """Return *value*, text for which *fits* is true; *what* says so in words."""
    found = text(value, where)
    if not fits(found):
        refuse(where, f"is {shown(found)}, which is not {what}")
    return found


def sha256(value: object, where: str) -> str:
    """Return *value*, a sha256 as 64 lower-case hex digits."""
    return matching(value, where, _SHA256.match, "a sha256 in lower-case hex")


def one_of(value: object, where: str, choices: Sequence[str]) -> str:
    """Return *value*, one of *choices*."""
    return matching(value, where, choices.__contains__, " or ".join(choices))


def boolean(value: object, where: str) -> bool:
    """Return *value*, true or false."""
    if not isinstance(value, bool):
        refuse(where, f"is {shown(value)}, must be true or false")
    return value


def integer(value: object, where: str, least: int, most: int) -> int:
    """Return *value*, a whole number of *least* to *most*."""
    if not isinstance(value, int) or isinstance(value, bool):
        refuse(where, f"is {shown(value)}, must be a whole number")
    if not least <= value <= most:
        refuse(where, f"is {shown(value)}, must be {least} to {most}")
    return value


def number(value: object, where: str, least: float, most: float) -> float:
    """Return *value*, a finite number of *least* to *most*."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        refuse(where, f"is {shown(value)}, must be a number")
    if not least <= value <= most:  # also false for NaN and infinity
        refuse(where, f"is {shown(value)}, must be {least:g} to {most:g}")
    return float(value)


def time(value: object, where: str) -> datetime:
    """Return *value*, an ISO 8601 time with a zone."""
    found = text(value, where, 32)
    try:
        parsed = datetime.fromisoformat(found)
    except ValueError as error:
        raise ManifestInvalid(f"{where}: is {shown(found)}, must be an ISO 8601 time") from error
    if parsed.utcoffset() is None:
        refuse(where, "has no time zone")
    return parsed


def named(value: object, where: str, read: Callable[[object, str], T]) -> Mapping[str, T]:
    """Return an object of 1 to 64 names of any kind, each value as *read* returns it."""
    found = mapping(value, where)
    items(list(found), where, 1, 64)
    pairs = {text(name, where): read(v, f"{where}.{shown(name)}") for name, v in found.items()}
    return MappingProxyType(pairs)
