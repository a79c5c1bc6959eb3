"""
Build the zips of a function app in the layout that Azure expects.

    python -m gitslot.registry.package serving_app

function_app.py, host.json, requirements.txt and build.json are at the root. The dependencies are
below .python_packages/lib/site-packages, built for Linux on x86-64, where Azure runs them
(https://learn.microsoft.com/azure/azure-functions/functions-reference-python#folder-structure).
A zip depends only on its content: sorted names, one fixed time and mode, compiled files without
time stamps. So an unchanged tree gives the same sha256, and the registry stores it once.

With --blobs DIR it also writes the zips and their manifest below DIR in the layout of the
registry's container `code`, and prints the first zip's name there, with which
WEBSITE_RUN_FROM_PACKAGE ends. `gitslot package` builds the same and registers it.

Results on stdout, progress on stderr. Exit codes: 0 done, 2 error.
"""

import argparse
import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePosixPath

from gitslot.registry import libraries
from gitslot.registry.function_apps import LAYOUTS, FunctionApp, ours
from gitslot.registry.libraries import HERE, PackageError, say
from gitslot.registry.package_manifest import written
from gitslot.state.code import ANY, Build, Package

SITE_PACKAGES = PurePosixPath(".python_packages/lib/site-packages")
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_ZIP_MODE = 0o100644 << 16


@dataclass(frozen=True, slots=True)
class Packaged:
    """A finished package and the *paths* of its zips by build."""

    package: Package
    paths: Mapping[str, Path]

    def zips(self) -> dict[str, bytes]:
        """Return the zips by build."""
        return {name: path.read_bytes() for name, path in self.paths.items()}


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
    app: FunctionApp,
    *,
    version: str | None,
    out: Path,
    thin: bool,
    python: str = HERE,
    work: Path | None = None,
) -> Packaged:
    """
    Zip every build of *app* into *out*, for *python* ("3.13"); build below *work*.

    The default of *work* is build/ beside *out*; that of *version* is made of app and content, so
    that no two packages share one. With *thin* the dependencies are left out, for a platform whose
    own Python has them. Raises PackageError.
    """
    work = work or out.absolute().parent / "build"
    for folder in (out, work):
        folder.mkdir(parents=True, exist_ok=True)
    made = {name: _zip(app, name, version, out, work, python, thin=thin) for name in app.builds}
    builds = {name: build for name, (_, build) in made.items()}
    content = "".join(build.sha256 for build in builds.values()).encode()
    version = version or f"{app.name.replace('_', '-')}-{hashlib.sha256(content).hexdigest()[:12]}"
    paths = {name: path for name, (path, _) in made.items()}
    return Packaged(Package(version, app.contract, builds), paths)


def _zip(
    app: FunctionApp,
    build: str,
    version: str | None,
    out: Path,
    work: Path,
    python: str,
    thin: bool,
) -> tuple[Path, Build]:
    files = app.sources(build)
    identity = build_id(files)
    target = out / f"{app.name}-{version or identity}{'' if build == ANY else f'-{build}'}.zip"
    stamp = {"version": version or identity, "build": identity, "runtime": build}
    with tempfile.TemporaryDirectory(dir=work) as scratch:  # parallel builds do not collide
        place = Path(scratch) / app.name
        for inside, path in files.items():
            (place / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place / inside)
        (place / "build.json").write_text(json.dumps(stamp) + "\n", encoding="utf-8")
        libraries.compile_files(place, python)
        if thin:
            sklearn = _minor_here() if build == "sklearn" else ""
        else:
            _add_libraries(app, build, place / SITE_PACKAGES, python, work / "cache")
            sklearn = libraries.minor_version(place / SITE_PACKAGES, "scikit-learn")
        _zipped(place, target, work / "cache" if app.builds[build].lock and not thin else None)
        content = target.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    return target, Build(sha256, len(content), app.name, identity, python, sklearn)


def _minor_here() -> str:
    """Return the minor version of the scikit-learn on which a thin package runs."""
    try:
        return ".".join(metadata.version("scikit-learn").split(".")[:2])
    except metadata.PackageNotFoundError:
        return ""


def _add_libraries(app: FunctionApp, build: str, target: Path, python: str, cache: Path) -> None:
    needs = app.builds[build]
    if needs.lock:
        done = libraries.installed(needs.list, needs.lock, python, cache)
        shutil.copytree(done, target, copy_function=_link)
        return
    say(f"installing what {app.name} needs")
    libraries.install(needs.list, python, target)
    if build != ANY:
        libraries.strip(target)
    libraries.compile_files(target, python)


def blobs(done: Packaged, folder: Path) -> str:
    """Write *done* below *folder* as the container `code` has it; return its first zip's name."""
    place = folder / done.package.version
    place.mkdir(parents=True, exist_ok=True)
    for name, build in done.package.builds.items():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            aside = _link(done.paths[name], Path(scratch) / "package.zip")
            aside.replace(place / f"{build.sha256}.zip")
    (place / "manifest.json").write_bytes(written(done.package))
    return f"{done.package.version}/{done.package.first.sha256}.zip"


def _zipped(folder: Path, target: Path, cache: Path | None) -> None:
    """Zip *folder* into *target*; reuse a large zip of the same content from *cache*."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    files = {PurePosixPath(path.relative_to(folder).as_posix()): path for path in paths}
    if cache is None:
        _write_zip(files, target)
        return
    cache.mkdir(exist_ok=True)
    kept = cache / f"zip-{_digest(files)[:32]}.zip"
    if not kept.is_file():
        say(f"zipping {len(files)} files")
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
        description="Build the zips of a function app in the layout that Azure expects.",
    )
    parser.add_argument("app", choices=tuple(LAYOUTS), help="which function app")
    parser.add_argument("--version", help="its version (default: made of its content)")
    parser.add_argument("--out", type=Path, default=Path("dist"), help="folder (default: dist)")
    parser.add_argument(
        "--blobs", type=Path, metavar="DIR", help="also write it as the container `code` has it"
    )
    parser.add_argument(
        "--thin", action="store_true", help="without dependencies, for the local platform"
    )
    parser.add_argument(
        "--python", default=HERE, help="the app's Python (default: this one, %(default)s)"
    )
    options = parser.parse_args(arguments)
    try:
        done = package(
            ours(options.app),
            version=options.version,
            out=options.out,
            thin=options.thin,
            python=options.python,
        )
        name = blobs(done, options.blobs) if options.blobs else ""
    except (PackageError, OSError) as error:
        say(f"error: {error}")
        return 2
    if name:
        print(name)
        return 0
    for kind, build in done.package.builds.items():
        print(f"{done.paths[kind]}\n  sha256 {build.sha256}")
        print(f"  {build.size:,} bytes, build {build.build}, Python {build.python}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
