"""Packages: laid out as Azure wants them, and the same for the same tree."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from gitslot.registry.manifest import parse_package
from gitslot.registry.package import LAYOUTS, Packaged, PackageError, blobs, main, package
from tests.platform import ROOT


def tree(root: Path) -> Path:
    """Write a small tree with both apps and a lock, and return it."""
    files = {
        "requirements.txt": "",
        "serving_app/function_app.py": "import model\n",
        "serving_app/model.py": "X = 1\n",
        "serving_app/host.json": "{}",
        "serving_app/requirements.txt": "numpy==1\n",
        "controller/function_app.py": "from gitslot.reconcile import tick\n",
        "controller/host.json": "{}",
        "gitslot/__init__.py": "",
        "gitslot/reconcile.py": "tick = 1\n",
        "gitslot/look/local/deep.py": "",
        "gitslot/cli/__init__.py": "import rich\n",
        "gitslot/local/up.py": "",
        "gitslot/convert/parity.py": "import sklearn\n",
        "gitslot/registry/package.py": "",
        "controller/requirements.txt": "",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def packed(root: Path, app: str, **changed: object) -> Packaged:
    """Package *app* of *root* without dependencies."""
    words = {"version": None, "out": root / "dist", "thin": True, "python": "3.13", "root": root}
    return package(app, **{**words, **changed})  # type: ignore[arg-type]  # checked at its def


def names(made: Packaged) -> list[str]:
    """Return the names in a package."""
    with zipfile.ZipFile(made.path) as archive:
        return archive.namelist()


def test_the_serving_app_lies_at_the_root(tmp_path: Path) -> None:
    """The worker finds function_app.py and its siblings at the root, and the build beside them."""
    made = packed(tree(tmp_path), "serving_app")
    ours = ["function_app.py", "host.json", "model.py", "requirements.txt"]
    assert names(made) == ["build.json", *ours]
    with zipfile.ZipFile(made.path) as archive:
        build = json.loads(archive.read("build.json"))
    assert build == {"version": made.build, "build": made.build}


def test_the_controller_brings_the_library(tmp_path: Path) -> None:
    """
    Its triggers lie at the root, gitslot/ as a package below it, without what runs elsewhere.

    What is left out are paths: a folder of the same name further down stays.
    """
    ours = ["gitslot/__init__.py", "gitslot/look/local/deep.py", "gitslot/reconcile.py"]
    expected = ["build.json", "function_app.py", *ours, "host.json", "requirements.txt"]
    assert names(packed(tree(tmp_path), "controller")) == expected


@pytest.mark.parametrize("app", LAYOUTS)
def test_an_unchanged_tree_gives_the_same_bytes(tmp_path: Path, app: str) -> None:
    """Another folder, another time, other file modes: the same sha256."""
    first = packed(tree(tmp_path / "one"), app)
    root = tree(tmp_path / "two")
    for path in root.rglob("*.py"):
        path.chmod(0o755)
    assert packed(root, app).sha256 == first.sha256


@pytest.mark.parametrize("name", ["function_app.py", "model.py", "host.json", "requirements.txt"])
def test_every_change_is_another_build(tmp_path: Path, name: str) -> None:
    """Whatever changes in the app, its build id and its sha256 change with it."""
    root = tree(tmp_path)
    first = packed(root, "serving_app")
    with (root / "serving_app" / name).open("a") as file:
        file.write("\n")
    second = packed(root, "serving_app")
    assert second.build != first.build and second.sha256 != first.sha256


def test_a_version_can_be_given(tmp_path: Path) -> None:
    """A given version names the zip, and stands in it."""
    made = packed(tree(tmp_path), "serving_app", version="3.1.0")
    assert Path(made.path).name == "serving_app-3.1.0.zip"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """An app that lacks a file it needs is not packaged."""
    root = tree(tmp_path)
    (root / "controller" / "host.json").unlink()
    with pytest.raises(PackageError, match=r"controller/host\.json is missing"):
        packed(root, "controller")


def test_dependencies_are_taken_from_the_cache(tmp_path: Path) -> None:
    """What was installed for these requirements once is used again, without a network."""
    root = tree(tmp_path)
    (root / "serving_app" / "requirements.txt").write_text("")
    first = packed(root, "serving_app", thin=False)
    cached = next((root / "build" / "cache").glob("packages-*"))
    (cached / "there.py").write_text("")
    (cached / "numpy" / "tests").mkdir(parents=True)
    second = packed(root, "serving_app", thin=False)
    assert ".python_packages/lib/site-packages/there.py" in names(second)
    assert first.sha256 != second.sha256
    shutil.rmtree(root / "build" / "serving_app")
    assert packed(root, "serving_app", thin=False).sha256 == second.sha256


def test_the_command_prints_what_it_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command says where the zip is, its sha256 and size, for machines too."""
    assert main(["serving_app", "--thin", "--out", str(tmp_path), "-o", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (Path(said["path"]).stat().st_size, said["package"]) == (said["size"], "serving_app")


def test_the_real_serving_app_imports_nothing_of_ours() -> None:
    """The serving app goes out alone: no module of it needs another part of the project."""
    for path in (ROOT / "serving_app").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        for part in ("controller", "training", "emulator", "tools"):
            assert f"import {part}" not in text and f"from {part}" not in text


def test_a_package_is_laid_out_as_the_registry_wants_it(tmp_path: Path) -> None:
    """What lies below DIR can be uploaded as it is: the controller reads that manifest."""
    made = packed(tree(tmp_path), "serving_app")
    for version in (None, "serving-app-3.1.0"):
        name = blobs(made, tmp_path / "code", version)
        folder, _, zipped = name.partition("/")
        assert folder == version or (version is None and folder.startswith("serving-app-"))
        assert zipped == f"{made.sha256}.zip"
        assert (tmp_path / "code" / name).read_bytes() == Path(made.path).read_bytes()
        manifest = parse_package((tmp_path / "code" / folder / "manifest.json").read_bytes())
        assert (manifest.version, manifest.sha256) == (folder, made.sha256)
    assert len(list((tmp_path / "code").iterdir())) == 2
