"""Git, over a path and over HTTPS with the git server's own program behind it."""

import base64
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gitslot.edges.git.source import GitSource
from gitslot.errors import SourceError
from tests.servers import Answer, Handler, git_backend, serving

FILE = "desired_state.yaml"
TOKEN = "canary-token-4711"
PLAIN = b"app: a\nmodel: m\nslots: {production: 1.4.0}\n"


@dataclass
class Origin:
    """A repository, seen through a path or through HTTPS."""

    path: Path
    env: dict[str, str]
    address: str = ""
    asked: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, authorization
    sent: int = 0
    token: str | None = None

    def git(self, *words: str, data: bytes | None = None) -> str:
        done = subprocess.run(
            ["git", *words],
            cwd=self.path,
            env=self.env,
            input=data,
            capture_output=True,
            check=True,
        )
        return done.stdout.decode().strip()

    def commit(self, data: bytes | None = PLAIN, name: str = FILE, subject: str = "a bump") -> str:
        if data is not None:
            target = self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            target.write_bytes(data)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", subject)
        return self.git("rev-parse", "HEAD")

    def source(self, ref: str = "main", path: str = FILE) -> GitSource:
        where = f"{self.address}/repo" if self.address else str(self.path)
        return GitSource(where, ref, path, self.token)

    def respond(self, handler: Handler, body: bytes) -> Answer:
        """Answer as `git http-backend` does."""
        path = handler.path.partition("?")[0]
        given = handler.headers.get("Authorization", "")
        self.asked.append((handler.command, path, given))
        if self.token:
            basic = base64.b64encode(f"x-access-token:{self.token}".encode()).decode()
            if given != f"Basic {basic}":
                return 401, {"WWW-Authenticate": 'Basic realm="git"'}, b""
        status, headers, content = git_backend(self.path, self.env, handler, body)
        self.sent += len(content)
        return status, headers, content


@pytest.fixture(params=["path", "https"])
def origin(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Origin]:
    repository = tmp_path / "repo"
    repository.mkdir()
    home = tmp_path / "home"
    home.mkdir()
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "Sam",
        "GIT_AUTHOR_EMAIL": "sam@example.net",
        "GIT_COMMITTER_NAME": "Sam",
        "GIT_COMMITTER_EMAIL": "sam@example.net",
    }
    monkeypatch.setenv("HOME", str(home))
    made = Origin(repository, env)
    made.git("init", "-q", "-b", "main")
    made.git("config", "uploadpack.allowFilter", "true")
    made.git("config", "uploadpack.allowAnySHA1InWant", "true")
    if request.param == "path":
        yield made
        return
    with serving(tmp_path, made.respond) as address:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "cert.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        made.address = address
        yield made


def reason(source: GitSource) -> str:
    """Return why the newest commit cannot be read."""
    with pytest.raises(SourceError) as caught:
        source.newest()
    assert TOKEN not in str(caught.value)
    return caught.value.reason


def test_the_newest_commit_comes_with_its_author_and_subject(origin: Origin) -> None:
    """And the bytes of the file at it."""
    commit = origin.commit(subject="bump iris to 1.5.0")
    newest = origin.source().newest()
    assert newest.data == PLAIN
    assert (newest.revision.commit, newest.revision.author, newest.revision.subject) == (
        commit,
        "Sam",
        "bump iris to 1.5.0",
    )


def test_a_revert_names_what_it_reverts(origin: Origin) -> None:
    """As git writes it."""
    origin.commit()
    bump = origin.commit(PLAIN.replace(b"1.4.0", b"1.5.0"))
    origin.git("revert", "--no-edit", "HEAD")
    newest = origin.source().newest()
    assert newest.revision.reverts == bump
    assert newest.data == PLAIN


def test_a_ref_that_stands_still_costs_one_look_up(origin: Origin) -> None:
    """No object is fetched again."""
    origin.commit()
    source = origin.source()
    first = source.newest()
    sent = origin.sent
    assert source.newest() is first
    assert origin.sent - sent < 2000


