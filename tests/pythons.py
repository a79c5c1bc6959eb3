"""The Pythons of this machine that gitslot is for."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

MINORS = (11, 12, 13)


def _programs(minor: int) -> Iterator[str]:
    if shutil.which("pyenv"):
        done = subprocess.run(["pyenv", "root"], capture_output=True, text=True, check=False)
        versions = sorted(Path(done.stdout.strip(), "versions").glob(f"3.{minor}.*/bin/python"))
        yield from map(str, versions)
    if found := shutil.which(f"python3.{minor}"):
        yield found


def _real(program: str) -> str:
    """Return the Python that *program* starts, which may be a version manager's stand-in."""
    words = [program, "-c", "import sys; print(sys.executable)"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()


# by "3.11"; one for each version that the machine has
PYTHONS = {
    f"3.{minor}": program
    for minor in MINORS
    if (program := next(filter(None, map(_real, _programs(minor))), None))
}
