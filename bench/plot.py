"""Draw docs/pictures/swap.svg: who answered in each second of a bump and its revert."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from tools.screenshots import picture

WIDTH, PANEL, TOP, LEFT = 720, 176, 78, 20
TALL = PANEL - TOP - 8
_STYLE = """.a{stroke:none}.v0{fill:#54aeff}.v1{fill:#4ac26b}.failed{fill:#cf222e}
.in,.x{text-anchor:middle}.e{text-anchor:end}.in{fill:#0d1117;font-weight:bold}.mark{stroke:var(--ink)}
@media(max-width:520px){text{font-size:21px}}"""


def drawn(series: Mapping[str, Any]) -> str:
    """Return the SVG of *series*, which the claim `swap` recorded."""
    every = [counts for side in series.values() for counts in side["answers"].values()]
    seconds = max(map(len, every), default=60)
    scale = (WIDTH - 2 * LEFT) / seconds
    tall = TALL / max(map(max, every), default=1)
    body: list[str] = []
    for number, (name, side) in enumerate(series.items()):
        body += _panel(number * PANEL, name, side, scale, tall)
    end = len(series) * PANEL + 22
    body += [
        f'<text class="d x" x="{LEFT + 60 * minute * scale:.1f}" y="{end}">{minute} min</text>'
        for minute in range(1, seconds // 60 + 1)
    ]
    title = "Answers a second by version, through a release and the way back"
    return picture(WIDTH, end + 14, title, ["".join(body)], _STYLE)


def _panel(y: int, name: str, side: Mapping[str, Any], scale: float, tall: float) -> list[str]:
    """Return one side, whose upper edge is *y*."""
    answers, marks, floor = side["answers"], side["marks"], y + PANEL
    versions = [each for each in answers if each != "failed"]
    most = max(map(max, answers.values()))
    total, failed = sum(map(sum, answers.values())), sum(answers.get("failed", [0]))
    words = f"{name}: {failed:,} of {total:,} answers failed, at most {most} in a second"
    parts = [f'<text class="b" x="{LEFT}" y="{y + 28}">{words}</text>']
    for each, counts in answers.items():
        kind = "failed" if each == "failed" else f"v{versions.index(each)}"
        parts.append(f'<path class="a {kind}" d="{_area(counts, floor, tall, scale)}"/>')
    for (begun, what), (served, _) in zip(marks[::2], marks[1::2], strict=True):
        left, right = LEFT + begun * scale, LEFT + served * scale
        parts += [
            f'<path class="mark" d="M{left:.1f} {y + 40}V{floor}M{right:.1f} {y + 62}V{floor}"/>',
            f'<text x="{left + 4:.1f}" y="{y + 50}">{what}</text>',
            f'<text class="e" x="{right - 4:.1f}" y="{y + 72}">{served - begun:.0f} s</text>',
        ]
    edges = [0.0, *(at for at, _ in marks[1::2]), float(len(answers[versions[0]]))]
    for number, (begin, end) in enumerate(pairwise(edges)):
        x = LEFT + (begin + end) / 2 * scale
        name = versions[number % len(versions)]
        parts.append(f'<text class="in" x="{x:.1f}" y="{floor - 10}">{name}</text>')
    return parts


def _area(counts: Sequence[int], floor: int, tall: float, scale: float) -> str:
    """Return the path of *counts*, one for each second, above *floor*."""
    shown = [(LEFT + at * scale, count) for at, count in enumerate(counts)]
    steps = "".join(f"H{x:.1f}V{floor - count * tall:.1f}" for x, count in shown)
    return f"M{LEFT} {floor}{steps}H{LEFT + len(counts) * scale:.1f}V{floor}Z"
