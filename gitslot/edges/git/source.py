"""
Read Git: the newest commit of one ref, the file's bytes in it, and its descent.

It never writes, needs no git binary, and treats an empty answer as an error: an empty ref look-up,
a missing file or a link in its place is a SourceError with a reason, not an empty desired state.
"""

import re
import stat
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from io import SEEK_END
from pathlib import Path
from urllib.parse import urlsplit

from dulwich.client import HttpGitClient, HTTPUnauthorized
from dulwich.errors import NotGitRepository
from dulwich.objects import Blob, Commit, ObjectID, Tree
from dulwich.objectspec import parse_commit
from dulwich.refs import Ref
from dulwich.repo import BaseRepo, MemoryRepo, Repo

from gitslot.edges.file.read import MAX_BYTES
from gitslot.edges.git.file_history import GitTrail
from gitslot.edges.git.pack_size import check_pack
from gitslot.edges.git.signed_changes import Rule, check
from gitslot.errors import SignatureRefused, SourceError
from gitslot.state.safe_text import safe
from gitslot.state.wanted import Revision

MAX_PACK = 64 * 1024 * 1024
_MAX_BLOB_PACK = 4 * MAX_BYTES
_TIMEOUT_S = 20.0
_FETCH_S = 120.0  # limits a server that sends slowly; dulwich does not
_REVERTS = re.compile(r"This reverts commit ([0-9a-f]{40})")
_MAX_WALK = 100_000


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest commit and the bytes of the file in it."""

    revision: Revision
    data: bytes


class GitSource:
    """
    One file on one ref of one repository.

    *repository* is a path or an https URL, *ref* a branch or a full ref name, *path* the file's
    path in the tree. *token* is used in a header only.
    """

    def __init__(self, repository: str, ref: str, path: str, token: str | None = None) -> None:
        self._repository = repository
        self._ref = _full(ref)
        self._path = path
        self._token = token
        self._seen: Newest | None = None
        self._descent_of = ""
        self._descent: dict[str, bool] = {}

    def newest(self) -> Newest:
        """
        Return the newest commit; costs one ref look-up while the ref does not change.

        Raises SourceError: GitUnreachable, RefGone, FileMissing, NotPlainFile, FileTooLarge.
        """
        with _translated(self._where()):
            tip = self._tip()
            if self._seen is None or self._seen.revision.commit != tip.decode():
                self._seen = self.at(tip.decode())
            return self._seen

    def at(self, commit: str) -> Newest:
        """Return *commit* (40 hex digits) and the file's bytes in it. Raises SourceError."""
        with _translated(self._where()), closing(self._objects(commit.encode())) as repo:
            found = repo[commit.encode()]
            if not isinstance(found, Commit):
                raise SourceError(f"{commit[:7]} is not a commit", reason="RefGone")
            return Newest(_revision(found), self._file(repo, found))

    def resolve(self, revision: str) -> str:
        """Return the 40 hex digits that *revision* abbreviates; for local repositories."""
        with _translated(self._where()):
            if not self._local:
                return revision
            with Repo(self._repository) as repo:
                return parse_commit(repo, revision).id.decode()

    def descends(self, commit: str, ancestor: str) -> bool:
        """Say whether *commit* has *ancestor* in its history. Raises SourceError."""
        if commit == ancestor:
            return True
        if self._descent_of != commit:
            self._descent_of, self._descent = commit, {}
        if ancestor not in self._descent:
            with _translated(self._where()), closing(self._history(commit.encode())) as repo:
                self._descent[ancestor] = _walks_to(repo, commit, ancestor)
        return self._descent[ancestor]

    def vouched(self, commit: str, rule: Rule) -> int:
        """
        Return how many changes of the file lead to *commit*; *rule* accepts each of them.

        Raises SignatureRefused, which names the first that it refuses, and SourceError.
        """
        with _translated(self._where()), closing(self._history(commit.encode())) as repo:
            trail = GitTrail(repo, self._path, lambda wants: self._add(repo, wants))
            try:
                return check(trail, commit, rule)
            except KeyError as error:
                raise SourceError(
                    f"the history of {commit[:7]} has a hole: {self._where()} is a shallow copy",
                    reason="HistoryIncomplete",
                ) from error

    # ------------------------------------------------------------ where objects come from

    @property
    def _local(self) -> bool:
        return not self._repository.startswith("https://")

    def _where(self) -> str:
        if self._local:
            return self._repository
        parts = urlsplit(self._repository)
        return f"{parts.hostname or ''}{parts.path}"

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

    def _tip(self) -> bytes:
        if self._local:
            with Repo(self._repository) as repo:
                tip = repo.refs.as_dict().get(Ref(self._ref))
                if self._ref == b"HEAD":
                    tip = repo.head()
        else:
            with self._client() as (client, path):
                found = client.get_refs(path.encode(), protocol_version=2, ref_prefix=[self._ref])
            tip = found.refs.get(Ref(self._ref))
        if not tip:
            raise SourceError(
                f"{self._ref.decode()} is not in {self._where()}: deleted, renamed, or nothing "
                "was ever pushed",
                reason="RefGone",
            )
        return bytes(tip)

    def _objects(self, commit: bytes) -> Repo | MemoryRepo:
        """Return a repository with *commit* and its trees; it may lack blobs."""
        if self._local:
            return Repo(self._repository)
        return self._fetch([commit], depth=1, filter_spec=b"blob:none")

    def _history(self, commit: bytes) -> Repo | MemoryRepo:
        if self._local:
            return Repo(self._repository)
        return self._fetch([commit], depth=None, filter_spec=b"tree:0")

    def _add(self, repo: Repo | MemoryRepo, wants: list[bytes]) -> None:
        """Fetch the trees *wants*, and nothing below them, into *repo*."""
        if isinstance(repo, MemoryRepo):
            self._fetch(wants, depth=None, filter_spec=b"tree:0", into=repo)

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
                raise SourceError(
                    f"{self._where()} sent more than {cap:,} bytes", reason="PackTooLarge"
                )
            if time.monotonic() - started > _FETCH_S:
                raise SourceError(f"{self._where()} took more than {_FETCH_S:.0f} s to send")
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

    # ------------------------------------------------------------ the file

    def _file(self, repo: BaseRepo, commit: Commit) -> bytes:
        mode, sha = self._entry(repo, commit)
        if not stat.S_ISREG(mode):
            what = "a link" if stat.S_ISLNK(mode) else "not a plain file"
            raise SourceError(f"{self._path} is {what}", reason="NotPlainFile")
        if ObjectID(sha) not in repo.object_store:
            repo = self._fetch([sha], depth=None, filter_spec=None, cap=_MAX_BLOB_PACK)
        blob = repo[sha]
        if not isinstance(blob, Blob):
            raise SourceError(f"{self._path} is not a plain file", reason="NotPlainFile")
        if blob.raw_length() > MAX_BYTES:
            raise SourceError(
                f"{self._path} has {blob.raw_length():,} bytes, {MAX_BYTES:,} are allowed",
                reason="FileTooLarge",
            )
        return blob.as_raw_string()

    def _entry(self, repo: BaseRepo, commit: Commit) -> tuple[int, bytes]:
        sha, mode = commit.tree, stat.S_IFDIR
        for name in self._path.split("/"):
            tree = repo[sha] if stat.S_ISDIR(mode) else None
            if not isinstance(tree, Tree) or name.encode() not in tree:
                raise SourceError(
                    f"{self._path} is not in the tree of {commit.id.decode()[:7]}",
                    reason="FileMissing",
                )
            mode, sha = tree[name.encode()]
        return mode, sha


