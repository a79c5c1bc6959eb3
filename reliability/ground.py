"""
Ground to kill controllers on: a platform, a repository served over https, and a launcher.

Everything is real: processes, sockets, TLS, Git, blobs. One ground serves many cases, because each
bump and each revert leaves it settled for the next.
"""

import contextlib
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import requests

from reliability.cloud import APP
from reliability.witness import Account, Commit, Settings, Trace
from tests.platform import LEASH, ROOT, Platform
from tests.story.stage import MODEL, Repository

FIRST = "1.4.0"
OTHERS = ("1.5.0", "1.6.0")
STICKY = "COLOUR"  # a setting that stays with its slot
SLOTS = ("production", "staging")
PATIENCE_S = 90.0
# The rules of the local profile with shorter waits, each still longer than what is waited for.
POLICY = {
    "deploy_lost_s": 5.0,
    "swap_deadline_s": 5.0,
    "settle_s": 3.0,
    "busy_wait_s": 3.0,
    "pauses_s": (0.0, 1.0, 2.0),
}


class Launcher:
    """Starts controllers, one at a time, each a process that can be killed at a place."""

    def __init__(self, folder: Path) -> None:
        self._errors = (folder / "launcher.err").open("ab")
        self._process = subprocess.Popen(
            [
                *(LEASH if sys.platform == "linux" else ()),
                *(sys.executable, "-m", "reliability.launcher"),
            ],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self._hear()

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the launcher is gone")
        heard: dict[str, Any] = json.loads(line)
        return heard

    def run(self, order: dict[str, Any]) -> int:
        """Start a controller, wait for its end and return its exit code."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        return int(self._hear()["code"])

    def stop(self) -> None:
        """End it, and with it what it started."""
        assert self._process.stdin
        assert self._process.stdout
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.terminate()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()


@dataclass
class Ground:
    """One app of two slots that has settled, and what it takes to disturb it."""

    platform: Platform
    repository: Repository
    launcher: Launcher
    folder: Path
    address: str
    wanted: dict[str, str] = field(default_factory=dict)  # by slot: what it must serve by now
    runs: int = 0
    turn: int = 0

    # ------------------------------------------------------------ what people do

    def want(self, version: str) -> None:
        """Commit that production shall serve *version*."""
        text = f"app: {APP}\nmodel: {MODEL}\nslots:\n  production: {version}\n"
        self.repository.commit(text, f"bump {MODEL} to {version}")
        self.wanted = {"production": version, "staging": self.wanted.get("production", "none")}

    def begin(self, scenario: str) -> None:
        """Do what *scenario* begins with: "bump" to a version that neither slot holds, "revert"."""
        if scenario == "bump":
            self.turn += 1
            self.want(next(v for v in OTHERS if v not in self.wanted.values()))
        else:
            self.repository.revert()
            self.wanted = dict(zip(SLOTS, reversed(self.wanted.values()), strict=True))

    def commits(self, moment: float) -> list[Commit]:
        """Return the last two commits; the newest came at *moment* (unix seconds)."""
        git, names = self.repository.git, []
        for name in git("rev-list", "--max-count=2", "main").split()[::-1]:
            text = git("show", f"{name}:desired_state.yaml")
            found = re.search(r"(?m)^  production: (\S+)$", text)
            assert found
            names.append((name, self.digest(found[1])))
        times = (moment - 0.001, moment)[-len(names) :]
        return [Commit(n, at, wants) for (n, wants), at in zip(names, times, strict=True)]

    def digest(self, version: str) -> str:
        """Return the digest of *version*, from the bytes that the registry holds."""
        return hashlib.sha256(self._manifest(version)).hexdigest()

    def _manifest(self, version: str) -> bytes:
        blob = self.platform.blobs.get_blob_client("models", f"{MODEL}/{version}/manifest.json")
        return blob.download_blob().readall()

    def swaps_last(self, seconds: float) -> None:
        """Let every swap from now on take *seconds*, where its processes do not take longer."""
        wait = {"name": "zero", "swap_flip_s": seconds, "swap_end_s": seconds}
        self.platform.admin_put("/latency", wait)

    # ------------------------------------------------------------ what a controller does

    def run(self, *, place: str = "", when: str = "", passes: int = 1) -> tuple[int, Trace]:
        """Run a controller process, killed *when* ("before", "after") at *place* if it is named."""
        self.runs += 1
        caller = f"controller-{self.runs}"
        trace = self.folder / f"{caller}.trace"
        code = self.launcher.run(
            {
                "environment": self.environment,
                "slots": self.hosts,
                "folder": str(self.folder),
                "trace": str(trace),
                "said": str(self.said),
                "policy": POLICY,
                "app": APP,
                "place": place,
                "when": when,
                "passes": passes,
                "patience_s": PATIENCE_S,
            }
        )
        found = Trace.read(caller, trace)
        trace.unlink(missing_ok=True)
        return code, found

    def words(self) -> str:
        """Return the end of what the last controller said."""
        said = self.said.read_text(errors="replace") if self.said.exists() else ""
        return " | ".join(said.splitlines()[-4:])

    @property
    def said(self) -> Path:
        """Return the file into which controllers talk."""
        return self.folder / f"said-{self.runs}"

    @cached_property
    def environment(self) -> dict[str, str]:
        """Return what a controller finds around it."""
        bundle = self.folder / "bundle.pem"
        authorities = (Path(self.platform.ca), self.folder / "cert.pem")
        bundle.write_text("".join(file.read_text() for file in authorities))
        return {
            **self.platform.environment,
            "REQUESTS_CA_BUNDLE": str(bundle),
            "SSL_CERT_FILE": str(bundle),
            "GITSLOT_PROFILE": "local",
            "GITSLOT_REPO": f"{self.address}/repository",
            "GITSLOT_REF": "main",
            "GITSLOT_STORAGE": self.platform.storage,
            "GITSLOT_ARM": self.platform.arm,
            "HOME": str(self.folder),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
        }

    @cached_property
    def hosts(self) -> dict[str, str]:
        """Return each slot by the host and port of its https address."""
        slots = self.platform.slots()
        return {slots[APP, slot]["https"].removeprefix("https://"): slot for slot in SLOTS}

    # ------------------------------------------------------------ what can be seen

    sticky = frozenset({STICKY})

    @cached_property
    def rows(self) -> int:
        """Return how many golden rows a version has."""
        return int(json.loads(self._manifest(FIRST))["golden"]["rows"])

    def account(self, moment: float, seq: int, settings: Settings, traces: list[Trace]) -> Account:
        """Return all that was seen since *moment* and entry *seq* of the platform's history."""
        found: list[dict[str, Any]] = self.platform.admin_get(f"/history?since={seq}")
        commits = self.commits(moment)
        return Account(moment - 1, settings, self.sticky, self.rows, commits, traces, found)

    def seq(self) -> int:
        """Return the number of the last entry in the platform's history."""
        return int(self.platform.history()[-1]["seq"])

    def serves(self, slot: str) -> str:
        """Return the version that a healthy *slot* serves, or "" while it does not answer so."""
        try:
            answer = requests.get(f"{self._http[slot]}/api/health", timeout=10)
        except requests.RequestException:
            return ""
        version = answer.headers.get("x-model-version", "")
        return version if answer.status_code == 200 or version == "none" else ""

    @cached_property
    def _http(self) -> dict[str, str]:
        return {slot: self.platform.slots()[APP, slot]["http"] for slot in SLOTS}

    def seen(self, patience_s: float = PATIENCE_S) -> dict[str, str]:
        """Return what both slots serve, once that is what is wanted or *patience_s* has passed."""
        deadline = time.monotonic() + patience_s
        while True:
            found = {slot: self.serves(slot) for slot in SLOTS}
            if found == self.wanted or time.monotonic() > deadline:
                return found
            time.sleep(0.05)

    def settings(self) -> Settings:
        """Return the whole settings of both slots, as ARM has them."""
        web, group = self.platform.web.web_apps, self.platform.group
        here = web.list_application_settings(group, APP).properties
        there = web.list_application_settings_slot(group, APP, "staging").properties
        return {"production": dict(here or {}), "staging": dict(there or {})}

    def journal(self) -> bytes:
        """Return the whole journal."""
        container = self.platform.blobs.get_container_client("gitslot")
        names = sorted(container.list_blob_names(name_starts_with=f"journal/{APP}/"))
        return b"".join(container.download_blob(name).readall() for name in names)

    def locked(self) -> bool:
        """Say whether anybody, dead or alive, holds the lock."""
        blob = self.platform.blobs.get_blob_client("gitslot", f"locks/{APP}")
        return blob.get_blob_properties().lease.state == "leased"
