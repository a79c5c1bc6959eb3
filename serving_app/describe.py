"""
Say what a model takes and answers: for people (`GET /api/model`) and as OpenAPI.

Both come from the manifest, so they cannot say anything else than what is served.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from .columns import Column
    from .limits import NUMBER, SHOWN, TEXT
    from .model import Model
else:  # the Functions worker puts this folder itself on sys.path
    from columns import Column
    from limits import NUMBER, SHOWN, TEXT
    from model import Model

_CELLS: Mapping[str, Mapping[str, Any]] = {
    "number": {"type": "number", "minimum": -NUMBER, "maximum": NUMBER},
    "text": {"type": "string", "maxLength": TEXT},
    "bool": {"type": "boolean"},
}


def about(model: Model) -> dict[str, Any]:
    """Return the body of `GET /api/model`."""
    shape, manifest = model.shape, model.manifest
    return {
        "model": model.name,
        "version": model.version,
        "digest": model.digest,
        "runtime": manifest.runtime,
        "kind": shape.kind,
        "columns": [_about(column) for column in shape.columns],
        "classes": list(shape.classes),
        "probabilities": shape.probabilities,
        "outputs": shape.outputs,
        "example": manifest.example,
        "limits": dict(SHOWN),
    }


def _about(column: Column) -> dict[str, Any]:
    found = {"name": column.name, "type": column.type, "missing": column.missing}
    return {**found, "categories": list(column.categories)} if column.categories else found


def openapi(model: Model) -> dict[str, Any]:
    """Return an OpenAPI 3.1 document of the paths that answer with *model*."""
    names = [column.name for column in model.shape.columns]
    example = model.manifest.example
    rows = {"type": "array", "minItems": 1, "items": {"oneOf": [_ref("ByName"), _ref("Row")]}}
    examples = {
        "by name": {"value": [dict(zip(names, example, strict=True))]},
        "by position": {"value": [example]},
    }
    answers = {"oneOf": [_ref("Labels"), _ref("Answers")]}
    if not model.shape.probabilities:
        answers = _ref("Labels")
    proba = {"name": "proba", "in": "query", "schema": {"enum": ["0", "1"]}}
    predict = {
        "summary": "Answer rows",
        "parameters": [proba] if model.shape.probabilities else [],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": rows, "examples": examples}},
        },
        "responses": {"200": _json("One label for each row", answers), **_ERRORS},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": model.name, "version": model.version},
        "paths": {
            "/api/predict": {"post": predict},
            "/api/model": {"get": _get("What the model takes and answers")},
            "/api/health": {"get": _get("What is served, or why nothing is")},
        },
        "components": {"schemas": _schemas(model)},
    }


def _schemas(model: Model) -> dict[str, Any]:
    columns, classes = model.shape.columns, list(model.shape.classes)
    cells = [_cell(column) for column in columns]
    label: dict[str, Any] = {"enum": classes} if classes else {"type": "number"}
    if (outputs := model.shape.outputs) > 1:
        label = {"type": "array", "items": label, "minItems": outputs, "maxItems": outputs}
    share = {"type": "array", "minItems": len(classes), "maxItems": len(classes)}
    return {
        "ByName": {
            "type": "object",
            "properties": {c.name: cell for c, cell in zip(columns, cells, strict=True)},
            "required": [column.name for column in columns],
            "additionalProperties": False,
        },
        "Row": {
            "type": "array",
            "prefixItems": cells,
            "minItems": len(cells),
            "maxItems": len(cells),
        },
        "Labels": {"type": "array", "items": label},
        "Answers": {
            "type": "object",
            "properties": {
                "labels": _ref("Labels"),
                "probabilities": {
                    "type": "array",
                    "items": {**share, "items": {"type": "number"}},
                },
                "classes": {"const": classes},
            },
        },
        "Error": {
            "type": "object",
            "properties": {
                "error": {"type": "string"},
                "row": {"type": ["integer", "null"]},
                "column": {"type": ["integer", "null"]},
                "reason": {"type": "string"},
            },
            "required": ["error"],
        },
    }


def _cell(column: Column) -> dict[str, Any]:
    cell = dict(_CELLS[column.type])
    return {**cell, "type": [cell["type"], "null"]} if column.missing else cell


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(what: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": what, "content": {"application/json": {"schema": schema}}}


def _get(what: str) -> dict[str, Any]:
    return {"summary": what, "responses": {"200": _json(what, {"type": "object"}), **_ERRORS}}


_ERRORS: Mapping[str, Any] = {
    status: _json(what, _ref("Error"))
    for status, what in (
        ("400", "What is wrong with the request, and in which row and column"),
        ("413", "The body is too large"),
        ("503", "No model is served, and the reason"),
    )
}
