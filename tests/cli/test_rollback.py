"""`gitslot rollback`, and every way back that is advised, typed in real repositories."""

import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gitslot.cli.checkout import AppFile, Checkout
from gitslot.cli.past import past
from gitslot.cli.rollback import _before
from gitslot.edges.file.read import read
from gitslot.edges.git.signed_changes import Rule
from gitslot.edges.git.source import GitSource
from gitslot.errors import SignatureRefused
from gitslot.record.accepted import AcceptedBlob
from gitslot.state.decision import Stalled
from gitslot.state.reasons import go_back
from gitslot.state.remembered import Asked, Memory, SlotMemory
from gitslot.state.wanted import Release, Revision
from gitslot.wants import Wants
from reliability.memory_blobs import MemoryBlobs
from tests.cli.clones import BUMPED, CHURN, FILE, SIMPLE, Clone, Folder
from tests.processes import python

ROOT = Path(__file__).parents[2]
APP = "az-fct-python-ml"
PIN = "1.5.0@sha256:" + "a" * 64


def bumped(clone: Clone, version: str = "1.5.0", more: str = "") -> str:
    return clone.commit(SIMPLE.replace("1.4.0", version) + more, f"bump iris to {version}")


def untouched(clone: Clone) -> bool:
    """Say whether nothing is staged, edited or under way."""
    under_way = [clone.path / ".git" / name for name in ("REVERT_HEAD", "MERGE_MSG", "index.lock")]
    return not clone.git("status", "--porcelain") and not any(p.exists() for p in under_way)


# ---------------------------------------------------------------- what is advised, typed


def plain(clone: Clone) -> None:
    bumped(clone)


def merge(clone: Clone) -> None:
    clone.git("checkout", "-q", "-b", "topic")
    bumped(clone)
    clone.git("checkout", "-q", "main")
    clone.git("merge", "-q", "--no-ff", "-m", "merge topic", "topic")


def squash(clone: Clone) -> None:
    clone.git("checkout", "-q", "-b", "topic")
    bumped(clone)
    clone.git("checkout", "-q", "main")
    clone.git("merge", "-q", "--squash", "topic")
    clone.git("commit", "-q", "-m", "topic, squashed")


def notes_after(clone: Clone) -> None:
    bumped(clone)
    clone.add("notes.txt", "later")
    clone.git("commit", "-q", "-m", "take notes")


def comment_after(clone: Clone) -> None:
    bumped(clone)
    clone.commit(clone.text.replace("# users", "# our users"), "reword")


def beside_notes(clone: Clone) -> None:
    clone.add("notes.txt", "with it")
    bumped(clone)


def stale_branch(clone: Clone) -> None:
    """A branch from before 1.4.0 is merged, and its old version kept."""
    clone.git("checkout", "-q", "-b", "stale")
    bumped(clone, "1.3.0")
    clone.git("checkout", "-q", "main")
    clone.commit(SIMPLE + "# live\n", "a comment")
    clone.git("merge", "-q", "-s", "ours", "--no-commit", "stale")
    bumped(clone, "1.3.0")


def staging_pin(clone: Clone) -> None:
    bumped(clone, more="  staging: 1.6.0\n")


def pinned(clone: Clone) -> None:
    bumped(clone, PIN)


def pinned_later(clone: Clone) -> None:
    """It is the release that goes back, not its pin."""
    bumped(clone)
    bumped(clone, PIN)


def restored_after(clone: Clone) -> None:
    """A broken file between the two."""
    clone.commit("model: [", "break it")
    bumped(clone)


def named(each: object) -> str:
    return getattr(each, "__name__", "")


HEAD = "git revert"
STATES: list[tuple[Callable[[Clone], None], str]] = [
    (plain, HEAD),
    (merge, f"{HEAD} -m 1"),
    (squash, HEAD),
    (notes_after, "gitslot rollback"),
    (comment_after, "gitslot rollback"),
    (beside_notes, "gitslot rollback"),
    (stale_branch, f"{HEAD} -m 1"),
    (staging_pin, HEAD),
    (pinned, HEAD),
    (pinned_later, "gitslot rollback"),
    (restored_after, "gitslot rollback"),
]


