"""`gitslot bump` and `gitslot rollback` in real repositories: one line, one commit."""

import os
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitslot.edges.file.edit import needs_quotes, unquoted, with_version
from gitslot.edges.file.read import read
from tests.cli.clones import FILE, SIMPLE, Clone
from tests.processes import python

ROOT = Path(__file__).parents[2]
BUMPED = SIMPLE.replace("1.4.0", "1.5.0")
CHURN = """\
model: churn
slots:
  production: "7"
  staging: {version: "8", code: 3.1.0}    # hold this candidate for a look

# the end
"""


# ---------------------------------------------------------------- bump


def test_bump_changes_one_version_and_commits_that_file_alone(clone: Clone) -> None:
    """The comment beside it stays, what else was staged stays staged, the subject says it."""
    clone.add("notes.txt", "mine")
    code, out, _ = clone.gitslot("bump", "production", "1.5.0")
    assert (code, clone.text, clone.subject) == (0, BUMPED, "bump iris to 1.5.0")
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


class Folder(Clone):
    """A checkout in which each app has a file of its own, as CODEOWNERS wants it."""

    FILES: ClassVar = {
        "CODEOWNERS": "/apps/churn-prod.yaml @churn-team\n",
        "apps/README": "One file for each app.\n",
        "apps/az-fct-python-ml.yaml": SIMPLE,
        "apps/churn-prod.yaml": CHURN,
    }

    def of(self, app: str) -> str:
        return (self.path / f"apps/{app}.yaml").read_text()

    def put(self, app: str, text: str) -> None:
        (self.path / f"apps/{app}.yaml").write_text(text)

    def gitslot(self, *words: str, **environ: str) -> tuple[int, str, str]:
        return super().gitslot(*words, GITSLOT_FILE="apps", **environ)


@pytest.fixture
def folder(clone: Clone) -> Folder:
    found = Folder(clone.path)
    found.git("rm", "-q", FILE)
    (found.path / "apps").mkdir()
    for name, text in Folder.FILES.items():
        (found.path / name).write_text(text)
    found.git("add", "-A")
    found.git("commit", "-q", "-m", "a file for each app")
    return found


@pytest.mark.parametrize("words", [("bump", "production", "1.5.0"), ("rollback",)])
def test_a_folder_of_several_apps_asks_which_one(folder: Folder, words: tuple[str, ...]) -> None:
    """It never guesses; the error names the folder's apps, and nothing is committed."""
    head = folder.git("rev-parse", "HEAD")
    for more in ((), ("churn",), ("churn-prod.yaml",), ("../desired_state",)):
        code, _, err = folder.gitslot(*words, *more)
        assert code == 2
        assert "apps/ has az-fct-python-ml, churn-prod" in err
    assert folder.git("rev-parse", "HEAD") == head


def test_bump_edits_the_file_of_the_named_app_alone(folder: Folder) -> None:
    """The subject names the app; the other's file may even be half written."""
    folder.put("churn-prod", "model: [")
    assert folder.gitslot("bump", "production", "1.5.0", "az-fct-python-ml")[0] == 0
    assert folder.of("az-fct-python-ml") == SIMPLE.replace("production: 1.4.0", "production: 1.5.0")
    assert folder.subject == "bump iris to 1.5.0 on az-fct-python-ml"
    assert folder.git("show", "--name-only", "--format=", "HEAD") == "apps/az-fct-python-ml.yaml"
    assert folder.of("churn-prod") == "model: ["


def test_bump_keeps_the_code_beside_a_version(folder: Folder) -> None:
    """A slot written as a mapping has its version changed; the file need not name its app."""
    assert folder.gitslot("bump", "staging", "9", "churn-prod")[0] == 0
    assert folder.of("churn-prod") == CHURN.replace('"8"', '"9"')


def test_the_only_app_of_a_folder_needs_no_name(folder: Folder) -> None:
    """As with a single file."""
    folder.git("rm", "-q", "apps/az-fct-python-ml.yaml")
    folder.git("commit", "-q", "-m", "one app leaves")
    assert folder.gitslot("bump", "production", "8")[0] == 0
    assert folder.of("churn-prod") == CHURN.replace('"7"', '"8"')
    assert folder.gitslot("rollback")[0] == 0
    assert folder.of("churn-prod") == CHURN


