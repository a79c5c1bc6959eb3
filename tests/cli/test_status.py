"""The rows of `gitslot status`: every stop in the words for state, with its exit code."""

import io
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from gitslot.cli import status as shown
from gitslot.cli.output import Output
from gitslot.cli.session import Session
from gitslot.decide.decide import decisions, foremost
from gitslot.record.event import Event
from gitslot.record.memory import went_back
from gitslot.record.payload import Payload
from gitslot.record.recent import Recent
from gitslot.report.status import Row, exit_code, rows
from gitslot.state.decision import (
    Converged,
    Decision,
    Deploy,
    Observation,
    Suspended,
    frozen,
    stalled,
    waiting,
)
from gitslot.state.policy import Policy
from gitslot.state.reasons import REASONS
from gitslot.state.remembered import Intent, LastSwap, Memory, SlotMemory
from gitslot.state.seen import Answer, Health, Live
from gitslot.state.wanted import PRODUCTION, App, Doubt, Refusal, Revision
from tests.report.looks import COMMIT, NOW, app, beside, live, memory, release, wanting

DEPLOY = Deploy(release("1.5.0"), package="", reason="OtherRelease", why="why")
SUSPENDED = Suspended("Suspended", {"message": "sam"}, REASONS["Suspended"].next)
NEWEST = Revision("c01d7e5" + "0" * 33, "sam", "change")


def seen(
    wanted: App | Doubt, look: Live | Doubt, remembered: Memory, decision: Decision | None = None
) -> Observation:
    """Return one observation, decided by the controller unless *decision* is given."""
    found = decisions(wanted, look, remembered, NOW, Policy())
    if decision:
        found = {PRODUCTION: decision}
    known = ("az-fct-python-ml", wanted, NEWEST, look, remembered)
    return Observation(*known, foremost(found), NOW, decisions=found)


def converged(to: str, before: str) -> Recent:
    """Return what is known after a swap that ended half an hour ago."""
    event = Event("Converged", "az-fct-python-ml", NOW - timedelta(minutes=30), revision=COMMIT)
    event = replace(event, slot=PRODUCTION, model="iris", detail=Payload(intent="i"))
    event = replace(event, from_=before, from_digest=release(before).digest)
    found = Recent()
    found.add(replace(event, to=to, to_digest=release(to).digest))
    return found


IN_SYNC = (app("1.5.0"), live("1.5.0", "1.4.0", "1.5.0"), memory("1.5.0", "1.4.0"))


def words(row: Row) -> tuple[str, str, str, str]:
    return row.serves, row.wanted, row.state, row.health


def test_in_sync_says_since_when_and_from_which_commit() -> None:
    """Production in sync names the commit that brought it, and what a rollback costs."""
    found = seen(*IN_SYNC)
    production, staging = rows(found, converged("1.5.0", "1.4.0"))
    assert words(production) == ("1.5.0", "1.5.0", "Synced", "Healthy")
    assert production.rollback == "ready, 1 swap"
    assert (production.since, production.commit) == (NOW - timedelta(minutes=30), COMMIT)
    assert words(staging) == ("1.4.0", "", "", "Healthy")
    assert exit_code(found) == 0


def test_a_soak_says_until_when_production_is_watched() -> None:
    """In sync, and not yet left to itself."""
    swapped = LastSwap(release("1.5.0"), release("1.4.0"), since=NOW)
    soaking = replace(memory("1.5.0", "1.4.0"), last_swap=swapped)
    found = seen(replace(app("1.5.0"), soak_s=600.0), IN_SYNC[1], soaking)
    production = rows(found, Recent())[0]
    assert (production.state, production.reason, exit_code(found)) == ("Synced", "Soaking", 0)
    assert "14:12:11Z" in production.message


def test_a_production_that_was_swapped_back_is_healthy_and_offers_no_way_back_to_it() -> None:
    """Stalled, exit code 1; staging holds what failed, which is no rollback."""
    back = went_back(memory("1.5.0", "1.4.0"), release("1.4.0"), release("1.5.0"))
    found = seen(app("1.5.0"), live("1.4.0", "1.5.0", "1.5.0"), back)
    production = rows(found, Recent())[0]
    assert words(production) == ("1.4.0", "1.5.0", "Stalled", "Healthy")
    assert (production.reason, production.rollback, exit_code(found)) == ("SwappedBack", "", 1)
    assert "gitslot rollback" in production.message and "gitslot retry" in production.message


