"""
Find the function for a method and a path, by ASP.NET route templates.

Templates: `a/{name}`, `{name?}`, `{name=default}`, `{name:int:min(1)}`, `{*rest}`, `{a}-{b}`.
Literals ignore case, and the more exact template wins. A path that exists only for another method
is not found: the Functions host answers 404, not 405
(github.com/Azure/azure-functions-host/issues/10098; HEAD on a GET function: 11625).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from emulator.functions_host.errors import HostError
from emulator.functions_host.functions import HttpFunction

type Check = Callable[[str], bool]

_TOKEN = re.compile(r"\{([^{}]*)\}")
_PARAMETER = re.compile(r"(\*{0,2})(\w+)((?::\w+(?:\([^()]*\))?)*)(\?|=.*)?")
_CONSTRAINT = re.compile(r":(\w+)(?:\(([^()]*)\))?")
_NO_PARAMETERS: Mapping[str, str] = {}
# Paths below these are the host's own (ReservedRouteGuardMiddleware.cs).
_RESERVED = ("admin", "runtime")


class Router:
    """Match requests against the routes of an app's HTTP functions."""

    def __init__(self, functions: Iterable[HttpFunction], prefix: str) -> None:
        """Compile the routes below *prefix*; raise `HostError` for those that cannot be served."""
        templates: list[Template] = []
        refusals: list[str] = []
        for function in functions:
            try:
                template = Template.parse(function, prefix)
                _refuse_conflict(template, templates)
                templates.append(template)
            except HostError as refusal:
                refusals.append(f"function '{function.name}': {refusal.message}")
        if refusals:
            raise HostError("; ".join(refusals))
        self._fixed: dict[str, list[HttpFunction]] = {}
        for template in templates:
            if not template.parameters:
                self._fixed.setdefault(template.shape, []).append(template.function)
        self._open = sorted((t for t in templates if t.parameters), key=lambda t: t.precedence)

    def find(self, method: str, path: str) -> tuple[HttpFunction, Mapping[str, str]] | None:
        """Return the function for *method* and decoded *path*, with the path's values."""
        for function in self._fixed.get(path.strip("/").lower(), ()):
            if not function.methods or method in function.methods:
                return function, _NO_PARAMETERS
        for template in self._open:
            function = template.function
            if not function.methods or method in function.methods:
                parameters = template.match(path)
                if parameters is not None:
                    return function, parameters
        return None


@dataclass(frozen=True, slots=True)
class Parameter:
    """One `{...}` of a template."""

    name: str
    checks: tuple[Check, ...]
    catch_all: bool
    optional: bool
    default: str | None


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled route; *shape* is the same for two routes that match the same paths."""

    function: HttpFunction
    shape: str
    pattern: re.Pattern[str]
    parameters: tuple[Parameter, ...]
    precedence: tuple[int, ...] = field(default=())

    @classmethod
    def parse(cls, function: HttpFunction, prefix: str) -> Self:
        """Compile the route of *function* below *prefix*."""
        route = "/".join(part for part in (prefix, function.route) if part)
        segments = route.split("/") if route else []
        if segments and segments[0].lower() in _RESERVED:
            raise HostError(f"the route '{route}' conflicts with one or more built in routes")
        pattern = ""
        shape: list[str] = []
        parameters: list[Parameter] = []
        precedence: list[int] = []
        for segment in segments:
            found = [_parameter(text, route) for text in _TOKEN.findall(segment)]
            literals = _TOKEN.split(segment)[::2]
            if any(set("{}*?") & set(literal) for literal in literals):
                message = f"the route '{route}' has a segment that cannot be read: '{segment}'"
                raise HostError(message)
            if any(p.catch_all or p.optional for p in found) and segment != segments[-1]:
                raise HostError(f"the route '{route}' may have an optional part only at its end")
            pattern += _segment_pattern(found, literals, len(parameters))
            parameters += found
            shape.append(_TOKEN.sub(_shape_of, segment).lower())
            precedence.append(_precedence(found, literals))
        names = [p.name.lower() for p in parameters]
        if len(set(names)) != len(names):
            raise HostError(f"the route '{route}' names a parameter twice")
        ending = "" if parameters and parameters[-1].catch_all else "/?"
        return cls(
            function=function,
            shape="/".join(shape),
            pattern=re.compile(f"{pattern}{ending}", re.IGNORECASE | re.DOTALL),
            parameters=tuple(parameters),
            precedence=tuple(precedence),
        )

    def match(self, path: str) -> dict[str, str] | None:
        """Return the parameters' values in *path*, or None if it does not fit."""
        found = self.pattern.fullmatch(path)
        if found is None:
            return None
        values = {}
        for parameter, text in zip(self.parameters, found.groups(), strict=True):
            value = text or parameter.default
            if value is None:
                continue
            if not all(check(value) for check in parameter.checks):
                return None
            values[parameter.name] = value
        return values


