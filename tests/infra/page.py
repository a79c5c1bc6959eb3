"""
The lines of docs/run/azure.md: what is in its ```sh fences, which of them Azure alone can run, and
which lead to a controller.

A line is one command, as a person would paste it; a backslash at its end continues it. Lines that
end in `# only on Azure` are not run here; other comments are for people.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "run" / "azure.md"
ONLY_ON_AZURE = "# only on Azure"
FIRST_LOOK = "Look over its shoulder"  # the section that comes after all that sets up
NEWER = "A newer controller"
_CONTINUED = re.compile(r" *\\\n *")
_PART = re.compile(r"^## (?P<title>[^\n]*)$|^```sh\n(?P<fence>.*?)^```$", re.MULTILINE | re.DOTALL)
_AZ = re.compile(r"(?:^|[ (;\"])az [a-z]")
_SETS = re.compile(r"([A-Z_]+)=(?:\$\(.*\)|\S*(?: +#.*)?)$")
_READS = re.compile(r"read -r ([A-Z_ ]+) <<<")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the page: its *text*, whether it needs Azure itself, and what it stands under."""

    text: str
    only_on_azure: bool
    section: str

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
    """Return the lines of *page*, or of docs/run/azure.md, in order."""
    text = PAGE.read_text(encoding="utf-8") if page is None else page
    found, section = [], ""
    for part in _PART.finditer(text):
        section = part["title"] or section
        for line in _CONTINUED.sub(" ", part["fence"] or "").splitlines():
            if line and not line.startswith("#"):
                words = line.removesuffix(ONLY_ON_AZURE).strip()
                found.append(Line(words, line.endswith(ONLY_ON_AZURE), section))
    return found


def set_up() -> list[Line]:
    """Return the lines that lead to a controller that reconciles."""
    found = lines()
    first = next(number for number, line in enumerate(found) if line.section == FIRST_LOOK)
    return found[:first]
