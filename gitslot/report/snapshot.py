"""
What a controller sees, in one blob that it overwrites: `state/<controller>.json`.

Page, `status`, comments and alerts are made from it. It is no memory: nothing is decided from it.
A process that starts looks at apps first where it says they were; that is safe, because ARM is read
wherever what answers there does not settle all, and finds each app again before a write or a key.
"""

import json
import logging
import math
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from gitslot.edges.settings import PUBLIC_ARM, Settings
from gitslot.errors import JournalError
from gitslot.record.recent import Change, Recent
from gitslot.report.status import Row, exit_code, rows
from gitslot.state.decision import Observation, frozen
from gitslot.state.plain import plain, read
from gitslot.state.policy import Policy
from gitslot.state.remembered import Memory
from gitslot.state.safe_text import safe, seconds_text, some_of
from gitslot.state.seen import Found, Rehearsal
from gitslot.state.wanted import STAGING, Desired, Doubt, Revision
from gitslot.version import __version__

if TYPE_CHECKING:
    from gitslot.look.look import Looker
    from gitslot.record.blobs import Blobs
    from gitslot.world import Clock

FOLDER = "state/"
CHANGED_S, STILL_S = 5.0, 30.0  # between two writes, where something changed and where nothing did
LOOKED, LOGGED_S = "Looked", 300.0  # between two lines of the log that say that one was written
_GONE_S, _INTERVALS = 180.0, 3  # a snapshot older than the longer of both: nobody looks
_MAX_BYTES = 64 * 1024 * 1024

_log = logging.getLogger("gitslot")


@dataclass(frozen=True, slots=True)
class Doing:
    """A step under way: what, and since when."""

    step: str
    since: datetime


@dataclass(frozen=True, slots=True)
class AppView:
    """One app as it is shown, at the commit *head*; *code* is the exit code of `gitslot status`."""

    rows: tuple[Row, ...]
    code: int
    rule: str = ""
    doing: Doing | None = None
    changes: tuple[Change, ...] = ()
    place: str = ""  # its resource id in Azure
    head: str = ""
    usual: Mapping[str, float] = field(default_factory=dict, hash=False)  # seconds of each step

    def under_way(self, now: datetime) -> str:
        """Return the step under way, for how long, and what it usually takes; "" for none."""
        if self.doing is None:
            return ""
        took = self.usual.get(self.doing.step)
        usual = f", usually {seconds_text(took)}" if took else ""
        words = {"swap": "swapping", "deploy": "deploying and proving"}[self.doing.step]
        return f"{words} for {seconds_text((now - self.doing.since).total_seconds())}{usual}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What *controller* saw; *looked* is the last look at each app, *interval_s* of its timer."""

    controller: str
    version: str
    written: datetime
    interval_s: float
    head: Revision | None = None
    doubt: str = ""  # about Git, where its newest commit is not known
    start: str = ""  # the line that starts the controller
    looked: Mapping[str, datetime] = field(default_factory=dict, hash=False)
    apps: Mapping[str, AppView] = field(default_factory=dict, hash=False)
    ahead: tuple[str, ...] = ()  # apps that it has still to look at
    unlisted: tuple[str, ...] = ()  # apps with a file that it leaves to others
    found: Mapping[str, Found] = field(default_factory=dict, hash=False)

    def looks(self, now: datetime) -> bool:
        """Say whether the controller still looks, by the age of this."""
        limit_s = max(_GONE_S, _INTERVALS * self.interval_s)
        return now - self.written <= timedelta(seconds=limit_s)

    def ago(self, now: datetime) -> str:
        """Return how old this is, in words."""
        return f"{seconds_text((now - self.written).total_seconds())} ago"

    def said(self, now: datetime) -> str:
        """Return who saw this and when, at which commit, and what is wrong with Git."""
        at = f', at {self.head.short} "{self.head.subject}"' if self.head else ""
        doubt = f". Git: {self.doubt}" if self.doubt else ""
        return f"seen by {self.controller} {self.ago(now)}{at}{doubt}"


def view_of(
    seen: Observation, memory: Memory, recent: Recent, rehearsal: Rehearsal | None = None
) -> AppView:
    """Return what is shown of the app that was *seen*; *memory* and *recent* are of its journal."""
    seen = replace(seen, memory=memory)
    rule = getattr(seen.decision, "rule", "")
    found = rows(seen, recent, rehearsal)
    doing, changes = _doing(memory, recent), tuple(recent.changes)
    head = seen.head.commit if seen.head else ""
    usual = {step: took for step in ("deploy", "swap") if (took := recent.usual_s(step))}
    return AppView(found, exit_code(seen), rule, doing, changes, head=head, usual=usual)


