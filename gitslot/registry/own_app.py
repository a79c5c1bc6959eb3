"""
Read somebody's own function app from its folder: what goes into its package, and what must not.

It refuses what would fail only on Azure, and leaves out what no package should hold: secrets of a
laptop, hidden files, virtual environments, what was compiled elsewhere.
"""

import ast
import json
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from gitslot.registry.function_apps import REQUIREMENTS, FunctionApp, Libraries
from gitslot.registry.libraries import PackageError
from gitslot.registry.manifest import is_name
from gitslot.state.code import ANY

SECRET = (
    *("local.settings.json", ".env*", "*.key", "*.pfx", "*.p12", "id_rsa*", "id_ed25519*"),
    *("secrets.json", "secrets.toml", "secrets.y*ml", "credentials.json", "*.kdbx"),
    *(".netrc", ".pypirc", ".npmrc"),
)
_MAIN, _HOST = "function_app.py", "host.json"
_APPS = ("FunctionApp", "AsgiFunctionApp", "WsgiFunctionApp")  # of azure.functions


def own(folder: Path, contract: int) -> tuple[FunctionApp, tuple[str, ...]]:
    """
    Return the app in *folder*, which keeps the serving *contract*, and the secrets left out of it.

    Raises PackageError that names what is missing, twice there, or not to be packaged.
    """
    if not folder.is_dir():
        raise PackageError(f"{folder} is not a folder")
    found = {PurePosixPath(path.relative_to(folder).as_posix()): path for path in _files(folder)}
    secrets = tuple(sorted(str(inside) for inside, path in found.items() if _is_secret(path)))
    files = {inside: path for inside, path in found.items() if not _is_secret(path)}
    elsewhere = sorted(
        str(p.parent) for p in files if p.name == _HOST and p != PurePosixPath(_HOST)
    )
    for name in (_HOST, _MAIN, str(REQUIREMENTS)):
        if PurePosixPath(name) not in files:
            hint = f"; is the app in {folder / elsewhere[0]}?" if elsewhere else ""
            if name == str(REQUIREMENTS):
                hint = ": list the libraries that the app needs; an empty file means none"
            raise PackageError(f"{folder / name} is missing{hint}")
    if elsewhere:
        other = folder / elsewhere[0]
        raise PackageError(f"{folder} holds two apps, one in {other}: package each by itself")
    _check_host(folder / _HOST)
    _check_main(folder / _MAIN)
    name = folder.resolve().name
    requirements = Libraries(files.pop(REQUIREMENTS))
    app = FunctionApp(name if is_name(name) else "app", files, {ANY: requirements}, contract)
    return app, secrets


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files below *folder* that belong to the app, and hidden ones that are secrets."""
    for path in sorted(folder.iterdir()):
        hidden = path.name.startswith(".")
        if path.is_symlink() and not hidden:
            raise PackageError(f"{path} is a link: put the file itself there, or remove it")
        if path.is_dir():
            left_out = hidden or path.name in ("__pycache__", "node_modules")
            if not left_out and not (path / "pyvenv.cfg").exists():
                yield from _files(path)
        elif path.suffix != ".pyc" and (not hidden or _is_secret(path)):
            yield path


def _is_secret(path: Path) -> bool:
    if path.suffix == ".pem":
        return b"PRIVATE KEY" in path.read_bytes()  # others are certificates, which an app may need
    return any(fnmatch(path.name.lower(), pattern) for pattern in SECRET)


def _check_host(path: Path) -> None:
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except ValueError as error:
        raise PackageError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict) or content.get("version") != "2.0":
        raise PackageError(f'{path} must hold "version": "2.0"')


def _check_main(path: Path) -> None:
    """Refuse a module that Python cannot compile, or that makes two apps: the worker takes one."""
    try:
        tree = ast.parse(path.read_bytes(), path.name)
    except (SyntaxError, ValueError) as error:
        raise PackageError(f"{path} is not Python: {error}") from error
    made = [
        node.lineno
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call)
        if ast.unparse(node.value.func).rpartition(".")[2] in _APPS
    ]
    if len(made) > 1:
        lines = " and ".join(map(str, made))
        raise PackageError(f"{path} makes two apps, in lines {lines}: a function app has one")