def test_a_rollback_that_lost_its_copy_is_not_called_ready() -> None:
    """Staging that serves anything else makes the way back a deploy."""
    found = seen(app("1.5.0"), live("1.5.0", "1.6.0", "1.5.0"), memory("1.5.0", "1.4.0"))
    assert rows(found, Recent())[0].rollback == "needs a deploy"


def test_a_swap_that_this_look_proves_over_already_has_its_rollback() -> None:
    """Between the swap's end and its Converged the row does not flicker."""
    intent = Intent("i", "r", NOW, release("1.5.0"), release("1.4.0"), "d", "", "", "", "")
    found = seen(app("1.5.0"), IN_SYNC[1], memory("1.4.0"), Converged("x", finishes=intent))
    assert rows(found, Recent())[0].rollback == "ready, 1 swap"


@pytest.mark.parametrize(
    ("decision", "state", "health", "code"),
    [
        (waiting(Doubt("VerifyInconclusive", "held")), "Progressing", "Healthy", 1),
        (stalled(Refusal("GoldenRowsFailed", "no")), "Stalled", "Healthy", 1),
        (frozen(Doubt("RefGone", "gone")), "Frozen", "Healthy", 2),
        (SUSPENDED, "Suspended", "Healthy", 1),
        (DEPLOY, "Progressing", "Healthy", 1),
    ],
)
def test_every_stop_has_its_words(decision: Decision, state: str, health: str, code: int) -> None:
    """The table of stops, row by row; the reason and its message come along."""
    look = live("1.4.0", "1.3.0", "1.5.0")
    found = seen(app("1.5.0"), look, memory("1.4.0", "1.3.0"), decision)
    production = rows(found, Recent())[0]
    assert (production.state, production.health, exit_code(found)) == (state, health, code)
    assert production.message
    assert production.reason


def test_git_in_doubt_still_shows_what_is_served() -> None:
    """Frozen: what is wanted is unknown, what is served is not."""
    doubt = Doubt("GitUnreachable", "cannot read it")
    look = IN_SYNC[1]
    found = seen(doubt, look.having(replace(look.production, wanted=None)), IN_SYNC[2])
    expected = ("1.5.0", "?", "Frozen", "Healthy")
    assert (words(rows(found, Recent())[0]), exit_code(found)) == (expected, 2)


@pytest.mark.parametrize("newer", [False, True])
def test_what_the_controller_gave_up_on_is_not_shown_as_waiting(newer: bool) -> None:
    """It saw for how long production has been down; a newer commit takes its `git revert` away."""
    look = IN_SYNC[1]
    down = look.having(replace(look.production, health=Health(Answer.SILENT)))
    line = f"git revert {(COMMIT if newer else NEWEST.commit)[:7]} && git push"
    told = ("Stalled", "ProductionDegraded", f"production does not serve it; `{line}` goes back")
    remembered = replace(memory("1.5.0", "1.4.0"), stop=told, next=line)
    found = seen(app("1.5.0"), down, remembered)
    production = rows(found, Recent())[0]
    assert (production.health, production.reason) == ("Degraded", "ProductionDegraded")
    expected = "gitslot rollback az-fct-python-ml && git push" if newer else line
    assert production.mend == expected and f"`{expected}`" in production.message


def test_a_candidate_that_fails_in_staging_leaves_productions_row_in_sync() -> None:
    """The stall stands in staging's row; the exit code still says that not all is done."""
    look = live("1.5.0", "1.4.0", "1.5.0", "1.6.0")
    look = look.having(replace(look.staging, wanted=Refusal("UnknownVersion", "no 1.6.0")))
    found = seen(app("1.5.0", "1.6.0"), look, memory("1.5.0", "1.4.0"))
    production, staging = rows(found, Recent())
    assert (production.state, production.health) == ("Synced", "Healthy")
    assert words(staging) == ("1.4.0", "1.6.0", "Stalled", "Healthy")
    assert (staging.reason, exit_code(found)) == ("UnknownVersion", 1)


def test_staging_without_a_model_is_not_degraded() -> None:
    """After a first install it is empty, and that is fine."""
    found = seen(app("1.5.0"), live("1.5.0", None, "1.5.0"), memory("1.5.0"))
    assert words(rows(found, Recent())[1]) == ("nothing", "", "", "")


CANARY = wanting(app("1.5.0"), canary="1.6.0")


