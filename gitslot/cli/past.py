"""
What production of a file was asked for, newest first, by the history in the user's own checkout.

First parents are followed, as the controller does. A file counts as it is parsed, and one that is
broken in between changes nothing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import takewhile

from gitslot.cli.checkout import AppFile
from gitslot.edges.file.read import read
from gitslot.errors import DesiredError
from gitslot.state.wanted import PRODUCTION, App

SUBJECT = "Roll back production of "
_MAX_BACK = 1000  # changes of the file that are read
_FORMAT = "--format=tformat:%x00%H%x00%P%x00%cs%x00%an%x00%B%x00"
_GOES_BACK = re.compile(rf'{SUBJECT}|Revert "|[\s\S]*\bThis reverts commit [0-9a-f]{{7,}}')


@dataclass(frozen=True, slots=True)
class Wish:
    """
    What production was asked for, and the *commit* since which it was.

    *data* is the file that asked for it last. *parents*, *date*, *author* and *message* are those
    of the commit.
    """

    app: App
    data: bytes
    commit: str
    parents: tuple[str, ...]
    date: str
    author: str
    message: str

    @property
    def text(self) -> str:
        """Return what is asked for as one text."""
        return self.app.wish(PRODUCTION)

    @property
    def by(self) -> str:
        """Return which commit asked for it, when, and who made that."""
        return f"{self.commit[:7]}, {self.date}, {self.author}"

    @property
    def made(self) -> str:
        """Return the commit with its subject, who made it and when."""
        subject = self.message.strip().partition("\n")[0]
        return f'{self.commit[:7]} "{subject}" ({self.author}, {self.date})'

    @property
    def goes_back(self) -> bool:
        """Say whether the commit calls itself a rollback or a revert; a merge decides nothing."""
        return len(self.parents) < 2 and bool(_GOES_BACK.match(self.message))


@dataclass(frozen=True, slots=True)
class Past:
    """The *wishes* of a file, newest first; *broken* is the newest change if it is not valid."""

    wishes: tuple[Wish, ...]
    broken: str

    @property
    def went_back(self) -> bool:
        """Say whether the newest wish took production back, and not forward again."""
        return len(list(takewhile(lambda wish: wish.goes_back, self.wishes))) % 2 == 1


def past(file: AppFile, start: str = "HEAD") -> Past:
    """Return what production of *file* was asked for up to the commit *start*."""
    found: list[Wish] = []
    broken = ""
    for wish, commit in _changes(file, start):
        if wish is None:
            broken = broken or (commit if not found else "")
        elif found and found[-1].text == wish.text:
            found[-1] = replace(wish, data=found[-1].data)
        else:
            found.append(wish)
    return Past(tuple(found), broken)


def _changes(file: AppFile, start: str) -> Iterator[tuple[Wish | None, str]]:
    """Yield each change of the file with its commit; None for a file that is gone or broken."""
    printed = file.checkout.git(
        *("-c", "log.showSignature=false", "-c", "log.follow=false", "log", "-m", "--first-parent"),
        *("--raw", "--no-abbrev", "--no-renames", "--no-color", f"-n{_MAX_BACK}", _FORMAT),
        *(start, "--", file.file),
    )
    fields = printed.split("\0")[1:]
    rows = [fields[at : at + 6] for at in range(0, len(fields), 6)]
    blobs = [_blob(raw) for *_, raw in rows]
    known = file.checkout.blobs(sorted(set(blobs) - {""}))
    apps = {blob: _parsed(data, file.name) for blob, data in known.items()}
    for (commit, parents, date, author, message, _), blob in zip(rows, blobs, strict=True):
        app = apps.get(blob)
        made = (commit, tuple(parents.split()), date, author, message)
        yield (Wish(app, known[blob], *made) if app else None), commit


def _blob(raw: str) -> str:
    """Return the file's new blob from a raw line of git log, or "" where it is no plain file."""
    columns = raw.split()
    return columns[3] if len(columns) > 4 and columns[1].startswith("100") else ""


def _parsed(data: bytes, name: str) -> App | None:
    try:
        return read(data, name)
    except DesiredError:
        return None
