"""`gitslot bump` and `gitslot rollback` in real repositories: one line, one commit."""

import io
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitslot.cli.app import run
from gitslot.cli.session import Session
from gitslot.edges.file.edit import needs_quotes, unquoted, with_version
from gitslot.edges.file.read import read
from gitslot.errors import DesiredError
from gitslot.state.wanted import Revision

FILE = "desired_state.yaml"
SIMPLE = """\
# What runs where.
app: az-fct-python-ml
model: iris
slots:
  production: 1.4.0      # users get this; revert this commit to go back
"""
SEVERAL = """\
apps:
  az-fct-python-ml: {model: iris, slots: {production: 1.4.0}}   # small
  churn-prod:
    model: churn
    slots:
      production: "7"
      staging: {version: "8", code: 3.1.0}    # hold this candidate for a look

# the end
"""


@dataclass
class Clone:
    """A checkout, and gitslot run in it."""

    path: Path

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=self.path, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def write(self, text: str) -> None:
        (self.path / FILE).write_text(text)

    def commit(self, text: str, subject: str) -> str:
        self.write(text)
        self.git("add", FILE)
        self.git("commit", "-q", "-m", subject)
        return self.git("rev-parse", "HEAD")

    @property
    def text(self) -> str:
        return (self.path / FILE).read_text()

    @property
    def subject(self) -> str:
        return self.git("log", "-1", "--format=%s")

    def gitslot(self, *words: str) -> tuple[int, str, str]:
        """Run it with no target at all; return exit code, stdout and stderr."""
        environ = {name: os.environ[name] for name in ("PATH", "HOME", "GIT_CONFIG_NOSYSTEM")}
        session = Session(environ, self.path, io.StringIO(), io.StringIO())
        code = run(words, session)
        assert isinstance(session.out, io.StringIO)
        assert isinstance(session.err, io.StringIO)
        return code, session.out.getvalue(), session.err.getvalue()


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    found = Clone(tmp_path / "clone")
    found.path.mkdir()
    found.git("init", "-q", "-b", "main")
    found.git("config", "user.name", "sam")
    found.git("config", "user.email", "sam@example.com")
    found.commit(SIMPLE, "serve iris 1.4.0")
    return found


# ---------------------------------------------------------------- bump


def test_bump_changes_one_version_and_commits_that_file_alone(clone: Clone) -> None:
    """The comment beside it stays, what else was staged stays staged, the subject says it."""
    (clone.path / "notes.txt").write_text("mine")
    clone.git("add", "notes.txt")
    code, out, _ = clone.gitslot("bump", "production", "1.5.0")
    assert code == 0
    assert clone.text == SIMPLE.replace("1.4.0", "1.5.0")
    assert clone.subject == "bump iris to 1.5.0"
    assert out.endswith("bump iris to 1.5.0\n")
    assert clone.git("show", "--name-only", "--format=", "HEAD") == FILE
    assert clone.git("status", "--porcelain") == "A  notes.txt"


def test_bump_adds_a_staging_slot_that_is_not_there(clone: Clone) -> None:
    """The new line stands below production, indented like it."""
    assert clone.gitslot("bump", "staging", "1.6.0")[0] == 0
    assert clone.text == SIMPLE + "  staging: 1.6.0\n"
    assert clone.subject == "bump iris to 1.6.0 in staging"


def test_bump_quotes_what_other_tools_would_read_as_a_number(clone: Clone) -> None:
    """`1.10` stays `1.10` for everybody."""
    assert clone.gitslot("bump", "production", "1.10")[0] == 0
    assert 'production: "1.10"      # users' in clone.text


def test_bump_asks_which_app_where_there_are_several(clone: Clone) -> None:
    """It never guesses; the error lists the apps."""
    clone.commit(SEVERAL, "two apps")
    code, _, err = clone.gitslot("bump", "production", "1.5.0")
    assert code == 2
    assert "az-fct-python-ml, churn-prod" in err
    assert clone.gitslot("bump", "production", "1.5.0", "--app", "az-fct-python-ml")[0] == 0
    assert clone.text == SEVERAL.replace("production: 1.4.0", "production: 1.5.0")
    assert clone.subject == "bump iris to 1.5.0 on az-fct-python-ml"


