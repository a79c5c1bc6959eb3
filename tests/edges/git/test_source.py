"""Git, over a path and over HTTPS with the git server's own program behind it."""

import base64
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gitslot.edges.file.read import read
from gitslot.edges.git import objects
from gitslot.edges.git.host import Access
from gitslot.edges.git.source import GitSource
from gitslot.errors import SourceError
from tests.edges.git.signing import Checkout
from tests.servers import Answer, Handler, git_backend, serving

FILE = "desired_state.yaml"
TOKEN = "canary-token-4711"
PLAIN = b"app: a\nmodel: m\nslots: {production: 1.4.0}\n"


@dataclass
class Origin(Checkout):
    """A repository, seen through a path or through HTTPS."""

    address: str = ""
    asked: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, authorization
    sent: int = 0
    token: str | None = None

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
        return GitSource(where, ref, path, access(self.token))

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


def access(*tokens: str | None) -> Access:
    return Access("x-access-token", tuple(token for token in tokens if token))


def trust(patch: pytest.MonkeyPatch, certificate: Path) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        patch.setenv(name, str(certificate))


@pytest.fixture(params=["path", "https"])
def origin(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Origin]:
    made = Origin(tmp_path / "repo")
    made.begin()
    monkeypatch.setenv("HOME", made.env["HOME"])
    if request.param == "path":
        yield made
        return
    with serving(tmp_path, made.respond) as address:
        trust(monkeypatch, tmp_path / "cert.pem")
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
    """No object is fetched again, and a new commit is seen at once by the same process."""
    origin.commit()
    source = origin.source()
    first = source.newest()
    sent = origin.sent
    assert source.newest() is first
    assert origin.sent - sent < 2000
    origin.commit(b"app: b\n")
    assert source.newest().data == b"app: b\n"


@pytest.mark.parametrize("annotated", [True, False])
def test_a_tag_is_followed_to_its_commit(origin: Origin, annotated: bool) -> None:
    """A tag that is moved to another line is rewritten history."""
    first = origin.commit()
    again = ("-a", "-m", "v1") if annotated else ()
    origin.git("tag", *again, "v1")
    source = origin.source("refs/tags/v1")
    assert source.newest().revision.commit == first
    origin.git("commit", "-q", "--amend", "-m", "another")
    origin.git("tag", "-f", *again, "v1")
    moved = source.newest().revision.commit
    assert moved == origin.git("rev-parse", "HEAD")
    assert not source.descends(moved, first)


def test_a_branch_that_is_a_tag_is_said_to_be_one(origin: Origin) -> None:
    """With the setting that follows it."""
    origin.commit()
    origin.git("tag", "v1")
    with pytest.raises(SourceError, match="GITSLOT_REF=refs/tags/v1 follows it"):
        origin.source("v1").newest()


WHO = b"Sam <s@e.x> 1700000000 +0000"


@pytest.mark.parametrize(
    ("head", "author", "subject"),
    [
        (b"author Sam <s@e.x> 17\ncommitter Sam <s@e.x> 17\n\nbump\n", "Sam", "bump"),
        (b"author Sam <s@e.x>\ncommitter Sam <s@e.x>\n\nbump\n", "Sam", "bump"),
        (b"author %b\ncommitter %b\n" % (WHO, WHO), "Sam", ""),
        (b"author %b\ncommitter %b\n\r\nbump\r\n" % (WHO, WHO), "Sam", ""),
        (b"author %b\ncommitter %b\nHG:x y\n\nbump\n" % (WHO, WHO), "Sam", "bump"),
        (b"author Jos\xe9 <x>\nencoding ISO-8859-1\n\n\xe0 jour\n", "José", "à jour"),
        (b"author Jos\xe9 <x>\nencoding punycode\n\nbump\n", "Jos�", "bump"),
        (b"author Jos\xc3\xa9 <x>\nencoding UTF-16\n\nbump\n", "José", "bump"),
    ],
)
def test_a_commit_is_read_as_git_reads_it(
    tmp_path: Path, head: bytes, author: str, subject: str
) -> None:
    """Old tools and importers left out the time zone, the date, the blank line."""
    origin = Origin(tmp_path / "repo")
    origin.begin()
    first = origin.commit()
    tree = origin.git("rev-parse", "HEAD^{tree}").encode()
    raw = b"tree %b\nparent %b\n%b" % (tree, first.encode(), head)
    odd = origin.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", data=raw)
    origin.git("update-ref", "refs/heads/main", odd)
    source = origin.source()
    newest = source.newest()
    assert (newest.data, newest.revision.author, newest.revision.subject) == (
        PLAIN,
        author,
        subject,
    )
    assert source.descends(odd, first)


