"""Train a version of the example; the library converts, proves and describes it."""

from collections.abc import Callable
from datetime import datetime

from gitslot.convert import version as versions
from gitslot.convert.register import check_names
from gitslot.convert.table import Data
from gitslot.convert.version import Built
from training.pipeline import build
from training.train import train


def build_version(
    *,
    model: str,
    version: str,
    data: Data,
    estimator: str,
    seed: int,
    commit: str | None,
    created: datetime,
    progress: Callable[[str], None],
) -> Built:
    """Train *estimator* on *data* as *version* of *model*; raise TrainingError or ParityError."""
    check_names(model, version)
    progress(f"training {estimator} on {len(data.rows)} rows of {data.name}")
    trained = train(data, build(estimator, seed), seed)
    return versions.build_version(
        model=model,
        version=version,
        data=data,
        estimator=trained.estimator,
        evaluation=trained.evaluation,
        seed=seed,
        commit=commit,
        created=created,
        progress=progress,
    )
