"""
Make the pages that the code tells: `python -m tools.pages` writes them, `make check` compares.

docs/believe/rules.md lists every rule of `decide` in its order, docs/run/reasons.md every reason
why an app stops.
"""

from collections.abc import Callable, Iterator, Mapping
from inspect import getdoc
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

from gitslot.decide.decide import rules
from gitslot.state.reasons import OUTSIDE, REASONS, Next, Nothing, Reason, Wait

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


PAGES: Mapping[str, Callable[[], str]] = {
    "docs/believe/rules.md": rules_page,
    "docs/run/reasons.md": reasons_page,
}


def outdated(root: Path = ROOT) -> Iterator[str]:
    """Yield the name of each page in the tree *root* that is not what the code says."""
    for name, page in PAGES.items():
        path = root / name
        if not path.exists() or path.read_text(encoding="utf-8") != page():
            yield name


if __name__ == "__main__":
    for file, written in PAGES.items():
        (ROOT / file).write_text(written(), encoding="utf-8")
