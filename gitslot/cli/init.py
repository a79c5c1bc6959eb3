"""`gitslot init`: write what a team's own repository needs; nothing is committed or pushed."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated

import typer

from gitslot.cli.checkout import Checkout
from gitslot.cli.session import CommandRefused, Session, session_of
from gitslot.cli.starter import Wish, files
from gitslot.edges import gitslot_toml
from gitslot.edges.installed import installed
from gitslot.edges.settings import FILE
from gitslot.registry.manifest import is_name
from gitslot.state.wanted import is_app_name

_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}")
_OWNER = re.compile(r"@[A-Za-z0-9-]+(/[A-Za-z0-9._-]+)?|[^\s#@]+@[^\s#@]+")
_OWNERS = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")  # GitHub reads the first of these
_REMOTE = re.compile(r"(?:ssh://)?git@([^:/\s]+)[:/](\S+)")


def init(
    ctx: typer.Context,
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where; it is made if it is missing.")
    ] = Path(),
    app: Annotated[
        str | None, typer.Option("--app", help="The function app; else named like DIR.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Its model; else as the app.")
    ] = None,
    version: Annotated[
        str, typer.Option("--version", help="What production is to serve first.")
    ] = "1.0.0",
    folder: Annotated[
        str, typer.Option("--folder", metavar="NAME", help="A folder with a file for each app.")
    ] = "",
    env: Annotated[
        list[str] | None,
        typer.Option("--env", metavar="NAME", help="An environment, in envs/NAME; repeatable."),
    ] = None,
    storage: Annotated[
        str, typer.Option("--storage", metavar="URL", help="The registry's storage account.")
    ] = "",
    repository: Annotated[
        str, typer.Option("--repository", metavar="URL", help="This repository; else its origin.")
    ] = "",
    owner: Annotated[
        str, typer.Option("--owner", metavar="@TEAM", help="Who reviews, for CODEOWNERS.")
    ] = "",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that are there.")
    ] = False,
) -> int:
    """Write what a team's own repository needs.

    That is the file that says what production serves, .gitslot.toml,
    workflows for GitHub, CODEOWNERS, an example of training, and a README.
    Nothing is committed, and a file that is there is kept.
    """
    session = session_of(ctx)
    place = Path(os.path.normpath(session.cwd / directory))
    app = app or place.name
    names = {"storage": storage, "repository": repository}
    _refuse(app, model or app, version, [folder, *(env or [])], names, owner)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = f"cannot make the folder {place}: {error.strerror}"
        raise CommandRefused(why, reason="FileNotWritten") from error
    checkout = _checkout(session, place)
    base = PurePosixPath(place.resolve().relative_to(checkout.root.resolve()))
    if not all(map(_FOLDER.fullmatch, base.parts)):
        raise CommandRefused(
            f"{base}: name its folders with letters, digits, `.`, `_` and `-`", reason="NotAName"
        )
    origin = _https((checkout.try_git("remote", "get-url", "origin") or "").strip())
    wish = Wish(
        base=base,
        app=app,
        model=model or app,
        version=version,
        folder=folder,
        environments=tuple(env or ()),
        settings={
            "storage": storage,
            "repository": repository or origin,
            "branch": _branch(checkout),
        },
        owner=owner,
        requirement=installed().requirement,
    )
    written = _write(session, checkout.root, files(wish), overwrite=overwrite)
    if "file:" in wish.requirement and ".github/gitslot-requirements.txt" in map(str, written):
        session.print_err(
            "the workflows would install gitslot from this machine: put an address that they can "
            "reach into .github/gitslot-requirements.txt"
        )
    if not written:
        session.print_err("nothing is written: every file is there already")
    else:
        _next(session, checkout, written, wish)
    return 0


def _refuse(
    app: str,
    model: str,
    version: str,
    folders: Sequence[str],
    settings: Mapping[str, str],
    owner: str,
) -> None:
    """Raise CommandRefused for a name that could not be read back."""
    wrong = []
    if not is_app_name(app):
        wrong.append(f"`{app}` is not a function app's name; give one with --app")
    for option, name in (("--model", model), ("--version", version)):
        if not is_name(name):
            wrong.append(f"{option}: `{name}` is not a name of letters, digits, `.`, `_` and `-`")
    for name in filter(None, folders):
        if not _FOLDER.fullmatch(name):
            wrong.append(f"`{name}` is not the name of a folder; use letters, digits and `-`")
    for key, value in settings.items():
        if value and not gitslot_toml.KEYS[key].is_valid(value):
            wrong.append(f"--{key} {gitslot_toml.KEYS[key].must}")
    if owner and not _OWNER.fullmatch(owner):
        wrong.append(f"--owner: `{owner}` is not @USER, @ORG/TEAM or an address")
    if wrong:
        raise CommandRefused("; ".join(wrong), reason="NotAName")


def _checkout(session: Session, place: Path) -> Checkout:
    """Return the checkout around *place*; make one there, and print that, where there is none."""
    there = session.at(place)
    try:
        return Checkout.around(there)
    except CommandRefused as error:
        if error.reason != "NoCheckout":
            raise
    Checkout(place, FILE, session.environ).git("init", "--quiet", "--initial-branch=main")
    session.print_err(f"made a Git repository in {place}, branch main")
    return Checkout.around(there)


def _branch(checkout: Checkout) -> str:
    """Return the branch that is checked out, or nothing where .gitslot.toml could not name it."""
    branch = (checkout.try_git("symbolic-ref", "--short", "HEAD") or "").strip()
    return branch if gitslot_toml.KEYS["branch"].is_valid(branch) else ""


def _https(remote: str) -> str:
    """Return the https URL of a *remote*, or nothing where that is not known."""
    if match := _REMOTE.fullmatch(remote):
        remote = f"https://{match[1]}/{match[2]}"
    return remote if gitslot_toml.KEYS["repository"].is_valid(remote) else ""


# ---------------------------------------------------------------- effects


def _write(
    session: Session, root: Path, found: Mapping[PurePosixPath, str], *, overwrite: bool
) -> list[PurePosixPath]:
    """Write *found* below *root*, print each path, and return those that were written."""
    written = []
    for place, text in found.items():
        path = root / place
        if str(place) in _OWNERS:
            there = next((each for each in _OWNERS if os.path.lexists(root / each)), None)
            path = root / (there or place)
        if os.path.lexists(path) and not overwrite:
            session.print_err(f"kept {path.relative_to(root)}: --overwrite replaces it")
            continue
        if not path.parent.resolve().is_relative_to(root.resolve()):
            raise CommandRefused(f"{path.parent} leads out of {root}", reason="FileNotWritten")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)  # a link is replaced, not followed
            path.write_text(text, encoding="utf-8", newline="\n")
        except OSError as error:
            why = f"cannot write {path}: {error.strerror}"
            raise CommandRefused(why, reason="FileNotWritten") from error
        session.out.write(f"wrote {path.relative_to(root)}\n")
        written.append(PurePosixPath(path.relative_to(root).as_posix()))
    session.out.flush()
    return written


def _next(
    session: Session, checkout: Checkout, written: Sequence[PurePosixPath], wish: Wish
) -> None:
    """Print the next commands."""
    top = " ".join(dict.fromkeys(place.parts[0] for place in written))
    root = os.path.relpath(checkout.root.resolve(), session.cwd.resolve())
    there = "" if root == "." else f"cd {root} && "
    session.print_err(
        f'next: {there}git add {top} && git commit -m "serve {wish.model} {wish.version}"'
    )
    first = next(iter(wish.apps))
    inside = "" if first == PurePosixPath() else f"cd {first} && "
    session.print_err(f"then: {inside}gitslot local up, which tries it without Azure")
