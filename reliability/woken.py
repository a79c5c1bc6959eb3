"""
What a controller can wake up in, put together from words: slots, settings, code, operation, memory,
file, and what `decide` says to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache

from gitslot.decide.decide import decide
from gitslot.state import slot_settings
from gitslot.state.decision import Decision
from gitslot.state.remembered import Attempts, Intent, LastSwap, Memory, OpenDeploy, SlotMemory
from gitslot.state.seen import Answer, Arm, Health, Live, Mark, Seen, Verdict
from gitslot.state.wanted import PRODUCTION, STAGING, App, Doubt, Refusal, Resolved, Wanted
from reliability import registered
from reliability.cloud import APP, START
from reliability.registered import release
from reliability.rig import QUICK
from reliability.scenarios import CANARY, NEW, NEWER, OLD, OLDEST

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
    *("swap-failed-long-ago", "throttled", "never-arrived"),
)
WISHES = ("git", "doubt", "suspended")
# A further slot: how it stands, and what the journal says of it. Asked where others may write.
BESIDE = ("settled", "other", "missing", "unread", "unknown", "spent", "lost", "proved")
VERSIONS = {"old": OLD, "new": NEW, "other": OLDEST, "pinned": NEWER}


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


# ---------------------------------------------------------------- building a state


def _package(slot: str, code: str) -> str:
    if code.startswith("no-url"):
        return ""
    return registered.package_url("c2" if slot == STAGING and code == "other-url" else "c1")


@cache
def slot_of(name: str, state: str, others: str, code: str, platform: str) -> Seen:
    kind, _, how = state.partition("-")
    settings: dict[str, str] = dict(slot_settings.WARMUP_SETTINGS)
    package = _package(name, code)
    if package:
        settings["WEBSITE_RUN_FROM_PACKAGE"] = package
    version = VERSIONS.get(kind, "")
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
        configured=slot_settings.configured(settings),
        settings=settings,
        sticky=frozenset({"MODEL_VERSION"} if platform == "sticky-release" else ()),
        operation="op" if platform == "operation" else "",
        prepared=PRODUCTION if platform == "prepared" and name == STAGING else "",
    )
    return Seen(name, _health(name, version, how, build), arm=arm, down_s=120.0)


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


def _tried(attempts: Attempts) -> dict[str, SlotMemory]:
    return {PRODUCTION: SlotMemory(attempts=attempts)}


@cache
def memory_of(kind: str) -> Memory:
    old, new = release(OLD), release(NEW)
    base = Memory(
        length=1,
        baseline=True,
        converged=old,
        releases={old: True},
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
        counted=(f"d-{STAGING}",),
    )
    kinds: Mapping[str, Memory] = {
        "converged-old": base,
        "converged-new": replace(
            base, converged=new, releases={old: True, new: True}, last_swap=LastSwap(new, old)
        ),
        "attempted": replace(base, slots=_tried(failed)),
        "spent": replace(base, slots=_tried(replace(failed, failed=3, disproved=3))),
        "refused": replace(base, slots=_tried(replace(failed, refused=True))),
        "intent-unsaid": replace(base, intent=intent),
        "intent-unknown": replace(base, intent=replace(intent, unknown=True)),
        "intent-located": replace(base, intent=replace(intent, location="https://arm/op")),
        "intent-busy": replace(base, intent=replace(intent, busy_since=NOW - timedelta(minutes=2))),
        "swap-failed": replace(base, swap_failed=NOW),
        "swap-failed-long-ago": replace(base, swap_failed=NOW - timedelta(hours=1)),
        # ARM has answered 429 to a write a minute ago, and asked to wait for five.
        "throttled": replace(base, writes_from=NOW + timedelta(minutes=4)),
        # A deploy of this run was sent three minutes ago and is nowhere to be seen.
        "never-arrived": replace(
            base,
            slots={
                STAGING: SlotMemory(deploy=OpenDeploy("d-gone", NOW - timedelta(minutes=3), new))
            },
        ),
        "lost": Memory(),
        # Acknowledged a minute ago, and nothing has moved since.
        "lost-told": Memory(
            lost_since=NOW - timedelta(minutes=1),
            lost_markers=f"content-{PRODUCTION} |content-{STAGING} ",
        ),
    }
    return kinds[kind]


@cache
def live_of(production: str, staging: str, verdict: str, others: str, code: str, at: str) -> Live:
    given = None
    if verdict != "none":
        given = Verdict(Mark(verdict), "golden rows")
    return Live(
        {
            PRODUCTION: replace(
                slot_of(PRODUCTION, production, others, code, at), wanted=Resolved(release(NEW))
            ),
            STAGING: replace(slot_of(STAGING, staging, others, code, at), verdict=given),
        },
        still_s=120.0,
    )


PLAIN = App(APP, registered.MODEL, {PRODUCTION: Wanted(NEW)})


_BESIDE = replace(PLAIN, slots={**PLAIN.slots, CANARY: Wanted(NEWER)})


@cache
def _further(beside: str) -> Seen:
    """Return a look at the canary, which shall serve NEWER."""
    version = NEWER if beside in ("settled", "proved") else OLDEST
    slot = slot_of(CANARY, "other", "equal", "same-url", "idle")
    settings = {**(slot.arm.settings if slot.arm else {})}
    settings["MODEL_VERSION"] = release(version).setting
    assert slot.arm is not None
    arm = replace(slot.arm, settings=settings, configured=slot_settings.configured(settings))
    found: dict[str, Refusal | Doubt] = {
        "missing": Refusal("SlotMissing", "no"),
        "unread": Doubt("Unreadable", "no"),
    }
    unread = found.get(beside)
    return replace(
        slot,
        health=_health(CANARY, version, "", "c1"),
        arm=None if beside == "settled" or unread else arm,
        wanted=(
            Refusal("UnknownVersion", "no") if beside == "unknown" else Resolved(release(NEWER))
        ),
        unread=unread,
        verdict=Verdict(Mark.PASS, "golden rows") if beside == "proved" else None,
    )


def _beside_memory(memory: Memory, beside: str) -> Memory:
    """Return *memory* with what the journal says of the canary."""
    newer = release(NEWER)
    known = {
        "settled": SlotMemory(proved=(f"d-{CANARY}", newer.digest)),
        "spent": SlotMemory(
            attempts=Attempts(newer, failed=3, disproved=3, started=3, reason="X", message="x")
        ),
        "lost": SlotMemory(deploy=OpenDeploy("d-lost", NOW - timedelta(seconds=5), newer)),
    }
    if beside not in known:
        return memory
    return replace(memory, slots={**memory.slots, CANARY: known[beside]})


def ask(state: State) -> Decision:
    """Return the decision in *state*."""
    live = live_of(
        state.production, state.staging, state.verdict, state.others, state.code, state.platform
    )
    memory, app = memory_of(state.memory), _BESIDE if state.beside else PLAIN
    if state.beside:
        live = live.having(_further(state.beside))
        memory = _beside_memory(memory, state.beside)
    target: App | Doubt = app
    if state.wish == "doubt":
        target = Doubt("GitUnreachable", "no answer")
    if state.wish == "suspended":
        target = replace(app, suspend="incident")
    return decide(target, live, memory, NOW, QUICK)
