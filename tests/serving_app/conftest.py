"""The packaged app on the local Functions host, against a registry on the local platform."""

import json
import os
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from gitslot.convert.version import Built
from gitslot.registry.function_apps import ours
from gitslot.registry.package import package
from gitslot.registry.registry import Registry
from tests.platform import Platform, until
from tests.training.versions import built
from tests.warm_hosts import begin_host

FUNCTION_KEY = "function-key"


class Slot:
    """One process of the packaged app; *url* is where it answers."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        keys = folder / "keys.json"
        held = {"masterKey": "master-key", "functionKeys": {"default": FUNCTION_KEY}}
        keys.write_text(json.dumps(held))
        self.home = folder
        self._log = folder / "log"
        env = {"PATH": os.environ["PATH"], "HOME": str(folder), **settings}
        with self._log.open("wb") as log:
            words = ("--port", "0", "--keys", str(keys), "--insights", str(folder / "insights"))
            self.process = begin_host(folder / "app", words, env, log)
        self.session = requests.Session()
        self.session.trust_env = False
        try:
            self._wait()
        except BaseException:
            self.close()
            raise

    def _wait(self) -> None:
        address = re.compile(r"listening on (http://127\.0\.0\.1:\d+)")
        found = until(lambda: address.search(self.log()), "the host listens")
        assert found
        self.url = found[1]

    def log(self) -> str:
        """Return all that was logged so far."""
        return self._log.read_text()

    def predict(self, rows: Any, query: str = "", **options: Any) -> requests.Response:
        """Post *rows*, or bytes as they are."""
        body = rows if isinstance(rows, bytes) else json.dumps(rows).encode()
        return self.session.post(f"{self.url}/api/predict{query}", body, timeout=30, **options)

    def health(self) -> requests.Response:
        """Ask for health."""
        return self.session.get(f"{self.url}/api/health", timeout=30)

    def close(self) -> None:
        """Leave nothing running."""
        self.session.close()
        self.process.kill()
        self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()


type StartSlot = Callable[..., Slot]


@pytest.fixture(scope="session")
def served(platform: Platform) -> Built:
    """Return iris 1.5.0, registered."""
    version = built(estimator="forest")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(platform.facts["ca_bundle"]))
        registry = Registry(platform.storage, platform.credential)
        registry.ensure_containers()
        registry.register(*version.files)
    return version


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the packaged app, unpacked."""
    root = tmp_path_factory.mktemp("package")
    made = package(ours("serving_app"), version="7.0.0", out=root, thin=True, work=root)
    folder = root / "app"
    with zipfile.ZipFile(made.paths["onnx"]) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="session")
def start_slot(
    platform: Platform, served: Built, app: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StartSlot]:
    """Return a function that starts a slot beside *served*; it ends with the tests."""
    with ExitStack() as stack:

        def start(**settings: str) -> Slot:
            folder = tmp_path_factory.mktemp("slot")
            (folder / "app").symlink_to(app)
            store = {**platform.environment, "MODEL_STORE": platform.storage}
            slot = Slot(folder, {**store, **settings})
            stack.callback(slot.close)
            return slot

        yield start


@pytest.fixture(scope="session")
def slot(start_slot: StartSlot, served: Built) -> Slot:
    """Return a slot that serves iris 1.5.0, pinned, to everybody."""
    model = {"MODEL_NAME": "iris", "MODEL_VERSION": f"1.5.0@sha256:{served.manifest.digest}"}
    return start_slot(MODEL_DEPLOY="run-1", MODEL_PREDICT_AUTH="anonymous", **model)
