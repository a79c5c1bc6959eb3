"""
The JSON schema of desired_state.yaml, for editors: `python -m gitslot.edges.file.schema` writes it.

Derived from the constants of read.py, which alone decides what is accepted. The schema is
stricter in one point: it asks for quotes where other tools would read a number. It does not know
about slot names that differ by case alone, or that are typos of the two known names.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gitslot.edges.file import read
from gitslot.state.wanted import PRODUCTION, STAGING

FILE = Path(__file__).resolve().parents[3] / "docs" / "use" / "desired_state.schema.json"
_QUOTES = "Put quotes around a version that is only digits and dots, like '1.10' or '7'."
_TEXTS: Mapping[str, str] = {
    "app": "Name of the function app. It is found by this name in the subscriptions that the "
    "controller may read.",
    "model": "Name of the model in the registry.",
    "slots": "Which version each slot runs.",
    "resource_group": "Resource group of the app. Needed only if several apps have this name.",
    "subscription": "Id of the app's subscription. Needed only if several apps have this name.",
    "suspend": "Leave the app alone while this key is here. Give a reason: 'incident 7, sam'.",
    "drift": "What to do about a release that was edited by hand: heal restores it, report only "
    "reports it.",
    "latency_p99_ms": "Refuse a new release if the 99th percentile of 200 warm requests to staging "
    "is slower than this many milliseconds. Never blocks a rollback.",
    "soak": "How long to watch production after a swap, such as 90s, 10m or 2h. If it fails in "
    "that time and staging is proved to serve the release before, it is swapped back, once.",
}
_VERSION_TEXT = (
    "Version of the model in the registry, such as 1.5.0; 1.5.0@sha256:<64 hex digits> pins its "
    f"bytes. {_QUOTES}"
)
_CODE_TEXT = (
    "Serving package in the registry. Left out, the slot gets the code that production runs. "
    f"{_QUOTES}"
)


def schema() -> dict[str, Any]:
    """Return the schema, JSON Schema 2020-12."""
    named = {key: _property(key) for key in read._APP_KEYS}
    block = {key: value for key, value in named.items() if key != "app"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "desired_state.yaml of gitslot",
        "description": "Which model version each slot of which function app runs. One app, or "
        "several below `apps`.",
        "oneOf": [
            {"title": "One app", **_object(named, ("app", "model", "slots"))},
            {"title": "Several apps", **_object({"apps": _apps(block)}, ("apps",))},
        ],
    }


def text() -> str:
    """Return the content of `FILE`."""
    return json.dumps(schema(), indent=2) + "\n"


def _apps(block: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": "Several apps, each by its name.",
        "minProperties": 1,
        "maxProperties": read.MAX_APPS,
        "propertyNames": _pattern(read._NAME),
        "additionalProperties": _object(block, ("model", "slots")),
    }


def _property(key: str) -> dict[str, Any]:
    kinds: Mapping[str, Mapping[str, Any]] = {
        "app": _pattern(read._NAME),
        "model": _pattern(read._MODEL),
        "slots": _slots(),
        "resource_group": _pattern(read._GROUP),
        "subscription": _pattern(read._SUBSCRIPTION),
        "suspend": {"type": "string", "minLength": 1},
        "drift": {"enum": ["heal", "report"], "default": "heal"},
        "latency_p99_ms": {"type": "number", "exclusiveMinimum": 0, "maximum": 999_999.999},
        "soak": _pattern(read._SOAK),
    }
    return {"description": _TEXTS[key], **kinds[key]}


def _slots() -> dict[str, Any]:
    texts = {
        PRODUCTION: "What users get. Revert the commit that changed it to go back.",
        STAGING: "A candidate to deploy and hold. Left out, staging keeps the previous version, "
        "so that going back is one swap.",
    }
    slots = {name: {"description": text, **_wanted()} for name, text in texts.items()}
    further = "A further slot of the app: deployed and proved once production has converged, never "
    further += "swapped, never in the way of a release. Create it in Azure first."
    return _object(slots, (PRODUCTION,)) | {
        "maxProperties": read.MAX_SLOTS,
        "propertyNames": _pattern(read._SLOT),
        "additionalProperties": {"description": further, **_wanted()},
    }


def _wanted() -> dict[str, Any]:
    version = {"description": _VERSION_TEXT, **_pattern(read._WANTED)}
    code = {"description": _CODE_TEXT, **_pattern(read._MODEL)}
    keys = dict(zip(read._SLOT_KEYS, (version, code), strict=True))
    return {"anyOf": [version, _object(keys, ("version",))]}


def _object(properties: Mapping[str, Any], required: tuple[str, ...]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def _pattern(pattern: re.Pattern[str]) -> dict[str, Any]:
    """Match *pattern* against the whole text; ours mean the same in Python and ECMA 262."""
    return {"type": "string", "pattern": f"^(?:{pattern.pattern})$"}


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
    print(FILE)