def advised(clone: Clone, app: str = APP, path: str = FILE, memory: Memory | None = None) -> str:
    """Return the line that the controller prints of *app* at the newest commit."""
    source = GitSource(str(clone.path), "main", path)
    newest = source.newest()
    data = newest.data if isinstance(newest.data, bytes) else newest.data[app]
    assert isinstance(data, bytes)
    wants = Wants(source, AcceptedBlob(MemoryBlobs()), lambda: 0.0)
    asked = wants.asked_by(
        read(data, app if path != FILE else ""), newest.revision, memory or Memory()
    )
    stop = Stalled("ProductionDegraded", {"what": "down"}, go_back(app))
    found = wants.advised({"production": stop}, app, newest.revision, asked)["production"]
    assert isinstance(found, Stalled)
    line: str = getattr(found.next, "line", "")
    assert f"`{line}`" in found.message
    return line


def typed(clone: Clone, line: str) -> None:
    command = line.removesuffix(" && git push")
    if command.startswith("gitslot "):
        code, _, err = clone.gitslot(*shlex.split(command)[1:])
        assert code == 0, err
    else:
        env = {**os.environ, "GIT_EDITOR": "true"}
        subprocess.run(shlex.split(command), cwd=clone.path, env=env, check=True, timeout=20)


@pytest.mark.parametrize(("state", "expected"), STATES, ids=named)
def test_the_line_that_is_printed_brings_the_old_wish_back(
    clone: Clone, state: Callable[[Clone], None], expected: str
) -> None:
    """`git revert` where the newest commit may be reverted for it, else `gitslot rollback`."""
    before = read(clone.text.encode()).production
    state(clone)
    assert read(clone.text.encode()).production != before
    line, head = advised(clone), clone.git("rev-parse", "HEAD")
    assert line.startswith(f"{expected} ") and line.endswith(" && git push")
    typed(clone, line)
    assert read(clone.text.encode()).production == before
    assert untouched(clone)
    clone.git("reset", "-q", "--hard", head)
    # A rollback brings it back and nothing else: one commit of one line, whose message names the
    # revert only where it is one.
    bad, count = clone.text, clone.git("rev-list", "--count", "--first-parent", "HEAD")
    assert clone.gitslot("rollback")[0] == 0
    old = read(bad.encode()).production
    assert clone.text == bad.replace(f"production: {old}", "production: 1.4.0")
    assert clone.git("rev-list", "--count", "--first-parent", "HEAD") == str(int(count) + 1)
    assert clone.git("show", "--name-only", "--format=", "HEAD") == FILE
    version = old.version
    assert clone.subject == f"Roll back production of {APP}: {version} -> 1.4.0"
    whole = state in (plain, squash, pinned, notes_after)
    assert ("This reverts commit" in clone.git("log", "-1", "--format=%b")) == whole


def test_several_apps_of_one_commit_go_back_one_by_one(folder: Folder) -> None:
    """Reverting it would take the other team's release back as well."""
    folder.put(APP, BUMPED)
    folder.put("churn-prod", CHURN.replace('"7"', '"9"'))
    folder.git("commit", "-qam", "bump both")
    line = advised(folder, "churn-prod", "apps")
    assert line == "gitslot rollback churn-prod && git push"
    typed(folder, line)
    assert (folder.of("churn-prod"), folder.of(APP)) == (CHURN, BUMPED)
    assert "This reverts" not in folder.git("log", "-1", "--format=%b")


# ---------------------------------------------------------------- what is taken back


def test_model_version_pin_and_code_are_one_wish(clone: Clone) -> None:
    """They go back together; a candidate is left, and asked of the old model: that is said."""
    before = SIMPLE.replace("1.4.0 ", f"{{version: {PIN}, code: 3.0.0}} ") + "  staging: 1.6.0\n"
    clone.commit(before, "before")
    after = before.replace("iris", "rose").replace(f"{{version: {PIN}, code: 3.0.0}}", "2.0.0")
    clone.commit(after.replace("# What", "# Roses: what"), "serve rose 2.0.0")
    code, out, err = clone.gitslot("rollback", APP)
    assert (code, clone.text) == (0, before.replace("# What", "# Roses: what"))
    assert "rose 2.0.0 -> iris 1.5.0 with code 3.0.0" in err and "rose 2.0.0 -> iris" in out
    assert "asked of iris from now on: staging 1.6.0" in err


