"""`gitslot logs` and `gitslot history` over a journal: the log as the README shows it."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure.core.credentials import AccessToken

from gitslot.cli.app import run
from gitslot.cli.session import Session
from gitslot.edges.settings import Settings
from gitslot.reconcile import World
from gitslot.record.event import Event
from gitslot.record.journal import Journal
from gitslot.record.payload import Payload
from gitslot.record.recent import Trace
from gitslot.report.text import Log
from gitslot.world import open_world
from reliability.memory_blobs import MemoryBlobs
from tests.cli.clones import SIMPLE, Clone
from tests.report.looks import release

APP = "az-fct-python-ml"
DAY = datetime(2026, 11, 22, tzinfo=UTC)
BUMP, REVERT = "9f3c2ab" + "0" * 33, "c01d7e5" + "0" * 33


class NoCredential:
    """Nobody is asked in these tests."""

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        raise AssertionError(f"asked for a token for {scopes}")


@dataclass
class Terminal:
    """A command line over a journal in memory, at four in the afternoon."""

    blobs: MemoryBlobs = field(default_factory=MemoryBlobs)
    now: datetime = DAY + timedelta(hours=16)
    folder: Path = Path("/")
    while_waiting: list[Sequence[Event]] = field(default_factory=list)

    def write(self, *events: Event) -> None:
        journal = Journal(self.blobs)
        for event in events:
            journal.memory(event.app, event.time)
            journal.append(event.app, [event], event.time)

    def _world(self, settings: Settings) -> World:
        return replace(open_world(settings, NoCredential()), journal=Journal(self.blobs))

    def _sleep(self, seconds: float) -> None:
        if not self.while_waiting:
            raise KeyboardInterrupt
        self.write(*self.while_waiting.pop(0))

    def run(self, *words: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        session = Session(
            {"GITSLOT_STORAGE": "https://account.example", "GITSLOT_REPO": "/nowhere"},
            *(self.folder, out, err),
            now=lambda: self.now,
            sleep=self._sleep,
            open_world=self._world,
            open_journal=lambda _: Journal(self.blobs),
        )
        return run(words, session), out.getvalue(), err.getvalue()


def event(name: str, time: str, revision: str, message: str, **fields: Any) -> Event:
    at = datetime.combine(DAY, time_of_day.fromisoformat(time), UTC)
    return Event(name, APP, at, run="r", revision=revision, message=message, **fields)


def told(to: str, from_: str = "") -> dict[str, str]:
    found = {"model": "iris", "to": to, "to_digest": release(to).digest}
    return found | ({"from_": from_, "from_digest": release(from_).digest} if from_ else {})


def bump() -> list[Event]:
    """Return the events of a bump from 1.4.0 to 1.5.0."""
    who = {"author": "sam", "subject": "bump iris to 1.5.0"}
    new, both = told("1.5.0") | who, told("1.5.0", "1.4.0") | who
    drift = "production serves 1.4.0, 9f3c2ab wants 1.5.0"
    passed = "staging: 64 of 64 golden rows, worst difference 3e-7, p99 41 ms"
    polled = Payload(location="https://arm.example/hush", quiet=True)
    done = "production 1.4.0 -> 1.5.0 in 128 s; staging keeps 1.4.0 for rollback"
    end = {"slot": "production", "detail": Payload(intent="swap"), **both}
    return [
        event("Drift", "14:02:11", BUMP, drift, slot="production", **both),
        event("DeployStarted", "14:02:11", BUMP, "staging <- iris 1.5.0", **new),
        event("VerifyPassed", "14:02:58", BUMP, passed, **new),
        event("SwapStarted", "14:02:58", BUMP, "staging <-> production", id="swap", **both),
        event("Waiting", "14:02:59", BUMP, "", reason="SwapRunning", detail=polled),
        event("Converged", "14:04:19", BUMP, done, **end),
    ]


@pytest.fixture
def terminal() -> Terminal:
    found = Terminal()
    found.write(*bump())
    return found


# ---------------------------------------------------------------- logs


def test_the_log_reads_as_the_readme_shows_it(terminal: Terminal) -> None:
    """Time, commit, event, message; subject and author on the Drift; bookkeeping hidden."""
    code, out, _ = terminal.run("logs")
    assert code == 0
    assert out.splitlines() == [
        "14:02:11  9f3c2ab  Drift           production serves 1.4.0, "
        '9f3c2ab wants 1.5.0  "bump iris to 1.5.0" (sam)',
        "14:02:11  9f3c2ab  DeployStarted   staging <- iris 1.5.0",
        "14:02:58  9f3c2ab  VerifyPassed    staging: 64 of 64 golden rows, "
        "worst difference 3e-7, p99 41 ms",
        "14:02:58  9f3c2ab  SwapStarted     staging <-> production",
        "14:04:19  9f3c2ab  Converged       production 1.4.0 -> 1.5.0 in 128 s; "
        "staging keeps 1.4.0 for rollback",
    ]


@pytest.mark.parametrize(("apps", "hang"), [((APP,), 35), ((APP, "churn"), 10)])
def test_a_terminal_gets_messages_with_a_hanging_indent(apps: tuple[str, ...], hang: int) -> None:
    """At 80 columns; the subject once for a commit, apps where there are several, the next step."""
    stop = event("Stalled", "14:05:00", BUMP, "no", detail=Payload(next="gitslot retry"))
    log = Log(apps, 80)
    lines = [log.line(each, DAY).plain.split("\n") for each in (bump()[0], bump()[0], stop)]
    assert max(map(len, lines[0])) <= 80
    assert lines[0][1].startswith(" " * hang) and lines[0][1][hang] != " "
    assert ["sam" in "".join(line) for line in lines] == [True, False, False]
    assert (APP in lines[1][0]) == (len(apps) > 1)
    assert " ".join(" ".join(lines[2]).split()).endswith(f"no; next: gitslot retry {APP}")


def test_on_another_day_the_log_has_dates(terminal: Terminal) -> None:
    """Yesterday's 14:02 is not today's."""
    terminal.now += timedelta(days=1)
    assert terminal.run("logs")[1].startswith("2026-11-22 14:02:11  ")


def test_json_has_every_event_and_never_where_a_swap_is_polled(terminal: Terminal) -> None:
    """Programs get all fields but the one that is nobody's business."""
    code, out, _ = terminal.run("logs", "-o", "json")
    found = json.loads(out)
    assert (code, len(found), found[0]["to"]) == (0, 6, "1.5.0")
    assert "hush" not in out
    assert yaml.safe_load(terminal.run("logs", "-o", "yaml")[1]) == found