def test_bump_keeps_the_code_beside_a_version(clone: Clone) -> None:
    """A slot written as a mapping has its version changed and nothing else."""
    clone.commit(SEVERAL, "two apps")
    assert clone.gitslot("bump", "staging", "9", "--app", "churn-prod")[0] == 0
    assert clone.text == SEVERAL.replace('"8"', '"9"')


def test_bump_refuses_a_file_with_changes_that_are_not_committed(clone: Clone) -> None:
    """Somebody's half-made edit is never swept into a release commit."""
    clone.write(SIMPLE + "# thinking\n")
    head = clone.git("rev-parse", "HEAD")
    code, _, err = clone.gitslot("bump", "production", "1.5.0")
    assert (code, clone.text, clone.git("rev-parse", "HEAD")) == (2, SIMPLE + "# thinking\n", head)
    assert "not committed" in err


def test_bump_leaves_the_file_as_it_was_when_a_hook_refuses(clone: Clone) -> None:
    """A commit that does not happen leaves no edit behind."""
    hook = clone.path / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'not on a Friday' >&2\nexit 1\n")
    hook.chmod(0o755)
    code, _, err = clone.gitslot("bump", "production", "1.5.0")
    assert (code, clone.text) == (2, SIMPLE)
    assert "not on a Friday" in err
    assert clone.git("status", "--porcelain") == ""


def test_bump_changes_a_further_slot_that_the_file_names(clone: Clone) -> None:
    """In either form, and nothing beside it."""
    further = SIMPLE + "  canary: 1.5.0   # a few users\n  blue: {version: 1.5.0, code: 3.1.0}\n"
    clone.commit(further, "add slots")
    for slot in ("canary", "blue"):
        assert clone.gitslot("bump", slot, "1.6.0")[0] == 0
        assert clone.subject == f"bump iris to 1.6.0 in {slot}"
    assert clone.text == further.replace("1.5.0", "1.6.0")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("production", "1.5.0!"), "is not a version"),
        (("canary", "1.5.0"), "names no slot `canary`"),
        (("production", "1.5.0@sha256:12"), "is not a version"),
    ],
)
def test_bump_never_writes_a_file_that_would_be_refused(
    clone: Clone, words: tuple[str, str], says: str
) -> None:
    """The edited file is read back before it is written."""
    code, _, err = clone.gitslot("bump", *words)
    assert (code, clone.text) == (2, SIMPLE)
    assert says in err


def test_bump_to_the_same_version_makes_no_commit(clone: Clone) -> None:
    """Asking twice is harmless."""
    head = clone.git("rev-parse", "HEAD")
    assert clone.gitslot("bump", "production", "1.4.0")[0] == 0
    assert clone.git("rev-parse", "HEAD") == head


def test_outside_a_checkout_the_error_says_where_to_go(clone: Clone) -> None:
    """No repository, no traceback."""
    code, _, err = Clone(clone.path.parent).gitslot("bump", "production", "1.5.0")
    assert code == 2
    assert "not in a Git checkout" in err
    assert "Traceback" not in err


# ---------------------------------------------------------------- rollback


def test_rollback_reverts_the_commit_that_changed_production_and_no_later_one(
    clone: Clone,
) -> None:
    """Commits to other files and to other keys in between are left alone."""
    bumped = clone.commit(SIMPLE.replace("1.4.0", "1.5.0"), "bump iris to 1.5.0")
    (clone.path / "README").write_text("later")
    clone.git("add", "README")
    clone.git("commit", "-q", "-m", "write the README")
    code, out, err = clone.gitslot("rollback")
    assert (code, clone.text) == (0, SIMPLE)
    assert f"This reverts commit {bumped}" in clone.git("log", "-1", "--format=%b")
    assert 'Revert "bump iris to 1.5.0"' in out
    assert "1.5.0 -> 1.4.0" in err
    assert (clone.path / "README").exists()


