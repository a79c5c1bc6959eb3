"""Every start state, every fault: a pass ends, a swap is sent once, and in the end it converges."""

from itertools import product

import pytest

from gitslot.state.decision import Converged, Stalled, Stop
from gitslot.state.policy import Policy
from gitslot.state.seen import Answer
from gitslot.state.wanted import PRODUCTION, STAGING
from tests.model import Lab, release

SLOTS = ("empty", "old", "new", "other", "new-silent", "old-silent", "new-edited", "new-bare")
MEMORY = ("none", "converged-old", "converged-new", "attempted")
SWAPS = ("ok", "lost", "lost-before", "busy", "busy-ours", "refused", "reverted", "fails")
FAULTS = (*SWAPS[1:], "not sent", "prepared")
QUICK = Policy(poll_s=30.0)  # as many looks as it takes, and no more
PUTS = ("ok", "lost", "lost-before", "refused", "busy")


def fill(lab: Lab, slot: str, state: str) -> None:
    """Bring *slot* into *state*."""
    kind, _, how = state.partition("-")
    if kind == "empty":
        return
    version = {"old": "1.4.0", "new": "1.5.0", "other": "1.3.0"}[kind]
    lab.azure.serve(slot, version, f"before-{slot}")
    if how == "silent" and kind == "old":
        lab.azure.broken[version] = Answer.SILENT
    if how == "silent" and kind == "new":
        lab.azure.silent.add(slot)
    if how == "edited":
        lab.azure.slots[slot].settings["THEIRS"] = slot
    if how == "bare":
        del lab.azure.slots[slot].settings["WEBSITE_SWAP_WARMUP_PING_PATH"]


def open_lab(production: str, staging: str, memory: str) -> Lab:
    """Return a world in that state, in which Git wants 1.5.0."""
    lab = Lab(policy=QUICK)
    if memory.startswith("converged"):
        lab.converge({"old": "1.4.0", "new": "1.5.0"}[memory.partition("-")[2]])
    if memory == "attempted":
        lab.converge("1.4.0")
        lab.azure.put_answers = ["refused"]
        lab.want("1.5.0")
        lab.run()
        lab.events.clear()
    lab.azure.slots[PRODUCTION].settings.clear()
    lab.azure.slots[STAGING].settings.clear()
    fill(lab, PRODUCTION, production)
    fill(lab, STAGING, staging)
    lab.azure.effective = lab.azure.swaps = lab.azure.puts = 0
    lab.want("1.5.0")
    lab.restart()
    return lab


def bounded(lab: Lab, passes: int) -> Stop:
    """Run *passes* of them, each of which must end, and check what holds in every one."""
    stop: Stop | None = None
    for _ in range(passes):
        began, events, intent = lab.clock.seconds, len(lab.events), lab.memory.intent
        posts = lab.azure.swaps
        stop = lab.run()
        assert lab.clock.seconds - began < lab.policy.pass_s + 30
        assert len(lab.events) - events < 60
        started = sum(e.event == "SwapStarted" for e in lab.events[events:])
        assert lab.azure.swaps - posts <= started, "a POST without an intent of its own"
        if intent and lab.memory.intent and lab.memory.intent.id == intent.id:
            assert lab.azure.swaps == posts, "a write while an intent was open"
        if isinstance(stop, Converged) and lab.memory.intent is None:
            break
        lab.clock.sleep(60)
    assert stop is not None
    return stop


@pytest.mark.parametrize("memory", MEMORY)
def test_every_pair_of_slots_converges_or_says_why(memory: str) -> None:
    """From all states of both slots: 1.5.0 is served in the end, by at most one swap."""
    for production, staging in product(SLOTS, SLOTS):
        lab = open_lab(production, staging, memory)
        stop = bounded(lab, 25)
        where = f"{production} {staging} {memory}: {stop}, {lab.reasons()}"
        if memory == "none" and (production, staging) != ("empty", "empty"):
            assert getattr(stop, "reason", "") == "JournalLost", where
            assert lab.azure.puts + lab.azure.swaps == 0, where
            continue
        if production == "new-silent":
            assert isinstance(stop, Stalled), where
            assert lab.azure.swaps + lab.azure.puts == 0, where
            continue
        if staging.endswith("silent") and not isinstance(stop, Converged):
            assert lab.azure.swaps == 0, where
            continue  # it never answered: no swap, and deploys only as attempts allow
        assert isinstance(stop, Converged), where
        assert lab.serves() == "1.5.0", where
        assert lab.azure.swaps <= 1, where


