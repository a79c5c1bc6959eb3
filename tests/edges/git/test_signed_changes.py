"""Commit signatures: who signed, who may, and what of a history must be signed."""

import base64
import hashlib
import os
import struct
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from gitslot.edges import settings as settings_
from gitslot.edges.git.signed_changes import Rule
from gitslot.edges.git.source import GitSource
from gitslot.edges.git.ssh_signatures import read_signers, signed_by, verify
from gitslot.errors import SettingsError, SignatureRefused, SourceError
from reliability.cloud import APP
from tests.edges.git.signed_cases import CASES, Bench, bench
from tests.edges.git.signing import FILE, NOON, Key, armor, attach, ed25519_key, text, wanting
from tests.edges.git.test_source import Origin, trust
from tests.servers import serving

NOW = datetime.fromtimestamp(NOON, UTC)
RAW = (
    f"tree {'1' * 40}\nauthor S <s@x> {NOON} +0000\ncommitter S <s@x> {NOON} +0000\n\nbump\n"
).encode()


@pytest.fixture
def made(tmp_path: Path) -> Bench:
    """Give a repository with an accepted commit and two signers."""
    return bench(tmp_path)


def judge(
    made: Bench, tip: str, *, base: str | None = None, revert: bool = True, trusted: str = ""
) -> str:
    """Return the reason for which *tip* is refused, or nothing; *base* was accepted before."""
    rule = Rule(read_signers(made.signers), frozenset({trusted} - {""}), revert)
    source = GitSource(str(made.works.path), "main", FILE)
    try:
        source.vouched(tip, APP, rule, made.base if base is None else base)
    except (SignatureRefused, SourceError) as error:
        assert error.reason == "HistoryIncomplete" or "\n" not in error.message
        return error.reason
    return ""


@pytest.mark.parametrize("name", CASES)
def test_each_history_is_judged_by_name(made: Bench, name: str) -> None:
    """The cases that are put before git's own command line too."""
    expected, build = CASES[name]
    assert judge(made, build(made)) == expected


# ---------------------------------------------------------------- what must be signed


def test_a_refusal_names_the_commit_and_the_mend(made: Bench) -> None:
    """Whoever reads it knows which commit, what is wrong, and both ways out."""
    tip = made.commit("B", made.base, message="evil\x1b[31m")
    source = GitSource(str(made.works.path), "main", FILE)
    with pytest.raises(SignatureRefused) as caught:
        source.vouched(tip, APP, Rule(read_signers(made.signers)), made.base)
    message = caught.value.message
    assert message.startswith(f'{tip[:7]} "evil\\u001b[31m" changes the file: it carries no')
    assert f"GITSLOT_TRUSTED_COMMIT={tip}" in message


def test_without_an_accepted_commit_the_whole_history_counts(made: Bench) -> None:
    """One signed commit on top does not wash an older one."""
    start = made.commit("A")
    evil = made.commit("B", start, message="evil")
    tip = made.commit("C", evil, key=made.sam)
    assert judge(made, tip, base="") == "CommitUnsigned"
    assert judge(made, tip, base=evil) == ""


def test_a_signed_history_needs_no_accepted_commit(made: Bench) -> None:
    """The first look at a repository that was signed from its start."""
    assert judge(made, made.commit("B", made.base, key=made.kim), base="") == ""


def test_an_unsigned_merge_may_do_what_git_would_do(made: Bench) -> None:
    """A merge button cannot sign: where one side alone changed the file, it need not."""
    bump = made.commit("B", made.base, key=made.sam)
    beside = made.commit("A", made.base, other="x")
    assert judge(made, made.commit("B", bump, beside, other="x")) == ""
    assert judge(made, made.commit("B", beside, bump, other="x")) == ""


def test_an_unsigned_merge_must_not_choose_an_older_side(made: Bench) -> None:
    """Neither an old accepted version nor one from before the fork comes back by a merge."""
    bump = made.commit("B", made.base, key=made.sam)
    beside = made.commit("A", made.base, other="x")
    assert judge(made, made.commit("A", bump, beside)) == "CommitUnsigned"
    assert judge(made, made.commit("A", beside, bump)) == "CommitUnsigned"
    undo = made.commit("A", bump, key=made.sam)
    replay = made.commit("B", bump, other="x")
    assert judge(made, made.commit("B", undo, replay)) == "CommitUnsigned"
    assert judge(made, made.commit("B", undo, replay), base=undo) == "CommitUnsigned"


