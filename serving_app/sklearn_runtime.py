"""
Answer with scikit-learn itself: the exact runtime, for models that ONNX answers otherwise.

The file is a skops file. Nothing of it is loaded before `skops_file` has found every name of it in
the list of trusted classes and ufuncs. What it gets has the form it was trained with: a DataFrame
of the trained dtypes, or an array.

It answers on one thread, as ONNX Runtime does here: for a few rows, more threads only wait for each
other, and sums of floats would differ between runs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import skops.io
from joblib import parallel_config
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

if TYPE_CHECKING or __package__:
    from .columns import NONE, Column, Shape, Table, count, slice_of
    from .refused import Refused
    from .skops_file import check_skops
else:  # the Functions worker puts this folder itself on sys.path
    from columns import NONE, Column, Shape, Table, count, slice_of
    from refused import Refused
    from skops_file import check_skops

BLOCK = 1024  # rows


class SklearnRuntime:
    """An estimator that answers tables."""

    def __init__(self, estimator: Any, shape: Shape) -> None:
        self._estimator = estimator
        self._shape = shape
        self._threads = ThreadpoolController()

    def labels(self, table: Table) -> list[Any]:
        """Return for each row a label, which equals one of the classes, or a number."""
        with self._alone():
            return [label for rows in self._blocks(table) for label in self._predicted(rows)]

    def answers(self, table: Table) -> tuple[list[Any], NDArray[Any] | None]:
        """Return what `labels` does, and probabilities as rows x classes where it has any."""
        if not self._shape.probabilities:
            return self.labels(table), None
        labels: list[Any] = []
        shares: list[NDArray[Any]] = []
        with self._alone():
            for rows in self._blocks(table):
                labels.extend(self._predicted(rows))
                shares.append(np.asarray(self._estimator.predict_proba(rows)))
        return labels, np.concatenate(shares)

    def _blocks(self, table: Table) -> Iterator[Any]:
        """Yield *table* as it was trained, some rows at a time: kernels take memory for each."""
        for first in range(0, count(table), BLOCK):
            yield as_trained(slice_of(table, first, first + BLOCK), self._shape)

    def _predicted(self, rows: Any) -> list[Any]:
        outputs = () if self._shape.outputs == 1 else (self._shape.outputs,)
        found = np.asarray(self._estimator.predict(rows)).reshape(len(rows), *outputs)
        said: list[Any] = found.tolist()
        return said

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep to the thread that asks, whatever n_jobs says: OpenMP, BLAS, and joblib."""
        with self._threads.limit(limits=1), parallel_config(backend="sequential"):
            yield


def open_runtime(artifact: bytes, shape: Shape) -> SklearnRuntime:
    """Load *artifact* for serving; raise Refused (FormatRefused, LoadFailed, RuntimeMissing)."""
    names = check_skops(artifact)
    if shape.frame:
        _pandas()
    try:
        estimator = skops.io.loads(artifact, trusted=names)
    except Exception as error:  # skops and the classes it fills have no common base
        why = f"skops refuses it: {type(error).__name__}: {ascii(str(error))[:160]}"
        raise Refused("LoadFailed", why) from error
    needed = ("predict", "predict_proba") if shape.probabilities else ("predict",)
    for method in needed:
        if not callable(getattr(estimator, method, None)):
            raise Refused("LoadFailed", f"{type(estimator).__name__} has no {method}")
    return SklearnRuntime(estimator, shape)


def as_trained(table: Table, shape: Shape) -> Any:
    """Return *table* as the estimator was trained: a DataFrame, or an array of the columns."""
    arrays = table if isinstance(table, list) else list(table.T)
    if shape.frame:
        pandas = _pandas()
        pairs = zip(shape.columns, arrays, strict=True)
        return pandas.DataFrame(
            {column.name: _series(pandas, array, column) for column, array in pairs}
        )
    if isinstance(table, list):
        mixed = np.empty((len(arrays[0]), len(arrays)), object)
        for j, (array, column) in enumerate(zip(arrays, shape.columns, strict=True)):
            mixed[:, j] = _objects(array, column)
        return mixed
    kinds = {column.dtype for column in shape.columns}
    return _narrowed(table, np.dtype(kinds.pop() if len(kinds) == 1 else np.float64))


def _narrowed(numbers: NDArray[Any], kind: "np.dtype[Any]") -> NDArray[Any]:
    """Return *numbers* as *kind* if it can hold them exactly or is a float, else as they are."""
    if kind.kind == "f":
        return numbers.astype(kind, copy=False)
    if kind.kind in "iu":
        low, high = np.iinfo(kind).min, np.iinfo(kind).max
        if np.all((np.floor(numbers) == numbers) & (numbers >= low) & (numbers < high)):
            return numbers.astype(kind)
    return numbers


def _series(pandas: Any, array: NDArray[Any], column: Column) -> Any:
    if column.dtype == "category":
        return _categorical(pandas, array, column)
    if column.type == "number" and column.dtype not in ("object", NONE):
        try:
            return _narrowed(array, np.dtype(column.dtype))
        except TypeError:  # a dtype of pandas' own, such as Int64
            return pandas.Series(array).astype(column.dtype)
    if column.dtype == "bool" and array.dtype == np.bool_:
        return array
    dtype = "object" if column.dtype in ("bool", NONE) else column.dtype
    return pandas.Series(_objects(array, column), dtype=dtype)


def _objects(array: NDArray[Any], column: Column) -> NDArray[Any]:
    """Return objects with the trained mark where one is missing: scikit-learn tells them apart."""
    found = array.astype(object)
    gaps = np.array([cell is None or cell != cell for cell in found.tolist()], np.bool_)  # noqa: PLR0124 - NaN
    found[gaps] = None if column.dtype == NONE else np.nan
    return found


def _categorical(pandas: Any, array: NDArray[Any], column: Column) -> Any:
    """Return a categorical that keeps the trained order, and cells that training did not see."""
    cells = [None if cell is None or cell != cell else cell for cell in array.tolist()]  # noqa: PLR0124 - NaN
    known = list(column.categories)
    seen = set(known)
    fresh = dict.fromkeys(cell for cell in cells if cell is not None and cell not in seen)
    return pandas.Categorical(cells, categories=[*known, *fresh])


def _pandas() -> Any:
    try:
        import pandas  # noqa: PLC0415 - 0.4 s, and models of arrays do without
    except ImportError as error:
        raise Refused(
            "RuntimeMissing", "this package has no pandas: use its build sklearn"
        ) from error
    return pandas