def _doing(memory: Memory, recent: Recent) -> Doing | None:
    if memory.intent:
        return Doing("swap", memory.intent.time)
    deploy = memory.of(STAGING).deploy
    if deploy and memory.stop[0] in ("", "Waiting") and recent.is_open("deploy"):
        return Doing("deploy", deploy.time)
    return None


def read_all(
    blobs: "Blobs", known: dict[str, tuple[str, Snapshot]] | None = None
) -> list[Snapshot]:
    """
    Return the snapshot of each controller that wrote one. Raises JournalError.

    *known* keeps those of a process that asks again, by blob and etag: most are parsed once.
    """
    found, known = [], {} if known is None else known
    for name in blobs.names(FOLDER):
        if (loaded := blobs.load(name)) is None:
            continue
        if known.get(name, ("",))[0] != loaded[1]:
            known[name] = (loaded[1], _parsed(name, loaded[0]))
        found.append(known[name][1])
    return list(_whole(found))


def _parsed(name: str, data: bytes) -> Snapshot:
    try:
        if len(data) > _MAX_BYTES:
            raise ValueError("it is too large")
        return read(Snapshot, json.loads(data))
    except (ValueError, RecursionError) as error:
        raise JournalError(f"{name} cannot be read: {safe(str(error))}") from error


def _whole(found: Sequence[Snapshot]) -> Iterator[Snapshot]:
    """Yield *found*; an app that no controller lists is shown frozen by one of them."""
    covered = {name.lower() for each in found for name in (*each.apps, *each.ahead)}
    for each in found:
        knows = each.looks(max(other.written for other in found))  # the files of now
        alone = [name for name in each.unlisted if knows and name.lower() not in covered]
        covered |= {name.lower() for name in alone}
        views = {}
        for name in alone:
            doubt = Doubt("AppNotAllowed", f"GITSLOT_APPS of no controller lists `{name}`")
            about = (Memory(), frozen(doubt), each.written, Policy())
            seen = Observation(name, doubt, each.head, doubt, *about)
            views[name] = view_of(seen, Memory(), Recent())
        looked = {**each.looked, **dict.fromkeys(alone, each.written)}
        yield replace(each, apps={**each.apps, **views}, looked=looked) if alone else each


def amiss(found: Sequence[Snapshot], now: datetime) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with who looks at which app, and what mends it or ""."""
    last, looking = by_app(found), defaultdict(list)
    for each in found:
        mine = [name for name in last if last[name] is each]
        if each.looks(now):
            for name in (*each.looked, *each.ahead):
                looking[name.lower()].append(each.controller)
        elif mine or not last:  # else others have taken over
            what = f"controller {each.controller} does not look: it last wrote what it saw "
            at = f"; nobody looks at {some_of(mine)}" if mine and found[1:] else ""
            yield f"{what}{each.ago(now)}{at}", each.start
    for names, name in {" and ".join(by): name for name, by in looking.items() if by[1:]}.items():
        yield f"{names} both look at {name}", "list each app in GITSLOT_APPS of one controller"
    if alone := [name for name, each in last.items() if name in each.unlisted]:
        what = f"nobody looks at {some_of(alone)}, which no GITSLOT_APPS lists"
        yield what, "add it to GITSLOT_APPS of one controller, or take it out of the repository"


def by_app(snapshots: Iterable[Snapshot]) -> dict[str, Snapshot]:
    """Return for each app the snapshot whose controller looked at it last, by the app's name."""
    found: dict[str, Snapshot] = {}
    for each in sorted(snapshots, key=lambda one: one.written):
        found.update(dict.fromkeys(each.apps.keys() & each.looked.keys(), each))
    return dict(sorted(found.items()))


