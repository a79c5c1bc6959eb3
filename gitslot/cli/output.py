"""
Print data: tables for people, JSON and YAML for programs, times in UTC.

Text from outside is escaped before it reaches a terminal, and no markup is interpreted.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, TextIO

import typer
from rich.cells import cell_len, set_cell_size
from rich.text import Text

from gitslot.cli.session import Session
from gitslot.record.event import Event
from gitslot.report.text import Log, console, styled
from gitslot.state.safe_text import safe

_BIG = 10**9
_UNITS = {unit[0]: timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days")}


class Output(StrEnum):
    """How a reading command prints its data."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


OutputOption = Annotated[Output, typer.Option("-o", "--output", help="How to print.")]


# ---------------------------------------------------------------- for programs


def show_data(session: Session, data: Any, output: Output) -> None:
    """Print *data*, made of dicts, lists and scalars, as JSON or YAML."""
    if output is Output.YAML:
        import yaml  # noqa: PLC0415 - slow import, seldom needed

        text = yaml.safe_dump(_cleaned(data), sort_keys=False, allow_unicode=True, width=_BIG)
        session.out.write(text)
        return
    text = json.dumps(data, indent=2, ensure_ascii=False)
    session.out.write("".join(f"{safe(line, _BIG)}\n" for line in text.splitlines()))


def show_line(session: Session, data: Mapping[str, Any], output: Output) -> None:
    """Print one record of a stream: a line of JSON, or a YAML document."""
    if output is Output.YAML:
        session.out.write("---\n")
        show_data(session, data, output)
    else:
        session.out.write(safe(json.dumps(data, ensure_ascii=False), _BIG) + "\n")
    session.out.flush()


def _cleaned(data: Any) -> Any:
    if isinstance(data, str):
        return safe(data, _BIG)
    if isinstance(data, Mapping):
        return {_cleaned(key): _cleaned(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_cleaned(item) for item in data]
    return data


def iso(moment: datetime | None) -> str | None:
    """Return *moment* for programs: ISO 8601 in UTC."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def data_of(value: Any) -> dict[str, Any]:
    """Return the fields of the dataclass *value* for programs; empty text is null."""
    return {name: _plain(each) for name, each in asdict(value).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return iso(value) if isinstance(value, datetime) else None if value == "" else value


def event_data(event: Event) -> dict[str, Any]:
    """Return *event* for programs, without the address at which a swap is polled."""
    shown = event.as_dict()
    detail = {key: value for key, value in event.detail.as_dict().items() if key != "location"}
    shown.pop("detail", None)
    return {**shown, **({"detail": detail} if detail else {})}


# ---------------------------------------------------------------- for people


def span(text: str) -> timedelta | None:
    """Return the span of time that *text* names, such as 90s or 2h; None where it is none."""
    found = re.fullmatch(r"(\d{1,6})([smhd])", text)
    return int(found[1]) * _UNITS[found[2]] if found else None


def table_lines(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return heading and *rows* as cells padded to their column, the last column excepted."""
    cells = [[name.upper() for name in columns], *[[safe(c) or "-" for c in row] for row in rows]]
    widths = [max(cell_len(row[i]) for row in cells) for i in range(len(columns))]
    return [
        [set_cell_size(cell, width) for cell, width in zip(row[:-1], widths, strict=False)]
        + [row[-1]]
        for row in cells
    ]


def show_table(session: Session, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print *rows* in aligned columns."""
    screen = console(session.out)
    for index, cells in enumerate(table_lines(columns, rows)):
        screen.print(styled(cells, "bold" if index == 0 else None), soft_wrap=True)


def show_cells(session: Session, cells: Sequence[str]) -> None:
    """Print one line of *cells*, each in the colour of its word."""
    console(session.out).print(styled([safe(cell) for cell in cells if cell]), soft_wrap=True)


def show_text(session: Session, text: str, style: str | None = None) -> None:
    """Print one line of data for people."""
    console(session.out).print(Text(safe(text), style or ""), soft_wrap=True)


def log(stream: TextIO, apps: Iterable[str]) -> Log:
    """Return the log of *apps* for *stream*: folded on a terminal, a line for each event else."""
    return Log(apps, console(stream).width if stream.isatty() else None)


def show_event(
    stream: TextIO, lines: Log, event: Event, now: datetime, *, dated: bool = False
) -> None:
    """Print *event* as the next one of *lines*."""
    console(stream).print(lines.line(event, now, dated=dated), soft_wrap=True)
    stream.flush()


def terminal_width(session: Session) -> int | None:
    """Return how many columns the terminal has, or None if stdout is not one."""
    return console(session.out).width if session.out.isatty() else None
