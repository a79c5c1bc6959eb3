"""
A model world for the loop: two slots, ARM, a registry, Git and a clock, deterministic and instant.

It implements the Protocols that the loop owns, so that the real loop, journal, lock, memory and
decisions run on it, thousands of times. The emulator is the platform for everything over HTTP.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from gitslot.edges.azure.arm import AppRef, PollAnswer, Sent, SwapAnswer
from gitslot.edges.file.read import desired
from gitslot.edges.git.signed_changes import Rule
from gitslot.edges.git.source import Newest
from gitslot.errors import (
    AzureError,
    AzureUnavailable,
    Conflict,
    NotFound,
    SourceError,
    UnknownVersion,
)
from gitslot.look.look import Looker
from gitslot.look.probe import Reply
from gitslot.reconcile import World, reconcile
from gitslot.record.accepted import AcceptedBlob
from gitslot.record.event import Event
from gitslot.record.journal import Journal
from gitslot.record.lock import Lock
from gitslot.registry.manifest import GoldenRows, Manifest
from gitslot.registry.registry import Package
from gitslot.state import slot_settings
from gitslot.state.decision import Stop, Waiting
from gitslot.state.policy import Policy
from gitslot.state.seen import Answer, Arm, Health, Poll
from gitslot.state.wanted import PRODUCTION, STAGING, App, Desired, Release, Revision
from gitslot.wants import Git, Wants
from reliability.memory_blobs import MemoryBlobs

APP = "app"
START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
STORE = "https://store"


def digest(version: str) -> str:
    return hashlib.sha256(version.encode()).hexdigest()


def release(version: str, model: str = "iris") -> Release:
    return Release(model, version, digest(version))


class FakeClock:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.skew = timedelta()

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds) + self.skew

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += max(seconds, 0.001)


@dataclass
class Site:
    """What travels in a swap: content, settings that are not sticky, the marker."""

    deployment_id: str
    settings: dict[str, str] = field(default_factory=dict)
    booted: float = -1e9
    code: str = "build-1"


@dataclass
class ModelAzure:
    """
    ARM and both slots. *broken* maps a version to how it answers in place of serving.

    *swap_answers* scripts what becomes of the next swaps: "lost" (took effect, answer lost),
    "lost-before", "refused", "busy", "throttled", "not sent", "reverted", "fails" (its poll says
    417), "prepared" (as "fails", and the slots stay prepared), "lost-503" (as "lost", at once).
    """

    clock: FakeClock
    boot_s: float = 5.0
    swap_s: float = 30.0
    sticky: frozenset[str] = frozenset()
    broken: dict[str, Answer] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    wrong: set[str] = field(default_factory=set)  # versions that answer with wrong labels
    silent: set[str] = field(default_factory=set)  # slots that do not answer, whatever they run
    foreign: set[str] = field(default_factory=set)
    failing: dict[str, Answer] = field(default_factory=dict)  # versions, in production alone
    blocked: set[str] = field(default_factory=set)
    stopped: set[str] = field(default_factory=set)
    swap_answers: list[str] = field(default_factory=list)
    put_answers: list[str] = field(default_factory=list)
    down: bool = False
    operation: str = ""
    prepared: str = ""
    before_swap: list[Callable[[], None]] = field(default_factory=list)
    unreadable: dict[str, AzureError] = field(default_factory=dict)  # slots that ARM hides
    reads: list[str] = field(default_factory=list)  # slots that were asked for one by one
    codes: dict[str, str] = field(default_factory=dict)  # what slots call their code, if not that
    keyed: bool = False  # the predict path asks for a key
    keys_refused: bool = False
    deployed: list[str] = field(default_factory=list)
    puts: int = 0
    swaps: int = 0  # POSTs that arrived
    effective: int = 0
    resets: int = 0
    reset_fails: bool = False
    looks: int = 0
    swap_status: str = ""
    running: tuple[float, str] | None = None  # when it ends, how
    poll_says: Poll = Poll.DONE
    slots: dict[str, Site] = field(
        default_factory=lambda: {PRODUCTION: Site("app"), STAGING: Site("app__1")}
    )

    # ------------------------------------------------------------ what people and tests do

    def serve(self, slot: str, version: str, deploy: str = "d", **settings: str) -> None:
        """Make *slot* serve *version*, set up as a deploy would."""
        self.slots[slot].settings = {
            **slot_settings.WARMUP_SETTINGS,
            "MODEL_NAME": "iris",
            "MODEL_VERSION": release(version).setting,
            "MODEL_DEPLOY": deploy,
            "MODEL_STORE": STORE,
            **settings,
        }
        self.slots[slot].booted = self.clock.seconds - 1e6

    def create(self, slot: str) -> None:
        """Create *slot* as a copy of production's settings."""
        copy = dict(self.slots[PRODUCTION].settings)
        self.slots[slot] = Site(f"app__{len(self.slots)}", copy, self.clock.seconds - 1e6)

    def exchange(self) -> None:
        """Swap at once, whoever asked for it."""
        self.slots[PRODUCTION], self.slots[STAGING] = self.slots[STAGING], self.slots[PRODUCTION]
        self.effective += 1
        self.swap_status = f"swap {self.effective} at {self.clock.seconds:.0f}"

    def advance(self) -> None:
        """End what has run for long enough."""
        if self.running is None or self.clock.seconds < self.running[0]:
            return
        how, self.running, self.operation = self.running[1], None, ""
        if how == "done":
            self.exchange()
        if how == "reverted":
            self.swap_status = f"reverted at {self.clock.seconds:.0f}"
        if how == "prepared":
            self.prepared = STAGING
        self.poll_says = Poll.FAILED if how in ("fails", "prepared") else Poll.DONE

    # ------------------------------------------------------------ Reads

    def locate(self, name: str, resource_group: str | None, subscription: str | None) -> AppRef:
        self._up()
        return AppRef("sub", "group", name)

    def hosts(self, app: AppRef) -> dict[str, str]:
        return {slot: self.host(app, slot) for slot in (PRODUCTION, STAGING)}

    def host(self, app: AppRef, slot: str) -> str:
        self._up()
        self._there(slot)
        return slot

    def _there(self, slot: str) -> None:
        """Raise what keeps *slot* alone from being read."""
        self.reads.append(slot)
        if slot not in self.slots:
            raise NotFound(f"slots/{slot} was not found", status=404, code="ResourceNotFound")
        if slot in self.unreadable:
            raise self.unreadable[slot]

    def function_key(self, app: AppRef, slot: str) -> str:
        if self.keys_refused:
            raise AzureError("no permission to list keys", status=403, reason="NotAllowed")
        return "key"

    def look(self, app: AppRef) -> tuple[Arm, Arm]:
        self._up()
        self.looks += 1
        self.advance()
        return self._arm(PRODUCTION), self._arm(STAGING)

    def look_at(self, app: AppRef, slot: str) -> Arm:
        self._up()
        self._there(slot)
        self.advance()
        return self._arm(slot)

    def poll(self, location: str) -> PollAnswer:
        self.advance()
        if self.running:
            return PollAnswer(Poll.RUNNING, retry_after_s=5.0, location=location)
        message = "the slot did not respond to http ping" if self.poll_says is Poll.FAILED else ""
        return PollAnswer(self.poll_says, message)

    def _up(self) -> None:
        if self.down:
            raise AzureUnavailable("ARM did not answer: ConnectTimeout")

    def _arm(self, slot: str) -> Arm:
        site = self.slots[slot]
        return Arm(
            host=slot,
            deployment_id=site.deployment_id,
            swap_status=self.swap_status,
            state="Stopped" if slot in self.stopped else "Running",
            configured=slot_settings.configured(site.settings),
            settings=dict(site.settings),
            sticky=self.sticky,
            operation=self.operation,
            prepared=self.prepared if slot == PRODUCTION else "",
        )

    # ------------------------------------------------------------ Writes

    def put_settings(self, app: AppRef, slot: str, settings: Mapping[str, str]) -> None:
        assert slot != PRODUCTION, "production is never a deploy target"
        self._there(slot)
        answer = self.put_answers.pop(0) if self.put_answers else "ok"
        if answer == "refused":
            raise AzureError("BadRequest: no", status=400, code="BadRequest")
        if answer == "busy" or self.operation:
            raise Conflict("another operation is in progress", status=409, code="Conflict")
        if self.prepared:
            words = "its configuration settings have been prepared for swap"
            raise Conflict(words, status=409, code="Conflict")
        if answer == "lost-before":
            raise AzureUnavailable("ARM did not answer")
        self.puts += 1
        self.deployed.append(slot)
        self.slots[slot].settings = dict(settings)
        self.slots[slot].booted = self.clock.seconds
        if answer == "lost":
            raise AzureUnavailable("ARM did not answer")

    def swap(self, app: AppRef, slot: str) -> SwapAnswer:
        for hand in self.before_swap:
            hand()
        answer = self.swap_answers.pop(0) if self.swap_answers else "ok"
        if answer == "not sent":
            return SwapAnswer(Sent.NOT_SENT, message="ServiceRequestError")
        self.swaps += 1
        if answer == "refused":
            return SwapAnswer(Sent.REFUSED, message="did not respond to http ping")
        if answer == "lost-before":
            return SwapAnswer(Sent.UNKNOWN, message="HTTP 503")
        if answer == "busy":
            return SwapAnswer(Sent.BUSY)
        if answer == "throttled":
            return SwapAnswer(Sent.BUSY, retry_after_s=300.0)
        self.operation = "operation"
        how = answer if answer in ("reverted", "fails", "prepared") else "done"
        self.running = (self.clock.seconds + self.swap_s, how)
        if answer.startswith("lost"):
            return SwapAnswer(Sent.UNKNOWN, message="HTTP 503")
        if answer == "busy-ours":
            return SwapAnswer(Sent.BUSY)
        return SwapAnswer(Sent.ACCEPTED, "https://arm/operationresults/1")

    def reset(self, app: AppRef, slot: str) -> None:
        self.resets += 1
        if self.reset_fails:
            raise Conflict("not now", status=409, code="Conflict")
        self.prepared = ""

    # ------------------------------------------------------------ Probes

    def health(self, host: str) -> Health:
        self.advance()
        site = self.slots[host]
        if host in self.silent or self.clock.seconds - site.booted < self.boot_s:
            return Health(Answer.SILENT, detail="HTTP 503")
        if host in self.foreign:
            return Health(Answer.FOREIGN, detail="HTTP 404")
        if host in self.blocked:
            return Health(Answer.BLOCKED, detail="HTTP 403")
        found = slot_settings.configured(site.settings)
        facts: dict[str, Any] = {
            "model": found.model,
            "version": found.version,
            "digest": found.digest,
            "deploy": found.deploy,
            "code": self.codes.get(host, found.package or site.code),
        }
        if not found.version:
            return Health(Answer.UNHEALTHY, reason="NoModel", code=site.code)
        answer = self.broken.get(found.version, Answer.SERVING)
        if host == PRODUCTION:
            answer = self.failing.get(found.version, answer)
        if answer is Answer.SILENT:
            return Health(Answer.SILENT)
        if answer is Answer.UNHEALTHY:
            reason = self.reasons.get(found.version, "DigestMismatch")
            return Health(answer, reason=reason, final=True, **facts)
        return Health(Answer.SERVING, **facts)

    def request(
        self, method: str, host: str, path: str, body: bytes | None = None, headers: Any = None
    ) -> Reply:
        if self.keyed and (headers or {}).get("x-functions-key") != "key":
            return Reply(401)
        seen = self.health(host)
        if seen.answer is not Answer.SERVING:
            return Reply(503)
        label = "wrong" if seen.version in self.wrong else "setosa"
        answer = {"labels": [label], "probabilities": [[1.0]]}
        named = {"x-model-digest": seen.digest, "x-model-deploy": seen.deploy}
        return Reply(200, json.dumps(answer).encode(), named, 0.01)