def test_rollback_twice_is_refused(clone: Clone) -> None:
    """At 3 a.m. a second press must not bring the bad version back; the error names ways on."""
    clone.commit(SIMPLE.replace("1.4.0", "1.5.0"), "bump iris to 1.5.0")
    assert clone.gitslot("rollback")[0] == 0
    head = clone.git("rev-parse", "HEAD")
    code, _, err = clone.gitslot("rollback")
    assert (code, clone.git("rev-parse", "HEAD")) == (2, head)
    assert "went back already" in err
    assert "git revert" in err
    assert "gitslot bump production" in err


def test_rollback_with_nothing_before_is_refused(clone: Clone) -> None:
    """The first commit of the file is nobody's bump."""
    code, _, err = clone.gitslot("rollback")
    assert code == 2
    assert "gitslot bump production" in err


def test_rollback_refuses_a_dirty_file(clone: Clone) -> None:
    """What is not committed is not lost."""
    clone.commit(SIMPLE.replace("1.4.0", "1.5.0"), "bump iris to 1.5.0")
    dirty = clone.text + "# thinking\n"
    clone.write(dirty)
    assert (clone.gitslot("rollback")[0], clone.text) == (2, dirty)


def test_rollback_of_one_app_leaves_the_other_where_it_is(clone: Clone) -> None:
    """With several apps it is the named one's last change that is reverted."""
    clone.commit(SEVERAL, "two apps")
    clone.gitslot("bump", "production", "1.5.0", "--app", "az-fct-python-ml")
    clone.gitslot("bump", "production", "9", "--app", "churn-prod")
    assert clone.gitslot("rollback", "az-fct-python-ml")[0] == 0
    assert clone.text == SEVERAL.replace('"7"', '"9"')


def test_a_rollback_that_git_cannot_make_leaves_the_tree_clean_and_says_what_to_type(
    clone: Clone,
) -> None:
    """A conflict is aborted, never left half done."""
    clone.commit(SIMPLE.replace("1.4.0", "1.5.0"), "bump iris to 1.5.0")
    reworded = clone.text.replace("# users get this; revert this commit to go back", "# live")
    clone.commit(reworded, "reword the comment")
    code, _, err = clone.gitslot("rollback")
    assert (code, clone.text) == (2, reworded)
    assert "`gitslot bump production 1.4.0`" in err
    assert clone.git("status", "--porcelain") == ""
    assert not (clone.path / ".git/REVERT_HEAD").exists()


# ---------------------------------------------------------------- the edit itself


@given(
    version=st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,12}\Z"),
    slot=st.sampled_from(["production", "staging"]),
    text=st.sampled_from([SIMPLE, SEVERAL, SIMPLE.rstrip("\n"), SIMPLE.replace("\n", "\r\n")]),
)
def test_an_edit_changes_what_was_asked_and_not_a_line_beside_it(
    version: str, slot: str, text: str
) -> None:
    """Whatever the version: it is read back as that text, and every other line is untouched."""
    app = "az-fct-python-ml"
    edited = with_version(text.encode(), app, slot, version)
    found = read(edited, Revision("")).app(app)
    assert found is not None
    assert found.slots[slot].version == version
    before, after = text.splitlines(), edited.decode().splitlines()
    assert len([line for line in before if line not in after]) <= 1
    assert unquoted(edited) == ()


@pytest.mark.parametrize("text", ["1.10", "7", "1e5", "0x1F", "007", "true", "null", "2026-11-22"])
def test_numbers_and_words_of_yaml_are_quoted(text: str) -> None:
    """Every YAML reader gets the text that was meant."""
    assert needs_quotes(text)


def test_ordinary_versions_stay_plain() -> None:
    """No noise where no tool is confused."""
    assert not any(map(needs_quotes, ("1.5.0", "v2", "2026.11.22-rc1", "a1")))


def test_an_edit_of_an_app_that_is_not_there_is_refused() -> None:
    """Nothing is added for a misspelt name."""
    with pytest.raises(DesiredError, match="does not list"):
        with_version(SIMPLE.encode(), "az", "production", "2")
