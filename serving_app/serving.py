"""
Load the model of this process in one background task, and report its state.

The model is loaded once, from the settings of the process; another release is another process.
The start waits for the first attempt, so a slot that answers at all answers with its model. If the
registry is down, the app starts, reports that, and keeps trying. It prints what happened as one
line of JSON: the Functions host drops what is logged outside of a call.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING or __package__:
    from .manifest import CONTRACT
    from .model import Model, load, parse_wanted
    from .refused import Refused
    from .store import Store
else:  # the Functions worker puts this folder itself on sys.path
    from manifest import CONTRACT
    from model import Model, load, parse_wanted
    from refused import Refused
    from store import Store

WARM_S = 300.0  # for the platform's ping, which is repeated after 90 s of silence
FIRST_WAIT_S = 20.0  # for the first attempt; Azure restarts a worker that takes longer to start
PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # between attempts; the last one repeats

# Only new settings help, and those start a new process.
_LASTING = ("NoModel", "SettingsInvalid")


@dataclass(frozen=True, slots=True)
class Stamp:
    """The *build* id of a package's sources, and the *runtime* that it was built for."""

    build: str
    runtime: str


class Serving:
    """
    The model that *environ* names, or the reason why it is not loaded yet.

    *model* is None or a proved Model; *refusal* is the latest reason while it is None; *headers*
    are the three that every answer has, "none" while nothing is served.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        stamp: Stamp,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model: Model | None = None
        self.refusal = Refused("Loading", "the model is being loaded")
        self._environ = environ
        self._stamp = stamp
        self._monotonic = monotonic
        self._started = monotonic()
        self._stopped = threading.Event()
        self._tried = threading.Event()
        self.headers = self._headers()

    def start(self, wait_s: float = FIRST_WAIT_S) -> None:
        """Start to load in the background, and wait up to *wait_s* seconds for one attempt."""
        threading.Thread(target=self._run, name="load-model", daemon=True).start()
        self._tried.wait(wait_s)

    def wait(self) -> None:
        """Wait until the first attempt to load has ended."""
        self._tried.wait(WARM_S)

    def stop(self) -> None:
        """Stop trying."""
        self._stopped.set()

    def attempt(self) -> bool:
        """Try to load once; return whether another try could help."""
        try:
            self._refuse_references()
            wanted = parse_wanted(self._setting("MODEL_NAME"), self._setting("MODEL_VERSION"))
            with closing(Store(self._setting("MODEL_STORE"), self._environ)) as store:
                model = load(wanted, store.read, self._stamp.runtime)
        except Refused as refusal:
            if refusal.reason != self.refusal.reason:
                self._tell("ModelRefused", reason=refusal.reason, message=refusal.message)
            self.refusal = refusal
            return refusal.reason not in _LASTING
        self.model = model
        self.headers = self._headers()
        self._tell("ModelServed", digest=model.digest)
        return False

    def health(self) -> dict[str, object]:
        """Return the body of health; *status* is "ok" only while a proved model is served."""
        model = self.model
        return {
            "status": "ok" if model else "unavailable",
            "reason": "" if model else self.refusal.reason,
            "model": self._setting("MODEL_NAME"),
            "version": self._setting("MODEL_VERSION").partition("@")[0],
            "digest": model.digest if model else "",
            "deploy": self._setting("MODEL_DEPLOY"),
            "code": self._stamp.build,
            "contract": CONTRACT,
            "build": self._stamp.runtime or "source",
            "uptime_s": round(self._monotonic() - self._started, 3),
        }

    def _headers(self) -> dict[str, str]:
        model = self.model
        return {
            "x-model-version": model.version if model else "none",
            "x-model-digest": model.digest if model else "none",
            "x-model-deploy": _header(self._setting("MODEL_DEPLOY")) or "none",
        }

    def _tell(self, event: str, **more: str) -> None:
        wanted = {"model": self._setting("MODEL_NAME"), "version": self._setting("MODEL_VERSION")}
        print(json.dumps({"event": event, **wanted, **more}), flush=True)

    def _refuse_references(self) -> None:
        """
        Refuse a setting that the platform left as the Key Vault reference that it was to resolve.

        https://learn.microsoft.com/azure/app-service/app-service-key-vault-references
        """
        for name in ("MODEL_NAME", "MODEL_VERSION", "MODEL_STORE", "AZURE_CLIENT_ID"):
            if self._setting(name).startswith("@Microsoft.KeyVault("):
                why = f"{name} is an unresolved Key Vault reference: give the app's identity the "
                raise Refused("SettingsInvalid", f"{why}role Key Vault Secrets User on the vault")

    def _setting(self, name: str) -> str:
        return self._environ.get(name, "").strip()

    def _run(self) -> None:
        tries = 0
        while not self._stopped.is_set():
            again = self.attempt()
            self._tried.set()
            if not again:
                return
            self._stopped.wait(PAUSES_S[min(tries, len(PAUSES_S) - 1)])
            tries += 1


def read_stamp(folder: Path) -> Stamp:
    """Return what packaging wrote into *folder*; a source tree has nothing."""
    try:
        found = json.loads((folder / "build.json").read_bytes())
        return Stamp(str(found["build"]), str(found.get("runtime", "")))
    except (OSError, ValueError, KeyError, TypeError):
        return Stamp("source", "")


def _header(value: str) -> str:
    """Return *value*, or "" if it could end the header that holds it."""
    return value if value.isascii() and value.isprintable() else ""
