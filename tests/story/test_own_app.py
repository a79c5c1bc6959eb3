"""Somebody's own function app: packaged, released with a model by one commit, and taken back."""

import shutil
from pathlib import Path
from typing import Any

import requests

from gitslot.registry.registry import Registry
from gitslot.state.decision import Converged
from tests.story.stage import Stage
from tests.story.typed import gitslot

APP = Path(__file__).parent / "own_app"
ROW = [[5.1, 3.5, 1.4, 0.2]]


def ask(stage: Stage) -> tuple[str, str]:
    """Return the label of a row, and who answered it."""
    url = stage.platform.slots()[stage.app, "production"]["http"]
    answer = requests.post(f"{url}/api/predict", json=ROW, timeout=10)
    assert answer.headers["x-model-version"] == stage.serves()
    return answer.json()[0], answer.headers.get("x-answered-by", "ours")


def health(stage: Stage) -> Any:
    """Return what production says of itself."""
    url = stage.platform.slots()[stage.app, "production"]["http"]
    return requests.get(f"{url}/api/health", timeout=10).json()


def test_code_and_model_come_by_one_commit_and_go_by_its_revert(stage: Stage) -> None:
    """The app with the blueprint proves golden rows like ours; the revert is one swap."""
    folder = shutil.copytree(APP, stage.folder / "churn-app")
    (folder / "local.settings.json").write_text('{"Values": {"KEY": "canary"}}')
    assert gitslot(stage, "package", str(folder), "--blueprint").code == 0
    name = f"3.1.0-{stage.app}"
    words = ("package", str(folder), "--version", name, "--contract", "2")
    done = gitslot(stage, *words)
    assert (done.code, "local.settings.json" in done.err) == (0, True), done.err
    assert gitslot(stage, *words).code == 0  # the same again is the same

    before = ask(stage)
    stage.repository.want(f"{{version: 1.5.0, code: {name}}}")
    assert isinstance(stage.reconcile(), Converged)
    assert ask(stage) == (before[0], "an app of its own")
    registered = Registry(stage.platform.storage, stage.platform.credential).package(name)
    found = health(stage)
    assert (found["version"], found["code"]) == ("1.5.0", registered.first.build)

    swaps, writes = stage.swaps(), len(stage.writes())
    stage.repository.revert()
    assert isinstance(stage.reconcile(), Converged)
    assert ask(stage) == before
    assert (stage.swaps(), len(stage.writes())) == (swaps + 1, writes + 1)


def test_code_of_an_older_contract_stops_before_any_deploy(stage: Stage) -> None:
    """`validate` says so before the push, the controller after it; nothing is written."""
    folder = shutil.copytree(APP, stage.folder / "old-app")
    name = f"1.0.0-{stage.app}"
    assert gitslot(stage, "package", str(folder), "--version", name).code == 0
    before = stage.writes()
    stage.repository.want(f"{{version: 1.5.0, code: {name}}}")
    checked = gitslot(stage, "validate")
    assert checked.code == 1
    stop = stage.reconcile()
    for text in (checked.out, str(stop)):
        assert "RuntimeMissing" in text
        assert f"code {name} keeps serving contract 1" in " ".join(text.split())
    assert "gitslot package FOLDER --version VERSION --contract 2" in str(stop)
    assert (stage.serves(), stage.writes()) == ("1.4.0", before)
