"""The lines that pages and help print can be typed."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from gitslot.cli.app import Commands, LocalCommands, app
from gitslot.cli.lazy import LazyGroup, examples
from tests.cli.clones import Folder

RUN = Path(__file__).parents[2] / "docs" / "run"
NAMES = [row.name for row in (*Commands.table, *LocalCommands.table)]


def printed(program: str) -> list[str]:
    """Return the lines of *program* in code spans of both pages about errors."""
    pages = [(RUN / f"{name}.md").read_text() for name in ("reasons", "troubleshooting")]
    spans = [" ".join(s.split()) for page in pages for s in re.findall(r"`([^`]+)`", page)]
    found = {line for span in spans for line in span.split(" && ")}
    return sorted(line for line in found if line.startswith(f"{program} "))


@pytest.mark.parametrize(
    "line", [*printed("gitslot"), *(line for name in NAMES for line in examples(name))]
)
def test_a_printed_line_is_understood(line: str) -> None:
    """Every word of it is a command, an option or a value that the command line knows."""
    command, words = get_command(app), shlex.split(line)[1:]
    while words and isinstance(command, LazyGroup):
        _, command, words = command.resolve_command(
            command.make_context("gitslot", [*words]), words
        )
    if not isinstance(command, LazyGroup):
        command.make_context(line, words)


@pytest.mark.parametrize(("step", "serves"), [("rollback APP", "7"), ("resume APP", "9")])
def test_a_line_that_edits_does_what_the_page_says(folder: Folder, step: str, serves: str) -> None:
    """Typed for an app, it goes back or takes `suspend` out."""
    assert f"gitslot {step}" in printed("gitslot")
    for line in ("bump production 9 APP", "suspend APP --reason sam", step):
        assert folder.gitslot(*line.replace("APP", "churn-prod").split())[0] == 0
    assert f'production: "{serves}"' in folder.of("churn-prod")
    assert ("suspend" in folder.of("churn-prod")) == (serves == "7")
