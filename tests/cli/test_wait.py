"""`gitslot wait`: it ends as the commit does, in words that a workflow shows."""

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gitslot.cli import wait as waiting
from gitslot.cli.output import span
from gitslot.cli.session import CommandRefused, Session
from gitslot.errors import JournalError
from gitslot.report.snapshot import AppView
from gitslot.report.status import Row
from reliability.company import Company
from reliability.scenarios import NEW, OLD, bump
from tests.cli.clones import Clone

COMMIT, NEWER = "a" * 40, "b" * 40


def view(state: str, head: str = COMMIT, **more: Any) -> AppView:
    row = Row("iris", "production", "iris", "1.5.0", "d", "1.5.0", "Healthy", state)
    return AppView((replace(row, **more), Row("iris", "staging")), 0, head=head)


@pytest.mark.parametrize(
    ("seen", "tip", "how"),
    [
        (view("Synced"), COMMIT, "synced: production serves iris 1.5.0"),
        (view("Progressing"), COMMIT, None),
        (view("Synced", head=NEWER), COMMIT, None),  # an older look, or another branch's
        (view("Synced", head=NEWER), "", None),  # Git is not known
        (view("Synced", head=NEWER), NEWER, "superseded: by bbbbbbb"),
        (None, COMMIT, None),  # not looked at yet
        (None, NEWER, "superseded: by bbbbbbb"),
        (
            view(
                "Stalled", reason="GoldenRowsFailed", message="2 of 64", mend="gitslot retry iris"
            ),
            COMMIT,
            "stalled: production: GoldenRowsFailed: 2 of 64; next: gitslot retry iris",
        ),
        (view("Frozen", reason="GitUnreachable", message="down"), COMMIT, None),
        (
            view("Frozen", reason="DigestChanged", message="other bytes", mend="gitslot bump x"),
            COMMIT,
            "stalled: production: DigestChanged: other bytes; next: gitslot bump x",
        ),
        (
            view("Suspended", reason="Suspended", message="sam"),
            COMMIT,
            "stalled: production: Suspended: sam",
        ),
    ],
)
def test_an_app_ends_as_its_row_says(seen: AppView | None, tip: str, how: str | None) -> None:
    """What passes by itself is waited for; what needs a person ends it with the next command."""
    end = waiting.ended(seen, COMMIT, tip)
    assert (f"{end.how}: {end.message}" if end else None) == how


Waited = Callable[[Company, float], tuple[dict[str, Any], str, Path]]


@pytest.fixture
def waited(tmp_path: Path) -> Waited:
    """Give what waits for a company's newest commit while its controller goes round."""

    def run(company: Company, limit_s: float) -> tuple[dict[str, Any], str, Path]:
        cloud, summary = company.first, tmp_path / "summary.md"

        def go_round(seconds: float) -> None:
            company.run()
            company.crew.wait(seconds)

        company.start()
        head = company.rounds._world.wants.git.newest() if company.rounds else None
        assert head
        environ = {"GITHUB_STEP_SUMMARY": str(summary)}
        session = Session(
            environ=environ, out=io.StringIO(), err=io.StringIO(), now=cloud.now, sleep=go_round
        )
        world: Any = SimpleNamespace(
            journal=SimpleNamespace(blobs=company.shown),
            clock=SimpleNamespace(monotonic=cloud.seconds),
            wants=SimpleNamespace(git=SimpleNamespace(newest=lambda: head)),
        )
        waiter = waiting._Waiter(session, world, head.revision.commit, ["iris"])
        ends = dict(waiter.run(limit_s))
        world.journal = company.rounds._world.journal if company.rounds else None
        waiting._summarise(session, waiter, ends)
        assert isinstance(session.err, io.StringIO)
        return ends, session.err.getvalue(), summary

    return run


def test_a_release_is_waited_for_to_its_end(waited: Waited) -> None:
    """Each state is a line as it comes; the summary has the last five of the log."""
    company = Company({"iris": bump()})
    ends, said, summary = waited(company, 900.0)
    company.end()
    assert {name: end.how for name, end in ends.items()} == {"iris": "synced"}
    assert "no controller has written what it sees yet" in said
    text = summary.read_text()
    assert "**`iris` synced**: `production serves iris 1.5.0`" in text
    assert f"Converged       production {OLD} -> {NEW}" in text
    assert sum(line.startswith("    1") for line in text.splitlines()) == 5


def test_storage_that_does_not_answer_once_ends_no_wait(waited: Waited) -> None:
    """The next look may be answered."""
    company = Company({"iris": bump()})
    names, lost = company.shown.names, ["once"]

    def fails(prefix: str) -> list[str]:
        if lost and company.shown.calls.count("put"):
            lost.pop()
            raise JournalError("storage did not answer")
        return names(prefix)

    setattr(company.shown, "names", fails)  # noqa: B010 - a method, for mypy
    ends, said, _ = waited(company, 900.0)
    company.end()
    assert (ends["iris"].how, lost, "storage did not answer" in said) == ("synced", [], True)


def test_time_that_is_over_says_why(waited: Waited) -> None:
    """It is no success, and names where to look."""
    company = Company({"iris": bump()})
    ends, _, _ = waited(company, 0.0)
    company.end()
    assert ends["iris"].how == "timeout" and "gitslot status" in ends["iris"].message


def test_a_commit_is_that_of_the_checkout(clone: Clone) -> None:
    """A short name is resolved there; outside of one, all forty digits are needed."""
    head = clone.git("rev-parse", "HEAD").strip()
    assert waiting._commit(Session(environ={}, cwd=clone.path), "HEAD") == (head, [])
    outside = Session(environ={}, cwd=clone.path.parent)
    assert waiting._commit(outside, COMMIT) == (COMMIT, [])
    with pytest.raises(CommandRefused):
        waiting._commit(outside, "HEAD")


@pytest.mark.parametrize("text", ["15", "m", "1w", "-3s", "1.5m", ""])
def test_a_time_has_a_unit(text: str) -> None:
    """90s, 15m, 1h, and nothing else."""
    assert span("15m") == timedelta(minutes=15) and span(text) is None
