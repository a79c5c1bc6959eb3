"""
The controller's page, its twin `/api/status` and `/api/metrics`: read-only, from the snapshot.

One screen without JavaScript. No link holds the function key: forms are posted to the address that
the page came from, so that the key stays where the browser has it.
"""

import base64
import gzip
import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gitslot.edges.git.hosts import HOSTS, host_of
from gitslot.errors import GitslotError
from gitslot.record.event import Event
from gitslot.record.journal import Journal
from gitslot.registry import card
from gitslot.registry.registry import Registry
from gitslot.report import snapshot
from gitslot.report.page import timeline
from gitslot.report.page.metrics import metrics
from gitslot.report.snapshot import AppView, Snapshot
from gitslot.report.status import HEALTHY, SYNCED, Row
from gitslot.state.plain import plain
from gitslot.state.safe_text import seconds_text

if TYPE_CHECKING:
    from gitslot.record.blobs import Blobs

PATHS = ("", "api/page", "api/status", "api/metrics")
HERE = Path(__file__).parent
STYLE = (HERE / "style.css").read_text(encoding="utf-8")
_ROWS = 200  # of a list of apps; the rest is found by its name
_BODY = 4096
_PORTAL = "https://portal.azure.com/#resource"
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Vary": "Accept-Encoding",
}
_TEMPLATES = Environment(
    loader=FileSystemLoader(HERE),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Page:
    """Answers for the apps whose snapshots and journals are in *blobs*."""

    def __init__(self, blobs: "Blobs", registry: Registry, repository: str) -> None:
        self._blobs, self._registry, self._repository = blobs, registry, repository
        self._journal = Journal(blobs)
        self._guard = threading.Lock()
        self._known: dict[str, tuple[str, Snapshot]] = {}

    def answer(self, path: str, headers: Mapping[str, str], form: bytes, now: datetime) -> Reply:
        """
        Return the reply to a request for *path*: "", "api/status" or "api/metrics".

        *headers* have names in small letters; *form* is the body that a form of the page posts.
        Storage that does not answer is 503 with its reason, any other path 404.
        """
        if path not in PATHS:
            return _reply(headers, "text/plain", f"there is no /{path[:80]} here\n", 404)
        try:
            found = snapshot.read_all(self._blobs, self._known)
        except GitslotError as error:
            return _reply(headers, "text/plain", f"{error.reason}: {error.message}\n", 503)
        if path == "api/status":
            return _reply(headers, "application/json", json.dumps(_data(found, now)))
        if path == "api/metrics":
            kind, text = metrics(found, now)
            return _reply(headers, kind, text)
        asked = {name: values[-1] for name, values in _form(form).items()}
        return _reply(headers, "text/html", self._html(found, asked, now))

    def _html(self, found: Sequence[Snapshot], asked: Mapping[str, str], now: datetime) -> str:
        apps = snapshot.by_app(found)
        name = asked.get("app") or (next(iter(apps)) if len(apps) == 1 else "")
        shared = {
            "style": STYLE,
            "here": name if name in apps else "",
            "amiss": list(snapshot.amiss(found, now)),
            "controllers": [f"{each.said(now)} (gitslot {each.version})" for each in found],
        }
        if name in apps:
            details = self._app(name, apps[name], now)
            return _TEMPLATES.get_template("app.html").render(
                title=name, several=len(apps) > 1, **shared, **details
            )
        return _TEMPLATES.get_template("all.html").render(**shared, **_list(apps, asked, now))

    # ------------------------------------------------------------ one app

    def _app(self, name: str, seen: Snapshot, now: datetime) -> dict[str, Any]:
        view = seen.apps[name]
        row = view.rows[0]
        events = self._events(name, now)
        proofs = [e for e in events if e.event in ("VerifyPassed", "VerifyFailed")]
        told = [e for e in events if e.revision == row.commit and e.subject]
        about = {"text": told[-1].subject, "author": told[-1].author} if told else {}
        return {
            "app": name,
            "headline": f"Users get {_gets(row)}, {row.health}; last looked "
            f"{seconds_text((now - seen.looked[name]).total_seconds())} ago",
            "subject": {**about, **self._commit(row.commit)} if about else None,
            "portal": f"{_PORTAL}{view.place}" if view.place else "",
            "doing": _doing(view, now),
            "stops": [each for each in view.rows if each.message],
            "slots": [_cells(each, now) for each in view.rows],
            "back": {"text": row.way_back(now)} if row.rollback else None,
            "timeline": timeline.drawn(view.changes, events, now),
            "changes": [
                {**asdict(each), "time": _time(each.time, now), **self._commit(each.commit)}
                for each in reversed(view.changes)
            ],
            "proof": f"{_time(proofs[-1].time, now)}: {proofs[-1].message}" if proofs else "",
            "card": self._card(row, view),
            "steps": [self._step(each, now) for each in reversed(events)],
        }

    def _events(self, name: str, now: datetime) -> list[Event]:
        """Return the newest events of *name*, or nothing where its journal cannot be read."""
        with self._guard:  # requests come in several threads
            try:
                self._journal.memory(name, now)
            except GitslotError:
                return []
            known = self._journal.known(name)
            return list(known[1].events) if known else []

    def _step(self, event: Event, now: datetime) -> dict[str, Any]:
        shown = {"time": _time(event.time, now), "event": event.event, "message": event.message}
        return {**shown, **self._commit(event.revision)}

    def _commit(self, commit: str) -> dict[str, str]:
        """Return *commit* with its page at the Git host, where that is known."""
        link = ""
        if self._repository.startswith("https://") and commit:
            kind = HOSTS[host_of(self._repository)]
            link = f"{self._repository.removesuffix('.git')}{kind.commits}{commit}"
        return {"commit": commit, "link": link}

    def _card(self, row: Row, view: AppView) -> dict[str, Any] | None:
        """Return the facts of what production served before and of what is wanted, by name."""
        before = view.changes[-1].before if view.changes else ""
        wanted = row.wanted if row.wanted not in ("", "?") else row.serves
        versions = [v for v in dict.fromkeys((before, row.serves, wanted)) if v]
        facts: dict[str, dict[str, str]] = {}
        for version in versions:
            try:
                facts[version] = dict(card.lines(self._registry.manifest(row.model, version)))
            except GitslotError:
                continue
        if not facts:
            return None
        names = list(dict.fromkeys(fact for each in facts.values() for fact in each))
        return {
            "names": list(facts),
            "rows": [(name, [each.get(name, "") for each in facts.values()]) for name in names],
        }


# ---------------------------------------------------------------- many apps


def _list(apps: Mapping[str, Snapshot], asked: Mapping[str, str], now: datetime) -> dict[str, Any]:
    q, show = asked.get("q", "").strip(), asked.get("show", "all")
    rows = [row for name, seen in apps.items() for row in seen.apps[name].rows[:1]]
    kept = [row for row in rows if q.lower() in row.app.lower() and _is_shown(row, show)]
    kept.sort(key=lambda row: (row.state == SYNCED and row.health == HEALTHY, row.app))
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.state] = counts.get(row.state, 0) + 1
    said = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    return {
        "title": "apps",
        "headline": f"{len(rows)} apps: {said}" if rows else "no app has been looked at yet",
        "q": q,
        "show": show,
        "rows": [{**_cells(row, now), "app": row.app, "gets": _gets(row)} for row in kept[:_ROWS]],
        "more": len(kept) - _ROWS if len(kept) > _ROWS else 0,
    }