def test_a_dry_run_prints_the_change_and_changes_nothing(clone: Clone) -> None:
    """The diff and the message, as they would be committed."""
    head = bumped(clone)
    code, out, _ = clone.gitslot("rollback", "--dry-run")
    assert (code, clone.text, clone.git("rev-parse", "HEAD")) == (0, BUMPED, head)
    assert "-  production: 1.5.0  " in out and "+  production: 1.4.0  " in out
    assert clone.gitslot("rollback")[0] == 0
    assert out.endswith(clone.git("log", "-1", "--format=%B") + "\n")


def test_a_broken_file_becomes_the_last_valid_one(clone: Clone) -> None:
    """It is what the controller accepted last; the message says what broke it."""
    bad = clone.commit(BUMPED.replace("model", "modle"), "bump, half awake")
    code, _, err = clone.gitslot("rollback", APP)
    assert (code, clone.text) == (0, SIMPLE)
    assert f"{bad[:7]} broke the file; the last valid one is restored" in err
    assert "unknown key `modle`" in clone.git("log", "-1", "--format=%b")
    bumped(clone)
    clone.commit("model: [", "break it again")
    assert clone.gitslot("rollback", "churn-prod")[0] == 2
    assert clone.gitslot("rollback", "--to", "1.4.0")[0] == 0
    assert clone.text == SIMPLE


def test_typed_twice_it_is_refused_and_to_chooses(clone: Clone) -> None:
    """A second press must not bring the bad version back; a release after it may go back again."""
    bumped(clone)
    clone.gitslot("rollback")
    code, _, err = clone.gitslot("rollback")
    assert code == 2
    assert "went back already" in err and f"`gitslot rollback {APP} --to VERSION`" in err
    assert "iris 1.5.0 (" in err and "sam" in err
    assert (clone.gitslot("rollback", "--to", "1.5.0")[0], clone.text) == (0, BUMPED)
    assert (clone.gitslot("rollback")[0], clone.text) == (0, SIMPLE)
    bumped(clone, "1.6.0")
    assert (clone.gitslot("rollback")[0], clone.text) == (0, SIMPLE)


def test_a_revert_of_a_revert_is_a_release(clone: Clone) -> None:
    """What came again may go back again, and what went back may not come again."""
    bumped(clone)
    clone.git("revert", "--no-edit", "HEAD")
    assert clone.gitslot("rollback")[0] == 2
    clone.git("revert", "--no-edit", "HEAD")
    assert (clone.text, clone.gitslot("rollback")[0], clone.text) == (BUMPED, 0, SIMPLE)


@pytest.mark.parametrize("words", [("--to",), ("--to", "9"), ("--to", "1.6")])
def test_an_unknown_version_is_answered_with_those_that_there_are(
    clone: Clone, words: tuple[str, ...]
) -> None:
    """With commit, date and who; each once, newest first."""
    for version in ("1.5.0", PIN, "1.4.0", "1.6.0"):
        head = bumped(clone, version)
    code, out, err = clone.gitslot("rollback", *words)
    assert (code, out, clone.git("rev-parse", "HEAD")) == (2, "", head)
    day = clone.git("log", "-1", "--format=%cs")
    assert f"iris 1.6.0 ({head[:7]}, {day}, sam), iris 1.4.0 (" in err
    assert err.count("iris 1.4.0 (") == 1 and f"iris {PIN} (" in err
    assert (clone.gitslot("rollback", "--to", PIN)[0], PIN in clone.text) == (0, True)
    assert clone.gitslot("rollback", "--to", PIN)[2].startswith("production is 1.5.0 already")