def test_an_app_that_is_not_the_files_is_refused(clone: Clone) -> None:
    """Its right name may be given with a single file, too."""
    code, _, err = clone.gitslot("bump", "production", "1.5.0", "churn-prod")
    assert code == 2
    assert "desired_state.yaml is of the app `az-fct-python-ml`" in err
    assert clone.gitslot("bump", "production", "1.5.0", "az-fct-python-ml")[0] == 0


def test_bump_refuses_a_file_with_changes_that_are_not_committed(clone: Clone) -> None:
    """Somebody's half-made edit is never swept into a release commit."""
    clone.write(SIMPLE + "# thinking\n")
    head = clone.git("rev-parse", "HEAD")
    code, _, err = clone.gitslot("bump", "production", "1.5.0")
    assert (code, clone.text, clone.git("rev-parse", "HEAD")) == (2, SIMPLE + "# thinking\n", head)
    assert "not committed" in err


def test_bump_leaves_the_file_as_it_was_when_a_hook_refuses(clone: Clone) -> None:
    """A commit that does not happen leaves no edit behind."""
    clone.hook("pre-commit", "echo 'not on a Friday' >&2\nexit 1")
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
    assert "not in a Git checkout" in err and "Traceback" not in err


# ---------------------------------------------------------------- rollback


def test_rollback_reverts_the_commit_that_changed_production_and_no_later_one(clone: Clone) -> None:
    """Commits to other files and to other keys in between are left alone."""
    bumped = clone.commit(BUMPED, "bump iris to 1.5.0")
    clone.add("README", "later")
    clone.git("commit", "-q", "-m", "write the README")
    code, out, err = clone.gitslot("rollback")
    assert (code, clone.text) == (0, SIMPLE)
    assert f"This reverts commit {bumped}" in clone.git("log", "-1", "--format=%b")
    assert 'Revert "bump iris to 1.5.0"' in out
    assert "iris 1.5.0 -> iris 1.4.0" in err
    assert (clone.path / "README").exists()


def test_rollback_twice_is_refused(clone: Clone) -> None:
    """At 3 a.m. a second press must not bring the bad version back; the error names ways on."""
    clone.commit(BUMPED, "bump iris to 1.5.0")
    assert clone.gitslot("rollback")[0] == 0
    head = clone.git("rev-parse", "HEAD")
    code, _, err = clone.gitslot("rollback")
    assert (code, clone.git("rev-parse", "HEAD")) == (2, head)
    assert "went back already" in err and "git revert" in err and "gitslot bump production" in err


def test_rollback_with_nothing_before_is_refused(clone: Clone) -> None:
    """The first commit of the file is nobody's bump."""
    code, _, err = clone.gitslot("rollback")
    assert code == 2
    assert "gitslot bump production" in err


def test_rollback_refuses_a_dirty_file(clone: Clone) -> None:
    """What is not committed is not lost."""
    clone.commit(BUMPED, "bump iris to 1.5.0")
    dirty = clone.text + "# thinking\n"
    clone.write(dirty)
    assert (clone.gitslot("rollback")[0], clone.text) == (2, dirty)


def test_rollback_of_one_app_leaves_the_other_where_it_is(folder: Folder) -> None:
    """It is the named one's last change that is reverted."""
    folder.gitslot("bump", "production", "1.5.0", "az-fct-python-ml")
    folder.gitslot("bump", "production", "9", "churn-prod")
    assert folder.gitslot("rollback", "az-fct-python-ml")[0] == 0
    assert folder.of("az-fct-python-ml") == SIMPLE
    assert folder.of("churn-prod") == CHURN.replace('"7"', '"9"')


def test_rollback_refuses_to_take_back_another_apps_file(folder: Folder) -> None:
    """A commit of two teams is not undone for one; the error names the file and the way."""
    folder.put("az-fct-python-ml", BUMPED)
    folder.put("churn-prod", CHURN.replace('"7"', '"9"'))
    folder.git("commit", "-qam", "bump both")
    code, _, err = folder.gitslot("rollback", "churn-prod")
    assert code == 2
    assert "would also change apps/az-fct-python-ml.yaml" in err
    assert "`gitslot bump production 7 churn-prod`" in err
    assert untouched(folder)
    assert folder.gitslot("bump", "production", "7", "churn-prod")[0] == 0
    assert (folder.of("churn-prod"), folder.of("az-fct-python-ml")) == (CHURN, BUMPED)