def test_an_unsigned_merge_must_not_decide_a_conflict(made: Bench) -> None:
    """Two signed changes: which of them wins is a signer's word."""
    one = made.commit("B", made.base, key=made.sam)
    two = made.commit("C", made.base, key=made.kim)
    for content in ("B", "C", "D"):
        assert judge(made, made.commit(content, one, two)) == "CommitUnsigned"
    assert judge(made, made.commit("C", one, two, key=made.sam)) == ""


def test_an_unrelated_history_cannot_be_merged_in_unsigned(made: Bench) -> None:
    """A root of its own has no common past to compare with."""
    other = made.commit("E")
    assert judge(made, made.commit("A", made.base, other)) == "CommitUnsigned"
    signed = made.commit("E", key=made.sam)
    assert judge(made, made.commit("E", made.base, signed)) == "CommitUnsigned"


def test_deleting_the_file_and_its_mode_count_as_changes(made: Bench) -> None:
    """Both would be acted upon."""
    gone = made.commit(None, made.base)
    assert judge(made, gone) == "CommitUnsigned"
    assert judge(made, made.commit("A", gone)) == "CommitUnsigned"
    listing = made.works.git("ls-tree", made.base).replace("100644 blob", "120000 blob", 1)
    tree = made.works.git("mktree", data=listing.encode() + b"\n")
    raw = made.works.payload("A", made.base)
    assert judge(made, made.works.write(b"tree " + tree.encode() + raw[45:])) == "CommitUnsigned"


def test_a_shallow_copy_is_incomplete_and_not_trusted(made: Bench) -> None:
    """A history with a hole proves nothing."""
    assert judge(made, made.commit("B", "1" * 40, key=made.sam)) == "HistoryIncomplete"


def test_a_forged_object_is_not_what_its_name_says(made: Bench) -> None:
    """Whoever writes into the object store cannot change what was signed."""
    tip = made.commit("B", made.base, key=made.sam)
    other = made.commit("C", made.base)
    objects = made.works.path / ".git/objects"
    for victim, forged in (
        (tip, other),
        (made.works.git("rev-parse", f"{tip}^{{tree}}"), made.works.tree("C")),
    ):
        place = objects / victim[:2] / victim[2:]
        kept = place.read_bytes()
        place.chmod(0o600)
        place.write_bytes((objects / forged[:2] / forged[2:]).read_bytes())
        assert judge(made, tip) in ("ObjectForged", "GitUnreachable")
        place.write_bytes(kept)
    assert judge(made, tip) == ""


