"""The apps that `cold` and `serve` compare, and the local Functions host that runs them."""

import json
import os
import re
import resource
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gitslot.registry.function_apps import FunctionApp
from gitslot.registry.package import package
from tests.platform import ROOT, Platform, until

ARTICLE = """
import json
from pathlib import Path
import azure.functions as func
import joblib
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
@app.route(route="api/predict", methods=["POST"])
def predict(req: func.HttpRequest) -> func.HttpResponse:
    model = joblib.load(Path(__file__).with_name("model.joblib"))
    return func.HttpResponse(json.dumps(model.predict(req.get_json()).tolist()))
"""
_LISTENS = re.compile(r"(?:listening|running) on (http://127\.0\.0\.1:\d+)")


@dataclass(frozen=True, slots=True)
class Start:
    """An unpacked package to start, with the settings of its slot."""

    name: str
    folder: Path
    settings: Mapping[str, str]

    @property
    def megabytes(self) -> float:
        """Return the size of its files."""
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return sum(path.stat().st_size for path in files) / 1e6


def unpacked(app: FunctionApp, folder: Path, *, thin: bool) -> dict[str, Path]:
    """Return the folder of each build of *app*, as a slot has it; *thin* is without libraries."""
    made = package(app, version="1", out=folder / "dist", thin=thin, work=ROOT / "build")
    for name, path in made.paths.items():
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder / f"{app.name}-{name}")
    return {name: folder / f"{app.name}-{name}" for name in made.paths}


def registered(platform: Platform, version: str, estimator: str) -> dict[str, str]:
    """Register *estimator* as *version* of iris; return the settings of a slot that serves it."""
    env = {**os.environ, **platform.environment, "GITSLOT_STORAGE": platform.storage}
    subprocess.run(
        [
            *(sys.executable, "-m", "training", "train", "--model", "iris"),
            *("--version", version, "--estimator", estimator),
        ],
        cwd=ROOT,
        env={**env, "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential"},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return slot(platform, version)


def slot(platform: Platform, version: str) -> dict[str, str]:
    """Return the settings of a slot that serves *version* of iris."""
    model = {"MODEL_NAME": "iris", "MODEL_VERSION": version, "MODEL_STORE": platform.storage}
    return {**platform.environment, **model, "MODEL_PREDICT_AUTH": "anonymous"}


@contextmanager
def on_host(start: Start) -> Iterator[tuple[str, int]]:
    """Run *start* on the local Functions host; yield its URL and its process id."""
    keys = start.folder.with_suffix(".keys.json")
    keys.write_text(json.dumps({"masterKey": "m", "functionKeys": {"default": "f"}}))
    words = ("--app", str(start.folder), "--port", "0", "--keys", str(keys))
    with listening(start, (sys.executable, "-m", "emulator.functions_host", *words), ROOT) as found:
        yield found


@contextmanager
def listening(start: Start, words: Sequence[str], cwd: Path) -> Iterator[tuple[str, int]]:
    """Run the server *words*; yield its URL, once its log has it, and its process id."""
    log = start.folder.with_suffix(".log")
    with (
        log.open("wb") as output,
        subprocess.Popen(
            words,
            cwd=cwd,
            env={"PATH": os.environ["PATH"], "HOME": str(start.folder.parent), **start.settings},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            found = until(lambda: _LISTENS.search(log.read_text()), f"{start.name} listens")
            assert found
            yield found[1], process.pid
        finally:
            process.kill()


def worked() -> float:
    """Return the processor seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
