"""
Run the reliability designs, or play one case again.

    python -m reliability [--long] [D1 D2 ...]     one line a design
    python -m reliability --first D6               no further than its first violation
    python -m reliability --repro SEED             one case, with its history
"""

import argparse
import sys

from reliability.designs import DESIGNS, LONG, find
from reliability.runs import tally
from reliability.said import listening


def main() -> int:
    """Return 1 if anything was violated."""
    parser = argparse.ArgumentParser(prog="python -m reliability")
    parser.add_argument("--long", action="store_true", help="all cases, not a sample")
    parser.add_argument("--first", action="store_true", help="stop at the first violation")
    parser.add_argument("--repro", metavar="SEED", help="play one case and print its history")
    parser.add_argument("designs", nargs="*", metavar="DESIGN")
    words = parser.parse_args()
    if words.repro:
        return repro(words.repro)
    wrong = 0
    for name in words.designs or [*DESIGNS, *(LONG if words.long else ())]:
        if name in LONG:
            found = LONG[name]()
        else:
            found = tally(name, DESIGNS[name].cases(long=words.long), first=words.first)
        print(found.line(), flush=True)
        if found.failed:
            print(found.report(), file=sys.stderr)
        wrong += found.violations
    return 1 if wrong else 0


def repro(seed: str) -> int:
    """Play the case of *seed* and print what happened, then what is wrong with it."""
    with listening():
        run = find(seed)
    sys.stdout.write(run.history.decode())
    print(f"stop: {run.stop}")
    for violation in run.violations:
        print(violation)
    return 1 if run.violations else 0


if __name__ == "__main__":
    sys.exit(main())