def test_following_prints_what_is_added_once(terminal: Terminal) -> None:
    """-f shows the present and then each new event; Ctrl-C ends it quietly with 130."""
    drift = event("Drift", "15:40:02", REVERT, "rollback: c01d7e5 reverts 9f3c2ab")
    terminal.while_waiting = [[], [drift], []]
    code, out, err = terminal.run("logs", "-f", "-n", "1")
    assert (code, [line.split()[2] for line in out.splitlines()]) == (130, ["Converged", "Drift"])
    assert "Traceback" not in err


def test_a_commit_selects_its_events(terminal: Terminal) -> None:
    """By as many digits as people copy."""
    terminal.write(event("Frozen", "15:00:00", REVERT, "main is gone"))
    assert terminal.run("logs", "--commit", "c01d7e5")[1].split()[2] == "Frozen"


@pytest.fixture
def at_home(clone: Clone) -> tuple[Terminal, Clone]:
    """Give a command line in a checkout, and nothing reconciled yet."""
    return Terminal(folder=clone.path), clone


def test_a_commit_that_was_overtaken_leads_to_what_overtook_it(
    at_home: tuple[Terminal, Clone],
) -> None:
    """Alice bumps, Bob bumps before the next look: her commit was never deployed, and his says."""
    terminal, clone = at_home
    alice = clone.commit(SIMPLE.replace("1.4.0", "1.5.0"), "bump to 1.5.0")
    bob = clone.commit(SIMPLE.replace("1.4.0", "1.6.0"), "bump to 1.6.0")
    terminal.write(event("Drift", "15:00:00", bob, "to 1.6.0", slot="production"))
    _, out, err = terminal.run("logs", "--commit", alice)
    assert f"{alice[:7]} was overtaken, before it was looked at, by {bob[:7]}" in err
    assert out.split()[2] == "Drift"


def test_a_commit_that_was_merged_leads_to_the_release_of_its_merge(
    at_home: tuple[Terminal, Clone],
) -> None:
    """What a pull request's own commits changed is released by the merge."""
    terminal, clone = at_home
    clone.git("checkout", "-q", "-b", "work")
    mine = clone.commit(SIMPLE.replace("1.4.0", "1.5.0"), "bump to 1.5.0")
    clone.git("checkout", "-q", "-")
    clone.git("merge", "-q", "--no-ff", "-m", "merge", "work")
    merge = clone.git("rev-parse", "HEAD")
    terminal.write(event("Drift", "15:00:00", merge, "to 1.5.0", slot="production"))
    _, out, err = terminal.run("logs", "--commit", mine)
    assert f"{mine[:7]} is in the release of {merge[:7]}" in err
    assert out.split()[2] == "Drift"


def test_a_commit_that_changed_nothing_or_was_not_seen_says_so(
    at_home: tuple[Terminal, Clone],
) -> None:
    """A comment in the file is no wish, and what nobody looked at yet has no events."""
    terminal, clone = at_home
    terminal.write(event("Converged", "15:00:00", clone.git("rev-parse", "HEAD"), "in sync"))
    notes = clone.commit(SIMPLE.replace("What", "Tell what"), "notes")
    bump = clone.commit(SIMPLE.replace("1.4.0", "1.5.0"), "bump to 1.5.0")
    assert f"{notes[:7]} changed nothing" in terminal.run("logs", "--commit", notes)[2]
    assert f"{bump[:7]} was not looked at yet" in terminal.run("logs", "--commit", bump)[2]


