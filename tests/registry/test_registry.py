"""The registry over real blobs: create-only, whole or not at all, and clear about what it lacks."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from azure.core.exceptions import ServiceResponseError
from azure.storage.blob import BlobClient

from gitslot.errors import ManifestInvalid, RegistryUnavailable, UnknownVersion, VersionExists
from gitslot.registry.registry import Registry
from gitslot.state.code import Build, Package
from tests.platform import Platform
from tests.training.versions import built, described


@pytest.fixture
def version(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return a version that no other test registers."""
    return f"9.{abs(hash((request.node.nodeid, str(tmp_path)))) % 10**12}"


def test_a_registered_version_is_read_back(registry: Registry, version: str) -> None:
    """What was registered is what is read, digest and golden rows included."""
    made = built(version=version)
    assert registry.register(*made.files) == made.manifest
    assert registry.manifest("iris", version) == made.manifest
    assert version in registry.versions("iris")


def test_a_version_is_never_overwritten(registry: Registry, version: str) -> None:
    """A second registration is refused, and the first one's bytes stay."""
    first, second = built(version=version), built(version=version, estimator="logistic")
    registry.register(*first.files)
    with pytest.raises(VersionExists, match=version):
        registry.register(*second.files)
    with pytest.raises(VersionExists):
        registry.register(*first.files)
    assert registry.manifest("iris", version).digest == first.manifest.digest


def test_two_racing_registrations_leave_one_whole(
    registry: Registry, platform: Platform, version: str
) -> None:
    """Of two at once exactly one wins, and manifest and artifact are both the winner's."""
    racers = [built(version=version), built(version=version, estimator="logistic")]
    start = threading.Barrier(2)
    won: list[str] = []
    refused: list[Exception] = []

    def race(index: int) -> None:
        mine = Registry(platform.storage, platform.credential)
        mine.listing()  # connected, so that both really start together
        start.wait()
        try:
            won.append(mine.register(*racers[index].files).digest)
        except VersionExists as error:
            refused.append(error)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(race, range(2)))
    assert (len(won), len(refused)) == (1, 1)
    manifest = registry.manifest("iris", version)
    assert manifest.digest == won[0]
    artifact = _blob(platform, "models", f"iris/{version}/{manifest.artifact.name}")
    assert hashlib.sha256(artifact).hexdigest() == manifest.artifact.sha256


def test_a_manifest_of_other_bytes_is_refused(registry: Registry, version: str) -> None:
    """A manifest that describes other artifact bytes is not registered."""
    made = built(version=version)
    with pytest.raises(ManifestInvalid, match="artifact"):
        registry.register(made.raw, made.artifact + b"x", made.golden)
    with pytest.raises(UnknownVersion):
        registry.manifest("iris", version)


@pytest.mark.parametrize("name", ["nothing", "..", ".", "", "a/b", "a%2fb", "x" * 65, "é"])
def test_an_unknown_version_is_named(registry: Registry, name: str) -> None:
    """What is not there, or could not be, is an unknown version."""
    with pytest.raises(UnknownVersion, match="not registered"):
        registry.manifest("iris", name)
    with pytest.raises(UnknownVersion, match="not registered"):
        registry.package(name)


@pytest.mark.parametrize("content", [b"", b"{}", b"[" * 2000, b"x" * (2 << 20)])
def test_a_hostile_manifest_is_refused(
    registry: Registry, platform: Platform, version: str, content: bytes
) -> None:
    """Bytes that are no manifest are refused as such, however many there are."""
    _put(platform, "models", f"iris/{version}/manifest.json", content)
    with pytest.raises(ManifestInvalid):
        registry.manifest("iris", version)


def test_a_manifest_in_another_place_is_refused(
    registry: Registry, platform: Platform, version: str
) -> None:
    """A manifest copied to another version does not make that version."""
    _put(platform, "models", f"iris/{version}/manifest.json", built().raw)
    with pytest.raises(ManifestInvalid, match=r"is of iris 1\.5\.0"):
        registry.manifest("iris", version)


