"""
Measure what users see of a bump and its revert: who answers them, and whether all are answered.

64 users, each on a connection that it keeps, ask production five times a second each, with the
times recorded on Azure. *Failed* is any status but 200, a connection that ends, or no answer in
60 s. *Mixed* is an answer that is not what the registered file of the version in its header says
(three forests, whose probabilities differ), or whose digest is another's; the article's app, which
answers with labels alone, is not judged so. Times count from when a user wanted to ask; *swapping*
is from the swap's request to its end.

In turn with it, the pipeline of the claim `bump`: a zip to staging and a swap by `az`, then a
swap back. Its model is another, so its times are left out.

That a swap drops no request is Azure's to keep, and the emulator keeps it. What is shown here is
that nothing that gitslot does, or asks for too early, adds a failure. A pipeline that swaps a model
that works fails nobody either.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from statistics import quantiles
from typing import Any

import numpy as np
import onnxruntime

from bench.pipeline import APP, Pipeline, open_pipeline
from bench.report import Report
from bench.scene import Scene, open_scene
from bench.users import Answer, asking
from gitslot.convert.version import Built
from gitslot.registry.registry import Registry
from tests.story.stage import APP as OURS
from tests.story.stage import trained

CALM_S = 10.0  # before, between and after
TREES = 5
ROWS = [[6.0, 2.7, 5.1, 1.6], [5.9, 3.2, 4.8, 1.8]]  # of which each forest is unsure otherwise
BODY = json.dumps(ROWS).encode()
OLD, *NEW = VERSIONS = ("2.0.0", "2.1.0", "2.2.0")

type Step = tuple[str, str, Callable[[], object]]  # what is done, for which version, how


def run(rounds: int) -> Report:
    """Watch *rounds* bumps and reverts of both."""
    report, found = Report("swap", rounds), dict[tuple[str, str, str], list[float]]()
    with tempfile.TemporaryDirectory() as folder, open_scene(Path(folder), "zero") as scene:
        registry = Registry(scene.stage.platform.storage, scene.stage.platform.credential)
        for version in VERSIONS:
            registry.register(*_forest(version).files)
        scene.seconds_until(OLD, partial(scene.stage.repository.want, OLD))
        pipeline = open_pipeline(scene, Path(folder) / APP)
        pipeline.build(OLD, TREES)
        pipeline.release(OLD)
        scene.stage.platform.admin_put("/latency", "recorded")
        for number in range(rounds):
            new = NEW[number % len(NEW)]  # in turn, so that each bump deploys
            pipeline.build(new, TREES)
            for side, app, url, steps in _sides(scene, pipeline, new):
                answers, begun = _watched(scene, url, steps)
                for name, unit, value in _seen(answers, _swaps(scene, app), judged=app == OURS):
                    found.setdefault((name, side, unit), []).append(value)
                report.series.setdefault(side, series(answers, begun))
    for (name, side, unit), values in found.items():
        report.add(name, side, values, unit)
    for name in ("failed", "mixed"):
        report.at_most(name, sum(found[name, "gitslot", "answers"]), 0, "answers")
    return report


def _sides(
    scene: Scene, pipeline: Pipeline, new: str
) -> Iterator[tuple[str, str, str, Sequence[Step]]]:
    """Yield each side: its name, its app, what users ask, and how it goes there and back."""
    git = scene.stage.repository
    ours = (
        ("commit", new, partial(scene.seconds_until, new, partial(git.want, new))),
        ("revert", OLD, partial(scene.seconds_until, OLD, git.revert)),
    )
    theirs = (
        ("zip deploy", new, partial(pipeline.release, new)),
        ("swap back", OLD, partial(pipeline.back, OLD)),
    )
    yield "gitslot", OURS, f"{scene.url}/api/predict?proba=1", ours
    yield "pipeline", APP, f"{pipeline.url}/api/predict", theirs


def _watched(
    scene: Scene, url: str, steps: Sequence[Step]
) -> tuple[list[Answer], list[tuple[float, str, str]]]:
    """Return what users got meanwhile, and when each step began."""
    begun = []
    with asking(url, BODY) as answers:
        for what, version, done in steps:
            time.sleep(CALM_S)
            begun.append((time.time(), what, version))
            done()
            scene.settle()
        time.sleep(CALM_S)
    return answers, begun


def _swaps(scene: Scene, app: str) -> list[tuple[float, float]]:
    """Return begin and end of each swap of *app*, in seconds since 1970."""
    entries = scene.stage.platform.history("swap-started", "swap-finished")
    times = [datetime.fromisoformat(e["time"]).timestamp() for e in entries if e["site"] == app]
    return list(zip(times[::2], times[1::2], strict=True))


def _seen(
    answers: Sequence[Answer], swaps: Sequence[tuple[float, float]], *, judged: bool
) -> Iterator[tuple[str, str, float]]:
    """Yield name, unit and value of each row."""
    good = [each for each in answers if each.status == 200]
    yield "answers", "answers", len(answers)
    yield "failed", "answers", len(answers) - len(good)
    if not judged:
        return
    yield "mixed", "answers", sum(not _is_right(a.version, a.digest, a.body) for a in good)
    split: dict[str, list[float]] = {"swapping": [], "else": []}
    for each in good:
        swapping = any(begin <= each.at and each.at - each.took <= end for begin, end in swaps)
        split["swapping" if swapping else "else"].append(1e3 * each.took)
    for name, times in split.items():
        cuts = quantiles(times, n=100)
        yield f"p50, {name}", "ms", cuts[49]
        yield f"p99, {name}", "ms", cuts[98]


def _forest(version: str) -> Built:
    return trained(version, VERSIONS.index(version), "forest")


@cache
def _is_right(version: str, digest: str, body: bytes) -> bool:
    """Say whether *body* is what the registered file of *version* answers in this process."""
    if version not in VERSIONS:
        return False
    built, said = _forest(version), json.loads(body)
    session = onnxruntime.InferenceSession(built.artifact, providers=["CPUExecutionProvider"])
    labels, shares = session.run(None, {session.get_inputs()[0].name: np.array(ROWS, "f")})
    near = np.allclose(said["probabilities"], shares, rtol=0, atol=1e-6)
    return digest == built.manifest.digest and said["labels"] == labels.tolist() and near


def series(answers: Sequence[Answer], begun: Sequence[tuple[float, str, str]]) -> dict[str, Any]:
    """Return answers in each whole second, by version and failed; and what happened when."""
    first = min(each.at for each in answers)
    length = int(max(each.at for each in answers) - first)
    counts: dict[str, list[int]] = {}
    for each in answers:
        name = each.version if each.status == 200 else "failed"
        if (second := int(each.at - first)) < length:
            counts.setdefault(name, [0] * length)[second] += 1
    marks = []
    for (at, what, version), until in pairwise([*begun, (float("inf"), "", "")]):
        served = min(a.at for a in answers if at < a.at < until[0] and a.version == version)
        marks += [(round(at - first, 1), what), (round(served - first, 1), f"{version} answers")]
    return {"answers": counts, "marks": marks}
