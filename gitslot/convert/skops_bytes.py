"""
Write a fitted estimator as a skops file that the serving app loads, with the same bytes each time.

The serving app calls no function but a ufunc. Fitted estimators hold others that only fitting
calls: what SelectKBest scores with, what a search measures with or draws from. In the file their
names stand in their places, which cannot be called: a model that does need one fails its proof.
Histogram boosting calls check_array on numbers that the serving app has checked: numpy.float64, a
type, makes the same array of them.
"""

import json
import zipfile
from io import BytesIO
from typing import Any

import skops.io

from gitslot.convert.served import skops_file

_LIBRARIES = ("sklearn.", "numpy.", "scipy.")  # a function of the user's own stays, and is refused
_DRAWN = "scipy.stats."  # distributions of a search
_CHECK = "sklearn.utils.validation.check_array"
_TIME = (1980, 1, 1, 0, 0, 0)


def saved(estimator: Any) -> bytes:
    """Return the skops file of *estimator*; raise what skops raises."""
    with zipfile.ZipFile(BytesIO(skops.io.dumps(estimator))) as archive:
        schema = json.loads(archive.read(skops_file.TREE))
        files: dict[str, str] = {}  # skops names them by address: new names by their order
        tree = _written(schema, {}, files)
        made = BytesIO()
        with zipfile.ZipFile(made, "w") as target:
            for name, content in (
                *((new, archive.read(old)) for old, new in files.items()),
                (skops_file.TREE, json.dumps(tree).encode()),
            ):
                entry = zipfile.ZipInfo(name, _TIME)
                entry.compress_type = zipfile.ZIP_DEFLATED
                target.writestr(entry, content, compresslevel=1)
    return made.getvalue()


def _written(node: Any, numbers: dict[int, int], files: dict[str, str]) -> Any:
    """Return *node* of the tree with stable numbers and file names, and without functions."""
    if isinstance(node, list):
        return [_written(each, numbers, files) for each in node]
    if not isinstance(node, dict):
        return node
    if "__loader__" in node:
        node = _without_function(node)
    found = {key: _written(value, numbers, files) for key, value in node.items()}
    if isinstance(number := node.get("__id__"), int):
        found["__id__"] = numbers.setdefault(number, len(numbers) + 1)
    if isinstance(name := node.get("file"), str) and "__loader__" in node:
        ending = name.rpartition(".")[2]
        found["file"] = files.setdefault(name, f"{len(files) + 1}.{ending}")
    return found


def _without_function(node: dict[str, Any]) -> dict[str, Any]:
    named = node["content"]["func"] if node["__loader__"] == "PartialNode" else node
    name = f"{named['__module__']}.{named['__class__']}"
    for_fitting = named["__loader__"] in ("FunctionNode", "TypeNode") or name.startswith(_DRAWN)
    if not for_fitting or name in skops_file.trusted() or not name.startswith(_LIBRARIES):
        return node
    made: dict[str, Any] = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode"}
    made |= {"content": json.dumps(name), "is_json": True}
    if name == _CHECK:
        made = {"__class__": "float64", "__module__": "numpy", "__loader__": "TypeNode"}
    return {**made, "__id__": node["__id__"]}
