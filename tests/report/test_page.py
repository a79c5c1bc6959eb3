"""The controller's page: what it shows, that it is safe, and what it weighs."""

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gitslot.errors import UnknownVersion
from gitslot.record.event import Event
from gitslot.record.journal import Journal
from gitslot.record.recent import Change
from gitslot.report.page.page import Page, Reply
from gitslot.report.snapshot import AppView, Doing, Snapshot
from gitslot.report.status import Row
from gitslot.state.plain import plain
from gitslot.state.wanted import Revision
from reliability.memory_blobs import MemoryBlobs

NOW = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)
COMMIT = "9f3c2ab" + "0" * 33
EVIL = "</style><script>alert(1)</script><img src=x onerror=alert(2)>"


class NoVersions:
    """A registry that knows none."""

    def manifest(self, model: str, version: str) -> Any:
        raise UnknownVersion(f"{model} {version} is not registered")


def view(name: str, state: str = "Synced", *, text: str = "bump iris to 1.5.0") -> AppView:
    row = Row(name, "production", "iris", "1.5.0", "d", "1.5.0", "Healthy", state)
    row = replace(row, rollback="ready, 1 swap", proved=NOW - timedelta(minutes=2), commit=COMMIT)
    if state != "Synced":
        row = replace(row, reason="SwapRefused", message=text, mend=f"gitslot retry {name}")
    change = Change(
        time=NOW - timedelta(minutes=30),
        app=name,
        model="iris",
        version="1.5.0",
        digest="d",
        before="1.4.0",
        how="swap",
        commit=COMMIT,
        author=text,
        subject=text,
    )
    first = replace(change, time=NOW - timedelta(days=3), version="1.4.0", how="found", commit="")
    doing = Doing("swap", NOW - timedelta(seconds=12))
    staging = Row(name, "staging", "iris", "1.4.0", "c", health="Healthy")
    return AppView((row, staging), 0, "rule", doing, (first, change), usual={"swap": 66.0})


def page(views: Mapping[str, AppView], *, written: datetime = NOW) -> Page:
    head = Revision(COMMIT, "sam", "bump iris to 1.5.0")
    looked = dict.fromkeys(views, NOW - timedelta(seconds=12))
    seen = Snapshot(
        "ctl", "0.1.0", written, 60.0, head, "", "az functionapp restart", looked, views
    )
    blobs = MemoryBlobs(lambda: NOW)
    blobs.put("state/ctl.json", json.dumps(plain(seen)).encode())
    journal = Journal(blobs)
    for name in list(views)[:1]:
        journal.memory(name, NOW)
        failed = Event(
            "VerifyFailed", name, NOW, message=EVIL, revision=COMMIT, subject=EVIL, id="1"
        )
        journal.append(name, [failed], NOW)
    registry: Any = NoVersions()
    return Page(blobs, registry, "https://git.example/you/models.git")


def text(reply: Reply) -> str:
    assert reply.status == 200
    return reply.body.decode()


def test_one_app_is_one_screen() -> None:
    """What users get, what is under way, the way back, and the picture of what was served."""
    html = text(page({"iris": view("iris")}).answer("", {}, b"", NOW))
    for said in (
        "Users get iris 1.5.0, Healthy; last looked 12 s ago",
        "swapping for 12 s, usually 66 s",
        "ready, 1 swap, proven 2 min ago",
        "gitslot rollback iris\ngit push",
        f"https://git.example/you/models/commit/{COMMIT}",
        "What production served: Nov 19 14:00 1.4.0 found; 13:30 1.5.0 swap",
    ):
        assert said in html


def test_everything_shown_is_escaped_and_nothing_may_run() -> None:
    """Texts of commits, slots and the platform come from outside; the style is the one known."""
    reply = page({"iris": view("iris", "Stalled", text=EVIL)}).answer("", {}, b"", NOW)
    html = text(reply)
    assert "<script" not in html and "<img" not in html and html.count("</style>") == 1
    policy = reply.headers["Content-Security-Policy"]
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert style and "default-src 'none'" in policy and "script-src" not in policy
    assert base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode() in policy
    assert reply.headers["Referrer-Policy"] == "no-referrer"


