"""
Where Git's objects come from: a repository on this machine, or a server over https.

What a server sends is kept in a folder that goes with the process. A fetch is capped in bytes and
in time, and measured before it is unpacked. No git binary is needed.
"""

import shutil
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import SEEK_END
from tempfile import mkdtemp

from dulwich.errors import NotGitRepository
from dulwich.objects import Blob, ObjectID, Tag
from dulwich.refs import Ref
from dulwich.repo import Repo

from gitslot.edges.file.plain_yaml import MAX_BYTES
from gitslot.edges.git.causes import error_of
from gitslot.edges.git.commits import raw_object
from gitslot.edges.git.host import Access, GitHost
from gitslot.edges.git.pack_size import check_pack
from gitslot.errors import ObjectMissing, PackTooLarge, SignatureRefused, SourceError
from gitslot.http.client import Http
from gitslot.state.wanted import Doubt

MAX_PACK = 256 * 1024 * 1024
MAX_ALL_FILES = 16 * 1024 * 1024  # bytes of all files that one commit is asked for
_MAX_BLOB_PACK = 4 * MAX_BYTES
_MAX_PACKS = 100  # that are kept of a server
_ROOT_TREE, _NO_TREES = b"tree:1", b"tree:0"


class Origin:
    """One repository: a path or an https URL, which *access* opens."""

    def __init__(self, repository: str, access: Access, http: Http | None = None) -> None:
        self._repository, self._access, self._http = repository, access, http
        self._host: GitHost | None = None
        self._kept: Repo | None = None  # what a server sent; it goes with the process
        self._drop: Callable[[], object] = lambda: None

    @property
    def local(self) -> bool:
        """Say whether the repository is on this machine."""
        return not self._repository.startswith("https://")

    @property
    def name(self) -> str:
        """Return where the repository is, without anything secret."""
        return self._repository if self.local else self._opened().name

    def _opened(self) -> GitHost:
        if self._host is None:
            self._host = GitHost(self._repository, self._access, self._http or Http())
        return self._host

    @property
    def hands_out_all(self) -> bool:
        """Say whether any object may be asked for, not only what refs name."""
        return self.local or self._opened().speaks_v2

    def open(self) -> Repo:
        """Open the repository on this machine, or what is kept of the server's."""
        if self.local:
            return Repo(self._repository)
        if self._kept is None:
            folder = mkdtemp(prefix="gitslot-git-")
            self._kept = Repo.init_bare(folder)
            self._drop = weakref.finalize(self, _dropped, self._kept, folder)
        return self._kept

    def renew(self) -> bool:
        """Drop what is kept of a server once it came in many packs; return whether it did."""
        if self._kept is None or len(self._kept.object_store.packs) < _MAX_PACKS:
            return False
        self._drop()
        self._kept = None
        return True

    def tip(self, ref: bytes) -> bytes:
        """
        Return the commit that *ref* leads to, a tag's own where it is one.

        Raises SourceError RefGone where that is nothing.
        """
        tag = ref.replace(b"refs/heads/", b"refs/tags/", 1)
        found = self._local_refs(ref, tag) if self.local else self._opened().refs({ref, tag})
        if ref in found:
            return found[ref]
        what = f"{ref.decode()} is not in {self.name}: deleted, renamed, or nothing was ever pushed"
        if tag in found:
            what = (
                f"{self.name} has no branch {ref.decode().removeprefix('refs/heads/')}, but a tag "
                f"of that name; GITSLOT_REF={tag.decode()} follows it"
            )
        raise SourceError(what, reason="RefGone")

    def _local_refs(self, *refs: bytes) -> dict[bytes, bytes]:
        found = {}
        with self.open() as repo:
            for ref in refs:
                with suppress(KeyError):
                    tip: bytes = repo.refs[Ref(ref)]
                    while (read := raw_object(repo, tip.decode()))[0] == Tag.type_num:
                        tip = read[1][len(b"object ") :].partition(b"\n")[0]
                    found[ref] = tip
        return found

    def commit(self, repo: Repo, commit: bytes) -> None:
        """See that *repo* has *commit* and its tree."""
        if not self.local and ObjectID(commit) not in repo.object_store:
            self._fetch(repo, [commit], depth=1, filter_spec=_ROOT_TREE)

    def commits(self, repo: Repo, wants: list[bytes], haves: list[bytes], depth: int) -> None:
        """
        Fetch the commits *wants* into *repo*, *depth* deep, without what *haves* lead to.

        One that the server does not have is left out.
        """
        if self.local:
            return
        try:
            self._fetch(repo, wants, haves, depth=depth, filter_spec=_NO_TREES)
        except ObjectMissing:
            for want in wants if len(wants) > 1 else ():
                self.commits(repo, [want], haves, depth)

    def add(self, repo: Repo, wants: list[bytes]) -> None:
        """Fetch the trees *wants*, and nothing below them, into *repo*."""
        missing = [want for want in wants if ObjectID(want) not in repo.object_store]
        if missing and not self.local:
            self._fetch(repo, missing, filter_spec=_NO_TREES)

    def blob(self, repo: Repo, sha: bytes) -> bytes | Doubt:
        """
        Return the bytes of the blob *sha*, or why it is no file.

        Raises PackTooLarge where the server sends much more than a file may have.
        """
        if ObjectID(sha) not in repo.object_store and not self.local:
            self._fetch(repo, [sha], cap=_MAX_BLOB_PACK)
        return _content(repo, sha)

    def blobs(
        self,
        repo: Repo,
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
            found |= self._brought(repo, missing, folder)
        if sum(len(data) for data in found.values() if isinstance(data, bytes)) > MAX_ALL_FILES:
            raise _folder_too_large()
        return found

    def _brought(
        self, repo: Repo, missing: list[bytes], folder: bytes
    ) -> dict[bytes, bytes | Doubt]:
        try:
            self._fetch(repo, missing, cap=MAX_ALL_FILES)
            return {sha: _content(repo, sha) for sha in missing}
        except PackTooLarge:
            if not folder:
                raise
        small = f"blob:limit={MAX_BYTES + 1}".encode()
        try:
            self._fetch(repo, [folder], filter_spec=small, cap=MAX_ALL_FILES)
        except PackTooLarge as error:
            raise _folder_too_large() from error
        there = {sha for sha in missing if ObjectID(sha) in repo.object_store}
        more = _too_large("too many")
        return {sha: _content(repo, sha) if sha in there else more for sha in missing}

    def _fetch(
        self,
        repo: Repo,
        wants: list[bytes],
        haves: Collection[bytes] = (),
        *,
        depth: int | None = None,
        filter_spec: bytes | None = None,
        cap: int = MAX_PACK,
    ) -> None:
        write, commit, abort = repo.object_store.add_pack()
        size = 0

        def keep(data: bytes) -> int:
            nonlocal size
            size += len(data)
            if size > cap:
                raise PackTooLarge(f"{self.name} sent more than {cap:,} bytes")
            return int(write.write(data))

        try:
            self._opened().bring_pack(wants, haves, keep, depth=depth, filter_spec=filter_spec)
            try:
                check_pack(write, size, 4 * cap)
            except ValueError as error:
                raise error_of("not git", self.name, str(error)) from error
            write.seek(0, SEEK_END)  # where dulwich takes its length from
            commit()
        except BaseException:
            abort()
            raise


def _dropped(repo: Repo, folder: str) -> None:
    repo.close()
    shutil.rmtree(folder, ignore_errors=True)


def _content(repo: Repo, sha: bytes) -> bytes | Doubt:
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
    """Turn every error of a repository's content into a SourceError without secrets."""
    try:
        yield
    except (SourceError, SignatureRefused):
        raise
    except NotGitRepository as error:
        raise SourceError(f"{where} is not a Git repository, or not one for us") from error
    except Exception as error:
        raise SourceError(f"cannot read {where}: {type(error).__name__}") from error
