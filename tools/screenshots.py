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

from gitslot.local.demo import incident, stage, steps
from gitslot.local.demo.screen import Screen
from gitslot.record.event import Event
from gitslot.report import snapshot
from gitslot.report.page.page import Page

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "pictures"
RECORD = FOLDER / "release.json"
PLAY_S, HOLD_S = 26.0, 6.0
_STYLE = """:root{--ink:#1f2328;--dim:#59636e;--back:#fff;--line:#d1d9e0;--good:#1a7f37;
--name:#0550ae}
@media(prefers-color-scheme:dark){:root{--ink:#f0f6fc;--dim:#9198a1;--back:#0d1117;--line:#3d444d;
--good:#3fb950;--name:#79c0ff}}
text{font:13px ui-monospace,Menlo,Consolas,monospace;fill:var(--ink);white-space:pre}
.d{fill:var(--dim)}.g{fill:var(--good)}.n{fill:var(--name)}.b{font-weight:bold}
rect,path{fill:var(--back);stroke:var(--line)}"""


class Recorder(Screen):
    """Keeps each thing that happens, with its second since *began*."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.kept = time.monotonic(), list[tuple[float, str, Any]]()

    def note(self, kind: str, what: Any) -> None:
        """Keep *what*."""
        self.kept.append((round(time.monotonic() - self.began, 1), kind, what))

    def typed(self, command: str) -> None:
        """Keep a command."""
        self.note("typed", command)

    def event(self, event: Event) -> None:
        """Keep a line of the log."""
        self.note("log", [f"{event.time:%H:%M:%S}", event.event, event.message])

    def side_by_side(self, *words: Any) -> None:
        """Keep two accounts as they are printed."""
        with self._console.capture() as shown:
            super().side_by_side(*words)
        self.note("incident", [line.rstrip() for line in shown.get().splitlines()])


def record() -> None:
    """Write RECORD from runs on the local platform."""
    screen, measured, stage.PATIENCE_S = Recorder(), steps.Measured(), 600.0
    with stage.opened(screen, "recorded") as scene:
        steps.install(scene)
        screen.began, screen.kept = time.monotonic(), []
        over = threading.Event()
        watcher = threading.Thread(target=_watch, args=(scene, screen, over))
        watcher.start()
        steps.bump(scene, measured)
        page = Page(scene.journal.blobs, scene.provisioner.registry, "https://git.example/models")
        screen.note("page", page.answer("", {}, b"", datetime.now(UTC)).body.decode())
        steps.rollback(scene, measured)
        time.sleep(snapshot.CHANGED_S)
        over.set()
        watcher.join()
    kept, other = screen.kept, Recorder()
    with stage.opened(other) as scene:
        steps.install(scene)
        incident.incident(scene, measured)
    kept += [each for each in other.kept if each[1] == "incident"]
    lines = ",\n".join(json.dumps(each, ensure_ascii=False) for each in kept)
    RECORD.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def _watch(scene: stage.Stage, screen: Recorder, over: threading.Event) -> None:
    """Keep what `gitslot status --watch` shows, until it is *over*; a step's time every 5 s."""
    before, at = None, 0.0
    while not over.wait(0.5):
        (seen,), now = snapshot.read_all(scene.journal.blobs), datetime.now(UTC)
        view = seen.apps[stage.APP]
        rows = [[r.slot, r.serves, r.wanted, r.health, r.state, r.rollback] for r in view.rows]
        doing = [f"{stage.APP}: {view.under_way(now)}"] if view.doing else []
        if (rows, bool(doing)) != before or time.monotonic() >= at + 5:
            before, at = (rows, bool(doing)), time.monotonic()
            screen.note("status", [rows, *doing])


# ---------------------------------------------------------------- pictures


def picture(width: int, height: int, title: str, body: list[str], style: str = "") -> str:
    """Return an SVG with colours for light and dark; *title* is for who cannot see it."""
    frame = f'<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8"/>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">'
    about = f"<title>{escape(title)}</title><style>{_STYLE}{style}</style>"
    return "\n".join((head, about, frame, *body, "</svg>\n"))


def line(y: int, *parts: tuple[str, str], more: str = "") -> str:
    """Return a line of text at *y*: each of *parts* is a class and the words."""
    spans = "".join(f'<tspan class="{kind}">{escape(words)}</tspan>' for kind, words in parts)
    return f'<text x="20" y="{y}"{more}>{spans}</text>'


