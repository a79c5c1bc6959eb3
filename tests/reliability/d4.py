"""
D4: every state that a controller can wake up in: slots, settings, code, operation, memory, Git.

`decide` is pure, so all of them are asked for their one decision, which is held against rules that
are written down here a second time, from the design and not from the code. A sample is built for
real and run until it comes to rest.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache, partial
from itertools import product

from controller import align
from controller.decide import decide
from controller.events import Event
from controller.state import (
    PRODUCTION,
    STAGING,
    Answer,
    App,
    Arm,
    Attempts,
    Converged,
    Decision,
    Deploy,
    Doubt,
    Frozen,
    Further,
    Health,
    Intent,
    LastSwap,
    Live,
    Mark,
    Memory,
    Note,
    OpenDeploy,
    Place,
    Refusal,
    Release,
    Reset,
    Resolved,
    SlotLive,
    Stalled,
    Suspended,
    Swap,
    Verdict,
    Verify,
    Waiting,
    Wanted,
)
from tests.reliability import registered
from tests.reliability.checker import Violation
from tests.reliability.cloud import APP, START
from tests.reliability.rig import QUICK
from tests.reliability.runs import Case, Run, play
from tests.reliability.scenarios import (
    CANARY,
    NEW,
    NEWER,
    OLD,
    OLDEST,
    Scene,
    open_scene,
    want,
    write,
)

SEED = 20261122
SHORT, LONG = 120, 2000
NOW = START + timedelta(days=1)

# What a slot is set to, and how it answers. "other" is a release that nobody asks for.
PRODUCTIONS = (
    *("old", "new", "other", "empty", "old-silent", "new-silent", "old-foreign", "new-blocked"),
    *("empty-foreign", "new-starting"),
)
STAGINGS = (
    *("old", "new", "other", "empty", "new-silent", "new-unhealthy", "new-final", "new-foreign"),
    *("new-blocked", "new-starting", "old-silent"),
)
VERDICTS = ("none", "pass", "fail", "inconclusive")
OTHERS = ("equal", "differ")
CODES = ("same-url", "other-url", "no-url", "no-url-differs")
PLATFORM = ("idle", "operation", "prepared", "stopped", "sticky-release")
MEMORIES = (
    *("converged-old", "converged-new", "attempted", "spent", "refused", "intent-unsaid"),
    *("intent-unknown", "intent-located", "intent-busy", "swap-failed", "lost", "lost-told"),
    "swap-failed-long-ago",
)
WISHES = ("git", "doubt", "suspended")
# A further slot: how it stands, and what the journal says of it. Asked where others may write.
BESIDE = ("settled", "other", "missing", "unread", "unknown", "spent", "lost", "proved")
_VERSIONS = {"old": OLD, "new": NEW, "other": OLDEST}


@dataclass(frozen=True, slots=True)
class State:
    """One combination of all axes."""

    production: str
    staging: str
    verdict: str
    others: str
    code: str
    platform: str
    memory: str
    wish: str
    beside: str = ""

    @property
    def seed(self) -> str:
        words = (self.production, self.staging, self.verdict, self.others, self.code)
        last = (self.wish, self.beside) if self.beside else (self.wish,)
        return ",".join(("D4", *words, self.platform, self.memory, *last))


@cache
def release(version: str) -> Release:
    """Return a registered release."""
    return Release(registered.MODEL, version, registered.digest(version))


# ---------------------------------------------------------------- building a state


def _package(slot: str, code: str) -> str:
    if code.startswith("no-url"):
        return ""
    return registered.package_url("c2" if slot == STAGING and code == "other-url" else "c1")


@cache
def _slot(name: str, state: str, others: str, code: str, platform: str) -> SlotLive:
    kind, _, how = state.partition("-")
    settings: dict[str, str] = dict(align.WARMUP_SETTINGS)
    package = _package(name, code)
    if package:
        settings["WEBSITE_RUN_FROM_PACKAGE"] = package
    version = _VERSIONS.get(kind, "")
    if version:
        settings |= {
            "MODEL_NAME": registered.MODEL,
            "MODEL_VERSION": release(version).setting,
            "MODEL_DEPLOY": f"d-{name}",
            "MODEL_STORE": registered.STORE,
        }
    settings["THEIRS"] = name if others == "differ" else "same"
    build = f"{package or code if name == STAGING else package or 'no-url'}"
    arm = Arm(
        host=name,
        deployment_id=f"content-{name}",
        swap_status="",
        state="Stopped" if platform == "stopped" and name == STAGING else "Running",
        configured=align.configured(settings),
        settings=settings,
        sticky=frozenset({"MODEL_VERSION"} if platform == "sticky-release" else ()),
        operation="op" if platform == "operation" else "",
        prepared=PRODUCTION if platform == "prepared" and name == STAGING else "",
    )
    return SlotLive(name, _health(name, version, how, build), arm)


def _health(name: str, version: str, how: str, build: str) -> Health:
    plain = {"silent": Answer.SILENT, "foreign": Answer.FOREIGN, "blocked": Answer.BLOCKED}
    if how in plain:
        return Health(plain[how], detail="HTTP")
    if not version:
        return Health(Answer.UNHEALTHY, reason="NoModel", code=build)
    serves = release(OLDEST if how == "starting" else version)
    if how in ("unhealthy", "final"):
        final = how == "final"
        return Health(
            Answer.UNHEALTHY,
            model=serves.model,
            version=version,
            deploy=f"d-{name}",
            code=build,
            reason="LoadFailed" if final else "RegistryUnavailable",
            final=final,
        )
    deploy = "d-before" if how == "starting" else f"d-{name}"
    return Health(Answer.SERVING, serves.model, serves.version, serves.digest, deploy, build)


@cache
def _memory(kind: str) -> Memory:
    old, new = release(OLD), release(NEW)
    base = Memory(
        length=1,
        baseline=True,
        converged=old,
        served=frozenset({old}),
        swap_status="",
        run="run",
        run_started=NOW - timedelta(minutes=20),
    )
    intent = Intent(
        id="i",
        run="run",
        time=NOW - timedelta(minutes=2),
        release=new,
        replaces=old,
        deploy=f"d-{STAGING}",
        production_deployment=f"content-{PRODUCTION}",
        staging_deployment=f"content-{STAGING}",
        production_swap="",
        staging_swap="",
    )
    failed = Attempts(
        new,
        failed=1,
        disproved=1,
        started=1,
        last=NOW - timedelta(minutes=10),
        reason="GoldenRowsFailed",
        message="a label differs",
        counted=frozenset({f"d-{STAGING}"}),
    )
    kinds: Mapping[str, Memory] = {
        "converged-old": base,
        "converged-new": replace(
            base, converged=new, served=frozenset({old, new}), last_swap=LastSwap(new, old, "c")
        ),
        "attempted": replace(base, attempts={PRODUCTION: failed}),
        "spent": replace(base, attempts={PRODUCTION: replace(failed, failed=3, disproved=3)}),
        "refused": replace(base, attempts={PRODUCTION: replace(failed, refused=True)}),
        "intent-unsaid": replace(base, intent=intent),
        "intent-unknown": replace(base, intent=replace(intent, unknown=True)),
        "intent-located": replace(base, intent=replace(intent, location="https://arm/op")),
        "intent-busy": replace(base, intent=replace(intent, busy_since=NOW - timedelta(minutes=2))),
        "swap-failed": replace(base, swap_failed=NOW),
        "swap-failed-long-ago": replace(base, swap_failed=NOW - timedelta(hours=1)),
        "lost": Memory(),
        # Acknowledged a minute ago, and nothing has moved since.
        "lost-told": Memory(
            lost_since=NOW - timedelta(minutes=1),
            lost_markers=f"content-{PRODUCTION} |content-{STAGING} ",
        ),
    }
    return kinds[kind]


@cache
def _live(production: str, staging: str, verdict: str, others: str, code: str, at: str) -> Live:
    given = None
    if verdict != "none" and staging == "new":
        given = Verdict(Mark(verdict), "golden rows")
    return Live(
        production=_slot(PRODUCTION, production, others, code, at),
        staging=_slot(STAGING, staging, others, code, at),
        wanted=Resolved(release(NEW)),
        verdict=given,
        still_s=120.0,
        down_s=120.0,
        staging_down_s=120.0,
    )


_APP = App(APP, registered.MODEL, {PRODUCTION: Wanted(NEW)})


_BESIDE = replace(_APP, slots={**_APP.slots, CANARY: Wanted(NEWER)})


@cache
def _further(beside: str) -> Further:
    """Return a look at the canary, which shall serve NEWER."""
    version = NEWER if beside in ("settled", "proved") else OLDEST
    slot = _slot(CANARY, "other", "equal", "same-url", "idle")
    settings = {**(slot.arm.settings if slot.arm else {})}
    settings["MODEL_VERSION"] = release(version).setting
    assert slot.arm is not None
    arm = replace(slot.arm, settings=settings, configured=align.configured(settings))
    slot = SlotLive(
        CANARY, _health(CANARY, version, "", "c1"), None if beside == "settled" else arm
    )
    wanted = Refusal("UnknownVersion", "no") if beside == "unknown" else Resolved(release(NEWER))
    standing: Refusal | Doubt | None = None
    if beside in ("missing", "unread"):
        slot = replace(slot, arm=None)
        standing = (
            Refusal("SlotMissing", "no") if beside == "missing" else Doubt("Unreadable", "no")
        )
    verdict = Verdict(Mark.PASS, "golden rows") if beside == "proved" else None
    return Further(Place(slot, verdict, 120.0), wanted, standing)


def _beside_memory(memory: Memory, beside: str) -> Memory:
    """Return *memory* with what the journal says of the canary."""
    newer = release(NEWER)
    if beside == "settled":
        return replace(memory, proved={CANARY: (f"d-{CANARY}", newer.digest)})
    if beside == "spent":
        spent = Attempts(newer, failed=3, disproved=3, started=3, reason="X", message="x")
        return replace(memory, attempts={**memory.attempts, CANARY: spent})
    if beside == "lost":
        lost = OpenDeploy("d-lost", NOW - timedelta(seconds=5), newer)
        return replace(memory, deploys={CANARY: lost})
    return memory


def ask(state: State) -> Decision:
    """Return the decision in *state*."""
    live = _live(
        state.production, state.staging, state.verdict, state.others, state.code, state.platform
    )
    memory, app = _memory(state.memory), _BESIDE if state.beside else _APP
    if state.beside:
        live = replace(live, further=(_further(state.beside),))
        memory = _beside_memory(memory, state.beside)
    target: App | Doubt = app
    if state.wish == "doubt":
        target = Doubt("GitUnreachable", "no answer")
    if state.wish == "suspended":
        target = replace(app, suspend="incident")
    return decide(target, live, memory, NOW, QUICK)


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
    if isinstance(decision, _WRITES):
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
    if state.platform == "operation" and kind in (Deploy, Note):
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
    last = _memory(state.memory).last_swap
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


def _judged(state: State) -> Run:
    wrong = judge(state)
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
    version = _VERSIONS.get(kind, NEW)
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
        yield state.seed, partial(_judged, state)
    chance = random.Random(SEED)
    real = starts()
    for start in chance.sample(real, min(LONG if long else SHORT, len(real))):
        yield start.seed, partial(run, start)