def test_a_version_without_its_manifest_does_not_exist(
    registry: Registry, platform: Platform, version: str
) -> None:
    """A registration that was cut off before its manifest left nothing, and can be done again."""
    made = built(version=version)
    _put(platform, "models", f"iris/{version}/{made.manifest.artifact.name}", made.artifact)
    assert version not in registry.versions("iris")
    registry.register(*made.files)
    assert registry.manifest("iris", version) == made.manifest


def test_an_artifact_under_a_false_name_is_refused(
    registry: Registry, platform: Platform, version: str
) -> None:
    """Other bytes under the artifact's name stop the registration before the manifest."""
    made = built(version=version)
    _put(platform, "models", f"iris/{version}/{made.manifest.artifact.name}", b"other")
    with pytest.raises(ManifestInvalid, match="other bytes"):
        registry.register(*made.files)
    assert version not in registry.versions("iris")


def test_a_lost_answer_is_settled_by_what_is_there(
    registry: Registry, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A registration whose last answer was lost is whole, and known to be ours."""
    upload = BlobClient.upload_blob

    def lose(self: BlobClient, *args: object, **kwargs: object) -> object:
        upload(self, *args, **kwargs)  # type: ignore[arg-type]  # handed on as it came
        raise ServiceResponseError("the connection was reset")

    made = built(version=version)
    monkeypatch.setattr(BlobClient, "upload_blob", lose)
    assert registry.register(*made.files) == made.manifest
    monkeypatch.undo()


def test_a_package_is_registered_once(registry: Registry, version: str) -> None:
    """Each build has a URL made of its content; the same again is the same, another is refused."""

    def package(**zips: bytes) -> tuple[Package, dict[str, bytes]]:
        builds = {
            name: Build(hashlib.sha256(zip_).hexdigest(), len(zip_), "serving_app", "abc", "3.13")
            for name, zip_ in zips.items()
        }
        return Package(version, 2, builds), zips

    made = registry.register_package(*package(onnx=b"zip", sklearn=b"zip2"))
    sha256 = hashlib.sha256(b"zip2").hexdigest()
    assert made.builds["sklearn"].url == f"{registry.account_url}/code/{version}/{sha256}.zip"
    assert registry.code_version(made.builds["sklearn"].url) == version
    again = registry.register_package(*package(onnx=b"zip", sklearn=b"zip2"))
    assert again == made == registry.package(version)
    with pytest.raises(VersionExists):
        registry.register_package(*package(onnx=b"other"))
    with pytest.raises(ManifestInvalid, match=r"builds\.onnx"):
        registry.register_package(replace(made, version="4"), {"onnx": b"other"})


def test_a_silent_account_is_unavailable(platform: Platform) -> None:
    """Nobody at the address is one clear error, within the time-outs."""
    registry = Registry("https://127.0.0.1:9/gitslot", platform.credential, connect_s=1)
    with pytest.raises(RegistryUnavailable, match="cannot read models/iris"):
        registry.manifest("iris", "1.5.0")
    with pytest.raises(RegistryUnavailable):
        registry.listing()


def test_the_listing_is_oldest_first(registry: Registry, version: str) -> None:
    """Versions are listed in the order in which they were registered."""
    names = [f"{version}-b", f"{version}-a"]
    for name in names:
        raw = described(built().raw, "version", value=name)
        registry.register(raw, built().artifact, built().golden)
    listed = [name for name in registry.versions("iris") if name.startswith(version)]
    assert sorted(listed) == sorted(names)
    times = [entry.registered for entry in registry.listing()]
    assert times == sorted(times)


def test_a_container_is_there_or_not_and_the_service_says_what_time_it_is(
    registry: Registry,
) -> None:
    """Both answers carry the service's own clock; nothing is created by asking."""
    for name, expected in (("models", True), ("nowhere", False), ("nowhere", False)):
        there, theirs = registry.container(name)
        assert there is expected
        assert theirs is not None
        assert abs((datetime.now(UTC) - theirs).total_seconds()) < 60


def _put(platform: Platform, container: str, path: str, content: bytes) -> None:
    platform.blobs.get_blob_client(container, path).upload_blob(content, overwrite=True)


def _blob(platform: Platform, container: str, path: str) -> bytes:
    return platform.blobs.get_blob_client(container, path).download_blob().readall()
