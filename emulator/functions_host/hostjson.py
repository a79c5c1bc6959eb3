"""
Read host.json: route prefix, queues, log levels, functionTimeout; the rest matters to Azure alone.

Rules and messages follow HostJsonFileConfigurationSource.cs in
github.com/Azure/azure-functions-host: no file means defaults, `version` must be "2.0".
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulator.functions_host.errors import HostError
from emulator.functions_host.logs import NAMES
from emulator.functions_host.queueoptions import QueueOptions, parse_queue_options

# Names of Microsoft.Extensions.Logging.LogLevel, with the numbers of Python's logging.
LEVELS = {**{name.lower(): number for number, name in NAMES.items()}, "none": 100}


@dataclass(frozen=True, slots=True)
class HostConfig:
    """
    Hold the values of host.json; *levels* maps category prefixes to their least level.

    *timeout_s* is for how long a call may run, None for ever. Without one it is half an hour, as on
    every plan but Consumption (learn.microsoft.com/azure/azure-functions/functions-scale#timeout).
    """

    route_prefix: str = "api"
    levels: Mapping[str, int] = field(default_factory=dict)
    queues: QueueOptions = field(default_factory=QueueOptions)
    timeout_s: float | None = 1800.0


def read_host_config(app: Path) -> HostConfig:
    """Read *app*/host.json; raise `HostError` naming what is wrong with it."""
    try:
        text = (app / "host.json").read_text("utf-8-sig")
    except FileNotFoundError:
        return HostConfig()
    except (OSError, UnicodeDecodeError) as error:
        raise HostError(f"host.json cannot be read: {error}") from error
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise HostError(f"host.json is not JSON: {error.msg}, {where}") from error
    except RecursionError as error:
        raise HostError("host.json is not JSON that can be read: it nests too deeply") from error
    return parse_host_config(content)


def parse_host_config(content: Any) -> HostConfig:
    """Turn the parsed host.json into `HostConfig`; raise `HostError` naming the bad key."""
    if not isinstance(content, dict):
        raise HostError("host.json must hold an object")
    if not content:
        return HostConfig()
    version = content.get("version")
    if not version:
        message = "host.json is missing the required 'version' property, which must be \"2.0\""
        raise HostError(message)
    if version != "2.0":
        raise HostError(
            f"{version!r} is an invalid value for host.json 'version' property, it must be \"2.0\""
        )
    prefix = _section(content, "extensions", "http").get("routePrefix", "api")
    if not isinstance(prefix, str):
        raise HostError("host.json extensions.http.routePrefix must be text")
    levels = {}
    for category, name in _section(content, "logging", "logLevel").items():
        if not isinstance(name, str) or name.lower() not in LEVELS:
            known = ", ".join(level.capitalize() for level in LEVELS)
            raise HostError(
                f"host.json logging.logLevel.{category} is {name!r}, it must be one of {known}"
            )
        levels[category] = LEVELS[name.lower()]
    queues = parse_queue_options(_section(content, "extensions", "queues"))
    timeout_s = _timeout_s(content.get("functionTimeout", "00:30:00"))
    return HostConfig(prefix.strip("/"), levels, queues, timeout_s)


def _timeout_s(value: Any) -> float | None:
    if value == "-1":
        return None
    found = re.fullmatch(r"(?:(\d+)\.)?(\d{1,2}):([0-5]?\d):([0-5]?\d)", str(value))
    days, hours, minutes, seconds = (
        (int(part or 0) for part in found.groups()) if found else [0] * 4
    )
    total_s = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if not total_s:
        raise HostError(f'host.json functionTimeout is {value!r}, it must be a time or "-1"')
    return float(total_s)


def _section(content: dict[str, Any], *names: str) -> dict[str, Any]:
    for depth, name in enumerate(names, 1):
        value = content.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise HostError(f"host.json {'.'.join(names[:depth])} must hold an object")
        content = value
    return content
