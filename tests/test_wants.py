"""What Git wants of each app, and what was accepted before: on real repositories."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gitslot.edges.git.signed_changes import Rule
from gitslot.edges.git.source import GitSource
from gitslot.edges.git.ssh_signatures import read_signers
from gitslot.errors import JournalError, JournalMoved, SignatureRefused, SourceError
from gitslot.record.accepted import NAME, Accepted, AcceptedBlob
from gitslot.state.remembered import Asked, Memory, SlotMemory
from gitslot.state.wanted import App, Desired, Doubt, Revision
from gitslot.wants import Wants
from reliability.memory_blobs import MemoryBlobs
from tests.edges.git.signing import APP, Key, Works, ed25519_key, wanting


@dataclass
class Branch:
    """A repository, what is watched in it, and a controller's process on both."""

    works: Works
    path: str = "desired_state.yaml"
    signers: tuple[Key, ...] = ()
    blobs: MemoryBlobs = field(default_factory=MemoryBlobs)
    allowed: frozenset[str] = frozenset()
    trusted: frozenset[str] = frozenset()
    on_rewrite: str = "freeze"

    def __post_init__(self) -> None:
        self.tip = ""
        self.start()

    def start(self) -> None:
        """Start the process anew."""
        lines = "\n".join(f"sam {key.line}" for key in self.signers)
        self.wants = Wants(
            GitSource(str(self.works.path), "main", self.path),
            AcceptedBlob(self.blobs),
            lambda: 0.0,
            self.on_rewrite,
            self.allowed,
            Rule(read_signers(lines), self.trusted) if self.signers else None,
        )

    def push(self, files: dict[str, str] | str, key: Key | None = None) -> str:
        """Push a commit that holds *files*, or one that is the whole of what is watched."""
        files = {self.path: files} if isinstance(files, str) else files
        return self.point(self.works.files(files, self.tip, key=key))

    def point(self, commit: str) -> str:
        self.tip = self.works.point(commit)
        return commit

    def look(self, *names: str) -> dict[str, str]:
        """Look as a pass does, accepting what may be; return what is found, by name."""
        desired = self.wants.desired()
        found = {name: self.wants.app(name, desired) for name in names or self.apps(desired)}
        if isinstance(desired, Desired):
            self.wants.accept(desired, desired.apps)
        return {name: self.word(each) for name, each in found.items()}

    def apps(self, desired: Desired | Doubt) -> list[str]:
        named = list(desired.apps) if isinstance(desired, Desired) else []
        return [*named, *self.wants.left(desired, lambda _: False)]

    @staticmethod
    def word(found: App | Doubt | None) -> str:
        if isinstance(found, App):
            return found.production.version
        return found.reason if found else "gone"

    @property
    def stored(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.blobs.read(NAME))
        return found


def folder(**versions: str) -> dict[str, str]:
    """Return a folder of files, by the name of each app."""
    return {f"apps/{name}.yaml": wanting(v).partition("\n")[2] for name, v in versions.items()}


@pytest.fixture
def branch(tmp_path: Path) -> Branch:
    """Give a branch with one file that wants A."""
    found = Branch(Works(tmp_path / "repo"))
    found.push(wanting("A"))
    return found


@pytest.fixture
def fleet(tmp_path: Path) -> Branch:
    """Give a branch with a folder of two apps."""
    found = Branch(Works(tmp_path / "repo"), "apps")
    found.push(folder(churn="A", fraud="A"))
    return found


# ---------------------------------------------------------------- accepted.json


def test_what_is_accepted_is_the_newest_commit_of_each_file(fleet: Branch) -> None:
    """Head and apps go on together, in one write; a look that changes nothing writes nothing."""
    first = fleet.tip
    assert fleet.look() == {"churn": "A", "fraud": "A"}
    assert fleet.stored == {"head": first, "apps": {"churn": first, "fraud": first}}
    fleet.look()
    second = fleet.push(folder(churn="A", fraud="A") | {"README": "x"})
    fleet.look()
    assert fleet.stored == {"head": second, "apps": {"churn": second, "fraud": second}}
    assert fleet.blobs.calls.count("store") == 2


