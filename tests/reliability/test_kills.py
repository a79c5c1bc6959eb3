"""What D3 stands on: the process dies where it is told to, and what was seen of it is judged."""

import base64
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gitslot.record.event import Event, parse
from reliability import kills, registered
from reliability.checker import check
from reliability.cloud import APP
from reliability.course import Kill
from reliability.places import Course
from reliability.witness import Account, Commit, Trace, exchanged
from tests.platform import ROOT
from tests.servers import Answer, Handler, serving


@pytest.mark.long
def test_whoever_comes_after_a_killed_controller_ends_its_work() -> None:
    """Killed before or after any request of a bump or a revert: one swap, and by the rules."""
    found = kills.tally()
    assert found.violations == 0, found.report()
    assert found.cases >= 96


# ---------------------------------------------------------------- the process dies in time

_ASKS_THREE_TIMES = """
import json, sys
import requests
from reliability.launcher import Tap, listen
order = json.loads(sys.argv[1])
listen(Tap(order))
with requests.Session() as session:
    for number in range(3):
        answer = session.post(order["environment"]["GITSLOT_ARM"] + "/x", data=str(number))
        print(answer.text, flush=True)
"""


@contextmanager
def _listening(folder: Path) -> Iterator[tuple[str, list[bytes]]]:
    heard: list[bytes] = []

    def respond(_: Handler, body: bytes) -> Answer:
        heard.append(body)
        return 200, {}, b"answer " + body

    with serving(folder, respond) as address:
        yield address, heard


@pytest.mark.parametrize(("when", "arrived"), [("before", 1), ("after", 2), ("", 3)])
def test_a_process_dies_before_a_request_left_or_before_its_answer_was_read(
    when: str, arrived: int, tmp_path: Path
) -> None:
    """So every case is what its name says; and undisturbed, answers come whole."""
    with _listening(tmp_path) as (address, heard):
        order = {
            "environment": {
                "GITSLOT_ARM": address,
                "GITSLOT_STORAGE": "https://storage.example",
                "IDENTITY_ENDPOINT": "http://identity.example",
                "GITSLOT_REPO": "https://git.example",
            },
            "slots": {},
            "trace": str(tmp_path / "trace"),
            "place": "start/other arm POST /x:2" if when else "",
            "when": when,
        }
        done = subprocess.run(
            [sys.executable, "-c", _ASKS_THREE_TIMES, json.dumps(order)],
            cwd=ROOT,
            env={"REQUESTS_CA_BUNDLE": str(tmp_path / "cert.pem")},
            capture_output=True,
            text=True,
            check=False,
        )
    trace = Trace.read("controller", tmp_path / "trace")
    assert done.returncode == (-signal.SIGKILL if when else 0), done.stderr
    assert heard == [b"0", b"1", b"2"][:arrived]
    assert done.stdout.splitlines() == ["answer 0", "answer 1", "answer 2"][: 1 if when else 3]
    assert (len(trace.sent), trace.done("other", 200)) == (arrived, arrived)
    assert trace.killed == order["place"]
    assert not trace.bypassed


# ---------------------------------------------------------------- where it is killed


def _sent(*names: str) -> Trace:
    course = Course()
    return Trace(
        "controller",
        [{"sent": n, "name": x, "place": course.place(x)} for n, x in enumerate(names)],
    )


def test_what_changes_something_is_killed_on_both_sides_and_a_read_once() -> None:
    """After a read is before the next request: nothing outside tells the two apart."""
    health, append = "health.staging", "journal.append.Drift"
    trace = _sent(health, append, health, health, "lock.release", health)
    assert kills.kills("bump", trace) == [
        Kill("bump", "start/health.staging", "before"),
        Kill("bump", "start/journal.append.Drift", "before"),
        Kill("bump", "start/journal.append.Drift", "after"),
        Kill("bump", "Drift/health.staging", "before"),
        Kill("bump", "Drift/lock.release", "before"),
        Kill("bump", "Drift/lock.release", "after"),
    ]


def test_a_seed_names_its_case() -> None:
    """And what is no seed is told apart."""
    kill = Kill("revert", "lock.acquire/golden.staging:64", "before")
    assert Kill.parse(kill.seed) == kill
    with pytest.raises(KeyError):
        Kill.parse("D3,bump,start/git.look")


# ---------------------------------------------------------------- what is made of what was seen

NEW, OLD = "1.5.0", "1.4.0"
COMMIT = "c" * 40
SITE = f"/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/{APP}"
JOURNAL = f"/gitslot/gitslot/journal/{APP}/2026-11.jsonl"
LOOK: list[tuple[str, str, Any, Any]] = [
    *(("arm.slotconfignames-get.production", f"{SITE}/config/slotConfigNames", {}, {}),),
    *((f"arm.site-get.{slot}", SITE, {}, {}) for slot in ("production", "staging")),
    *((f"arm.appsettings-list.{slot}", SITE, {}, {}) for slot in ("production", "staging")),
]
SWAP: tuple[str, str, Any, Any] = (
    "arm.slotsswap.staging",
    f"{SITE}/slots/staging/slotsswap",
    {},
    {},
)


