"""
Slot processes without processes: what answers on a slot's host name, started by the emulator.

The emulator decides when a process starts, takes over and ends (its own `Worker` and `Swapper`
run); here is only what such a process answers, from the settings that it was started with.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from emulator.slots.connection import Reply
from emulator.slots.hosts import CannotStartError, Launch
from emulator.slots.state import Keys
from gitslot.registry.manifest import Manifest, parse_manifest, with_golden

RETRY_S = 30.0  # the serving app tries its model again at least this often
_LASTING = ("NoModel", "SettingsInvalid")
_PROCESS = ("", "wrong", "crash", "hang")


class RefusedError(Exception):
    """Why the process serves nothing, by the serving contract."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True)
class Account:
    """The storage account's registry side: the bytes under each name."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    down: bool = False

    def read(self, path: str) -> bytes:
        if self.down:
            raise RefusedError("RegistryUnavailable")
        if path not in self.blobs:
            raise RefusedError("UnknownVersion")
        return self.blobs[path]


_PARSED: dict[bytes, Manifest] = {}


def parsed(raw: bytes) -> Manifest:
    """Parse a manifest, each once."""
    if raw not in _PARSED:
        _PARSED[raw] = parse_manifest(raw)
    return _PARSED[raw]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that serves: its digest, and what it answers to each golden row's body."""

    digest: str
    answers: Mapping[bytes, bytes]

    def answer(self, body: bytes) -> bytes | None:
        """Return what answers *body*, of one row or several; None where one is no golden row."""
        if body in self.answers:
            return self.answers[body]
        found = [self.answers.get(json.dumps([row]).encode()) for row in json.loads(body)]
        if not found or None in found:
            return None
        rows = [json.loads(answer or b"") for answer in found]
        names = ("labels", "probabilities")
        return json.dumps({name: [row[name][0] for row in rows] for name in names}).encode()


def load(account: Account, model: str, version: str, digest: str) -> Loaded:
    """Load as the serving app does: digest, then format, then the model. Raises RefusedError."""
    raw = account.read(f"models/{model}/{version}/manifest.json")
    found = hashlib.sha256(raw).hexdigest()
    if digest and found != digest:
        raise RefusedError("DigestMismatch")
    try:
        manifest = parsed(raw)
    except Exception as error:
        raise RefusedError("ManifestInvalid") from error
    artifact = account.read(f"models/{model}/{version}/{manifest.artifact.name}")
    if hashlib.sha256(artifact).hexdigest() != manifest.artifact.sha256:
        raise RefusedError("DigestMismatch")
    if file := manifest.golden_file:
        manifest = with_golden(manifest, account.read(f"models/{model}/{version}/{file.name}"))
    return Loaded(found, _answers(raw, manifest))


_ANSWERS: dict[bytes, Mapping[bytes, bytes]] = {}


def _answers(raw: bytes, manifest: Manifest) -> Mapping[bytes, bytes]:
    if raw not in _ANSWERS:
        golden = manifest.golden
        rows = zip(golden.inputs, golden.labels, golden.probabilities or (), strict=True)
        _ANSWERS[raw] = {
            json.dumps([row]).encode(): json.dumps(
                {"labels": [label], "probabilities": [chances]}
            ).encode()
            for row, label, chances in rows
        }
    return _ANSWERS[raw]


@dataclass(slots=True)
class Behaviour:
    """
    How versions misbehave: "wrong" labels, "crash" at start, "hang" never answering; any other word
    is the reason for which their processes serve nothing.

    *slots* does the same for whatever runs in a slot: "silent", "foreign", "blocked", or what it
    makes of the answer to a method.
    """

    versions: dict[str, str] = field(default_factory=dict)
    slots: dict[str, str | Callable[[str, Any], Any]] = field(default_factory=dict)
    boot_s: float = 5.0
    keyed: bool = False  # predict asks for the slot's own function key


def build_of(package: str) -> str:
    """Return what health calls the code at the URL *package*."""
    return f"build-{package.split('/')[-2]}" if package else "source"


_BODIES: dict[tuple[str, ...], bytes] = {}


