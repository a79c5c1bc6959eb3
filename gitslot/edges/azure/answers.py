"""
Parse ARM's answers: its two error shapes into one tree, its sites into our values.

Pure but for the SDK's own exceptions. Every text in an answer comes from outside.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from azure.core.exceptions import AzureError as CoreError

from gitslot.edges.azure.budget import THROTTLED_S
from gitslot.errors import AzureError, AzureUnavailable, Conflict, NoAnswer, NotFound, PutOff
from gitslot.http.azure import why
from gitslot.state import slot_settings
from gitslot.state.safe_text import safe
from gitslot.state.seen import Arm
from gitslot.state.wanted import Doubt

MAX_BODY = 4 * 1024 * 1024
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}\.){{0,8}}(?=[A-Za-z]){_LABEL}(?::\d{{1,5}})?")  # no IP address
_PREPARED = "prepared for swap"
_BUSY = "another operation is in progress"
_PUT_OFF = {"Throttled": "ARM asked to wait", "CallsUsedUp": "ARM takes no more calls for now"}


def is_host(text: str) -> bool:
    """Say whether *text* is a host name, perhaps with a port, and no address."""
    return _HOST.fullmatch(text) is not None


def host_of(site: Mapping[str, Any]) -> str:
    """Return the default host name of *site*; raises AzureError where it is not usable."""
    host = str((site.get("properties") or {}).get("defaultHostName") or "")
    if not is_host(host):
        raise AzureError(f"ARM names no usable host: {safe(host, 80)!r}", reason="Unreadable")
    return host


def arm_of(site: Mapping[str, Any], settings: dict[str, str], sticky: frozenset[str]) -> Arm:
    """Return *site* and its settings as one slot."""
    properties = site.get("properties") or {}
    last = properties.get("slotSwapStatus") or {}
    status = "{timestampUtc} {sourceSlotName} {destinationSlotName}".format_map(_Blank(last))
    return Arm(
        host=host_of(site),
        deployment_id=str(properties.get("deploymentId") or ""),
        swap_status=status.strip(),
        state=str(properties.get("state") or ""),
        configured=slot_settings.configured(settings),
        settings=settings,
        sticky=sticky,
        operation=str(properties.get("inProgressOperationId") or ""),
        prepared=str(properties.get("targetSwapSlot") or ""),
    )


class _Blank(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return ""


def as_object(text: str) -> dict[str, Any]:
    """Return the JSON object in *text*, or an empty one."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def retry_after(headers: Mapping[str, str], default: float) -> float:
    """Return for how many seconds ARM asks to wait, at most 300."""
    try:
        return min(max(float(headers.get("Retry-After", default)), 0.0), 300.0)
    except ValueError:
        return default


def translate(status: int, text: str, headers: Mapping[str, str]) -> AzureError:
    """Read both of ARM's error shapes: the provider's at the root, the gateway's under "error"."""
    body = as_object(text)
    inner = body.get("error")
    shape = inner if isinstance(inner, dict) else body
    code = str(shape.get("Code") or shape.get("code") or "")
    words = safe(str(shape.get("Message") or shape.get("message") or f"HTTP {status}"), 500)
    if status == 404:
        return NotFound(words, status=status, code=code)
    if status == 409:
        return Conflict(words, status=status, code=code)
    if status in (401, 403):
        return AzureError(words, status=status, code=code, reason="NotAllowed")
    if status == 429 or status >= 500 or not code:
        wait = retry_after(headers, 0.0)
        if status == 429:
            wait = max(wait, THROTTLED_S)
        # Its message holds ids and seconds; with it every answer would be a new event.
        named = f" ({safe(code, 80)})" if code else ""
        unavailable = AzureUnavailable(
            f"ARM answered {status}{named}",
            status=status,
            code=code,
            reason="Throttled" if status == 429 else None,
        )
        unavailable.retry_after_s = wait
        return unavailable
    return AzureError(words, status=status, code=code)


def no_answer(error: NoAnswer) -> AzureUnavailable:
    """Return *error* as one of ARM; where ARM asked us to wait, with the time that is left."""
    if not isinstance(error, PutOff):
        return AzureUnavailable(f"ARM did not answer: {error.cause}")
    return put_off("Throttled" if error.status else "CallsUsedUp", error.left_s)


def put_off(reason: str, wait_s: float) -> AzureUnavailable:
    """Return why ARM is not asked before *wait_s* seconds are over: it asked, or would refuse."""
    # 429 whatever it answered then: this request was not even sent
    unavailable = AzureUnavailable(_PUT_OFF[reason], status=429, reason=reason)
    unavailable.retry_after_s = max(wait_s, 1.0)
    return unavailable


def from_sdk(error: Any) -> AzureError:
    """Read the answer that an error of the SDK carries, if there was one."""
    if (cause := why(error)) is not None:
        return no_answer(cause)
    response = getattr(error, "response", None)
    if response is None:
        return AzureUnavailable(f"ARM did not answer: {type(error).__name__}")
    try:
        text = response.text()
    except Exception:  # noqa: BLE001 - the body may have been cut off in any way
        text = ""
    return translate(response.status_code, text[:MAX_BODY], response.headers)


def unread(error: AzureUnavailable) -> Doubt:
    """Return why a look got nothing from ARM: it asked to wait, or cannot be read."""
    if error.status == 429:
        words = f"{_PUT_OFF[error.reason]}; nothing is written until then"
        return Doubt(error.reason, words, again_s=error.retry_after_s)
    return Doubt("Unreadable", error.message)


@contextmanager
def translated() -> Iterator[None]:
    """Raise what the SDK raises inside as one of our errors."""
    try:
        yield
    except CoreError as error:
        raise from_sdk(error) from error
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        # The SDK raises any of these for a body of an unexpected shape.
        raise AzureUnavailable(f"ARM's answer cannot be read: {type(error).__name__}") from error


def is_prepared(error: AzureError) -> bool:
    """Say whether ARM refused because a swap is prepared and neither completed nor reset."""
    return error.status == 409 and _PREPARED in error.message


def is_busy(error: AzureError) -> bool:
    """
    Say whether ARM refused because an operation on the site or its plan runs, perhaps our own.

    Any other 409 stays until somebody acts: ARM answers a resource lock with 409
    ScopeLocked. The text is from azure-pipelines-tasks#11384 and azure-sdk-for-java#1827.
    """
    return error.status == 409 and _BUSY in error.message