def release(kept: list[Any]) -> str:
    """Return the release and its revert as they went on, in half a minute and over again."""
    last, style, body = max(at for at, *_ in kept), list[str](), list[str]()
    frames = [each for each in kept if each[1] == "status"]
    ends = dict(zip((at for at, *_ in frames), [at for at, *_ in frames[1:]], strict=False))
    typed, logged = 50, 262
    for at, kind, what in kept:
        if kind == "typed":
            body.append(line(typed, ("d", "$ "), ("b", what), more=_from(at, last, style)))
            typed += 20
        elif kind == "log":
            name = "g" if what[1] == "Converged" else "n"
            parts = ("d", f"{what[0]}  "), (name, f"{what[1]:<15}"), ("", what[2][:92])
            body.append(line(logged, *parts, more=_from(at, last, style)))
            logged += 20
        elif kind == "status":
            cells = [("SLOT", "SERVES", "WANTED", "HEALTH", "STATE", "BACK"), *what[0]]
            texts = [("d", "".join(f"{cell:<13}" for cell in cells[0]))]
            texts += [("", "".join(f"{cell:<13}" for cell in row)) for row in cells[1:]]
            texts += [("d", each) for each in what[1:]]
            lines = (line(146 + 20 * n, each) for n, each in enumerate(texts))
            more = _from(at, last, style, ends.get(at, math.inf))
            body.append(f"<g{more}>{''.join(lines)}</g>")
    times = f"{last:.0f} s in {PLAY_S:.0f}: the local platform, with the times recorded on Azure"
    heads = ((26, "one terminal"), (122, "gitslot status --watch"), (240, "gitslot logs -f"))
    body += [line(y, ("d", words)) for y, words in (*heads, (logged + 8, times))]
    body += [f'<path d="M0 {y}H1000"/>' for y in (104, 220)]
    style.append("@media(prefers-reduced-motion:reduce){*{animation:none!important}}")
    title = "A release by a commit, and its revert by one swap, as gitslot status shows them"
    return picture(1000, logged + 24, title, body, "".join(style))


def _from(at: float, last: float, style: list[str], end: float = math.inf) -> str:
    """Show something from *at* to *end*; without animation only what stays is shown."""
    name, whole = f"k{len(style)}", PLAY_S + HOLD_S
    begins, ends = (f"{100 * min(t, last) / last * PLAY_S / whole:.2f}%" for t in (at, end))
    out = f"{ends}{{opacity:0}}" if end < math.inf else ""
    style.append(f"@keyframes {name}{{0%{{opacity:0}}{begins}{{opacity:1}}{out}}}")
    style[-1] += f"#{name}{{animation:{name} {whole:.0f}s step-end infinite}}"
    return f' id="{name}"' + (' opacity="0"' if out else "")


def drawn() -> dict[str, str]:
    """Return each SVG by its name."""
    kept = json.loads(RECORD.read_text(encoding="utf-8"))
    told = {kind: what for _, kind, what in kept}
    lines = [line(28 + 19 * n, ("", each)) for n, each in enumerate(told["incident"])]
    title = "A lost answer: a pipeline swaps twice and users get the old model; gitslot swaps once"
    other = picture(880, 40 + 19 * len(lines), title, lines)
    shown = [each for each in kept if each[1] not in ("incident", "page")]
    return {"release.svg": release(shown), "incident.svg": other, "page.html": told["page"]}


def main() -> None:
    """Write the SVGs, and the controller's page in light, dark and on a phone, by Chromium."""
    chromium = shutil.which("chromium") or sys.exit("apt-get install chromium")
    made = drawn()
    html = made.pop("page.html")
    for name, text in made.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    with tempfile.TemporaryDirectory() as home:
        file = Path(home, "page.html")
        file.write_text(html, encoding="utf-8")
        for name, width, dark in (("light", 1000, 1), ("dark", 1000, 0), ("phone", 500, 1)):
            words = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={home}"]
            words += ["--hide-scrollbars", f"--window-size={width},900"]
            words += [f"--blink-settings=preferredColorScheme={dark}"]
            words += [f"--screenshot={FOLDER / f'page-{name}.png'}", file.as_uri()]
            subprocess.run([chromium, *words], check=True, capture_output=True, timeout=120)


if __name__ == "__main__":
    if "record" in sys.argv:
        record()
    main()
