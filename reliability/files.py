"""
D4's states under files that say more than a version: drift that is only reported, a candidate
pinned to staging, a soak; beside swaps of other people's, and with what is remembered of all that.

The rules are written down a second time here, as in D4 itself: each says what is due.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from itertools import product

from gitslot.decide.decide import decide
from gitslot.state.decision import (
    Converged,
    Decision,
    Deploy,
    Note,
    Reset,
    Stalled,
    Swap,
    Verify,
    Waiting,
)
from gitslot.state.remembered import Attempts, LastSwap, Memory, SlotMemory
from gitslot.state.seen import Live, Seen
from gitslot.state.wanted import PRODUCTION, STAGING, App, Resolved, Wanted
from reliability.registered import release
from reliability.rig import QUICK
from reliability.scenarios import NEW, NEWER, OLD
from reliability.woken import NOW, PLAIN, live_of, memory_of

PRODUCTIONS = ("old", "new", "other", "empty", "old-silent", "new-silent")
STAGINGS = ("old", "new", "other", "pinned", "new-silent")
VERDICTS = ("none", "pass", "fail", "inconclusive")
PLATFORM = ("idle", "swapped", "operation", "prepared")
MEMORIES = (
    *("converged-old", "converged-new", "held", "hold-over", "soaking", "soak-over"),
    *("swapped-back", "intent-unknown"),
)
FILES: Mapping[str, App] = {
    "plain": PLAIN,
    "report": replace(PLAIN, drift="report"),
    "pin": replace(PLAIN, slots={**PLAIN.slots, STAGING: Wanted(NEWER)}),
    "soak": replace(PLAIN, soak_s=1800.0),
    "soak-pin": replace(PLAIN, soak_s=1800.0, slots={**PLAIN.slots, STAGING: Wanted(NEWER)}),
}
_WRITES = (Deploy, Swap, Reset)


@dataclass(frozen=True, slots=True)
class State:
    """One combination; Git asks for NEW, and a pin is NEWER."""

    file: str
    production: str
    staging: str
    verdict: str
    others: str
    platform: str
    memory: str

    @property
    def seed(self) -> str:
        words = (self.file, self.production, self.staging, self.verdict, self.others)
        return ",".join(("D4", "file", *words, self.platform, self.memory))

    @property
    def pinned(self) -> bool:
        return self.file.endswith("pin")

    @property
    def left(self) -> bool:
        """Say whether production had what is wanted, and is set to something else now."""
        had = self.memory not in ("converged-old", "swapped-back")
        return had and not self.production.startswith("new")

    @property
    def fails(self) -> bool:
        """Say whether production fails within its soak."""
        soaks = self.file.startswith("soak") and self.memory == "soaking"
        return soaks and self.production == "new-silent"


def states() -> Iterator[State]:
    """Give every combination; a verdict exists only where staging serves something."""
    for production, staging in product(PRODUCTIONS, STAGINGS):
        verdicts = VERDICTS if staging in ("old", "new", "pinned") else VERDICTS[:1]
        axes = (verdicts, ("equal", "differ"), PLATFORM, MEMORIES)
        for file, *rest in product(FILES, *axes):
            yield State(file, production, staging, *rest)


@cache
def _memory(kind: str) -> Memory:
    old, new = release(OLD), release(NEW)
    base = memory_of("converged-new")

    def brought(minutes: float) -> Memory:
        since = NOW - timedelta(minutes=minutes)
        return replace(base, last_swap=LastSwap(new, old, since=since))

    kinds = {
        "held": replace(base, hold_since=NOW - timedelta(minutes=1)),
        "hold-over": replace(base, hold_since=NOW - timedelta(minutes=10)),
        "soaking": brought(5),
        "soak-over": brought(60),
        "swapped-back": replace(
            base,
            converged=None,
            last_swap=LastSwap(old, new, back=True),
            slots={
                PRODUCTION: SlotMemory(
                    attempts=Attempts(new, reason="SwappedBack", message="x", refused=True)
                )
            },
        ),
    }
    return kinds[kind] if kind in kinds else memory_of(kind)


def _swapped(slot: Seen) -> Seen:
    assert slot.arm
    return replace(slot, arm=replace(slot.arm, swap_status="somebody's"))


@cache
def _live(
    production: str, staging: str, verdict: str, others: str, platform: str, *, pinned: bool
) -> Live:
    at = "idle" if platform == "swapped" else platform
    live = live_of(production, staging, verdict, others, "same-url", at)
    if platform == "swapped":
        live = live.having(_swapped(live.production), _swapped(live.staging))
    failing_s = 120.0 if production.endswith("silent") else 0.0
    return live.having(
        replace(live.production, failing_s=failing_s),
        replace(live.staging, wanted=Resolved(release(NEWER)) if pinned else None),
    )


def ask(state: State) -> Decision:
    """Return the decision in *state*."""
    where = (state.production, state.staging, state.verdict, state.others, state.platform)
    live = _live(*where, pinned=state.pinned)
    return decide(FILES[state.file], live, _memory(state.memory), NOW, QUICK)


def judge(state: State) -> str:
    """Return which rule the decision in *state* breaks, or ""."""
    decision = ask(state)
    if state.memory == "intent-unknown":
        ends = isinstance(decision, Converged) and decision.finishes is not None
        fine = ends or isinstance(decision, Note | Waiting)
        return "" if fine else "S3: an open intent allows nothing but to be resolved"
    if state.platform == "prepared":
        return _prepared(state, decision)
    if state.platform == "operation" and isinstance(decision, _WRITES):
        return "S4: an operation is in flight"
    if isinstance(decision, Deploy) and decision.slot != STAGING:
        return "S5: production is never a deploy target"
    if state.fails:
        return _soak(state, decision)
    if isinstance(decision, Swap) and decision.back:
        return "S3: swapped back, and nothing fails its soak"
    if state.production == "new":
        return _beside(state, decision)
    return _by_hand(state, decision) or _production(state, decision)


def _prepared(state: State, decision: Decision) -> str:
    """A swap that is not ours is prepared: said where it stands in the way of something wanted."""
    soaks = state.file == "soak-pin" and state.memory == "soaking"
    if state.production == "new" and (soaks or not state.pinned):
        return _beside(state, decision)
    named = isinstance(decision, Stalled) and decision.reason == "PreparedByPerson"
    down = state.production == "new-silent" and isinstance(decision, Stalled)
    return "" if named or down else f"S4: a swap is prepared, and not by us: {decision}"


def _soak(state: State, decision: Decision) -> str:
    """Back once, by one swap onto what is proved in this look; else it stays, and says so."""
    if state.platform == "operation":
        return "" if isinstance(decision, Waiting) else f"L1: an operation runs: {decision}"
    due: Decision | None = None
    if (state.staging, state.others) == ("old", "equal"):
        if state.verdict == "none":
            due = Verify(release(OLD))
        if state.verdict == "pass":
            fine = isinstance(decision, Swap) and decision.back and decision.release == release(OLD)
            return "" if fine else f"it was to go back: {decision}"
    if due is not None:
        return "" if decision == due else f"what goes back is not proved first: {decision}"
    fine = isinstance(decision, Stalled) and decision.reason == "SoakFailed"
    return "" if fine else f"S2: nothing is there to go back to: {decision}"


def _by_hand(state: State, decision: Decision) -> str:
    """What left production by no wish is held, reported, counted or healed."""
    reason = getattr(decision, "reason", "")
    held = isinstance(decision, Waiting) and reason == "ForeignSwap"
    if not state.left:
        told = held or reason in ("DriftReported", "SwapReverted")
        return f"a commit is taken for a hand: {decision}" if told else ""
    if state.file == "report":
        told = isinstance(decision, Stalled) and reason == "DriftReported"
        return "" if told else f"drift was to be reported alone: {decision}"
    if state.platform == "swapped":
        if state.memory != "hold-over":
            return "" if held else f"somebody's swap was to be held: {decision}"
        return "L1: the hold does not end" if held else ""
    if held:
        return "nobody has swapped"
    undone = state.production.startswith("old") and state.staging.startswith("new")
    counted = isinstance(decision, Note) and decision.event == "SwapReverted"
    same = state.platform == "idle"  # nobody's operation is about to change it
    if undone and same and not counted:
        return f"what the platform took back was to be counted: {decision}"
    return "" if undone or not counted else "the platform took nothing back"


def _production(state: State, decision: Decision) -> str:
    """Bring NEW to production, of which nothing else in the file says anything."""
    if isinstance(decision, Converged) and not decision.finishes:
        return "production does not serve it"
    if state.memory == "swapped-back" and isinstance(decision, _WRITES):
        return "L3: what was taken back is tried again"
    if state.production.startswith("new") and isinstance(decision, _WRITES):
        return "production is set to what is wanted already"
    if isinstance(decision, Deploy | Verify) and decision.release != release(NEW):
        return "S1: production comes first"
    if isinstance(decision, Swap):
        proved = (state.staging, state.verdict, state.others) == ("new", "pass", "equal")
        return "" if proved and decision.release == release(NEW) else "S2: swapped unproved"
    return ""


def _beside(state: State, decision: Decision) -> str:
    """Judge a decision once production is in sync: only a pin is left, after the soak."""
    if not state.pinned:
        return "" if isinstance(decision, Converged) else f"L2: production serves it: {decision}"
    if state.file == "soak-pin" and state.memory == "soaking":
        waits = isinstance(decision, Waiting) and decision.reason == "Soaking"
        return "" if waits else f"a candidate waits for the soak: {decision}"
    if state.platform == "operation":
        return "" if isinstance(decision, Waiting) else f"L1: an operation runs: {decision}"
    kind: type | tuple[type, ...] = Deploy
    if (state.staging, state.others) == ("pinned", "equal"):
        kind = {"none": Verify, "pass": Note, "fail": Note}.get(state.verdict, (Note, Waiting))
    if not isinstance(decision, kind):
        return f"L1: the candidate is not brought: {decision}"
    if getattr(decision, "release", release(NEWER)) != release(NEWER):
        return "S1: staging shall hold the candidate"
    counts = getattr(decision, "counts_for", STAGING)
    return "" if counts == STAGING else "its failures would count for production"