def test_a_rollback_that_git_cannot_make_leaves_the_tree_clean_and_says_what_to_type(
    clone: Clone,
) -> None:
    """A conflict is aborted, never left half done."""
    clone.commit(BUMPED, "bump iris to 1.5.0")
    reworded = clone.text.replace("# users get this; revert this commit to go back", "# live")
    clone.commit(reworded, "reword the comment")
    code, _, err = clone.gitslot("rollback")
    assert (code, clone.text) == (2, reworded)
    assert "`gitslot bump production 1.4.0`" in err
    assert clone.git("status", "--porcelain") == ""
    assert not (clone.path / ".git/REVERT_HEAD").exists()


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (SIMPLE, BUMPED + "  staging: 1.6.0\n", "slot staging"),
        (SIMPLE + "  canary: 1.4.0\n", BUMPED, "slot canary"),
        (SIMPLE, BUMPED.replace("slots:", "soak: 10m\nslots:"), "`soak`"),
        (SIMPLE, BUMPED.replace("slots:", 'suspend: "sam"\nslots:'), "`suspend`"),
    ],
)
def test_rollback_refuses_to_take_back_more_of_the_file(
    clone: Clone, before: str, after: str, says: str
) -> None:
    """It names what else would change and both ways on; commits and checkout stay as they were."""
    if before != SIMPLE:
        clone.commit(before, "before")
    bad = clone.commit(after, "bump, and more")
    code, out, err = clone.gitslot("rollback", "az-fct-python-ml")
    assert (code, out, clone.text, clone.git("rev-parse", "HEAD")) == (2, "", after, bad)
    assert says in err and "`gitslot bump production 1.4.0" in err
    assert f"`git revert {bad[:7]}`" in err
    assert untouched(clone)
    assert clone.gitslot("bump", "production", "1.4.0")[0] == 0
    assert clone.text == after.replace("production: 1.5.0", "production: 1.4.0")


def untouched(clone: Clone) -> bool:
    """Say whether nothing is staged, edited or under way."""
    under_way = [clone.path / ".git" / name for name in ("REVERT_HEAD", "MERGE_MSG", "index.lock")]
    return not clone.git("status", "--porcelain") and not any(p.exists() for p in under_way)


def test_rollback_refuses_to_take_back_other_files(clone: Clone) -> None:
    """A commit that brought documents with the bump is not swept away with it."""
    clone.add("README", "how it works")
    clone.add("train.py", "fit()")
    bad = clone.commit(BUMPED, "bump iris to 1.5.0, with documents")
    code, _, err = clone.gitslot("rollback")
    assert (code, clone.text, clone.git("rev-parse", "HEAD")) == (2, BUMPED, bad)
    assert "would also change README, train.py" in err
    assert (clone.path / "README").read_text() == "how it works"
    assert untouched(clone)


def test_rollback_names_no_file_that_has_gone_back_already(clone: Clone) -> None:
    """It is what the revert would change that counts, not what the commit once did."""
    clone.add("README", "draft")
    clone.commit(BUMPED, "bump iris to 1.5.0, with a draft")
    clone.git("rm", "-q", "README")
    clone.git("commit", "-q", "-m", "drop the draft")
    assert (clone.gitslot("rollback")[0], clone.text) == (0, SIMPLE)
    assert untouched(clone)


def test_model_version_and_code_of_production_are_one_wish(clone: Clone) -> None:
    """They go back together; a candidate that only follows the app's model does not hinder it."""
    before = SIMPLE.replace("1.4.0 ", "{version: 1.4.0, code: 3.0.0} ") + "  staging: 1.6.0\n"
    clone.commit(before, "before")
    after = before.replace("iris", "rose").replace("{version: 1.4.0, code: 3.0.0}", "2.0.0")
    clone.commit(after.replace("# What", "# Roses: what"), "serve rose 2.0.0")
    code, _, err = clone.gitslot("rollback")
    assert (code, clone.text) == (0, before)
    assert "rose 2.0.0 -> iris 1.4.0 with code 3.0.0" in err


def test_a_change_of_the_model_alone_is_the_last_change(clone: Clone) -> None:
    """The version before is of another model, and is never asked of this one."""
    clone.commit(BUMPED, "bump iris to 1.5.0")
    clone.commit(BUMPED.replace("iris", "rose"), "serve rose")
    assert (clone.gitslot("rollback")[0], clone.text) == (0, BUMPED)


