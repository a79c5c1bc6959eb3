"""Measure the claims of docs/believe/performance.md again: ``python -m bench [CLAIM ...]``."""

import argparse
import importlib
import sys

from bench.page import section

CLAIMS = (
    "detect",
    "bump",
    "rollback",
    "swap",
    "serve",
    "cold",
    "history",
    "noop",
    "rehearse",
    "fleet",
    "cli",
    "git",
    "emulator",
)


def main() -> int:
    """Run the chosen claims; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("claims", nargs="*", metavar="CLAIM", help=", ".join(CLAIMS))
    parser.add_argument("--rounds", type=int, help="how often each is measured (3; serve 5)")
    given = parser.parse_args()
    if unknown := sorted(set(given.claims) - set(CLAIMS)):
        parser.error(f"no claim {', '.join(unknown)}; there are {', '.join(CLAIMS)}")
    met = True
    for claim in given.claims or CLAIMS:
        module = importlib.import_module(f"bench.{claim}")
        rounds = given.rounds or getattr(module, "ROUNDS", 3)
        print(f"bench: {claim}, {rounds} rounds", file=sys.stderr)
        report = module.run(rounds)
        print(section(claim, report.as_dict()))
        path = report.write()
        print(f"  written to {path.relative_to(path.parents[2])}; next: python -m tools.pages")
        met = met and all(target.met for target in report.targets.values())
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
