"""
The packages that slots run: fetched, checked, and unpacked once for each content.

As on Azure, every start asks for the package that ``WEBSITE_RUN_FROM_PACKAGE`` names; an unchanged
blob is not sent again. A blob URL without a signature is read with an identity of the slot
(https://learn.microsoft.com/azure/azure-functions/run-functions-from-deployment-package, "Fetch a
package from Azure Blob Storage using a managed identity").
"""

import asyncio
import hashlib
import lzma
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import urlsplit

import aiohttp

from emulator.login.identity import Caller

READER = "WEBSITE_RUN_FROM_PACKAGE_BLOB_MI_RESOURCE_ID"
LIMIT_BYTES = 1 << 30  # of a package, and of its unpacked files: what a laptop bears
STORAGE_VERSION = "2023-11-03"
CHUNK = 1 << 20
CACHE = "__pycache__"
UNREADABLE = (zipfile.BadZipFile, RuntimeError, EOFError, zlib.error, lzma.LZMAError)


class PackageError(Exception):
    """The package cannot be fetched or unpacked; the slot cannot start."""


def is_url(text: str) -> bool:
    """Return whether *text* names a package by its address."""
    return text.startswith(("https://", "http://"))


def reader(holder: Caller | None, named: str) -> Caller:
    """
    Return the identity that *holder*, a slot, reads its package with; *named* is its READER.

    An empty one and ``SystemAssigned`` mean the slot's own identity; anything else is the resource
    id of a user-assigned one. Raises PackageError that names what the slot lacks.
    """
    if holder is None:
        raise PackageError("package cannot be read: the slot is gone")
    if named.lower() in ("", "systemassigned"):
        if not holder.system:
            raise PackageError(
                f"package cannot be read: no system-assigned identity, and {READER} names no other"
            )
        return holder
    for user in holder.others:
        if (user.resource_id or "").lower() == named.lower():
            return user
    raise PackageError(f"package cannot be read: {READER} names an identity that the slot lacks")


@dataclass
class Packages:
    """
    Fetches packages, with a *token* from *storage*, and unpacks them below *folder*.

    *token* takes a slot's identity header and its READER.
    """

    folder: Path
    session: aiohttp.ClientSession
    storage: str
    token: Callable[[str, str], str]

    def __post_init__(self) -> None:
        self._known: dict[str, tuple[str, Path]] = {}  # url -> etag, unpacked
        self._lock = asyncio.Lock()

    async def unpacked(self, url: str, identity: str, named: str = "") -> Path:
        """
        Return the folder with the content of *url*, for the slot with that identity header.

        *named* is the slot's READER. Raises PackageError with the cause.
        """
        headers = {}
        if url.startswith(f"{self.storage}/") and "sig=" not in urlsplit(url).query:
            headers = {
                "Authorization": f"Bearer {self.token(identity, named)}",
                "x-ms-version": STORAGE_VERSION,
            }
        known = self._known.get(url)
        if known is not None and known[1].is_dir():
            headers["If-None-Match"] = known[0]
        try:
            async with self.session.get(url, headers=headers) as response:
                if response.status == 304 and known is not None:
                    return known[1]
                if response.status != 200:
                    raise PackageError(f"package answers {response.status}")
                etag = response.headers.get("ETag", "")
                folder = await self._store(response.content.iter_chunked(CHUNK))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise PackageError(f"package cannot be fetched: {type(error).__name__}") from error
        if etag:
            self._known[url] = (etag, folder)
        return folder

    async def add(self, content: AsyncIterable[bytes]) -> str:
        """Unpack *content*, a zip, and return its name here; raise PackageError with the cause."""
        try:
            return (await self._store(content)).name
        except OSError as error:
            raise PackageError(f"package cannot be unpacked: {type(error).__name__}") from error

    def folder_of(self, name: str) -> Path:
        """Return the folder of the package *name* of ``add``; raise PackageError if it is gone."""
        folder = self.folder / name
        if not folder.is_dir():
            raise PackageError("package is gone")
        return folder

    async def _store(self, content: AsyncIterable[bytes]) -> Path:
        digest, size = hashlib.sha256(), 0
        self.folder.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=self.folder) as file:
            async for chunk in content:
                size += len(chunk)
                if size > LIMIT_BYTES:
                    raise PackageError("package is too large")
                digest.update(chunk)
                file.write(chunk)
            target = self.folder / digest.hexdigest()
            async with self._lock:
                if not target.is_dir():
                    await asyncio.to_thread(_unpack, file, target)
            return target


def _unpack(file: IO[bytes], target: Path) -> None:
    """Unpack next to *target*, then rename: a folder of that name is always whole."""
    aside = Path(tempfile.mkdtemp(dir=target.parent, prefix="unpacking-"))
    try:
        with zipfile.ZipFile(file) as archive:
            for item in archive.infolist():
                _check(item)
            if sum(item.file_size for item in archive.infolist()) > LIMIT_BYTES:
                raise PackageError("package is too large")
            archive.extractall(aside)
        try:
            aside.rename(target)
            _protect(target)
        except OSError:
            if not target.is_dir():  # a start that was given up was faster
                raise
    except UNREADABLE as error:
        raise PackageError("package is not a readable zip") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _protect(target: Path) -> None:
    """
    Make *target* read-only, as on Azure ("wwwroot is read-only" with run-from-package).

    Python may store what it compiles there, because slots and restarts share the folder.
    """
    for folder, _, names in target.walk(top_down=False):
        if folder.name == CACHE:
            continue
        if any(name.endswith(".py") for name in names):
            (folder / CACHE).mkdir(exist_ok=True)
        for name in names:
            (folder / name).chmod(0o444)
        folder.chmod(0o555)


def _check(item: zipfile.ZipInfo) -> None:
    path = PurePosixPath(item.filename)
    if path.is_absolute() or ".." in path.parts or "\\" in item.filename:
        raise PackageError("package has a path outside itself")
    if stat.S_ISLNK(item.external_attr >> 16):
        raise PackageError("package has a link")