def test_what_is_broken_or_new_is_accepted_when_it_may_be(fleet: Branch) -> None:
    """The entry of a file that is broken stays; the others go on."""
    first = fleet.tip
    fleet.look()
    broken = fleet.push(folder(churn="B", new="A") | {"apps/fraud.yaml": "model: ["})
    assert fleet.look() == {"churn": "B", "fraud": "FileInvalid", "new": "A"}
    apps = {"churn": broken, "fraud": first, "new": broken}
    assert fleet.stored == {"head": broken, "apps": apps}
    mended = fleet.push(folder(churn="B", fraud="B", new="A"))
    assert fleet.look()["fraud"] == "B"
    assert fleet.stored == {"head": mended, "apps": dict.fromkeys(apps, mended)}


def test_a_look_alone_accepts_nothing(fleet: Branch) -> None:
    """Status and plan ask, and store nothing."""
    desired = fleet.wants.desired()
    assert isinstance(fleet.wants.app("churn", desired), App)
    assert NAME not in fleet.blobs.names("")


def test_nothing_is_written_over_what_somebody_else_wrote(branch: Branch) -> None:
    """The other controller's word is read first."""
    branch.look()
    other = Branch(branch.works, blobs=branch.blobs)
    newer = branch.push(wanting("B"))
    desired = branch.wants.desired()
    assert isinstance(desired, Desired)
    assert isinstance(branch.wants.app(APP, desired), App)
    assert other.look() == {APP: "B"}
    with pytest.raises(JournalMoved):
        branch.wants.accept(desired, desired.apps)
    assert branch.look() == {APP: "B"}
    assert branch.stored["head"] == newer


@pytest.mark.parametrize("lost", ["store", "store-before"])
def test_a_lost_answer_is_looked_at_again(branch: Branch, lost: str) -> None:
    """It may have been written or not."""
    branch.blobs.lost = [lost]
    with pytest.raises(JournalError):
        branch.look()
    branch.look()
    assert branch.stored == {"head": branch.tip, "apps": {APP: branch.tip}}


def test_it_never_goes_back_to_an_ancestor(branch: Branch) -> None:
    """Not where an older commit is seen, and not where history may be rewritten."""
    first = branch.tip
    branch.look()
    second = branch.push(wanting("B"))
    branch.look()
    for on_rewrite, found in (("freeze", "HistoryRewritten"), ("follow", "A")):
        branch.on_rewrite = on_rewrite
        branch.start()
        branch.point(first)
        assert branch.look() == {APP: found}
        assert branch.stored == {"head": second, "apps": {APP: second}}
    branch.tip = first
    aside = branch.push(wanting("C"))
    assert branch.look() == {APP: "C"}
    assert branch.stored == {"head": aside, "apps": {APP: aside}}


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b'{"head": 1, "apps": {}}', b'{"head": "main", "apps": {}}', b"\xff"],
)
def test_what_cannot_be_read_is_a_doubt(branch: Branch, data: bytes) -> None:
    """It is never taken for nothing, and never written over."""
    branch.blobs.forge(NAME, data)
    with pytest.raises(JournalError):
        branch.look()
    desired = branch.wants.desired()
    found = branch.wants.app(APP, desired)
    assert isinstance(found, Doubt)
    assert found.reason == "AcceptedUnreadable"
    assert branch.blobs.read(NAME) == data


def test_it_reads_back_as_it_was_stored() -> None:
    """And gives what an app must go on from: its own commit, else the branch's."""
    blob = AcceptedBlob(blobs := MemoryBlobs())
    assert blob.read() == Accepted()
    assert not blob.read().there
    blob.write(kept := Accepted("a" * 40, {"churn": "b" * 40}))
    assert AcceptedBlob(blobs).read() == kept
    assert (kept.base("churn"), kept.base("fraud")) == ("b" * 40, "a" * 40)


# ---------------------------------------------------------------- rewritten history


def rewrite(fleet: Branch, **versions: str) -> str:
    """Push a history that the old one is no part of."""
    fleet.tip = ""
    return fleet.push(folder(**versions))


