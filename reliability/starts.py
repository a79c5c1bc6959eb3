"""
D4: every state that a controller can wake up in: slots, settings, code, operation, memory, Git.

`decide` is pure, so all of them are asked for their one decision, which is held against rules that
are written down here a second time, from the design and not from the code. A sample is built for
real and run until it comes to rest.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

from gitslot.record.event import Event
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
from gitslot.state.wanted import PRODUCTION, STAGING
from reliability import files, registered
from reliability.checker import Violation
from reliability.cloud import APP
from reliability.runs import Case, Run, play
from reliability.scenarios import CANARY, NEW, NEWER, OLD, Scene, open_scene, want, write
from reliability.woken import (
    BESIDE,
    CODES,
    MEMORIES,
    OTHERS,
    PLATFORM,
    PRODUCTIONS,
    STAGINGS,
    VERDICTS,
    VERSIONS,
    WISHES,
    State,
    ask,
    memory_of,
    release,
)

SEED = 20261122
SHORT, LONG = 120, 2000


# ---------------------------------------------------------------- the rules, a second time


def judge(state: State) -> str:
    """Return which rule the decision in *state* breaks, or ""."""
    decision = ask(state)
    if ask(state) != decision:
        return "I2: asked twice, it says two things"
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


def states() -> Iterator[State]:
    """Give every combination; a verdict exists only for a staging that serves the release."""
    for production, staging in product(PRODUCTIONS, STAGINGS):
        verdicts = VERDICTS if staging == "new" else VERDICTS[:1]
        axes = (verdicts, OTHERS, CODES, PLATFORM, MEMORIES, WISHES)
        for verdict, others, code, platform, memory, wish in product(*axes):
            yield State(production, staging, verdict, others, code, platform, memory, wish)
    calm = (("same-url", "no-url-differs"), PLATFORM, MEMORIES, ("git", "suspended"), BESIDE)
    for production, staging in product(("old", "new", "new-silent", "empty"), ("old", "new")):
        for code, platform, memory, wish, beside in product(*calm):
            verdict = "pass" if staging == "new" else "none"
            yield State(production, staging, verdict, "equal", code, platform, memory, wish, beside)


def _judged(judging: Callable[[], str]) -> Run:
    wrong = judging()
    rule, _, message = wrong.partition(": ")
    found = [Violation(rule, 0, message)] if wrong else []
    return Run(None, found, [], 0, 1, 0)


# ---------------------------------------------------------------- for real


@dataclass(frozen=True, slots=True)
class Start:
    """A start state that is built on the emulator."""

    production: str
    staging: str
    others: str
    code: str
    memory: str
    lock: str

    @property
    def seed(self) -> str:
        words = (self.production, self.staging, self.others, self.code, self.memory, self.lock)
        return ",".join(("D4", "run", *words))


def starts() -> list[Start]:
    """Return every start state that can be built."""
    axes = (
        ("old", "new", "other", "empty", "edited"),
        ("old", "new", "other", "empty", "crash", "edited"),
        OTHERS,
        ("same-url", "other-url"),
        ("converged-old", "converged-new", "attempted", "lost"),
        ("free", "dead"),
    )
    return [Start(*values) for values in product(*axes)]


def build(start: Start) -> Scene:
    """Build *start* on the emulator; Git asks for NEW."""
    scene = open_scene(
        _real(start.production, PRODUCTION, start), _real(start.staging, STAGING, start)
    )
    cloud = scene.cloud
    first = cloud.git.want(OLD)
    if start.memory != "lost":
        version = NEW if start.memory == "converged-new" else OLD
        write(scene, _converged(scene, version, first.name))
    if start.memory == "attempted":
        failed = _converged(scene, NEW, first.name)
        detail = {"deploy": "d-x"}
        write(scene, replace(failed, event="VerifyFailed", id="f", verdict="fail", detail=detail))
    if start.lock == "dead":
        lease = cloud.blobs.acquire(f"locks/{APP}")
        assert lease is not None
        cloud.blobs.touch(f"locks/{APP}", lease, {"holder": "gone"})
    return want(scene, NEW)


def _real(kind: str, slot: str, start: Start) -> dict[str, str]:
    code = "c2" if slot == STAGING and start.code == "other-url" else "c1"
    version = VERSIONS.get(kind, NEW)
    settings = registered.settings(version, f"d-{slot}", code)
    if kind == "empty":
        settings = {"WEBSITE_RUN_FROM_PACKAGE": registered.package_url(code)}
    if kind == "edited":
        settings["MODEL_VERSION"] = OLD
    if kind == "crash":
        settings["MODEL_NAME"] = "nothing"
    settings["THEIRS"] = slot if start.others == "differ" else "same"
    return settings


def _converged(scene: Scene, version: str, commit: str) -> Event:
    return Event(
        "Converged",
        APP,
        scene.cloud.now(),
        id="baseline",
        slot=PRODUCTION,
        model=registered.MODEL,
        to=version,
        to_digest=registered.digest(version),
        revision=commit,
        detail={"swap_status": ""},
    )


def run(start: Start) -> Run:
    """Run from *start* until it comes to rest: on the new release, or frozen where that is due."""

    def begin() -> Scene:
        scene = build(start)
        empty = (start.production, start.staging) == ("empty", "empty")
        if start.memory == "lost" and not empty:
            scene.stop = Frozen
            scene.wants = scene.cloud.serves()
        return scene

    return play(begin, {})


def cases(*, long: bool = False) -> Iterator[Case]:
    """Give every state for its decision, and a sample of start states for real."""
    for state in states():
        yield state.seed, partial(_judged, partial(judge, state))
    for each in files.states():
        yield each.seed, partial(_judged, partial(files.judge, each))
    chance = random.Random(SEED)
    real = starts()
    for start in chance.sample(real, min(LONG if long else SHORT, len(real))):
        yield start.seed, partial(run, start)