class Snapshots:
    """
    The snapshot of one controller, kept as its passes look and written now and then.

    *places* says where apps are, which is shown where it is in Azure's own cloud.

    Passes of several threads call it. A write that fails is tried again after CHANGED_S.
    """

    def __init__(
        self,
        blobs: "Blobs",
        clock: "Clock",
        settings: Settings,
        places: "Looker",
    ) -> None:
        self._blobs, self._clock, self._places = blobs, clock, places
        self._public = settings.arm == PUBLIC_ARM
        about = Snapshot(settings.controller, __version__, clock.now(), 60.0)
        self._about = replace(about, start=settings.start)
        self._name = f"{FOLDER}{settings.controller}.json"
        self._unseen: set[str] = set()  # apps that no pass has looked at yet
        self._views: dict[str, AppView] = {}
        self._lines: dict[str, str] = {}  # the views as JSON: most are the same for hours
        self._looked: dict[str, datetime] = {}
        self._guard = threading.Lock()
        self._changed = False
        self._wrote = self._began = -math.inf  # by the clock that never goes back
        self._logged = -math.inf
        self._fired: float | None = None

    def take(
        self, seen: Observation, known: tuple[Memory, Recent], rehearsal: Rehearsal | None
    ) -> None:
        """Take in a look at an app."""
        found = self._places.found(seen.name) if self._public else None
        view = replace(view_of(seen, *known, rehearsal), place=found.id if found else "")
        with self._guard:
            self._looked[seen.name] = seen.now
            self._unseen.discard(seen.name)
            if self._views.get(seen.name) != view:
                self._views[seen.name] = view
                self._lines[seen.name] = json.dumps(plain(view), separators=(",", ":"))
                self._changed = True

    def news(self, names: Iterable[str], desired: Desired | Doubt) -> None:
        """Take in what Git asks for, and forget every app but *names*."""
        with self._guard:
            if isinstance(desired, Doubt):
                news = replace(self._about, doubt=f"{desired.reason}: {desired.message}")
            else:
                about = replace(self._about, head=desired.revision, unlisted=desired.unlisted)
                news = replace(about, doubt="")
            wanted = set(names)
            gone, self._unseen = self._views.keys() - wanted, wanted - self._views.keys()
            for each in (self._views, self._lines, self._looked):
                for name in gone:
                    each.pop(name, None)
            self._changed |= bool(gone) or news != self._about
            self._about = news

    def begin(self, trigger: str) -> None:
        """Note that a round begins; the timer's tell how often it fires."""
        now = self._clock.monotonic()
        if self._began < 0:
            self._recall()
        self._began = now
        if trigger != "timer":
            return
        with self._guard:
            if self._fired is not None:
                self._about = replace(self._about, interval_s=round(now - self._fired, 1))
            self._fired = now

    def _recall(self) -> None:
        """Tell a process that begins where the last one found the apps; never raise."""
        try:
            if loaded := self._blobs.load(self._name):
                self._places.recall(_parsed(self._name, loaded[0]).found)
        except JournalError as error:
            _log.warning("ARM is asked where all apps are: %s", error.message)

    def due_s(self, *, ends: bool = False) -> float:
        """
        Return in how many seconds to write; *ends*: the round does.

        What nothing changed in is written at the end of a round, or of a long one in between.
        """
        since = self._wrote if ends else max(self._wrote, self._began)
        at = self._wrote + CHANGED_S if self.pending else since + STILL_S
        if self._unseen:  # a process that began just now
            at = max(at, self._began + CHANGED_S)
        return max(0.0, at - self._clock.monotonic())

    @property
    def pending(self) -> bool:
        """Say whether something changed that is not written yet."""
        return self._changed

    def write(self) -> None:
        """Write what is known now; never raises for what storage does."""
        with self._guard:
            self._changed, self._wrote = False, self._clock.monotonic()
            looked = dict(sorted(self._looked.items()))
            ahead = tuple(sorted(self._unseen))
            places = ((name, self._places.found(name)) for name in sorted({*looked, *self._unseen}))
            found = {name: place for name, place in places if place}
            about = replace(self._about, written=self._clock.now(), looked=looked)
            about = replace(about, ahead=ahead, found=found)
            lines = ",".join(f"{json.dumps(name)}:{self._lines[name]}" for name in looked)
        head = json.dumps(plain(about), separators=(",", ":"))
        try:
            self._blobs.put(self._name, f'{head[:-1]},"apps":{{{lines}}}}}'.encode())
        except JournalError as error:
            self._wrote -= STILL_S - CHANGED_S
            _log.warning("the snapshot %s was not written: %s", self._name, error.message)
            return
        if self._wrote >= self._logged + LOGGED_S:  # an alert waits for these lines to stop
            self._logged = self._wrote
            _log.info("%s", self._name, extra={"fields": {"event": LOOKED, "message": self._name}})
