"""Model versions and serving packages as the registry holds them, small and always the same."""

import hashlib
import json
from functools import cache

from gitslot.state.wanted import Release

STORE = "https://store.example"
MODEL = "iris"
ROWS = 32


@cache
def version_blobs(version: str, model: str = MODEL) -> dict[str, bytes]:
    """Return the blobs of one registered version: manifest and artifact."""
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


def package_url(version: str) -> str:
    """Return the URL of a serving package."""
    return f"{STORE}/code/{version}/{hashlib.sha256(version.encode()).hexdigest()}.zip"


@cache
def package_blobs(version: str) -> dict[str, bytes]:
    """Return the blobs of one serving package."""
    manifest = {
        "version": version,
        "sha256": hashlib.sha256(version.encode()).hexdigest(),
        "size": 1,
        "package": "serving_app",
        "build": f"build-{version}",
        "python": "3.13",
    }
    return {f"code/{version}/manifest.json": json.dumps(manifest).encode()}


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