def test_the_journal_says_what_production_served(clone: Clone) -> None:
    """A version that staging refused is passed over, and so is a merge that hid the main line."""
    first = clone.git("rev-parse", "HEAD")
    bumped(clone, "1.5.0")
    bumped(clone, "1.6.0")
    asked = bumped(clone, "1.7.0")
    file = AppFile(Checkout(clone.path, FILE, os.environ), FILE)
    served = Memory(releases={Release("iris", v, "d"): v == "1.5.0" for v in ("1.5.0", "1.6.0")})
    assert _before(file, past(file), None).text == "iris 1.6.0"
    assert _before(file, past(file), served).text == "iris 1.5.0"
    clone.git("checkout", "-q", "-b", "late", first)
    bumped(clone, "1.3.0")
    clone.git("merge", "-q", "-s", "ours", "--no-commit", "main")
    bumped(clone, "1.7.0")
    clone.git("branch", "-f", "main")
    slots = {"production": SlotMemory(asked=Asked("iris 1.7.0", Revision(asked)))}
    assert _before(file, past(file), None).text == "iris 1.3.0"
    assert _before(file, past(file), Memory(slots=slots)).text == "iris 1.6.0"
    assert advised(clone, memory=Memory(slots=slots)).startswith("gitslot rollback ")


def test_a_journal_that_cannot_be_read_is_said_and_does_without(clone: Clone) -> None:
    """At three in the morning the way back needs no Azure."""
    bumped(clone)
    code, _, err = clone.gitslot(
        "rollback",
        GITSLOT_STORAGE="https://127.0.0.1:1",
        GITSLOT_REPO=str(clone.path),
        AZURE_TOKEN_CREDENTIALS="EnvironmentCredential",
    )
    assert (code, clone.text) == (0, SIMPLE)
    assert "going by Git alone" in err


def test_a_rollback_needs_no_signature_and_a_second_does(clone: Clone) -> None:
    """What it commits is the step back that an unsigned commit may take, and no more than that."""
    bumped(clone, "1.5.0")
    trusted = Rule((), frozenset({bumped(clone, "1.6.0")}))
    source = GitSource(str(clone.path), "main", FILE)
    assert clone.gitslot("rollback")[0] == 0
    assert source.vouched(clone.git("rev-parse", "HEAD"), APP, trusted) == 1
    assert clone.gitslot("rollback", "--to", "1.4.0")[0] == 0
    with pytest.raises(SignatureRefused):
        source.vouched(clone.git("rev-parse", "HEAD"), APP, trusted)


# ---------------------------------------------------------------- the checkout


@pytest.fixture
def fork(clone: Clone, tmp_path: Path) -> Clone:
    """Give a clone of a remote whose main is one bump further than when it was cloned."""
    bumped(clone)
    clone.git("init", "-q", "--bare", "-b", "main", "../remote.git")
    clone.git("remote", "add", "origin", "../remote.git")
    clone.git("push", "-q", "-u", "origin", "main")
    return clone


def behind(fork: Clone) -> None:
    bumped(fork, "1.6.0")
    fork.git("push", "-q")
    fork.git("reset", "-q", "--hard", "HEAD~1")


def diverged(fork: Clone) -> None:
    behind(fork)
    fork.add("mine", "mine")
    fork.git("commit", "-q", "-m", "mine")


def detached(fork: Clone) -> None:
    fork.git("checkout", "-q", "--detach")


def other_branch(fork: Clone) -> None:
    fork.git("checkout", "-q", "-b", "topic")


def unreachable(fork: Clone) -> None:
    fork.git("remote", "set-url", "origin", "../gone.git")


@pytest.mark.parametrize(
    ("state", "remedy"),
    [
        (behind, "git pull --ff-only origin main"),
        (diverged, "git pull --rebase origin main"),
        (detached, "git switch main"),
        (other_branch, "git switch main"),
        (unreachable, ""),
    ],
    ids=named,
)
def test_a_checkout_that_is_not_the_watched_branch_is_refused(
    fork: Clone, state: Callable[[Clone], None], remedy: str
) -> None:
    """With the remedy, which works; `--no-fetch` goes on with what is here."""
    state(fork)
    head = fork.git("rev-parse", "HEAD")
    code, _, err = fork.gitslot("rollback")
    assert (code, fork.git("rev-parse", "HEAD"), untouched(fork)) == (2, head, True)
    assert f"`{remedy}`" in err or not remedy
    assert "--no-fetch" in err
    if remedy:
        subprocess.run(shlex.split(remedy), cwd=fork.path, check=True, capture_output=True)
        assert fork.gitslot("rollback", "--dry-run")[0] == 0
    fork.git("reset", "-q", "--hard", head)
    assert (fork.gitslot("rollback", "--no-fetch")[0], fork.text) == (0, SIMPLE)


