"""
The estimator: replace `build` with your own pipeline; the rest of training stays.

Any classifier or regressor of scikit-learn with one output works, pipelines as well. Each version
is compared with scikit-learn before it is registered (gitslot/convert/parity.py).
"""

from collections.abc import Callable

from sklearn.base import ClassifierMixin
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from gitslot.convert.errors import UnknownName

_BUILDERS: dict[str, Callable[[int], ClassifierMixin]] = {
    "forest": lambda seed: RandomForestClassifier(n_estimators=100, random_state=seed),
    "extra-trees": lambda seed: ExtraTreesClassifier(n_estimators=100, random_state=seed),
    "tree": lambda seed: DecisionTreeClassifier(random_state=seed),
    "boosting": lambda seed: GradientBoostingClassifier(random_state=seed),
    "hist-boosting": lambda seed: HistGradientBoostingClassifier(random_state=seed),
    "logistic": lambda seed: make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=1000, random_state=seed)
    ),
    "scaled-forest": lambda seed: make_pipeline(
        StandardScaler(), RandomForestClassifier(n_estimators=100, random_state=seed)
    ),
    "neural": lambda seed: make_pipeline(
        StandardScaler(), MLPClassifier(max_iter=2000, random_state=seed)
    ),
}
NAMES = tuple(_BUILDERS)


def build(name: str, seed: int) -> ClassifierMixin:
    """
    Return the untrained estimator *name*; the same *seed* trains to the same model.

    Return your own pipeline here. Raises UnknownName for an unknown name.
    """
    if name not in _BUILDERS:
        raise UnknownName(f"no estimator {name!r}: training/pipeline.py has {', '.join(NAMES)}")
    return _BUILDERS[name](seed)
