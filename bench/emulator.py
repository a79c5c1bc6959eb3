"""
Measure the emulator: its start, and a swap without waits beyond the start of its worker.

A person waits for `platform.json`, which is written once Azurite answers. The other rows leave
Azurite's start out (a stand-in listens in its place) and the start of a swap's worker, taken from
the history: what is left is the emulator, and the targets are about that.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from bench.apps import worked
from bench.report import Report
from tests.emulator.app_under_test import App
from tests.emulator.apps import PROBE
from tests.platform import ROOT, package, start_platform, until

STAND_IN = """#!{python}
import socket, ssl, sys
words = dict(word.lstrip("-").split("=", 1) for word in sys.argv[1:] if "=" in word)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(words["cert"], words["key"])
listener = socket.create_server(("127.0.0.1", int(words["blobPort"])))
while True:
    try:
        context.wrap_socket(listener.accept()[0], server_side=True).close()
    except OSError:
        pass
"""


def run(rounds: int) -> Report:
    """Measure *rounds* starts on a new and on a known folder, and as many swaps."""
    report = Report("emulator", rounds)
    with tempfile.TemporaryDirectory() as folder:
        stand_in = Path(folder) / "azurite"
        stand_in.write_text(STAND_IN.format(python=sys.executable))
        stand_in.chmod(0o700)
        first, again, used, whole = [], [], [], []
        for number in range(rounds):
            state = Path(folder) / f"state-{number}"
            first.append(_ready(state, stand_in))
            before = worked()
            again.append(_ready(state, stand_in))
            used.append(worked() - before)
            whole.append(_ready(state))
        report.add("ready, without Azurite's start", "new folder", first, "s")
        ready = report.add("ready, without Azurite's start", "known folder", again, "s")
        report.add("processor time of that, with its end", "known folder", used, "s")
        report.add("ready, Azurite's start and all", "known folder", whole, "s")
        beyond = report.add("swap beyond its worker's start", "zero", _swaps(folder, rounds), "s")
    report.at_most("ready", ready, 2.0, "s")
    report.at_most("swap", 1e3 * beyond, 50, "ms")
    return report


def _ready(state: Path, azurite: Path | None = None) -> float:
    began = time.monotonic()
    words = ["--state", str(state), *(("--azurite", str(azurite)) if azurite else ())]
    with subprocess.Popen(
        [sys.executable, "-m", "emulator", *words],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(state)},
    ) as process:
        file = state / "platform.json"
        until(lambda: file.exists() and json.loads(file.read_text()), "the platform is ready")
        seconds = time.monotonic() - began
        process.send_signal(signal.SIGTERM)
    return seconds


def _swaps(folder: str, rounds: int) -> list[float]:
    found = []
    with start_platform(Path(folder) / "swaps") as platform:
        url = platform.upload(package(PROBE))
        platform.create_app("app", {"WEBSITE_RUN_FROM_PACKAGE": url, "MODEL_VERSION": "1"})
        app = App(platform, "app")
        for slot in ("production", "staging"):
            app.wait_serves(slot, "1")
        for _ in range(rounds):
            app.swap()
            app.wait_serves("staging", "1")
            entries = app.history("process-started", "swap-flipped", "swap-finished")
            kinds = [entry["operation"] for entry in entries]
            flipped = len(kinds) - 1 - kinds[::-1].index("swap-flipped")
            ended = flipped + kinds[flipped:].index("swap-finished")
            up, end = (datetime.fromisoformat(entries[n]["time"]) for n in (flipped - 1, ended))
            found.append((end - up).total_seconds())
    return found
