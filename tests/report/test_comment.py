"""The comment on a pull request: what changes, what it costs, how to go back."""

from dataclasses import replace

import pytest

from gitslot.registry.manifest import Manifest, parse_manifest, with_golden
from gitslot.report.comment import MARK, Change, comment
from gitslot.report.snapshot import AppView
from gitslot.report.status import Row
from gitslot.state.wanted import App, Wanted
from reliability.registered import version_blobs

ROW = Row("iris", "production", "iris", "1.4.0", "d", "1.4.0", "Healthy", "Synced")
VIEW = AppView(
    (ROW, Row("iris", "staging", "iris", "1.3.0")), 0, usual={"deploy": 34.0, "swap": 66.0}
)


def registered(version: str) -> Manifest:
    blobs = version_blobs(version)
    (manifest,) = [data for name, data in blobs.items() if name.endswith("manifest.json")]
    golden = [data for name, data in blobs.items() if "/golden-" in name]
    found = parse_manifest(manifest)
    return with_golden(found, golden[0]) if golden else found


MANIFESTS = {version: registered(version) for version in ("1.4.0", "1.5.0")}


def app(**slots: str) -> App:
    return App("iris", "iris", {name: Wanted(version) for name, version in slots.items()})


@pytest.mark.parametrize(
    ("wants", "staging", "said"),
    [
        ("1.5.0", "1.3.0", "1.4.0 -> 1.5.0`: 1 deploy, 1 swap, about 2 min; back: 1 swap"),
        ("1.5.0", "1.5.0", "1.4.0 -> 1.5.0`: 1 swap, about 66 s; back: 1 swap"),
        ("1.4.0", "1.3.0", "`iris 1.4.0`: nothing to do"),
    ],
)
def test_it_says_what_is_done_and_how_long_it_usually_takes(
    wants: str, staging: str, said: str
) -> None:
    """The same numbers that `status` prints, and what going back costs."""
    view = replace(VIEW, rows=(ROW, replace(VIEW.rows[1], serves=staging)))
    assert said in comment([Change(app(production=wants), view, MANIFESTS)], 0, [])


def test_it_compares_both_versions() -> None:
    """Metrics, data, digest side by side, and the golden answers that change."""
    text = comment([Change(app(production="1.5.0"), VIEW, MANIFESTS)], 39, [])
    assert text.startswith(MARK)
    assert "| **digest** | `sha256:" in text and "| metrics | `accuracy 0.9`" in text
    assert "Golden answers that change: " in text
    assert "39 other apps stay as they are." in text
    assert all(len(block.splitlines()) > 2 for block in text.split("\n\n") if block[0] == "|")


def test_what_is_wrong_is_said_in_red_and_first() -> None:
    """An unregistered version; a base that moved; a pin that costs the way back."""
    wants = app(production="9.9.9", staging="1.5.0", canary="1.5.0")
    manifests: dict[str, Manifest | str] = {**MANIFESTS, "9.9.9": "iris 9.9.9 is not registered"}
    text = comment([Change(wants, VIEW, manifests)], 0, ["the branch is now at c01d7e5"])
    assert text.index("the branch is now at c01d7e5") < text.index("9.9.9")
    assert "> [!CAUTION]\n> `iris 9.9.9 is not registered`" in text
    assert "staging gives up the way back by one swap" in text
    assert "**canary** `iris 1.5.0`" in text


def test_texts_from_outside_are_code() -> None:
    """Nothing in a version, an app or a suspension is a link, a mention or a cell."""
    evil = replace(app(production="1.5.0"), suspend="@all [x](http://e) | <b>")
    text = comment([Change(evil, VIEW, {"1.5.0": "no `| @all"})], 0, [])
    assert "`@all [x](http://e) | <b>`" in text
    assert "`` no `| @all ``" in text


def test_nothing_to_change_is_one_line() -> None:
    """And an app that no controller knows says so."""
    assert "Nothing changes." in comment([], 1, []) and "1 other app stays" in comment([], 1, [])
    assert "No controller has looked at it yet." in comment(
        [Change(app(production="1.5.0"), None, MANIFESTS)], 0, []
    )
