"""
Build the zip of a function app in the layout that Azure expects.

    python -m gitslot.registry.package serving_app

function_app.py, host.json, requirements.txt and build.json are at the root. The dependencies are
below .python_packages/lib/site-packages, built for Linux on x86-64, where Azure runs them
(https://learn.microsoft.com/azure/azure-functions/functions-reference-python#folder-structure).
The zip depends only on its content: sorted names, one fixed time and mode. So an unchanged
tree gives the same sha256, and the registry stores it once.

With --blobs DIR it also writes the zip and its manifest below DIR in the layout of the registry's
container `code`, and prints the zip's name there, with which WEBSITE_RUN_FROM_PACKAGE ends.

Results on stdout, progress on stderr. Exit codes: 0 done, 2 error.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

LIBRARY = Path(__file__).resolve().parents[1]
# An installed wheel has the function apps and the emulator as data; a checkout uses its folders.
ROOT = LIBRARY / "_apps" if (LIBRARY / "_apps").is_dir() else LIBRARY.parent
SITE_PACKAGES = PurePosixPath(".python_packages/lib/site-packages")
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64")
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_ZIP_MODE = 0o100644 << 16
_LEFT_OUT = ("__pycache__", "tests", "bin")  # folders of installed packages that are not shipped
_MACHINE_MADE = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")  # differ between machines


class PackageError(Exception):
    """The app cannot be packaged; the message has the reason and the fix."""


@dataclass(frozen=True, slots=True)
class Layout:
    """
    Where the files of an app go.

    *root* are the files of its folder for the root of the zip; "*.py" means all of that kind.
    If *library* is set, the Python files of gitslot/ go there too, except the paths in *without*
    and all below them.
    """

    root: tuple[str, ...]
    library: bool = False
    without: tuple[str, ...] = ()


LAYOUTS: Mapping[str, Layout] = {
    "serving_app": Layout(root=("*.py", "host.json", "requirements.txt")),
    "controller": Layout(
        root=("function_app.py", "host.json", "requirements.txt"),
        library=True,
        without=("cli", "local", "convert", "_apps", "registry/package.py", "report/text.py"),
    ),
}


@dataclass(frozen=True, slots=True)
class Packaged:
    """A finished zip: *path*, *sha256*, *size* in bytes, and what identifies its content."""

    path: str
    sha256: str
    size: int
    package: str
    version: str
    build: str
    python: str


def sources(app: str, root: Path = ROOT) -> dict[PurePosixPath, Path]:
    """Return the app's own files by their path in the zip; raise PackageError if one is missing."""
    layout, folder = LAYOUTS[app], root / app
    found: dict[PurePosixPath, Path] = {}
    for pattern in layout.root:
        paths = sorted(folder.glob(pattern))
        if not paths:
            raise PackageError(f"{app}/{pattern} is missing")
        found |= {PurePosixPath(path.name): path for path in paths}
    if layout.library:
        library = root / LIBRARY.name if root != ROOT else LIBRARY
        for path in sorted(library.rglob("*.py")):
            inside = PurePosixPath(path.relative_to(library).as_posix())
            if not any(inside.is_relative_to(place) for place in layout.without):
                found[PurePosixPath(LIBRARY.name) / inside] = path
    return found


def build_id(files: Mapping[PurePosixPath, Path]) -> str:
    """Return 12 hex digits that identify these sources and their pinned requirements."""
    return _digest(files)[:12]


def _digest(files: Mapping[PurePosixPath, Path]) -> str:
    """Return the sha256 of *files* by their paths in a zip."""
    digest = hashlib.sha256()
    for place in sorted(files):
        content = files[place].read_bytes()
        digest.update(f"{place}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def package(
    app: str,
    *,
    version: str | None,
    out: Path,
    thin: bool,
    python: str,
    build: Path | None = None,
    root: Path = ROOT,
) -> Packaged:
    """
    Build *app* of the tree *root* below *build* and zip it into *out*, for *python* ("3.13").

    The defaults are build/ beside *out* for *build* and the build id for *version*. With *thin* the
    dependencies are left out, for a platform whose own Python has them. Raises PackageError.
    """
    files = sources(app, root)
    identity = build_id(files)
    version = version or identity
    build = build or out.absolute().parent / "build"
    target = out / f"{app}-{version}.zip"
    out.mkdir(parents=True, exist_ok=True)
    build.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build) as scratch:  # parallel builds do not collide
        place = Path(scratch) / app
        for inside, path in files.items():
            _put(path, place / inside)
        (place / "build.json").write_text(
            json.dumps({"version": version, "build": identity}) + "\n", encoding="utf-8"
        )
        if not thin:
            installed = dependencies(root / app / "requirements.txt", python, build / "cache", root)
            shutil.copytree(installed, place / SITE_PACKAGES, copy_function=_link)
        _zipped(place, target, cache=None if thin else build / "cache")
        content = target.read_bytes()
        _show(place, build / app, Path(scratch))
    sha256 = hashlib.sha256(content).hexdigest()
    return Packaged(str(target), sha256, len(content), app, version, identity, python)