@dataclass
class ModelRegistry:
    """Every version but the *missing* ones is registered; code by version too."""

    missing: set[str] = field(default_factory=set)

    def manifest(self, model: str, version: str) -> Manifest:
        if version in self.missing:
            raise UnknownVersion(f"{model} {version} is not registered")
        nothing: Any = None
        golden = GoldenRows(((1.0,),), ("setosa",), ((1.0,),), 1e-6)
        return Manifest(
            digest=digest(version),
            model=model,
            version=version,
            artifact=nothing,
            input_dtype="float32",
            features=(),
            classes=("setosa",),
            golden=golden,
            metrics={},
            estimator="",
            data=nothing,
            libraries={},
            commit=None,
            created=START,
        )

    def package(self, version: str) -> Package:
        url = f"https://store/code/{version}.zip"
        return Package(version, "0" * 64, url, 1, url, "serving", "3.13")


class ModelGit:
    """A history of one file; *down* is how Git fails now."""

    def __init__(self) -> None:
        self.commits: list[Newest] = []
        self.down: SourceError | None = None
        self.rewritten = False
        self.author = "sam"
        self.asked = 0

    def commit(self, text: str, reverts: str | None = None) -> str:
        name = hashlib.sha1(f"{len(self.commits)} {text}".encode()).hexdigest()
        revision = Revision(name, self.author, "change what is wanted", reverts)
        self.commits.append(Newest(revision, text.encode()))
        return name

    def newest(self) -> Newest:
        self.asked += 1
        if self.down:
            raise self.down
        return self.commits[-1]

    def descends(self, commit: str, ancestor: str) -> bool:
        return not self.rewritten or commit == ancestor

    def vouched(self, commit: str, app: str, rule: Rule, accepted: str = "") -> int:
        raise NotImplementedError("signatures are tried on a repository")

    def asked_by(self, head: Revision, app: App, accepted: str = "") -> dict[str, Revision]:
        found = dict.fromkeys(app.slots, head)
        for slot in found:
            for commit in reversed(self.commits):
                block = _app(commit, app.name)
                if block and block.wish(slot) != app.wish(slot):
                    break
                found[slot] = commit.revision if block else found[slot]
        return found


