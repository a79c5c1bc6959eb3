"""
The model registry: versions, manifests and serving packages in Blob Storage.

    models/<model>/<version>/manifest.json      written last and create-only: the version exists now
    models/<model>/<version>/model-<sha>.onnx   (or .skops) named by its content, never shared
    models/<model>/<version>/golden-<sha>.json  the golden rows, by the same rule
    code/<version>/manifest.json                a serving package, by the same rule
    code/<version>/<sha256>.zip                 of a build: what WEBSITE_RUN_FROM_PACKAGE points to

A version is never overwritten and never incomplete. Whoever creates manifest.json first has
registered it; all others get VersionExists.

It must not hold a storage key, retry a write, or decide anything.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from azure.core.credentials import TokenCredential
from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceResponseError,
)
from azure.storage.blob import BlobServiceClient, ContainerClient

from gitslot.errors import ManifestInvalid, RegistryUnavailable, UnknownVersion, VersionExists
from gitslot.http.azure import STORAGE, AzureTransport, in_container, refusal, why
from gitslot.http.client import CONNECT_S, Http
from gitslot.registry.golden import MAX_BYTES as GOLDEN_BYTES
from gitslot.registry.manifest import (
    MAX_BYTES,
    Manifest,
    is_name,
    parse_manifest,
    with_golden,
)
from gitslot.registry.package_manifest import parse_package, written
from gitslot.state.code import Package

MODELS = "models"
CODE = "code"
GITSLOT = "gitslot"
CONTAINERS = (MODELS, CODE, GITSLOT)

_ZIP_PATH = re.compile(r"(?P<version>[A-Za-z0-9._-]{1,64})/[0-9a-f]{64}\.zip")
_PACKAGE_PATH = re.compile(r"(?P<version>[^/]+)/manifest\.json\Z")
_MANIFEST_PATH = re.compile(r"(?P<model>[^/]+)/(?P<version>[^/]+)/manifest\.json\Z")


@dataclass(frozen=True, slots=True)
class Registered:
    """One registered model version, with the time its manifest was written."""

    model: str
    version: str
    registered: datetime


class Registry:
    """
    The registry in the storage account at *account_url*, with the rights of *credential*.

    Every call asks the account anew, and nothing is tried twice. A request gets *connect_s* seconds
    to connect and takes *total_s* seconds at most, an upload longer by its size.
    """

    def __init__(
        self,
        account_url: str,
        credential: "TokenCredential",
        http: Http | None = None,
        *,
        connect_s: float = CONNECT_S,
        total_s: float = 30.0,
    ) -> None:
        self.account_url = account_url.rstrip("/")
        self._credential = credential
        self._http = http
        self._connect_s = connect_s
        self._total_s = total_s

    def manifest(self, model: str, version: str, known: Manifest | None = None) -> Manifest:
        """
        Return the manifest of *version* of *model*, with its golden rows; *known* if it is that.

        Raises UnknownVersion, ManifestInvalid or RegistryUnavailable.
        """
        unknown = f"{model} {version} is not registered"
        if not is_name(model) or not is_name(version):
            raise UnknownVersion(unknown)
        raw = self._read(MODELS, f"{model}/{version}/manifest.json", unknown)
        if known and known.digest == _sha256(raw):
            return known
        manifest = parse_manifest(raw)
        if (manifest.model, manifest.version) != (model, version):
            raise ManifestInvalid(
                f"the manifest at {model}/{version} is of {manifest.model} {manifest.version}"
            )
        if manifest.golden_file is None:
            return manifest
        path = f"{model}/{version}/{manifest.golden_file.name}"
        return with_golden(manifest, self._read(MODELS, path, f"{path} is missing", GOLDEN_BYTES))

    def versions(self, model: str) -> tuple[str, ...]:
        """Return the registered versions of *model*, oldest first; raise RegistryUnavailable."""
        if not is_name(model):
            return ()
        return tuple(entry.version for entry in self.listing(f"{model}/"))

    def register(self, manifest: bytes, artifact: bytes, golden: bytes = b"") -> Manifest:
        """
        Register *artifact* under the model and version that *manifest* names; never overwrite.

        *golden* is the file of its golden rows; format 1 has none. Both are uploaded first, under
        names made of their content; then the manifest, create-only. Of two racing calls exactly one
        returns. Raises VersionExists, ManifestInvalid (also if the manifest describes other bytes)
        or RegistryUnavailable.
        """
        parsed = with_golden(parse_manifest(manifest), golden)
        sha256 = _sha256(artifact)
        if (parsed.artifact.sha256, parsed.artifact.size) != (sha256, len(artifact)):
            raise ManifestInvalid("artifact: the manifest describes other bytes")
        if parsed.artifact.name != (name := artifact_name(sha256, parsed.artifact.format)):
            raise ManifestInvalid(f"artifact.name: must be {name}")
        self.refuse_existing(parsed.model, parsed.version)
        folder = f"{parsed.model}/{parsed.version}"
        self._create_same(MODELS, f"{folder}/{parsed.artifact.name}", artifact)
        if file := parsed.golden_file:
            if file.name != golden_name(file.sha256):
                raise ManifestInvalid(f"golden.name: must be {golden_name(file.sha256)}")
            self._create_same(MODELS, f"{folder}/{file.name}", golden)
        if not self._create(MODELS, f"{folder}/manifest.json", manifest):
            raise VersionExists(_taken(f"{parsed.model} {parsed.version}"))
        return parsed

    def refuse_existing(self, model: str, version: str) -> None:
        """Raise VersionExists if *version* of *model* is registered; raise RegistryUnavailable."""
        if self._exists(MODELS, f"{model}/{version}/manifest.json"):
            raise VersionExists(_taken(f"{model} {version}"))

    def package(self, version: str) -> Package:
        """
        Return the serving package registered as *version*.

        Raises UnknownVersion, ManifestInvalid or RegistryUnavailable.
        """
        unknown = f"serving package {version} is not registered"
        if not is_name(version):
            raise UnknownVersion(unknown)
        return self._package(self._read(CODE, f"{version}/manifest.json", unknown), version)

    def register_package(self, package: Package, zips: Mapping[str, bytes]) -> Package:
        """
        Register *package* with the *zips* of its builds, and return it with their URLs.

        Registering the same again returns what is there; other bytes raise VersionExists. Raises
        RegistryUnavailable, and ManifestInvalid for what is malformed or describes other bytes.
        """
        manifest, version = written(package), package.version
        parsed = self._package(manifest, version)
        with suppress(UnknownVersion):
            return self._same(parsed)
        for name, build in parsed.builds.items():
            if (build.sha256, build.size) != (_sha256(zips[name]), len(zips[name])):
                raise ManifestInvalid(f"builds.{name}: the manifest describes other bytes")
            self._create_same(CODE, f"{version}/{build.sha256}.zip", zips[name])
        if self._create(CODE, f"{version}/manifest.json", manifest):
            return parsed
        return self._same(parsed)

    def _same(self, package: Package) -> Package:
        """Return *package* if it is registered; raise VersionExists if another one is."""
        if self.package(package.version) != package:
            raise VersionExists(_taken(f"serving package {package.version}"))
        return package

    def packages(self) -> tuple[Package, ...]:
        """
        Return the newest 50 serving packages, the newest first, without those that are not read.

        Raises RegistryUnavailable.
        """
        with _translated(f"list {CODE}"):
            found = [
                (blob.last_modified, match["version"])
                for blob in self._container(CODE).list_blobs()
                if (match := _PACKAGE_PATH.match(blob.name))
            ]
        packages = []
        for _, version in sorted(found, reverse=True)[:50]:
            with suppress(UnknownVersion, ManifestInvalid):
                packages.append(self.package(version))
        return tuple(packages)

    def code_version(self, url: str) -> str:
        """Return the version of the package whose zip is at *url*, "" where it is not of here."""
        match = _ZIP_PATH.fullmatch(url.removeprefix(f"{self.account_url}/{CODE}/"))
        return match["version"] if match else ""

    def zip_flaw(self, url: str) -> str:
        """
        Return what is wrong with the bytes at *url*, which names a zip of `code`, or "".

        They are read in pieces, and never all at once. Raises RegistryUnavailable, also where there
        are none.
        """
        path = url.removeprefix(f"{self.account_url}/{CODE}/")
        found = hashlib.sha256()
        with _translated(f"read {CODE}/{path}"):
            try:
                for piece in self._pieces(CODE, path):
                    found.update(piece)
            except ResourceNotFoundError as error:  # perhaps not yet: that is no verdict
                what = f"{CODE}/{path} is not there: register the package again"
                raise RegistryUnavailable(what) from error
        fits = path.endswith(f"/{found.hexdigest()}.zip")
        return "" if fits else f"{CODE}/{path} has other bytes than its name says"

    def container(self, name: str) -> tuple[bool, datetime | None]:
        """
        Return whether the container *name* exists, and the storage service's time.

        Raises RegistryUnavailable if the service does not answer.
        """
        dates: list[str] = []

        def keep_date(response: Any) -> None:
            dates.append(response.http_response.headers.get("Date", ""))

        with _translated(f"look at container {name}"):
            try:
                self._container(name).get_container_properties(raw_response_hook=keep_date)
                there = True
            except ResourceNotFoundError:
                there = False
        return there, parsedate_to_datetime(dates[-1]) if dates and dates[-1] else None

    def ensure_containers(self) -> None:
        """Create the containers that are not there yet; raise RegistryUnavailable."""
        for name in CONTAINERS:
            place = self._container(name)
            with _translated(f"create container {name}"):
                in_container(place, place.get_container_properties)

    def listing(self, prefix: str = "") -> tuple[Registered, ...]:
        """
        Return every registered model version below *prefix*, oldest first.

        Raises RegistryUnavailable.
        """
        with _translated(f"list {MODELS}"):
            found = [
                Registered(match["model"], match["version"], blob.last_modified)
                for blob in self._container(MODELS).list_blobs(name_starts_with=prefix or None)
                if (match := _MANIFEST_PATH.match(blob.name))
            ]
        named = (entry for entry in found if is_name(entry.model) and is_name(entry.version))
        return tuple(sorted(named, key=attrgetter("registered", "model", "version")))

    def _package(self, manifest: bytes, version: str) -> Package:
        parsed = parse_package(manifest)
        if parsed.version != version:
            raise ManifestInvalid(f"the manifest of package {version} is of {parsed.version}")
        folder = f"{self.account_url}/{CODE}/{version}"
        builds = {
            name: replace(build, url=f"{folder}/{build.sha256}.zip")
            for name, build in parsed.builds.items()
        }
        return replace(parsed, builds=MappingProxyType(builds))

    def _read(self, container: str, path: str, unknown: str, most: int = MAX_BYTES) -> bytes:
        """Return a blob of *most* bytes; raise UnknownVersion with *unknown* if there is none."""
        with _translated(f"read {container}/{path}"):
            try:
                return self._content(container, path, most)
            except ResourceNotFoundError as error:
                raise UnknownVersion(unknown) from error

    def _content(self, container: str, path: str, cap: int) -> bytes:
        """Return a blob, cut off one byte over *cap*, so that its reader sees that it is more."""
        blob = self._container(container).get_blob_client(path)
        try:
            return blob.download_blob(offset=0, length=cap + 1).readall()
        except HttpResponseError as error:
            if error.status_code == 416:  # an empty blob has no range to read
                return b""
            raise

    def _pieces(self, container: str, path: str) -> Iterator[bytes]:
        yield from self._container(container).get_blob_client(path).download_blob().chunks()

    def _exists(self, container: str, path: str) -> bool:
        with _translated(f"look for {container}/{path}"):
            return self._container(container).get_blob_client(path).exists()

    def _create(self, container: str, path: str, content: bytes) -> bool:
        """
        Create a blob if it does not exist; return whether this call created it.

        If the answer was lost, the blob's content decides: our own bytes mean that we were first.
        """
        with _translated(f"create {container}/{path}"):
            place = self._container(container)
            blob = place.get_blob_client(path)
            try:
                in_container(place, lambda: blob.upload_blob(content, overwrite=False))
            except ResourceExistsError:
                return False
            except ServiceResponseError:
                if not blob.exists():
                    raise
                return self._content(container, path, len(content)) == content
        return True

    def _create_same(self, container: str, path: str, content: bytes) -> None:
        """Create a blob that is named by its content, or check that it exists with it."""
        if self._create(container, path, content):
            return
        with _translated(f"read {container}/{path}"):
            there = self._content(container, path, len(content))
        if there != content:
            raise ManifestInvalid(f"{container}/{path} is there with other bytes")

    def _container(self, name: str) -> ContainerClient:
        return self._service.get_container_client(name)

    @cached_property
    def _service(self) -> BlobServiceClient:
        """Return the one client, made on first use."""
        transport = AzureTransport(self._http or Http(), self._total_s, self._connect_s)
        return BlobServiceClient(
            self.account_url,
            self._credential,
            transport=transport,
            max_single_put_size=64 * 1024 * 1024,
            **STORAGE,
        )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def artifact_name(sha256: str, form: str) -> str:
    """Return the blob name of an artifact with *sha256*; racing registrations never share one."""
    return f"model-{sha256[:16]}.{form}"


def golden_name(sha256: str) -> str:
    """Return the blob name of golden rows with *sha256*."""
    return f"golden-{sha256[:16]}.json"


def _taken(what: str) -> str:
    return f"{what} is registered already, and is never overwritten: choose another version"


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    """Turn what azure-core raises while *doing* into RegistryUnavailable."""
    try:
        yield
    except HttpResponseError as error:
        raise RegistryUnavailable(f"cannot {doing}: {refusal(error)}") from error
    except AzureError as error:
        cause = no_answer.cause if (no_answer := why(error)) else type(error).__name__
        raise RegistryUnavailable(f"cannot {doing}: {cause}") from error
