"""
D9: whatever is done to the watched repository, the controller follows it or freezes by name.

The repository is real and is spoilt by git itself; what is right is worked out by git's command
line alone. The controller is the real loop on the in-process platform.
"""

import re
import shlex
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
from reliability.cloud import APP
from reliability.lab import Lab
from reliability.runs import Case, Run, judged
from tests.edges.git.signing import Checkout

FILE = "desired_state.yaml"
START = "1.4.0"
LIMIT = 64 * 1024


class Watched(Checkout):
    """A repository whose newest commit wants 1.4.0, and a controller that has acted upon it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "watched")
        self.begin()
        self.want("1.3.0")
        self.accepted = self.want(START)
        self.lab = Lab(git=GitSource(str(self.path), "main", FILE))

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

    def do(self, commands: str) -> None:
        """
        Do git's commands one after the other, and some of our own.

        These are `want VERSION` and `write FILE TEXT`, which commit, `point REVISION`, which
        writes any object into the branch, and `erase`, which leaves no repository.
        """
        for words in map(shlex.split, commands.split("; ")):
            match words:
                case "want", version:
                    self.want(version)
                case "write", name, text:
                    self.write(text, name)
                case "point", revision:
                    tip = self.git("rev-parse", revision)
                    (self.path / ".git/refs/heads/main").write_text(f"{tip}\n")
                case ["erase"]:
                    shutil.rmtree(self.path / ".git")
                case _:
                    self.git(*words)

    def spoil(self, case: str) -> None:
        """Do what *case* is about."""
        how = CASES[case]
        if isinstance(how, str):
            self.do(how)
        else:
            how(self)


# ---------------------------------------------------------------- what may be done to it


def a_shallow_copy(w: Watched) -> None:
    """Whether the accepted commit lies below what was cut off, nobody can say."""
    w.do(f"want 1.5.0; want 1.6.0; clone -q --depth 1 {w.path.as_uri()} ../copy")
    shutil.rmtree(w.path)
    (w.path.parent / "copy").rename(w.path)


def symlink(w: Watched) -> None:
    w.write(f"app: {APP}\nmodel: iris\nslots: {{production: 1.5.0}}\n", "elsewhere")
    (w.path / FILE).unlink()
    (w.path / FILE).symlink_to("elsewhere")
    w.commit()


def folder(w: Watched) -> None:
    (w.path / FILE).unlink()
    w.write("x", f"{FILE}/inner")


def an_old_mode(w: Watched) -> None:
    """100664, which git wrote in its first days, is a plain file still."""
    w.want("1.5.0")
    listing = w.git("ls-tree", "HEAD").replace("100644", "100664")
    words = ("git", "hash-object", "-t", "tree", "-w", "--stdin", "--literally")
    made = subprocess.run(
        words, input=_raw_tree(listing), cwd=w.path, capture_output=True, check=True
    )
    tip = w.git("commit-tree", "-p", "HEAD", "-m", "old", made.stdout.decode().strip())
    w.git("update-ref", "refs/heads/main", tip)


def _raw_tree(listing: str) -> bytes:
    entries = (re.fullmatch(r"(\d+) \w+ (\w+)\t(.*)", line) for line in listing.splitlines())
    return b"".join(
        f"{entry[1]} {entry[3]}\0".encode() + bytes.fromhex(entry[2]) for entry in entries if entry
    )


def as_large_as_allowed(w: Watched) -> None:
    text = w.path / FILE
    w.want("1.5.0")
    w.write(text.read_text() + "#" * (LIMIT - text.stat().st_size))


# Commands for `Watched.do`, or what does the same in Python.
CASES: dict[str, str | Callable[[Watched], object]] = {
    "force_push_back": "reset -q --hard HEAD~1",
    "force_push_forward": "want 1.5.0; update-ref refs/heads/main HEAD",
    "force_push_sideways": "reset -q --hard HEAD~1; want 1.5.0",
    "amended": "commit -q --amend -m 'other words'",
    "rebased": "checkout -q -b topic HEAD~1; write other x; checkout -q main; rebase -q topic",
    "a_history_of_its_own": "checkout -q --orphan fresh; want 1.5.0; branch -f main HEAD",
    "branch_deleted": "checkout -q --detach; branch -q -D main",
    "branch_renamed": "branch -m trunk",
    "branch_behind_a_folder": "branch -m main/2",
    "a_tag_in_its_place": "want 1.5.0; tag main; checkout -q --detach; branch -q -D main",
    "a_tag_of_the_same_name": "tag main; want 1.5.0",
    "empty_repository": "erase; init -q -b main",
    "no_repository": "erase",
    "branch_of_a_tag_object": "tag -a -m release v1; point v1",
    "branch_of_a_tree": "point HEAD^{tree}",
    "branch_of_nothing": f"point {'1' * 40}",
    "a_branch_that_points_to_another": (
        "checkout -q -b live; want 1.5.0; symbolic-ref refs/heads/main refs/heads/live"
    ),
    "packed_away": "want 1.5.0; gc -q --prune=now",
    "a_shallow_copy": a_shallow_copy,
    "another_branch_checked_out": "checkout -q -b topic; want 1.5.0",
    "a_change_not_committed": lambda w: (w.path / FILE).write_text("app: ["),
    "file_deleted": f"rm -q {FILE}; commit -q -m change",
    "file_renamed": f"mv {FILE} state.yaml; commit -q -m change",
    "file_renamed_by_case": f"mv {FILE} {FILE.title()}; commit -q -m change",
    "symlink": symlink,
    "submodule": lambda w: w.do(
        f"update-index --add --cacheinfo 160000,{w.accepted},{FILE}; commit -q -m mode"
    ),
    "folder": folder,
    "executable": f"want 1.5.0; update-index --chmod=+x {FILE}; commit -q -m executable",
    "an_old_mode": an_old_mode,
    "huge": lambda w: w.want("1.5.0", "#" * LIMIT),
    "as_large_as_allowed": as_large_as_allowed,
    "empty_file": f"write {FILE} ''",
    "conflict_markers": lambda w: w.write(
        f"<<<<<<< HEAD\napp: {APP}\n=======\napp: b\n>>>>>>> topic\n"
    ),
    "skipped_commits": "want 1.5.0; want 1.6.0; want 1.7.0",
    "skipped_a_broken_commit": f"write {FILE} 'app: ['; want 1.5.0",
    "skipped_a_deletion": f"rm -q {FILE}; commit -q -m change; want 1.5.0",
    "bump_and_revert_unseen": "want 1.5.0; revert --no-edit HEAD",
    "revert": "revert --no-edit HEAD",
    "revert_of_a_revert": "want 1.5.0; revert --no-edit HEAD; revert --no-edit HEAD",
    "merge_of_a_bump": (
        "checkout -q -b topic; want 1.5.0; checkout -q main; write other x; "
        "merge -q --no-ff -m merge topic"
    ),
    "merge_that_keeps_ours": (
        "checkout -q -b topic; want 1.5.0; checkout -q main; merge -q -s ours -m merge topic"
    ),
    # The accepted commit is an ancestor by the second parent alone.
    "merge_with_the_accepted_second": (
        "checkout -q -b topic HEAD~1; write other x; merge -q --no-ff -m merge main; "
        "branch -f main topic"
    ),
    "merge_of_three": (
        "checkout -q -b one main; write one one; checkout -q -b two main; write two two; "
        "checkout -q main; want 1.5.0; merge -q --no-ff -m merge one two"
    ),
    "merge_of_an_unrelated_history": (
        "checkout -q --orphan fresh; rm -rfq .; write other x; checkout -q main; "
        "merge -q --allow-unrelated-histories -m merge fresh"
    ),
    "a_commit_beside_the_file": "write README x",
    "an_odd_message": "want 1.5.0; commit -q --amend --allow-empty-message -m ''",
}


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


def judge(case: str, w: Watched) -> str:
    """Play one case; return what was wrong, or nothing."""
    lab = w.lab
    if not isinstance(lab.run(), Converged) or lab.serves() != START:
        return "the start is not what it must be"
    lab.idle()
    lab.forget()
    w.spoil(case)
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


def played(case: str) -> Run:
    """Play one case in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="gitslot-d9-") as name:
        watched = Watched(Path(name))
        wrong = judge(case, watched)
        watched.lab.end()
    return judged("D9", wrong)


def cases(*, long: bool = False) -> Iterator[Case]:
    """Give every case by its name, and those of GITSLOT_VERIFY_COMMITS."""
    del long
    yield from ((f"D9,{case}", partial(played, case)) for case in CASES)
    yield from vouched.cases()