def test_a_file_in_a_folder_is_found(origin: Origin) -> None:
    """Its path is walked tree by tree."""
    origin.commit(b"x", "deploy/live/state.yaml")
    for path in ("deploy/live/state.yaml", "./deploy//live/state.yaml"):
        assert origin.source(path=path).newest().data == b"x"


def test_a_ref_that_is_not_there_is_no_empty_desired_state(origin: Origin) -> None:
    """Of an empty repository, a deleted branch, and one that only begins with the name."""
    assert reason(origin.source()) == "RefGone"
    origin.commit()
    source = origin.source("side")
    origin.git("branch", "side")
    source.newest()
    origin.git("branch", "-D", "side")
    assert reason(source) == "RefGone"
    origin.git("branch", "-m", "main-2")
    assert reason(origin.source("main")) == "RefGone"


@pytest.mark.parametrize("path", ["none.yaml", f"{FILE}/x"])
def test_a_missing_file_is_named(origin: Origin, path: str) -> None:
    """Deleted or renamed; and a path through a blob leads nowhere."""
    origin.commit()
    assert reason(origin.source(path=path)) == "FileMissing"


def test_a_folder_is_read_with_each_file_in_it(origin: Origin) -> None:
    """By NAME; what lies deeper, or ends otherwise, does not count."""
    origin.commit(b"x", "apps/deeper/inner.yaml")
    origin.commit(b"x", "apps/README")
    origin.commit(b"x", "apps/other.yml")
    origin.commit(b"first", "apps/first.yaml")
    origin.commit(b"second", "apps/second.yaml")
    for path in ("apps", "apps/deeper"):
        data = origin.source(path=path).newest().data
        assert data == (
            {"inner": b"x"} if "deeper" in path else {"first": b"first", "second": b"second"}
        )
    origin.commit(b"x", "empty/README")
    assert origin.source(path="empty").newest().data == {}


def test_a_new_commit_brings_the_files_that_changed(origin: Origin) -> None:
    """The others are known."""
    for number in range(30):
        origin.commit(os.urandom(3000), f"apps/app-{number}.yaml")
    source = origin.source(path="apps")
    first = source.newest().data
    sent = origin.sent
    origin.commit(b"new", "apps/app-7.yaml")
    assert source.newest().data == {**first, "app-7": b"new"}  # type: ignore[dict-item]
    assert origin.sent - sent < 20_000


def test_what_is_no_plain_file_in_a_folder_is_a_doubt_about_itself(origin: Origin) -> None:
    """Links, submodules, folders, and files that are too large; the neighbour is read."""
    origin.commit(b"good", "apps/good.yaml")
    (origin.path / "apps/link.yaml").symlink_to("good.yaml")
    origin.commit(b"x", "apps/folder.yaml/inner.yaml")
    origin.commit(b"#" * (64 * 1024 + 1), "apps/large.yaml")
    origin.commit(os.urandom(1024 * 1024), "apps/huge.yaml")
    origin.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},apps/submodule.yaml")
    origin.git("commit", "-q", "-m", "submodule")
    data = origin.source(path="apps").newest().data
    assert isinstance(data, dict)
    assert data.pop("good") == b"good"
    reasons = {name: getattr(doubt, "reason", doubt) for name, doubt in data.items()}
    assert reasons == {
        "link": "NotPlainFile",
        "folder": "NotPlainFile",
        "submodule": "NotPlainFile",
        "large": "FileTooLarge",
        "huge": "FileTooLarge",
    }


