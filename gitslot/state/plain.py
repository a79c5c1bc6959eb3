"""Dataclasses as plain JSON values and back, by their types. Pure; nothing is guessed."""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from functools import cache
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


def plain(value: Any) -> Any:
    """Return *value* as JSON holds it; a field that has its default is left out."""
    if isinstance(value, datetime):
        finest = "microseconds" if value.microsecond % 1000 else "milliseconds"
        return value.astimezone(UTC).isoformat(timespec=finest).replace("+00:00", "Z")
    if is_dataclass(value):
        values = ((each, getattr(value, each.name)) for each in fields(value))
        return {each.name: plain(found) for each, found in values if found != each.default}
    if isinstance(value, Mapping):
        pairs = [(plain(key), plain(found)) for key, found in value.items()]
        return dict(pairs) if all(isinstance(key, str) for key in value) else pairs
    if isinstance(value, frozenset):
        value = tuple(sorted(value, key=repr))
    return [plain(found) for found in value] if isinstance(value, tuple) else value


def read(kind: type[T], raw: Any) -> T:
    """
    Return *raw*, as `plain` made it, as a *kind*; fields that are not known are passed over.

    Raises ValueError where something is missing or of another type.
    """
    return _read(kind, raw, kind.__name__)  # type: ignore[no-any-return]  # as its hints say


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _read(kind: Any, raw: Any, where: str) -> Any:
    args, origin = get_args(kind), get_origin(kind)
    if NoneType in args:
        wanted = next(each for each in args if each is not NoneType)
        return None if raw is None else _read(wanted, raw, where)
    if is_dataclass(kind) and isinstance(raw, dict):
        return _record(kind, raw, where)
    if kind is datetime and isinstance(raw, str):
        moment = datetime.fromisoformat(raw)
        if moment.tzinfo is not None:
            return moment
    elif origin is tuple and isinstance(raw, list):
        kinds = args[:1] * len(raw) if args[-1] is Ellipsis else args
        if len(kinds) == len(raw):
            return tuple(_read(one, each, where) for one, each in zip(kinds, raw, strict=True))
    elif origin in (Mapping, dict) and isinstance(raw, dict) and (args[0] is str or not raw):
        return {key: _read(args[1], each, f"{where}.{key}") for key, each in raw.items()}
    elif origin is Mapping and isinstance(raw, list):
        pair = tuple[args]  # type: ignore[valid-type]  # of the mapping's own hint
        return dict(_read(pair, each, where) for each in raw)
    elif origin is frozenset and isinstance(raw, list):
        return frozenset(_read(args[0], each, where) for each in raw)
    elif type(raw) is kind or (kind is float and type(raw) is int):
        return kind(raw)
    raise ValueError(f"{where} is not of its type")


def _record(kind: Any, raw: Mapping[str, Any], where: str) -> Any:
    hints = _hints(kind)
    given = {key: _read(hints[key], raw[key], f"{where}.{key}") for key in raw if key in hints}
    for each in fields(kind):
        needed = each.default is MISSING and each.default_factory is MISSING
        if needed and each.name not in given:
            raise ValueError(f"{where}.{each.name} is missing")
    return kind(**given)
