"""Every stop has a reason of the table, a message and a next step."""

import ast
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from string import Formatter

import pytest

from gitslot import errors
from gitslot.state.decision import Frozen, Stalled, Suspended, Waiting
from gitslot.state.reasons import OUTSIDE, REASONS, Edit, Nothing, Reason, Run, Wait, go_back
from reliability import files, starts, woken

ROOT = Path(errors.__file__).parent
STOPS = ("Doubt", "Refusal", "Waiting", "Stalled", "Frozen", "Suspended", "Verdict")
PARTS = ("decide", "look", "edges", "registry")
ERRORS = {name for name, each in vars(errors).items() if isinstance(each, type)}
# Refusals of a command that a person typed, and of the settings at the start: no app stops there.
TYPED = {
    "EditRefused",
    "NoTarget",
    "SettingsInvalid",
    "TimeInvalid",
    "UnknownApp",
    "VersionExists",
    "WhichApp",
}


def named(tree: ast.AST) -> Iterator[str]:
    """Yield the reasons that a module names: first words of stops, and keywords of errors."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        words: list[ast.expr] = []
        if name in ERRORS:
            words += [each.value for each in call.keywords if each.arg == "reason"]
        if name in STOPS and call.args:
            words.append(call.args[2 if name == "Verdict" and len(call.args) > 2 else 0])
        if name in ("_failed", "_inconclusive"):  # of look/golden_rows.py
            words += call.args[1:]
        for word in words:
            if isinstance(word, ast.Constant) and isinstance(word.value, str):
                yield word.value


def reasons_of_the_code() -> set[str]:
    """Return every reason that decisions, looks, edges and the registry name."""
    paths = [path for part in PARTS for path in (ROOT / part).rglob("*.py")]
    paths += [
        ROOT / name for name in ("act.py", "reconcile.py", "rounds.py", "wants.py", "world.py")
    ]
    found = {name for path in paths for name in named(ast.parse(path.read_text()))}
    return {name for name in found - TYPED if name[:1].isupper()}


def test_every_reason_that_the_code_names_is_in_the_table() -> None:
    """What an app can stop for is documented, with what ends it."""
    assert reasons_of_the_code() - set(REASONS) == set()


@pytest.mark.parametrize("entry", REASONS.values(), ids=lambda entry: entry.name)
def test_an_entry_says_what_it_means_and_what_ends_it(entry: Reason) -> None:
    """A sentence for the page; a step that is a command, an edit, a wait, or nothing and why."""
    assert entry.meaning.endswith(".")
    match entry.next:
        case Run(commands=commands):
            assert all(commands)
        case Edit(what=what):
            assert what
        case Nothing(why=why):
            assert why
        case Wait():
            pass
    assert {name for _, name, _, _ in Formatter().parse(entry.text) if name} or entry.text


def test_a_message_ends_with_its_step() -> None:
    """The facts of the moment, then what to type."""
    entry = REASONS["ProductionDegraded"]
    step = go_back("shop")
    message = entry.message({"what": "it is down"}, step)
    assert message == "it is down; `gitslot rollback shop && git push` goes back"
    by_revert = entry.message({"what": "it is down"}, step.by_revert(("git", "revert", "9f3c2ab")))
    assert by_revert == "it is down; `git revert 9f3c2ab && git push` goes back"


def test_words_from_outside_are_printed_as_they_are() -> None:
    """The registry's, Git's and ARM's own words carry their own remedy."""
    entry = REASONS["UnknownVersion"]
    assert entry.text == OUTSIDE
    assert entry.message({"message": "no {such} version"}, entry.next) == "no {such} version"


def test_every_stop_of_every_start_state_has_a_message() -> None:
    """No template lacks a fact, in any state that a controller can wake up in."""
    decisions = (
        *(woken.ask(state) for state in islice(starts.states(), 0, None, 29)),
        *(files.ask(state) for state in islice(files.states(), 0, None, 7)),
    )
    stops = [each for each in decisions if isinstance(each, Waiting | Stalled | Frozen | Suspended)]
    assert all(stop.message for stop in stops)
    assert all(stop.reason in REASONS or stop.facts["message"] for stop in stops)
    assert len(stops) > 1000
