"""
Measure what a prediction costs on the local Functions host, beside what it could cost at best.

The model is the article's: a random forest of 100 trees on iris. Each gets the same bodies, and
each answer is compared with scikit-learn's:

- `onnx`, `sklearn`: the serving app's builds; `sklearn` is made to serve the same forest.
- `floor-ort`: parse the array, run the same session, send the same headers, check nothing.
- `fastapi`: FastAPI with `list[list[float]]`, ONNX Runtime, and uvicorn with uvloop; no host.
- `article`: unpickle with joblib and predict, at every call. `by-pickle`: with `pickle`, which
  reads that file several times faster.

Times are for one answer; c is the number of connections. Processor time is the server's own; wall
time has the client and the wait for a core in it, so it moves with what else the machine does.
A round asks all in short slices, each time in another order; its time is the lower quartile of 20
slices of 30 ms (the lesser of two, for `sklearn` and the article's). Ratios are other to `onnx`,
within a round. Those to the article's shrink with the body: the trees are most of 1,000 rows.
scikit-learn takes nearly as long for one row as for a hundred, so a model that needs it
(`gitslot models` says which) is best asked in batches.
"""

import hashlib
import json
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from operator import attrgetter
from pathlib import Path
from statistics import median
from typing import Any

import joblib
import numpy as np
import requests
import skops.io

from bench.apps import ARTICLE, Start, listening, on_host, registered, slot, unpacked
from bench.load import Load, Question, Spent
from bench.report import Report, Target
from gitslot.registry.function_apps import ours
from gitslot.registry.registry import artifact_name
from tests.platform import ROOT, Platform, start_platform
from training.data import load
from training.pipeline import build

ROUNDS = 5
SLICES, SLICE_S = 20, 0.03  # of each server and load in a round
ARTICLES = ("article", "by-pickle")
SLOW = ("sklearn", *ARTICLES)  # these take part in two slices
LOADS = {  # connections, rows of a body
    "1 row, c=1": (1, 1),
    "1 row, c=64": (64, 1),
    "100 rows, c=1": (1, 100),
    "1,000 rows, c=1": (1, 1000),
}
WANTS = {  # the least ratio of another server's time to ours
    **{("floor-ort", title): 0.95 for title in LOADS},
    **{("fastapi", title): 1.0 for title in LOADS},
    ("article", "1 row, c=1"): 30.0,
    ("article", "1 row, c=64"): 50.0,
}
FASTAPI = ("fastapi==0.165.0", "uvicorn[standard]==0.54.0")
BY_PICKLE = (
    ARTICLE.replace("joblib.load(Path", "pickle.loads(Path")
    .replace('with_name("model.joblib")', 'with_name("model.pickle").read_bytes()')
    .replace("import joblib", "import pickle")
)
FLOOR_APP = """
import json
from pathlib import Path
import azure.functions as func
import numpy as np
import onnxruntime as ort
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = ort.InferenceSession(
    Path(__file__).with_name("model.onnx"), options, providers=["CPUExecutionProvider"])
name, label = session.get_inputs()[0].name, session.get_outputs()[0].name
headers = json.loads(Path(__file__).with_name("headers.json").read_text())
@app.route(route="api/predict", methods=["POST"])
async def predict(req: func.HttpRequest) -> func.HttpResponse:
    rows = np.array(json.loads(req.get_body()), np.float32)
    labels = session.run([label], {name: rows})[0].tolist()
    return func.HttpResponse(json.dumps(labels), mimetype="application/json", headers=headers)
"""
FASTAPI_APP = """
from pathlib import Path
import numpy as np
import onnxruntime as ort
from fastapi import FastAPI
app = FastAPI()
options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = ort.InferenceSession(
    Path(__file__).with_name("model.onnx"), options, providers=["CPUExecutionProvider"])
name, label = session.get_inputs()[0].name, session.get_outputs()[0].name
@app.post("/api/predict")
async def predict(rows: list[list[float]]) -> list[str]:
    return session.run([label], {name: np.array(rows, np.float32)})[0].tolist()
"""


def run(rounds: int) -> Report:
    """Measure *rounds* of all servers under all loads."""
    peers = dict(each.split("==") for each in FASTAPI)
    report = Report("serve", rounds, versions={**peers, "scikit-learn": version("scikit-learn")})
    forest = build("forest", 0)
    data = load("iris")
    forest.fit(data.rows, data.labels)
    with tempfile.TemporaryDirectory() as folder, _servers(Path(folder), forest) as servers:
        for title, (connections, size) in LOADS.items():
            questions = _questions(forest, data.rows, size)
            loads = {
                name: Load(url, pid, questions, connections)
                for name, (url, pid) in servers.items()
                if size == 1 or name not in ARTICLES
            }
            _report(report, title, _measure(loads, rounds))
            for each in loads.values():
                each.close()
    return report