def _full(ref: str) -> bytes:
    return (ref if ref.startswith("refs/") or ref == "HEAD" else f"refs/heads/{ref}").encode()


def _revision(commit: Commit) -> Revision:
    message = commit.message.decode("utf-8", "replace")
    subject = message.strip().split("\n", 1)[0]
    author = commit.author.decode("utf-8", "replace").split("<")[0].strip()
    reverts = _REVERTS.search(message)
    return Revision(
        commit.id.decode(), safe(author, 100), safe(subject, 200), reverts[1] if reverts else None
    )


def _walks_to(repo: BaseRepo, commit: str, ancestor: str) -> bool:
    seen: set[bytes] = set()
    todo = deque([commit.encode()])
    while todo:
        if len(seen) >= _MAX_WALK:
            raise SourceError(
                f"{ancestor[:7]} is not among the newest {_MAX_WALK:,} commits",
                reason="HistoryTooLong",
            )
        sha = todo.popleft()
        if sha == ancestor.encode():
            return True
        if sha in seen:
            continue
        seen.add(sha)
        try:
            found = repo[sha]
        except KeyError:
            continue
        if isinstance(found, Commit):
            todo.extend(found.parents)
    return False


@contextmanager
def _translated(where: str) -> Iterator[None]:
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


def local_repository(start: Path) -> Path | None:
    """Return the Git checkout at or above *start*, or None."""
    for folder in (start, *start.parents):
        if (folder / ".git").exists():
            return folder
    return None