class _Pid:
    """What the emulator asks of an operating system's process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.gone: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        return await self.gone


class ModelHost:
    """A process that answers; it keeps the settings that it was started with."""

    def __init__(self, launch: Launch, pid: int, cloud: "Surroundings") -> None:
        self.launch = launch
        self.process = _Pid(pid)
        self.leaving = False
        self.keys = launch.keys
        self.connections = self
        self._cloud = cloud
        self._loaded: Loaded | None = None
        self._reason = "Loading"
        self._tried = -RETRY_S
        self.rows: set[bytes] = set()
        self._attempt()

    def close(self) -> None:
        """End its connections; there are none."""

    async def retire(self) -> None:
        """End at once: nobody has a request in flight here."""
        self.leaving = True
        if not self.process.gone.done():
            self.process.gone.set_result(0)

    def crash(self) -> None:
        """End by itself."""
        if not self.process.gone.done():
            self.process.gone.set_result(1)

    def use_keys(self, keys: Keys) -> None:
        """Take the keys of the slot that it is in now."""
        self.keys = keys

    async def ask(self, method: str, path: str, headers: Any = ()) -> Reply:
        """Answer the platform's own warm-up ping."""
        del headers
        status, body, _ = self.answer(method, path, None, {})
        return Reply(status, [], body)

    # ------------------------------------------------------------ the serving contract

    def _setting(self, name: str) -> str:
        return self.launch.settings.get(name, "")

    def _attempt(self) -> None:
        now = self._cloud.seconds()
        if self._loaded or self._reason in _LASTING or now - self._tried < RETRY_S:
            return
        self._tried = now
        version, _, digest = self._setting("MODEL_VERSION").partition("@sha256:")
        try:
            if not version or not self._setting("MODEL_NAME"):
                raise RefusedError("NoModel")
            how = self._cloud.behaviour.versions.get(version, "")
            if how not in _PROCESS:
                raise RefusedError(how)
            loaded = self._cloud.load(
                self._cloud.account, self._setting("MODEL_NAME"), version, digest
            )
            self._loaded = loaded
        except RefusedError as refused:
            self._reason = refused.reason

    def _health(self, version: str) -> bytes:
        loaded = self._loaded
        facts = {
            "status": "ok" if loaded else "unavailable",
            "reason": "" if loaded else self._reason,
            "model": self._setting("MODEL_NAME"),
            "version": version,
            "digest": loaded.digest if loaded else "",
            "deploy": self._setting("MODEL_DEPLOY"),
            "code": build_of(self._setting("WEBSITE_RUN_FROM_PACKAGE")),
        }
        key = tuple(facts.values())
        if key not in _BODIES:
            _BODIES[key] = json.dumps(facts).encode()
        return _BODIES[key]

    def answer(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes, Mapping[str, str]]:
        """Answer one request of the serving contract."""
        self._attempt()
        version = self._setting("MODEL_VERSION").partition("@")[0]
        loaded, deploy = self._loaded, self._setting("MODEL_DEPLOY")
        named = {
            "x-model-version": version if loaded else "none",
            "x-model-digest": loaded.digest if loaded else "none",
            "x-model-deploy": deploy or "none",
        }
        if method == "GET":
            return (200 if loaded else 503), self._health(version), named
        if loaded is None:
            return 503, b"{}", named
        if self._cloud.behaviour.keyed and headers.get("x-functions-key") != self.keys.function:
            return 401, b"", {}
        found = loaded.answer(body or b"[]")
        if found is None:
            return 400, b"{}", named
        if self._cloud.behaviour.versions.get(version) == "wrong":
            return 200, found.replace(b'"setosa"', b'"virginica"'), named
        if body and body in loaded.answers:
            self.rows.add(body)
        if len(self.rows) == len(loaded.answers):
            self._cloud.proved(self, loaded.digest, deploy)
        return 200, found, named


class Surroundings:
    """What a process needs of the world around it."""

    account: Account
    behaviour: Behaviour
    seconds: Callable[[], float]
    proved: Callable[["ModelHost", str, str], None]
    load: Callable[[Account, str, str, str], Loaded] = staticmethod(load)


class ModelLauncher:
    """Starts such processes in place of the emulator's."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._around = surroundings
        self._count = 0

    async def start(self, launch: Launch) -> ModelHost:
        """Return a process once it answers; raise CannotStartError."""
        self._count += 1
        pid = self._count
        version = launch.settings.get("MODEL_VERSION", "").partition("@")[0]
        how = self._around.behaviour.versions.get(version)
        await asyncio.sleep(self._around.behaviour.boot_s)
        if how == "crash":
            raise CannotStartError("process ended with code 1")
        if how == "hang":
            await asyncio.sleep(launch.start_limit_s)
            raise CannotStartError("process did not answer in time")
        return ModelHost(launch, pid, self._around)

    def forget(self, host: ModelHost) -> None:
        """Keep nothing of *host*."""
