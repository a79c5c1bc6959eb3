"""Make docs/believe/performance.md from bench/results and the docstrings of the claims."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from bench.report import read

_MEDIAN, _KINDS = "median (min to max)", ("processor", "CPU", "cpu", "wall")
FOLDER = Path(__file__).resolve().parent
_HEAD = """\
# How fast, measured how

This page is written by `python -m tools.pages` from `bench/results`. `make bench` measures each
claim again (`make bench CLAIM=rollback` for one) in an hour and more, most of it Azure's recorded
times. A figure is a median over rounds taken in turn in one run, with the least and the most in
brackets: read both sides of a table against each other, not the seconds by themselves.

**What it measures is not Azure.** The platform is the [emulator](emulator.md) on one machine.
`recorded` are the times that were recorded on Azure for a swap (66 s from the request to the
switch, 79 s to its end) and an assumed 30 s for the restart after a settings change; `zero` is what
the real processes take. The controller, Git, HTTP, blobs and slots are real.

"""
# What a reader wants to know: the question, who answers it, the claim, the row's name and load. A
# line without a question is a peer's.
QUESTIONS = """
How long until a commit is noticed?|asking Git each 10 s|detect|commit to first event|polling
|by a webhook|detect|commit to first event|webhook
... until users have it?|gitslot|bump|commit to production answering|recorded
|a pipeline with `az`|bump|zip to production answering|recorded
... until a revert has them back?|gitslot|rollback|git revert to production answering|recorded
|`az` by hand|rollback|az slot swap to production answering|recorded
Does anyone see an error meanwhile?|gitslot|swap|failed|gitslot
|a pipeline with `az`|swap|failed|pipeline
What does a prediction cost?|gitslot|serve|onnx|1 row, c=1, processor
|FastAPI and ONNX Runtime|serve|fastapi|1 row, c=1, processor
|unpickle at each call|serve|article|1 row, c=1, processor
... and the first one?|gitslot|cold|worker, processor|onnx
|unpickle at each call|cold|worker, processor|article
What does a look cost that finds nothing new?|one app|noop|converged look, processor|gitslot
|100 apps, all of them|fleet|pass, wall|100 apps, gitslot
|1,000 apps, all of them|fleet|pass, wall|1,000 apps, gitslot
... after years?|`gitslot logs`, 100 events|history|gitslot logs|100 events, processor
|`gitslot logs`, 100,000 events|history|gitslot logs|100,000 events, processor
How fast is the command line?|`gitslot status`|cli|status|cpu
|`gitslot --help`|cli|--help|cpu
|`az version`|cli|az version|cpu
"""


def page(claims: Sequence[str]) -> str:
    """Return the page of *claims*."""
    found = {claim: read(claim) for claim in claims}
    parts = [_HEAD, "| | who | | claim |\n|---|---|---|---|\n"]
    for each in QUESTIONS.strip().splitlines():
        question, who, claim, *row = each.split("|")
        link = f"[{claim}](#{claim})" if claim in found else claim
        parts.append(f"| {question} | {who} | {_answer(found.get(claim), *row)} | {link} |\n")
    judged = [(c, *each) for c, result in found.items() for each in _targets(result)]
    missed = [_item(f"- **NOT met**: {claim}, {words}") for claim, met, words in judged if not met]
    parts.append(f"\nOf {len(judged)} targets {len(judged) - len(missed)} are met.\n")
    parts += ["\n", *missed] if missed else []
    parts.append("\n![Answers a second by version](../pictures/swap.svg)\n\n")
    parts.append("*Answers a second by version, in the first round of `swap`.*\n")
    parts += (f"\n## {claim}\n\n{section(claim, result)}" for claim, result in found.items())
    return "".join(parts)


def section(claim: str, result: Mapping[str, Any] | None) -> str:
    """Return the words of *claim*, and its *result*."""
    told = ast.get_docstring(ast.parse((FOLDER / f"{claim}.py").read_text(encoding="utf-8"))) or ""
    told = told.removeprefix("Measure ")
    parts = [told[:1].upper(), told[1:], "\n"]
    if result is None:
        return "".join([*parts, "\n**Not measured.**\n"])
    parts += _table(result["rows"])
    targets = list(_targets(result))
    judged = [_item(f"- {'met' if met else '**NOT met**'}: {words}") for met, words in targets]
    parts += ["\nTargets:\n\n", *judged] if judged else []
    others = result["ratios"].keys() - result["targets"].keys()
    ratios = [f"{name} {value:.3g}" for name, value in result["ratios"].items() if name in others]
    parts += ["\n", _item(f"Ratios: {'; '.join(ratios)}.")] if ratios else []
    machine = (text for name, text in result["machine"].items() if name != "note")
    versions = ", ".join(f"{name} {value}" for name, value in result["versions"].items())
    when = f"{result.get('date', 'no date')}, {result['rounds']} rounds, {versions}"
    return "".join([*parts, "\n", _item(f"<sub>{when}, {', '.join(machine)}</sub>")])


def _item(text: str) -> str:
    return fill(text, 118, subsequent_indent="  ", break_on_hyphens=False) + "\n"


def _answer(result: Mapping[str, Any] | None, name: str, load: str) -> str:
    """Return the figure of the row *name* under a load that begins with *load*."""
    rows = result["rows"] if result else []
    found = [r for r in rows if r["name"] == name and r["load"].startswith(load)]
    return _cell(found[0]) if found else "not measured"


def _targets(result: Mapping[str, Any] | None) -> Iterator[tuple[bool, str]]:
    for name, each in (result or {"targets": {}})["targets"].items():
        yield each["met"], f"{name.replace('_', ' ')}: wanted {each['want']}, got {each['got']}"


def _table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a line for each measurement; processor and wall time of the same are on one line."""
    lines: dict[tuple[str, ...], dict[str, str]] = {}
    for row in rows:
        names, kind = [row["name"], row["load"]], _MEDIAN
        for word in _KINDS:
            shorter = [f", {each}".removesuffix(f", {word}")[2:] for each in names]
            names, kind = shorter, kind if shorter == names else word
        lines.setdefault((*names, row["unit"]), {})[kind] = _cell(row)
    for plain in dict.fromkeys(_MEDIAN in cells for cells in lines.values()):
        some = {key: cells for key, cells in lines.items() if (_MEDIAN in cells) == plain}
        kinds = list(dict.fromkeys(kind for cells in some.values() for kind in cells))
        if some:
            yield f"\n| what | load | {' | '.join(kinds)} |\n{'|---' * (2 + len(kinds))}|\n"
        for (name, load, _), cells in some.items():
            yield f"| {name} | {load} | {' | '.join(cells.get(kind, '') for kind in kinds)} |\n"


def _cell(row: Mapping[str, Any]) -> str:
    middle, least, most = (_figure(row[each]) for each in ("median", "min", "max"))
    return f"{middle} {row['unit']}" + (f" ({least} to {most})" if least != most else "")


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
