"""What all passes share, with sixteen of them at work on it at once, in real threads."""

import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitslot.edges.git.signed_changes import Rule
from gitslot.edges.git.source import GitSource
from gitslot.edges.git.ssh_signatures import read_signers
from gitslot.errors import JournalMoved
from gitslot.look.wanted import Catalog
from gitslot.record.accepted import AcceptedBlob
from gitslot.record.event import Event
from gitslot.record.journal import Journal
from gitslot.registry.registry import Registry
from gitslot.state.remembered import Memory
from gitslot.state.wanted import PRODUCTION, App, Desired, Resolved, Wanted
from gitslot.wants import Wants
from reliability import registered
from reliability.arm_door import Credential
from reliability.memory_blobs import MemoryBlobs
from tests.edges.git.signing import Works, ed25519_key

APPS = [f"app{number:02}" for number in range(16)]
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
ROUNDS = 5


@pytest.fixture(autouse=True)
def often() -> Iterator[None]:
    """Let threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def at_once(work: Callable[[str], None]) -> None:
    """Do *work* for every app, each in a thread; raise the first error."""
    wrong: list[BaseException] = []
    begin = threading.Barrier(len(APPS))

    def body(name: str) -> None:
        begin.wait(10)
        try:
            work(name)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=body, args=(name,)) for name in APPS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    if wrong:
        raise wrong[0]


def test_each_look_sees_one_commit_whole_while_others_come(tmp_path: Path) -> None:
    """
    What is wanted, who asked for it and what is accepted are of one commit, for every app.

    Of two controllers that share `accepted.json` each writes once a commit, or once more.
    """
    key, works, blobs = ed25519_key(), Works(tmp_path / "repo"), MemoryBlobs()
    versions: dict[str, str] = {}  # of every file, by commit
    tip = ""

    def push(number: int) -> None:
        nonlocal tip
        text = f"model: iris\nslots:\n  production: 1.{number}.0\n"
        tip = works.files({f"apps/{name}.yaml": text for name in APPS}, tip, key=key)
        versions[tip] = f"1.{number}.0"
        works.point(tip)

    push(0)
    rule = Rule(read_signers(f"sam {key.line}"), frozenset({tip}))
    outside = [(GitSource(str(works.path), "main", "apps"), AcceptedBlob(blobs)) for _ in range(2)]
    both = [
        Wants(*each, lambda: 0.0, allowed=frozenset(APPS[number::2]), rule=rule)
        for number, each in enumerate(outside)
    ]
    pushed = threading.Event()
    moved: list[str] = []

    def passes(name: str) -> None:
        if name == APPS[0]:
            for number in range(1, ROUNDS):
                push(number)
            pushed.set()
        wants, more = both[APPS.index(name) % 2], True
        while more:
            more = not pushed.is_set()
            for desired in (wants.known(), wants.desired()):
                assert isinstance(desired, Desired)
                app, head = wants.app(name, desired), desired.revision
                if wants.known() is not desired:  # a pass then looks again
                    continue
                assert isinstance(app, App), app
                assert app.production.version == versions[head.commit]
                asked = wants.asked_by(app, head, Memory())[PRODUCTION]
                assert versions[asked.commit] == app.production.version
                try:
                    wants.accept(desired, desired.apps)
                except JournalMoved:  # its pass begins anew
                    moved.append(name)
                    more = True

    at_once(passes)
    stored = AcceptedBlob(blobs).read()
    assert (stored.head, dict(stored.apps)) == (tip, dict.fromkeys(APPS, tip))
    assert len(moved) <= blobs.calls.count("store") - len(moved) <= 2 * ROUNDS


class _InMemory(Registry):
    """The registry over blobs in memory."""

    def _content(self, container: str, path: str, cap: int) -> bytes:
        return registered.version_blobs("1.4.0")[f"{container}/{path}"][: cap + 1]


def test_every_pass_finds_the_same_release() -> None:
    """Whoever reads its manifest first."""
    catalog = Catalog(_InMemory(registered.STORE, Credential("controller")))
    found: list[object] = []
    at_once(lambda _: found.append(catalog.resolve(registered.MODEL, Wanted("1.4.0"))))
    assert isinstance(found[0], Resolved)
    assert found == [found[0]] * len(APPS)


def test_each_journal_has_its_own_events_in_order() -> None:
    """Though one object writes them all, and others read it meanwhile."""
    journal = Journal(blobs := MemoryBlobs())

    def write(name: str) -> None:
        for number in range(20):
            journal.memory(name, NOW)
            journal.append(name, [Event("Waiting", name, NOW, id=f"{name}-{number}")], NOW)
            assert not journal.grew(name)
            journal.reader().memory(APPS[0], NOW)

    at_once(write)
    for name in APPS:
        ids = [event.id for event in Journal(blobs).events(name)]
        assert ids == [f"{name}-{number}" for number in range(20)]