def test_the_next_command_pushes_it(fork: Clone) -> None:
    """With an upstream and without one; what else goes with it is said."""
    fork.add("mine", "mine")
    fork.git("commit", "-q", "-m", "mine")
    code, _, err = fork.gitslot("rollback")
    assert code == 0
    assert "1 commit(s) that are not pushed yet" in err and err.endswith("next: git push\n")
    fork.git("branch", "--unset-upstream")
    assert fork.gitslot("bump", "production", "1.7.0")[2] == "next: git push origin main\n"
    fork.git("push", "origin", "main")


def test_the_watched_branch_is_the_one_that_is_set(fork: Clone) -> None:
    """A checkout may say so in .gitslot.toml; without a word it is `main`."""
    fork.git("checkout", "-q", "-b", "live")
    (fork.path / ".gitslot.toml").write_text('branch = "live"\n')
    fork.git("push", "-q", "origin", "live")
    assert (fork.gitslot("rollback")[0], fork.text) == (0, SIMPLE)


def test_a_shallow_clone_says_how_to_get_its_past(fork: Clone, tmp_path: Path) -> None:
    """What a clone does not hold was not never asked for."""
    shallow = Clone(tmp_path / "shallow")
    url = f"file://{tmp_path / 'remote.git'}"
    fork.git("clone", "-q", "--depth", "1", url, str(shallow.path))
    code, _, err = shallow.gitslot("rollback")
    assert code == 2 and "git fetch --unshallow" in err
    shallow.git("fetch", "-q", "--unshallow")
    for name, value in (("user.name", "sam"), ("user.email", "s@x")):
        shallow.git("config", name, value)
    assert (shallow.gitslot("rollback")[0], shallow.text) == (0, SIMPLE)


@pytest.mark.parametrize("app", ["", "nobody"])
def test_nothing_before_and_an_unknown_app_are_refused(clone: Clone, app: str) -> None:
    """The first commit of the file is nobody's bump; a wrong name gets the right one."""
    clone.commit(SIMPLE + "# a comment\n", "a comment is no change")
    code, _, err = clone.gitslot("rollback", *filter(None, [app]))
    assert code == 2
    assert (f"is of the app `{APP}`" if app else "gitslot bump production") in err


def test_what_is_staged_or_edited_elsewhere_stays(clone: Clone) -> None:
    """Only this file is committed; where it is edited itself, nothing is."""
    clone.add("half.txt", "whole")
    clone.git("commit", "-q", "-m", "files")
    bumped(clone)
    clone.add("notes.txt", "mine")
    (clone.path / "half.txt").write_text("half")
    assert (clone.gitslot("rollback")[0], clone.text) == (0, SIMPLE)
    assert clone.git("status", "--porcelain").split() == ["M", "half.txt", "A", "notes.txt"]
    clone.write(dirty := SIMPLE + "# thinking\n")
    assert (clone.gitslot("rollback")[0], clone.text) == (2, dirty)


@pytest.mark.parametrize("does", ["kill -INT 0", "exit 1"])
def test_a_rollback_that_is_cut_off_leaves_the_checkout_as_it_was(clone: Clone, does: str) -> None:
    """Ctrl-C while it is committed, or a hook that refuses: no commit, nothing staged."""
    bad = bumped(clone)
    script = clone.hook("prepare-commit-msg", f"trap : INT\n{does}")
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = ("-m", "gitslot", "rollback")
    done = python(*words, cwd=clone.path, env=env, start_new_session=True)
    assert done.returncode == (2 if does == "exit 1" else 130), done.stderr
    script.unlink()
    assert (clone.text, clone.git("rev-parse", "HEAD")) == (BUMPED, bad)
    assert untouched(clone)
