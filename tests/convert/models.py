"""Build versions of any estimator and data, in a second or so."""

import warnings
from datetime import UTC, datetime
from typing import Any

import numpy as np

from gitslot.convert.evaluate import Evaluation
from gitslot.convert.table import Data
from gitslot.convert.version import Built, build_version
from gitslot.registry.manifest import Memory, Source


def version_of(estimator: Any, rows: Any, labels: Any = None) -> Built:
    """Return a version of the fitted *estimator*, proved on hostile rows like *rows*."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return build_version(
            model="case",
            version="1",
            data=Data("case", rows, labels),
            estimator=estimator,
            evaluation=Evaluation({"rows": float(len(rows))}),
            seed=0,
            source=Source(),
            created=datetime(2026, 11, 22, tzinfo=UTC),
            progress=lambda _: None,
            measure=lambda *_: Memory(60_000_000, 1_000_000),
        )


def title(built: Built) -> str:
    """Return the form that was chosen."""
    return built.parity.candidate.title


def two_colours(number: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of two numbers and a label of three, which overlap a little."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, number)
    return np.round(rng.normal(labels[:, None], 0.5, (number, 2)), 2), labels
