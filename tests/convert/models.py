"""Rows and labels to train on, and what became of a model."""

import numpy as np

from gitslot.convert.version import Built


def title(built: Built) -> str:
    """Return the form that was chosen."""
    return built.parity.candidate.title


def two_colours(number: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of two numbers and a label of three, which overlap a little."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, number)
    return np.round(rng.normal(labels[:, None], 0.5, (number, 2)), 2), labels