def test_over_https_only_commits_and_the_needed_trees_come(
    made: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same verdicts, from a server that sends no other file's bytes."""
    big = os.urandom(300_000).hex()
    good = made.commit("B", made.commit("B", made.base, key=made.sam, other=big), other=big)
    evil = made.commit("C", good, other=big)
    origin = Origin(made.works.path, made.works.env)
    trust(monkeypatch, tmp_path / "cert.pem")
    rule = Rule(read_signers(made.signers))
    with serving(tmp_path, origin.respond) as address:
        source = GitSource(f"{address}/{made.works.path.name}", "main", FILE)
        assert source.vouched(made.works.point(good), APP, rule, made.base) == 1
        made.works.point(evil)
        with pytest.raises(SignatureRefused) as caught:
            source.vouched(evil, APP, rule, made.base)
    assert caught.value.reason == "CommitUnsigned"
    assert origin.sent < 20_000


@pytest.mark.long
@pytest.mark.parametrize("name", CASES)
def test_each_history_is_judged_alike_over_https(
    made: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Where no commit is there before it is asked for."""
    expected, build = CASES[name]
    tip = made.works.point(build(made))
    made.works.git("config", "uploadpack.allowFilter", "true")
    origin, found = Origin(made.works.path, made.works.env), ""
    with serving(tmp_path, origin.respond) as address:
        trust(monkeypatch, tmp_path / "cert.pem")
        source = GitSource(f"{address}/{made.works.path.name}", "main", FILE)
        try:
            source.vouched(tip, APP, Rule(read_signers(made.signers)), made.base)
        except SignatureRefused as error:
            found = error.reason
    assert found == expected
    assert len(origin.asked) <= 10


# ---------------------------------------------------------------- the unsigned revert


def test_the_night_shifts_revert_can_be_forbidden(made: Bench) -> None:
    """GITSLOT_ALLOW_UNSIGNED_REVERT=off."""
    bump = made.commit("B", made.base, key=made.sam)
    assert judge(made, made.works.revert(bump, "A", bump), revert=False) == "CommitUnsigned"


def test_an_accepted_bump_can_be_undone_after_other_commits(made: Bench) -> None:
    """Commits beside the file do not stand between."""
    bump = made.commit("B", made.base, key=made.sam)
    beside = made.commit("B", bump, other="x")
    assert judge(made, made.works.revert(bump, "A", beside), base=beside) == ""


def test_an_unsigned_revert_goes_back_one_step_and_no_further(made: Bench) -> None:
    """Whoever cannot sign does not wander through old versions, and not forward."""
    one = made.commit("B", made.base, key=made.sam)
    two = made.commit("C", one, key=made.sam)
    assert judge(made, made.works.revert(one, "A", two)) == "CommitUnsigned"
    undo = made.works.revert(two, "B", two)
    assert judge(made, undo) == ""
    assert judge(made, made.works.revert(one, "A", undo)) == "CommitUnsigned"
    assert judge(made, made.works.revert(one, "A", undo), base=undo) == "CommitUnsigned"
    assert judge(made, made.works.revert(undo, "C", undo), base=undo) == "CommitUnsigned"


def test_a_signed_revert_of_a_revert_is_a_commit_like_any_other(made: Bench) -> None:
    """Its signer decides; and it can be undone unsigned again."""
    bump = made.commit("B", made.base, key=made.sam)
    undo = made.works.revert(bump, "A", bump)
    redo = made.works.revert(undo, "B", undo, key=made.sam)
    assert judge(made, redo) == ""
    assert judge(made, made.works.revert(redo, "A", redo)) == ""


def test_what_the_message_names_does_not_count(made: Bench) -> None:
    """The file does: a bump back to the old version is as good as a revert."""
    aside = made.commit("Z", made.base, key=made.sam)
    assert judge(made, made.works.revert(aside, "A", made.base)) == ""  # it changes nothing
    bump = made.commit("B", made.base, key=made.sam)
    for named in (bump, aside, "1" * 40):
        assert judge(made, made.works.revert(named, "A", bump)) == ""
        assert judge(made, made.works.revert(named, "Z", bump)) == "CommitUnsigned"
    assert judge(made, made.commit("A", bump)) == ""


def test_a_step_back_changes_production_and_nothing_else(made: Bench) -> None:
    """Comments do not count; another key, slot or a deletion does."""
    old = wanting("A").replace("iris", "rose")
    start = made.commit(old, made.base, key=made.sam)
    new = wanting("{version: B, code: c1}") + "  canary: x\n"
    bump = made.commit(new, made.commit(old + "  canary: x\n", start, key=made.sam), key=made.sam)
    back = f"# back\n{old}  canary: x\n"  # model, version and code are one wish
    assert judge(made, made.commit(back, bump)) == ""
    for more in (
        old,
        back.replace("canary: x", "canary: y"),
        back.replace("slots:", "drift: report\nslots:"),
        back.replace("slots:", 'suspend: "x"\nslots:'),
        back.replace("production: A", "production: {version: A, code: c2}"),
        f"# only a comment\n{new}",
        back.replace("app: app", "app: other"),
        "app: [\n",
        None,
    ):
        assert more != back
        assert judge(made, made.commit(more, bump)) == "CommitUnsigned", more


def test_changes_of_other_keys_do_not_stand_between(made: Bench) -> None:
    """It is the newest change of production's wish that counts, and its own signature."""
    bump = made.commit("B", made.base, key=made.sam)
    noted = made.commit(wanting("B", more="drift: report\n"), bump, key=made.kim)
    back = wanting("A", more="drift: report\n")
    assert judge(made, made.commit(back, noted)) == ""
    unsigned = made.commit("B", made.base)
    noted = made.commit(wanting("B", more="drift: report\n"), unsigned, key=made.kim)
    assert judge(made, made.commit(back, noted), base=noted) == "CommitUnsigned"
    assert judge(made, made.commit(back, noted), base=noted, trusted=unsigned) == ""


def test_a_revert_of_a_merge_goes_back_to_the_main_line(made: Bench) -> None:
    """As `git revert -m 1` does, where the merge brought one change, signed or merged unsigned."""
    bump = made.commit("B", made.base, key=made.sam)
    for key in (made.sam, None):
        merge = made.commit("B", made.base, bump, key=key)
        assert judge(made, made.works.revert(merge, "A", merge)) == ""
    more = made.commit("C", bump, key=made.sam)
    merge = made.commit("C", made.base, more)
    assert judge(made, made.works.revert(merge, "A", merge)) == "CommitUnsigned"


def test_a_merge_made_for_the_purpose_gives_no_way_far_back(made: Bench) -> None:
    """A merge of an ancestor is Git's to make, and its revert would skip all between."""
    tip = made.base
    for content in "BCD":
        tip = made.commit(content, tip, key=made.sam)
    merge = made.commit("D", made.base, tip)
    assert judge(made, merge) == ""
    assert judge(made, made.works.revert(merge, "A", merge), base=merge) == "CommitUnsigned"


# ---------------------------------------------------------------- the list of signers


def test_every_kind_of_key_that_git_signs_with_is_read() -> None:
    """Ed25519, the three curves, RSA."""
    for private in (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP384R1()),
        ec.generate_private_key(ec.SECP521R1()),
        rsa.generate_private_key(65537, 2048),
    ):
        key = Key(private)
        signers = read_signers(f"sam {key.line} a comment")
        for algorithm in ("sha256", "sha512"):
            assert verify(RAW, key.sign(RAW, algorithm=algorithm), signers, NOW) == signers[0]
        with pytest.raises(SignatureRefused):
            verify(RAW + b"x", key.sign(RAW), signers, NOW)


def test_a_security_key_must_have_been_touched() -> None:
    """What a FIDO token signs holds its flags."""
    token, name = ed25519_key(), b"sk-ssh-ed25519@openssh.com"
    blob = text(name) + token.blob[len(text(b"ssh-ed25519")) :] + text(b"ssh:")
    signers = read_signers(f"sam {name.decode()} {base64.b64encode(blob).decode()}")
    named = text(b"git") + text(b"") + text(b"sha512")
    signed = b"SSHSIG" + named + text(hashlib.sha512(RAW).digest())
    for flags, right in ((1, True), (0, False)):
        tail = bytes([flags]) + struct.pack(">I", 7)
        data = hashlib.sha256(b"ssh:").digest() + tail + hashlib.sha256(signed).digest()
        made = text(name) + token.raw(data)[len(text(b"ssh-ed25519")) :] + tail
        whole = armor(b"SSHSIG" + struct.pack(">I", 1) + text(blob) + named + text(made))
        if right:
            assert verify(RAW, whole, signers, NOW) == signers[0]
        else:
            with pytest.raises(SignatureRefused):
                verify(RAW, whole, signers, NOW)


def test_one_line_that_holds_is_enough() -> None:
    """A renewed signer stands in the list twice."""
    key = ed25519_key()
    signers = read_signers(
        f"# people\n\nsam valid-before=20250101Z {key.line}\nsam valid-after=20260101 {key.line}\n"
    )
    assert verify(RAW, key.sign(RAW), signers, NOW) == signers[1]


@pytest.mark.parametrize(
    ("namespaces", "right"),
    [("git", True), ("g*", True), ("*", True), ("file", False), ("*,!git", False), ("g?", False)],
)
def test_a_signer_signs_for_the_namespaces_of_its_line(namespaces: str, right: bool) -> None:
    """Patterns as OpenSSH reads them."""
    key = ed25519_key()
    signers = read_signers(f'sam namespaces="{namespaces}" {key.line}')
    if right:
        assert verify(RAW, key.sign(RAW), signers, NOW) == signers[0]
        return
    with pytest.raises(SignatureRefused) as caught:
        verify(RAW, key.sign(RAW), signers, NOW)
    assert caught.value.reason == "SignerNotAllowed"


KEY = ed25519_key(b"k" * 32).line  # the same in every worker


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "names no signer"),
        ("# nothing", "names no signer"),
        ("sam", "expected `principals"),
        (KEY, "expected `principals"),
        (f"sam ssh-dss {KEY.split()[1]}", "expected `principals"),
        (f"sam ssh-rsa {KEY.split()[1]}", "not of the type"),
        ("sam ssh-ed25519 AAAA", "cannot be read"),
        (f"*@x cert-authority {KEY}", "cert-authority is not supported"),
        (f"sam verify-required {KEY}", "`verify-required` is not supported"),
        (f"sam valid-after=tomorrow {KEY}", "`tomorrow` is not YYYYMMDD"),
        (f"sam valid-before=20261301 {KEY}", "`20261301` is not YYYYMMDD"),
    ],
)
def test_a_list_that_cannot_be_honoured_is_refused_by_line(line: str, words: str) -> None:
    """A restriction that is not understood must not be passed over."""
    with pytest.raises(SettingsError) as caught:
        read_signers(line)
    assert words in caught.value.message


