"""The blueprint in somebody's own app, on the Functions host: what it answers, good and bad."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from gitslot.convert.version import Built
from gitslot.registry.registry import Registry
from tests.platform import ROOT, Platform
from tests.serving_app.conftest import Slot
from tests.training.versions import built

ROW = [[5.1, 3.5, 1.4, 0.2]]
StartOwn = Callable[..., Slot]


@pytest.fixture(scope="module")
def start(
    platform: Platform, served: Built, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StartOwn]:
    """Return a function that starts the app of tests/story/own_app with these settings."""
    with ExitStack() as stack:

        def own(**settings: str) -> Slot:
            folder = tmp_path_factory.mktemp("own")
            shutil.copytree(ROOT / "tests/story/own_app", folder / "app")
            shutil.copy(ROOT / "serving_app/blueprint.py", folder / "app/gitslot_blueprint.py")
            store = {**platform.environment, "MODEL_STORE": platform.storage}
            slot = Slot(folder, {**store, "MODEL_NAME": "iris", "MODEL_DEPLOY": "d-1", **settings})
            stack.callback(slot.close)
            return slot

        yield own


def test_it_serves_the_pinned_model_and_says_so(start: StartOwn, served: Built) -> None:
    """Health has the keys of the contract, and every answer its three headers."""
    digest = served.manifest.digest
    slot = start(MODEL_VERSION=f"1.5.0@sha256:{digest}")
    health, answer = slot.health(), slot.predict(ROW)
    body = {"model": "iris", "version": "1.5.0", "digest": digest, "deploy": "d-1"}
    assert (health.status_code, health.json()) == (200, {**body, "code": "source", "reason": ""})
    assert (answer.status_code, answer.json()) == (200, ["setosa"])
    for each in (health, answer):
        found = [each.headers[f"x-model-{name}"] for name in ("version", "digest", "deploy")]
        assert found == ["1.5.0", digest, "d-1"]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "NoModel"),
        ({"MODEL_VERSION": f"1.5.0@sha256:{'0' * 64}"}, "DigestMismatch"),
        ({"MODEL_VERSION": "0.0.1"}, "RegistryUnavailable"),
        ({"MODEL_VERSION": "5.1.0"}, "DigestMismatch"),
    ],
)
def test_what_is_not_what_it_should_be_is_not_served(
    start: StartOwn,
    platform: Platform,
    registry: Registry,
    settings: dict[str, str],
    reason: str,
) -> None:
    """503 with the reason, and `none` for what would have been served."""
    if settings.get("MODEL_VERSION") == "5.1.0":  # its artifact is changed after registration
        version = built(version="5.1.0")
        registry.register(*version.files)
        path = f"iris/5.1.0/{version.manifest.artifact.name}"
        platform.blobs.get_blob_client("models", path).upload_blob(b"other", overwrite=True)
    slot = start(**settings)
    health = slot.health()
    assert (health.status_code, health.json()["reason"]) == (503, reason)
    assert (health.json()["digest"], slot.predict(ROW).status_code) == ("", 503)
    found = [health.headers[f"x-model-{name}"] for name in ("version", "digest", "deploy")]
    assert found == ["none", "none", "d-1"]
