"""The other boundaries through the seam: slots' HTTP, blobs, Git, the registry, the clock."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError, ServiceResponseError

from gitslot.edges.file.read import desired
from gitslot.edges.git.last_change import Reverted
from gitslot.edges.git.signed_changes import Rule
from gitslot.edges.git.source import Newest
from gitslot.errors import JournalError, SourceError
from gitslot.look.probe import Reply, read_health
from gitslot.record.blobs import Leased, Listed
from gitslot.record.event import parse
from gitslot.record.lock import Lock
from gitslot.registry.registry import GITSLOT, Registry
from gitslot.state.policy import Policy
from gitslot.state.seen import Health
from gitslot.state.wanted import App, Desired, Revision
from reliability.arm_door import Credential
from reliability.cloud import APP, START, Cloud, Commit
from reliability.registered import STORE
from reliability.seam import Door, Process

_STATUS = {"silent": 503, "foreign": 404, "blocked": 403}  # of what a slot is made to answer
_HEALTH: dict[tuple[int, bytes, str], Health] = {}


def _read(reply: Reply) -> Health:
    """Read an answer of health, each once: it depends on nothing but the answer."""
    key = (reply.status, reply.body, reply.error)
    if key not in _HEALTH:
        _HEALTH[key] = read_health(reply)
    return _HEALTH[key]


class SeamProbes:
    """The slots as their users reach them."""

    def __init__(self, cloud: Cloud, process: Process) -> None:
        self._cloud, self._process = cloud, process
        self._last: dict[tuple[str, str, bytes | None], list[Reply]] = {}
        self._slots: dict[str, str] = {}
        self._opened = self._connection = 0

    def health(self, host: str, *, fresh: bool = False) -> Health:
        """Return what GET /api/health says, read by the controller's own parser."""
        return _read(self.request("GET", host, "/api/health", fresh=fresh))

    def request(
        self,
        method: str,
        host: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        fresh: bool = False,
    ) -> Reply:
        """Send one request to whatever answers on *host*; the kept connection has number 0."""
        if fresh:
            self._opened += 1
        self._connection = self._opened if fresh else 0
        slot = self._slots.get(host) or self._slot(host)
        kind = self._process.begin(f"{'health' if method == 'GET' else 'golden'}.{slot}")
        key = (slot, path, body)
        if kind is None:
            reply = self._answer(slot, method, path, body, headers or {})
        else:
            reply = self._spoilt(kind, key, method, headers or {})
        known = self._last.setdefault(key, [])
        if not known or known[-1].body != reply.body:
            known.append(reply)
        return reply

    def _slot(self, host: str) -> str:
        self._slots = {slot.host: slot.key for slot in self._cloud.site.slots.values()}
        return self._slots[host]

    def _spoilt(
        self, kind: str, key: tuple[str, str, bytes | None], method: str, headers: Mapping[str, str]
    ) -> Reply:
        slot, path, body = key

        def effect() -> Reply:
            return self._answer(slot, method, path, body, headers)

        def lose(cause: str) -> Reply:
            status = {"error": 503, "throttled": 429}.get(cause, 0)
            return Reply(status, error="" if status else cause)

        def stale() -> Reply:
            known, fresh = self._last.get(key, []), effect()
            older = [r for r in known if (r.body, r.headers) != (fresh.body, fresh.headers)]
            return older[-1] if older else fresh

        reply: Reply = self._process.spoil(
            Door("", lose, stale=stale, patience_s=10.0), effect, kind
        )
        return reply

    def _answer(
        self, slot: str, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Reply:
        how = self._cloud.behaviour.slots.get(slot)
        host = self._cloud.host(slot, self._connection)
        status = _STATUS.get(how) if isinstance(how, str) else None
        if status or host is None:
            return Reply(status or 503, b"", {}, 0.01)
        reply = Reply(*host.answer(method, path, body, headers), 0.01)
        return how(method, reply) if callable(how) else reply


class SeamBlobs:
    """The journal's and the lock's blobs; what was appended and who holds a lease is noted."""

    def __init__(self, cloud: Cloud, process: Process) -> None:
        self._cloud, self._process, self._blobs = cloud, process, cloud.blobs

    def _door(self, what: str, *, write: bool = False) -> Door:
        def lose(cause: str) -> Any:
            raise JournalError(f"storage did not answer: {cause}")

        if not self._cloud.may(self._process.name, "write" if write else "read", GITSLOT):
            raise JournalError("storage refused: AuthorizationPermissionMismatch")
        return Door(f"blobs.{what}", lose, write=write)

    def _ghost(self, operation: str, **fields: Any) -> None:
        self._cloud.history.ghost(operation, caller=self._process.name, **fields)

    def names(self, prefix: str) -> list[str]:
        return self._process.call(self._door("names"), lambda: self._blobs.names(prefix))

    def listed(self, prefix: str) -> list[Listed]:
        return self._process.call(self._door("names"), lambda: self._blobs.listed(prefix))

    def size(self, name: str) -> int | None:
        return self._process.call(self._door("size"), lambda: self._blobs.size(name))

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        door = self._door("read")
        return self._process.call(door, lambda: self._blobs.read(name, offset, length))

    def append(self, name: str, data: bytes, position: int) -> None:
        def effect() -> None:
            self._blobs.append(name, data, position)
            self._ghost("journal", blob=name, events=[parse(line) for line in data.splitlines()])

        self._process.call(self._door("append", write=True), effect)

    def load(self, name: str) -> tuple[bytes, str] | None:
        return self._process.call(self._door("load"), lambda: self._blobs.load(name))

    def store(self, name: str, data: bytes, etag: str) -> str:
        door = self._door("store", write=True)
        return self._process.call(door, lambda: self._blobs.store(name, data, etag))

    def put(self, name: str, data: bytes) -> None:
        door = self._door("put", write=True)
        self._process.call(door, lambda: self._blobs.put(name, data))

    def acquire(self, name: str) -> str | None:
        def effect() -> str | None:
            lease = self._blobs.acquire(name)
            if lease:
                self._ghost("lock-taken", blob=name)
            return lease

        return self._process.call(self._door("acquire", write=True), effect)

    def touch(self, name: str, lease: str, metadata: Mapping[str, str]) -> bool:
        return self._process.call(
            self._door("touch", write=True), lambda: self._blobs.touch(name, lease, metadata)
        )

    def look(self, name: str) -> Leased | None:
        return self._process.call(self._door("look"), lambda: self._blobs.look(name))

    def break_lease(self, name: str) -> None:
        def effect() -> None:
            self._blobs.break_lease(name)
            self._ghost("lock-broken", blob=name)

        self._process.call(self._door("break", write=True), effect)

    def release(self, name: str, lease: str) -> None:
        def effect() -> None:
            held = self._blobs.look(name)
            self._blobs.release(name, lease)
            after = self._blobs.look(name)
            if held and held.held and after and not after.held:
                self._ghost("lock-released", blob=name)

        self._process.call(self._door("release", write=True), effect)


class SeamLock(Lock):
    """The controller's lock, renewed on virtual time instead of by a thread."""

    def __init__(
        self, cloud: Cloud, process: Process, blobs: SeamBlobs, policy: Policy, clock: "SeamClock"
    ) -> None:
        super().__init__(blobs, APP, policy, clock.monotonic)
        self._cloud, self._process = cloud, process
        self._taken = 0

    def _keep(self, stop: Any) -> None:
        del stop

    def take(self) -> bool:
        """Take it as ever, and renew it while virtual time passes."""
        if not super().take():
            return False
        self._taken += 1
        self._cloud.at(self._policy.lock_renew_s, lambda n=self._taken: self._beat(n))  # type: ignore[misc]
        return True

    def _beat(self, taken: int) -> None:
        if not self.held or taken != self._taken or not self._process.alive:
            return
        outside, self._process.inside = self._process.inside, True
        try:
            self._renew()
        except JournalError:
            pass
        finally:
            self._process.inside = outside
        self._cloud.at(self._policy.lock_renew_s, lambda: self._beat(taken))


def _read_commit(commit: Commit) -> tuple[Revision, bytes]:
    text = commit.text.encode() if isinstance(commit.text, str) else commit.text
    return Revision(commit.name, commit.author, "change what is wanted", commit.reverts), text


def _app_of(commit: Commit, name: str) -> App | None:
    wanted = desired(*_read_commit(commit))
    found = wanted.apps.get(name) if isinstance(wanted, Desired) else None
    return found if isinstance(found, App) else None


def _unread(cause: str) -> Any:
    raise SourceError(f"cannot read the repository: {cause}")


class SeamGit:
    """The watched branch as the controller's source sees it."""

    def __init__(self, cloud: Cloud, process: Process) -> None:
        self._cloud, self._process = cloud, process

    def newest(self) -> Newest:
        repository = self._cloud.git

        def effect() -> Newest:
            if repository.down:
                raise repository.down
            return self.shown(-1)

        def stale() -> Newest:
            return self.shown(-2 if len(repository.commits) > 1 else -1)

        door = Door("git.newest", _unread, stale=stale)
        try:
            found = self._process.call(door, effect)
        except SourceError:
            self._ghost(None)
            raise
        self._ghost(found.revision.commit)
        return found

    def shown(self, index: int) -> Newest:
        """Return a commit by its place, without a look-up."""
        return Newest(*_read_commit(self._cloud.git.commits[index]))

    def _ghost(self, commit: str | None) -> None:
        self._cloud.history.ghost("git-looked", caller=self._process.name, commit=commit)

    def descends(self, commit: str, ancestor: str) -> bool:
        """Say whether *commit* comes after *ancestor*: they are numbered."""
        if commit == ancestor:
            return True
        git = self._cloud.git
        after = lambda: not git.rewritten and int(commit, 16) > int(ancestor, 16)  # noqa: E731 - short
        return self._process.call(Door("git.descends", _unread), after)

    def vouched(self, commit: str, app: str, rule: Rule, accepted: str = "") -> int:
        """Signatures are no part of the designs on virtual time."""
        raise NotImplementedError

    def asked_by(self, head: Revision, app: App, accepted: str = "") -> dict[str, Revision]:
        """Return the commit of each wish of *app*."""

        def effect() -> dict[str, Revision]:
            return {slot: self._asked_by(head, app, slot) for slot in app.slots}

        return self._process.call(Door("git.asked-by", _unread), effect)

    def asks_for(self, commit: str, app: str) -> bool:
        """Return whether the file of *commit* asks for *app*."""

        def effect() -> bool:
            return _app_of(self._cloud.git.commits[int(commit[:7], 16) - 1], app) is not None

        return self._process.call(Door("git.asks-for", _unread), effect)

    def reverted(self, head: str, app: str) -> Reverted | None:
        """Return the `git revert` of *head* that takes production of *app* back."""

        def effect() -> Reverted | None:
            count = int(head[:7], 16)
            apps = [_app_of(each, app) for each in self._cloud.git.commits[:count][-2:]]
            after, before = apps[-1], apps[0]
            if not after or not before or after.may_ask_the_same(before):
                return None
            return ("git", "revert", head[:7]), before

        return self._process.call(Door("git.reverted", _unread), effect)

    def _asked_by(self, head: Revision, app: App, slot: str) -> Revision:
        found, count = head, int(head.commit[:7], 16)
        for commit in reversed(self._cloud.git.commits[:count]):
            block = _app_of(commit, app.name)
            if block is None:
                continue  # a broken file in between changes nothing
            if block.wish(slot) != app.wish(slot):
                break
            found = _read_commit(commit)[0]
        return found


class SeamRegistry(Registry):
    """The controller's own registry, reading the account in memory."""

    def __init__(self, cloud: Cloud, process: Process) -> None:
        super().__init__(STORE, Credential(process.name))
        self._cloud, self._process = cloud, process

    def _content(self, container: str, path: str, cap: int) -> bytes:
        def effect() -> bytes:
            if self._cloud.account.down:
                raise ServiceResponseError("the account does not answer")
            if not self._cloud.may(self._process.name, "read", container):
                raise HttpResponseError("AuthorizationPermissionMismatch")
            name = f"{container}/{path}"
            if name not in self._cloud.account.blobs:
                raise ResourceNotFoundError("BlobNotFound")
            return self._cloud.account.blobs[name][: cap + 1]

        def lose(cause: str) -> bytes:
            raise ServiceResponseError(cause)

        def stale() -> bytes:
            raise ResourceNotFoundError("BlobNotFound")

        return self._process.call(Door(f"registry.{container}", lose, stale=stale), effect)

    def _pieces(self, container: str, path: str) -> Iterator[bytes]:
        yield self._content(container, path, 1 << 20)


class SeamClock:
    """
    A controller's clock on virtual time.

    *skew* is how far its UTC is off, as a function of virtual seconds; *rate* how fast it counts.
    """

    def __init__(self, cloud: Cloud, process: Process) -> None:
        self._cloud, self._process = cloud, process
        self.skew: Any = lambda _: 0.0
        self.rate = 1.0

    def now(self) -> datetime:
        seconds = self._cloud.seconds()
        return START + timedelta(seconds=seconds * self.rate + self.skew(seconds))

    def monotonic(self) -> float:
        return self._cloud.seconds() * self.rate

    def sleep(self, seconds: float) -> None:
        self._process.seam.before("sleep")
        self._process.seam.wait(max(seconds / self.rate, 0.001))

    @property
    def news(self) -> "SeamClock":
        """Return itself: with one thread nothing is to be guarded."""
        return self

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None

    def wait(self, timeout: float) -> None:
        self.sleep(timeout)

    def notify_all(self) -> None:
        return None
