"""Values: what Git's newest commit wants of an app's slots. Frozen, free of I/O."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from gitslot.state.code import Needs

PRODUCTION = "production"
STAGING = "staging"
SUFFIX = ".yaml"  # of an app's file in a folder, after its name
APP_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,58}[A-Za-z0-9])?")


def is_app_name(text: str) -> bool:
    """Say whether *text* can be a function app's name."""
    return APP_NAME.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Revision:
    """
    A commit: 40 hex digits, who wrote it, the first line of its message, what it reverts.

    Not *exact* where another, older commit may be the one that was looked for.
    """

    commit: str
    author: str = ""
    subject: str = ""
    reverts: str | None = None
    exact: bool = True

    @property
    def short(self) -> str:
        """Return the seven digits that people read."""
        return self.commit[:7]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the file says of one slot: a version, perhaps its digest, perhaps its code."""

    version: str
    pin: str | None = None
    code: str | None = None

    def __str__(self) -> str:
        pin = f"@sha256:{self.pin}" if self.pin else ""
        code = f" with code {self.code}" if self.code else ""
        return f"{self.version}{pin}{code}"


@dataclass(frozen=True, slots=True)
class App:
    """One app, as its file describes it."""

    name: str
    model: str
    slots: Mapping[str, Wanted]
    resource_group: str | None = None
    subscription: str | None = None
    suspend: str | None = None
    suspended_by_setting: bool = False  # by the controller's own, not by the file
    drift: str = "heal"
    latency_p99_ms: float | None = None
    soak_s: float | None = None  # None: production is never swapped back

    @property
    def production(self) -> Wanted:
        """Return what production shall serve."""
        return self.slots[PRODUCTION]

    def wish(self, slot: str) -> str:
        """Return what *slot* shall serve as one text, or "" where the file does not name it."""
        wanted = self.slots.get(slot)
        return f"{self.model} {wanted}" if wanted else ""

    def may_ask_the_same(self, other: "App") -> bool:
        """Say whether production of both may be one release: a pin that one lacks says nothing."""
        here, there = self.production, other.production
        same = (self.model, here.version, here.code) == (other.model, there.version, there.code)
        return same and (here.pin == there.pin or None in (here.pin, there.pin))

    @property
    def pin(self) -> Wanted | None:
        """Return the candidate that staging shall hold, or None: then it is the working slot."""
        staging = self.slots.get(STAGING)
        return None if staging == self.production else staging

    @property
    def further(self) -> dict[str, Wanted]:
        """Return what every slot beside production and staging shall serve, in the file's order."""
        return {k: v for k, v in self.slots.items() if k not in (PRODUCTION, STAGING)}


@dataclass(frozen=True, slots=True)
class Desired:
    """What one commit asks for: each app by its name, or why its own file is in doubt."""

    revision: Revision
    apps: "Mapping[str, App | Doubt]"
    unlisted: tuple[str, ...] = ()  # apps with a file that GITSLOT_APPS leaves to others


@dataclass(frozen=True, slots=True)
class Doubt:
    """
    Why nothing may be concluded: Git, the file or the platform cannot be trusted now.

    *again_s* is given where it passes by itself: in how many seconds to ask again, 0 if unknown.
    """

    reason: str
    message: str
    revision: Revision | None = None
    again_s: float | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """A model's version with its digest: sha256 of the manifest, 64 hex digits."""

    model: str
    version: str
    digest: str

    @property
    def setting(self) -> str:
        """Return the pinned form, as MODEL_VERSION holds it."""
        return f"{self.version}@sha256:{self.digest}"

    def __str__(self) -> str:
        return f"{self.model} {self.version}"


@dataclass(frozen=True, slots=True)
class Resolved:
    """
    A wanted slot, looked up in the registry: the release, what it *needs* of the code, and, where
    the file names code, the build of it that has that.

    *changed* is the digest that the registry holds, where the release is remembered with another.
    *known* is False where the file pins no digest and none is remembered.
    """

    release: Release
    package: str | None = None  # URL of the build
    build: str | None = None  # what health calls it
    needs: Needs = field(default_factory=Needs)
    changed: str = ""
    known: bool = True


@dataclass(frozen=True, slots=True)
class Refusal:
    """The registry says no for good: unknown version, untrusted manifest, wrong pin."""

    reason: str
    message: str