def _event(name: str, **fields: Any) -> bytes:
    fields = {"revision": COMMIT, "model": "iris", "to": NEW} | fields
    raw = {"event": name, "app": APP, "time": "2026-11-22T12:00:00Z", "id": name, **fields}
    event: Event = parse(json.dumps(raw).encode())
    return event.line()


def _trace(*calls: tuple[str, str, Any, Any]) -> Trace:
    lines: list[Any] = []
    for number, (name, path, body, said) in enumerate(calls):
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        back = said if isinstance(said, bytes) else json.dumps(said).encode()
        at = 1000.0 + number
        lines.append({"at": at, "sent": number, "name": name, "path": path, "id": f"id-{number}"})
        lines[-1] |= {"place": name, "body": base64.b64encode(sent).decode()}
        status = 202 if "slotsswap" in name else 201 if name.startswith("journal") else 200
        headers = {"x-model-digest": registered.digest(NEW), "x-model-deploy": "d"}
        lines.append({"at": at + 0.5, "answered": number, "status": status, "headers": headers})
        lines[-1] |= {"body": base64.b64encode(back).decode()}
    return Trace("controller", lines)


def _account(*calls: tuple[str, str, Any, Any]) -> Account:
    """Return what was seen of a controller that sent *calls*, where each swap takes effect."""
    trace, platform = _trace(*calls), []
    now = {
        "production": registered.settings(OLD, "c") | {"COLOUR": "green"},
        "staging": registered.settings(NEW, "d") | {"COLOUR": "blue"},
    }
    settings = {slot: dict(values) for slot, values in now.items()}
    for call, _ in trace.calls("arm.slotsswap"):
        for operation, request in (("swap-started", {"id": call["id"]}), ("swap-flipped", None)):
            if request is None:
                now = exchanged(now, frozenset({"COLOUR"}))
            second = int(call["at"]) - 1000
            at = f"1970-01-01T00:{16 + (40 + second) // 60:02}:{(40 + second) % 60:02}.250Z"
            platform.append({"operation": operation, "time": at, "request": request, **now})
    return Account(
        began=0.0,
        settings=settings,
        sticky=frozenset({"COLOUR"}),
        rows=2,
        commits=[
            Commit("b" * 40, 1.0, registered.digest(OLD)),
            Commit(COMMIT, 2.0, registered.digest(NEW)),
        ],
        traces=[trace],
        platform=platform,
    )


def _swaps() -> dict[str, tuple[str, str, Any, Any]]:
    """Return the calls of one swap, by what they do."""
    digest = registered.digest(NEW)
    passed = _event("VerifyPassed", to_digest=digest)
    started = _event("SwapStarted", to_digest=digest, from_digest=registered.digest(OLD))
    said = f"003d{COMMIT} refs/heads/main\n".encode()
    return {
        "lock": ("lock.acquire", f"/gitslot/gitslot/locks/{APP}", {}, {}),
        "git": ("git.look", "/repository/git-upload-pack", {}, said),
        **{f"row {row}": ("golden.staging", "/api/predict", [[row]], [1]) for row in (1, 2)},
        "intent": ("journal.append.VerifyPassed+SwapStarted", JOURNAL, passed + started, b""),
        **{f"look {number}": call for number, call in enumerate(LOOK)},
        "swap": SWAP,
    }


def test_a_swap_by_the_rules_is_seen_as_one() -> None:
    """Every witness is heard, in the order of what happened."""
    entries = _account(*_swaps().values()).entries()
    assert not check(entries)
    told = [entry["operation"] for entry in entries if entry["operation"] != "arm-read"]
    assert told == [
        *("begin", "git-commit", "git-commit", "lock-taken", "git-looked", "proved", "journal"),
        *("write-sent", "swap-started", "swap-flipped"),
    ]
    assert entries[-1]["settings"]["production"]["COLOUR"] == "green"


@pytest.mark.parametrize(
    ("missing", "rule"),
    [("lock", "S6"), ("git", "S4"), ("row 2", "S2"), ("intent", "S10"), ("look 3", "S4")],
)
def test_what_was_left_out_breaks_its_rule(missing: str, rule: str) -> None:
    """A controller that skips a step is found out from the requests that it did not send."""
    calls = _swaps()
    del calls[missing]
    assert rule in {violation.rule for violation in check(_account(*calls.values()).entries())}


def test_a_swap_that_is_sent_twice_breaks_its_rule() -> None:
    """The second one takes production back."""
    found = check(_account(*_swaps().values(), SWAP).entries())
    assert "S3" in {violation.rule for violation in found}
