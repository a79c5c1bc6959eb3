"""
`python -m training train`: load, train, prove and register one version.

Results on stdout, progress on stderr.
"""

import argparse
import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from azure.identity import DefaultAzureCredential

from gitslot.convert.card import proof, render
from gitslot.convert.errors import TrainingError, UnknownName
from gitslot.convert.table import Data
from gitslot.convert.version import Built, check_names, source_of
from gitslot.errors import RegistryError, VersionExists
from gitslot.registry.registry import Registry
from training.data import load
from training.train import build_version


def run(options: argparse.Namespace, storage: str) -> int:
    """Train as *options* ask, register at the account *storage*, and return the exit code."""
    started = time.monotonic()
    try:
        check_names(options.model, options.version)  # before the registry is asked
        data = load(options.data or options.model)
        if options.dry_run:
            built = _build(options, data, started)
        else:
            built = _register(options, data, storage, started)
        if options.card:
            card = render(built.manifest, built.evaluation, built.parity)
            options.card.write_text(card, encoding="utf-8")
    except (RegistryError, UnknownName, OSError) as error:
        _print_err(f"error: {error}")
        return 1 if isinstance(error, VersionExists) else 2
    except TrainingError as error:
        _print_err(f"error: {error}")
        return 1
    print(_result(built, options))
    return 0


def _build(options: argparse.Namespace, data: Data, started: float) -> Built:
    return build_version(
        model=options.model,
        version=options.version,
        data=data,
        estimator=options.estimator,
        seed=options.seed,
        source=source_of(Path(__file__).parent, os.environ),
        created=datetime.now(UTC),
        progress=lambda text: _progress(text, started),
    )


def _register(options: argparse.Namespace, data: Data, storage: str, started: float) -> Built:
    """Build the version and register it; ask first whether it exists, since training is long."""
    with DefaultAzureCredential() as credential:
        registry = Registry(storage, credential)
        registry.ensure_containers()
        registry.refuse_existing(options.model, options.version)
        built = _build(options, data, started)
        _progress(f"registering at {storage}", started)
        registry.register(*built.files)
    return built


def _result(built: Built, options: argparse.Namespace) -> str:
    manifest, parity = built.manifest, built.parity
    artifact = {name: getattr(manifest.artifact, name) for name in ("name", "sha256", "size")}
    if options.output == "json":
        return json.dumps(
            {
                "model": manifest.model,
                "version": manifest.version,
                "digest": manifest.digest,
                "pin": f"{manifest.version}@sha256:{manifest.digest}",
                "registered": not options.dry_run,
                "artifact": artifact,
                "metrics": dict(manifest.metrics),
                "parity": {
                    "form": parity.candidate.title,
                    "rows": parity.rows,
                    "labels_differ": 0,
                    "worst_difference": parity.worst,
                    "tolerance": parity.tolerance,
                    "golden_rows": len(manifest.golden),
                },
            },
            indent=2,
        )
    done = "built, not registered" if options.dry_run else "registered"
    metrics = ", ".join(
        f"{name} {value:.3f}" for name, value in manifest.metrics.items() if name != "rows"
    )
    return (
        f"{done} {manifest.model} {manifest.version}  sha256:{manifest.digest[:12]}\n"
        f"  {metrics} on {manifest.metrics['rows']:.0f} unseen rows\n"
        f"  {proof(parity)}\n"
        f"  {len(manifest.golden)} golden rows, tolerance {parity.tolerance:.1e}"
    )


def _progress(text: str, started: float) -> None:
    _print_err(f"{time.monotonic() - started:5.1f}s  {text}")


def _print_err(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
