"""The checker sees what it is there for: a good history, spoilt in one place, is refused."""

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from gitslot.record.payload import Payload
from reliability import registered
from reliability.checker import check
from reliability.scenarios import NEWER, Scene, bump, pin, soak

type History = list[dict[str, Any]]


@cache
def _good() -> tuple[dict[str, Any], ...]:
    scene = bump()
    scene.controller.settle()
    entries = tuple(dict(entry) for entry in scene.cloud.history.entries)
    scene.cloud.end()
    return entries


def good() -> History:
    """Return the history of a bump, free to be spoilt."""
    return copy.deepcopy(list(_good()))


def at(history: History, operation: str, **facts: Any) -> int:
    """Return where the first entry of *operation* with *facts* is."""
    return next(
        index
        for index, entry in enumerate(history)
        if entry["operation"] == operation and all(entry.get(k) == v for k, v in facts.items())
    )


def event(history: History, name: str) -> tuple[dict[str, Any], int]:
    """Return the journal entry that holds the event *name*, and its place in it."""
    for entry in history:
        for index, found in enumerate(entry.get("events", ())):
            if found.event == name:
                return entry, index
    raise KeyError(name)


def change(history: History, name: str, **fields: Any) -> None:
    """Change the journal's event *name*."""
    entry, index = event(history, name)
    entry["events"][index] = replace(entry["events"][index], **fields)


def another_commit(history: History) -> None:
    """Git asked for another version all along."""
    commit = [entry for entry in history if entry["operation"] == "git-commit"][-1]
    commit["wants"] = registered.digest(NEWER)


def no_proof(history: History) -> None:
    """Nobody asked staging for its golden rows."""
    history[:] = [entry for entry in history if entry["operation"] != "proved"]


def deployed_after_the_proof(history: History) -> None:
    """Staging was deployed again once it had been proved."""
    put = copy.deepcopy(history[at(history, "settings-put")])
    history.insert(at(history, "proved") + 1, {**put, "caller": "person"})


def two_intents(history: History) -> None:
    """An intent was opened while one was open."""
    entry, _ = event(history, "SwapStarted")
    history.insert(history.index(entry), copy.deepcopy(entry))


def swapped_back(history: History) -> None:
    """The same intent was sent again after the first swap had taken effect."""
    flipped = at(history, "swap-flipped")
    again = [history[at(history, "write-sent", what="slotsswap")]]
    again += [history[at(history, "swap-started")], history[flipped]]
    again = copy.deepcopy(again)
    again[2]["production"], again[2]["staging"] = again[2]["staging"], again[2]["production"]
    history[flipped + 1 : flipped + 1] = again


def written_while_open(history: History) -> None:
    """Staging was deployed while the swap's intent was open."""
    put = copy.deepcopy(history[at(history, "write-sent", what="appsettings-put")])
    history.insert(at(history, "swap-started"), put)


def git_was_gone(history: History) -> None:
    """Git had not answered in the turn of the write."""
    sent = at(history, "write-sent")
    look = max(i for i in range(sent) if history[i]["operation"] == "git-looked")
    history[look]["commit"] = None


def unread(history: History) -> None:
    """ARM had not answered in the turn of the write."""
    sent = at(history, "write-sent")
    for entry in history[:sent]:
        if entry["operation"] == "arm-read" and entry["what"] == "appsettings-list":
            entry["ok"] = False


def in_flight(history: History) -> None:
    """ARM had shown an operation in the turn of the write."""
    for entry in history[: at(history, "write-sent")]:
        if entry["operation"] == "arm-read" and entry["what"] == "site-get":
            entry["busy"] = True


def to_production(history: History) -> None:
    """A deploy went to production."""
    history[at(history, "write-sent")]["slot"] = "production"


def to_a_neighbour(history: History) -> None:
    """A deploy went to an app that is not listed."""
    history[at(history, "write-sent")]["site"] = "neighbour"


def journal_elsewhere(history: History) -> None:
    """An event was written into another app's journal."""
    history[at(history, "journal")]["blob"] = "journal/neighbour/2026-11.jsonl"


def no_lock(history: History) -> None:
    """Nobody had taken the lock."""
    history[:] = [entry for entry in history if entry["operation"] != "lock-taken"]


def looked_before_the_lock(history: History) -> None:
    """The lock was taken after the look that the write was decided from."""
    taken = history.pop(at(history, "lock-taken"))
    sent = at(history, "write-sent")
    history.insert(sent, {**taken, "seq": history[sent]["seq"] - 0.5})


