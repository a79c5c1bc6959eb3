"""
Make the pages that the code tells: `python -m tools.pages` writes them, `make check` compares.

docs/believe/rules.md lists every rule of `decide` in its order, docs/run/reasons.md every reason
why an app stops. Of docs/believe/emulator.md, docs/believe/reliability.md,
docs/run/first-run-on-azure.md, docs/use/file.md and docs/run/many-apps.md it writes the sections
between `<!-- NAME: python -m tools.pages -->` and `<!-- end of NAME -->`.
docs/believe/performance.md and docs/pictures/swap.svg show what `bench` measured.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from inspect import getdoc
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

from bench.__main__ import CLAIMS
from bench.page import page as performance
from bench.plot import drawn
from bench.report import read
from emulator.arm import coverage
from emulator.assumptions import ASSUMPTIONS
from gitslot.decide.decide import rules
from gitslot.edges.file import keys
from gitslot.state.reasons import OUTSIDE, REASONS, Next, Nothing, Reason, Wait
from reliability import figures

STEPS = ("setup", "observe", "release", "preview", "failed swap", "revert")  # of the first run
ROOT = Path(__file__).resolve().parent.parent

_RULES = """\
# The rules, in the order of precedence

This page is written by `python -m tools.pages`. The first rule of a table that returns a decision
wins, and a later table counts only where no earlier one decides. The code is in
[`gitslot/decide/`](../../gitslot/decide/decide.py). Each event of the log names its rule.
"""
_HEAD = "| | rule | what it does | leads to |\n|---|---|---|---|\n"
_REASONS = """\
# Why an app stops

This page is written by `python -m tools.pages`. `gitslot status` and `gitslot logs` print the
reason of every stop with its message. Names in braces are facts of the moment.

| reason | what it means | message | what ends it |
|---|---|---|---|
"""


def rules_page() -> str:
    """Return docs/believe/rules.md."""
    parts = [_RULES]
    for number, (title, table) in enumerate(rules(), 1):
        parts.append(f"\n## {number}. {title}\n\n{_HEAD}")
        parts += (_rule(f"{number}.{index}", rule) for index, rule in enumerate(table, 1))
    return "".join(parts)


def _rule(number: str, rule: Callable[..., Any]) -> str:
    line = (getdoc(rule) or "").partition("\n")[0]
    returned = get_args(get_type_hints(rule)["return"])
    leads = ", ".join(kind.__name__ for kind in returned if kind is not NoneType)
    return f"| {number} | `{rule.__name__}` | {line} | {leads} |\n"


def reasons_page() -> str:
    """Return docs/run/reasons.md."""
    return _REASONS + "".join(map(_reason, REASONS.values()))


def _reason(entry: Reason) -> str:
    text = "its own words" if entry.text == OUTSIDE else f"`{entry.text}`"
    return f"| `{entry.name}` | {entry.meaning} | {text} | {_ends(entry.next)} |\n"


def _ends(step: Next) -> str:
    match step:
        case Wait(usually=usually):
            return f"it ends by itself: {usually}" if usually else "it ends by itself"
        case Nothing(why=why):
            return why
        case _:
            return step.clause


def assumptions() -> str:
    """Return the table of docs/believe/emulator.md: what is assumed, and what can be reversed."""
    rows = (f"| `{a.id}` | {a.says} | {a.evidence} | {a.opposite} |\n" for a in ASSUMPTIONS)
    return f"| | assumed of Azure | why | reversed |\n|---|---|---|---|\n{''.join(rows)}"


def steps() -> str:
    """Return the table of docs/run/first-run-on-azure.md: what decides each row, and how."""
    rows = ""
    for row in (row for row in ASSUMPTIONS if row.step):
        at = next((step for step in STEPS if row.step.startswith(f"{step}: ")), "release")
        rows += f"| {at} | {row.step.removeprefix(f'{at}: ')} | `{row.id}`: {row.says} |\n"
    return f"| step | look | as assumed |\n|---|---|---|\n{rows}"


def keys_of_the_file() -> str:
    """Return the table of docs/use/file.md: every key of desired_state.yaml, from the schema."""
    slots = [f"{keys.SLOTS}.{name}" for name in (*keys.SLOT_MEANS, "NAME")]
    means = {
        **{key.name: key.means for key in keys.KEYS},
        keys.SLOTS: keys.SLOTS_MEAN,
        **dict(zip(slots, (*keys.SLOT_MEANS.values(), keys.FURTHER_MEANS), strict=True)),
        **{f"{keys.SLOTS}.NAME.{key.name}": key.means for key in keys.SLOT_KEYS},
    }
    order = ("app", "model", *(name for name in means if name.startswith(keys.SLOTS)), *means)
    rows = (
        f"| `{name}` | {means[name].replace('<64', '&lt;64')} |\n" for name in dict.fromkeys(order)
    )
    return f"| key | meaning |\n|---|---|\n{''.join(rows)}"


def filled(text: str, **sections: Callable[[], str]) -> str:
    """Return *text*, a page, with its *sections* as they are today."""
    for name, made in sections.items():
        begin, end = f"<!-- {name}: python -m tools.pages -->\n", f"<!-- end of {name} -->"
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}{made()}{end}{rest.partition(end)[2]}"
    return text


# Of each page, what makes its text from the text that is there.
PAGES: Mapping[str, Callable[[str], str]] = {
    "docs/believe/rules.md": lambda _: rules_page(),
    "docs/run/reasons.md": lambda _: reasons_page(),
    "docs/believe/emulator.md": partial(filled, assumptions=assumptions, coverage=coverage.table),
    "docs/use/file.md": partial(filled, keys=keys_of_the_file),
    "docs/run/first-run-on-azure.md": partial(filled, steps=steps),
    "docs/believe/reliability.md": partial(filled, calls=figures.table),
    "docs/run/many-apps.md": partial(filled, standing=figures.standing_still),
    "docs/believe/performance.md": lambda _: performance(CLAIMS),
    "docs/pictures/swap.svg": lambda _: drawn((read("swap") or {"series": {}})["series"]),
}


def outdated(root: Path = ROOT) -> Iterator[str]:
    """Yield the name of each page in the tree *root* that is not what the code says."""
    for name, page in PAGES.items():
        path = root / name
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if text != page(text):
            yield name


if __name__ == "__main__":
    for file, made in PAGES.items():
        path = ROOT / file
        was = path.read_text(encoding="utf-8") if path.exists() else ""
        path.write_text(made(was), encoding="utf-8")
