"""`gitslot validate`: check the file, and that its versions can be delivered."""

from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated

import typer

from gitslot.cli import output as out
from gitslot.cli.checkout import Checkout
from gitslot.cli.output import Output, OutputOption
from gitslot.cli.session import CommandRefused, Session, session_of
from gitslot.edges.file.edit import unquoted
from gitslot.edges.file.read import desired
from gitslot.errors import ManifestInvalid, SettingsError, UnknownVersion
from gitslot.state.code import shortfall
from gitslot.state.wanted import SUFFIX, App, Doubt, Revision, Wanted

if TYPE_CHECKING:  # it imports Azure's storage library, which --offline does without
    from gitslot.registry.registry import Registry

_COLUMNS = ("app", "slot", "model", "version", "result")


def validate(
    ctx: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="A file or a folder; else that of the checkout."),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Check the file alone, without the registry.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> int:
    """Check the file or folder, its versions and their digests."""
    session = session_of(ctx)
    path = session.cwd / file if file else Checkout.around(session).path
    session = session.at(path if path.is_dir() else path.parent)
    apps, refused = apps_of(session, path)
    registry = None if offline or not apps else _registry(session)
    found = [
        check(app, slot, wanted, registry) for app in apps for slot, wanted in app.slots.items()
    ]
    if found:
        _show(session, found, output)
    return 0 if not refused and all(check.ok for check in found) else 1


def apps_of(session: Session, path: Path) -> tuple[list[App], bool]:
    """Return the apps of *path*, and whether a file was refused; print each refusal."""
    data = read_files(session, path)
    where = f"{path.name}: " if isinstance(data, bytes) else ""
    found = desired(Revision(""), data)
    each = [found] if isinstance(found, Doubt) else list(found.apps.values())
    for doubt in each:
        if isinstance(doubt, Doubt):
            session.print_err(f"{where}{doubt.message} ({doubt.reason})")
    apps = [app for app in each if isinstance(app, App)]
    for app in apps:
        content = data if isinstance(data, bytes) else data[app.name]
        name = where or f"{app.name}{SUFFIX}: "
        for line, value in unquoted(content) if isinstance(content, bytes) else ():
            advice = f'advice: quote it, "{value}": others read a number'
            session.print_err(f"{name}line {line}: {advice}")
    return apps, len(apps) < len(each)


def read_files(session: Session, path: Path) -> bytes | dict[str, bytes | Doubt]:
    """Return the bytes of a file, or of a folder's by NAME; raises CommandRefused."""
    try:
        return _data(session, path)
    except OSError as error:
        why = f"cannot read {path}: {error.strerror}"
        raise CommandRefused(why, reason="FileMissing") from error


def _data(session: Session, path: Path) -> bytes | dict[str, bytes | Doubt]:
    if path.is_dir():
        link = Doubt("NotPlainFile", "it is not a plain file")
        return {
            file.name.removesuffix(SUFFIX): (
                file.read_bytes() if file.is_file() and not file.is_symlink() else link
            )
            for file in sorted(path.glob(f"*{SUFFIX}"))
        }
    watched = PurePath(session.watched()).parts
    if path.resolve().parent.parts[-len(watched) :] == watched:
        return {path.name.removesuffix(SUFFIX): path.read_bytes()}
    return path.read_bytes()


@dataclass(frozen=True, slots=True)
class Check:
    app: str
    slot: str
    model: str
    version: str
    ok: bool
    result: str


def _registry(session: Session) -> "Registry":
    try:
        return session.registry_alone()
    except SettingsError as error:
        raise CommandRefused(
            f"{error.message}; or check the file alone with --offline", reason=error.reason
        ) from error


def check(app: App, slot: str, wanted: Wanted, registry: "Registry | None") -> Check:
    """Look up one slot's version; raises RegistryUnavailable if the registry does not answer."""
    if registry is None:
        return Check(app.name, slot, app.model, str(wanted), True, "well formed")
    result = "registered"
    try:
        manifest = registry.manifest(app.model, wanted.version)
        if wanted.pin and wanted.pin != manifest.digest:
            result = f"DigestMismatch: registered as sha256:{manifest.digest}"
            return Check(app.name, slot, app.model, str(wanted), False, result)
        if wanted.pin:
            result = "registered, digest matches"
        lacks = shortfall(registry.package(wanted.code), manifest.needs) if wanted.code else None
        if lacks:
            result = f"RuntimeMissing: {lacks[0]}; {lacks[1].clause}"
            return Check(app.name, slot, app.model, str(wanted), False, result)
    except (UnknownVersion, ManifestInvalid) as error:
        result = f"{error.reason}: {error.message}"
        return Check(app.name, slot, app.model, str(wanted), False, result)
    return Check(app.name, slot, app.model, str(wanted), True, result)


def _show(session: Session, found: list[Check], output: Output) -> None:
    if output is Output.TABLE:
        rows = [(c.app, c.slot, c.model, c.version, c.result) for c in found]
        out.show_table(session, _COLUMNS, rows)
        return
    data = [
        {
            "app": c.app,
            "slot": c.slot,
            "model": c.model,
            "version": c.version,
            "ok": c.ok,
            "result": c.result,
        }
        for c in found
    ]
    out.show_data(session, data, output)
