"""What pip installs: one package, with the function apps and the emulator as data."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.platform import ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what the wheel of this checkout holds."""
    folder = tmp_path_factory.mktemp("wheel")
    words = ("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT)
    subprocess.run([sys.executable, "-m", "pip", *map(str, words)], check=True, timeout=120)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


def run(site: Path, cwd: Path, *words: str) -> str:
    """Run Python with *site* alone on its path, in a folder of somebody's; return its stdout."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(site), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_everything_lies_below_one_name(installed: Path) -> None:
    """No `controller`, `training` or `emulator` of ours meets a user's own."""
    names = [path.name for path in installed.iterdir()]
    assert sorted(names)[0] == "gitslot"
    assert [name.endswith(".dist-info") for name in sorted(names)[1:]] == [True]


def test_apps_and_emulator_are_data(installed: Path, tmp_path: Path) -> None:
    """The installed library finds them there; the emulator starts with that folder first."""
    found = run(
        *(installed, tmp_path, "-c"),
        "import gitslot.registry.package as p; print(p.ROOT); import gitslot; print(gitslot)",
    )
    apps = installed / "gitslot" / "_apps"
    assert found.splitlines()[0] == str(apps)
    assert str(installed) in found.splitlines()[1]
    assert "--state" in run(apps, tmp_path, "-m", "emulator", "--help")


def test_an_installed_gitslot_packages_the_controller(installed: Path, tmp_path: Path) -> None:
    """The zip has the triggers at its root, the library, and nothing that only people run."""
    run(
        *(installed, tmp_path, "-m", "gitslot.registry.package", "controller", "--thin"),
        *("--out", str(tmp_path / "dist")),
    )
    with zipfile.ZipFile(next((tmp_path / "dist").glob("*.zip"))) as package:
        names = package.namelist()
    assert {"function_app.py", "host.json", "gitslot/reconcile.py", "gitslot/act.py"} <= set(names)
    left_out = ("gitslot/cli/", "gitslot/local/", "gitslot/convert/", "gitslot/_apps/")
    assert not [name for name in names if name.startswith(left_out)]
