"""
gitslot: keeps the deployment slots of Azure Function Apps equal to a file in Git.

The loop is four verbs: look at Git and at the slots (`look`), decide the one next thing (`decide`,
pure), act on it (`act`), record it (`record`). `reconcile` turns them until the slots serve what
Git asks for. Start reading at `decide.decide`.

`gitslot.register` puts a trained model into the registry. Importing gitslot loads nothing of Azure,
and no other package; calling `register` does.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gitslot.cli.notebook import Registered

__all__ = ["register"]


def register(
    estimator: Any,
    X: Any,  # noqa: N803 - as in scikit-learn
    y: Any = None,
    *,
    model: str,
    version: str,
    metrics: Mapping[str, float] | None = None,
) -> "Registered":
    """
    Register the fitted *estimator* as *version* of *model*, and print the line that releases it.

    *X* is the DataFrame or array that it was trained on, *y* its answers, *metrics* what was
    measured on rows that training did not see. Raises GitslotError, whose message has the problem
    and the fix. All of it: gitslot.cli.notebook.register.
    """
    from gitslot.cli import notebook  # noqa: PLC0415 - nothing is loaded before it is used

    return notebook.register(estimator, X, y, model=model, version=version, metrics=metrics)
