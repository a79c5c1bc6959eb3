"""
Read `extensions.queues` of host.json: how messages are taken, and what happens to failed ones.

Defaults and bounds: QueuesOptions.cs in github.com/Azure/azure-sdk-for-net. Time spans are read as
.NET reads them: `00:00:02` is two seconds, and a bare number is days.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from emulator.functions_host.errors import HostError

MOST_MESSAGES = 32  # that the service hands out at once
SHORTEST_POLLING = timedelta(milliseconds=100)
LONGEST_INVISIBLE = timedelta(days=7)  # that the service grants
_WHERE = "host.json extensions.queues"
_SPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,7}))?)?")


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """
    How the queues of an app are read.

    The next batch is fetched once at most *new_batch_threshold* messages still run. A failed
    message is visible again after *visibility_timeout*, and poison after *max_dequeue_count* tries.
    An empty queue is polled again after 0.1 s at first and *max_polling_interval* in the end.
    """

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_dequeue_count: int = 5
    max_polling_interval: timedelta = timedelta(minutes=1)
    visibility_timeout: timedelta = timedelta()
    base64: bool = True


def parse_queue_options(content: Mapping[str, Any]) -> QueueOptions:
    """Read the section *content*; raise `HostError` naming a bad key. Other keys are ignored."""
    default = QueueOptions()
    batch = _number(content, "batchSize", default.batch_size, 1, MOST_MESSAGES)
    return QueueOptions(
        batch_size=batch,
        new_batch_threshold=_number(content, "newBatchThreshold", batch // 2, 0),
        max_dequeue_count=_number(content, "maxDequeueCount", default.max_dequeue_count, 1),
        max_polling_interval=_span(
            content, "maxPollingInterval", default.max_polling_interval, SHORTEST_POLLING
        ),
        visibility_timeout=_span(
            content, "visibilityTimeout", timedelta(), timedelta(), LONGEST_INVISIBLE
        ),
        base64=_is_base64(content),
    )


def _number(
    content: Mapping[str, Any], key: str, default: int, least: int, most: int = 2**31 - 1
) -> int:
    value = content.get(key)
    if value is None:
        return default
    text = str(value)
    if not re.fullmatch(r"\d{1,10}", text) or not least <= int(text) <= most:
        bounds = f"from {least} to {most}" if most < 2**31 - 1 else f"of at least {least}"
        raise HostError(f"{_WHERE}.{key} is {value!r}, it must be a whole number {bounds}")
    return int(text)


def _span(
    content: Mapping[str, Any],
    key: str,
    default: timedelta,
    least: timedelta,
    most: timedelta = timedelta.max,
) -> timedelta:
    value = content.get(key)
    if value is None:
        return default
    span = _parse_span(str(value).strip())
    if span is None:
        raise HostError(f"{_WHERE}.{key} is {value!r}, it must be a time span such as 00:00:02")
    if not least <= span <= most:
        bounds = f"at least {least}" if most == timedelta.max else f"from {least} to {most}"
        raise HostError(f"{_WHERE}.{key} is {value!r}, {span}; it must be {bounds}")
    return span


def _parse_span(text: str) -> timedelta | None:
    if re.fullmatch(r"\d{1,8}", text):
        return timedelta(days=int(text))
    found = _SPAN.fullmatch(text)
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups()[:4])
    if hours > 23 or minutes > 59 or seconds > 59 or days > 10_675_199:
        return None
    fraction = (found[5] or "").ljust(7, "0")
    micros = int(fraction) // 10
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds, microseconds=micros)


def _is_base64(content: Mapping[str, Any]) -> bool:
    value = content.get("messageEncoding")
    if value is None:
        return True
    if str(value).lower() not in ("base64", "none"):
        raise HostError(f"{_WHERE}.messageEncoding is {value!r}, it must be base64 or none")
    return str(value).lower() == "base64"
