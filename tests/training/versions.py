"""Versions to test with, trained once in a process."""

import dataclasses
import functools
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from gitslot.convert.version import Built
from gitslot.registry.manifest import parse_manifest
from training.data import load
from training.train import build_version


@functools.cache
def built(
    *, version: str = "1.5.0", estimator: str = "tree", data: str = "iris", seed: int = 0
) -> Built:
    """Return a version of the model named like its *data*, ready to be registered."""
    return build_version(
        model=data,
        version=version,
        data=load(data),
        estimator=estimator,
        seed=seed,
        commit="c" * 40,
        created=datetime(2026, 11, 22, tzinfo=UTC),
        progress=lambda text: None,
    )


def described(version: Built, *path: str | int, value: Any) -> bytes:
    """Return the manifest of *version* with what is at *path* set to *value*."""
    top = json.loads(version.raw)
    at: Any = top
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return json.dumps(top).encode()


def with_artifact(version: Built, artifact: bytes) -> Built:
    """Return *version* with *artifact* in place of its model, honestly described."""
    sha256 = hashlib.sha256(artifact).hexdigest()
    name = f"model-{sha256[:16]}.onnx"
    value = {"name": name, "sha256": sha256, "size": len(artifact), "format": "onnx"}
    raw = described(version, "artifact", value=value)
    return dataclasses.replace(version, manifest=parse_manifest(raw), raw=raw, artifact=artifact)