def _is_shown(row: Row, show: str) -> bool:
    if show == "not synced":
        return row.state != SYNCED
    return row.health != HEALTHY if show == "not healthy" else True


# ---------------------------------------------------------------- words


def _gets(row: Row) -> str:
    return f"{row.model} {row.serves}" if row.serves not in ("?", "nothing") else row.serves


def _cells(row: Row, now: datetime) -> dict[str, str]:
    names = ("slot", "serves", "wanted", "health", "state", "reason")
    since = _time(row.since, now) if row.since else ""
    return {**{name: str(getattr(row, name)) for name in names}, "since": since}


def _doing(view: AppView, now: datetime) -> dict[str, Any] | None:
    if view.doing is None:
        return None
    usual = view.usual.get(view.doing.step, 0.0)
    elapsed = min((now - view.doing.since).total_seconds(), usual)
    return {"text": view.under_way(now), "elapsed": round(max(elapsed, 0.0)), "usual": round(usual)}


def _time(moment: datetime, now: datetime) -> str:
    return f"{moment:%H:%M:%S}Z" if moment.date() == now.date() else f"{moment:%Y-%m-%d %H:%M}Z"


# ---------------------------------------------------------------- HTTP


def _form(body: bytes) -> dict[str, list[str]]:
    try:
        return parse_qs(body[:_BODY].decode(), max_num_fields=8)
    except ValueError:
        return {}


def _data(found: Sequence[Snapshot], now: datetime) -> list[dict[str, Any]]:
    return [{**plain(each), "looks": each.looks(now)} for each in found]


def _reply(headers: Mapping[str, str], kind: str, text: str, status: int = 200) -> Reply:
    sent = {**_HEADERS, "Content-Type": kind if ";" in kind else f"{kind}; charset=utf-8"}
    body = text.encode()
    if "gzip" in headers.get("accept-encoding", ""):
        return Reply(status, {**sent, "Content-Encoding": "gzip"}, gzip.compress(body, 6, mtime=0))
    return Reply(status, sent, body)
