"""pip, pipx and uv give a gitslot that works, on each Python that this machine has."""

import re
from pathlib import Path

import pytest

from tests.install.tools import INSTALL_S, Tools
from tests.platform import ROOT
from tests.processes import run
from tests.pythons import PYTHONS
from tests.story.stage import git_environment

pytestmark = pytest.mark.long
THEIRS = ("training", "registry", "controller", "emulator", "model")
# What a user's own environment must not load for an import of gitslot.
HEAVY = {"azure", "aiohttp", "uvicorn", "requests", "dulwich", "sklearn", "onnxruntime"}
IMPORTS = f"""
import sys
import {", ".join(THEIRS)}
import gitslot
loaded = {{name.partition(".")[0] for name in sys.modules}}
assert not loaded & {HEAVY}, loaded & {HEAVY}
assert all(module.MINE for module in ({", ".join(THEIRS)},))
register = gitslot.register
loaded = {{name for name in sys.modules if name.partition(".")[0] in ("azure", "aiohttp")}}
assert not loaded, loaded
import numpy
from sklearn.linear_model import LogisticRegression
X = numpy.random.default_rng(0).normal(size=(200, 3))
y = X[:, 0] > 0
try:
    register(LogisticRegression().fit(X, y), X, y, model="m", version="1")
except gitslot.errors.GitslotError as error:
    print(error.reason)
assert all(sys.modules[name].MINE for name in {THEIRS})
"""

# A module that a Python cannot run is found when it is imported.
EVERY_MODULE = """
import importlib, pkgutil, gitslot
for found in pkgutil.walk_packages(gitslot.__path__, "gitslot."):
    if found.name != "gitslot.__main__":
        importlib.import_module(found.name)
        print(found.name)
"""


def test_the_machine_has_the_oldest_and_the_newest_python() -> None:
    """Without them the tests below would prove less than they say."""
    assert {"3.11", "3.13"} <= set(PYTHONS)


@pytest.mark.parametrize("minor", PYTHONS)
def test_it_works_beside_somebodys_own_packages(tmp_path: Path, tools: Tools, minor: str) -> None:
    """`import gitslot` loads nothing heavy and takes no name of theirs, nor does registering."""
    venv, env = tmp_path / "venv", tools.environment(tmp_path)
    _done("uv", "venv", "--quiet", "--python", PYTHONS[minor], str(venv), env=env)
    python = str(venv / "bin/python")
    _done("uv", "pip", "install", "--quiet", "--python", python, tools.repository, env=env)
    for name in THEIRS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("MINE = True")
    (tmp_path / "train.py").write_text(IMPORTS)
    out = _done(python, "train.py", env=env, cwd=tmp_path)
    assert out.split()[-1] == "NoTarget"
    every = _done(python, "-c", EVERY_MODULE, env=env, cwd=tmp_path)
    assert {"gitslot.decide.decide", "gitslot.local.up"} <= set(every.split())


@pytest.mark.parametrize(
    ("tool", "python"),
    [("pipx", "3.11"), ("pipx", "3.13"), ("uv tool", "3.11"), ("uv tool", "3.13")],
)
def test_the_command_names_the_line_that_brings_the_local_platform(
    tmp_path: Path, tools: Tools, tool: str, python: str
) -> None:
    """Typed as it is printed it does; --version names the commit before and after."""
    env = tools.environment(tmp_path) | git_environment(tmp_path) | tools.environment(tmp_path)
    _done(*tool.split(), "install", "--python", python, f"gitslot @ {tools.repository}", env=env)
    assert tools.commit[:12] in _done("gitslot", "--version", env=env)
    _done("gitslot", "init", "churn", env=env, cwd=tmp_path)
    refused = run("gitslot", "local", "up", cwd=tmp_path / "churn", env=env)
    line = re.search(r"`(.*)`", refused.stderr)
    assert refused.returncode == 2 and line, refused.stderr
    assert ("needs Python 3.13, this is 3.11" in refused.stderr) == (python == "3.11")
    _done("bash", "-c", line[1], env=env)
    assert tools.commit[:12] in _done("gitslot", "--version", env=env)
    again = run("gitslot", "local", "up", cwd=tmp_path / "churn", env=env)
    assert "RefGone" in again.stderr, again.stderr  # nothing is committed yet


def test_the_least_versions_that_are_declared_pass_the_tests(tmp_path: Path, tools: Tools) -> None:
    """
    The oldest of all that pip may choose runs the commands, and registering finds exact forms.

    The rest of conversion is for the scikit-learn of the serving package: of an older one, what
    the serving app does not trust is refused by name.
    """
    env = tools.environment(tmp_path)
    python = str(tmp_path / "venv/bin/python")
    _done("uv", "venv", "--quiet", "--python", PYTHONS["3.13"], str(tmp_path / "venv"), env=env)
    words = ("uv", "pip", "install", "--quiet", "--python", python, "--only-binary", ":all:")
    least = ("--no-binary", "gitslot", "--resolution", "lowest-direct", "--editable")
    tests = ("pytest>=9", "pytest-xdist>=3.8", "hypothesis>=6.170", "jsonschema>=4.26")
    _done(*words, *least, f"{ROOT}[local]", *tests, env=env)
    folders = [f"tests/{name}" for name in ("cli", "edges", "look", "record", "report")]
    forms = ["tests/convert/test_version.py", "-k", "first_exact_form"]
    suite = (python, "-m", "pytest", "-q", "-p", "no:xdist", "-m", "not long and not clients")
    for chosen in (folders, forms):
        _done(*suite, *chosen, env=env, cwd=ROOT)


def _done(*words: str, env: dict[str, str], cwd: Path | None = None) -> str:
    """Run *words*, which must succeed, and return what they printed."""
    done = run(*words, env=env, cwd=cwd, timeout=INSTALL_S)
    assert done.returncode == 0, (words, done.stdout[-3000:], done.stderr[-3000:])
    return done.stdout
