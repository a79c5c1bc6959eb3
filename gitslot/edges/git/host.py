"""
One repository of a Git host, over https: which commit a ref names, and packs of objects.

Once the host's version of the protocol is known, a look-up is one request on a kept connection:
`ls-refs` of protocol v2 (https://git-scm.com/docs/protocol-v2), or the list of refs of a host that
has none. dulwich speaks the protocol; every request goes through here, so that a failure names its
cause, and the token goes to its own host alone.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, cast
from urllib.parse import urljoin, urlsplit

from dulwich.client import (
    AbstractHttpGitClient,
    build_ls_refs_request_v2,
    extract_object_format_from_capabilities,
    read_pkt_refs_v2,
)
from dulwich.errors import GitProtocolError
from dulwich.object_store import GraphWalker
from dulwich.objects import ObjectID
from dulwich.protocol import Protocol as Packets
from dulwich.protocol import pkt_line
from dulwich.refs import Ref
from urllib3.exceptions import HTTPError, ProtocolError
from urllib3.util import make_headers

from gitslot.edges.git.causes import answered, error_of, no_answer, retry_after
from gitslot.errors import PutOff, SettingsError, SourceError
from gitslot.http.client import GitPool, Http
from gitslot.http.sockets import within

_LOOK_UP_S, _FETCH_S = 10.0, 240.0
_MAX_REDIRECTS = 3
_REST = 64 * 1024  # bytes that are read of an answer after its end, to keep the connection
_ERROR, _LINE = b"ERR ", 200  # how a line begins by which a host refuses, and how much is shown
_SERVICE = b"git-upload-pack"
_PACK_OF = ("info/refs?service=git-upload-pack", "git-upload-pack")


@dataclass(slots=True)
class Access:
    """
    The user name and the *tokens* that may be valid; each goes into a header and nowhere else.

    The token that was taken last is the first that is sent.
    """

    user: str = ""
    tokens: tuple[str, ...] = field(default=(), repr=False)

    def headers(self) -> Iterator[dict[str, str]]:
        """Give the header of each token in its turn, or once none."""
        for token in self.tokens:
            yield make_headers(basic_auth=f"{self.user}:{token}")
            self.tokens = (*(each for each in self.tokens if each != token), token)
        if not self.tokens:
            yield {}


class GitHost(AbstractHttpGitClient):
    """
    The repository at *url*, which holds no user or password.

    Every method raises SourceError, with the cause in plain words.
    """

    def __init__(self, url: str, access: Access, http: Http) -> None:
        parts = urlsplit(url)
        if parts.username or parts.password:
            raise SourceError(
                "the repository's URL holds a user or password; use GITSLOT_GIT_TOKEN",
                reason="SettingsInvalid",
            )
        super().__init__(url, thin_packs=False, quiet=True)
        self._url, self._access = url.rstrip("/") + "/", access
        self.name = f"{parts.hostname or ''}{parts.path}"
        self._origin = (parts.scheme, parts.netloc)
        self._pool = GitPool(http)
        self._known: tuple[set[bytes], str] | None = None  # of a host with v2: what it can, where

    @property
    def speaks_v2(self) -> bool:
        """Say whether the last answer was of protocol v2, which hands out any object."""
        return self._known is not None

    def refs(self, names: Iterable[bytes]) -> Mapping[bytes, bytes]:
        """Return the commit that each of *names* leads to; one that is not there is left out."""
        with self._named(_LOOK_UP_S):
            if self._known is None:
                found, _, _, _, peeled = self._discover_references(
                    _SERVICE, self._url, protocol_version=2, ref_prefix=list(names)
                )
            else:
                can, url = self._known
                form = extract_object_format_from_capabilities(can)
                command, wanted = build_ls_refs_request_v2(can, form, list(names))
                lines = [*map(pkt_line, command), b"0001", *map(pkt_line, wanted), b"0000"]
                answer, read = self._smart_request(_SERVICE.decode(), url, b"".join(lines))
                found, _, peeled = read_pkt_refs_v2(Packets(read, _ignore).read_pkt_seq())
                answer.close()
            tips = {name: peeled.get(Ref(name)) or found.get(Ref(name)) for name in names}
        return {name: bytes(tip) for name, tip in tips.items() if tip}

    def bring_pack(
        self,
        wants: Iterable[bytes],
        haves: Iterable[bytes],
        keep: Callable[[bytes], int],
        *,
        depth: int | None,
        filter_spec: bytes | None,
    ) -> None:
        """Hand *keep* the bytes of a pack of *wants* that lacks what *haves* lead to."""
        with self._named(_FETCH_S):
            self.fetch_pack(
                self._url,
                lambda *_, **__: [ObjectID(want) for want in wants],
                cast(GraphWalker, _Haves(haves)),  # dulwich asks for no more of it
                keep,
                depth=depth,
                filter_spec=filter_spec,
                protocol_version=2,
            )

    # ------------------------------------------------------------ what dulwich asks for

    @staticmethod
    def _warn_filter_objects() -> None:
        """Say nothing: a host without filters sends more than is needed, and that will do."""

    def _get_url(self, path: str | bytes) -> str:
        return path if isinstance(path, str) else path.decode()

    def _discover_references(
        self,
        service: bytes,
        base_url: str,
        protocol_version: int | None = None,
        ref_prefix: Sequence[bytes] | None = None,
    ) -> Any:
        if self._known:
            self.protocol_version = 2
            return {}, *self._known, {}, {}
        found = super()._discover_references(service, base_url, protocol_version, ref_prefix)
        if self.dumb:
            raise error_of("page", self.name)
        if self.protocol_version == 2:
            self._known = found[1], found[2]
        return found

    def _http_request(
        self,
        url: str,
        headers: dict[str, str] | None = None,
        data: Any = None,
        raise_for_status: bool = True,
    ) -> tuple[Any, Callable[[int], bytes]]:
        del raise_for_status
        method, asked = ("GET" if data is None else "POST"), url
        for _ in range(_MAX_REDIRECTS):
            answer = self._sent(method, url, dict(headers or {}), data)
            location = urljoin(url, answer.headers.get("location", ""))
            follows = (301, 302, 303, 307, 308) if data is None else (307, 308)
            if answer.status not in follows or not self._may_follow(location, data):
                break
            answer.read(_REST)
            url = location
        if answer.status != 200:
            raise self._refused(answer)
        kind = answer.headers.get("content-type", "")
        if not kind.startswith("application/x-git-"):
            answer.close()
            raise error_of("page", self.name)
        head = answer.read(len(_ERROR) + 4) if data else b""
        if head[4:] == _ERROR:
            raise error_of(
                "error", self.name, answer.read(_LINE).decode("utf-8", "replace").strip()
            )
        rest = BytesIO(head)

        def read(size: int) -> bytes:
            first = rest.read(size)
            return first if len(first) == size else first + bytes(answer.read(size - len(first)))

        return _Answer(answer, kind, url if url != asked else ""), read

    def _sent(self, method: str, url: str, headers: dict[str, str], data: Any) -> Any:
        ours = urlsplit(url)[:2] == self._origin
        for secret in self._access.headers() if ours else ({},):
            sent = {**self._pool.headers, **headers, **secret}
            try:
                answer = self._pool.request(method, url, headers=sent, body=data)
            except ProtocolError:  # the host had closed the connection that was kept
                answer = self._pool.request(method, url, headers=sent, body=data)
            if answer.status != 401:
                break
            answer.read(_REST)
        return answer

    def _may_follow(self, location: str, data: Any) -> bool:
        parts = urlsplit(location)
        same = parts[:2] == self._origin
        if data is None:
            return parts.scheme == "https" and location.endswith(_PACK_OF[0])
        return same and location.endswith(_PACK_OF[1])

    def _refused(self, answer: Any) -> SourceError:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        token = bool(self._access.tokens)
        try:
            body = answer.read(4096)
        except (HTTPError, OSError):
            body = b""
        answer.close()
        row = answered(answer.status, headers, body, token=token)
        return error_of(row, self.name, str(answer.status), retry_after(headers))

    @contextmanager
    def _named(self, seconds: float) -> Iterator[None]:
        """Give what is done inside *seconds*; raise every error as one that names its cause."""
        try:
            with within(seconds):
                yield
        except Exception as error:
            self._known = None  # it may not hold any more
            if isinstance(error, SourceError):
                raise
            if isinstance(error, PutOff):
                raise error_of("busy", self.name, str(error.status), error.left_s) from error
            if isinstance(error, SettingsError):
                raise SourceError(f"cannot read {self.name}: {error.message}") from error
            row, why = no_answer(error)
            said = str(error) if isinstance(error, GitProtocolError) and row == "not git" else ""
            raise error_of(row, self.name, said or why) from error


class _Answer:
    """An answer as dulwich reads it; closed, its connection is kept if all of it has come."""

    def __init__(self, raw: Any, kind: str, redirected: str) -> None:
        self._raw, self.content_type, self.redirect_location = raw, kind, redirected

    def close(self) -> None:
        with suppress(HTTPError, OSError):
            self._raw.read(_REST)
        self._raw.close()


class _Haves:
    """What dulwich asks for when it says what is there already."""

    shallow = None

    def __init__(self, haves: Iterable[bytes]) -> None:
        self._left = iter(list(haves))

    def __next__(self) -> ObjectID | None:
        have = next(self._left, None)
        return ObjectID(have) if have else None

    def ack(self, _: bytes) -> None:
        """Take note of nothing: all was sent at once."""

    def nak(self) -> None:
        """Take note of nothing."""


def _ignore(data: bytes) -> None:
    del data
