"""`gitslot bump` in real repositories: one line, one commit."""

import io
import os
from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitslot.cli.app import run
from gitslot.cli.session import Session
from gitslot.edges.file.edit import needs_quotes, unquoted, with_version
from gitslot.edges.file.read import read
from gitslot.errors import GitslotError, RegistryUnavailable, UnknownVersion
from tests.cli.clones import BUMPED, CHURN, FILE, SIMPLE, Clone, Folder

FILES = (SIMPLE, CHURN, SIMPLE.rstrip("\n"), SIMPLE.replace("\n", "\r\n"))

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


def test_bump_writes_no_digest_without_a_registry(clone: Clone) -> None:
    """Asked for a pin, or where the slot has one: nothing is committed, and it says what helps."""
    head = clone.git("rev-parse", "HEAD")
    code, _, err = clone.gitslot("bump", "production", "1.5.0", "--pin")
    assert (code, clone.git("rev-parse", "HEAD"), clone.text) == (2, head, SIMPLE)
    pinned = clone.commit(SIMPLE.replace("1.4.0", f"1.4.0@sha256:{'a' * 64}"), "pin it")
    code, _, again = clone.gitslot("bump", "production", "1.5.0")
    assert (code, clone.git("rev-parse", "HEAD")) == (2, pinned)
    assert "`gitslot bump production 1.5.0@sha256:DIGEST`" in err and "DIGEST" in again
    assert clone.gitslot("bump", "production", f"1.5.0@sha256:{'b' * 64}")[0] == 0
    assert clone.gitslot("bump", "production", "1.6.0", "--no-pin")[0] == 0
    assert clone.text == SIMPLE.replace("1.4.0", "1.6.0")


def test_bump_quotes_what_other_tools_would_read_as_a_number(clone: Clone) -> None:
    """`1.10` stays `1.10` for everybody."""
    assert clone.gitslot("bump", "production", "1.10")[0] == 0
    assert 'production: "1.10"      # users' in clone.text


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


def test_bump_refuses_what_the_registry_at_hand_does_not_know(clone: Clone) -> None:
    """Nothing is committed; a registry that does not answer stops nobody."""

    def bump(version: str, error: GitslotError) -> tuple[int, str]:
        session = Session({**os.environ, "GITSLOT_STORAGE": "https://a.example"}, clone.path)
        session.err = io.StringIO()
        session.open_registry = lambda _: Mock(manifest=Mock(side_effect=error))
        return run(("bump", "production", version), session), session.err.getvalue()

    code, err = bump("1.5.0", UnknownVersion("iris has no version 1.5.0"))
    assert (code, clone.text, "iris has no version 1.5.0" in err) == (2, SIMPLE, True)
    code, err = bump("1.6.0", RegistryUnavailable("no answer"))
    assert (code, "not checked" in err, clone.subject) == (0, True, "bump iris to 1.6.0")


@pytest.mark.parametrize("reason", ['say "no": #1', "é" * 300])
def test_suspend_and_resume_are_commits_of_one_line(folder: Folder, reason: str) -> None:
    """The reason stands in the file and in the subject; without one it is refused."""
    assert folder.gitslot("suspend", "churn-prod")[0] == 2
    for said in ("first", reason):
        assert folder.gitslot("suspend", "churn-prod", "--reason", said)[0] == 0
        assert folder.subject == f"suspend churn-prod: {said}"
    suspended = read(folder.of("churn-prod").encode(), "churn-prod").suspend
    assert suspended and suspended[:199] == reason[:199]
    assert folder.gitslot("resume", "--app", "churn-prod")[0] == 0
    assert (folder.of("churn-prod"), folder.subject) == (CHURN, "resume churn-prod")
    assert "is not suspended" in folder.gitslot("resume", "churn-prod")[2]


# ---------------------------------------------------------------- the edit itself


@settings(max_examples=40)
@given(
    version=st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,12}\Z"),
    slot=st.sampled_from(["production", "staging"]),
    text=st.sampled_from(FILES),
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