def blobs(done: Packaged, folder: Path, version: str | None) -> str:
    """
    Write *done* below *folder* as *version* of the container `code`; return the zip's name there.

    The default version is made of app and content, so that no two zips share one.
    """
    version = version or f"{done.package.replace('_', '-')}-{done.sha256[:12]}"
    place = folder / version
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        _link(done.path, Path(scratch) / "package.zip").replace(place / f"{done.sha256}.zip")
    described = {key: value for key, value in asdict(done).items() if key != "path"}
    manifest = json.dumps({**described, "version": version}, indent=1) + "\n"
    (place / "manifest.json").write_text(manifest, encoding="utf-8")
    return f"{version}/{done.sha256}.zip"


def _show(place: Path, shown: Path, scratch: Path) -> None:
    """Keep the unzipped files at *shown* for people to inspect; the last build wins."""
    with suppress(OSError):
        if shown.exists():
            shown.rename(scratch / "before")
        place.rename(shown)


def dependencies(requirements: Path, python: str, cache: Path, root: Path = ROOT) -> Path:
    """Return a folder of *cache* with the packages of *requirements*, installed once per lock."""
    lock = root / "requirements.txt"
    key = hashlib.sha256(
        b"\0".join([requirements.read_bytes(), lock.read_bytes(), python.encode(), b"1"])
    ).hexdigest()[:16]
    done = cache / f"packages-{key}"
    if done.is_dir():
        return done
    done.parent.mkdir(parents=True, exist_ok=True)
    _say(f"installing what {requirements.parent.name} needs (once per requirements.txt)")
    with tempfile.TemporaryDirectory(dir=done.parent) as scratch:
        target = Path(scratch) / "packages"
        _install(requirements, lock, python, target)
        for path in sorted(target.rglob("*"), reverse=True):
            if path.name in _LEFT_OUT and path.is_dir():
                shutil.rmtree(path)
            elif path.name in _MACHINE_MADE and path.parent.suffix == ".dist-info":
                path.unlink()
        try:
            target.rename(done)
        except OSError:  # a parallel build installed the same
            if not done.is_dir():
                raise
    return done


def _install(requirements: Path, lock: Path, python: str, target: Path) -> None:
    platforms = [word for name in PLATFORMS for word in ("--platform", name)]
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--no-input", "--no-compile", "--target", str(target), "--only-binary", ":all:"),
        *("--implementation", "cp", "--python-version", python, *platforms),
        *("--constraint", str(lock), "--requirement", str(requirements)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if "ERROR" in line] or ["pip failed"]
        raise PackageError(f"cannot install {requirements.parent.name}'s needs: {lines[-1]}")


def _zipped(folder: Path, target: Path, cache: Path | None) -> None:
    """Zip *folder* into *target*; reuse a large zip of the same content from *cache*."""
    paths = (p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    files = {PurePosixPath(path.relative_to(folder).as_posix()): path for path in paths}
    if cache is None:
        _write_zip(files, target)
        return
    kept = cache / f"zip-{_digest(files)[:32]}.zip"
    if not kept.is_file():
        _say(f"zipping {len(files)} files")
        _write_zip(files, kept)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        _link(kept, Path(scratch) / "package.zip").replace(target)


def _write_zip(files: Mapping[PurePosixPath, Path], target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        partial = Path(scratch) / "package.zip"
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            for inside in sorted(files, key=str):
                entry = zipfile.ZipInfo(str(inside), _ZIP_TIME)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.create_system = 3  # "made on Unix", whatever the machine
                entry.external_attr = _ZIP_MODE
                archive.writestr(entry, files[inside].read_bytes())
        partial.replace(target)


def _put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _link(source: str | Path, target: str | Path) -> Path:
    """Put *source* at *target*, without a second copy on disk if the file system allows it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
    return Path(target)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m gitslot.registry.package",
        description="Build the zip of a function app in the layout that Azure expects.",
    )
    parser.add_argument("app", choices=tuple(LAYOUTS), help="which function app")
    parser.add_argument("--version", help="its version (default: the build id of its sources)")
    parser.add_argument("--out", type=Path, default=Path("dist"), help="folder (default: dist)")
    parser.add_argument(
        "--blobs", type=Path, metavar="DIR", help="also write it as the container `code` has it"
    )
    parser.add_argument(
        "--thin", action="store_true", help="without dependencies, for the local platform"
    )
    parser.add_argument(
        "--python",
        default=f"{sys.version_info.major}.{sys.version_info.minor}",
        help="the app's Python (default: this one, %(default)s)",
    )
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
    options = parser.parse_args(arguments)
    try:
        done = package(
            options.app,
            version=options.version,
            out=options.out,
            thin=options.thin,
            python=options.python,
        )
        name = blobs(done, options.blobs, options.version) if options.blobs else ""
    except (PackageError, OSError) as error:
        _say(f"error: {error}")
        return 2
    if name:
        print(name)
    elif options.output == "json":
        print(json.dumps(asdict(done), indent=2))
    else:
        print(f"{done.path}\n  sha256 {done.sha256}")
        print(f"  {done.size:,} bytes, build {done.build}, Python {done.python}")
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
