"""
Post what needs somebody to GITSLOT_ALERT_URL as JSON, once per app, reason and revision.

A post has one try of a few seconds in a thread of its own; no pass waits for it.
"""

import json
import logging
import threading
from collections import deque
from collections.abc import Callable

from gitslot.errors import GitslotError
from gitslot.http.client import Http, host_of
from gitslot.record.event import Event
from gitslot.record.log import log_event
from gitslot.state.reasons import reason_of

DEGRADED = ("ProductionDegraded", "SoakFailed")  # reasons of a Stalled: users get wrong answers
_TOTAL_S, _MOST, _KEPT = 10.0, 64 * 1024, 1000

_log = logging.getLogger("gitslot")


def alert_of(event: Event) -> dict[str, str] | None:
    """Return what is posted of *event*, or None where nobody is needed."""
    if event.event not in ("Stalled", "Frozen"):
        return None
    return {
        "app": event.app,
        "reason": event.reason,
        "state": "Degraded" if event.reason in DEGRADED else event.event,
        "message": event.message,
        "next": event.detail.next or reason_of(event.reason).next.clause,
        "revision": event.revision,
        "time": event.as_dict()["time"],
    }


def alerting(http: Http, url: str) -> Callable[[Event], None]:
    """Return what logs an event, and posts it to *url* where somebody is needed."""
    told: deque[tuple[str, ...]] = deque(maxlen=_KEPT)
    guard = threading.Lock()

    def tell(event: Event) -> None:
        log_event(event)
        if (found := alert_of(event)) is None:
            return
        key = (found["app"], found["reason"], found["revision"])
        with guard:
            if key in told:
                return
            told.append(key)
        body = json.dumps(found, ensure_ascii=False).encode()
        threading.Thread(target=_post, args=(http, url, body), name="alert", daemon=True).start()

    return tell


def _post(http: Http, url: str, body: bytes) -> None:
    """Post *body*; a failure is one line of the log, with the host and not the URL."""
    headers = {"Content-Type": "application/json"}
    try:
        found = http.request("POST", url, total_s=_TOTAL_S, most=_MOST, headers=headers, body=body)
        why = "" if found.status < 300 else f"it answered {found.status}"
    except GitslotError as error:
        why = error.message
    if why:
        _log.warning("the alert to %s was not posted: %s", host_of(url), why)
