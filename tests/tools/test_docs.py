"""What a page shows can be typed: `sh` is run by a test, `console` is held against the command."""

import re
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest
import typer.main
import yaml

from gitslot.cli.app import app
from tests.infra.page import ROOT
from tools.screenshots import drawn

PAGES = ["README.md", *(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/*/*.md"))]
# Pages whose `sh` fences a test types: tests/clients/test_azure_page.py, tests/story/
# test_break_glass.py, tests/install/test_getting_started.py.
RUN = {f"docs/{each}.md" for each in ("run/azure", "run/break-glass", "use/getting-started")}
_SHOWN = {"console", "yaml", "json", "toml", "python", "kusto"}
_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_GITSLOT = re.compile(r"(?:^|[$;&-] )gitslot ([^#|;&\n`]+)", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_every_line_that_is_shown_is_run_or_marked(page: str) -> None:
    """Commands and options of gitslot exist; lines of prose are at most 120 wide."""
    group: Any = typer.main.get_command(app)
    text = (ROOT / page).read_text(encoding="utf-8")
    for kind, code in _FENCE.findall(text):
        assert kind in _SHOWN or (kind == "sh" and page in RUN), f"{page}: {code[:60]}"
        for words in (line.split() for line in _GITSLOT.findall(code) if line[0] != "-"):
            _, found, rest = group.resolve_command(None, words)
            while hasattr(found, "commands"):
                _, found, rest = found.resolve_command(None, rest)
            known = {option for each in found.params for option in (*each.opts, "--help")}
            assert {w.split("=")[0] for w in rest if w.startswith("--")} <= known, words
    for line in re.sub(r"<!-- \w+: .*?<!-- end of", "", text, flags=re.DOTALL).splitlines():
        assert len(line) <= 120 or line.startswith(("|", "  |")) or "http" in line, line


def test_the_hook_runs_a_command_that_is_there() -> None:
    """pre-commit installs gitslot and types the entry."""
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    program, command, option = hook["entry"].split()
    group: Any = typer.main.get_command(app)
    found = group.resolve_command(None, [command])[1]
    assert program == "gitslot" and option in {opt for each in found.params for opt in each.opts}


def test_the_pictures_are_those_of_the_record() -> None:
    """Each is drawn from what was recorded, and loads nothing from elsewhere."""
    made = drawn()
    del made["page.html"]
    for name, text in made.items():
        assert (ROOT / "docs/pictures" / name).read_text(encoding="utf-8") == text
        fromstring(text)
        assert "http" not in text.replace("http://www.w3.org/2000/svg", "", 1).replace(
            "localhost", ""
        )
