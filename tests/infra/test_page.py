"""docs/run/azure.md says nothing that is not there."""

import re
from pathlib import Path

import pytest

from gitslot.state import slot_settings
from tests.infra.page import PAGE, ROOT, lines, set_up
from tests.infra.settings import NOT_OURS, ours

# The names need no proof, and `doctor` is that of the controller.
UNPROVED = {"Names", "The controller"}
_SETTING = re.compile(r"\b((?:GITSLOT|MODEL|WEBSITE|FUNCTIONS|AzureWebJobs)[A-Za-z_]*)=")
_NAMED = re.compile(r"`((?:GITSLOT|MODEL|WEBSITE)_[A-Z_]+)[=`]")
_LINK = re.compile(r"\]\((?!https://)([^)#]+)")
_PATH = re.compile(r"(?<![\w/$.-])((?:infra|docs|tools|controller|\.github)/[\w./-]*\w)")


def test_few_az_lines_lead_there() -> None:
    """A person pastes at most 30 lines that call az, and most blocks have one that proves them."""
    assert 15 <= sum(line.calls_az and not line.prints for line in set_up()) <= 30
    sections = {line.section for line in set_up()}
    assert sections - {line.section for line in set_up() if line.prints} == UNPROVED


def test_every_line_that_needs_azure_says_so() -> None:
    """What the emulator has nothing of is marked, and nothing else is."""
    needs = re.compile(r"az (group|ad) |Insights/")
    for line in lines():
        assert bool(needs.search(line.text)) == line.only_on_azure, line.text[:60]


def test_every_variable_is_set_before_it_is_used() -> None:
    """No line leans on a variable that no line above it sets."""
    known: set[str] = set()
    for line in lines():
        used = set(re.findall(r"\$\{?([A-Z_]{2,})\b", line.text))
        assert used <= known, f"{used - known} in {line.text[:80]}"
        known |= set(line.sets)


def test_every_setting_is_known() -> None:
    """Each setting on the page is one that the controller, the serving app or Azure reads."""
    text = PAGE.read_text(encoding="utf-8")
    named = {*_SETTING.findall(text), *_NAMED.findall(text)}
    assert named - ours() - NOT_OURS == set()
    assert len(named) > 15


def test_the_serving_app_gets_what_keeps_a_broken_slot_from_counting_as_warm() -> None:
    """The page's settings hold the controller's own idea of warm, value by value."""
    (line,) = [line for line in lines() if "WARMUP_PING_PATH=/" in line.text]
    for name, value in slot_settings.WARMUP_SETTINGS.items():
        assert f" {name}={value}" in line.text


@pytest.mark.parametrize("page", [PAGE, ROOT / "README.md"], ids=lambda page: page.name)
def test_every_path_exists(page: Path) -> None:
    """Each file that is named is there."""
    text = page.read_text(encoding="utf-8")
    for link in _LINK.findall(text):
        assert (page.parent / link).exists(), link
    for path in _PATH.findall(text):
        assert (ROOT / path).exists(), path


def test_no_line_reads_or_writes_a_key() -> None:
    """Nothing on the way makes, reads or stores an account key, a SAS or a password."""
    for line in lines():
        bad = r"(?<!functionapp )keys list|account-?key|connection-string|sas-token|generate-sas"
        bad += "|password"
        assert not re.search(bad, line.text, re.IGNORECASE), line.text
