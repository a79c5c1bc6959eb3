"""The page of figures shows what was measured, what was missed, and what was not measured."""

from pathlib import Path

import pytest

from bench import report
from bench.__main__ import CLAIMS
from bench.page import QUESTIONS, page


def test_shows_what_is_missed_and_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Both are seen at the top and with their claim, of any claim that writes a `Report`."""
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    made = report.Report("bump", 3)
    median = made.add("commit to production answering", "recorded", [1.0, 2.0, 9.0], "s")
    made.at_most("half_of_it", median, 1, "s")
    made.write()
    head, bump, git = page(("bump", "git")).split("\n## ")
    assert "2 s (1 to 9)" in head and "not measured" in head
    assert "**NOT met**: bump, half of it: wanted <= 1 s, got 2 s" in head
    assert "**NOT met**: half of it" in bump and "**Not measured.**" in git


def test_each_figure_at_the_top_is_of_a_row() -> None:
    """A row that gets another name is not lost from what a reader looks for first."""
    for question in QUESTIONS.strip().splitlines():
        _, _, claim, name, load = question.split("|")
        if name and (found := report.read(claim)):
            names = [(row["name"], row["load"][: len(load)]) for row in found["rows"]]
            assert claim in CLAIMS and (name, load) in names
