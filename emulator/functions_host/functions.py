"""
Turn the worker's description of an app into values: its functions and their triggers.

Features that this host lacks are refused here by name, for all functions at once, before any runs.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from emulator.functions_host.errors import HostError
from emulator.functions_host.keys import AuthLevel
from emulator.functions_host.records import RpcFunctionMetadata

SUPPORTED_BINDINGS = ("httpTrigger", "http", "timerTrigger", "queueTrigger")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,127}")
# QueueClientExtensions.cs of the Storage Queues extension in github.com/Azure/azure-sdk-for-net.
_QUEUE = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*")
_SETTING = re.compile(r"%([^%]+)%")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Function:
    name: str
    id: str
    parameter: str
    disabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpFunction(_Function):
    """A function with an HTTP trigger; empty *methods* means every method."""

    output: str
    route: str
    methods: frozenset[str]
    level: AuthLevel


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerFunction(_Function):
    """A function with a timer; *schedule* is NCRONTAB or a time span, settings filled in."""

    schedule: str
    run_on_startup: bool
    use_monitor: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFunction(_Function):
    """A function with a queue trigger; *connection* names settings, *binary* asks for bytes."""

    queue: str
    connection: str
    binary: bool


type Function = HttpFunction | TimerFunction | QueueFunction


def describe_functions(
    found: Iterable[RpcFunctionMetadata], settings: Mapping[str, str]
) -> list[Function]:
    """
    Return every function that the worker *found*, with each `%SETTING%` replaced from *settings*.

    Raise `HostError` naming each function that cannot be run and why.
    """
    functions: list[Function] = []
    refusals: list[str] = []
    for metadata in found:
        try:
            functions.append(_describe(metadata, settings))
        except HostError as refusal:
            refusals.append(f"function '{metadata.name}': {refusal.message}")
    if refusals:
        raise HostError("; ".join(refusals))
    return functions


def is_disabled(name: str, settings: Mapping[str, str]) -> bool:
    """
    Return whether a setting disables the function *name*.

    The setting is `AzureWebJobs.<name>.Disabled`, or has underscores in place of the dots
    (learn.microsoft.com/azure/azure-functions/disable-function).
    """
    values = (settings.get(f"AzureWebJobs{dot}{name}{dot}Disabled") for dot in "._")
    return any(value is not None and value.strip().lower() in ("1", "true") for value in values)


def resolve_settings(text: str, settings: Mapping[str, str]) -> str:
    """Replace each `%NAME%` by its value in *settings*; raise `HostError` for a missing one."""

    def value(found: re.Match[str]) -> str:
        try:
            return settings[found[1]]
        except KeyError:
            raise HostError(f"'{found[0]}' does not resolve to a value") from None

    return _SETTING.sub(value, text)


def _describe(metadata: RpcFunctionMetadata, settings: Mapping[str, str]) -> Function:
    if not _NAME.fullmatch(metadata.name):
        raise HostError("its name must be letters, digits, - and _, a letter first, at most 128")
    bindings: list[dict[str, Any]] = [json.loads(text) for text in metadata.raw_bindings]
    lacking = [b for b in bindings if b["type"] not in SUPPORTED_BINDINGS]
    if lacking:
        names = ", ".join(f"'{b['type']}' (parameter '{b['name']}')" for b in lacking)
        message = f"this host lacks the binding {names}; it has {', '.join(SUPPORTED_BINDINGS)}"
        raise HostError(message)
    triggers = [b for b in bindings if b["type"].endswith("Trigger")]
    if len(triggers) != 1:
        raise HostError(f"it must have one trigger, it has {len(triggers)}")
    if metadata.retry_options is not None:
        raise HostError("this host lacks retry policies")
    trigger = triggers[0]
    common: dict[str, Any] = {
        "name": metadata.name,
        "id": metadata.function_id,
        "parameter": trigger["name"],
        "disabled": is_disabled(metadata.name, settings),
    }
    if trigger["type"] == "timerTrigger":
        return TimerFunction(
            **common,
            schedule=resolve_settings(trigger["schedule"], settings),
            run_on_startup=bool(trigger.get("runOnStartup")),
            use_monitor=trigger.get("useMonitor") is not False,
        )
    if trigger["type"] == "queueTrigger":
        return QueueFunction(
            **common,
            queue=_queue_name(resolve_settings(trigger["queueName"], settings)),
            connection=resolve_settings(trigger.get("connection") or "", settings),
            binary=str(trigger.get("dataType")).lower() == "binary",
        )
    level = str(trigger.get("authLevel") or "function").lower()
    if level not in ("anonymous", "function", "admin"):
        raise HostError(f"this host lacks the authorization level '{level}'")
    route = trigger.get("route")
    return HttpFunction(
        **common,
        output=next((b["name"] for b in bindings if b["type"] == "http"), "$return"),
        route=resolve_settings(metadata.name if route is None else route, settings).strip("/"),
        methods=frozenset(str(method).upper() for method in trigger.get("methods") or ()),
        level=cast("AuthLevel", level),
    )


def _queue_name(given: str) -> str:
    name = given.lower()  # as the extension does
    if not _QUEUE.fullmatch(name):
        raise HostError(
            f"the queue name '{given}' must be 3 to 63 letters, digits and single dashes, "
            "no dash first or last"
        )
    return name
