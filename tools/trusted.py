"""
Write serving_app/trusted.txt: the full names that a skops file may hold.

    python -m tools.trusted

Classes of scikit-learn: its estimators, and what they keep inside (trees, losses, kernels, distance
metrics, splitters). Of numpy and scipy: scalar types and ufuncs. Of Python: plain data. No other
function is in it, because FunctionTransformer would call it with a client's row.
"""

import importlib
import inspect
import pkgutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import scipy.sparse
import scipy.special
import sklearn

FILE = Path(__file__).resolve().parent.parent / "serving_app" / "trusted.txt"
# Parts of scikit-learn that are not models, or not its own, or that read files and networks.
_LEFT_OUT = (
    *("tests", "externals", "datasets", "conftest", "_mocking", "_build_utils", "experimental"),
    *("_min_deps", "inspection", "callback", "_plot"),
)
# What estimators keep inside, by the name of its class or of a class above it.
_BASES = (
    *(
        "BaseEstimator",
        "BaseOptimizer",
        "Kernel",
        "BaseLoss",
        "BaseLink",
        "CyLossFunction",
        "LossFunction",
    ),
    *("DistanceMetric", "DistanceMetric64", "DistanceMetric32", "BinaryTree64", "BinaryTree32"),
    *("BaseCrossValidator", "BaseShuffleSplit", "_RepeatedSplits", "_BaseScorer"),
)
_INSIDE = (
    *("Tree", "TreePredictor", "_BinMapper", "Interval", "CyHalfMultinomialLoss", "Bunch"),
    *("_CalibratedClassifier", "_SigmoidCalibration", "_PassthroughScorer", "_MultimetricScorer"),
    *("_BisectingTree", "_RemainderColsList", "_ImputerTriplet"),
    *("make_column_selector", "MetadataRequest", "MethodMetadataRequest"),
)
_PLAIN = (
    *("bool", "bytes", "dict", "float", "int", "list", "object", "set", "slice", "str", "tuple"),
)
_OTHERS = (
    *("collections.OrderedDict", "collections.defaultdict", "numpy.ndarray", "numpy.dtype"),
    *("numpy.ma.MaskedArray", "numpy.random.mtrand.RandomState"),
    *("scipy.interpolate._bsplines.BSpline", "scipy.interpolate._bsplines._BSpline"),
    "numpy.random._generator.Generator",
)
# Scalar types that hold other objects, or hold nothing of their own.
_NOT_DATA = {f"numpy.{name}" for name in ("object_", "void", "record", "generic")}


def names() -> list[str]:
    """Return all names, sorted."""
    found = {f"builtins.{name}" for name in _PLAIN} | set(_OTHERS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in _modules(sklearn):
            found.update(_classes(module))
        for module in (np, scipy.special, scipy.special._ufuncs, scipy.special._special_ufuncs):
            found.update(_ufuncs(module))
    for kind in vars(np).values():
        if inspect.isclass(kind) and issubclass(kind, np.generic):
            found.add(f"numpy.{kind.__name__}")
    found -= _NOT_DATA
    for name in dir(scipy.sparse):
        kind = getattr(scipy.sparse, name)
        if inspect.isclass(kind) and issubclass(
            kind, (scipy.sparse.spmatrix, scipy.sparse.sparray)
        ):
            found.add(f"{kind.__module__}.{kind.__name__}")
    return sorted(found)


def text() -> str:
    """Return the whole file."""
    head = f"# By `python -m tools.trusted`, of scikit-learn {sklearn.__version__}: see docs/use."
    return "\n".join([head, *names()]) + "\n"


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.", lambda _: None):
        if not any(part in found.name.split(".") for part in _LEFT_OUT):
            try:
                yield importlib.import_module(found.name)
            except ImportError:
                continue  # needs a library that scikit-learn does not


def _classes(module: ModuleType) -> Iterator[str]:
    for name, kind in vars(module).items():
        if not inspect.isclass(kind) or (kind.__module__, kind.__name__) != (module.__name__, name):
            continue
        if name.startswith("PyFunc"):  # distances by a function
            continue
        if name in _INSIDE or any(base.__name__ in _BASES for base in kind.__mro__):
            yield f"{module.__name__}.{name}"


def _ufuncs(module: ModuleType) -> Iterator[str]:
    for name in dir(module):
        if isinstance(getattr(module, name), np.ufunc):
            yield f"{module.__name__}.{name}"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
