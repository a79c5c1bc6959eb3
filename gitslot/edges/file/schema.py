"""
The JSON schema of desired_state.yaml, for editors: `python -m gitslot.edges.file.schema` writes it.

Made from the table in keys.py, which alone decides what is accepted. The schema is stricter in one
point: it asks for quotes where other tools would read a number. It does not know about slot names
that differ by case alone, or that are typos of the two known names. It lets `app` be left out, as
a file in a folder may; a single file may not.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gitslot.edges.file import keys
from gitslot.state.wanted import PRODUCTION

FILE = Path(__file__).resolve().parents[3] / "docs" / "use" / "desired_state.schema.json"


def schema() -> dict[str, Any]:
    """Return the schema, JSON Schema 2020-12."""
    named = {key.name: key.described for key in keys.KEYS}
    named[keys.SLOTS] = {"description": keys.SLOTS_MEAN, **_slots()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "desired_state.yaml of gitslot",
        "description": "Which model version each slot of one function app runs. Several apps are a "
        "folder of such files, each by its app's name.",
        **_object({name: named[name] for name in keys.NAMES}, ("model", keys.SLOTS)),
    }


def text() -> str:
    """Return the content of `FILE`."""
    return json.dumps(schema(), indent=2) + "\n"


def _slots() -> dict[str, Any]:
    slots = {name: {"description": means, **_wanted()} for name, means in keys.SLOT_MEANS.items()}
    return _object(slots, (PRODUCTION,)) | {
        "maxProperties": keys.MAX_SLOTS,
        "propertyNames": keys.SLOT_NAME,
        "additionalProperties": {"description": keys.FURTHER_MEANS, **_wanted()},
    }


def _wanted() -> dict[str, Any]:
    named = {key.name: key.described for key in keys.SLOT_KEYS}
    required = [key.name for key in keys.SLOT_KEYS if key.required]
    return {"anyOf": [named["version"], _object(named, required)]}


def _object(properties: Mapping[str, Any], required: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
    print(FILE)