def _app(commit: Newest, name: str) -> App | None:
    wanted = desired(commit.revision, commit.data)
    app = wanted.apps.get(name) if isinstance(wanted, Desired) else None
    return app if isinstance(app, App) else None


@dataclass
class Lab:
    """A controller on the model world, and what it wrote."""

    clock: FakeClock = field(default_factory=FakeClock)
    policy: Policy = field(default_factory=Policy)
    registry: ModelRegistry = field(default_factory=ModelRegistry)
    git: ModelGit = field(default_factory=ModelGit)
    events: list[Event] = field(default_factory=list)
    azure: ModelAzure = field(init=False)
    blobs: MemoryBlobs = field(init=False)
    world: World = field(init=False)

    def __post_init__(self) -> None:
        self.azure = ModelAzure(self.clock)
        self.blobs = MemoryBlobs(self.clock.now)
        self.world = self.open()

    def open(self, git: Git | None = None, **guards: Any) -> World:
        """
        Return a controller that has just started, with nothing in its process's memory.

        *git* is what it watches, *guards* are those of `Wants`.
        """
        wants = Wants(
            git or self.git, AcceptedBlob(self.blobs), lambda: self.clock.seconds, **guards
        )
        return World(
            wants=wants,
            looker=Looker(self.azure, self.registry, self.azure, self.clock, self.policy),
            azure=self.azure,
            journal=Journal(self.blobs, self.events.append),
            lock=lambda app: Lock(self.blobs, app, self.policy, lambda: 0.0),
            clock=self.clock,
            policy=self.policy,
            store=STORE,
        )

    def restart(self) -> None:
        """Forget all that only the process knew."""
        self.world = self.open()

    def want(self, version: str, more: str = "", slots: str = "") -> str:
        """Commit that production shall serve *version*."""
        return self.git.commit(
            f"app: {APP}\nmodel: iris\n{more}slots:\n  production: {version}\n{slots}"
        )

    def run(self) -> Stop:
        """Run one pass."""
        return reconcile(APP, self.world)

    def settle(self, passes: int = 30, every_s: float = 60.0) -> Stop:
        """Run passes, a minute apart, until two end alike, neither waiting nor telling anything."""
        last: tuple[Stop, int] | None = None
        for _ in range(passes):
            stop = self.run()
            now = (stop, len(self.events))
            if now == last and not isinstance(stop, Waiting):
                return stop
            last = now
            self.clock.sleep(every_s)
        return stop

    def converge(self, version: str) -> None:
        """Start from production serving *version*, all written down."""
        self.azure.serve(PRODUCTION, version, "before")
        self.want(version)
        self.world.journal.memory(APP, self.clock.now())
        self.world.journal.append(
            APP,
            [
                Event(
                    "Converged",
                    APP,
                    self.clock.now(),
                    model="iris",
                    to=version,
                    to_digest=digest(version),
                    revision=self.git.commits[-1].revision.commit,
                    detail={"swap_status": self.azure.swap_status},
                )
            ],
            self.clock.now(),
        )
        self.events.clear()

    def say(self, event: str) -> None:
        """Write *event* into the journal, as a person's command does."""
        journal = Journal(self.blobs)
        journal.memory(APP, self.clock.now())
        journal.append(APP, [Event(event, APP, self.clock.now())], self.clock.now())

    @property
    def memory(self) -> Any:
        """Return what the journal says now."""
        return Journal(self.blobs).memory(APP, self.clock.now())

    def serves(self, slot: str = PRODUCTION) -> str:
        """Return the version that *slot* serves, or ""."""
        found = self.azure.health(slot)
        return found.version if found.answer is Answer.SERVING else ""

    def told(self) -> list[str]:
        """Return the events, bookkeeping left out."""
        return [event.event for event in self.events if not event.quiet]

    def reasons(self) -> list[str]:
        """Return event and reason of everything told."""
        return [f"{e.event} {e.reason}".strip() for e in self.events if not e.quiet]
