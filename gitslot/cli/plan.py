"""`gitslot plan`: show what the controller would do, step by step, and why."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import typer

from gitslot.cli import output as out
from gitslot.cli import status as status_
from gitslot.cli.checkout import Checkout
from gitslot.cli.output import Output, OutputOption
from gitslot.cli.session import CommandRefused, Session, chosen, session_of
from gitslot.edges.file.read import desired
from gitslot.edges.git.source import GitSource
from gitslot.errors import SourceError
from gitslot.http.client import Http
from gitslot.reconcile import look_for
from gitslot.report.doctor.site import memory
from gitslot.report.plan import Plan, Step
from gitslot.report.plan import plan as planned
from gitslot.state.safe_text import code_span
from gitslot.state.seen import Live
from gitslot.state.wanted import Desired, Doubt, Resolved
from gitslot.world import World, open_git


def plan(
    ctx: typer.Context,
    rev: Annotated[
        str | None, typer.Argument(metavar="REV", help="A commit; else the newest one.")
    ] = None,
    app: Annotated[str | None, typer.Option("--app", help="One app; else all.")] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown, for a pull request.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> int:
    """Show what the controller would do now, or for a revision."""
    return show_plans(session_of(ctx), app, rev, output, markdown=markdown)


def show_plans(
    session: Session, app: str | None, rev: str | None, output: Output, *, markdown: bool = False
) -> int:
    """Plan *app*, or all, at *rev* or the newest commit; print it and return the exit code."""
    world = session.world()
    at = _at(session, rev) if rev else None
    names = chosen(list(at.apps), app) if at else status_.names(world, app)
    plans = [_plan(session, name, world, at) for name in names]
    if markdown:
        session.out.write(_in_markdown(plans))
    elif output is not Output.TABLE:
        out.show_data(session, [out.data_of(each) for each in plans], output)
    else:
        for each in plans:
            _show(session, each)
    return max((each.exit_code for each in plans), default=0)


def _at(session: Session, rev: str) -> Desired:
    """Return what *rev* asks for, of the checkout around here, else of the watched repository."""
    settings = session.settings()
    try:
        here = Checkout.around(session)
        newest = GitSource(str(here.root), "HEAD", settings.file).at(here.resolve(rev))
    except (CommandRefused, SourceError):
        source = open_git(settings, Http())
        try:
            newest = source.at(source.resolve(rev))
        except SourceError as error:
            raise CommandRefused(
                f"`{rev}` cannot be planned: no commit of that name, or no {settings.file} in it",
                reason="UnknownRevision",
            ) from error
    found = desired(newest.revision, newest.data)
    if isinstance(found, Doubt):
        raise CommandRefused(found.message, reason=found.reason)
    return found


def _plan(session: Session, name: str, world: World, at: Desired | None) -> Plan:
    app = at.apps[name] if at else world.wants.app(name, world.wants.known())
    seen = look_for(name, app, None, world, fresh=True, whole=True)
    target = seen.app or Doubt("NotInFile", f"no file asks for `{name}` any more")
    remembered = seen.memory.as_observer() if seen.observed else seen.memory
    found = planned(name, target, seen.live, remembered, seen.now, world.policy)
    wanted = seen.live.production.wanted if isinstance(seen.live, Live) else None
    swaps = any(step.action == "swap" for step in found.steps)
    if not swaps or not isinstance(wanted, Resolved) or not wanted.needs.memory:
        return found
    facts = session.examiner().size(name, world.looker.ref(name), wanted)
    compared = tuple(f"memory: {'; '.join((note.found, *note.fixes))}" for note in memory(facts))
    return replace(found, notes=(*found.notes, *compared))


# ---------------------------------------------------------------- printing


def _show(session: Session, plan_: Plan) -> None:
    out.show_text(session, plan_.app, "bold")
    for number, step in enumerate(plan_.steps, 1):
        out.show_text(session, f"  {number}. {step.action:<7} {step.what}")
        out.show_text(session, f"             {step.why}", "dim")
        for line in _settings(step):
            out.show_text(session, f"             {line}", "dim")
    for line in (_end(plan_), *plan_.notes):
        out.show_text(session, f"  {line}")


def _settings(step: Step) -> list[str]:
    listed = (("travels", step.travels), ("stays (slot settings)", step.stays))
    return [f"{what}: {', '.join(names)}" for what, names in listed if names]


def _end(plan_: Plan) -> str:
    if plan_.end != "Converged":
        return f"{plan_.end} {plan_.reason}: {plan_.message}"
    return f"then {plan_.message}" if plan_.steps else f"nothing to do: {plan_.message}"


def _in_markdown(plans: Sequence[Plan]) -> str:
    lines: list[str] = []
    for each in plans:
        lines += [f"### gitslot plan: {code_span(each.app)}", ""]
        for number, step in enumerate(each.steps, 1):
            what, why = code_span(step.what), code_span(step.why)
            lines.append(f"{number}. **{step.action}** {what}: {why}")
            lines += [f"   - {code_span(line)}" for line in _settings(step)]
        if each.steps:
            lines.append("")
        lines += [code_span(_end(each)), ""]
        lines += [f"> {code_span(note)}" for note in each.notes]
        if each.notes:
            lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"
