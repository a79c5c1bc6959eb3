"""Model versions and serving packages as the registry holds them, small and always the same."""

import hashlib
import json
from functools import cache

from gitslot.state.wanted import Release

STORE = "https://store.example"
MODEL = "iris"
ROWS = 32
SKLEARN = "1.9"


@cache
def version_blobs(version: str, model: str = MODEL) -> dict[str, bytes]:
    """Return the blobs of one registered version; 2.0.0 and up is of format 2, for scikit-learn."""
    first = _first_form(version, model)
    return _second_form(first, f"models/{model}/{version}") if version[0] > "1" else first


def _second_form(first: dict[str, bytes], folder: str) -> dict[str, bytes]:
    """Return a version as format 2 describes it, with its golden rows in a file of their own."""
    top = json.loads(first[f"{folder}/manifest.json"])
    artifact = first[f"{folder}/{top['artifact']['name']}"]
    del top["input"]
    tolerance = top["golden"].pop("tolerance")
    golden = json.dumps(top["golden"]).encode()
    sha256 = hashlib.sha256(golden).hexdigest()
    top["artifact"] |= {
        "name": top["artifact"]["name"].replace(".onnx", ".skops"),
        "format": "skops",
    }
    file = {"name": f"golden-{sha256[:16]}.json", "sha256": sha256, "size": len(golden)}
    top |= {
        "format": 2,
        "contract": 2,
        "runtime": {"name": "sklearn", "sklearn": SKLEARN, "frame": False},
        "kind": "classifier",
        "columns": [{"name": "petal", "type": "number", "dtype": "float64", "missing": False}],
        "probabilities": True,
        "golden": {**file, "rows": ROWS, "tolerance": tolerance},
        "example": [0.0],
        "memory": {"load": 1, "answer": 1},
        "proof": {"form": "scikit-learn", "rows": 40_000, "worst": 0.0},
        "source": {"commit": None, "who": "", "run": "", "link": ""},
    }
    return {
        f"{folder}/{top['artifact']['name']}": artifact,
        f"{folder}/{file['name']}": golden,
        f"{folder}/manifest.json": json.dumps(top).encode(),
    }


def _first_form(version: str, model: str) -> dict[str, bytes]:
    artifact = f"onnx of {model} {version}".encode()
    sha256 = hashlib.sha256(artifact).hexdigest()
    manifest = {
        "format": 1,
        "model": model,
        "version": version,
        "artifact": {
            "name": f"model-{sha256[:16]}.onnx",
            "sha256": sha256,
            "size": len(artifact),
            "format": "onnx",
        },
        "input": {"dtype": "float32", "features": [{"name": "petal", "type": "number"}]},
        "classes": ["setosa", "virginica"],
        "golden": {
            "inputs": [[float(row)] for row in range(ROWS)],
            "labels": ["setosa" if row % 2 else "virginica" for row in range(ROWS)],
            "probabilities": [[0.75, 0.25] if row % 2 else [0.25, 0.75] for row in range(ROWS)],
            "tolerance": 1e-6,
        },
        "metrics": {"accuracy": 0.9},
        "estimator": f"seed {version}",
        "data": {"name": "iris", "rows": 150, "sha256": "0" * 64},
        "libraries": {"scikit-learn": "1"},
        "source": {"commit": None},
        "created": "2026-01-01T00:00:00+00:00",
    }
    folder = f"models/{model}/{version}"
    return {
        f"{folder}/model-{sha256[:16]}.onnx": artifact,
        f"{folder}/manifest.json": json.dumps(manifest).encode(),
    }


@cache
def digest(version: str, model: str = MODEL) -> str:
    """Return the digest of a registered version."""
    raw = version_blobs(version, model)[f"models/{model}/{version}/manifest.json"]
    return hashlib.sha256(raw).hexdigest()


@cache
def release(version: str) -> Release:
    """Return a registered release."""
    return Release(MODEL, version, digest(version))


def package_url(version: str, build: str = "") -> str:
    """Return the URL of a serving package, or of one *build* of it."""
    return f"{STORE}/code/{version}/{hashlib.sha256(f'{version}{build}'.encode()).hexdigest()}.zip"


@cache
def package_blobs(version: str) -> dict[str, bytes]:
    """Return the blobs of one serving package; the bytes of a zip are its version's name."""
    sha256 = hashlib.sha256(version.encode()).hexdigest()
    manifest = {
        "version": version,
        "sha256": sha256,
        "size": 1,
        "package": "serving_app",
        "build": f"build-{version}",
        "python": "3.13",
    }
    return {
        f"code/{version}/{sha256}.zip": version.encode(),
        f"code/{version}/manifest.json": json.dumps(manifest).encode(),
    }


@cache
def both_builds(version: str, sklearn: str = SKLEARN) -> dict[str, bytes]:
    """Return the blobs of a serving package with both builds."""
    old = json.loads(package_blobs(version)[f"code/{version}/manifest.json"])
    del old["version"]
    builds = {
        name: {**old, "sha256": hashlib.sha256(f"{version}{name}".encode()).hexdigest()}
        for name in ("onnx", "sklearn")
    }
    builds["sklearn"]["sklearn"] = sklearn
    manifest = {"format": 2, "version": version, "contract": 2, "builds": builds}
    zips = {
        f"code/{version}/{b['sha256']}.zip": f"{version}{n}".encode() for n, b in builds.items()
    }
    return {**zips, f"code/{version}/manifest.json": json.dumps(manifest).encode()}


def settings(version: str, deploy: str, code: str = "c1") -> dict[str, str]:
    """Return the release settings of a slot that a deploy of ours has set to *version*."""
    return {
        "MODEL_NAME": MODEL,
        "MODEL_VERSION": f"{version}@sha256:{digest(version)}",
        "MODEL_DEPLOY": deploy,
        "MODEL_STORE": STORE,
        "WEBSITE_RUN_FROM_PACKAGE": package_url(code),
        "WEBSITE_SWAP_WARMUP_PING_PATH": "/api/health",
        "WEBSITE_SWAP_WARMUP_PING_STATUSES": "200",
        "WEBSITE_ADD_SITENAME_BINDINGS_IN_APPHOST_CONFIG": "1",
    }
