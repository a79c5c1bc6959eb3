"""
Measure what a package costs: its size, and its cold start with the first prediction.

Packages are built alike (installed from the same lock, stripped, compiled): both builds of the
serving app, the article's app (unpickle a forest with joblib and predict, at every call), and an
app that answers a constant, which shows what a start costs without a model. The build with
scikit-learn serves a model that only scikit-learn answers exactly.

*Worker* is a new Python process with the package's own libraries alone, until it has predicted once
and ended; the serving app fetches its model from the registry meanwhile. *Local host* has the local
Functions host around it. The starts take turns, and all files are in the machine's cache.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import joblib
import requests

from bench.apps import ARTICLE, Start, on_host, registered, unpacked, worked
from bench.report import Report, Target
from gitslot.registry.function_apps import FunctionApp, Libraries, ours
from gitslot.state.code import ANY
from tests.platform import ROOT, Platform, start_platform
from training.data import load
from training.pipeline import build

WANT_SIZE, WANT_START = 0.60, 3.0
ROW = b"[[5.1, 3.5, 1.4, 0.2]]"
HOST = '{"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}'
CONSTANT = """
import azure.functions as func
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
@app.route(route="api/predict", methods=["POST"])
def predict(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse('["setosa"]')
"""
# What a worker does with an app, without the host: import it, find the function, call it.
START = """
import asyncio, inspect, sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/.python_packages/lib/site-packages"]
import azure.functions as func
import function_app
found = {f.get_function_name(): f.get_user_function() for f in function_app.app.get_functions()}
answer = found["predict"](func.HttpRequest(
    method="POST", url="/api/predict", params={}, body=sys.argv[2].encode()))
answer = asyncio.run(answer) if inspect.iscoroutine(answer) else answer
assert answer.status_code == 200, answer.get_body()
"""
NEEDS = "azure-functions\njoblib\nnumpy\nscikit-learn\nscipy\n"


def run(rounds: int) -> Report:
    """Measure sizes once, and *rounds* starts of each."""
    report = Report("cold", rounds)
    with tempfile.TemporaryDirectory() as name, start_platform(Path(name) / "state") as platform:
        starts = _starts(Path(name), platform)
        sizes = {s.name: report.add("package", s.name, [s.megabytes], "MB") for s in starts}
        report.ratios["size_to_article"] = share = round(sizes["onnx"] / sizes["article"], 3)
        report.targets["size"] = Target(f"<= {WANT_SIZE}", f"{share}", share <= WANT_SIZE)
        for what, measure in (("worker", _worker), ("local host", _host)):
            seconds: dict[str, list[tuple[float, float]]] = {start.name: [] for start in starts}
            for start in starts:
                measure(start)  # once, so that all files are in the machine's cache
            for _ in range(rounds):
                for start in starts:
                    seconds[start.name].append(measure(start))
            for kind, index in (("wall", 0), ("processor", 1)):
                found = {
                    name: report.add(f"{what}, {kind}", name, [1e3 * t[index] for t in times], "ms")
                    for name, times in seconds.items()
                }
                report.ratios[f"{what}_{kind}"] = ratio = round(found["article"] / found["onnx"], 2)
                if what == "worker":
                    want, met = f">= {WANT_START}x the article's", ratio >= WANT_START
                    report.targets[f"start_{kind}"] = Target(want, f"{ratio}x", met)
    return report


# ---------------------------------------------------------------- what is started


def _starts(folder: Path, platform: Platform) -> list[Start]:
    """Return both builds of the serving app, the article's app and the constant one."""
    serving = unpacked(ours("serving_app"), folder, thin=False)
    ours_ = [
        Start(build, serving[build], registered(platform, build, estimator))
        for build, estimator in (("onnx", "forest"), ("sklearn", "hist-boosting"))
    ]
    data = load("iris")
    joblib.dump(build("forest", 0).fit(data.rows, data.labels), folder / "model.joblib")
    article = {"function_app.py": ARTICLE, "host.json": HOST, "requirements.txt": NEEDS}
    constant = {**article, "function_app.py": CONSTANT, "requirements.txt": "azure-functions\n"}
    others = {
        "article": _app("article", article, folder, folder / "model.joblib"),
        "constant": _app("constant", constant, folder),
    }
    return [
        *ours_,
        *(Start(name, unpacked(app, folder, thin=False)[ANY], {}) for name, app in others.items()),
    ]


def _app(name: str, texts: Mapping[str, str], folder: Path, *more: Path) -> FunctionApp:
    """Return an app of these *texts*, with the libraries that the lock has of its list."""
    (folder / name).mkdir()
    for file, text in texts.items():
        (folder / name / file).write_text(text)
    paths = [*(folder / name / file for file in texts if file != "requirements.txt"), *more]
    lists = {ANY: Libraries(folder / name / "requirements.txt", ROOT / "requirements.txt")}
    return FunctionApp(name, {PurePosixPath(path.name): path for path in paths}, lists, 1)


# ---------------------------------------------------------------- one start


def _worker(start: Start) -> tuple[float, float]:
    """Return wall and processor seconds of a process from its start to its first prediction."""
    began, before = time.perf_counter(), worked()
    subprocess.run(
        # -I -S: the package's own libraries, and none of this machine's.
        [sys.executable, "-I", "-S", "-c", START, str(start.folder), ROW.decode()],
        env=dict(start.settings),
        check=True,
    )
    return time.perf_counter() - began, worked() - before


def _host(start: Start) -> tuple[float, float]:
    """Return the same of the local Functions host, whose own start is in it."""
    began, before = time.perf_counter(), worked()
    with on_host(start) as (url, _):
        answer = requests.post(f"{url}/api/predict", ROW, timeout=60)
        seconds = time.perf_counter() - began
        assert answer.status_code == 200, answer.text
    return seconds, worked() - before
