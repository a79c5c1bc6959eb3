"""
Check what lint and types do not: `python -m tools.check`, which `make check` runs.

The import contract; generated schemas and tables; lock files without download addresses; the
function apps' own requirements against the lock; the syntax of Bicep; workflows, with zizmor.

Problems go to stderr, one a line with its fix. Exit codes: 0 no problem, 1 some.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from lark.exceptions import LarkError
from pycep import BicepParser

from gitslot.edges.file import schema
from tools.pages import outdated

ROOT = Path(__file__).resolve().parent.parent
APPS = ("controller", "serving_app")
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;]+)(?:\s*;\s*(.*?))?(?: \\)?$")


def problems(root: Path = ROOT) -> Iterator[str]:
    """Yield every problem in the tree *root*."""
    yield from _schema(root)
    yield from (f"{page} is out of date: python -m tools.pages" for page in outdated(root))
    yield from _addresses(root)
    yield from _requirements(root)
    yield from _bicep(root)
    yield from workflow_problems(root)


def _schema(root: Path) -> Iterator[str]:
    path = root / schema.FILE.relative_to(ROOT)
    if not path.exists() or path.read_text(encoding="utf-8") != schema.text():
        yield f"{path.relative_to(root)} is out of date: python -m gitslot.edges.file.schema"


def _addresses(root: Path) -> Iterator[str]:
    """Refuse download addresses: they would name somebody's mirror."""
    lock = json.loads((root / "package-lock.json").read_text(encoding="utf-8"))
    if any("resolved" in package for package in lock["packages"].values()):
        yield "package-lock.json holds download addresses: make lock (see .npmrc)"
    for path in (root / "requirements.txt", *_lists(root)):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if "://" in line or line.startswith("-"):
                yield f"{path.relative_to(root)}:{number} holds an address or an option: make lock"


def _lists(root: Path) -> list[Path]:
    """Return what the builds of both apps require."""
    return [path for app in APPS for path in sorted((root / app).glob("requirements*.txt"))]


def _requirements(root: Path) -> Iterator[str]:
    """Compare what the apps pin for the lock's Python with the lock."""
    lock = root / "requirements.txt"
    locked = {name: version for name, version, _ in pins(lock)}
    for line in lock.read_text(encoding="utf-8").splitlines():
        if _PIN.match(line) and not line.endswith("\\"):
            yield f"requirements.txt: {line} has no hash: make lock"
    for path in _lists(root):
        for name, version, marker in pins(path):
            if "<" in marker and ">" not in marker:  # for Pythons older than the lock's
                continue
            if locked.get(name) != version:
                yield (
                    f"{path.relative_to(root)}: {name}=={version}, requirements.txt has "
                    f"{locked.get(name, 'none')}"
                )


def _bicep(root: Path) -> Iterator[str]:
    """Parse the Bicep files, which would otherwise be parsed for the first time on Azure."""
    paths = sorted((root / "infra").glob("*.bicep"))
    if not paths:
        return
    parser = BicepParser()
    for path in paths:
        try:
            parser.parse(text=path.read_text(encoding="utf-8"))
        except LarkError as error:
            yield f"{path.relative_to(root)}: {str(error).splitlines()[0]}"


def workflow_problems(root: Path) -> Iterator[str]:
    """Run zizmor, which looks for security problems in workflows."""
    folder = root / ".github" / "workflows"
    if not folder.exists():
        return
    words = (str(Path(sys.executable).parent / "zizmor"), "--offline", "--no-progress", "--quiet")
    done = subprocess.run(
        [*words, "--strict-collection", "--format", "plain", "--color", "never", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        print(done.stdout + done.stderr, file=sys.stderr)
        yield "zizmor found a problem in a workflow: see above"


def pins(path: Path) -> list[tuple[str, str, str]]:
    """Return name, version and marker of each pin in *path*."""
    matches = map(_PIN.match, path.read_text(encoding="utf-8").splitlines())
    return [(_canonical(m[1]), m[2], m[3] or "") for m in matches if m]


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> int:
    """Run all checks; return the exit code."""
    command = (
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as main; main()",
    )
    contract = subprocess.run(
        [*command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    found = list(problems())
    if contract.returncode != 0:
        print(contract.stdout + contract.stderr, file=sys.stderr)
        found.append("the import contract is broken: see above, and pyproject.toml")
    for problem in found:
        print(problem, file=sys.stderr)
    if not found:
        print("import contract, schemas, lock files, infra, workflows: fine")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
