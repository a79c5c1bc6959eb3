"""`gitslot models`: list the registered versions, and where each runs."""

from typing import Annotated, Any

import typer

from gitslot.cli import output as out
from gitslot.cli.output import Output, OutputOption
from gitslot.cli.session import Session, session_of
from gitslot.cli.status import Watcher
from gitslot.errors import GitslotError
from gitslot.registry.card import lines
from gitslot.report.text import moment_text

_COLUMNS = ("model", "version", "registered", "runs")


def models(
    ctx: typer.Context,
    model: Annotated[str | None, typer.Argument(metavar="MODEL", help="One model only.")] = None,
    version: Annotated[
        str | None, typer.Argument(metavar="VERSION", help="Show the card of this version.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> int:
    """Show registered versions and where each runs."""
    session = session_of(ctx)
    if model is not None and version is not None:
        return _card(session, model, version, output)
    found = [entry for entry in session.registry().listing() if model in (None, entry.model)]
    running = _running(session)
    rows: list[dict[str, Any]] = [
        {
            "model": entry.model,
            "version": entry.version,
            "registered": out.iso(entry.registered),
            "runs": running.get((entry.model, entry.version), []),
        }
        for entry in found
    ]
    if output is not Output.TABLE:
        out.show_data(session, rows, output)
        return 0
    if not rows:
        session.print_err("no versions are registered" + (f" of {model}" if model else ""))
        return 0
    times = (moment_text(entry.registered, session.now(), dated=True) for entry in found)
    cells = [
        (row["model"], row["version"], time, ", ".join(row["runs"]))
        for row, time in zip(rows, times, strict=True)
    ]
    out.show_table(session, _COLUMNS, cells)
    return 0


def _card(session: Session, model: str, version: str, output: Output) -> int:
    """Show the facts of one version."""
    manifest = session.registry_alone().manifest(model, version)
    facts = lines(manifest)
    if output is not Output.TABLE:
        out.show_data(session, {"model": model, "version": version, **dict(facts)}, output)
        return 0
    out.show_text(session, f"{model} {version}")
    for name, text in facts:
        out.show_text(session, f"  {name:<12} {text}")
    return 0


def _running(session: Session) -> dict[tuple[str, str], list[str]]:
    """Return the slots that serve each version, as `status` has it."""
    found: dict[tuple[str, str], list[str]] = {}
    try:
        view = Watcher(session, session.journal()).look(None)
    except GitslotError as error:
        session.print_err(f"it is not known where they run: {error.message}")
        return found
    for row in view.rows:
        found.setdefault((row.model, row.serves), []).append(f"{row.app}/{row.slot}")
        if row.serves == "?" and row.message:
            session.print_err(f"{row.app}: {row.message}")
    for line in view.age:
        session.print_err(line)
    return found
