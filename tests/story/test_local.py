"""`gitslot local` gives a checkout a platform that follows it, and takes it away again."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import requests

from gitslot.local.process import alone
from gitslot.local.provision import CONTROLLER
from gitslot.record.event import parse
from tests.platform import until
from tests.story.laptop import Laptop, new_laptop
from tests.story.stage import APP

PATIENCE_S = 90.0
SYNCED = f"{APP}: synced: production serves iris 1.5.0\n"


@pytest.fixture
def laptop(tmp_path: Path) -> Laptop:
    """Return a laptop on which nothing runs."""
    return new_laptop(tmp_path)


def told(folder: Path) -> dict[str, Any]:
    """Return what `local up` wrote down for other commands."""
    found: dict[str, Any] = json.loads((folder / ".gitslot/local.json").read_text())
    return found


def journalled(laptop: Laptop, folder: Path) -> list[tuple[str, ...]]:
    """Return the journal's events but its bookkeeping."""
    shown = laptop.run(folder, "logs", "-n", "0", "-o", "json")
    events = [parse(json.dumps(event).encode()) for event in json.loads(shown.stdout)]
    return sorted((e.id, e.event, e.to, e.message) for e in events if not e.quiet)


def exported(folder: Path) -> list[tuple[str, ...]]:
    """Return the events that Application Insights would have got of the controller."""
    (path,) = folder.glob(f".gitslot/**/logs/{CONTROLLER}.insights.jsonl")
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    found = [json.loads(e["message"]) for e in lines if e["category"] == "Host.Function.Console"]
    return sorted((e["id"], e["event"], e.get("to", ""), e["message"]) for e in found if "id" in e)


def serves(folder: Path) -> str:
    """Return the version that production names."""
    url = told(folder)["urls"]["apps"][APP]["production"]
    return str(requests.get(f"{url}/api/health", timeout=10).headers.get("x-model-version"))


def page(folder: Path, key: bool = True) -> tuple[int, str]:
    """Return status and headline of the controller's page, asked with its key or without."""
    url = told(folder)["urls"]["page"]
    reply = requests.get(url if key else url.partition("?")[0], timeout=10)
    return reply.status_code, reply.text.partition("<h1>")[2].partition(",")[0]


def test_up_follows_the_newest_commit_until_down(laptop: Laptop) -> None:
    """
    A checkout gets models, slots and a controller; a commit is served; nothing is left over.
    Application Insights would get each event of the journal, exactly once.
    """
    repository = laptop.checkout()
    repository.want("1.4.0")
    first = laptop.run(repository.path, "local", "up", "--latency", "zero")
    assert first.returncode == 0, first.stderr
    assert "gitslot local down" in first.stdout
    try:
        until(lambda: serves(repository.path) == "1.4.0", "the first install", PATIENCE_S)
        repository.want("1.5.0")
        waited = laptop.run(repository.path, "wait", "--timeout", "90s")
        assert (waited.returncode, waited.stdout) == (0, SYNCED), waited.stderr
        assert serves(repository.path) == "1.5.0"
        status = laptop.run(repository.path, "status")
        assert status.returncode == 0 and "seen by " in status.stdout, status.stdout
        assert page(repository.path) == (200, "Users get iris 1.5.0")
        assert page(repository.path, key=False) == (401, "")

        again = laptop.run(repository.path, "local", "up")
        assert again.returncode == 0, again.stderr
        assert "was up already" in again.stderr

        shown = laptop.run(repository.path, "local", "env", "-o", "json")
        assert json.loads(shown.stdout) == told(repository.path)["environment"]
        before = told(repository.path)

        def same() -> bool:
            return exported(repository.path) == journalled(laptop, repository.path)

        until(same, "each event is exported, once", PATIENCE_S)
    finally:
        ended = laptop.run(repository.path, "local", "down")
    assert ended.returncode == 0, ended.stderr
    until(lambda: not laptop.processes(), "every process has ended", 10)
    assert laptop.run(repository.path, "local", "env").returncode == 1

    try:
        assert laptop.run(repository.path, "local", "up", "--latency", "zero").returncode == 0
        until(lambda: serves(repository.path) == "1.5.0", "what was served before", PATIENCE_S)
        assert told(repository.path)["urls"] == before["urls"]
        assert told(repository.path)["pid"] != before["pid"]
    finally:
        wiped = laptop.run(repository.path, "local", "down", "--wipe")
    assert wiped.returncode == 0, wiped.stderr
    assert not (repository.path / ".gitslot").exists()
    assert repository.git("status", "--porcelain") == ""
    until(lambda: not laptop.processes(), "every process has ended", 10)


def test_an_interrupted_up_leaves_nothing_running(laptop: Laptop) -> None:
    """Ctrl-C in the middle of `up` takes back what it had started."""
    repository = laptop.checkout()
    repository.want("1.4.0")
    words = ("local", "up", "--latency", "zero")
    code = laptop.interrupt(repository.path, *words, after="training", number=signal.SIGINT)
    assert code == 130
    until(lambda: not laptop.processes(), "every process has ended", 10)
    assert not (repository.path / ".gitslot/local.json").exists()


def test_up_names_what_a_folder_lacks(laptop: Laptop) -> None:
    """Without a checkout, or without a commit of the file, `up` says so and starts nothing."""
    outside = laptop.run(laptop.folder, "local", "up")
    assert outside.returncode == 2
    assert "not in a Git checkout" in outside.stderr

    repository = laptop.checkout()
    empty = laptop.run(repository.path, "local", "up")
    assert empty.returncode == 2
    assert "error: " in empty.stderr
    assert not (repository.path / ".gitslot/platform").exists()
    until(lambda: not laptop.processes(), "every process has ended", 10)


def test_down_without_a_platform_is_done_at_once(laptop: Laptop) -> None:
    """`down` where nothing is up succeeds: what it is asked for holds."""
    repository = laptop.checkout()
    done = laptop.run(repository.path, "local", "down")
    assert done.returncode == 0
    assert "nothing is up" in done.stderr


def test_one_command_at_a_time(laptop: Laptop) -> None:
    """Two commands never start and stop the same platform at once: the second says why not."""
    repository = laptop.checkout()
    with alone(repository.path / ".gitslot"):
        done = laptop.run(repository.path, "local", "down")
    assert done.returncode == 2
    assert "at work here" in done.stderr
