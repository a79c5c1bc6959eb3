"""
D4: every state that a controller can wake up in: slots, settings, code, operation, memory, Git.

`decide` is pure, so all of them are asked for their one decision. Some are built for real: the same
rules judge the first decision there, and the run must come to rest where it is due.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice, product

from gitslot.look.probe import Reply
from gitslot.reconcile import observe
from gitslot.record.accepted import NAME
from gitslot.record.event import OBSERVING, Event
from gitslot.record.payload import Payload
from gitslot.state.decision import Decision, Frozen, Stalled
from gitslot.state.wanted import PRODUCTION, STAGING
from reliability import files, registered, right
from reliability.checker import Violation
from reliability.cloud import APP, OBSERVER, ROLE
from reliability.rig import QUICK
from reliability.runs import Case, Run, play
from reliability.scenarios import NEW, OLD, Scene, converged, open_scene, want, write
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
)

SEED = 20261122


def judge(state: State) -> str:
    """Return which rule the decision in *state* breaks, or ""."""
    decision = ask(state)
    if ask(state) != decision:
        return "I2: asked twice, it says two things"
    return right.judge(state, decision)


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


def _violations(wrong: str) -> list[Violation]:
    rule, _, message = wrong.partition(": ")
    return [Violation(rule, 0, message)] if wrong else []


def _judged(judging: Callable[[], str]) -> Run:
    return Run(None, _violations(judging()), [], 0, 1, 0)


# ---------------------------------------------------------------- for real

SLOTS = ("old", "new", "other", "empty", "edited", "old-silent", "new-silent")
MEMORY = ("converged-old", "converged-new", "attempted", "lost")
CANDIDATES = ("good", "wrong", "hang")  # how NEW behaves that is deployed from now on


@dataclass(frozen=True, slots=True)
class Start:
    """A start state that is built on the emulator, where Git asks for NEW."""

    state: State
    lock: str
    candidate: str

    @property
    def seed(self) -> str:
        """Return the name of the case."""
        state = self.state
        words = (state.production, state.staging, state.others, state.code, state.memory)
        return ",".join(("D4", "run", *words, self.lock, self.candidate))


def starts(production: str, staging: str, memory: str) -> list[Start]:
    """
    Return every start state of two slots and a memory that can be built and comes to rest.

    What has served before is tried on for as long as it does not serve, and what runs in staging
    already is not deployed, so that it cannot turn out bad.
    """
    served = memory == "converged-new" and production != "new"
    if served and staging == "new-silent":
        return []
    candidates = CANDIDATES[:1] if served or staging.startswith("new") else CANDIDATES
    axes = (OTHERS, ("same-url", "other-url"), ("free", "dead"), candidates)
    return [
        Start(
            State(production, staging, "none", others, code, "idle", memory, "git"), lock, candidate
        )
        for others, code, lock, candidate in product(*axes)
    ]


def sample(each: int) -> Iterator[Start]:
    """Give *each* of the start states of any two slots and any memory, the same ones every time."""
    chance = random.Random(SEED)
    for where in product(SLOTS, (*SLOTS, "crash", "new-bare"), MEMORY):
        found = starts(*where)
        yield from chance.sample(found, min(each, len(found)))


def build(start: Start) -> Scene:
    """Build *start* on the emulator."""
    state = start.state
    scene = open_scene(
        _real(state.production, PRODUCTION, state), _real(state.staging, STAGING, state)
    )
    cloud = scene.cloud
    first = cloud.git.want(OLD)
    new = converged(NEW, first.name, cloud.now())
    if state.memory != "lost":
        write(scene, converged(OLD, first.name, cloud.now()))
    if state.memory == "converged-new":  # by a swap of ours
        new = replace(new, from_=OLD, from_digest=registered.digest(OLD))
        write(
            scene,
            replace(new, event="VerifyPassed", slot=STAGING, id="v", verdict="pass"),
            replace(new, event="SwapStarted", id="swap", detail=Payload(deploy="d-x")),
            replace(new, id="end", detail=Payload(intent="swap", swap_status="")),
        )
    if state.memory == "attempted":
        detail = Payload(deploy=f"d-{STAGING}")
        write(scene, replace(new, event="VerifyFailed", id="f", verdict="fail", detail=detail))
    if start.lock == "dead":
        lease = cloud.blobs.acquire(f"locks/{APP}")
        assert lease is not None
        cloud.blobs.touch(f"locks/{APP}", lease, {"holder": "gone"})
    for slot, kind in ((PRODUCTION, state.production), (STAGING, state.staging)):
        if kind.endswith("silent"):
            cloud.behaviour.slots[slot] = _mute if kind == "old-silent" else "silent"
    return want(scene, NEW)


def _mute(method: str, reply: Reply) -> Reply:
    """Keep OLD from answering, and nothing else that comes to the slot."""
    del method
    return Reply(503) if (reply.headers or {}).get("x-model-version") == OLD else reply


def _real(kind: str, slot: str, state: State) -> dict[str, str]:
    code = "c2" if slot == STAGING and state.code == "other-url" else "c1"
    version = VERSIONS.get(kind.partition("-")[0], NEW)
    settings = registered.settings(version, f"d-{slot}", code)
    if kind == "empty":
        settings = {"WEBSITE_RUN_FROM_PACKAGE": registered.package_url(code)}
    if kind == "edited":
        settings["MODEL_VERSION"] = OLD
    if kind == "crash":
        settings["MODEL_NAME"] = "nothing"
    if kind == "new-bare":
        del settings["WEBSITE_SWAP_WARMUP_PING_PATH"]
    settings["THEIRS"] = slot if state.others == "differ" else "same"
    return settings


def expect(start: Start, scene: Scene) -> Scene:
    """Write down where *start* must come to rest: on the new release, or where that is due."""
    state, cloud, serves = start.state, scene.cloud, scene.cloud.serves()
    entries, most = cloud.history.entries, 1

    def sent(what: str) -> int:
        return sum(e["operation"] == "write-sent" and e["what"] == what for e in entries)

    if state.memory == "lost" and (state.production, state.staging) != ("empty", "empty"):
        scene.stop, scene.reason, scene.wants, most = Frozen, "JournalLost", serves, 0
        scene.must("no deploy", lambda: not sent("appsettings-put"))
    elif state.production == "new-silent":
        scene.stop, scene.wants, most = Stalled, serves, 0
        scene.must("no deploy", lambda: not sent("appsettings-put"))
    elif state.production != "new" and (start.candidate != "good" or state.staging == "new-silent"):
        scene.stop, scene.wants, most = Stalled, serves, 0
    scene.must(f"at most {most} swaps", lambda: sent("slotsswap") <= most)
    scene.must("at most 3 deploys", lambda: sent("appsettings-put") <= 3)
    scene.must("passes that end", lambda: _bounded(scene))
    return scene


def _bounded(scene: Scene) -> bool:
    """Return whether no pass took much longer than it may, or wrote more than it could need."""
    began, lines = 0.0, 0
    for entry in scene.cloud.history.entries:
        if entry["operation"] == "pass-began":
            began, lines = entry["time"], 0
        if entry["operation"] == "journal":
            lines += len(entry["events"])
        late = entry["operation"] == "pass-ended" and entry["time"] - began > LONGEST_S
        if late or lines >= MOST_LINES:
            return False
    return True


STILL_S = 120.0  # as in the states that are not built: nothing has moved for so long
LONGEST_S = QUICK.round_s + 30
MOST_LINES = 60


def _first(state: State, decision: Decision) -> str:
    """Judge the *decision* of a state that was built; put together, it must give the same."""
    known = state.production in PRODUCTIONS and state.staging in STAGINGS
    if known and type(decision) is not type(ask(state)):
        return f"D4: built, it decides {decision}, and put together {ask(state)}"
    return right.judge(state, decision)


def _observed(scene: Scene) -> str:
    """Let who may only read observe *scene*; return what it did but record its steps once."""
    cloud, controller, mark = scene.cloud, scene.controller, len(scene.events())
    accepted, memory = cloud.blobs.load(NAME), controller.start().journal.memory(APP, cloud.now())
    cloud.world.store.rights.roles[ROLE.id] = OBSERVER
    for only in (True, True, memory.baseline):  # without a baseline, until somebody says retry
        controller.changes["observe_only"], controller.world = only, None
        for _ in range(3):
            controller.run()
            cloud.wait(STILL_S)
    cloud.world.store.rights.roles[ROLE.id] = ROLE
    told, after = scene.events()[mark:], controller.start().journal.memory(APP, cloud.now())
    controller.changes, controller.world = {}, None
    if not memory.baseline:
        write(scene, Event("Retried", APP, cloud.now()))
    done = {entry["operation"] for entry in cloud.history.entries}
    if done & {"write-sent", "lock-taken", "lock-broken"} or accepted != cloud.blobs.load(NAME):
        return "S4: an observer wrote"
    of = {each: getattr(memory, each) for each in ("length", "production", "observed", "would")}
    if replace(after, **of) != memory:
        return "S4: what an observer records is remembered"
    steps = [(each.event, each.detail.would) for each in told]
    again = len(set(steps)) < len(steps) or (OBSERVING, "") not in steps
    return f"S4: an observer records {steps}" if again else ""


def run(start: Start, *, observed: bool = False) -> Run:
    """Judge the first decision from *start*, and run until it rests, *observed* at first."""
    wrong: list[str] = []

    def begin() -> Scene:
        scene = build(start)
        world = scene.controller.start()
        observe(APP, world)
        scene.cloud.wait(STILL_S)
        first = observe(APP, world).decision
        wrong.append(_observed(scene) if observed else _first(start.state, first))
        scene.controller.world = None
        bad = start.candidate if start.candidate != "good" else ""
        scene.cloud.behaviour.versions[NEW] = bad
        lost = observed and start.state.memory == "lost"  # and by then acknowledged
        memory = "converged-old" if lost else start.state.memory
        return expect(replace(start, state=replace(start.state, memory=memory)), scene)

    found = play(begin, {})
    found.violations += _violations(wrong[0])
    return found


def cases(*, long: bool = False) -> Iterator[Case]:
    """Give every state for its decision, and a sample of start states for real."""
    for state in states():
        yield state.seed, partial(_judged, partial(judge, state))
    for each in files.states():
        yield each.seed, partial(_judged, partial(files.judge, each))
    for start in sample(8 if long else 1):
        yield start.seed, partial(run, start)
    for start in islice(sample(1), 0, None, 1 if long else 31):
        yield f"{start.seed},observed", partial(run, start, observed=True)
