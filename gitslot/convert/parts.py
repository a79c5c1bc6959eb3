"""Find what a fitted model holds, at any depth, without knowing any estimator."""

from collections.abc import Iterable, Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from gitslot.convert.boosters import is_booster, splits


def parts(whole: object) -> Iterator[object]:
    """Return *whole* and every object in it, at any depth, each once."""
    seen: dict[int, object] = {}  # keeps the objects alive, so that no id is reused
    left = [whole]
    while left:
        part = left.pop()
        if id(part) not in seen:
            seen[id(part)] = part
            yield part
            left.extend(_held(part))


def thresholds(whole: object) -> Iterator[tuple[int, float]]:
    """
    Return (column, threshold) of every split of the trees that *whole* holds.

    A tree of scikit-learn has the arrays `feature` and `threshold`, one of its histogram boosting
    an array with the fields `feature_idx` and `num_threshold`. The column is the tree's own.
    """
    for part in parts(whole):
        if is_booster(part):
            yield from splits(part)
            continue
        if isinstance(part, np.ndarray) and {"feature_idx", "num_threshold"} <= set(
            part.dtype.names or ()
        ):
            inner = part[part["is_leaf"] == 0]
            found = inner["feature_idx"].tolist(), inner["num_threshold"].tolist()
            yield from zip(*found, strict=True)
            continue
        feature, threshold = getattr(part, "feature", None), getattr(part, "threshold", None)
        if isinstance(feature, np.ndarray) and isinstance(threshold, np.ndarray):
            inner = feature >= 0
            yield from zip(feature[inner].tolist(), threshold[inner].tolist(), strict=True)


def _held(part: Any) -> Iterable[object]:
    if isinstance(part, str | bytes | type | ModuleType | FunctionType):
        return ()
    if isinstance(part, Mapping):
        return part.values()
    if isinstance(part, list | tuple | set | frozenset):
        return part
    if isinstance(part, np.ndarray):
        return part.flat if part.dtype == object else ()
    return getattr(part, "__dict__", {}).values()
