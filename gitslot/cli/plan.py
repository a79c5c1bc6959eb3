"""`gitslot plan`: show what the controller would do, step by step, and why."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from gitslot.cli import output as out
from gitslot.cli.checkout import Checkout
from gitslot.cli.complete import complete_app
from gitslot.cli.live import names as names_of
from gitslot.cli.output import Output, OutputOption
from gitslot.cli.session import CommandRefused, Session, chosen, session_of
from gitslot.cli.status import amiss_lines
from gitslot.cli.validate import read_files
from gitslot.edges.file.read import desired
from gitslot.edges.git.source import GitSource
from gitslot.errors import GitslotError, SourceError
from gitslot.http.client import Http
from gitslot.reconcile import look_for
from gitslot.registry.manifest import Manifest
from gitslot.registry.registry import Registry
from gitslot.report import snapshot
from gitslot.report.comment import Change, comment
from gitslot.report.doctor.site import memory
from gitslot.report.plan import Plan, Step
from gitslot.report.plan import plan as planned
from gitslot.state.seen import Live
from gitslot.state.wanted import App, Desired, Doubt, Resolved, Revision
from gitslot.world import World, open_git


def plan(
    ctx: typer.Context,
    rev: Annotated[
        str | None, typer.Argument(metavar="REV", help="A commit; else the newest one.")
    ] = None,
    app: Annotated[
        str | None, typer.Option("--app", autocompletion=complete_app, help="One app; else all.")
    ] = None,
    markdown: Annotated[
        bool,
        typer.Option(
            "--markdown", help="Print what a pull request changes; needs no right in ARM."
        ),
    ] = False,
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="PATH", help="A file or folder as edited, not committed."),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> int:
    """Show what the controller would do now, or for a revision."""
    session = session_of(ctx)
    if file and (rev or markdown):
        raise typer.BadParameter("--file goes with neither REV nor --markdown", ctx=ctx)
    if markdown:
        return _comment(session, app, rev)
    at = _at(session, rev) if rev else _edited(session, file) if file else None
    return show_plans(session, app, at, output)


def _comment(session: Session, name: str | None, rev: str | None) -> int:
    """Print what *rev* changes of what the watched branch asks for, from the snapshot."""
    world, registry, now = session.world(), session.registry(), session.now()
    base = world.wants.desired()
    at = _at(session, rev or "HEAD")
    apps = {each: at.apps[each] for each in chosen(list(at.apps), name)}
    known = {} if isinstance(base, Doubt) else base.apps
    changed = {each: app for each, app in apps.items() if app != known.get(each)}
    seen = snapshot.by_app(snapshots := snapshot.read_all(world.journal.blobs))
    warnings = [f"{base.reason}: {base.message}"] if isinstance(base, Doubt) else []
    if not isinstance(base, Doubt) and not _descends(session, at, base):
        warnings.append(f"the branch is now at {base.revision.short}: this plan may be stale")
    warnings += amiss_lines(snapshots, now)
    warnings += [f"{app.message}" for app in changed.values() if isinstance(app, Doubt)]
    gone = [] if name or isinstance(base, Doubt) else sorted(known.keys() - apps.keys())
    warnings += [f"{each} is left running, and no longer looked after" for each in gone]
    found = []
    for each, app in changed.items():
        if isinstance(app, Doubt):
            continue
        view = seen[each].apps[each] if each in seen else None
        served = {row.serves for row in view.rows[:1]} if view else set()
        versions = {wanted.version for wanted in app.slots.values()} | served - {"?", "nothing"}
        manifests = {version: _manifest(registry, app, version) for version in sorted(versions)}
        found.append(Change(app, view, manifests))
    session.out.write(comment(found, len(apps) - len(changed), warnings))
    return 1 if found else 0


def _manifest(registry: Registry, app: App, version: str) -> Manifest | str:
    try:
        return registry.manifest(app.model, version)
    except GitslotError as error:
        return error.message


def _descends(session: Session, at: Desired, base: Desired) -> bool:
    """Say whether *at* contains the newest commit of the watched branch, as far as is known."""
    try:
        checkout = Checkout.around(session)
    except CommandRefused:
        return True
    words = ("merge-base", "--is-ancestor", base.revision.commit, at.revision.commit)
    return checkout.try_git(*words) is not None


def show_plans(session: Session, app: str | None, at: Desired | None, output: Output) -> int:
    """Plan *app*, or all, for *at* or the newest commit; print it and return the exit code."""
    world = session.world()
    names = chosen(list(at.apps), app) if at else names_of(world, app)
    plans = [_plan(session, name, world, at) for name in names]
    if output is not Output.TABLE:
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
    return _readable(desired(newest.revision, newest.data))


def _edited(session: Session, file: Path) -> Desired:
    """Return what *file*, or the folder of that name, asks for as it is on disk."""
    edited = Revision("", subject=f"{file}, as edited")
    return _readable(desired(edited, read_files(session, session.cwd / file)))


def _readable(found: Desired | Doubt) -> Desired:
    if isinstance(found, Doubt):
        raise CommandRefused(found.message, reason=found.reason)
    return found


def _plan(session: Session, name: str, world: World, at: Desired | None) -> Plan:
    app = at.apps[name] if at else world.wants.app(name, world.wants.known())
    seen = look_for(name, app, None, world, fresh=True, whole=True)
    target = seen.app or Doubt("NotInFile", f"no file asks for `{name}` any more")
    remembered = seen.memory.as_observer() if seen.observed else seen.memory
    found = planned(name, target, seen.live, remembered, seen.now, world.policy)
    commit = (at or world.wants.desired()).revision or Revision("")
    found = replace(found, revision=commit.commit, subject=commit.subject)
    wanted = seen.live.production.wanted if isinstance(seen.live, Live) else None
    swaps = any(step.action == "swap" for step in found.steps)
    if not swaps or not isinstance(wanted, Resolved) or not wanted.needs.memory:
        return found
    facts = session.examiner().size(name, world.looker.ref(name), wanted)
    compared = tuple(f"memory: {'; '.join((note.found, *note.fixes))}" for note in memory(facts))
    return replace(found, notes=(*found.notes, *compared))


# ---------------------------------------------------------------- printing


def _show(session: Session, plan_: Plan) -> None:
    at = f'{plan_.revision[:7]} "{plan_.subject}"' if plan_.revision else plan_.subject
    out.show_text(session, f"{plan_.app}  {at}".rstrip(), "bold")
    _show_steps(session, plan_.steps, 1)
    for line in (_end(plan_), *plan_.notes):
        out.show_text(session, f"  {line}")
    if plan_.follows:
        out.show_text(session, "  once that is over:")
        _show_steps(session, plan_.follows, len(plan_.steps) + 1)


def _show_steps(session: Session, steps: Sequence[Step], first: int) -> None:
    for number, step in enumerate(steps, first):
        out.show_text(session, f"  {number}. {step.action:<7} {step.what}")
        out.show_text(session, f"             {step.why}", "dim")
        for line in _settings(step):
            out.show_text(session, f"             {line}", "dim")


def _settings(step: Step) -> list[str]:
    listed = (("travels", step.travels), ("stays (slot settings)", step.stays))
    return [f"{what}: {', '.join(names)}" for what, names in listed if names]


def _end(plan_: Plan) -> str:
    if plan_.end != "Converged":
        return f"{plan_.end} {plan_.reason}: {plan_.message}"
    return f"then {plan_.message}" if plan_.steps else f"nothing to do: {plan_.message}"