def test_two_signatures_in_one_commit_are_refused() -> None:
    """Which one counts must not be a question."""
    key = ed25519_key()
    once = attach(RAW, key.sign(RAW))
    for raw in (attach(once, key.sign(RAW)), attach(RAW, key.sign(RAW), b"gpgsig-sha256")):
        with pytest.raises(SignatureRefused) as caught:
            signed_by(raw, read_signers(f"sam {key.line}"))
        assert caught.value.reason == "SignatureInvalid"


FIXED = ed25519_key(b"h" * 32)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_bytes_are_refused_or_signed(data: st.DataObject) -> None:
    """One changed byte anywhere never passes, and nothing but SignatureRefused comes out."""
    raw = attach(RAW, FIXED.sign(RAW))
    at = data.draw(st.integers(0, len(raw) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != raw[at]))
    changed = raw[:at] + bytes([byte]) + raw[at + 1 :]
    try:
        signed_by(changed, read_signers(f"sam {FIXED.line}"))
    except SignatureRefused:
        return
    # Only white space inside the armor may differ.
    assert b"".join(changed.split()) == b"".join(raw.split())


# ---------------------------------------------------------------- settings


def environ(**more: str) -> dict[str, str]:
    return {
        "GITSLOT_REPO": "https://localhost/x",
        "GITSLOT_STORAGE": "https://localhost",
        "GITSLOT_VERIFY_COMMITS": "range",
        "GITSLOT_ALLOWED_SIGNERS": f"sam {KEY}",
        **more,
    }


