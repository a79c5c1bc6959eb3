"""
D3: a real controller process is killed with SIGKILL before and after every request of a bump and of
a revert; a fresh one is started, and must bring the change to its end: once, and by the rules.

Everything is real: the platform with Azurite and slot processes, git over https, `gitslot
reconcile` as a process. Of equal requests between two writes the first is played, of golden rows
also the last. An answer to a read changes nothing outside, so "after" it is "before" what follows
it, and is played once; what changes something is played before it left and after it was answered.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from reliability.course import Kill
from reliability.hunt import Field, Hunt, Progress
from reliability.runs import Run, Tally


def tally(progress: Progress | None = None, only: Callable[[Kill], bool] = lambda _: True) -> Tally:
    """Play all kills, *only* some where that is asked for; seconds are those of the wall."""
    with tempfile.TemporaryDirectory(prefix="gitslot-d3-") as folder:
        hunt = Hunt(Path(folder), progress=progress or shown)
        found = hunt.run(only)
    for seed in hunt.missed:
        print(f"not played, the process did not come there: {seed}", file=sys.stderr)
    return found


def shown(done: int, total: int) -> None:
    """Say on stderr how far it is: a counter on a terminal, else a line now and then."""
    if sys.stderr.isatty():
        print(f"\rD3 {done} of {total}", end="\n" if done == total else "", file=sys.stderr)
    elif done % 10 == 0:
        print(f"D3 {done} of {total}", file=sys.stderr, flush=True)


def play(seed: str) -> Run:
    """Play the one case of *seed*; KeyError where it is none."""
    kill = Kill.parse(seed)
    with tempfile.TemporaryDirectory(prefix="gitslot-d3-") as name:
        own = Field(Path(name))
        try:
            own.open()
            if own.next != kill.scenario:
                own.play(Kill(own.next))
            course = own.play(kill)
        finally:
            own.close()
    if not course.reached:
        course.wrong("D3", "the process did not come to where it was to be killed")
    return course.run()
