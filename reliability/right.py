"""
What is right in the states of D4: the rules of a decision, written down a second time from the
design and not from the code.
"""

from collections.abc import Mapping
from dataclasses import replace

from gitslot.state.decision import (
    Converged,
    Decision,
    Deploy,
    Frozen,
    Note,
    Reset,
    Stalled,
    Suspended,
    Swap,
    Verify,
    Waiting,
)
from reliability import registered
from reliability.registered import release
from reliability.scenarios import CANARY, NEW, NEWER
from reliability.woken import State, ask, memory_of


def judge(state: State, decision: Decision) -> str:
    """Return which rule *decision* breaks in *state*, or ""."""
    if state.beside and (wrong := _never_blocking(state, decision)) is not None:
        return wrong
    return (
        _held_back(state, decision)
        or _swap(state, decision)
        or _deploy(state, decision)
        or _moves_on(state, decision)
    )


_WRITES = (Deploy, Swap, Reset)


def _held_back(state: State, decision: Decision) -> str:
    intent = state.memory.startswith("intent")
    if intent:
        fine = isinstance(decision, Note | Waiting) or (
            isinstance(decision, Converged) and decision.finishes is not None
        )
        return "" if fine else "S3: an open intent allows nothing but to be resolved"
    if state.wish == "doubt":
        return "" if isinstance(decision, Frozen) else "S4: Git is in doubt"
    occupied = any(not slot.startswith("empty") for slot in (state.production, state.staging))
    if state.memory.startswith("lost") and occupied:
        held = isinstance(decision, Frozen | Waiting)
        return "" if held else "S4: the journal is lost while a slot serves"
    if state.wish == "suspended":
        return "" if isinstance(decision, Suspended) else "somebody asked for hands off"
    if isinstance(decision, (*_WRITES, Verify)) and state.memory == "throttled":
        return "L5: ARM asked to wait"
    if isinstance(decision, _WRITES):
        if isinstance(decision, Deploy) and state.memory == "never-arrived":
            return "L3: a deploy that never arrived is not counted"
        if state.platform == "operation":
            return "S4: an operation is in flight"
        ours = state.memory.startswith("swap-failed") and isinstance(decision, Reset)
        if state.platform == "prepared" and not ours:
            return "S4: a swap is prepared, and not by us"
        if state.platform in ("stopped", "sticky-release"):
            return "a slot is stopped, or a swap would leave the release behind"
    if isinstance(decision, Reset) and not state.memory.startswith("swap-failed"):
        return "a reset of what is not ours"
    return ""


_DUE: Mapping[str, type] = {
    "settled": Converged,
    "other": Deploy,
    "missing": Stalled,
    "unknown": Stalled,
    "spent": Stalled,
    "unread": Waiting,
    "lost": Waiting,
    "proved": Note,
}


def _never_blocking(state: State, decision: Decision) -> str | None:
    """
    Say what is wrong beside a further slot; None where it is about production and staging alone.

    What is decided is what would be without it, unless nothing at all would be left to do.
    """
    alone = ask(replace(state, beside=""))
    if not isinstance(alone, Converged) or alone.finishes:
        same = _numberless(decision) == _numberless(alone)
        return None if same else f"a further slot changed {alone} into {decision}"
    kind = _DUE[state.beside]
    held = state.platform == "operation" and kind in (Deploy, Note)
    if held or (state.memory == "throttled" and kind is Deploy):
        kind = Waiting
    if not isinstance(decision, kind):
        return f"the canary is {state.beside}: {decision}"
    place = getattr(decision, "slot", "")
    if isinstance(decision, Deploy | Verify | Note) and place != CANARY:
        return f"S5: {decision} is for {place}"
    if isinstance(decision, Deploy) and decision.release != release(NEWER):
        return "S1: deployed what is not wanted"
    return ""


def _numberless(decision: Decision) -> Decision:
    """Return *decision* without the number that tells a deploy from all those before it."""
    return replace(decision, attempt=0) if isinstance(decision, Deploy) else decision


def _swap(state: State, decision: Decision) -> str:
    if not isinstance(decision, Swap):
        return ""
    if (state.staging, state.verdict) != ("new", "pass"):
        return "S2: swapped without the golden rows of this look"
    if state.production.startswith("new"):
        return "production is set to what is wanted already"
    if state.others == "differ":
        return "S11: the swap would change other settings"
    mute = state.production.endswith(("silent", "foreign", "blocked"))
    if state.code == "no-url-differs" and not mute:  # a silent slot cannot say which code it runs
        return "S11: the swap would change the code"
    if state.code == "other-url" and not _waiting(state):
        return "S11: the swap would bring code that nobody named"
    if state.memory in ("attempted", "spent", "refused"):
        return "L3: swapped what has been disproved"
    return ""


def _waiting(state: State) -> bool:
    """Staging holds what the last swap took out, so its own code is right."""
    last = memory_of(state.memory).last_swap
    return last is not None and last.replaced == release(NEW)


def _deploy(state: State, decision: Decision) -> str:
    if not isinstance(decision, Deploy):
        return ""
    if decision.release != release(NEW):
        return "S1: deployed what is not wanted"
    if state.production.startswith("new"):
        return "production is set to what is wanted already"
    if state.memory in ("spent", "refused"):
        return "L3: deployed what has been given up"
    if (
        state.code == "no-url-differs"
        and not state.staging.endswith(("silent", "foreign", "blocked"))
        and not state.production.endswith(("silent", "foreign", "blocked"))
    ):
        return "the slots run different code that no URL names"
    want_code = "" if state.code.startswith("no-url") else registered.package_url("c1")
    if decision.package != want_code and not _waiting(state):
        return "S11: deployed with code that is not production's"
    return ""


def _taken_back(state: State) -> bool:
    """The last swap is undone, and nobody has swapped since: that was the platform."""
    before = state.production.startswith("old") and state.staging.startswith("new")
    return state.memory == "converged-new" and before


def _moves_on(state: State, decision: Decision) -> str:
    """In a world without obstacles something happens, and Converged means that it is served."""
    said = isinstance(decision, Note) and decision.event == "SwapReverted"
    if said and not (_taken_back(state) or state.memory.startswith("intent")):
        return "it is said that the platform took a swap back, and it did not"
    if isinstance(decision, Converged) and not decision.finishes:
        if not state.production.startswith("new"):
            return "404 means converged?"
        return ""
    calm = (
        state.wish == "git"
        and state.platform == "idle"
        and state.memory in ("converged-old", "converged-new")
        and state.code in ("same-url", "no-url")
    )
    if calm and state.production == "old" and state.staging in ("old", "other", "empty"):
        return "" if isinstance(decision, Deploy) else f"L1: nothing is deployed: {decision}"
    if calm and (state.production, state.staging, state.others) == ("old", "new", "equal"):
        kinds = {"none": Verify, "pass": Swap, "fail": Note}
        kind = Note if _taken_back(state) else kinds.get(state.verdict, Waiting | Note)
        return "" if isinstance(decision, kind) else f"L1: not {state.verdict}: {decision}"
    if calm and state.production == "new" and not isinstance(decision, Converged):
        return f"L2: production serves it: {decision}"
    return ""
