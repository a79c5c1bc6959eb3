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
type Spoil = Callable[[History], object]
CODE = "WEBSITE_RUN_FROM_PACKAGE"


@cache
def _entries(make: Callable[[], Scene]) -> tuple[dict[str, Any], ...]:
    scene = make()
    scene.controller.settle()
    if scene.watched_s:
        scene.cloud.wait(scene.watched_s)
        scene.controller.settle()
    entries = tuple(dict(entry) for entry in scene.cloud.history.entries)
    scene.cloud.end()
    return entries


def good(make: Callable[[], Scene] = bump) -> History:
    """Return the history of *make*, free to be spoilt."""
    return copy.deepcopy(list(_entries(make)))


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


def without(operation: str) -> Spoil:
    """Return what takes every entry of *operation* out of a history."""

    def spoil(history: History) -> None:
        history[:] = [entry for entry in history if entry["operation"] != operation]

    return spoil


def setting(name: str, value: str) -> Spoil:
    """Return what makes the swap leave production with another value of *name*."""
    return lambda h: h[at(h, "swap-flipped")]["settings"]["production"].update({name: value})


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


@pytest.mark.parametrize("make", [bump, soak, pin])
def test_a_good_history_is_accepted(make: Callable[[], Scene]) -> None:
    """Otherwise none of the others would mean anything."""
    assert check(good(make)) == []


NEIGHBOUR = "journal/neighbour/2026-11.jsonl"
SPOILT: dict[str, tuple[str, Spoil]] = {
    "Git asked for another version": (
        "S1",
        lambda h: [e for e in h if e["operation"] == "git-commit"][-1].update(
            wants=registered.digest(NEWER)
        ),
    ),
    "nobody asked staging for its golden rows": ("S2", without("proved")),
    "deployed after the proof": ("S2", deployed_after_the_proof),
    "two intents": ("S3", two_intents),
    "swapped back": ("S3", swapped_back),
    "written while open": ("S3", written_while_open),
    "Git was gone": ("S4", git_was_gone),
    "ARM was not read": ("S4", unread),
    "in flight": ("S4", in_flight),
    "a deploy to production": ("S5", lambda h: h[at(h, "write-sent")].update(slot="production")),
    "an app that is not listed": ("S5", lambda h: h[at(h, "write-sent")].update(site="neighbour")),
    "another app's journal": ("S5", lambda h: h[at(h, "journal")].update(blob=NEIGHBOUR)),
    "nobody had taken the lock": ("S6", without("lock-taken")),
    "looked before the lock": ("S6", looked_before_the_lock),
    "staging emptied": ("S7", staging_emptied),
    "the intent names no commit": ("S10", lambda h: change(h, "SwapStarted", revision="")),
    "no verdict before the intent": ("S10", lambda h: change(h, "VerifyPassed", event="Waiting")),
    "sent without an intent": ("S10", lambda h: change(h, "SwapStarted", event="Waiting")),
    "no second read": ("S10", no_second_read),
    "told too early": ("S10", told_too_early),
    "told to have failed": ("S10", told_to_have_failed),
    "a setting that is not ours": ("S11", setting("THEIRS", "changed")),
    "code that no commit named": ("S11", setting(CODE, registered.package_url("c9"))),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_history_is_refused_by_rule(name: str) -> None:
    """One thing that must never have been, and the rule that names it."""
    (rule, spoil), history = SPOILT[name], good()
    spoil(history)
    assert rule in {violation.rule for violation in check(history)}


def test_a_swap_back_is_refused_where_no_file_asks_for_it() -> None:
    """Without the soak, or to what the last swap did not replace, it takes new to old."""
    unasked, elsewhere = good(soak), good(soak)
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
        history = good(pin)
        for entry in history:
            entry["text"] = entry.get("text", "").replace(f"  staging: {NEWER}\n", other)
        assert "S7" in {violation.rule for violation in check(history)}
