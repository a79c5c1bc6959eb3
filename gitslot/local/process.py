"""
The local platform as a process: start it detached, find it again, stop it.

The platform holds a lock on its state folder while it runs, and that lock identifies it. A process
id in a file may have been reused by another program; a lock ends with its holder.

Must not: import the platform; it is started as a program.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gitslot.errors import GitslotError
from gitslot.registry.function_apps import ROOT as PROJECT

T = TypeVar("T")

START_S = 90.0  # a cold machine may take long to load Node.js
STOP_S = 60.0  # requests in flight are given 30 s to end
LOOPBACK = "localhost,127.0.0.1"
NO_PROXY = ("NO_PROXY", "no_proxy")  # programs read one or the other
_POLL_S = 0.05
_CREDENTIAL = "ManagedIdentityCredential"  # the only one that DefaultAzureCredential may try


class PlatformError(GitslotError):
    """The local platform cannot be started, found or stopped; the message says what to do."""

    reason = "LocalPlatform"


@dataclass(frozen=True, slots=True)
class Facts:
    """Where a running platform listens, and the identity of the laptop's user on it."""

    pid: int
    arm: str
    admin: str
    storage: str
    subscription: str
    resource_group: str
    location: str
    identity_endpoint: str
    identity_header: str
    ca_bundle: str

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that make Azure's clients talk to this platform and no other."""
        return {
            "IDENTITY_ENDPOINT": self.identity_endpoint,
            "IDENTITY_HEADER": self.identity_header,
            "AZURE_TOKEN_CREDENTIALS": _CREDENTIAL,
            "AZURE_SUBSCRIPTION_ID": self.subscription,
            "REQUESTS_CA_BUNDLE": self.ca_bundle,
            "SSL_CERT_FILE": self.ca_bundle,
        }


def find(state: Path) -> Facts | None:
    """Return the platform that runs on the folder *state*, or None."""
    if not _is_held(state / "lock"):
        return None
    return _facts(state)


def start(state: Path, latency: str, azurite: Path) -> Facts:
    """
    Start a platform on *state*, detached from this terminal, and return it once it answers.

    *azurite* is the program of its storage.

    Raises PlatformError with the end of its log; then nothing is left running.
    """
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    (state / "platform.json").unlink(missing_ok=True)
    log = state.parent / "platform.log"
    words = [sys.executable, "-m", "emulator", "--state", str(state), "--latency", latency]
    words += ["--azurite", str(azurite)]
    with log.open("ab") as output:
        begins = output.tell()
        process = subprocess.Popen(
            words,
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # so that Ctrl-C in this terminal does not reach it
        )
    try:
        facts = _first_answer(process, state)
    except BaseException:
        _end(process)
        raise
    if facts is None:
        _end(process)
        printed = log.read_bytes()[begins:].decode("utf-8", "replace").strip().splitlines()
        last = printed[-1] if printed else "it printed nothing"
        raise PlatformError(f"the local platform did not start: {last} ({log})")
    return facts


def stop(state: Path) -> bool:
    """Stop the platform on *state* and all it started; return False if none runs."""
    facts = find(state)
    if facts is None:
        if _is_held(state / "lock"):
            raise PlatformError("the local platform is just starting; try again in a few seconds")
        return False
    for number, patience_s in ((signal.SIGTERM, STOP_S), (signal.SIGKILL, 5.0)):
        try:
            os.kill(facts.pid, number)
        except ProcessLookupError:
            return True
        if wait_until(lambda: not _is_held(state / "lock"), patience_s):
            return True
    raise PlatformError(f"process {facts.pid} of the local platform does not end")


def remove(folder: Path) -> None:
    """Remove *folder* and all in it, read-only packages included."""
    for inside in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        inside.chmod(0o700)
    shutil.rmtree(folder)


@contextmanager
def alone(state: Path) -> Iterator[None]:
    """Let one command at a time start or stop what is in *state*. Raises PlatformError."""
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (state / "command.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise PlatformError(
                "another `gitslot local` is at work here; wait for it, or stop it"
            ) from error
        yield


def wait_until(look: Callable[[], T], patience_s: float, pause_s: float = _POLL_S) -> T:
    """Return what *look* returns once that is true, or after *patience_s* seconds anyway."""
    deadline = time.monotonic() + patience_s
    while not (found := look()) and time.monotonic() <= deadline:
        time.sleep(pause_s)
    return found


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write *value* to *path* in one step, readable by its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(json.dumps(value, indent=2) + "\n")
    aside.replace(path)


def _first_answer(process: subprocess.Popen[bytes], state: Path) -> Facts | None:
    """Return the facts of *process* once it answers; None where it ended or took too long."""

    def look() -> Facts | bool:
        if process.poll() is not None:
            return True
        facts = _facts(state)
        return facts if facts is not None and facts.pid == process.pid else False

    found = wait_until(look, START_S)
    return found if isinstance(found, Facts) else None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _is_held(lock: Path) -> bool:
    try:
        with lock.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _facts(state: Path) -> Facts | None:
    try:
        content = json.loads((state / "platform.json").read_text(encoding="utf-8"))
        return Facts(**{name: content[name] for name in Facts.__slots__})
    except (FileNotFoundError, ValueError, KeyError):
        return None
