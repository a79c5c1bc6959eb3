"""Packages: laid out as Azure wants them, and the same for the same tree."""

import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from gitslot.registry.function_apps import LAYOUTS, ours, with_sklearn
from gitslot.registry.libraries import PackageError, strip
from gitslot.registry.package import Packaged, blobs, main, package
from gitslot.registry.package_manifest import parse_package
from gitslot.state.code import Build
from tests.platform import ROOT


def tree(root: Path) -> Path:
    """Write a small tree with both apps and a lock, and return it."""
    files = {
        "requirements.txt": "",
        "serving_app/function_app.py": "import model\n",
        "serving_app/model.py": "X = 1\n",
        "serving_app/host.json": "{}",
        "serving_app/requirements.txt": "numpy==1\n",
        "serving_app/requirements-sklearn.txt": "scikit-learn==1\n",
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
    words = {"version": None, "out": root / "dist", "thin": True}
    return package(ours(app, root), **{**words, **changed})  # type: ignore[arg-type]  # checked at its def


def first(made: Packaged) -> Build:
    """Return the build that slots begin with."""
    return made.package.first


def names(made: Packaged, build: str = "onnx", *, compiled: bool = False) -> list[str]:
    """Return the names in a package; of the *compiled* files only where asked."""
    with zipfile.ZipFile(made.paths[build]) as archive:
        return [name for name in archive.namelist() if compiled or "__pycache__" not in name]


@pytest.mark.parametrize(("build", "needs"), [("onnx", "numpy==1"), ("sklearn", "scikit-learn==1")])
def test_the_serving_app_lies_at_the_root(tmp_path: Path, build: str, needs: str) -> None:
    """The worker finds all at the root; each build has its own libraries and knows its name."""
    made = packed(tree(tmp_path), "serving_app")
    files = ["function_app.py", "host.json", "model.py", "requirements.txt"]
    assert names(made, build) == ["build.json", *files]
    with zipfile.ZipFile(made.paths[build]) as archive:
        stamp = json.loads(archive.read("build.json"))
        assert archive.read("requirements.txt").decode().strip() == needs
    identity = made.package.builds[build].build
    assert stamp == {"version": identity, "build": identity, "runtime": build}


def test_the_controller_brings_the_library(tmp_path: Path) -> None:
    """
    Its triggers lie at the root, gitslot/ as a package below it, without what runs elsewhere.

    What is left out are paths: a folder of the same name further down stays.
    """
    library = ["gitslot/__init__.py", "gitslot/look/local/deep.py", "gitslot/reconcile.py"]
    expected = ["build.json", "function_app.py", *library, "host.json", "requirements.txt"]
    assert names(packed(tree(tmp_path), "controller"), "any") == expected


def test_every_module_is_compiled_and_checked_against_nothing(tmp_path: Path) -> None:
    """wwwroot is read-only on Azure: what is not compiled here is compiled at every start."""
    made = packed(tree(tmp_path), "serving_app")
    with zipfile.ZipFile(made.paths["onnx"]) as archive:
        compiled = [name for name in archive.namelist() if name.endswith(".pyc")]
        flags = {archive.read(name)[4:8] for name in compiled}
    assert [name.partition(".")[0] for name in compiled] == [
        "__pycache__/function_app",
        "__pycache__/model",
    ]
    assert flags == {b"\1\0\0\0"}  # hash-based, and not to be checked (PEP 552)


@pytest.mark.parametrize("app", LAYOUTS)
def test_an_unchanged_tree_gives_the_same_bytes(tmp_path: Path, app: str) -> None:
    """Another folder, another time, other file modes: the same sha256."""
    made = packed(tree(tmp_path / "one"), app)
    root = tree(tmp_path / "two")
    for path in root.rglob("*.py"):
        path.chmod(0o755)
    assert packed(root, app).package == made.package


@pytest.mark.parametrize("name", ["function_app.py", "model.py", "host.json", "requirements.txt"])
def test_every_change_is_another_build(tmp_path: Path, name: str) -> None:
    """Whatever changes in the app, its build id and its sha256 change with it."""
    root = tree(tmp_path)
    before = first(packed(root, "serving_app"))
    with (root / "serving_app" / name).open("a") as file:
        file.write("\n")
    after = first(packed(root, "serving_app"))
    assert after.build != before.build and after.sha256 != before.sha256


def test_a_version_can_be_given(tmp_path: Path) -> None:
    """A given version names the zip, and stands in it."""
    made = packed(tree(tmp_path), "serving_app", version="3.1.0")
    assert made.paths["onnx"].name == "serving_app-3.1.0-onnx.zip"
    assert made.package.version == "3.1.0"


def test_another_scikit_learn_frees_what_depends_on_it(tmp_path: Path) -> None:
    """Its own minor version, and whatever fits it; the build without it stays as it was."""
    root = tree(tmp_path)
    (root / "serving_app" / "requirements-sklearn.txt").write_text(
        "# why\nazure-functions==2\nnumpy==2.5.5 ; python_version >= '3.12'\nscikit-learn==1.9.1\n"
    )
    app = ours("serving_app", root)
    changed = with_sklearn(app, "1.8", tmp_path)
    assert changed.builds["sklearn"].list.read_text().splitlines() == [
        *("# why", "azure-functions==2", "numpy ; python_version >= '3.12'"),
        "scikit-learn==1.8.*",
    ]
    assert changed.builds["onnx"] == app.builds["onnx"]
    with pytest.raises(PackageError, match=r"write it like 1\.8"):
        with_sklearn(app, "1.8.2", tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """An app that lacks a file it needs is not packaged."""
    root = tree(tmp_path)
    (root / "controller" / "host.json").unlink()
    with pytest.raises(PackageError, match=r"controller/host\.json is missing"):
        packed(root, "controller")


def test_dependencies_are_taken_from_the_cache(tmp_path: Path) -> None:
    """What was installed for these requirements once is used again, without a network."""
    root = tree(tmp_path)
    (root / "controller" / "requirements.txt").write_text("")
    before = packed(root, "controller", thin=False)
    cached = next((root / "build" / "cache").glob("packages-*"))
    (cached / "there.py").write_text("")
    second = packed(root, "controller", thin=False)
    assert ".python_packages/lib/site-packages/there.py" in names(second, "any")
    assert first(before).sha256 != first(second).sha256
    assert packed(root, "controller", thin=False).package == second.package


def test_what_is_never_loaded_is_left_out(tmp_path: Path) -> None:
    """Tests, headers and the second copy of ONNX Runtime go; the rest stays."""
    keep = ("onnxruntime/capi/onnxruntime_pybind11_state.so", "numpy/lib/a.py")
    drop = ("onnxruntime/capi/libonnxruntime.so.1.32.0", "numpy/lib/tests/b.py", "numpy/x.pyi")
    for name in (*keep, *drop, "onnxruntime/transformers/c.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    strip(tmp_path)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == set(keep)


def test_the_command_prints_what_it_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command says where each zip is, its sha256 and size."""
    assert main(["serving_app", "--thin", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out.splitlines()
    for path, sha256 in zip(printed[::3], printed[1::3], strict=True):
        content = Path(path).read_bytes()
        assert sha256.split() == ["sha256", hashlib.sha256(content).hexdigest()]
    assert len(printed) == 6


def test_the_real_serving_app_imports_nothing_of_ours() -> None:
    """The serving app goes out alone: no module of it needs another part of the project."""
    for path in (ROOT / "serving_app").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        for part in ("controller", "training", "emulator", "tools"):
            assert f"import {part}" not in text and f"from {part}" not in text


def test_a_package_is_laid_out_as_the_registry_wants_it(tmp_path: Path) -> None:
    """What lies below DIR can be uploaded as it is: the controller reads that manifest."""
    root = tree(tmp_path)
    for version in (None, "serving-app-3.1.0"):
        made = packed(root, "serving_app", version=version)
        folder, _, zipped = blobs(made, tmp_path / "code").partition("/")
        assert folder == version or (version is None and folder.startswith("serving-app-"))
        assert zipped == f"{first(made).sha256}.zip"
        place = tmp_path / "code" / folder
        assert parse_package((place / "manifest.json").read_bytes()) == made.package
        for name, build in made.package.builds.items():
            assert (place / f"{build.sha256}.zip").read_bytes() == made.paths[name].read_bytes()
    assert len(list((tmp_path / "code").iterdir())) == 2
