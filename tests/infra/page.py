"""
The lines of docs/run/azure.md: what is in its ```sh fences, which of them Azure alone can run, and
which lead to a controller.

A line is one command, as a person would paste it; a backslash at its end continues it. Lines that
end in `# only on Azure` are not run here. A line that ends in `# prints WORDS` shows that what is
above it worked. Other comments are for people.
"""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "run" / "azure.md"
ONLY_ON_AZURE = "# only on Azure"
PRINTS = "# prints "  # before what a line shows, in one line, where all is well
FIRST_LOOK = "Look over its shoulder"  # the section that comes after all that sets up
NEWER, GONE = "A newer controller", "Remove everything"
_CONTINUED = re.compile(r" *\\\n *")
_PART = re.compile(r"^## (?P<title>[^\n]*)$|^```sh\n(?P<fence>.*?)^```$", re.MULTILINE | re.DOTALL)
_AZ = re.compile(r"(?:^|[ (;\"])az [a-z]")
_SETS = re.compile(r"([A-Z_]+)=(?:\$\(.*\)|\S*(?: +#.*)?)$")
# In place of az: notes its words, and prints id, client and object of an identity, else its group.
_AZ_NOTES = r"""exec 3>&1 >/dev/null
az() {
  printf '%s\0' "$@" $'\1' >&3
  case "$1 $2" in "identity create") echo $6 $6-client $6-object ;; *) echo $1 ;; esac
}"""
_READS = re.compile(r"read -r ([A-Z_ ]+) <<<")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the page: its *text*, whether it needs Azure itself, and what it stands under."""

    text: str
    only_on_azure: bool
    section: str
    prints: str = ""  # what the line shows where those above it worked

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
                words, _, prints = line.removesuffix(ONLY_ON_AZURE).strip().partition(PRINTS)
                only = line.endswith(ONLY_ON_AZURE)
                found.append(Line(words.strip(), only, section, prints))
    return found


def set_up() -> list[Line]:
    """Return the lines that lead to a controller that reconciles."""
    found = lines()
    first = next(number for number, line in enumerate(found) if line.section == FIRST_LOOK)
    return found[:first]


def calls() -> list[tuple[str, ...]]:
    """Return the words of each `az` of the set-up, variables and loops expanded by bash."""
    others = re.compile(r"(make|git|printf)\b|.*\.venv/")
    made = [line for line in set_up() if not (line.prints or others.match(line.text))]
    script = "\n".join([_AZ_NOTES, *(line.text for line in made)])
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, check=True)
    return [tuple(call.split("\0")) for call in done.stdout.decode().split("\0\1\0")[:-1]]


def option(call: tuple[str, ...], name: str) -> str:
    """Return the word after the option *name* of *call*, or empty text."""
    return call[call.index(name) + 1] if name in call else ""
