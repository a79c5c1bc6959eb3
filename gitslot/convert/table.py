"""The labelled table on which a model is trained and proved."""

import hashlib
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Rows: TypeAlias = NDArray[np.float64]
Labels: TypeAlias = NDArray[np.generic]


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """
    A labelled table: *rows* is samples x features, *labels* one per row, text or whole numbers.

    *features* names the columns, in their order.
    """

    name: str
    features: tuple[str, ...]
    rows: Rows
    labels: Labels

    @property
    def fingerprint(self) -> str:
        """Return the sha256 over names, values and labels; equal data has an equal fingerprint."""
        digest = hashlib.sha256()
        for text in (*self.features, *map(str, self.labels.tolist())):
            digest.update(text.encode() + b"\0")
        digest.update(np.ascontiguousarray(self.rows, dtype="<f8").tobytes())
        return digest.hexdigest()
