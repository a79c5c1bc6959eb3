"""
Where Git's objects come from: a repository on this machine, or a server over https.

A fetch is capped in bytes and in time, and measured before it is unpacked. No git binary is needed.
"""

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from io import SEEK_END
from typing import TypeAlias
from urllib.parse import urlsplit

from dulwich.client import HttpGitClient, HTTPUnauthorized
from dulwich.errors import NotGitRepository
from dulwich.objects import Blob, ObjectID
from dulwich.refs import Ref
from dulwich.repo import MemoryRepo, Repo

from gitslot.edges.file.plain_yaml import MAX_BYTES
from gitslot.edges.git.pack_size import check_pack
from gitslot.errors import PackTooLarge, SignatureRefused, SourceError
from gitslot.state.wanted import Doubt

MAX_PACK = 64 * 1024 * 1024
MAX_ALL_FILES = 16 * 1024 * 1024  # bytes of all files that one commit is asked for
_MAX_BLOB_PACK = 4 * MAX_BYTES
_TIMEOUT_S = 20.0
_FETCH_S = 120.0  # limits a server that sends slowly; dulwich does not

Objects: TypeAlias = Repo | MemoryRepo


class Origin:
    """
    One repository: a path or an https URL.

    *token* is used in a header only.
    """

    def __init__(self, repository: str, token: str | None = None) -> None:
        self._repository, self._token = repository, token

    @property
    def local(self) -> bool:
        """Say whether the repository is on this machine."""
        return not self._repository.startswith("https://")

    @property
    def name(self) -> str:
        """Return where the repository is, without anything secret."""
        if self.local:
            return self._repository
        parts = urlsplit(self._repository)
        return f"{parts.hostname or ''}{parts.path}"

    def open(self) -> Repo:
        """Open the repository on this machine."""
        return Repo(self._repository)

    def tip(self, ref: bytes) -> bytes:
        """Return what *ref* names. Raises SourceError RefGone where that is nothing."""
        if self.local:
            with self.open() as repo:
                tip = repo.head() if ref == b"HEAD" else repo.refs.as_dict().get(Ref(ref))
        else:
            with self._client() as (client, path):
                found = client.get_refs(path.encode(), protocol_version=2, ref_prefix=[ref])
            tip = found.refs.get(Ref(ref))
        if not tip:
            raise SourceError(
                f"{ref.decode()} is not in {self.name}: deleted, renamed, or nothing was ever "
                "pushed",
                reason="RefGone",
            )
        return bytes(tip)

    def commit(self, commit: bytes) -> Objects:
        """Return a repository with *commit* and its trees; it may lack blobs."""
        if self.local:
            return self.open()
        return self._fetch([commit], depth=1, filter_spec=b"blob:none")

    def history(self, commit: bytes) -> Objects:
        """Return a repository that holds *commit* and all before it; trees come by `add`."""
        if self.local:
            return self.open()
        return self._fetch([commit], depth=None, filter_spec=b"tree:0")

    def add(self, repo: Objects, wants: list[bytes]) -> None:
        """Fetch the trees *wants*, and nothing below them, into *repo*."""
        if isinstance(repo, MemoryRepo):
            self._fetch(wants, depth=None, filter_spec=b"tree:0", into=repo)

    def blob(self, repo: Objects, sha: bytes) -> bytes | Doubt:
        """
        Return the bytes of the blob *sha*, or why it is no file.

        Raises PackTooLarge where the server sends much more than a file may have.
        """
        if ObjectID(sha) not in repo.object_store and not self.local:
            repo = self._fetch([sha], depth=None, filter_spec=None, cap=_MAX_BLOB_PACK)
        return _content(repo, sha)

    def blobs(
        self,
        repo: Objects,
        wanted: Collection[bytes],
        known: Mapping[bytes, bytes | Doubt],
        folder: bytes = b"",
    ) -> dict[bytes, bytes | Doubt]:
        """
        Return the bytes of each blob, or why it is no file; what is *known* is not fetched.

        *folder* is the tree that holds them: where they come to too much at once, the server is
        asked for those of it that are small. Raises SourceError FolderTooLarge where these are
        too much, PackTooLarge without a folder.
        """
        found = {sha: known[sha] for sha in wanted if sha in known}
        missing = [sha for sha in dict.fromkeys(wanted) if sha not in found]
        there = [sha for sha in missing if self.local or ObjectID(sha) in repo.object_store]
        found |= {sha: _content(repo, sha) for sha in there}
        if missing := [sha for sha in missing if sha not in found]:
            found |= self._brought(missing, folder)
        if sum(len(data) for data in found.values() if isinstance(data, bytes)) > MAX_ALL_FILES:
            raise _folder_too_large()
        return found

    def _brought(self, missing: list[bytes], folder: bytes) -> dict[bytes, bytes | Doubt]:
        try:
            repo = self._fetch(missing, depth=None, filter_spec=None, cap=MAX_ALL_FILES)
            return {sha: _content(repo, sha) for sha in missing}
        except PackTooLarge:
            if not folder:
                raise
        small = f"blob:limit={MAX_BYTES + 1}".encode()
        try:
            repo = self._fetch([folder], depth=None, filter_spec=small, cap=MAX_ALL_FILES)
        except PackTooLarge as error:
            raise _folder_too_large() from error
        there = {sha for sha in missing if ObjectID(sha) in repo.object_store}
        more = _too_large("too many")
        return {sha: _content(repo, sha) if sha in there else more for sha in missing}

    @contextmanager
    def _client(self) -> Iterator[tuple[HttpGitClient, str]]:
        parts = urlsplit(self._repository)
        if parts.username or parts.password:
            raise SourceError(
                "the repository's URL holds a user or password; use GITSLOT_GIT_TOKEN",
                reason="SettingsInvalid",
            )
        # Given as a user, not as a header of ours: dulwich then sends it to this origin only.
        client = HttpGitClient(
            f"{parts.scheme}://{parts.netloc}",
            timeout=_TIMEOUT_S,
            username="x-access-token" if self._token else None,
            password=self._token,
            quiet=True,
        )
        try:
            yield client, parts.path
        finally:
            client.pool_manager.clear()

    def _fetch(
        self,
        wants: list[bytes],
        *,
        depth: int | None,
        filter_spec: bytes | None,
        cap: int = MAX_PACK,
        into: MemoryRepo | None = None,
    ) -> MemoryRepo:
        repo = into if into is not None else MemoryRepo()
        write, commit, abort = repo.object_store.add_pack()
        size, started = 0, time.monotonic()

        def keep(data: bytes) -> int:
            nonlocal size
            size += len(data)
            if size > cap:
                raise PackTooLarge(f"{self.name} sent more than {cap:,} bytes")
            if time.monotonic() - started > _FETCH_S:
                raise SourceError(f"{self.name} took more than {_FETCH_S:.0f} s to send")
            return int(write.write(data))

        try:
            with self._client() as (client, path):
                client.fetch_pack(
                    path,
                    lambda *_, **__: wants,  # type: ignore[arg-type]
                    repo.get_graph_walker(),
                    keep,
                    depth=depth,
                    filter_spec=filter_spec,
                    protocol_version=2,
                )
            check_pack(write, size, 4 * cap)
            write.seek(0, SEEK_END)  # where dulwich takes its length from
        except BaseException:
            abort()
            raise
        commit()
        return repo


def _content(repo: Objects, sha: bytes) -> bytes | Doubt:
    blob = repo[ObjectID(sha)]
    if not isinstance(blob, Blob):
        return Doubt("NotPlainFile", "it is not a plain file")
    if (size := blob.raw_length()) > MAX_BYTES:
        return _too_large(f"{size:,}")
    return blob.as_raw_string()


def _too_large(size: str) -> Doubt:
    return Doubt("FileTooLarge", f"it has {size} bytes, {MAX_BYTES:,} are allowed")


def _folder_too_large() -> SourceError:
    return SourceError(
        f"its files come to more than {MAX_ALL_FILES:,} bytes", reason="FolderTooLarge"
    )


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn every error of Git and the network into a SourceError without secrets."""
    try:
        yield
    except (SourceError, SignatureRefused):
        raise
    except NotGitRepository as error:
        raise SourceError(f"{where} is not a Git repository, or not one for us") from error
    except HTTPUnauthorized as error:
        raise SourceError(f"{where} asks for credentials; check GITSLOT_GIT_TOKEN") from error
    except Exception as error:
        raise SourceError(f"cannot read {where}: {type(error).__name__}") from error
