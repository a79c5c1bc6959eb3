"""
`python -m training train`: load, train, prove and register one version.

Results on stdout, progress on stderr.
"""

import argparse
import json
from pathlib import Path

from gitslot.cli.notebook import NotRegistered, Progress, progress_of, registered
from gitslot.cli.session import Session
from gitslot.convert.card import render
from gitslot.convert.errors import TrainingError, UnknownName
from gitslot.convert.version import Built, check_names, source_of
from gitslot.errors import GitslotError, VersionExists
from gitslot.registry.card import proof
from training.data import load
from training.train import build_version


def run(options: argparse.Namespace, session: Session) -> int:
    """Train as *options* ask, register where *session* finds the registry; return the exit code."""

    def build(progress: Progress) -> Built:
        return build_version(
            model=options.model,
            version=options.version,
            data=data,
            estimator=options.estimator,
            seed=options.seed,
            source=source_of(Path(__file__).parent, session.environ),
            created=session.now(),
            progress=progress,
        )

    try:
        check_names(options.model, options.version)  # before the registry is asked
        data = load(options.data or options.model)
        if options.dry_run:
            built = build(progress_of(session))
        else:
            built = registered(session, options.model, options.version, build)
        if options.card:
            card = render(built.manifest, built.evaluation)
            options.card.write_text(card, encoding="utf-8")
    except (GitslotError, TrainingError, OSError) as error:
        session.print_err(f"error: {error}")
        failed = isinstance(error, VersionExists | NotRegistered | TrainingError)
        return 1 if failed and not isinstance(error, UnknownName) else 2
    print(_result(built, options))
    return 0


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
        f"  {proof(manifest.proof)}\n"
        f"  {len(manifest.golden)} golden rows, tolerance {parity.tolerance:.1e}"
    )
