"""`make check` finds what lint and types cannot see."""

import json
import shutil
from pathlib import Path

import pytest

from emulator.assumptions import ASSUMPTIONS
from gitslot.edges.file import schema
from gitslot.report.doctor.checks import OF_APP, OF_GROUND
from tools import check
from tools.pages import PAGES, STEPS

FILES = (
    *("requirements.txt", "controller/requirements.txt", "serving_app/requirements.txt"),
    "serving_app/requirements-sklearn.txt",
    *("package-lock.json", "docs/use/desired_state.schema.json"),
    *PAGES,
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a copy of the files that are checked."""
    for name in FILES:
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(check.ROOT / name, target)
    return tmp_path


def test_this_tree_is_fine(tree: Path) -> None:
    """The repository itself has no such problem."""
    assert list(check.problems(tree)) == []


def test_an_address_in_a_lock_is_found(tree: Path) -> None:
    """A lock names versions, never the mirror that somebody's machine happened to use."""
    lock = json.loads((tree / "package-lock.json").read_text())
    lock["packages"]["node_modules/azurite"]["resolved"] = "https://mirror.example/azurite.tgz"
    (tree / "package-lock.json").write_text(json.dumps(lock))
    with (tree / "requirements.txt").open("a") as file:
        file.write("--index-url https://mirror.example/simple\n")
    one, two = check.problems(tree)
    assert "package-lock.json" in one and "requirements.txt" in two


def test_a_lock_without_hashes_is_found(tree: Path) -> None:
    """What is installed is what was locked, byte for byte."""
    with (tree / "requirements.txt").open("a") as file:
        file.write("left-pad==1.0\n")
    assert list(check.problems(tree)) == ["requirements.txt: left-pad==1.0 has no hash: make lock"]


@pytest.mark.parametrize(
    ("file", "name"),
    [("requirements.txt", "onnxruntime"), ("requirements-sklearn.txt", "scikit-learn")],
)
def test_an_app_that_pins_another_version_is_found(tree: Path, file: str, name: str) -> None:
    """What is tested here and what runs on Azure are the same versions, in each build."""
    path = tree / "serving_app" / file
    pins = {name: version for name, version, _ in check.pins(tree / "requirements.txt")}
    path.write_text(path.read_text().replace(f"{name}=={pins[name]}", f"{name}==1.0.0"))
    assert [name in problem for problem in check.problems(tree)] == [True]


def test_a_table_that_is_not_the_codes_is_found(tree: Path) -> None:
    """The emulator's page lists the calls that it knows today."""
    path = tree / "docs" / "believe" / "emulator.md"
    path.write_text(path.read_text().replace("`slotsswap`", "`slotswap`"))
    assert ["docs/believe/emulator.md" in problem for problem in check.problems(tree)] == [True]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_that_is_not_the_codes_is_found(tree: Path, page: str) -> None:
    """Rules and reasons are documented as they are, or the check says which page is not."""
    (tree / page).write_text("# Old\n")
    assert [page in problem for problem in check.problems(tree)] == [True]


def test_each_assumption_can_be_decided() -> None:
    """Each row that can be reversed has a step of the first run, and checks are doctor's."""
    page = (check.ROOT / "docs/run/first-run-on-azure.md").read_text()
    assert [step for step in STEPS if f"**{step}**" not in page] == []
    checks = ["", *(each.name for each in OF_GROUND), *(each.name for each in OF_APP)]
    for row in ASSUMPTIONS:
        assert row.check in checks and (row.step or not row.opposite), row.id


def test_a_schema_that_is_not_the_codes_is_found(tree: Path) -> None:
    """The published schema is the one that the code would write today."""
    (tree / schema.FILE.relative_to(check.ROOT)).write_text("{}\n")
    assert ["gitslot.edges.file.schema" in problem for problem in check.problems(tree)] == [True]


def test_bicep_that_does_not_parse_is_found(tree: Path) -> None:
    """A slip in infra/ shows here, not in somebody's first deployment."""
    shutil.copytree(check.ROOT / "infra", tree / "infra")
    assert list(check.problems(tree)) == []
    with (tree / "infra" / "role.bicep").open("a") as file:
        file.write("resource half 'Microsoft.Web/sites@2024-04-01' = {\n")
    assert ["infra/role.bicep" in problem for problem in check.problems(tree)] == [True]


def test_a_workflow_that_can_be_broken_into_is_found(tree: Path) -> None:
    """A pull request's title never becomes part of a script."""
    shutil.copytree(check.ROOT / ".github", tree / ".github")
    assert list(check.problems(tree)) == []
    path = tree / ".github" / "workflows" / "desired-state.yml"
    with path.open("a") as file:
        file.write('      - run: echo "${{ github.event.pull_request.title }}"\n')
    assert ["zizmor" in problem for problem in check.problems(tree)] == [True]
