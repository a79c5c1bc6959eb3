"""`gitslot adopt`: write the file for a running app and list what it lacks; Azure is only read."""

import os
from pathlib import Path
from typing import Annotated

import typer

from gitslot.cli import doctor
from gitslot.cli import output as out
from gitslot.cli.output import Output, OutputOption
from gitslot.cli.session import CommandRefused, Session, session_of
from gitslot.edges.git.source import local_repository
from gitslot.report import adopt as report
from gitslot.report.doctor.checks import of_app
from gitslot.report.doctor.facts import Finding, Grade
from gitslot.state.wanted import SUFFIX, Doubt


def adopt(
    ctx: typer.Context,
    app: Annotated[str, typer.Argument(metavar="APP", help="The function app's name.")],
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="Where to write; `-` prints it.")
    ] = None,
    resource_group: Annotated[
        str | None,
        typer.Option("--resource-group", "-g", help="Needed if two apps share the name."),
    ] = None,
    subscription: Annotated[
        str | None, typer.Option("--subscription", help="Its id; else all that you can read.")
    ] = None,
    every_slot: Annotated[
        bool, typer.Option("--slots", help="Add slots other than production and staging.")
    ] = False,
    stdout: Annotated[bool, typer.Option("--stdout", help="Print the file, as `-` does.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file.")] = False,
    output: OutputOption = Output.TABLE,
) -> int:
    """Write the file that says what an app serves now.

    Then it lists what the app lacks before gitslot can release to it, with a
    fix for each. It finds the app by its name, with your own sign-in, and
    writes nothing to Azure. With - the file goes to stdout and the list to
    stderr.

    Exit codes: 0 written and complete, 1 something is left to do, 2 error.
    """
    session = session_of(ctx)
    path = None
    if not stdout and file != "-":
        path = session.cwd / file if file else _place(session, app)
    _refuse_existing(path, overwrite=overwrite)
    session.needs_no_repository()
    facts = session.examiner().app(
        app, resource_group=resource_group, subscription=subscription, every_slot=every_slot
    )
    if isinstance(facts.place, Doubt):
        raise CommandRefused(facts.place.message, reason=facts.place.reason)
    made = report.adopt(
        facts,
        f"{session.now():%Y-%m-%d}",
        group=bool(resource_group or subscription),
        every_slot=every_slot,
    )
    missing = tuple(each for each in of_app(facts) if each.grade is not Grade.OK)
    if path is None:
        session.out.write(made.text)
        session.out.flush()
    else:
        if file is None and path.stem.lower() == made.app.name.lower():
            path = path.with_name(f"{made.app.name}{SUFFIX}")  # as Azure writes it
        _write(path, made.text, overwrite=overwrite)
        session.print_err(f"written: {path.name}")
    if not made.decided:
        session.print_err("what production serves is not known: decide it in the file (`decide:`)")
    if path is None:
        _print_missing(session, missing)
    elif missing:
        doctor.show(session, missing, output)
    elif output is not Output.TABLE:
        out.show_data(session, [], output)
    return 0 if made.decided and not doctor.code(missing) else 1


def _place(session: Session, app: str) -> Path:
    """Return where the file of *app* belongs: in the folder of files, where there is one."""
    watched = (local_repository(session.cwd) or session.cwd) / session.watched()
    return watched / f"{app}{SUFFIX}" if watched.is_dir() else watched


def _refuse_existing(path: Path | None, *, overwrite: bool) -> None:
    if path is not None and not overwrite and os.path.lexists(path):
        why = f"{path.name} is there already; `--overwrite` replaces it, `-` prints instead"
        raise CommandRefused(why, reason="FileExists")


def _write(path: Path, text: str, *, overwrite: bool) -> None:
    try:
        with path.open("w" if overwrite else "x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        why = f"cannot write {path}: {error.strerror}"
        raise CommandRefused(why, reason="FileNotWritten") from error


def _print_missing(session: Session, missing: tuple[Finding, ...]) -> None:
    for each in missing:
        session.print_err(f"{each.grade.value}: {each.check}: {each.found}")
        for fix in each.fixes:
            session.print_err(f"    {fix}")
