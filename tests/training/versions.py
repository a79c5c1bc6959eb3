"""Versions to test with, trained once in a process."""

import dataclasses
import functools
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from gitslot.convert.version import Built
from gitslot.registry.manifest import Memory, Source, parse_manifest, with_golden
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
        source=Source("c" * 40, "sam", "", ""),
        created=datetime(2026, 11, 22, tzinfo=UTC),
        progress=lambda text: None,
        measure=lambda *_: Memory(60_000_000, 1_000_000),
    )


def described(raw: bytes, *path: str | int, value: Any) -> bytes:
    """Return the JSON *raw* with what is at *path* set to *value*."""
    top = json.loads(raw)
    at: Any = top
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return json.dumps(top).encode()


def with_golden_rows(version: Built, golden: bytes) -> Built:
    """Return *version* with the file *golden* in place of its golden rows, honestly described."""
    sha256 = hashlib.sha256(golden).hexdigest()
    value = json.loads(version.raw)["golden"]
    value |= {"name": f"golden-{sha256[:16]}.json", "sha256": sha256, "size": len(golden)}
    raw = described(version.raw, "golden", value=value)
    manifest = with_golden(parse_manifest(raw), golden)
    return dataclasses.replace(version, manifest=manifest, raw=raw, golden=golden)


def with_artifact(version: Built, artifact: bytes) -> Built:
    """Return *version* with *artifact* in place of its model, honestly described."""
    sha256 = hashlib.sha256(artifact).hexdigest()
    name = f"model-{sha256[:16]}.onnx"
    value = {"name": name, "sha256": sha256, "size": len(artifact), "format": "onnx"}
    raw = described(version.raw, "artifact", value=value)
    manifest = with_golden(parse_manifest(raw), version.golden)
    return dataclasses.replace(version, manifest=manifest, raw=raw, artifact=artifact)
