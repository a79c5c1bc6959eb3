"""
Bring boosted trees of xgboost and lightgbm: their converters are those of onnxmltools.

Whether the graph is exact is measured as for every other model. Neither library is imported here:
who passes such a model has it, and without one nothing is loaded.
"""

import copy
import importlib
import json
from collections.abc import Iterator
from typing import Any

from skl2onnx import update_registered_converter
from skl2onnx.common.shape_calculator import (
    calculate_linear_classifier_output_shapes,
    calculate_linear_regressor_output_shapes,
)
from sklearn.base import is_classifier

from gitslot.convert.errors import TrainingError

INSTEAD = (
    "use HistGradientBoostingClassifier or HistGradientBoostingRegressor of scikit-learn, which"
    " grow the same kind of trees"
)
# library -> module and function of its converter
_CONVERTERS = {
    "xgboost": ("onnxmltools.convert.xgboost.operator_converters.XGBoost", "convert_xgboost"),
    "lightgbm": ("onnxmltools.convert.lightgbm.operator_converters.LightGbm", "convert_lightgbm"),
}


def library_of(part: object) -> str:
    """Return the name of the library that the class of *part* comes from."""
    return type(part).__module__.partition(".")[0]


def is_booster(part: object) -> bool:
    """Return whether *part* is a model of xgboost or lightgbm."""
    return library_of(part) in _CONVERTERS and hasattr(part, "predict") and hasattr(part, "fit")


def teach(part: object) -> None:
    """Make skl2onnx convert *part*, a booster. Raises TrainingError without onnxmltools."""
    name, library = type(part).__name__, library_of(part)
    module, function = _CONVERTERS[library]
    try:
        convert = getattr(importlib.import_module(module), function)
    except ImportError as error:
        raise TrainingError(
            f"{name} of {library} is converted by onnxmltools, which is not installed: pip install"
            f" onnxmltools, or {INSTEAD}"
        ) from error
    shapes, options = calculate_linear_regressor_output_shapes, {}
    if is_classifier(part):
        shapes = calculate_linear_classifier_output_shapes
        options = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
    if library == "lightgbm":
        options |= {"split": None}

    def by_number(scope: Any, operator: Any, container: Any) -> None:
        """Convert without the names of the columns: onnxmltools reads none but f0, f1, ..."""
        if library == "xgboost":
            operator.raw_operator = copy.deepcopy(operator.raw_operator)
            operator.raw_operator.get_booster().feature_names = None
        convert(scope, operator, container)

    update_registered_converter(type(part), f"{library}{name}", shapes, by_number, options=options)


def splits(part: Any) -> Iterator[tuple[int, float]]:
    """
    Return (column, threshold) of every split of a fitted booster.

    xgboost writes a tree as arrays (https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html),
    lightgbm as nested nodes (Booster.dump_model).
    """
    if library_of(part) == "xgboost":
        whole = json.loads(bytes(part.get_booster().save_raw("json")))
    else:
        whole = part.booster_.dump_model()
    left = [whole]
    while left:
        node = left.pop()
        if isinstance(node, list):
            left += node
        if not isinstance(node, dict):
            continue
        left += node.values()
        if "split_indices" in node:
            found = zip(
                node["split_indices"], node["split_conditions"], node["left_children"], strict=True
            )
            yield from ((column, float(at)) for column, at, child in found if child >= 0)
        elif "split_feature" in node and isinstance(node["threshold"], float):
            yield node["split_feature"], node["threshold"]
