"""
The function apps that can be packaged: where their files are, and what their builds require.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from gitslot.registry.libraries import PackageError
from gitslot.registry.manifest import is_minor
from gitslot.state.code import ANY

LIBRARY = Path(__file__).resolve().parents[1]
# An installed wheel has the function apps and the emulator as data; a checkout uses its folders.
ROOT = LIBRARY / "_apps" if (LIBRARY / "_apps").is_dir() else LIBRARY.parent
REQUIREMENTS = PurePosixPath("requirements.txt")
_LIBRARY = (".py", ".html", ".css")  # what of gitslot/ runs in an app
# Modules of registry/ that the controller does without.
_PACKAGING = ("compiled", "function_apps", "libraries", "own_app", "package")


@dataclass(frozen=True, slots=True)
class Libraries:
    """What a build requires: a *list*, and the *lock* of the versions where there is one."""

    list: Path
    lock: Path | None = None


@dataclass(frozen=True, slots=True)
class FunctionApp:
    """
    An app to package: *files* by their path in the zip, and the libraries of each of its *builds*.

    *contract* is the serving contract that its code keeps.
    """

    name: str
    files: Mapping[PurePosixPath, Path]
    builds: Mapping[str, Libraries]
    contract: int

    def sources(self, build: str) -> dict[PurePosixPath, Path]:
        """Return the files of *build* by their path in the zip."""
        return {**self.files, REQUIREMENTS: self.builds[build].list}


@dataclass(frozen=True, slots=True)
class Layout:
    """
    Where the files of an app of ours go.

    *root* are the files of its folder for the root of the zip; "*.py" means all of that kind.
    If *library* is set, code and page of gitslot/ go there too. The paths in *without* are left
    out, and all below them. *lists* names what each build requires.
    """

    root: tuple[str, ...]
    lists: Mapping[str, str]
    contract: int = 1
    library: bool = False
    without: tuple[str, ...] = ()


LAYOUTS: Mapping[str, Layout] = {
    "serving_app": Layout(
        root=("*.py", "host.json", "*.txt"),
        lists={"onnx": "requirements.txt", "sklearn": "requirements-sklearn.txt"},
        contract=2,
        without=("blueprint.py", "requirements.txt", "requirements-sklearn.txt"),
    ),
    "controller": Layout(
        root=("function_app.py", "host.json"),
        lists={ANY: "requirements.txt"},
        library=True,
        without=(
            *("cli", "local", "convert", "_apps", "__main__.py", "report/text.py"),
            *(f"registry/{name}.py" for name in _PACKAGING),
        ),
    ),
}


def ours(app: str, root: Path = ROOT) -> FunctionApp:
    """Return *app* of the tree *root*; raise PackageError if a file of it is missing."""
    layout, folder = LAYOUTS[app], root / app
    lock = root / "requirements.txt"
    builds = {name: Libraries(folder / file, lock) for name, file in layout.lists.items()}
    found: dict[PurePosixPath, Path] = {}
    for pattern in (*layout.root, *layout.lists.values()):
        paths = sorted(folder.glob(pattern))
        if not paths:
            raise PackageError(f"{app}/{pattern} is missing")
        if pattern in layout.root:
            kept = (path for path in paths if path.name not in layout.without)
            found |= {PurePosixPath(path.name): path for path in kept}
    if layout.library:
        library = root / LIBRARY.name if root != ROOT else LIBRARY
        for path in sorted(each for each in library.rglob("*") if each.suffix in _LIBRARY):
            inside = PurePosixPath(path.relative_to(library).as_posix())
            if not any(inside.is_relative_to(place) for place in layout.without):
                found[PurePosixPath(LIBRARY.name) / inside] = path
    return FunctionApp(app, found, builds, layout.contract)


def with_sklearn(app: FunctionApp, minor: str, folder: Path) -> FunctionApp:
    """Return *app* with scikit-learn *minor* ("1.8") in its build; the list goes into *folder*."""
    if not is_minor(minor):
        raise PackageError(f"scikit-learn {minor} is not a minor version: write it like 1.8")
    text = app.builds["sklearn"].list.read_text(encoding="utf-8")
    free = re.sub(r"^(?!azure|#)([\w-]+)==[^ ;\n]+", r"\1", text, flags=re.MULTILINE)
    target = folder / f"requirements-sklearn-{minor}.txt"
    changed = re.sub(r"^scikit-learn", f"scikit-learn=={minor}.*", free, flags=re.MULTILINE)
    target.write_text(changed, encoding="utf-8")
    return replace(app, builds={**app.builds, "sklearn": Libraries(target)})