def test_rewritten_history_freezes_until_each_app_is_acknowledged(fleet: Branch) -> None:
    """Retry accepts the head that was seen, for that app alone; then the branch goes on."""
    first = fleet.tip
    fleet.look()
    head = rewrite(fleet, churn="B", fraud="B", new="A")
    frozen = dict.fromkeys(("churn", "fraud", "new"), "HistoryRewritten")
    assert fleet.look() == frozen
    person = Branch(fleet.works, "apps", blobs=fleet.blobs).wants
    assert person.acknowledge("churn", Revision(head))
    assert fleet.look() == {**frozen, "churn": "B"}
    assert fleet.stored == {"head": first, "apps": {"churn": head, "fraud": first}}
    assert not person.acknowledge("churn", Revision(head))
    for name in ("fraud", "new"):
        assert person.acknowledge(name, Revision(head))
    assert fleet.look() == {"churn": "B", "fraud": "B", "new": "A"}
    assert fleet.stored == {"head": head, "apps": dict.fromkeys(frozen, head)}


def test_only_what_the_person_saw_is_accepted(fleet: Branch) -> None:
    """A second force push after it freezes again."""
    fleet.look()
    head = rewrite(fleet, churn="B", fraud="B")
    assert fleet.wants.acknowledge("churn", Revision(head))
    rewrite(fleet, churn="C", fraud="C")
    assert fleet.look()["churn"] == "HistoryRewritten"


def test_retry_of_a_rewritten_history_is_no_way_around_signatures(signed: Branch) -> None:
    """What the new history changes must be signed as ever."""
    sam, stored = signed.signers[0], dict(signed.stored)
    signed.tip = ""
    unsigned = signed.push(wanting("B"))
    assert signed.look() == {APP: "HistoryRewritten"}
    with pytest.raises(SignatureRefused):
        signed.wants.acknowledge(APP, Revision(unsigned))
    assert signed.stored == stored
    signed.tip = ""
    good = signed.push(wanting("B"), sam)
    assert signed.wants.acknowledge(APP, Revision(good))
    assert signed.look() == {APP: "B"}


# ---------------------------------------------------------------- while Git is in doubt


def test_while_git_is_in_doubt_the_accepted_apps_are_looked_at(fleet: Branch) -> None:
    """No others: a broken branch makes up no app."""
    fleet.works.git("update-ref", "-d", "refs/heads/main")
    assert fleet.look() == {}
    fleet.point(fleet.tip)
    fleet.look()
    fleet.works.git("update-ref", "-d", "refs/heads/main")
    assert fleet.look() == dict.fromkeys(("churn", "fraud"), "RefGone")
    fleet.push({"README": "x"})
    assert fleet.look() == dict.fromkeys(("churn", "fraud"), "FileMissing")
    fleet.push({"apps/README": "x"})
    assert fleet.look() == dict.fromkeys(("churn", "fraud"), "FolderEmpty")


def test_a_deleted_file_lets_its_app_go(fleet: Branch) -> None:
    """Unless a swap of it is still under way; its entry stays for when it comes back."""
    first = fleet.tip
    fleet.look()
    gone = fleet.push(folder(churn="A"))
    desired = fleet.wants.desired()
    assert fleet.wants.left(desired, lambda _: True) == ["fraud"]
    assert fleet.wants.app("fraud", desired) is None
    assert fleet.wants.left(desired, lambda _: False) == []
    assert fleet.wants.left(desired, lambda _: True) == []  # not asked again for this commit
    fleet.look()
    assert fleet.stored == {"head": gone, "apps": {"churn": gone, "fraud": first}}


def test_apps_that_the_setting_does_not_name_are_left_to_others(fleet: Branch) -> None:
    """GITSLOT_APPS is the controller's, not the repository's; case makes no difference."""
    fleet.allowed = frozenset({"churn"})
    fleet.push(folder(Churn="A", fraud="A"))
    fleet.start()
    assert fleet.look() == {"Churn": "A"}
    desired = fleet.wants.desired()
    assert isinstance(desired, Desired) and desired.unlisted == ("fraud",)
    assert fleet.stored == {"head": fleet.tip, "apps": {"Churn": fleet.tip}}


# ---------------------------------------------------------------- signatures


@pytest.fixture
def signed(tmp_path: Path) -> Branch:
    """Give a branch with a signed file that was accepted."""
    found = Branch(Works(tmp_path / "repo"), signers=(ed25519_key(),))
    found.push(wanting("A"), found.signers[0])
    found.allowed, found.trusted = frozenset({APP}), frozenset({found.tip})
    found.start()
    assert found.look() == {APP: "A"}
    found.trusted = frozenset()
    found.start()
    return found


