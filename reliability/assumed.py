"""
D14: each row of the emulator's ASSUMPTIONS that can be reversed is, in the scenes of D6; in the
long form in all of its cases and in samples of other designs.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from emulator.assumptions import ASSUMPTIONS
from reliability import calls, orders, pairs, runs, swaps
from reliability.cloud import ASSUMED
from reliability.runs import Case, Run
from reliability.scenarios import STORIES

# Rows that make no difference to these scenes, and where they are shown instead.
ELSEWHERE = {
    "listed-by-role": "tests/emulator/arm/test_rights.py",
    "sites-listed": "tests/look/test_many_apps.py",
    "container-create": "tests/emulator/slots/test_blob_door.py",
}


@contextmanager
def reversing(row: str) -> Iterator[None]:
    """Reverse *row* in every cloud that is made inside."""
    ASSUMED.use({row: False})
    ASSUMED.shows.clear()
    try:
        yield
    finally:
        ASSUMED.use({row: True})


def play(row: str, run: Callable[[], Run]) -> Run:
    """Play *run* with *row* reversed."""
    with reversing(row):
        return run()


def scenes() -> Iterator[Case]:
    """Give D6's stories, and its failures of a bump."""
    for name, begin in STORIES.items():
        yield f"D6,{name}", partial(runs.play, begin, {})
    for name, fail in {**swaps.FAILURES, **swaps.DEPLOYING}.items():
        yield f"D6,bump,{name}", partial(swaps.failing, "bump", fail)


def shown(row: str) -> Run:
    """Play scenes with *row* reversed until that has made a difference; it must in one of them."""
    for _, run in scenes():
        found = play(row, run)
        if row in ASSUMED.shows or found.violations:
            return found
    return runs.judged("case", f"{row} makes no difference here: plant a scene, or see ELSEWHERE")


def cases(*, long: bool = False) -> Iterator[Case]:
    """Give for each row a case that shows it and the scenes; long, the designs' own cases."""
    for row in (row.id for row in ASSUMPTIONS if row.opposite):
        if row not in ELSEWHERE:
            yield f"D14,{row},shown", partial(shown, row)
        given = list(scenes())
        if long:
            with reversing(row):  # what there is to spoil may depend on it
                given = [*swaps.cases(long=True), *[*calls.cases()][::10]]
                given += [*pairs.sample("bump", 4, step=20), *[*orders.cases()][::10]]
        yield from ((f"D14,{row},{seed}", partial(play, row, run)) for seed, run in given)
