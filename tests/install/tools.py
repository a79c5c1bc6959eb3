"""What people install gitslot with: pipx and uv, from PyPI, in an environment of their own."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.platform import ROOT
from tests.processes import run
from tests.pythons import PYTHONS

INSTALL_S = 600.0
# how this machine reaches the package indexes
_REACH = ("PIP_", "UV_", "SSL_CERT_", "NODE_EXTRA_CA_CERTS", "npm_config_")


@dataclass(frozen=True)
class Tools:
    """The programs pipx and uv in *folder*; *repository* is where they install gitslot from."""

    folder: Path
    commit: str

    @property
    def repository(self) -> str:
        """Return the checkout at its newest commit, as pip names it."""
        return f"git+file://{ROOT}@{self.commit}"

    def environment(self, home: Path) -> dict[str, str]:
        """Return what finds them and what they install below *home*; downloads are shared."""
        pythons = [str(Path(program).parent) for program in reversed(PYTHONS.values())]
        path = [str(home / ".local/bin"), *pythons, os.environ["PATH"], str(self.folder / "bin")]
        kept = {name: value for name, value in os.environ.items() if name.startswith(_REACH)}
        cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        config = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
        return {
            **kept,
            "PATH": os.pathsep.join(path),
            "HOME": str(home),
            "XDG_CONFIG_HOME": config,
            "PIP_CACHE_DIR": f"{cache}/pip",
            "UV_CACHE_DIR": f"{cache}/uv",
            "UV_PYTHON_DOWNLOADS": "never",
            "PIPX_HOME": str(home / ".local/pipx"),
        }


def make_tools(folder: Path) -> Tools:
    """Install pipx and uv into *folder*."""
    for words in (
        (sys.executable, "-m", "venv", str(folder)),
        (str(folder / "bin/pip"), "install", "--quiet", "pipx", "uv"),
    ):
        done = run(*words, env=os.environ, timeout=INSTALL_S)
        assert done.returncode == 0, done.stderr
    head = run("git", "rev-parse", "HEAD", cwd=ROOT, env=os.environ).stdout.strip()
    return Tools(folder, head)
