"""
Calls to ARM and answers, without any HTTP library, and ARM's two shapes of errors.

The gateway has ``{"error": {...}}``, the resource provider ``{"Code", "Message", ...}``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emulator.login.identity import Caller


@dataclass(frozen=True, slots=True)
class Call:
    """A request; no duplicate slash in *path*, lower-case names in *query* and *headers*."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    id: str
    caller: Caller

    def json(self) -> Mapping[str, Any]:
        """Return the body's object; raise RefusalError as ARM does for anything else."""
        try:
            value = json.loads(self.body)
        except ValueError as error:
            raise unreadable(error) from error
        if not isinstance(value, Mapping):
            raise unreadable("not an object")
        return value


def part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the object *name* of *body*, empty if missing; raise RefusalError as ARM does."""
    value = body.get(name)
    if value is not None and not isinstance(value, Mapping):
        raise unreadable(name)
    return value or {}


def located(body: Mapping[str, Any]) -> str:
    """Return the ``location`` of *body*; raise RefusalError without one (text: bicep#2311)."""
    location = body.get("location")
    if not isinstance(location, str) or not location:
        message = "The location property is required for this definition."
        raise gateway(400, "LocationRequired", message)
    return location


@dataclass(frozen=True, slots=True)
class Answer:
    """A response; *body* None is empty. *operation* is the id of the swap that it started."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    operation: str | None = None


class RefusalError(Exception):
    """An answer that is an error."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def gateway(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> RefusalError:
    """Refuse as the ARM gateway does, before any resource provider."""
    body = {"error": {"code": code, "message": message}}
    return RefusalError(Answer(status, body, {"x-ms-failure-cause": "gateway", **(headers or {})}))


def unreadable(what: object) -> RefusalError:
    """Refuse a body, because of *what*."""
    message = f"The request content was invalid and could not be deserialized: '{what}'."
    return gateway(400, "InvalidRequestContent", message)


def provider(status: int, code: str, message: str, extended: str | None = None) -> RefusalError:
    """
    Refuse as Microsoft.Web does (shape: ansible-collections/azure#2242).

    *extended* is the ExtendedCode where one is known.
    """
    entity: dict[str, Any] = {"Code": code, "Message": message}
    if extended:
        entity = {"ExtendedCode": extended, "MessageTemplate": message, "Parameters": [], **entity}
    details = [{"Message": message}, {"Code": code}, {"ErrorEntity": entity}]
    body = {"Code": code, "Message": message, "Target": None, "Details": details}
    return RefusalError(Answer(status, {**body, "Innererror": None}))


def invalid(parameter: str, value: str | None = None) -> RefusalError:
    """Refuse the *value* of a *parameter*."""
    ending = "." if value is None else f": {value}."
    message = f"The parameter {parameter} has an invalid value{ending}"
    return provider(400, "BadRequest", message)


def silent() -> RefusalError:
    """Refuse a call that needs the slot's process, which is down (azure-functions-host#6568)."""
    message = "Encountered an error (ServiceUnavailable) from host runtime."
    return provider(400, "BadRequest", message)


def not_found(kind: str, name: str, group: str) -> RefusalError:
    """Refuse because a resource does not exist (text: azure-cli#30992)."""
    return gateway(
        404,
        "ResourceNotFound",
        f"The Resource '{kind}/{name}' under resource group '{group}' was not found. For more "
        "details please go to https://aka.ms/ARMResourceNotFoundFix",
    )