def test_no_link_leads_to_the_controller_and_so_none_holds_its_key() -> None:
    """Forms without an address are posted to that of the page, where the browser has the key."""
    many = page({name: view(name) for name in ("a", "b")})
    for form in (b"", b"app=a"):
        html = text(many.answer("", {}, form, NOW))
        assert all(link.startswith("https://") for link in re.findall(r'href="([^"]*)"', html))
        assert set(re.findall(r"<form[^>]*>", html)) <= {
            '<form method="post">',
            '<form class="find" method="post" role="search">',
        }


def test_a_thousand_apps_are_searched_and_weigh_little() -> None:
    """Apps in trouble come first; the first view is at most 50 kB sent."""
    views = {f"app-{n:03}": view(f"app-{n:03}") for n in range(1000)}
    views["app-777"] = view("app-777", "Stalled")
    many = page(views)
    reply = many.answer("", {"accept-encoding": "gzip, br"}, b"", NOW)
    html = gzip.decompress(reply.body).decode()
    assert len(reply.body) <= 50_000
    assert re.findall(r'value="(app-\d+)"', html)[0] == "app-777"
    assert "1000 apps: 1 Stalled, 999 Synced" in html and "800 more" in html
    for form, wants in ((b"q=APP-12", 10), (b"show=not+synced", 1), (b"q=nothing", 0)):
        found = text(many.answer("", {}, form, NOW))
        assert len(re.findall(r'value="(app-\d+)"', found)) == wants
    one = text(many.answer("", {}, b"app=app-123", NOW))
    assert "gitslot rollback app-123" in one and "All apps" in one


def test_a_controller_that_does_not_look_is_said_first() -> None:
    """With the line that starts it, for people and for programs."""
    dead = page({"iris": view("iris")}, written=NOW - timedelta(minutes=14))
    html = text(dead.answer("", {}, b"", NOW))
    assert html.index(
        "controller ctl does not look: it last wrote what it saw 14 min ago"
    ) < html.index("<h1>")
    assert "az functionapp restart" in html
    (twin,) = json.loads(dead.answer("api/status", {}, b"", NOW).body)
    assert (twin["looks"], twin["apps"]["iris"]["rows"][0]["serves"]) == (False, "1.5.0")
    assert 'gitslot_snapshot_age_seconds{controller="ctl",version="0.1.0"} 840.0' in text(
        dead.answer("api/metrics", {}, b"", NOW)
    )


def test_metrics_say_what_users_get_and_what_is_in_sync() -> None:
    """A line a slot, in Prometheus's own format."""
    found = page({"iris": view("iris", "Stalled")}).answer("api/metrics", {}, b"", NOW)
    lines = text(found).splitlines()
    assert 'gitslot_healthy{app="iris",slot="production"} 1.0' in lines
    assert 'gitslot_synced{app="iris",slot="production"} 0.0' in lines
    assert 'gitslot_serves{app="iris",model="iris",slot="staging",version="1.4.0"} 1.0' in lines
    assert 'gitslot_oldest_look_seconds{controller="ctl"} 12.0' in lines
    assert found.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize("path", ["", "api/status", "api/metrics"])
def test_storage_that_does_not_answer_is_503_with_its_reason(path: str) -> None:
    """No trace, no guess."""
    broken = page({})
    broken._blobs.put("state/ctl.json", b"{")
    reply = broken.answer(path, {}, b"", NOW)
    assert reply.status == 503 and b"state/ctl.json cannot be read" in reply.body


@pytest.mark.parametrize("form", [b"\xff\xfe", b"app=" + b"x" * 10_000, b"&".join([b"q=1"] * 50)])
def test_a_form_that_is_none_shows_the_apps(form: bytes) -> None:
    """What is posted is read to a small limit."""
    html = text(page({"a": view("a"), "b": view("b")}).answer("", {}, form, NOW))
    assert "2 apps" in html
