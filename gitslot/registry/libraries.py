"""
The libraries of a packaged function app: installed for Azure, stripped, compiled.

Azure runs a package from a read-only folder, so whatever is not compiled here is compiled at every
start, which makes it three times slower.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from gitslot.errors import GitslotError

PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64")
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
_ENTRY = re.compile(r"^([\w.-]+)==.*\n(?:[ \t].*\n)*", re.MULTILINE)  # of a lock
_VIA = re.compile(r"^    # (?:via |  )([\w.-]+)$", re.MULTILINE)
_NAME = re.compile(r"^([\w.-]+)==", re.MULTILINE)
_MACHINE_MADE = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")  # differ between machines
# What no serving process loads: shown by serving golden rows from a package without it.
_NEVER_LOADED = (
    *("**/tests", "bin", "**/*.pyi", "**/*.pyx", "**/*.pxd", "**/*.h", "**/*.a"),
    "onnxruntime/capi/libonnxruntime.so*",  # its Python module holds all of it once more
    *("onnxruntime/transformers", "onnxruntime/tools", "onnxruntime/quantization"),
    *("onnxruntime/datasets", "onnxruntime/backend"),
    *("sklearn/datasets/data", "sklearn/datasets/images"),
)


class PackageError(GitslotError):
    """The app cannot be packaged; the message has the reason and the fix."""

    reason = "PackageRefused"


def installed(requirements: Path, lock: Path, python: str, cache: Path) -> Path:
    """
    Return a folder of *cache* with *requirements* as *lock* has them, installed once for both.

    What a serving process never loads is left out. Raises PackageError.
    """
    content = b"\0".join([requirements.read_bytes(), lock.read_bytes()])
    rules = "\0".join((*_NEVER_LOADED, python, sys.version)).encode()
    done = cache / f"packages-{hashlib.sha256(content + rules).hexdigest()[:16]}"
    if done.is_dir():
        return done
    cache.mkdir(parents=True, exist_ok=True)
    say(f"installing {requirements.parent.name}/{requirements.name} (once)")
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        target = Path(scratch) / "packages"
        install(requirements, python, target, lock)
        strip(target)
        compile_files(target, python)
        try:
            target.rename(done)
        except OSError:  # a parallel build installed the same
            if not done.is_dir():
                raise
    return done


def install(requirements: Path, python: str, target: Path, lock: Path | None = None) -> None:
    """Install *requirements* into *target* for Azure's Linux; raise PackageError in pip's words."""
    platforms = [word for name in PLATFORMS for word in ("--platform", name)]
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--no-input", "--no-compile", "--target", str(target), "--only-binary", ":all:"),
        *("--implementation", "cp", "--python-version", python, *platforms),
    ]
    with tempfile.TemporaryDirectory() as scratch:
        wanted = Path(scratch) / "requirements.txt"
        if lock:
            wanted.write_text(locked(requirements, lock), encoding="utf-8")
            command.append("--require-hashes")
        command += ["--requirement", str(wanted if lock else requirements)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if "ERROR" in line] or ["pip failed"]
        raise PackageError(f"cannot install {requirements}: {lines[-1]}")
    target.mkdir(parents=True, exist_ok=True)
    for path in target.glob("*.dist-info/*"):
        if path.name in _MACHINE_MADE:
            path.unlink()


def locked(requirements: Path, lock: Path) -> str:
    """
    Return the entries of *lock*, with their hashes, that *requirements* lead to.

    The comments of pip-compile name whose requirement each entry is. Raises PackageError.
    """
    entries = {m[1]: m[0] for m in _ENTRY.finditer(lock.read_text(encoding="utf-8"))}
    parents = {name: set(_VIA.findall(text)) for name, text in entries.items()}
    listed = set(_NAME.findall(requirements.read_text(encoding="utf-8")))
    if missing := listed - entries.keys():
        raise PackageError(f"{lock} does not lock {', '.join(sorted(missing))}")
    names = listed
    while more := {name for name in parents.keys() - names if parents[name] & names}:
        names = names | more
    return "".join(entries[name] for name in sorted(names))


def strip(target: Path) -> None:
    """Remove from *target* what no serving process loads."""
    for pattern in _NEVER_LOADED:
        for path in sorted(target.glob(pattern), reverse=True):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def compile_files(folder: Path, python: str) -> None:
    """Compile every Python file below *folder* for *python*; without that Python here, say so."""
    program = sys.executable if python == HERE else shutil.which(f"python{python}")
    if program is None:
        say(f"no python{python} here: the package holds no compiled files, so its start is slower")
        return
    words = (program, "-P", str(Path(__file__).with_name("compiled.py")), str(folder))
    done = subprocess.run(
        words,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise PackageError(f"cannot compile for Python {python}: {done.stderr.strip()[-300:]}")


def minor_version(folder: Path, library: str) -> str:
    """Return the minor version ("1.9") of *library* in *folder*, or "" where it is not there."""
    for path in folder.glob(f"{library.replace('-', '_')}-*.dist-info"):
        if match := re.match(r".*-(\d+\.\d+)", path.name):
            return match[1]
    return ""


def say(text: str) -> None:
    """Print progress, on stderr."""
    print(text, file=sys.stderr, flush=True)