@pytest.mark.long
@pytest.mark.parametrize("put", PUTS)
@pytest.mark.parametrize("restart", [False, True])
def test_every_pair_of_faults_ends_on_the_new_release(put: str, restart: bool) -> None:
    """Two faulty swaps in a row, a faulty deploy, a restart after each pass: never swapped back."""
    for first, second in product(FAULTS, FAULTS):
        lab = Lab(policy=QUICK)
        lab.converge("1.4.0")
        lab.azure.put_answers = [put]
        lab.azure.swap_answers = [first, second]
        lab.want("1.5.0")
        served_new = False
        for _ in range(90):
            stop = lab.run()
            served_new = served_new or lab.serves() == "1.5.0"
            assert not (served_new and lab.serves() == "1.4.0"), (first, second)
            if isinstance(stop, Converged):
                break
            if restart:
                lab.restart()
            lab.clock.sleep(60)
        where = f"{first}, {second}, put {put}: {stop}, {lab.reasons()}"
        if isinstance(stop, Stalled):  # three failures in a row are allowed to stall
            failed = [e for e in lab.events if e.verdict in ("fail", "inconclusive")]
            assert len(failed) >= 3, where
            continue
        assert isinstance(stop, Converged), where
        assert lab.azure.effective == 1, where


@pytest.mark.parametrize("then", ["1.4.0", "1.6.0"])
def test_a_newer_commit_at_any_moment_wins(then: str) -> None:
    """Git moves on at every single look of a bump: the newest is served, and nothing flaps."""
    for moment in range(1, 60):
        lab = Lab(policy=QUICK)
        lab.converge("1.4.0")
        lab.want("1.5.0")
        newest, seen = lab.git.newest, [0]

        def moving(moment: int = moment, lab: Lab = lab, newest=newest, seen=seen) -> object:  # type: ignore[no-untyped-def]
            seen[0] += 1
            if seen[0] == moment:
                lab.want(then)
            return newest()

        lab.git.newest = moving  # type: ignore[method-assign, assignment]
        for _ in range(12):
            stop = lab.run()
            lab.clock.sleep(60)
        if seen[0] < moment:
            return
        assert isinstance(stop, Converged), moment
        assert lab.serves() == then, moment
        assert lab.azure.effective <= 2, moment


def test_a_restart_at_every_append_changes_nothing() -> None:
    """Killed right after any event: one swap, and the new release."""

    class Killed(BaseException):
        """The process is gone."""

    for nth in range(1, 12):
        lab = Lab(policy=QUICK)
        lab.converge("1.4.0")
        lab.want("1.5.0")
        append, count = lab.blobs.append, [0]

        def killing(name: str, data: bytes, at: int, nth=nth, append=append, count=count) -> None:  # type: ignore[no-untyped-def]
            append(name, data, at)
            count[0] += 1
            if count[0] == nth:
                raise Killed

        lab.blobs.append = killing  # type: ignore[method-assign, assignment]
        for _ in range(60):
            try:
                if isinstance(lab.run(), Converged) and count[0] >= nth:
                    break
            except Killed:
                lab.restart()
            lab.clock.sleep(60)
        assert lab.serves() == "1.5.0", nth
        assert lab.azure.effective == 1, nth


@pytest.mark.parametrize("answer", [Answer.UNHEALTHY, Answer.SILENT])
def test_a_bad_version_never_reaches_production(answer: Answer) -> None:
    """From every state of the slots, whatever it says instead of serving."""
    for production, staging in product(("old", "other"), ("empty", "old", "other", "old-silent")):
        lab = open_lab(production, staging, "converged-old")
        lab.azure.broken = {"1.5.0": answer}
        stop = bounded(lab, 60)
        assert isinstance(stop, Stalled), (production, staging, stop)
        assert lab.azure.swaps == 0
        assert lab.azure.puts <= 3
        assert lab.azure.slots[PRODUCTION].settings["MODEL_VERSION"] != release("1.5.0").setting
