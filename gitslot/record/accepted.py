"""
`accepted.json`: up to which commit Git's history and each app's own file were accepted.

It is the only source of trust: no event of a journal is. It is written under the condition that
nobody else wrote it since it was read.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from gitslot.errors import JournalError

if TYPE_CHECKING:
    from gitslot.record.blobs import Blobs

NAME = "accepted.json"
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Accepted:
    """
    The newest commit whose ancestry was accepted, and for each app that of its own file.

    What is accepted for one app vouches for no other.
    """

    head: str = ""
    apps: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def there(self) -> bool:
        """Say whether anything was accepted yet."""
        return bool(self.head or self.apps)

    def base(self, app: str) -> str:
        """Return the commit that the history of *app* must go on from, or ""."""
        return self.apps.get(app, self.head)

    def line(self) -> bytes:
        """Return it as it is stored."""
        kept = {"head": self.head, "apps": dict(sorted(self.apps.items()))}
        return json.dumps(kept, indent=1).encode() + b"\n"


class AcceptedBlob:
    """Reads and writes `accepted.json`; keeps what it knows of it."""

    def __init__(self, blobs: "Blobs") -> None:
        self._blobs = blobs
        self._known: tuple[Accepted, str] | None = None

    def read(self, *, anew: bool = False) -> Accepted:
        """Return what is stored, *anew* or as it was last read. Raises JournalError."""
        if self._known is None or anew:
            found = self._blobs.load(NAME)
            if found is None or self._known is None or self._known[1] != found[1]:
                self._known = (_parsed(found[0]), found[1]) if found else (Accepted(), "")
        return self._known[0]

    def write(self, accepted: Accepted) -> None:
        """
        Store *accepted* in place of what was last read.

        Raises JournalMoved where somebody else wrote meanwhile, JournalError where the answer was
        lost; either way it is read anew next time.
        """
        etag = self._known[1] if self._known else ""
        self._known = None
        self._known = (accepted, self._blobs.store(NAME, accepted.line(), etag))


def _parsed(data: bytes) -> Accepted:
    try:
        raw = json.loads(data)
        head, apps = raw["head"], dict(raw["apps"])
        if not all(_COMMIT.fullmatch(commit) for commit in (head, *apps.values()) if commit):
            raise ValueError("not a commit")
    except (ValueError, KeyError, TypeError) as error:
        raise JournalError(
            f"{NAME} in the container gitslot cannot be read; restore it, or read what the branch "
            "holds and delete it",
            reason="AcceptedUnreadable",
        ) from error
    return Accepted(head, MappingProxyType(apps))
