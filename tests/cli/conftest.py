"""What tests of the command line share."""

import os
from pathlib import Path

import pytest

from tests.cli.clones import FILE, SIMPLE, Clone, Folder


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    found = Clone(tmp_path / "clone")
    found.path.mkdir()
    found.git("init", "-q", "-b", "main")
    found.git("config", "user.name", "sam")
    found.git("config", "user.email", "sam@example.com")
    found.commit(SIMPLE, "serve iris 1.4.0")
    return found


@pytest.fixture
def folder(clone: Clone) -> Folder:
    found = Folder(clone.path)
    found.git("rm", "-q", FILE)
    (found.path / "apps").mkdir()
    for name, text in Folder.FILES.items():
        (found.path / name).write_text(text)
    found.git("add", "-A")
    found.git("commit", "-q", "-m", "a file for each app")
    return found
