"""
D9: whatever is done to the watched repository, the controller follows it or freezes by name.

The repository is real and is spoilt by git itself; what is right is worked out by git's command
line alone. The controller is the real loop on the in-process platform.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from gitslot.edges.git.source import GitSource
from gitslot.reconcile import observe
from gitslot.state.decision import Converged, Frozen
from gitslot.state.wanted import Doubt
from reliability import vouched
from reliability.checker import Violation
from reliability.cloud import APP
from reliability.lab import Lab
from reliability.runs import Case, Run

FILE = "desired_state.yaml"
START = "1.4.0"
LIMIT = 64 * 1024


class Watched:
    """A repository whose newest commit wants 1.4.0, and a controller that has acted upon it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "watched"
        self.path.mkdir()
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_EDITOR": "true",
            **{
                f"GIT_{who}_{what}": value
                for who in ("AUTHOR", "COMMITTER")
                for what, value in (("NAME", "Sam"), ("EMAIL", "sam@example.net"))
            },
        }
        self.git("init", "-q", "-b", "main")
        self.want("1.3.0")
        self.accepted = self.want(START)
        self.lab = Lab(git=GitSource(str(self.path), "main", FILE))

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=self.path, env=self._env, capture_output=True, check=True
        )
        return done.stdout.decode("utf-8", "replace").strip()

    def says(self, *words: str) -> str | None:
        """Return what git prints, or None where it fails."""
        try:
            return self.git(*words)
        except subprocess.CalledProcessError:
            return None

    def write(self, data: str, name: str = FILE) -> str:
        place = self.path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(data)
        return self.commit(f"change {name}")

    def commit(self, subject: str = "change") -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", subject)
        return self.git("rev-parse", "HEAD")

    def want(self, version: str, more: str = "") -> str:
        return self.write(f"app: {APP}\nmodel: iris\nslots:\n  production: {version}\n{more}")

    def index(self, mode: str, sha: str) -> None:
        """Put an entry of any mode in the file's place."""
        self.git("update-index", "--add", "--cacheinfo", f"{mode},{sha},{FILE}")
        self.git("commit", "-q", "-m", "change its mode")


# ---------------------------------------------------------------- what may be done to it


def force_push_back(w: Watched) -> None:
    w.git("reset", "-q", "--hard", "HEAD~1")


def force_push_forward(w: Watched) -> None:
    tip = w.want("1.5.0")
    w.git("update-ref", "refs/heads/main", tip)


def force_push_sideways(w: Watched) -> None:
    w.git("reset", "-q", "--hard", "HEAD~1")
    w.want("1.5.0")


def amended(w: Watched) -> None:
    w.git("commit", "-q", "--amend", "-m", "said otherwise")


def rebased(w: Watched) -> None:
    w.git("checkout", "-q", "-b", "topic", "HEAD~1")
    w.write("x", "other")
    w.git("checkout", "-q", "main")
    w.git("rebase", "-q", "topic")


def a_history_of_its_own(w: Watched) -> None:
    w.git("checkout", "-q", "--orphan", "fresh")
    tip = w.want("1.5.0")
    w.git("branch", "-f", "main", tip)


def branch_deleted(w: Watched) -> None:
    w.git("checkout", "-q", "--detach")
    w.git("branch", "-q", "-D", "main")


def branch_renamed(w: Watched) -> None:
    w.git("branch", "-m", "trunk")


def branch_behind_a_folder(w: Watched) -> None:
    w.git("branch", "-m", "main/2")


def a_tag_in_its_place(w: Watched) -> None:
    w.want("1.5.0")
    w.git("tag", "main")
    branch_deleted(w)


def a_tag_of_the_same_name(w: Watched) -> None:
    w.git("tag", "main")
    w.want("1.5.0")


def empty_repository(w: Watched) -> None:
    shutil.rmtree(w.path / ".git")
    w.git("init", "-q", "-b", "main")


def no_repository(w: Watched) -> None:
    shutil.rmtree(w.path / ".git")


def branch_of_a_tag_object(w: Watched) -> None:
    w.git("tag", "-a", "-m", "release", "v1")
    (w.path / ".git/refs/heads/main").write_text(w.git("rev-parse", "v1") + "\n")


def branch_of_a_tree(w: Watched) -> None:
    (w.path / ".git/refs/heads/main").write_text(w.git("rev-parse", "HEAD^{tree}") + "\n")


def branch_of_nothing(w: Watched) -> None:
    (w.path / ".git/refs/heads/main").write_text("1" * 40 + "\n")


def a_branch_that_points_to_another(w: Watched) -> None:
    w.git("checkout", "-q", "-b", "live")
    w.want("1.5.0")
    w.git("symbolic-ref", "refs/heads/main", "refs/heads/live")


def packed_away(w: Watched) -> None:
    w.want("1.5.0")
    w.git("gc", "-q", "--prune=now")