def test_left_out_events_are_said_to_be_left_out(terminal: Terminal) -> None:
    """A long journal is cut at 100 lines, and that is said."""
    terminal.write(*(event("Stalled", "15:00:00", BUMP, f"no {n}") for n in range(120)))
    _, out, err = terminal.run("logs")
    assert len(out.splitlines()) == 100
    assert "earlier events are left out" in err
    assert len(terminal.run("logs", "-n", "0")[1].splitlines()) == 125


def test_a_hostile_subject_forges_no_line_and_no_colour(terminal: Terminal) -> None:
    """What a commit says is shown escaped, as table and as data; markup is plain text."""
    nasty = "x\x1b[31mred\n14:00:00  forged \u202e [bold]b[/]"
    terminal.write(event("Drift", "15:00:00", BUMP, "m", subject=nasty, author="[red]eve"))
    for output in ("table", "json", "yaml"):
        _, out, _ = terminal.run("logs", "-o", output)
        assert "\x1b" not in out and "\u202e" not in out
        assert not any(line.startswith("14:00:00  forged") for line in out.splitlines())
    assert "[bold]b[/]" in terminal.run("logs")[1]


def test_an_app_without_a_journal_is_an_error_that_lists_the_others(terminal: Terminal) -> None:
    """A misspelt name does not look like silence."""
    code, out, err = terminal.run("logs", "az-fct")
    assert (code, out) == (2, "")
    assert APP in err


# ---------------------------------------------------------------- history


def test_history_names_version_commit_author_and_proof(terminal: Terminal) -> None:
    """What the auditor asks: what, from which commit, by whom, verified how."""
    _, out, _ = terminal.run("history", "-o", "json")
    found = json.loads(out)
    assert [(c["version"], c["how"]) for c in found] == [("1.5.0", "swap"), ("1.4.0", "found")]
    assert (found[0]["commit"], found[0]["author"]) == (BUMP, "sam")
    assert f"to go back: gitslot rollback {APP} && git push" in terminal.run("history")[2]
    assert found[0]["verified"].startswith("staging: 64 of 64 golden rows")


def test_history_at_a_time_says_what_was_live_then(terminal: Terminal) -> None:
    """Before the swap the old version, after it the new one; during it, that one was under way."""

    def live(moment: str) -> tuple[int, str, str]:
        code, out, err = terminal.run("history", "--at", moment, "-o", "json")
        return code, "".join(c["version"] for c in json.loads(out)), err

    assert live("2026-11-22T14:02:30Z")[:2] == (0, "1.4.0")
    assert live("2026-11-22T15:10+01:00")[:2] == (0, "1.5.0")
    assert live("14:02:30")[:2] == (0, "1.4.0")
    code, version, err = live("2026-11-22T14:03Z")
    assert (code, version) == (0, "1.4.0")
    assert "under way" in err
    code, version, err = live("2026-11-21")
    assert (code, version) == (1, "")
    assert "nothing is recorded before" in err


def test_a_change_by_hand_stands_between_the_looks_that_bound_it(terminal: Terminal) -> None:
    """Its own time where Azure names one; what was live between two looks is not known."""
    looks = [DAY + timedelta(hours=15, minutes=minute) for minute in (2, 7)]
    both = told("1.4.0", "1.5.0")
    edit = Payload(after=looks[0], before=looks[1])
    terminal.write(event("ByHand", "15:07:01", "", "m", slot="production", detail=edit, **both))
    swap = Payload(at=DAY + timedelta(hours=15, minutes=30))
    back = told("1.5.0", "1.4.0")
    terminal.write(event("ByHand", "15:31:00", "", "m", slot="production", detail=swap, **back))
    lines = terminal.run("history")[1].splitlines()[1:3]
    assert "by hand between 15:02:00 and 15:07:00" in lines[1]
    assert lines[0].startswith("2026-11-22 15:30:00")
    _, out, err = terminal.run("history", "--at", "2026-11-22T15:05Z", "-o", "json")
    assert (json.loads(out)[0]["version"], "1.4.0 may have come before" in err) == ("1.5.0", True)


def test_a_change_that_gitslot_did_not_make_stands_in_the_history_as_such() -> None:
    """A swap by hand is named from the first look that saw it, and so is the way back."""
    drift = event("Drift", "15:00:00", BUMP, "by hand", slot="production", **told("1.5.0", "1.4.0"))
    back = event("Converged", "15:10:00", BUMP, "", slot="production", **told("1.5.0"))
    found = list(filter(None, map(Trace().add, [*bump(), drift, back])))
    assert [(c.version, c.how) for c in found] == [
        ("1.4.0", "found"),
        ("1.5.0", "swap"),
        ("1.4.0", "by hand"),
        ("1.5.0", "by hand"),
    ]
    assert (found[2].commit, found[2].author) == ("", "")