def tree_of(origin: Origin, entries: dict[str, str]) -> None:
    """Commit a folder `apps` of *entries*, blobs by name, without touching the files."""
    listing = "".join(f"100644 blob {sha}\t{name}\n" for name, sha in entries.items())
    apps = origin.git("mktree", data=listing.encode())
    root = origin.git("mktree", data=f"040000 tree {apps}\tapps\n".encode())
    origin.git("update-ref", "refs/heads/main", origin.git("commit-tree", root, "-m", "many"))


def test_a_folder_of_very_many_files_is_refused(origin: Origin) -> None:
    """5,000 apps are allowed, and a listing of 2 MB."""
    blob = origin.git("hash-object", "-w", "--stdin", data=b"x")
    tree_of(origin, {f"app-{n}.yaml": blob for n in range(5000)})
    assert len(origin.source(path="apps").newest().data) == 5000
    for number, suffix in ((5001, ".yaml"), (10_000, "-" * 200)):
        tree_of(origin, {f"app-{n}{suffix}": blob for n in range(number)})
        assert reason(origin.source(path="apps")) == "TooManyFiles"


def test_files_that_come_to_too_much_are_refused(
    origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """16 MB in all, of files that are no larger than one may be."""
    monkeypatch.setattr(objects, "MAX_ALL_FILES", 200_000)
    for name in "abc":
        origin.commit(os.urandom(60_000), f"apps/{name}.yaml")
    assert len(origin.source(path="apps").newest().data) == 3
    origin.commit(os.urandom(60_000), "apps/d.yaml")
    assert reason(origin.source(path="apps")) == "FolderTooLarge"


def test_huge_files_beside_each_other_freeze_themselves_alone(
    origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is asked for the small ones, however many are too large."""
    monkeypatch.setattr(objects, "MAX_ALL_FILES", 200_000)
    for name in range(20):
        origin.commit(os.urandom(70_000), f"apps/huge-{name}.yaml")
    origin.commit(b"good", "apps/good.yaml")
    data = origin.source(path="apps").newest().data
    assert isinstance(data, dict)
    assert data.pop("good") == b"good"
    assert {doubt.reason for doubt in data.values()} == {"FileTooLarge"}


def test_a_link_or_a_submodule_on_the_way_is_named(origin: Origin) -> None:
    """The checkout on a laptop shows the file, so nobody would see why."""
    origin.commit(b"x", "real/a.yaml")
    (origin.path / "linked").symlink_to("real")
    origin.commit(None)
    origin.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},other")
    origin.git("commit", "-q", "-m", "submodule")
    for path, kind in (("linked/a.yaml", "linked is a link"), ("other/a.yaml", "a submodule")):
        with pytest.raises(SourceError, match=kind):
            origin.source(path=path).newest()


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
    assert source.newest().data == PLAIN.replace(b"1.4.0", b"1.5.0")
    assert source.descends(second, first)


def test_a_commit_descends_from_what_came_before(origin: Origin) -> None:
    """Also through a merge; not after a force push aside, nor of what nobody has any more."""
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
    origin.git("reset", "-q", "--hard", first)
    aside = origin.commit(b"z", "aside")
    assert not source.descends(aside, tip)
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


def test_the_token_goes_into_a_header_and_nowhere_else(origin: Origin) -> None:
    """Not into an address, and not into an error."""
    origin.commit()
    origin.token = TOKEN
    origin.source().newest()
    assert all(TOKEN not in path for _, path, _ in origin.asked)
    if origin.address:
        wrong = GitSource(f"{origin.address}/repo", "main", FILE, access(TOKEN + "x"))
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
        trust(monkeypatch, tmp_path / "cert.pem")
        found = GitSource(f"{address}/repo", "main", FILE, access(TOKEN))
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
            trust(monkeypatch, both)
            reason(GitSource(f"{address}/repo", "main", FILE, access(TOKEN)))
    assert not any(seen)


# ---------------------------------------------------------------- who asked for it


def wanting(production: str, more: str = "") -> bytes:
    return f"model: m\nslots:\n  production: {production}\n{more}".encode()


def asked_by(origin: Origin, accepted: str = "", path: str = "apps") -> dict[str, str]:
    """Return the subjects of the commits that asked for each slot of the app `a`."""
    source = origin.source(path=path)
    newest = source.newest()
    data = newest.data["a"] if isinstance(newest.data, dict) else newest.data
    assert isinstance(data, bytes)
    found = source.asked_by(newest.revision, read(data, "a"), accepted)
    return {slot: f"{each.subject}{'' if each.exact else '?'}" for slot, each in found.items()}


def test_each_wish_has_the_commit_that_last_changed_it(origin: Origin) -> None:
    """Comments, other slots, other files and a broken file in between change nothing."""
    file = "apps/a.yaml"
    origin.commit(wanting("1"), file, "the first")
    origin.commit(wanting("2"), file, "two")
    origin.commit(wanting("2", "  canary: 3\n"), file, "a canary")
    origin.commit(b"model: [", file, "a broken file")
    origin.commit(b"# why\n" + wanting("2", "  canary: 3\n"), file, "a comment")
    origin.commit(wanting("9"), "apps/b.yaml", "another app")
    assert asked_by(origin) == {"production": "two", "canary": "a canary"}
    origin.commit(b"code: x", "elsewhere", "no app")
    origin.commit(wanting("2", "  canary: 3\n").replace(b" m", b" n", 1), file, "another model")
    assert set(asked_by(origin).values()) == {"another model"}


def test_a_file_that_moves_into_a_folder_keeps_its_past(origin: Origin) -> None:
    """The app is the same, and so is what it wants."""
    origin.commit(b"app: a\n" + wanting("2"), "wanted", "a single file")
    origin.git("rm", "-q", "wanted")
    origin.commit(wanting("2"), "wanted/a.yaml", "a folder")
    assert asked_by(origin, path="wanted") == {"production": "a single file"}


def test_a_merge_is_who_asked_on_the_main_line(origin: Origin) -> None:
    """First parents are followed; where the accepted commit is on another line, the file is."""
    file = "apps/a.yaml"
    first = origin.commit(wanting("1"), file, "the first")
    origin.git("checkout", "-q", "-b", "topic")
    topic = origin.commit(wanting("2"), file, "the bump")
    origin.git("checkout", "-q", "main")
    origin.commit(b"x", "beside")
    origin.git("merge", "-q", "--no-ff", "-m", "the merge", "topic")
    for accepted in ("", first):
        assert asked_by(origin, accepted) == {"production": "the merge"}
    assert asked_by(origin, topic) == {"production": "the bump"}


def test_a_revert_of_the_head_is_named_where_it_takes_one_app_back(origin: Origin) -> None:
    """Not of a commit that changed the file of another app, too."""

    def reverted() -> tuple[str, str] | None:
        source = origin.source(path="apps")
        found = source.reverted(source.newest().revision.commit, "a")
        return found and (" ".join(found[0]), found[1].production.version)

    file = "apps/a.yaml"
    origin.commit(wanting("1"), file, "the first")
    bump = origin.commit(wanting("2"), file, "the bump")
    assert reverted() == (f"git revert {bump[:7]}", "1")
    (origin.path / file).write_bytes(wanting("3"))
    origin.git("add", file)
    origin.commit(wanting("3"), "apps/b.yaml", "two apps")
    assert reverted() is None


def test_a_wish_of_long_ago_is_named_inexactly(origin: Origin) -> None:
    """A thousand commits are read, and no more."""
    origin.commit(wanting("1"), "apps/a.yaml", "the first")
    tip = origin.git("rev-parse", "HEAD")
    who = "S <s@x> 1795348800 +0000"
    lines = []
    for number in range(1, 1002):
        lines.append(f"commit refs/heads/main\nmark :{number}\nauthor {who}\ncommitter {who}\n")
        lines.append(f"data 4\nmany\nfrom {f':{number - 1}' if number > 1 else tip}\n\n")
    origin.git("fast-import", "--quiet", data="".join(lines).encode())
    assert asked_by(origin, tip) == {"production": "many?"}
    origin.git("update-ref", "refs/heads/main", "main~1")
    assert asked_by(origin, tip) == {"production": "the first"}