def a_shallow_copy(w: Watched) -> None:
    """Whether the accepted commit lies below what was cut off, nobody can say."""
    w.want("1.5.0")
    w.want("1.6.0")
    w.git("clone", "-q", "--depth", "1", w.path.as_uri(), "../copy")
    shutil.rmtree(w.path)
    (w.path.parent / "copy").rename(w.path)


def another_branch_checked_out(w: Watched) -> None:
    w.git("checkout", "-q", "-b", "topic")
    w.want("1.5.0")


def a_change_not_committed(w: Watched) -> None:
    (w.path / FILE).write_text("app: [")


def file_deleted(w: Watched) -> None:
    w.git("rm", "-q", FILE)
    w.commit()


def file_renamed(w: Watched) -> None:
    w.git("mv", FILE, "state.yaml")
    w.commit()


def file_renamed_by_case(w: Watched) -> None:
    w.git("mv", FILE, FILE.title())
    w.commit()


def symlink(w: Watched) -> None:
    w.write(f"app: {APP}\nmodel: iris\nslots: {{production: 1.5.0}}\n", "elsewhere")
    (w.path / FILE).unlink()
    (w.path / FILE).symlink_to("elsewhere")
    w.commit()


def submodule(w: Watched) -> None:
    w.index("160000", w.accepted)


def folder(w: Watched) -> None:
    (w.path / FILE).unlink()
    w.write("x", f"{FILE}/inner")


def executable(w: Watched) -> None:
    w.want("1.5.0")
    w.git("update-index", "--chmod=+x", FILE)
    w.git("commit", "-q", "-m", "executable")


def an_old_mode(w: Watched) -> None:
    """100664, which git wrote in its first days, is a plain file still."""
    w.want("1.5.0")
    listing = w.git("ls-tree", "HEAD").replace("100644", "100664")
    made = subprocess.run(
        ["git", "hash-object", "-t", "tree", "-w", "--stdin", "--literally"],
        input=_raw_tree(listing),
        cwd=w.path,
        capture_output=True,
        check=True,
    )
    tip = w.git("commit-tree", "-p", "HEAD", "-m", "old", made.stdout.decode().strip())
    w.git("update-ref", "refs/heads/main", tip)


def _raw_tree(listing: str) -> bytes:
    entries = (re.fullmatch(r"(\d+) \w+ (\w+)\t(.*)", line) for line in listing.splitlines())
    return b"".join(
        f"{entry[1]} {entry[3]}\0".encode() + bytes.fromhex(entry[2]) for entry in entries if entry
    )


def huge(w: Watched) -> None:
    w.want("1.5.0", "#" * LIMIT)


def as_large_as_allowed(w: Watched) -> None:
    text = w.path / FILE
    w.want("1.5.0")
    w.write(text.read_text() + "#" * (LIMIT - text.stat().st_size))


def empty_file(w: Watched) -> None:
    w.write("")


def conflict_markers(w: Watched) -> None:
    w.write(f"<<<<<<< HEAD\napp: {APP}\n=======\napp: b\n>>>>>>> topic\n")


def skipped_commits(w: Watched) -> None:
    for version in ("1.5.0", "1.6.0", "1.7.0"):
        w.want(version)


def skipped_a_broken_commit(w: Watched) -> None:
    w.write("app: [")
    w.want("1.5.0")


def skipped_a_deletion(w: Watched) -> None:
    file_deleted(w)
    w.want("1.5.0")


def bump_and_revert_unseen(w: Watched) -> None:
    w.want("1.5.0")
    w.git("revert", "--no-edit", "HEAD")


def revert(w: Watched) -> None:
    w.git("revert", "--no-edit", "HEAD")


def revert_of_a_revert(w: Watched) -> None:
    w.want("1.5.0")
    for _ in range(2):
        w.git("revert", "--no-edit", "HEAD")


def merge_of_a_bump(w: Watched) -> None:
    w.git("checkout", "-q", "-b", "topic")
    w.want("1.5.0")
    w.git("checkout", "-q", "main")
    w.write("x", "other")
    w.git("merge", "-q", "--no-ff", "-m", "merge", "topic")


def merge_that_keeps_ours(w: Watched) -> None:
    w.git("checkout", "-q", "-b", "topic")
    w.want("1.5.0")
    w.git("checkout", "-q", "main")
    w.git("merge", "-q", "-s", "ours", "-m", "merge", "topic")


def merge_with_the_accepted_second(w: Watched) -> None:
    """The accepted commit is an ancestor by the second parent alone."""
    w.git("checkout", "-q", "-b", "topic", "HEAD~1")
    w.write("x", "other")
    w.git("merge", "-q", "--no-ff", "-m", "merge", "main")
    w.git("branch", "-f", "main", "topic")


def merge_of_three(w: Watched) -> None:
    for name in ("one", "two"):
        w.git("checkout", "-q", "-b", name, w.accepted)
        w.write(name, name)
    w.git("checkout", "-q", "main")
    w.want("1.5.0")
    w.git("merge", "-q", "--no-ff", "-m", "merge", "one", "two")