def test_no_bump_is_advised_that_would_not_bring_the_same_back(clone: Clone) -> None:
    """`gitslot bump` changes neither model nor code."""
    clone.commit(BUMPED.replace("iris", "rose") + "  staging: 1.6.0\n", "rose, and a candidate")
    code, _, err = clone.gitslot("rollback")
    assert code == 2
    assert "gitslot bump" not in err and "bring iris 1.4.0 back by hand" in err


@pytest.mark.parametrize("more", [False, True])
def test_a_merge_goes_back_to_its_first_parent(clone: Clone, more: bool) -> None:
    """A merge that made the bump is reverted as one, where nothing else came with it."""
    clone.git("checkout", "-q", "-b", "side")
    clone.add("notes.txt", "side")
    clone.git("commit", "-q", "-m", "take notes")
    clone.git("checkout", "-q", "main")
    clone.git("merge", "-q", "--no-ff", "--no-commit", "side")
    if not more:
        clone.git("rm", "-q", "-f", "notes.txt")
    merge = clone.commit(BUMPED, "merge side, and bump")
    code, _, err = clone.gitslot("rollback")
    if more:
        assert (code, clone.text) == (2, BUMPED)
        assert "would also change notes.txt" in err and f"`git revert -m 1 {merge[:7]}`" in err
    else:
        assert (code, clone.text) == (0, SIMPLE)
    assert untouched(clone)


@pytest.mark.parametrize("more", ["", "  staging: 1.6.0\n"])
def test_rollback_leaves_edits_of_other_files_alone(clone: Clone, more: str) -> None:
    """Whether it goes back or refuses, what somebody was typing is still there."""
    for name in ("half.txt", "staged.txt"):
        clone.add(name, "whole")
    clone.git("commit", "-q", "-m", "files")
    clone.commit(BUMPED + more, "bump iris to 1.5.0")
    (clone.path / "half.txt").write_text("half")
    assert clone.gitslot("rollback")[0] == (2 if more else 0)
    assert clone.git("status", "--porcelain").split() == ["M", "half.txt"]
    assert (clone.path / "half.txt").read_text() == "half"


def test_rollback_refuses_what_is_staged_and_keeps_it(clone: Clone) -> None:
    """It would be lost, or swept into the commit."""
    clone.commit(BUMPED, "bump iris to 1.5.0")
    clone.add("notes.txt", "mine")
    code, _, err = clone.gitslot("rollback")
    assert (code, clone.text) == (2, BUMPED)
    assert "staged" in err
    assert clone.git("status", "--porcelain") == "A  notes.txt"


@pytest.mark.parametrize(
    ("hook", "does"),
    [
        ("post-index-change", "git diff --cached --quiet || kill -INT 0"),
        ("prepare-commit-msg", "kill -INT 0"),
        ("prepare-commit-msg", "exit 1"),
    ],
)
def test_a_rollback_that_is_cut_off_leaves_the_checkout_as_it_was(
    clone: Clone, hook: str, does: str
) -> None:
    """Ctrl-C while it is tried or committed, or a hook that refuses: no commit, nothing staged."""
    bad = clone.commit(BUMPED, "bump iris to 1.5.0")
    script = clone.hook(hook, f"trap : INT\n{does}")
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = ("-m", "gitslot", "rollback")
    done = python(*words, cwd=clone.path, env=env, start_new_session=True)
    assert done.returncode == (2 if does == "exit 1" else 130), done.stderr
    script.unlink()
    assert (clone.text, clone.git("rev-parse", "HEAD")) == (BUMPED, bad)
    assert untouched(clone)


# ---------------------------------------------------------------- the edit itself


@given(
    version=st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,12}\Z"),
    slot=st.sampled_from(["production", "staging"]),
    text=st.sampled_from([SIMPLE, CHURN, SIMPLE.rstrip("\n"), SIMPLE.replace("\n", "\r\n")]),
)
def test_an_edit_changes_what_was_asked_and_not_a_line_beside_it(
    version: str, slot: str, text: str
) -> None:
    """Whatever the version: it is read back as that text, and every other line is untouched."""
    name = "churn-prod" if text == CHURN else ""
    edited = with_version(text.encode(), slot, version, name)
    assert read(edited, name).slots[slot].version == version
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