def staging_emptied(history: History) -> None:
    """After the swap staging was given something else, though nothing new was asked for."""
    put = copy.deepcopy(history[at(history, "settings-put")])
    put["staging"]["MODEL_VERSION"] = f"{NEWER}@sha256:{registered.digest(NEWER)}"
    history.append(put)


def no_commit(history: History) -> None:
    """The intent names no commit."""
    change(history, "SwapStarted", revision="")


def no_verdict(history: History) -> None:
    """The journal holds no verdict before the intent."""
    change(history, "VerifyPassed", event="Waiting")


def no_intent(history: History) -> None:
    """The swap was sent without an intent."""
    change(history, "SwapStarted", event="Waiting")


def no_second_read(history: History) -> None:
    """The slots were not read again between the intent and the POST."""
    intent, _ = event(history, "SwapStarted")
    first, last = history.index(intent), at(history, "write-sent", what="slotsswap")
    history[first:last] = [e for e in history[first:last] if e["operation"] != "arm-read"]


def told_too_early(history: History) -> None:
    """The journal says that the swap took effect before it did."""
    told = max(i for i, e in enumerate(history) if any(_closes(v) for v in e.get("events", ())))
    history.insert(at(history, "swap-flipped"), history.pop(told))


def _closes(found: Any) -> bool:
    return found.event == "Converged" and bool(found.detail.intent)


def told_to_have_failed(history: History) -> None:
    """The journal ended the swap as failed, and then it took effect."""
    told = copy.deepcopy(event(history, "SwapStarted")[0])
    told["events"] = [replace(told["events"][-1], event="SwapFailed", detail=Payload())]
    history.insert(at(history, "swap-flipped"), told)


def another_setting(history: History) -> None:
    """The swap changed a setting that is not ours."""
    history[at(history, "swap-flipped")]["settings"]["production"]["THEIRS"] = "changed"


def other_code(history: History) -> None:
    """The swap changed the code, which the commit did not name."""
    settings = history[at(history, "swap-flipped")]["settings"]["production"]
    settings["WEBSITE_RUN_FROM_PACKAGE"] = registered.package_url("c9")


def test_a_good_history_is_accepted() -> None:
    """Otherwise none of the others would mean anything."""
    assert check(good()) == []


@pytest.mark.parametrize(
    ("rule", "spoil"),
    [
        ("S1", another_commit),
        ("S2", no_proof),
        ("S2", deployed_after_the_proof),
        ("S3", two_intents),
        ("S3", swapped_back),
        ("S3", written_while_open),
        ("S4", git_was_gone),
        ("S4", unread),
        ("S4", in_flight),
        ("S5", to_production),
        ("S5", to_a_neighbour),
        ("S5", journal_elsewhere),
        ("S6", no_lock),
        ("S6", looked_before_the_lock),
        ("S7", staging_emptied),
        ("S10", no_commit),
        ("S10", no_verdict),
        ("S10", no_intent),
        ("S10", no_second_read),
        ("S10", told_too_early),
        ("S10", told_to_have_failed),
        ("S11", another_setting),
        ("S11", other_code),
    ],
)
def test_a_spoilt_history_is_refused_by_rule(rule: str, spoil: Callable[[History], None]) -> None:
    """One thing that must never have been, and the rule that names it."""
    history = good()
    spoil(history)
    assert rule in {violation.rule for violation in check(history)}


def _played(make: Callable[[], Scene]) -> History:
    """Return the history of *make*, free to be spoilt."""
    scene = make()
    scene.controller.settle()
    scene.cloud.wait(scene.watched_s)
    scene.controller.settle()
    history = copy.deepcopy([dict(entry) for entry in scene.cloud.history.entries])
    scene.cloud.end()
    assert not check(history)
    return history


def test_a_swap_back_is_refused_where_no_file_asks_for_it() -> None:
    """Without the soak, or to what the last swap did not replace, it takes new to old."""
    unasked, elsewhere = _played(soak), _played(soak)
    for entry in unasked:
        entry["text"] = entry.get("text", "").replace("soak: 30m", "drift: heal")
    assert "S3" in {violation.rule for violation in check(unasked)}
    for entry in elsewhere:
        for index, found in enumerate(entry.get("events", ())):
            if found.event == "SwapStarted" and found.detail.back:
                entry["events"][index] = replace(found, to_digest=registered.digest(NEWER))
    assert "S3" in {violation.rule for violation in check(elsewhere)}


def test_only_a_pin_may_take_the_previous_release_from_staging() -> None:
    """The same deploy, with a file that pins something else or nothing."""
    for other in ("", "  staging: 1.3.0\n"):
        history = _played(pin)
        for entry in history:
            entry["text"] = entry.get("text", "").replace(f"  staging: {NEWER}\n", other)
        assert "S7" in {violation.rule for violation in check(history)}