def merge_of_an_unrelated_history(w: Watched) -> None:
    w.git("checkout", "-q", "--orphan", "fresh")
    w.git("rm", "-rfq", ".")
    w.write("x", "other")
    w.git("checkout", "-q", "main")
    w.git("merge", "-q", "--allow-unrelated-histories", "-m", "merge", "fresh")


def a_commit_beside_the_file(w: Watched) -> None:
    w.write("x", "README")


def an_odd_message(w: Watched) -> None:
    w.want("1.5.0")
    w.git("commit", "-q", "--amend", "--allow-empty-message", "-m", "")


CASES: tuple[Callable[[Watched], None], ...] = (
    force_push_back,
    force_push_forward,
    force_push_sideways,
    amended,
    rebased,
    a_history_of_its_own,
    branch_deleted,
    branch_renamed,
    branch_behind_a_folder,
    a_tag_in_its_place,
    a_tag_of_the_same_name,
    empty_repository,
    no_repository,
    branch_of_a_tag_object,
    branch_of_a_tree,
    branch_of_nothing,
    a_branch_that_points_to_another,
    packed_away,
    a_shallow_copy,
    another_branch_checked_out,
    a_change_not_committed,
    file_deleted,
    file_renamed,
    file_renamed_by_case,
    symlink,
    submodule,
    folder,
    executable,
    an_old_mode,
    huge,
    as_large_as_allowed,
    empty_file,
    conflict_markers,
    skipped_commits,
    skipped_a_broken_commit,
    skipped_a_deletion,
    bump_and_revert_unseen,
    revert,
    revert_of_a_revert,
    merge_of_a_bump,
    merge_that_keeps_ours,
    merge_with_the_accepted_second,
    merge_of_three,
    merge_of_an_unrelated_history,
    a_commit_beside_the_file,
    an_odd_message,
)


# ---------------------------------------------------------------- what is right


def oracle(w: Watched) -> tuple[str, str]:
    """Return the version that production must serve and why it is frozen, by git alone."""
    if w.says("rev-parse", "--git-dir") != ".git":
        return START, "GitUnreachable"
    tip = w.says("rev-parse", "--verify", "-q", "refs/heads/main")
    if tip is None:
        return START, "RefGone"
    kind = w.says("cat-file", "-t", tip)
    if kind != "commit":
        return START, "RefGone" if kind else "GitUnreachable"
    listed = w.git("ls-tree", "-l", tip, "--", FILE).split()
    if not listed:
        return START, "FileMissing"
    if listed[1] == "tree":  # a folder of files, none of which is an app's
        return START, "FolderEmpty"
    if listed[1] != "blob" or listed[0] not in ("100644", "100755", "100664"):
        return START, "NotPlainFile"
    if int(listed[3]) > LIMIT:
        return START, "FileTooLarge"
    version = re.search(r"(?m)^  production: (\S+)$", w.git("show", f"{tip}:{FILE}"))
    if version is None:
        return START, "FileInvalid"
    if w.says("merge-base", "--is-ancestor", w.accepted, tip) is None:
        return START, "HistoryRewritten"
    return version[1], ""


def judge(spoil: Callable[[Watched], None], w: Watched) -> str:
    """Play one case; return what was wrong, or nothing."""
    lab = w.lab
    if not isinstance(lab.run(), Converged) or lab.serves() != START:
        return "the start is not what it must be"
    lab.idle()
    lab.forget()
    spoil(w)
    version, reason = oracle(w)
    seen = observe(APP, lab.world)
    if reason and not (isinstance(seen.app, Doubt) and isinstance(seen.decision, Frozen)):
        return f"{reason} is right, it decides {seen.decision}"
    stops = [lab.run(), lab.run()]
    lab.restart(git=GitSource(str(w.path), "main", FILE))
    stops.append(lab.run())
    writes = (len(lab.deploys), lab.posts)
    if lab.serves() != version:
        return f"production serves {lab.serves()}, {version} is right: {stops}"
    if reason:
        if any(getattr(stop, "reason", "") != reason for stop in stops):
            return f"{reason} is right, it says {stops}"
        if writes != (0, 0) or len(lab.events) != 1:
            return f"frozen, and it wrote {writes} and {len(lab.events)} events"
        return ""
    if not all(isinstance(stop, Converged) for stop in stops):
        return f"Converged is right, it says {stops}"
    if writes != ((0, 0) if version == START else (1, 1)):
        return f"one deploy and one swap are right, it wrote {writes}"
    return ""


def played(spoil: Callable[[Watched], None]) -> Run:
    """Play one case in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="gitslot-d9-") as folder:
        watched = Watched(Path(folder))
        wrong = judge(spoil, watched)
        watched.lab.end()
    return Run(None, [Violation("D9", 0, wrong)] if wrong else [], [], 0, 0, 0)


def cases(*, long: bool = False) -> Iterator[Case]:
    """Give every case by its name, and those of GITSLOT_VERIFY_COMMITS."""
    del long
    for spoil in CASES:
        yield f"D9,{spoil.__name__}", partial(played, spoil)
    yield from vouched.cases()