def _questions(forest: Any, rows: Any, size: int) -> list[Question]:
    """Return bodies of *size* rows of iris, and how scikit-learn labels them."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(max(8, len(rows) // size)):
        chosen = rows[rng.integers(len(rows), size=size)]
        body = json.dumps(chosen.tolist()).encode()
        found.append(Question(body, forest.predict(chosen).tolist()))
    return found


def _measure(loads: Mapping[str, Load], rounds: int) -> list[dict[str, Spent]]:
    """Return what an answer of each server took in each round."""
    for each in loads.values():
        each.spend(SLICE_S)  # once, to warm it up
    found = []
    for _ in range(rounds):
        slices: dict[str, list[Spent]] = {name: [] for name in loads}
        for number in range(SLICES):
            first = number % len(loads)
            for name in (*list(loads)[first:], *list(loads)[:first]):
                if name not in SLOW or number < 2:
                    slices[name].append(loads[name].spend(SLICE_S))
        found.append({name: _quiet(each) for name, each in slices.items()})
    return found


def _quiet(slices: Sequence[Spent]) -> Spent:
    """Return the lower quartile of each."""
    quarter = len(slices) // 4
    wall = sorted(each.wall for each in slices)[quarter]
    return Spent(wall, sorted(each.processor for each in slices)[quarter])


def _report(report: Report, title: str, rounds: Sequence[Mapping[str, Spent]]) -> None:
    """Add the rows and the targets of one load."""
    kinds = {"processor": attrgetter("processor"), "wall": attrgetter("wall")}
    for kind, seconds in kinds.items():
        for name in rounds[0]:
            values = [round(1e6 * seconds(each[name]), 1) for each in rounds]
            report.add(name, f"{title}, {kind}", values, "us")
        for peer in rounds[0]:
            if peer != "onnx":
                ratios = [seconds(each[peer]) / seconds(each["onnx"]) for each in rounds]
                key, got = f"{peer}, {title}, {kind}", median(ratios)
                report.ratios[key] = round(got, 3)
                if want := WANTS.get((peer, title)):
                    spread = f"{got:.3g}x ({min(ratios):.3g} to {max(ratios):.3g})"
                    report.targets[key] = Target(f">= {want}x", spread, got >= want)


# ---------------------------------------------------------------- what is asked


@contextmanager
def _servers(folder: Path, forest: Any) -> Iterator[dict[str, tuple[str, int]]]:
    """Start all servers; yield the URL and the process id of each."""
    with ExitStack() as exits:
        platform = exits.enter_context(start_platform(folder / "state"))
        serving = unpacked(ours("serving_app"), folder, thin=True)
        settings = {"onnx": registered(platform, "onnx", "forest")}
        files = _registered_by_skops(platform, forest)
        settings["sklearn"] = slot(platform, "sklearn")
        host = (serving["onnx"] / "host.json").read_bytes()
        servers = {
            name: exits.enter_context(on_host(Start(name, serving[name], settings[name])))
            for name in settings
        }
        # All that follows gets what the serving app has: its session's file, headers and log.
        headers = dict(requests.get(f"{servers['onnx'][0]}/api/health", timeout=30).headers)
        sent = {name: text for name, text in headers.items() if name.startswith("x-model-")}
        model = {"model.onnx": files, "host.json": host}
        apps = {
            "floor-ort": {
                "function_app.py": FLOOR_APP.encode(),
                "headers.json": json.dumps(sent).encode(),
                **model,
            },
            "article": {"function_app.py": ARTICLE.encode(), "host.json": host},
            "by-pickle": {"function_app.py": BY_PICKLE.encode(), "host.json": host},
            "fastapi": {"api.py": FASTAPI_APP.encode(), **model},
        }
        for name, contents in apps.items():
            (folder / name).mkdir()
            for file, content in contents.items():
                (folder / name / file).write_bytes(content)
        joblib.dump(forest, folder / "article" / "model.joblib")
        (folder / "by-pickle" / "model.pickle").write_bytes(pickle.dumps(forest))
        for name in ("floor-ort", *ARTICLES):
            servers[name] = exits.enter_context(on_host(Start(name, folder / name, {})))
        start = Start("fastapi", folder / "fastapi", {"PYTHONPATH": str(_fastapi())})
        words = [sys.executable, "-m", "uvicorn", "api:app", "--port", "0", "--no-access-log"]
        words += ["--timeout-keep-alive", "130"]  # as the Functions host
        servers["fastapi"] = exits.enter_context(listening(start, words, start.folder))
        yield servers


def _registered_by_skops(platform: Platform, forest: Any) -> bytes:
    """Store the same version as a file of scikit-learn; return the ONNX file that it replaces."""
    models = platform.blobs.get_container_client("models")
    manifest = json.loads(models.download_blob("iris/onnx/manifest.json").readall())
    onnx = models.download_blob(f"iris/onnx/{manifest['artifact']['name']}").readall()
    golden = models.download_blob(f"iris/onnx/{manifest['golden']['name']}").readall()
    content = skops.io.dumps(forest)
    sha256 = hashlib.sha256(content).hexdigest()
    minor = ".".join(version("scikit-learn").split(".")[:2])
    manifest |= {
        "version": "sklearn",
        "runtime": {"name": "sklearn", "sklearn": minor, "frame": False},
        "artifact": {
            "name": artifact_name(sha256, "skops"),
            "sha256": sha256,
            "size": len(content),
            "format": "skops",
        },
    }
    for name, blob in (
        (manifest["artifact"]["name"], content),
        (manifest["golden"]["name"], golden),
        ("manifest.json", json.dumps(manifest).encode()),
    ):
        models.upload_blob(f"iris/sklearn/{name}", blob)
    return bytes(onnx)


def _fastapi() -> Path:
    """Return a folder with FastAPI, which is installed from PyPI once."""
    folder = ROOT / "build" / "fastapi"
    if not folder.exists():
        words = (sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder))
        subprocess.run([*words, *FASTAPI], check=True)
    return folder
