"""`gitslot doctor`: check that everything is set up for a release and a rollback."""

from collections import Counter
from collections.abc import Sequence
from textwrap import wrap
from typing import Annotated, Any

import typer

from gitslot.cli import output as out
from gitslot.cli.complete import AppArgument
from gitslot.cli.output import Output, OutputOption
from gitslot.cli.session import Session, chosen, session_of
from gitslot.report.doctor.checks import of_app, of_controller, of_ground
from gitslot.report.doctor.facts import Finding, Grade
from gitslot.report.doctor.gather import Examiner
from gitslot.state.wanted import App, Desired, is_app_name

_COLUMNS = ("app", "check", "result", "found")


def doctor(
    ctx: typer.Context,
    app: AppArgument = None,
    controller: Annotated[
        str | None,
        typer.Option(
            "--controller", metavar="NAME", help="Take the guards from that app, and check it too."
        ),
    ] = None,
    output: OutputOption = Output.TABLE,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Print the checks that are ok, too.")
    ] = False,
) -> int:
    """Check what a release needs, and how to fix it.

    The cheap checks come first: the controller's settings, Git, storage, then
    each app: plan, slots, identities, settings, code, triggers, health.

    Each check ends ok, warning, wrong or not known. It prints what is not ok,
    the gravest first, each with its fix. It uses your own rights and changes no
    app; in storage it takes and releases one lease, on a blob of its own. It
    never shows the value of a setting.

    Exit codes: 0 nothing is wrong, 1 something is, 2 error.
    """
    session = session_of(ctx)
    examiner = session.examiner()
    if controller is not None:
        examiner = examiner.ruled_by(controller)
    found = findings(examiner, app)
    if verbose and output is Output.TABLE:
        rows = [(each.app, each.check, each.grade.value, each.found) for each in found]
        out.show_table(session, _COLUMNS, rows)
        out.show_text(session, "")
    show(session, found, output)
    if output is Output.TABLE:
        out.show_text(session, summary(found, verbose=verbose), "bold")
    return code(found)


def findings(examiner: Examiner, app: str | None) -> tuple[Finding, ...]:
    """Return the findings of every check, of *app* or of all apps."""
    ground = examiner.ground()
    found = list(of_ground(ground))
    if examiner.controller is not None:
        found.extend(of_controller(examiner.controller))
    blocks = ground.desired.apps if isinstance(ground.desired, Desired) else {}
    named = [app] if app and not blocks else chosen(list(blocks), app)
    for name in named if app else filter(is_app_name, named):
        block = blocks.get(name)
        found.extend(of_app(examiner.app(name, block if isinstance(block, App) else None)))
    return tuple(found)


def code(found: Sequence[Finding]) -> int:
    """Return 1 if something is wrong, else 0; a warning is no failure."""
    return 1 if any(each.grade is Grade.WRONG for each in found) else 0


def show(session: Session, found: Sequence[Finding], output: Output) -> None:
    """Print *found* for programs; for people what is not ok, the gravest first, with its fixes."""
    if output is not Output.TABLE:
        out.show_data(session, [data(each) for each in found], output)
        return
    wide = (out.terminal_width(session) or 10**9) - 2  # a file is not wrapped
    grades = list(Grade)
    for each in sorted(found, key=lambda each: grades.index(each.grade)):
        if each.grade is not Grade.OK:
            out.show_cells(session, (each.grade.value, each.check, each.app))
            for line in wrap(each.found, wide, break_long_words=False, break_on_hyphens=False):
                out.show_text(session, f"  {line}")
            for fix in each.fixes:
                out.show_text(session, f"    {fix}")
            out.show_text(session, "")


def summary(found: Sequence[Finding], *, verbose: bool) -> str:
    """Return how many of *found* ended how, in one line."""
    number = Counter(each.grade for each in found)
    counts = [f"{number[grade]} {grade.value}" for grade in Grade if number[grade]]
    words = "all ok" if number[Grade.OK] == len(found) else ", ".join(counts)
    return f"{len(found)} checks, {words}" + ("" if verbose else " (-v shows each)")


def data(finding: Finding) -> dict[str, Any]:
    """Return *finding* for programs."""
    return {
        "app": finding.app or None,
        "check": finding.check,
        "result": finding.grade.value,
        "found": finding.found,
        "fixes": list(finding.fixes),
    }
