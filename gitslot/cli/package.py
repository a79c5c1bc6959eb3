"""`gitslot package`: put a function app into the registry, where `code:` names it."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from gitslot.cli import output as out
from gitslot.cli.session import CommandRefused, Session, session_of
from gitslot.registry.function_apps import ROOT, ours, with_sklearn
from gitslot.registry.libraries import HERE
from gitslot.registry.manifest import is_name
from gitslot.registry.own_app import own
from gitslot.registry.package import package as zipped
from gitslot.state.code import CONTRACTS

_COLUMNS = ("code", "build", "contract", "python", "size", "sha256")


def package(
    ctx: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="FOLDER", help="A function app's; else gitslot's serving app."),
    ] = None,
    version: Annotated[
        str, typer.Option("--version", help="The name for `code:`; it is never overwritten.")
    ] = "",
    contract: Annotated[
        int, typer.Option(help="The serving contract that the app in FOLDER keeps, 1 or 2.")
    ] = CONTRACTS[0],
    sklearn: Annotated[
        str, typer.Option(help="Minor version of scikit-learn in gitslot's serving app, as 1.8.")
    ] = "",
    python: Annotated[str, typer.Option(help="The Python that the function app has.")] = HERE,
    blueprint: Annotated[
        bool, typer.Option("--blueprint", help="Only copy gitslot_blueprint.py into FOLDER.")
    ] = False,
    thin: Annotated[
        bool, typer.Option("--thin", help="Without libraries, for the local platform.")
    ] = False,
) -> int:
    """Put a function app into the registry, for `code:` to name."""
    session = session_of(ctx)
    if blueprint:
        return _copy_blueprint(session, folder)
    if not is_name(version):
        raise CommandRefused("--version must be letters, digits, `.`, `_` and `-`, as 3.1.0")
    if contract not in CONTRACTS:
        raise CommandRefused("--contract must be 1 or 2 (docs/use/serving-contract.md)")
    if sklearn and (folder or thin):
        raise CommandRefused("--sklearn is for gitslot's own serving app, with its libraries")
    with tempfile.TemporaryDirectory() as scratch:
        place = work = Path(scratch)
        if folder:
            app, secrets = own(session.cwd / folder, contract)
            for name in secrets:
                session.print_err(f"left out, it may hold secrets: {name}")
        else:
            app, work = ours("serving_app"), _cache(session.environ.get("XDG_CACHE_HOME", ""))
            app = with_sklearn(app, sklearn, place) if sklearn else app
        registry = session.registry_alone()
        made = zipped(app, version=version, out=place, thin=thin, python=python, work=work)
        done = registry.register_package(made.package, made.zips())
    rows = [
        (done.version, name, str(done.contract), build.python, f"{build.size:,}", build.sha256[:12])
        for name, build in done.builds.items()
    ]
    out.show_table(session, _COLUMNS, rows)
    session.print_err(f"next: name it in the file, `production: {{version: ..., code: {version}}}`")
    return 0


def _copy_blueprint(session: Session, folder: Path | None) -> int:
    """Put the serving contract beside somebody's function_app.py."""
    if folder is None:
        raise CommandRefused("--blueprint needs FOLDER: where is your function_app.py?")
    target = session.cwd / folder / "gitslot_blueprint.py"
    content = (ROOT / "serving_app" / "blueprint.py").read_bytes()
    if target.exists() and target.read_bytes() != content:
        raise CommandRefused(f"{target} is there and differs: move it away to get this one")
    target.write_bytes(content)
    session.print_err("next: `served = Served(load)`, `app.register_functions(served.blueprint)`")
    print(target, file=session.out)
    return 0


def _cache(named: str) -> Path:
    """Return the folder for what is downloaded once."""
    return (Path(named) if named else Path.home() / ".cache") / "gitslot"