def test_signatures_are_off_unless_asked_for() -> None:
    """And with `range`, an unsigned revert is allowed unless it is not."""
    assert settings_.read(environ(GITSLOT_VERIFY_COMMITS="")).vouch is None
    asked = settings_.read(environ()).vouch
    assert asked is not None
    assert asked.unsigned_revert
    other = settings_.read(environ(GITSLOT_ALLOW_UNSIGNED_REVERT="off")).vouch
    assert other == replace(asked, unsigned_revert=False)


def test_the_list_comes_as_text_or_as_a_file(tmp_path: Path) -> None:
    """Lines may be written out where a setting holds none."""
    file = tmp_path / "allowed"
    file.write_text(f"sam {KEY}\nkim {KEY}\n")
    from_file = settings_.read(environ(GITSLOT_ALLOWED_SIGNERS=str(file))).vouch
    from_text = settings_.read(environ(GITSLOT_ALLOWED_SIGNERS=f"sam {KEY}\\nkim {KEY}")).vouch
    assert from_file == from_text
    assert from_file is not None
    assert len(from_file.signers) == 2


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("GITSLOT_VERIFY_COMMITS", "head", "must be off or range"),
        ("GITSLOT_ALLOWED_SIGNERS", "", "names no signer"),
        ("GITSLOT_ALLOWED_SIGNERS", "/no/such/file", "cannot be read"),
        ("GITSLOT_ALLOWED_SIGNERS", "a b c", "line 1"),
        ("GITSLOT_ALLOW_UNSIGNED_REVERT", "maybe", "must be on or off"),
        ("GITSLOT_TRUSTED_COMMIT", "HEAD", "40 hex digits"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str, words: str) -> None:
    """A guard that cannot be read stops the controller; it is never taken for off."""
    with pytest.raises(SettingsError) as caught:
        settings_.read(environ(**{name: value}))
    assert name in caught.value.message
    assert words in caught.value.message


def test_a_list_in_the_watched_repository_is_refused(tmp_path: Path) -> None:
    """Whoever can push must not choose who may sign."""
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo/allowed").write_text(f"sam {KEY}\n")
    with pytest.raises(SettingsError) as caught:
        settings_.read(
            environ(
                GITSLOT_REPO=str(tmp_path / "repo"),
                GITSLOT_ALLOWED_SIGNERS=str(tmp_path / "repo/../repo/allowed"),
            )
        )
    assert "watched repository" in caught.value.message