@pytest.fixture
def signed_fleet(tmp_path: Path) -> Branch:
    """Give a branch with a folder of signed files that were accepted."""
    found = Branch(Works(tmp_path / "repo"), "apps", (ed25519_key(),))
    found.push(folder(churn="A", fraud="A"), found.signers[0])
    found.allowed, found.trusted = frozenset({"churn", "fraud"}), frozenset({found.tip})
    found.start()
    assert found.look() == {"churn": "A", "fraud": "A"}
    found.allowed, found.trusted = frozenset(), frozenset()
    found.start()
    return found


def test_an_unsigned_commit_freezes_and_nothing_on_top_helps(signed: Branch) -> None:
    """Nor a restart; what was accepted stays."""
    first = signed.tip
    signed.push(wanting("B"))
    assert signed.look() == {APP: "CommitUnsigned"}
    signed.push(wanting("C"), signed.signers[0])
    assert signed.look() == {APP: "CommitUnsigned"}
    signed.start()
    assert signed.look() == {APP: "CommitUnsigned"}
    assert signed.stored == {"head": first, "apps": {APP: first}}


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize("together", [True, False])
def test_each_of_two_apps_steps_back_once_after_each_signed_bump(
    signed_fleet: Branch, together: bool, merged: bool
) -> None:
    """Bumped by one commit or by two, an unsigned merge between; a second step is refused."""
    sam = signed_fleet.signers[0]

    def change(version: str, before: str, key: Key | None = None) -> None:
        if not together:
            signed_fleet.push(folder(churn=version, fraud=before), key)
        signed_fleet.push(folder(churn=version, fraud=version), key)
        signed_fleet.start()

    for version in "BC":
        start = signed_fleet.tip
        change(version, "A", sam)
        if merged:  # by a button, which does not sign
            main = signed_fleet.works.files(
                {**folder(churn="A", fraud="A"), "README": version}, start
            )
            files = {**folder(churn=version, fraud=version), "README": version}
            signed_fleet.point(signed_fleet.works.files(files, main, signed_fleet.tip))
        assert signed_fleet.look() == dict.fromkeys(("churn", "fraud"), version)
        change("A", version)  # at 3 a.m., with no key
        assert signed_fleet.look() == dict.fromkeys(("churn", "fraud"), "A")
    tip = signed_fleet.tip
    for again in "BC0":
        signed_fleet.point(tip)
        signed_fleet.push(folder(churn=again, fraud="A"))
        assert signed_fleet.look("churn") == {"churn": "CommitUnsigned"}


def test_each_file_is_judged_from_its_own_accepted_commit(signed_fleet: Branch) -> None:
    """One team's unsigned change freezes its own app; the other goes on, and vouches for none."""
    sam = signed_fleet.signers[0]
    signed_fleet.push(folder(churn="B", fraud="A"))
    assert signed_fleet.look() == {"churn": "CommitUnsigned", "fraud": "A"}
    signed_fleet.push(folder(churn="B", fraud="B"), sam)
    assert signed_fleet.look() == {"churn": "CommitUnsigned", "fraud": "B"}
    signed_fleet.start()
    signed_fleet.push(folder(churn="C", fraud="B"), sam)
    assert signed_fleet.look() == {"churn": "CommitUnsigned", "fraud": "B"}
    signed_fleet.push(folder(churn="B", fraud="A"))  # one step back of fraud, and of churn
    assert signed_fleet.look() == {"churn": "CommitUnsigned", "fraud": "A"}


def test_a_new_file_is_judged_from_its_beginning(signed_fleet: Branch) -> None:
    """What was accepted for others says nothing of it."""
    sam = signed_fleet.signers[0]
    signed_fleet.push(folder(churn="A", fraud="A", evil="A"))
    assert signed_fleet.look()["evil"] == "CommitUnsigned"
    signed_fleet.push(folder(churn="A", fraud="A"), sam)
    signed_fleet.push(folder(churn="A", fraud="A", good="A"), sam)
    assert signed_fleet.look()["good"] == "A"


def test_an_unsigned_deletion_lets_nothing_go(signed_fleet: Branch) -> None:
    """Nor does a file in the folder's place; a signed one does."""
    signed_fleet.push(folder(churn="A"))
    assert signed_fleet.look() == {"churn": "A", "fraud": "CommitUnsigned"}
    signed_fleet.push({"apps": wanting("B", "other")})
    assert signed_fleet.look() == dict.fromkeys(("churn", "fraud", "other"), "CommitUnsigned")
    signed_fleet.push(folder(churn="A", fraud="A"))
    assert signed_fleet.look()["churn"] == "CommitUnsigned"