def test_a_new_commit_is_seen_at_once(origin: Origin) -> None:
    """By the same process."""
    origin.commit()
    source = origin.source()
    source.newest()
    origin.commit(b"app: b\n")
    assert source.newest().data == b"app: b\n"


def test_a_file_in_a_folder_is_found(origin: Origin) -> None:
    """Its path is walked tree by tree."""
    origin.commit(b"x", "deploy/live/state.yaml")
    assert origin.source(path="deploy/live/state.yaml").newest().data == b"x"


def test_an_executable_file_is_plain(origin: Origin) -> None:
    """100755 is as good as 100644."""
    origin.commit()
    origin.git("update-index", "--chmod=+x", FILE)
    origin.git("commit", "-q", "-m", "executable")
    assert origin.source().newest().data == PLAIN


def test_an_empty_repository_is_no_empty_desired_state(origin: Origin) -> None:
    """A ref answer with nothing in it is a gone ref."""
    assert reason(origin.source()) == "RefGone"


def test_a_deleted_branch_is_named(origin: Origin) -> None:
    """Success with nothing in it freezes."""
    origin.commit()
    source = origin.source("side")
    origin.git("branch", "side")
    source.newest()
    origin.git("branch", "-D", "side")
    assert reason(source) == "RefGone"


def test_a_branch_is_not_found_by_its_prefix(origin: Origin) -> None:
    """main-2 is not main."""
    origin.commit()
    origin.git("branch", "-m", "main-2")
    assert reason(origin.source("main")) == "RefGone"


def test_a_missing_file_is_named(origin: Origin) -> None:
    """Deleted or renamed."""
    origin.commit(b"x", "other.yaml")
    assert reason(origin.source()) == "FileMissing"


def test_a_file_below_a_file_is_missing(origin: Origin) -> None:
    """A path through a blob leads nowhere."""
    origin.commit()
    assert reason(origin.source(path=f"{FILE}/x")) == "FileMissing"


def test_a_folder_in_its_place_is_not_a_plain_file(origin: Origin) -> None:
    """Nor is anything but a blob."""
    origin.commit(b"x", f"{FILE}/inner")
    assert reason(origin.source()) == "NotPlainFile"


def test_a_link_is_not_followed(origin: Origin) -> None:
    """Its target could be anything."""
    (origin.path / FILE).symlink_to("/etc/hostname")
    origin.commit(None)
    assert reason(origin.source()) == "NotPlainFile"


def test_a_linked_folder_is_not_followed(origin: Origin) -> None:
    """Nor on the way."""
    (origin.path / "live").symlink_to("/etc")
    origin.commit(None)
    assert reason(origin.source(path="live/hostname")) in ("FileMissing", "NotPlainFile")


def test_a_submodule_is_not_a_plain_file(origin: Origin) -> None:
    """It names a commit of another repository."""
    origin.commit(b"x", "other")
    origin.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},{FILE}")
    origin.git("commit", "-q", "-m", "submodule")
    assert reason(origin.source()) == "NotPlainFile"


def test_a_huge_file_is_refused(origin: Origin) -> None:
    """64 KB are allowed; a bomb of zeros stays packed."""
    origin.commit(b"#" * (64 * 1024))
    assert len(origin.source().newest().data) == 64 * 1024
    origin.commit(b"#" * (64 * 1024 + 1))
    assert reason(origin.source()) == "FileTooLarge"


def test_a_huge_file_that_does_not_pack_is_refused(origin: Origin) -> None:
    """Over HTTPS before it has all come."""
    origin.commit(os.urandom(2 * 1024 * 1024))
    assert reason(origin.source()) == ("PackTooLarge" if origin.address else "FileTooLarge")


def test_other_files_are_not_fetched(origin: Origin) -> None:
    """blob:none: a repository may hold what it likes beside the file."""
    origin.commit(os.urandom(3 * 1024 * 1024), "data.bin")
    origin.commit()
    origin.source().newest()
    assert origin.sent < 100_000


