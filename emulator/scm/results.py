"""
``DeployResult``, Kudu's JSON of a deployment, and the lines of its log.

Keys and order: Kudu.Contracts/Deployment/DeployResult.cs. Values of a finished one: what `az
functionapp deployment source config-zip` prints in public transcripts.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from emulator.slots.deployments import Push

PENDING, BUILDING, DEPLOYING, FAILED, SUCCESS = range(5)


class ConflictError(Exception):
    """Kudu answers 409; the message is the body."""


def stamp(moment: float) -> str:
    """Format *moment* (unix seconds) as .NET does: UTC, seven digits."""
    text = datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    return f"{text}0Z"


def word(moment: float) -> str:
    """Format *moment* (unix seconds) as in the link that a client polls."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d_%H-%M-%SZ")


def begun(id_: str, site: str, push: Push, now: float) -> Mapping[str, Any]:
    """
    Return a deployment that has just been received.

    Kudu first shows a temporary one with another id; here the id never changes.
    """
    return {
        "id": id_,
        "status": BUILDING,
        "status_text": f"Building and Deploying '{id_}'.",
        "author_email": push.author_email,
        "author": push.author,
        "deployer": push.deployer,
        "message": push.message,
        "progress": "Running deployment command...",
        "received_time": stamp(now),
        "start_time": stamp(now),
        "end_time": None,
        "last_success_end_time": None,
        "complete": False,
        "active": False,
        "is_temp": False,
        "is_readonly": True,
        "url": None,
        "log_url": None,
        "site_name": site,
        "provisioningState": "InProgress",
    }


def unborn() -> Mapping[str, Any]:
    """Return Kudu's first answer to ARM: a deployment about which nothing is known yet."""
    return {
        **dict.fromkeys(begun("", "", Push("", ""), 0.0)),
        "status": PENDING,
        **dict.fromkeys(("complete", "active", "is_temp", "is_readonly"), False),
        "provisioningState": "InProgress",
    }


def ended(deployment: Mapping[str, Any], now: float, failure: str | None) -> Mapping[str, Any]:
    """Return *deployment* as it ended, successfully or with *failure*."""
    well = failure is None
    return {
        **deployment,
        "status": SUCCESS if well else FAILED,
        "status_text": failure or "",
        "progress": "",
        "end_time": stamp(now),
        "last_success_end_time": stamp(now) if well else None,
        "complete": True,
        "active": well,
        "provisioningState": "Succeeded" if well else "Failed",
    }


def line(id_: str, message: str, now: float, *, error: bool = False) -> Mapping[str, Any]:
    return {
        "log_time": stamp(now),
        "id": id_,
        "message": message,
        "type": 2 if error else 0,
        "details_url": None,
    }
