"""`gitslot validate`: check the file, and that its versions can be delivered."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gitslot.cli import output as out
from gitslot.cli.checkout import Checkout
from gitslot.cli.output import Output, OutputOption
from gitslot.cli.session import CommandRefused, Session, session_of
from gitslot.edges.file.edit import unquoted
from gitslot.edges.file.read import read
from gitslot.errors import DesiredError, ManifestInvalid, SettingsError, UnknownVersion
from gitslot.state.wanted import App, Revision, Wanted

if TYPE_CHECKING:  # it imports Azure's storage library, which --offline does without
    from gitslot.registry.registry import Registry

_COLUMNS = ("app", "slot", "model", "version", "result")


def validate(
    ctx: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Else that of the checkout.")
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Check the file alone, without the registry.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> int:
    """Check the file, its versions and their digests."""
    session = session_of(ctx)
    path = _path(session, file)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CommandRefused(
            f"cannot read {path}: {error.strerror}", reason="FileMissing"
        ) from error
    try:
        desired = read(data, Revision(""))
    except DesiredError as error:
        session.print_err(f"{path.name}: {error.message} ({error.reason})")
        return 1
    for line, value in unquoted(data):
        session.print_err(
            f'{path.name}: line {line}: advice: quote it, "{value}": others read a number'
        )
    registry = None if offline else _registry(session)
    found = [
        _check(app, slot, wanted, registry)
        for app in desired.apps
        for slot, wanted in app.slots.items()
    ]
    _show(session, found, output)
    return 0 if all(check.ok for check in found) else 1


@dataclass(frozen=True, slots=True)
class _Check:
    app: str
    slot: str
    model: str
    version: str
    ok: bool
    result: str


def _path(session: Session, file: Path | None) -> Path:
    if file is not None:
        return session.cwd / file
    return Checkout.around(session).path


def _registry(session: Session) -> "Registry":
    """Open the registry; GITSLOT_REPO is not needed for it."""
    if session.environ.get("GITSLOT_STORAGE"):
        session.environ.setdefault("GITSLOT_REPO", str(session.cwd))
    try:
        return session.registry()
    except SettingsError as error:
        raise CommandRefused(
            f"{error.message}; or check the file alone with --offline", reason=error.reason
        ) from error


def _check(app: App, slot: str, wanted: Wanted, registry: "Registry | None") -> _Check:
    """Look up one slot's version; raises RegistryUnavailable if the registry does not answer."""
    if registry is None:
        return _Check(app.name, slot, app.model, str(wanted), True, "well formed")
    result = "registered"
    try:
        manifest = registry.manifest(app.model, wanted.version)
        if wanted.pin and wanted.pin != manifest.digest:
            result = f"DigestMismatch: registered as sha256:{manifest.digest}"
            return _Check(app.name, slot, app.model, str(wanted), False, result)
        if wanted.pin:
            result = "registered, digest matches"
        if wanted.code:
            registry.package(wanted.code)
    except (UnknownVersion, ManifestInvalid) as error:
        result = f"{error.reason}: {error.message}"
        return _Check(app.name, slot, app.model, str(wanted), False, result)
    return _Check(app.name, slot, app.model, str(wanted), True, result)


def _show(session: Session, found: list[_Check], output: Output) -> None:
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
