"""
Make the pictures of README and docs in docs/pictures: `make screenshots`.

`python -m tools.screenshots record` plays a release and its revert on the local platform, with the
times recorded on Azure, then the incident with shorter ones, and keeps in release.json what was
typed, logged and shown (7 minutes).
"""

import json
import math
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from gitslot.cli.status import doing_lines
from gitslot.local.demo import incident, stage, steps
from gitslot.local.demo.screen import Screen
from gitslot.record.event import Event
from gitslot.report import snapshot
from gitslot.report.page.page import Page

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "pictures"
RECORD = FOLDER / "release.json"


class Recorder(Screen):
    """Keeps each thing that happens, with its second since *began*."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.kept = time.monotonic(), list[tuple[float, str, Any]]()

    def note(self, kind: str, what: Any) -> None:
        """Keep *what*, unless it is what was kept of its *kind* before."""
        if next((last for _, k, last in reversed(self.kept) if k == kind), None) != what:
            self.kept.append((round(time.monotonic() - self.began, 1), kind, what))

    def typed(self, command: str) -> None:
        """Keep a command."""
        super().typed(command)
        self.note("typed", command)

    def event(self, event: Event) -> None:
        """Keep a line of the log."""
        super().event(event)
        self.note("log", [f"{event.time:%H:%M:%S}", event.event, event.message])

    def side_by_side(self, *words: Any) -> None:
        """Keep two accounts as they are printed."""
        with self._console.capture() as shown:
            super().side_by_side(*words)
        self.note("incident", [line.rstrip() for line in shown.get().splitlines()])


def record() -> None:
    """Write RECORD from a run on the local platform."""
    screen, stage.PATIENCE_S = Recorder(), 600.0
    with stage.opened(screen, "recorded") as scene:
        steps.install(scene)
        screen.began, screen.kept = time.monotonic(), []
        over = threading.Event()
        watcher = threading.Thread(target=_watch, args=(scene, screen, over))
        watcher.start()
        try:
            steps.bump(scene, measured := steps.Measured())
            screen.note("page", _page(scene))
            steps.rollback(scene, measured)
            time.sleep(snapshot.CHANGED_S)
        finally:
            over.set()
            watcher.join()
            scene.load.stop()
    with stage.opened(screen) as scene:
        steps.install(scene)
        kept, screen.kept = screen.kept, []
        incident.incident(scene, measured)
        screen.kept = kept + [each for each in screen.kept if each[1] == "incident"]
        scene.load.stop()
    FOLDER.mkdir(exist_ok=True)
    lines = ",\n".join(json.dumps(each, ensure_ascii=False) for each in screen.kept)
    RECORD.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def _watch(scene: stage.Stage, screen: Recorder, over: threading.Event) -> None:
    """Keep what `gitslot status --watch` shows, until it is *over*; a step's time every 5 s."""
    before, at = None, 0.0
    while not over.wait(0.5):
        for seen in snapshot.read_all(scene.journal.blobs):
            view, now = seen.apps[stage.APP], datetime.now(UTC)
            rows = [[r.slot, r.serves, r.wanted, r.health, r.state, r.rollback] for r in view.rows]
            doing = [*doing_lines(stage.APP, view, now)]
            if (rows, bool(doing)) != before or time.monotonic() >= at + 5:
                before, at = (rows, bool(doing)), time.monotonic()
                screen.note("status", [rows, *doing])


def _page(scene: stage.Stage) -> str:
    """Return the controller's page as it is now."""
    shown = Page(scene.journal.blobs, scene.provisioner.registry, "https://git.example/you/models")
    return shown.answer("", {}, b"", datetime.now(UTC)).body.decode()


# ---------------------------------------------------------------- pictures

PLAY_S, HOLD_S = 26.0, 6.0
_STYLE = """:root{--ink:#1f2328;--dim:#59636e;--back:#fff;--line:#d1d9e0;--good:#1a7f37;
--name:#0550ae}
@media(prefers-color-scheme:dark){:root{--ink:#f0f6fc;--dim:#9198a1;--back:#0d1117;--line:#3d444d;
--good:#3fb950;--name:#79c0ff}}
text{font:13px ui-monospace,Menlo,Consolas,monospace;fill:var(--ink);white-space:pre}
.d{fill:var(--dim)}.g{fill:var(--good)}.n{fill:var(--name)}.b{font-weight:bold}
rect,path{fill:var(--back);stroke:var(--line)}.a{fill:none;stroke:var(--dim)}"""


