"""
The command line of training: `python -m training train`.

Results go to stdout, progress to stderr. Exit codes: 0 done, 1 not done (the version exists, or the
model was refused), 2 error (also a name that training does not know).
"""

import argparse
import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # scikit-learn takes a second to import, and --help needs none of it
    from gitslot.convert.table import Data
    from gitslot.convert.version import Built

_EPILOG = """\
examples:
  python -m training train --version 1.5.0
  python -m training train --version 1.6.0 --estimator logistic --seed 7 --card card.md
  python -m training train --model wine --version 3 --dry-run -o json

To train on your own data, edit `load` in training/data.py and `build` in training/pipeline.py.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parser().parse_args(arguments)
    storage = options.storage or os.environ.get("GITSLOT_STORAGE", "")
    if not storage and not options.dry_run:
        _say("error: no registry: set GITSLOT_STORAGE to the URL of the storage account, or give")
        _say("       --storage URL, or use --dry-run")
        return 2

    from gitslot.convert.errors import TrainingError, UnknownName  # noqa: PLC0415
    from gitslot.errors import RegistryError, VersionExists  # noqa: PLC0415 - after --help

    started = time.monotonic()
    try:
        data = _load(options)
        if options.dry_run:
            built = _build(options, data, started)
        else:
            built = _register(options, data, storage, started)
        if options.card:
            _write_card(built, options.card)
    except (RegistryError, UnknownName, OSError) as error:
        _say(f"error: {error}")
        return 1 if isinstance(error, VersionExists) else 2
    except TrainingError as error:
        _say(f"error: {error}")
        return 1
    print(_result(built, options))
    return 0


def _load(options: argparse.Namespace) -> "Data":
    """Return the data of the model; refuse wrong names before the registry is asked."""
    from gitslot.convert.register import check_names  # noqa: PLC0415
    from training.data import load  # noqa: PLC0415 - after --help

    check_names(options.model, options.version)
    return load(options.data or options.model)


def _build(options: argparse.Namespace, data: "Data", started: float) -> "Built":
    from gitslot.convert.register import source_commit  # noqa: PLC0415 - after --help
    from training.run import build_version  # noqa: PLC0415

    return build_version(
        model=options.model,
        version=options.version,
        data=data,
        estimator=options.estimator,
        seed=options.seed,
        commit=source_commit(Path(__file__).parent),
        created=datetime.now(UTC),
        progress=lambda text: _progress(text, started),
    )


def _register(options: argparse.Namespace, data: "Data", storage: str, started: float) -> "Built":
    """Build and register the version; check first if it exists, because training is slow."""
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - only where it is needed

    from gitslot.registry.registry import Registry  # noqa: PLC0415

    with DefaultAzureCredential() as credential:
        registry = Registry(storage, credential)
        registry.ensure_containers()
        registry.refuse_existing(options.model, options.version)
        built = _build(options, data, started)
        _progress(f"registering at {storage}", started)
        registry.register(built.raw, built.artifact)
    return built


def _write_card(built: "Built", path: Path) -> None:
    from gitslot.convert.card import render  # noqa: PLC0415 - only where it is asked for

    path.write_text(render(built.manifest, built.evaluation, built.parity), encoding="utf-8")


def _result(built: "Built", options: argparse.Namespace) -> str:
    manifest, parity = built.manifest, built.parity
    if options.output == "json":
        return json.dumps(
            {
                "model": manifest.model,
                "version": manifest.version,
                "digest": manifest.digest,
                "pin": f"{manifest.version}@sha256:{manifest.digest}",
                "registered": not options.dry_run,
                "artifact": {
                    "name": manifest.artifact.name,
                    "sha256": manifest.artifact.sha256,
                    "size": manifest.artifact.size,
                },
                "metrics": dict(manifest.metrics),
                "parity": {
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
        f"  0 of {parity.rows} labels differ from scikit-learn, worst probability difference "
        f"{parity.worst:.1e}\n"
        f"  {len(manifest.golden)} golden rows, tolerance {parity.tolerance:.1e}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training",
        description="Train a model, prove that its ONNX form answers the same, and register it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    train = commands.add_parser(
        "train",
        help="train, convert, prove and register one version",
        description="Train, convert, prove and register one version. A version that exists is"
        " never overwritten.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    train.add_argument("--version", required=True, help="the version to register, e.g. 1.5.0")
    train.add_argument("--model", default="iris", help="its model (default: iris)")
    train.add_argument(
        "--data",
        help="data set of training/data.py: iris, wine, breast_cancer, digits"
        " (default: the one named like the model)",
    )
    train.add_argument(
        "--estimator",
        default="forest",
        help="estimator of training/pipeline.py: forest, extra-trees, tree, boosting,"
        " logistic, scaled-forest, neural (default: forest)",
    )
    train.add_argument(
        "--seed", type=int, default=0, help="the same seed gives the same model (default: 0)"
    )
    train.add_argument(
        "--storage",
        metavar="URL",
        help="storage account with the registry (default: GITSLOT_STORAGE)",
    )
    train.add_argument("--dry-run", action="store_true", help="do everything but register")
    train.add_argument("--card", type=Path, metavar="FILE", help="write a model card (Markdown)")
    train.add_argument("-o", "--output", choices=("text", "json"), default="text")
    return parser


def _progress(text: str, started: float) -> None:
    _say(f"{time.monotonic() - started:5.1f}s  {text}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
