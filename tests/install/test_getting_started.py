"""docs/use/getting-started.md, typed as it stands by somebody who has no clone of gitslot."""

import re
from pathlib import Path

import pytest

from tests.install.tools import Tools
from tests.platform import ROOT
from tests.processes import run
from tests.story.laptop import new_laptop

pytestmark = pytest.mark.long
PAGE = ROOT / "docs/use/getting-started.md"
PATIENCE_S = 900.0


def test_every_line_of_the_page_does_what_the_page_says(tmp_path: Path, tools: Tools) -> None:
    """Two versions are registered and released, one is taken back, and nothing is left running."""
    fences = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    script, count = re.subn(
        r"^GITSLOT=\S+", f"GITSLOT={tools.repository}", "".join(fences), flags=re.MULTILINE
    )
    assert count == 1
    laptop = new_laptop(tmp_path)
    env = {**laptop.environment, **tools.environment(tmp_path)}
    try:
        done = run("bash", "-ex", "-c", script, cwd=tmp_path, env=env, timeout=PATIENCE_S)
    finally:
        words = ("gitslot", "local", "down", "--wipe")
        run("env", *words, cwd=tmp_path / "churn", env=env, timeout=120)
    assert done.returncode == 0, done.stderr[-5000:]
    served = re.findall(
        r"churn +1\.[01]\.0 +(?:1\.[01]\.0|-) +", done.stdout.rpartition("TIME ")[2]
    )
    assert [line.split()[1] for line in served] == ["1.0.0", "1.1.0", "1.0.0"]
    assert "one swap, nothing deployed" in done.stdout
    assert laptop.processes() == []
