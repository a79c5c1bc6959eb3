"""`gitslot register`: put a model that was trained elsewhere into the registry."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gitslot.cli.output import Output, OutputOption, show_data
from gitslot.cli.session import session_of


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
    from gitslot.cli import notebook  # noqa: PLC0415 - scikit-learn is slow, --help needs none

    session = session_of(ctx)
    place = given if ":/" in given else str(session.cwd / given)
    names = tuple(name.strip() for name in classes.split(",") if name.strip())
    file = session.cwd / sample
    estimator, data, run = notebook.brought(place, trust_code, file, target, model, names)
    build = notebook.building(session, estimator, data, model, version, run=run)
    built = notebook.registered(session, model, version, build)
    if output is Output.TABLE:
        notebook.print_done(session, built)
    else:
        show_data(session, asdict(notebook.result_of(built)), output)
    return 0
