"""
The command line of training: `python -m training train`.

Exit codes: 0 done, 1 not done (the version exists, or the model was refused), 2 error (also a name
that training does not know).
"""

import argparse
import os
from pathlib import Path

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
    if options.storage:
        os.environ["GITSLOT_STORAGE"] = options.storage
    from gitslot.cli.session import Session  # noqa: PLC0415 - --help needs none
    from training.command import run  # noqa: PLC0415 - scikit-learn is slow, --help needs none

    return run(options, Session(environ=os.environ))


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    about = "Train a model, prove that what is served answers the same, and register it."
    parser = argparse.ArgumentParser(
        prog="python -m training", description=about, epilog=_EPILOG, formatter_class=raw
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    train = commands.add_parser(
        "train",
        help="train, convert, prove and register one version",
        description="Train, convert, prove and register one version. A version that exists is"
        " never overwritten.",
        epilog=_EPILOG,
        formatter_class=raw,
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
        " hist-boosting, logistic, scaled-forest, neural (default: forest)",
    )
    train.add_argument(
        "--seed", type=int, default=0, help="the same seed gives the same model (default: 0)"
    )
    train.add_argument(
        "--storage",
        metavar="URL",
        help="storage account with the registry (default: where every command of gitslot finds it)",
    )
    train.add_argument("--dry-run", action="store_true", help="do everything but register")
    train.add_argument("--card", type=Path, metavar="FILE", help="write a model card (Markdown)")
    train.add_argument("-o", "--output", choices=("text", "json"), default="text")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
