"""
The same cases before git's own command line and OpenSSH's ssh-keygen.

What must be signed is worked out by git alone (`rev-list`, `diff`, `merge-tree`), who signed by
`git verify-commit`. Needs ssh-keygen on PATH, from the package openssh-client.
"""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitslot.edges.git.signed_changes import Rule
from gitslot.edges.git.source import GitSource
from gitslot.edges.git.ssh_signatures import read_signers
from gitslot.errors import SignatureRefused
from tests.edges.git.signed_cases import CASES, OK, Bench, bench
from tests.edges.git.signing import APP, FILE

pytestmark = pytest.mark.long
STRICTER = {"certificate"}  # refused by name here, and good for git


class Git:
    """What git says of one repository with a list of signers."""

    def __init__(self, made: Bench, folder: Path) -> None:
        self._made, self._allowed, self._revoked = made, folder / "allowed", folder / "revoked"
        authority = f"eve@example.net cert-authority {made.kim.line}\n"
        self._allowed.write_text(made.signers + authority)
        self._revoked.write_text(made.revoked + "\n" if made.revoked else "")

    def says(self, *words: str) -> bool:
        where, env = self._made.works.path, self._made.works.env
        done = subprocess.run(
            ["git", *words], cwd=where, env=env, capture_output=True, text=True, check=False
        )
        assert "ssh-keygen" not in done.stderr or "cannot run" not in done.stderr, done.stderr
        return done.returncode == 0

    def signed(self, commit: str) -> bool:
        allowed = ("-c", f"gpg.ssh.allowedSignersFile={self._allowed}")
        revoked = ("-c", f"gpg.ssh.revocationFile={self._revoked}")
        return self.says(*allowed, *revoked, "verify-commit", commit)

    def same(self, one: str, other: str) -> bool:
        return self.says("diff", "--quiet", one, other, "--", FILE)

    def changing(self, tip: str) -> Iterator[str]:
        """Yield the commits since the accepted one that change the file."""
        git = self._made.works.git
        for line in git("rev-list", "--parents", tip, f"^{self._made.base}").splitlines():
            commit, *parents = line.split()
            if len(parents) == 1:
                changed = not self.same(parents[0], commit)
            else:
                merged = git("merge-tree", "--write-tree", *parents).splitlines()[0]
                changed = not self.same(merged, commit)
            if changed:
                yield commit

    def undo(self, commit: str) -> bool:
        """Say whether *commit* takes back the newest change, which is signed."""
        git = self._made.works.git
        newest = git("log", "-1", "--format=%H", f"{commit}^", "--", FILE)
        if not git("log", "-1", "--format=%P", newest):
            return False
        return self.same(f"{newest}^", commit) and self.signed(newest)

    def accepts(self, tip: str) -> bool:
        return all(self.signed(commit) or self.undo(commit) for commit in self.changing(tip))


@pytest.mark.parametrize("name", CASES)
def test_git_judges_alike(name: str, tmp_path: Path) -> None:
    """gitslot accepts what git accepts, and refuses what git refuses."""
    assert shutil.which("ssh-keygen"), "ssh-keygen is missing: install openssh-client"
    made = bench(tmp_path)
    expected, build = CASES[name]
    tip = build(made)
    source = GitSource(str(made.works.path), "main", FILE)
    try:
        source.vouched(tip, APP, Rule(read_signers(made.signers)), made.base)
        found = OK
    except SignatureRefused as error:
        found = error.reason
    assert found == expected
    git = Git(made, tmp_path)
    assert git.accepts(tip) is (found == OK or name in STRICTER)