def test_a_server_without_filters_works_too(origin: Origin) -> None:
    """It sends the whole tree of one commit."""
    origin.git("config", "uploadpack.allowFilter", "false")
    origin.git("config", "uploadpack.allowAnySHA1InWant", "false")
    origin.commit(b"x" * 1000, "other")
    first = origin.commit()
    second = origin.commit(PLAIN.replace(b"1.4.0", b"1.5.0"))
    source = origin.source()
    assert source.newest().data.endswith(b"1.5.0}\n")
    assert source.descends(second, first)


def test_a_commit_descends_from_what_came_before(origin: Origin) -> None:
    """Also through a merge."""
    first = origin.commit()
    origin.git("checkout", "-q", "-b", "side")
    side = origin.commit(b"x", "side")
    origin.git("checkout", "-q", "main")
    origin.commit(b"y", "main-file")
    origin.git("merge", "-q", "--no-ff", "-m", "merge", "side")
    tip = origin.git("rev-parse", "HEAD")
    source = origin.source()
    assert source.descends(tip, first)
    assert source.descends(tip, side)
    assert not source.descends(first, tip)


def test_a_force_push_does_not_descend(origin: Origin) -> None:
    """Back, sideways, or a commit that nobody has any more."""
    first = origin.commit()
    gone = origin.commit(b"x", "other")
    origin.git("reset", "-q", "--hard", first)
    aside = origin.commit(b"y", "aside")
    source = origin.source()
    assert not source.descends(aside, gone)
    assert not source.descends(first, gone)
    assert source.descends(aside, first)


def test_several_apps_share_one_look_at_the_history(origin: Origin) -> None:
    """Each remembers another commit; asking in turn fetches nothing anew."""
    commits = [origin.commit(str(i).encode(), "other") for i in range(3)]
    source = origin.source()
    for each in commits[:2]:
        source.descends(commits[2], each)
    sent = origin.sent
    for each in commits[:2] * 5:
        assert source.descends(commits[2], each)
    assert origin.sent == sent


def test_a_repository_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    """Its place is named."""
    assert reason(GitSource(str(tmp_path / "nothing"), "main", FILE)) == "GitUnreachable"


def test_the_token_goes_into_a_header_and_nowhere_else(origin: Origin) -> None:
    """Not into an address, and not into an error."""
    origin.commit()
    origin.token = TOKEN
    origin.source().newest()
    assert all(TOKEN not in path for _, path, _ in origin.asked)
    if origin.address:
        wrong = GitSource(f"{origin.address}/repo", "main", FILE, TOKEN + "x")
        assert reason(wrong) == "GitUnreachable"


def test_an_address_with_a_password_is_refused_without_saying_it() -> None:
    """The URL of a repository ends up in logs; a password must not."""
    assert reason(GitSource(f"https://u:{TOKEN}@localhost:1/x", "main", FILE)) == "SettingsInvalid"


@pytest.mark.parametrize("body", [b"", b"<html>sign in</html>", b"0000", b"001e# service=x\n0000"])
def test_an_answer_that_is_not_git_is_unreachable(
    body: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sign-in page is not an empty desired state."""
    with serving(tmp_path, lambda *_: (200, {"Content-Type": "text/html"}, body)) as address:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "cert.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        found = GitSource(f"{address}/repo", "main", FILE, TOKEN)
        assert reason(found) in ("GitUnreachable", "RefGone")


def test_a_redirect_does_not_carry_the_token_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that points to another origin gets nothing there."""
    (tmp_path / "other").mkdir()
    seen: list[str] = []

    def thief(handler: Handler, _: bytes) -> Answer:
        seen.append(handler.headers.get("Authorization", ""))
        return 404, {}, b""

    with serving(tmp_path / "other", thief) as elsewhere:
        moved = {"Location": f"{elsewhere}/repo/info/refs?service=git-upload-pack"}
        with serving(tmp_path, lambda *_: (302, moved, b"")) as address:
            both = tmp_path / "both.pem"
            both.write_bytes(
                (tmp_path / "cert.pem").read_bytes() + (tmp_path / "other/cert.pem").read_bytes()
            )
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(both))
            monkeypatch.setenv("SSL_CERT_FILE", str(both))
            reason(GitSource(f"{address}/repo", "main", FILE, TOKEN))
    assert not any(seen)
