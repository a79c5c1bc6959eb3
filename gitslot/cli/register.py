"""`gitslot register`: put a model that was trained elsewhere into the registry."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gitslot.cli.notebook import (
    NotRegistered,
    Registered,
    building,
    print_done,
    registered,
    result_of,
)
from gitslot.cli.output import Output, OutputOption, show_data
from gitslot.cli.session import CommandRefused, session_of

if TYPE_CHECKING:
    from gitslot.convert.table import Data


def register(
    ctx: typer.Context,
    given: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="FILE",
            help="A .skops, .onnx or pickle file, an MLflow folder or URI.",
        ),
    ],
    sample: Annotated[
        Path, typer.Option(metavar="FILE", help="Rows it was trained on: .csv or .parquet.")
    ],
    model: Annotated[str, typer.Option(help="The name of the model.")],
    version: Annotated[str, typer.Option(help="The new version, e.g. 1.6.0.")],
    target: Annotated[
        str, typer.Option(metavar="COLUMN", help="The column of the sample that has the answers.")
    ] = "",
    classes: Annotated[
        str, typer.Option(metavar="A,B", help="Classes of a plain ONNX file, in their order.")
    ] = "",
    trust_code: Annotated[
        str,
        typer.Option(metavar="SHA256", help="Read a pickle that has this sha256; it runs code."),
    ] = "",
    output: OutputOption = Output.TABLE,
) -> int:
    """Put a trained model into the registry."""
    session = session_of(ctx)
    from gitslot.convert.bring import bring  # noqa: PLC0415 - scikit-learn is slow
    from gitslot.convert.errors import TrainingError  # noqa: PLC0415 - scikit-learn is slow

    try:
        place = given if ":/" in given else str(session.cwd / given)
        brought = bring(place, trust_code)
        data = _sample(session.cwd / sample, target, model, brought.model)
        data = replace(data, classes=tuple(_class(name) for name in classes.split(",") if name))
    except TrainingError as error:
        raise NotRegistered(str(error)) from error
    build = building(session, brought.model, data, model, version, run=brought.run)
    built = registered(session, model, version, build)
    if output is Output.TABLE:
        print_done(session, built)
    else:
        show_data(session, _as_dict(result_of(built)), output)
    return 0


def _sample(file: Path, target: str, name: str, model: Any) -> "Data":
    """Read the rows of *file*; without names of columns in the model they become an array."""
    import pandas as pd  # noqa: PLC0415 - slow import

    from gitslot.convert.errors import TrainingError  # noqa: PLC0415 - scikit-learn is slow
    from gitslot.convert.table import Data  # noqa: PLC0415

    readers: dict[str, Callable[[Path], Any]] = {".csv": pd.read_csv, ".parquet": pd.read_parquet}
    if file.suffix not in readers:
        raise CommandRefused(f"{file.name} is neither .csv nor .parquet")
    try:
        frame = readers[file.suffix](file)
    except (OSError, ValueError, ImportError) as error:
        raise TrainingError(f"cannot read {file.name}: {error}") from error
    labels = None
    if target:
        if target not in frame.columns:
            raise TrainingError(
                f"{file.name} has no column {target!r}: it has {list(frame.columns)}"
            )
        labels = frame.pop(target).to_numpy()
    if hasattr(model, "feature_names_in_"):
        missing = [column for column in model.feature_names_in_ if column not in frame.columns]
        if missing:
            raise TrainingError(f"{file.name} lacks columns of the model: {', '.join(missing)}")
        return Data(name, frame[list(model.feature_names_in_)], labels)
    return Data(name, frame.to_numpy(), labels, tuple(map(str, frame.columns)))


def _class(text: str) -> str | int:
    return int(text) if text.strip().lstrip("-").isdigit() else text.strip()


def _as_dict(result: Registered) -> dict[str, Any]:
    return {name: getattr(result, name) for name in Registered.__slots__} | {
        "metrics": dict(result.metrics)
    }
