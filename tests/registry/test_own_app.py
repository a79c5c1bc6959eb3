"""Somebody's own function app: what goes into its package, and what is refused by name."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from gitslot.registry.function_apps import ROOT
from gitslot.registry.libraries import PackageError
from gitslot.registry.own_app import own
from gitslot.registry.package import package
from gitslot.state.code import ANY

HOST = '{"version": "2.0"}'
MAIN = "import azure.functions as func\napp = func.FunctionApp()\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a good app."""
    app = tmp_path / "churn"
    files = {"function_app.py": MAIN, "host.json": HOST, "requirements.txt": "", "lib/rows.py": ""}
    for name, text in files.items():
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).write_text(text)
    return app


def test_a_package_holds_the_app_and_no_secret(folder: Path, tmp_path: Path) -> None:
    """Secrets are left out and named; hidden files and environments are left out."""
    secrets = ("local.settings.json", ".env", "keys/server.pem")
    for name in (*secrets, ".git/config", "venv/pyvenv.cfg", "venv/x.py", "__pycache__/a.pyc"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("-----BEGIN PRIVATE KEY-----")
    (folder / "ca.pem").write_text("-----BEGIN CERTIFICATE-----")
    app, left_out = own(folder, 2)
    assert left_out == tuple(sorted(secrets))
    made = package(app, version="3.1.0", out=tmp_path / "dist", thin=False)
    assert (made.package.contract, list(made.package.builds)) == (2, [ANY])
    with zipfile.ZipFile(made.paths[ANY]) as archive:
        names = [name for name in archive.namelist() if not name.endswith(".pyc")]
        assert "lib/__pycache__/rows.cpython-313.pyc" in archive.namelist()
    files = ["function_app.py", "host.json", "lib/rows.py", "requirements.txt"]
    assert names == ["build.json", "ca.pem", *files]


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (lambda app: app.rename(app.with_name("x")), "is not a folder"),
    "no host.json": (lambda app: (app / "host.json").unlink(), r"host\.json is missing"),
    "no function": (lambda app: (app / "function_app.py").unlink(), r"function_app\.py is missing"),
    "no list": (lambda app: (app / "requirements.txt").unlink(), "an empty file means none"),
    "broken host.json": (lambda app: (app / "host.json").write_text("{"), "is not JSON"),
    "old host.json": (lambda app: (app / "host.json").write_text("{}"), '"version": "2.0"'),
    "another app": (lambda app: (app / "lib/host.json").write_text(HOST), "holds two apps"),
    "two apps": (
        lambda app: (app / "function_app.py").write_text(f"{MAIN}b = func.FunctionApp()\n"),
        "makes two apps, in lines 2 and 3",
    ),
    "no Python": (lambda app: (app / "function_app.py").write_text("def (:"), "is not Python"),
    "a link": (lambda app: (app / "key").symlink_to("/etc/hostname"), "is a link"),
    "a library": (
        lambda app: (app / "requirements.txt").write_text("./no-such-library\n"),
        "cannot install",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_would_fail_on_azure_is_refused_by_name(folder: Path, name: str) -> None:
    """Before anything is built or registered."""
    change, says = BAD[name]
    change(folder)
    with pytest.raises(PackageError, match=says):
        package(own(folder, 1)[0], version="1", out=folder.parent / "dist", thin=False)


def test_the_folder_above_is_told_where_the_app_is(folder: Path) -> None:
    """A person who names the repository instead of the app in it is led there."""
    with pytest.raises(PackageError, match=r"host\.json is missing; is the app in .*churn\?"):
        own(folder.parent, 1)


def test_the_blueprint_is_short() -> None:
    """People read what they copy: 80 lines at most."""
    text = (ROOT / "serving_app" / "blueprint.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 80