def _refuse_conflict(template: Template, others: Iterable[Template]) -> None:
    mine = template.function.methods
    for other in others:
        theirs = other.function.methods
        if other.shape == template.shape and (not mine or not theirs or mine & theirs):
            name = other.function.name
            raise HostError(f"its route conflicts with the route defined by function '{name}'")


def _shape_of(token: re.Match[str]) -> str:
    stars, _, constraints, ending = _PARAMETER.fullmatch(token[1]).groups()  # type: ignore[union-attr]  # parsed before
    return "{" + ("*" if stars else "") + constraints + ("?" if ending else "") + "}"


def _segment_pattern(found: list[Parameter], literals: list[str], before: int) -> str:
    if len(found) == 1 and literals == ["", ""]:
        parameter = found[0]
        if parameter.catch_all:
            return r"(?:/(.*))?"
        if parameter.optional:
            return r"(?:/([^/]+))?"
        return r"/([^/]+)"
    pattern = "/" + re.escape(literals[0])
    for literal in literals[1:]:
        pattern += r"([^/]+?)" + re.escape(literal)
    return pattern


def _precedence(found: list[Parameter], literals: list[str]) -> int:
    if not found:
        return 1
    if len(found) > 1 or any(literals):
        return 2
    kind = 5 if found[0].catch_all else 3
    return kind - 1 if found[0].checks else kind


def _parameter(text: str, route: str) -> Parameter:
    parts = _PARAMETER.fullmatch(text)
    if parts is None:
        raise HostError(f"the route '{route}' has a parameter that cannot be read: '{{{text}}}'")
    stars, name, constraints, ending = parts.groups()
    return Parameter(
        name=name,
        checks=tuple(_check(c[1], c[2], route) for c in _CONSTRAINT.finditer(constraints)),
        catch_all=bool(stars),
        optional=bool(stars) or ending is not None,
        default=ending[1:] if ending and ending.startswith("=") else None,
    )


def _is_number(kind: Callable[[str], object]) -> Check:
    def check(value: str) -> bool:
        try:
            kind(value)
        except ValueError:
            return False
        return True

    return check


def _is_int(bits: int) -> Check:
    digits = re.compile(r"[+-]?[0-9]{1,19}")
    limit = 1 << (bits - 1)
    return lambda value: bool(digits.fullmatch(value)) and -limit <= int(value) < limit


_PLAIN: dict[str, Check] = {
    "int": _is_int(32),
    "long": _is_int(64),
    "alpha": lambda value: value.isascii() and value.isalpha(),
    "bool": lambda value: value.lower() in ("true", "false"),
    "guid": lambda value: bool(
        re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value.lower())
    ),
    "float": _is_number(float),
    "double": _is_number(float),
    "decimal": _is_number(float),
    "required": bool,
}

_SIZED: dict[str, Callable[[str, list[int]], bool]] = {
    "minlength": lambda value, given: len(value) >= given[0],
    "maxlength": lambda value, given: len(value) <= given[0],
    "length": lambda value, given: given[0] <= len(value) <= given[-1],
    "min": lambda value, given: _PLAIN["long"](value) and int(value) >= given[0],
    "max": lambda value, given: _PLAIN["long"](value) and int(value) <= given[0],
    "range": lambda value, given: _PLAIN["long"](value) and given[0] <= int(value) <= given[-1],
}


def _check(name: str, arguments: str | None, route: str) -> Check:
    if arguments is None and name in _PLAIN:
        return _PLAIN[name]
    if arguments is not None and name in _SIZED:
        try:
            given = [int(argument) for argument in arguments.split(",")]
        except ValueError as error:
            raise HostError(
                f"the route '{route}' has a constraint that is not a number: '{name}({arguments})'"
            ) from error
        sized = _SIZED[name]
        return lambda value: sized(value, given)
    known = ", ".join([*_PLAIN, *(f"{sized}()" for sized in _SIZED)])
    raise HostError(f"this host lacks the route constraint '{name}' of '{route}'; it has {known}")
