"""The page in a browser: valid, without a message in its console, and good for everybody."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from gitslot.report.page.page import Page
from tests.report.test_page import NOW, page, view

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SCHEMES = {"light": "1", "dark": "0"}  # of Blink's preferredColorScheme
FORMS = {"one": b"app=app-1", "all": b"", "found": b"q=app-1"}

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(CHROMIUM is None, reason="Debian's package chromium is not installed"),
]


@pytest.fixture
def many() -> Page:
    """Give twenty apps, one of which has stopped."""
    views = {f"app-{n}": view(f"app-{n}") for n in range(20)}
    return page({**views, "app-1": view("app-1", "Stalled")})


def browse(url: str, home: Path, *words: str) -> tuple[str, str]:
    """Return the document of *url* once it has settled, and what the browser's console said."""
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += [f"--user-data-dir={home}", "--enable-logging=stderr", "--virtual-time-budget=5000"]
    done = subprocess.run(
        [*command, *words, url], capture_output=True, text=True, timeout=120, check=True
    )
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, "\n".join(said)


@contextmanager
def served(found: Page, form: bytes) -> Iterator[str]:
    """Serve *found* as it answers to *form*, with its headers; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reply = found.answer("", {}, form if self.path == "/" else b"", NOW)
            self.send_response(reply.status if self.path == "/" else 204)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.path == "/":
                self.wfile.write(reply.body)

        def log_message(self, *words: object) -> None:
            del words

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_the_browser_shows_it_and_has_nothing_to_say(
    many: Page, form: bytes, tmp_path: Path
) -> None:
    """Under its own headers: the style counts, and nothing is blocked."""
    with served(many, form) as url:
        document, said = browse(url, tmp_path)
    assert said == ""
    assert "app-1" in document and ("app-2" in document) == (form == b"")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_axe_finds_no_violation(many: Page, form: bytes, scheme: str, tmp_path: Path) -> None:
    """Contrast, names, headings, tables: for a screen reader and a keyboard, light and dark."""
    script = (ROOT / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")
    run = "axe.run().then(r => {document.title = JSON.stringify(r.violations.map(v => v.id + ': ' +"
    run += " v.nodes.map(n => n.html).join(' ')))})"
    html = many.answer("", {}, form, NOW).body.decode()
    file = tmp_path / "page.html"
    file.write_text(
        html.replace("</body>", f"<script>{script}</script><script>{run}</script></body>"),
        encoding="utf-8",
    )
    chosen = f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}"
    document, _ = browse(file.as_uri(), tmp_path / "home", chosen)
    title = document.partition("<title>")[2].partition("</title>")[0]
    assert json.loads(title) == []


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_the_html_is_valid(many: Page, form: bytes, tmp_path: Path) -> None:
    """By html-validate's rules for what the standard says."""
    (tmp_path / "page.html").write_bytes(many.answer("", {}, form, NOW).body)
    rules = {"extends": ["html-validate:standard"], "root": True}
    (tmp_path / ".htmlvalidate.json").write_text(json.dumps(rules))
    validate = ROOT / "node_modules/.bin/html-validate"
    done = subprocess.run(
        [validate, "page.html"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