def test_a_further_slot_has_a_row_of_its_own() -> None:
    """In sync once it serves what it has proved."""
    look = beside(IN_SYNC[1], "canary", serves="1.6.0")
    health = look.slots["canary"].health
    proved = {"canary": SlotMemory(proved=(health.deploy, health.digest))}
    remembered = replace(IN_SYNC[2], slots=proved)
    found = seen(CANARY, look, remembered)
    assert [(row.slot, *words(row)) for row in rows(found, Recent())] == [
        ("production", "1.5.0", "1.5.0", "Synced", "Healthy"),
        ("staging", "1.4.0", "", "", "Healthy"),
        ("canary", "1.6.0", "1.6.0", "Synced", "Healthy"),
    ]
    assert exit_code(found) == 0


def test_a_further_slot_on_its_way_leaves_productions_row_in_sync() -> None:
    """What is about to be done to it stands in its own row."""
    found = seen(CANARY, beside(IN_SYNC[1], "canary"), IN_SYNC[2])
    production, _, canary = rows(found, Recent())
    assert words(production) == ("1.5.0", "1.5.0", "Synced", "Healthy")
    assert words(canary) == ("1.4.0", "1.6.0", "Progressing", "Healthy")
    assert canary.message == "next: deploy iris 1.6.0 to canary (canary is set to 1.4.0)"
    assert (production.message, exit_code(found)) == ("", 1)


def test_each_further_slot_says_its_own_reason() -> None:
    """Though the app stops for one of them."""
    look = beside(IN_SYNC[1], "canary", "blue")
    canary = replace(look.slots["canary"], unread=Refusal("SlotMissing", "create it"))
    blue = replace(look.slots["blue"], wanted=Refusal("UnknownVersion", "no 1.6.0"))
    wants = wanting(app("1.5.0"), canary="1.6.0", blue="1.6.0")
    found = seen(wants, look.having(canary, blue), IN_SYNC[2])
    production, _, *others = rows(found, Recent())
    assert (production.state, production.reason) == ("Synced", "")
    assert [(*words(row), row.reason) for row in others] == [
        ("nothing", "1.6.0", "Stalled", "", "SlotMissing"),
        ("1.4.0", "1.6.0", "Stalled", "Healthy", "UnknownVersion"),
    ]
    assert exit_code(found) == 1


def test_a_release_under_way_is_productions_row_and_not_the_canarys() -> None:
    """A slot that serves the wanted version stays in sync meanwhile."""
    look = beside(live("1.4.0", "1.3.0", "1.5.0"), "canary", serves="1.6.0")
    production, _, canary = rows(seen(CANARY, look, memory("1.4.0", "1.3.0")), Recent())
    assert (production.state, production.health) == ("Progressing", "Healthy")
    assert words(canary) == ("1.6.0", "1.6.0", "Synced", "Healthy")


# ---------------------------------------------------------------- how it looks


def printed(found: Observation, output: Output = Output.TABLE) -> str:
    session = Session(environ={}, out=io.StringIO(), err=io.StringIO(), now=lambda: NOW)
    shown.show(session, shown.View(rows(found, converged("1.5.0", "1.4.0")), (), 0), output)
    assert isinstance(session.out, io.StringIO)
    return session.out.getvalue()


def test_the_table_is_aligned_and_free_of_colour_off_a_terminal() -> None:
    """Columns of product documentation, a dash where there is nothing to say."""
    assert printed(seen(*IN_SYNC)).splitlines() == [
        "APP               SLOT        SERVES  WANTED  HEALTH   STATE   ROLLBACK       SINCE     "
        "COMMIT",
        "az-fct-python-ml  production  1.5.0   1.5.0   Healthy  Synced  ready, 1 swap  13:32:11  "
        "9f3c2ab",
        "az-fct-python-ml  staging     1.4.0   -       Healthy  -       -              -         -",
    ]


def test_json_says_null_where_nothing_is_known() -> None:
    """No dash, no question mark for a program to trip over."""
    production, staging = json.loads(printed(seen(*IN_SYNC), Output.JSON))
    assert (production["commit"], production["since"]) == (COMMIT, "2026-11-22T13:32:11.000Z")
    assert (staging["wanted"], staging["rollback"]) == (None, None)


def test_a_hostile_version_in_a_slots_answer_is_escaped() -> None:
    """What a slot says of itself is text from outside."""
    look = IN_SYNC[1]
    health = replace(look.staging.health, version="\x1b]0;pwned\x07\n9")
    found = seen(app("1.5.0"), look.having(replace(look.staging, health=health)), IN_SYNC[2])
    text = printed(found)
    assert "\x1b" not in text and "\x07" not in text
    assert len(text.splitlines()) == 3
