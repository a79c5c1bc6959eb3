"""
The data: replace `load` with your own; the rest of training stays.

A model is trained on the data set of its name, or on the one that `--data` names.

These data sets come with scikit-learn, so that the first version needs no download.
"""

import numpy as np
from sklearn import datasets

from gitslot.convert.errors import UnknownName
from gitslot.convert.table import Data

_SHIPPED = {
    "iris": datasets.load_iris,  # Fisher 1936: 150 flowers, 4 measures in cm, 3 species
    "wine": datasets.load_wine,  # 178 wines, 13 chemical measures, 3 cultivars
    "breast_cancer": datasets.load_breast_cancer,  # 569 samples, 30 measures, 2 diagnoses
    "digits": datasets.load_digits,  # 1,797 images of 8 x 8 pixels, 10 digits
}
NAMES = tuple(_SHIPPED)


def load(name: str) -> Data:
    """
    Return the data set *name*; raise UnknownName if there is none of that name.

    Read your own table here and return it as `Data`: *rows* may be a DataFrame or an array.
    """
    if name not in _SHIPPED:
        raise UnknownName(
            f"no data set {name!r}: training/data.py has {', '.join(NAMES)}; give one of them with"
            f" --data, or read your own table in `load` there"
        )
    bunch = _SHIPPED[name]()
    numbered = name == "digits"  # its classes are the numbers themselves
    return Data(
        name=name,
        features=tuple(str(feature) for feature in bunch.feature_names),
        rows=np.asarray(bunch.data, np.float64),
        labels=bunch.target.astype(np.int64) if numbered else bunch.target_names[bunch.target],
    )
