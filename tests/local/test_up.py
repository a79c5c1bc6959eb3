"""Which apps a local platform is filled with."""

from pathlib import Path

import pytest

from gitslot.errors import DesiredError
from gitslot.local.provision import Follow
from gitslot.local.up import wanted_apps
from tests.edges.git.signing import Works, wanting

UNNAMED = wanting("A").partition("\n")[2]


def apps(folder: Path, path: str, **files: str) -> list[str]:
    works = Works(folder / "repo")
    works.point(works.files({name.replace("__", "/") + ".yaml": t for name, t in files.items()}))
    return [app.name for app in wanted_apps(Follow(str(works.path), "main", path))]


def test_a_file_is_one_app_and_a_folder_is_each_of_its_files(tmp_path: Path) -> None:
    """As the controller will see them."""
    one = apps(tmp_path / "one", "desired_state.yaml", desired_state=wanting("A", "churn"))
    assert one == ["churn"]
    many = apps(tmp_path / "many", "apps", apps__fraud=UNNAMED, apps__churn=UNNAMED)
    assert many == ["churn", "fraud"]


def test_a_file_that_is_refused_stops_it_before_anything_starts(tmp_path: Path) -> None:
    """With the words that `gitslot validate` has, too."""
    with pytest.raises(DesiredError, match=r"fraud\.yaml: line 1"):
        apps(tmp_path, "apps", apps__churn=UNNAMED, apps__fraud="model: [")