def test_a_signed_deletion_lets_its_app_go(signed_fleet: Branch) -> None:
    """As without signatures."""
    signed_fleet.push(folder(churn="A"), signed_fleet.signers[0])
    assert signed_fleet.look() == {"churn": "A"}


def test_a_refused_file_is_named_so_although_it_is_broken_too(signed: Branch) -> None:
    """Its signature comes first, and the app that it names wakes nobody."""
    signed.push("app: [broken")
    assert signed.look() == {APP: "CommitUnsigned"}


def test_a_file_that_moves_into_a_folder_needs_no_signature(signed: Branch) -> None:
    """Nothing of it changes; what comes with it or after it does."""
    moved = {f"{signed.path}/{APP}.yaml": wanting("A")}
    signed.push(moved)
    assert signed.look() == {APP: "A"}
    signed.push({f"{signed.path}/{APP}.yaml": wanting("B")})
    assert signed.look() == {APP: "CommitUnsigned"}


@pytest.mark.parametrize("apps", [False, True])
@pytest.mark.parametrize("trusted", [False, True])
def test_signatures_begin_with_what_somebody_has_read(
    tmp_path: Path, apps: bool, trusted: bool
) -> None:
    """Without `accepted.json`, GITSLOT_APPS and GITSLOT_TRUSTED_COMMIT are asked for."""
    found = Branch(Works(tmp_path / "repo"))
    found.push(wanting("A"))
    found.signers = (ed25519_key(),)
    found.allowed = frozenset({APP}) if apps else frozenset()
    found.trusted = frozenset({found.tip}) if trusted else frozenset()
    found.start()
    begins = apps and trusted
    assert found.look() == {APP: "A" if begins else "AcceptedMissing"}
    assert (NAME in found.blobs.names("")) == begins


def test_what_was_accepted_without_signatures_is_where_they_begin(branch: Branch) -> None:
    """An unsigned past needs no setting, once the controller has seen it."""
    branch.look()
    branch.signers = (ed25519_key(),)
    branch.start()
    assert branch.look() == {APP: "A"}
    branch.push(wanting("B"))
    assert branch.look() == {APP: "CommitUnsigned"}


# ---------------------------------------------------------------- who asked for it


def test_only_a_new_wish_is_looked_for(branch: Branch) -> None:
    """Else the journal tells; a process keeps what it has found."""
    head, app = _wanted(branch)
    assert branch.wants.asked_by(app, head, Memory())["production"] == head
    kept = Memory(
        slots={"production": SlotMemory(asked=Asked(app.wish("production"), Revision("f" * 40)))}
    )
    branch.start()
    assert branch.wants.asked_by(app, head, kept)["production"].commit == "f" * 40
    later = branch.push({branch.path: wanting("A"), "README": "x"})
    assert branch.wants.asked_by(app, Revision(later), kept)["production"].commit == "f" * 40
    new = branch.push(wanting("B"))
    branch.push({branch.path: wanting("B"), "README": "x"})
    newest, app = _wanted(branch)
    assert newest.commit != new
    assert branch.wants.asked_by(app, newest, kept)["production"].commit == new


def test_a_history_that_cannot_be_read_names_the_head_and_is_asked_again(
    branch: Branch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing waits for it."""
    first = branch.tip
    branch.push({branch.path: wanting("A"), "README": "x"})
    head, app = _wanted(branch)
    ask: Callable[..., dict[str, Revision]] = branch.wants.git.asked_by

    def broken(*_: object) -> dict[str, Revision]:
        raise SourceError("cannot read")

    monkeypatch.setattr(branch.wants.git, "asked_by", broken)
    found = branch.wants.asked_by(app, head, Memory())["production"]
    assert (found.commit, found.exact) == (head.commit, False)
    monkeypatch.setattr(branch.wants.git, "asked_by", ask)
    found = branch.wants.asked_by(app, head, Memory())["production"]
    assert (found.commit, found.exact) == (first, True)


def _wanted(branch: Branch) -> tuple[Revision, App]:
    desired = branch.wants.desired()
    app = branch.wants.app(APP, desired)
    assert isinstance(app, App)
    assert desired.revision is not None
    return desired.revision, app