def picture(width: int, height: int, title: str, body: str, style: str = "") -> str:
    """Return an SVG of its own colours, light and dark; *title* is for who cannot see it."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">\n'
        f"<title>{escape(title)}</title><style>{_STYLE}{style}</style>\n"
        f'<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8"/>\n{body}\n</svg>\n'
    )


def line(x: int, y: int, *parts: tuple[str, str], more: str = "") -> str:
    """Return a line of text at *x*, *y*: each of *parts* is a class and the words."""
    spans = "".join(f'<tspan class="{kind}">{escape(words)}</tspan>' for kind, words in parts)
    return f'<text x="{x}" y="{y}"{more}>{spans}</text>'


def release(kept: list[Any]) -> str:
    """Return the release and its revert as they went on, in half a minute and over again."""
    last = max(at for at, kind, _ in kept if kind != "incident")
    body, style, typed, logged = [], [], 50, 262
    shown = [(at, what) for at, kind, what in kept if kind == "status"]
    ends = [at for at, _ in shown[1:]] + [math.inf]
    for at, kind, what in kept:
        if kind == "typed":
            body.append(line(20, typed, ("d", "$ "), ("b", what), more=_from(at, last, style)))
            typed += 20
        elif kind == "log":
            name = "g" if what[1] == "Converged" else "n"
            parts = ("d", f"{what[0]}  "), (name, f"{what[1]:<15}"), ("", what[2][:92])
            body.append(line(20, logged, *parts, more=_from(at, last, style)))
            logged += 20
    for (at, (rows, *doing)), end in zip(shown, ends, strict=True):
        cells = [("SLOT", "SERVES", "WANTED", "HEALTH", "STATE", "BACK"), *rows]
        lines = [
            line(20, 146 + 20 * n, ("" if n else "d", "".join(f"{c:<13}" for c in each)))
            for n, each in enumerate(cells)
        ]
        lines += [line(20, 206, ("d", each)) for each in doing]
        more = _from(at, last, style, end)
        body.append(f"<g{more}>{''.join(lines)}</g>")
    heads = [(26, "one terminal"), (122, "gitslot status --watch"), (240, "gitslot logs -f")]
    body += [line(20, y, ("d", words)) for y, words in heads]
    body += [f'<path d="M0 {y}H1000"/>' for y in (104, 220)]
    title = "A release by a commit, and its revert by one swap, as gitslot status shows them"
    times = f"{last:.0f} s in {PLAY_S:.0f}: the local platform, with the times recorded on Azure"
    body.append(line(20, logged + 8, ("d", times)))
    still = "@media(prefers-reduced-motion:reduce){*{animation:none!important}}"
    return picture(1000, logged + 24, title, "\n".join(body), "".join(style) + still)


def _from(at: float, last: float, style: list[str], end: float = math.inf) -> str:
    """Show something from *at* to *end*; without animation only what stays is shown."""
    number, whole = len(style), PLAY_S + HOLD_S
    from_, to = (f"{100 * min(t, last) / last * PLAY_S / whole:.2f}%" for t in (at, end))
    out = f"{to}{{opacity:0}}" if end < math.inf else ""
    style.append(
        f"@keyframes k{number}{{0%{{opacity:0}}{from_}{{opacity:1}}{out}}}"
        f"#i{number}{{animation:k{number} {whole:.0f}s step-end infinite}}"
    )
    return f' id="i{number}"' + (' opacity="0"' if out else "")


def side_by_side(kept: list[Any]) -> str:
    """Return the incident as the demo prints it."""
    (lines,) = (what for _, kind, what in kept if kind == "incident")
    body = [line(16, 28 + 19 * n, ("", each)) for n, each in enumerate(lines)]
    title = "A lost answer: a pipeline swaps twice and users get the old model; gitslot swaps once"
    return picture(880, 40 + 19 * len(lines), title, "\n".join(body))


def loop() -> str:
    """Return the loop: look, decide, act, record."""
    boxes = [
        (20, "look", "Git's newest commit,", "what both slots serve"),
        (265, "decide", "pure rules in order,", "the first one wins"),
        (510, "act", "one write: deploy, prove", "in staging, or swap"),
        (755, "record", "before and after it,", "in the journal"),
    ]
    body = []
    for x, name, *about in boxes:
        body.append(f'<rect x="{x}" y="30" width="215" height="92" rx="6"/>')
        body.append(line(x + 14, 54, ("n b", name)))
        body += [line(x + 14, 82 + 20 * n, ("", words)) for n, words in enumerate(about)]
        if x > 20:
            body.append(f'<path d="M{x - 27} 76h22m-7 -5l7 5l-7 5" class="a"/>')
    body.append('<path d="M862 122v34H127v-30m-5 7l5 -7l5 7" class="a"/>')
    body.append(line(210, 175, ("d", "from the start after each write, each crash, each minute")))
    return picture(990, 192, "The loop: look, decide, act, record", "\n".join(body))


def pages() -> None:
    """Write the controller's page in light, dark and on a phone, through Debian's Chromium."""
    chromium = shutil.which("chromium") or sys.exit("apt-get install chromium")
    kept = json.loads(RECORD.read_text(encoding="utf-8"))
    (html,) = (what for _, kind, what in kept if kind == "page")
    with tempfile.TemporaryDirectory() as home:
        file = Path(home, "page.html")
        file.write_text(html, encoding="utf-8")
        for name, width, dark in (("light", 1000, 1), ("dark", 1000, 0), ("phone", 500, 1)):
            words = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={home}"]
            words += ["--hide-scrollbars", f"--window-size={width},900"]
            words += [f"--blink-settings=preferredColorScheme={dark}"]
            words += [f"--screenshot={FOLDER / f'page-{name}.png'}", file.as_uri()]
            subprocess.run([chromium, *words], check=True, capture_output=True, timeout=120)


def drawn() -> dict[str, str]:
    """Return each SVG by its name."""
    kept = json.loads(RECORD.read_text(encoding="utf-8"))
    made = {"release": release(kept), "incident": side_by_side(kept), "loop": loop()}
    return {f"{name}.svg": text for name, text in made.items()}


if __name__ == "__main__":
    if "record" in sys.argv:
        record()
    for name, text in drawn().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    pages()
