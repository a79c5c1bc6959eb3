"""
The lines of docs/azure.md: what is in its ```sh fences, which of them Azure alone can run.

A line is one command, as a person would paste it. Those that end in `# only on Azure` are not run
here; other comments are for people.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "azure.md"
ONLY_ON_AZURE = "# only on Azure"
_FENCE = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_AZ = re.compile(r"(?:^|[ (;\"])az [a-z]")
_SETS = re.compile(r"([A-Z_]+)=")
_READS = re.compile(r"read -r ([A-Z_ ]+) <<<")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the page: its *text*, and whether it needs Azure itself."""

    text: str
    only_on_azure: bool

    @property
    def calls_az(self) -> bool:
        return _AZ.search(self.text) is not None

    @property
    def sets(self) -> tuple[str, ...]:
        """Name the shell variables that the line sets."""
        if found := _SETS.match(self.text):
            return (found[1],)
        read = _READS.match(self.text)
        return tuple(read[1].split()) if read else ()


def lines(page: str | None = None) -> list[Line]:
    """Return the lines of *page*, or of docs/azure.md, in order."""
    text = PAGE.read_text(encoding="utf-8") if page is None else page
    found = [line for fence in _FENCE.findall(text) for line in fence.splitlines()]
    return [
        Line(line.removesuffix(ONLY_ON_AZURE).strip(), line.endswith(ONLY_ON_AZURE))
        for line in found
        if line and not line.startswith("#")
    ]
