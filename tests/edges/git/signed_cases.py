"""
The cases of GITSLOT_VERIFY_COMMITS=range: one history each, and how it must be judged.

The same cases are put before git's own command line, in test_signed_changes_git.py.
"""

import base64
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.edges.git.signing import DAY, NOON, Key, Works, armor, attach, ed25519_key, text

OK = ""
GPG = (
    b"-----BEGIN PGP SIGNATURE-----\n\niHUEABYKAB0WIQTestTestTestTestTestTestTestTestAUCZ\n"
    b"=abcd\n-----END PGP SIGNATURE-----"
)


@dataclass
class Bench:
    """A repository whose accepted commit wants A, two signers, and one who may not sign."""

    works: Works
    sam: Key
    kim: Key
    eve: Key
    base: str
    signers: str
    revoked: str = ""  # public keys that git is told are revoked

    @property
    def commit(self) -> Callable[..., str]:
        return self.works.commit


def bench(folder: Path) -> Bench:
    works = Works(folder / "repo")
    sam, kim, eve = ed25519_key(), ed25519_key(), ed25519_key()
    base = works.point(works.commit("A", key=sam))
    signers = f'sam@example.net {sam.line}\nkim@example.net namespaces="git,file" {kim.line}\n'
    return Bench(works, sam, kim, eve, base, signers)


def stamp(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y%m%d%H%M%S}Z"


# ---------------------------------------------------------------- the cases


def good(b: Bench, line: str = "") -> str:
    """Sam signs B; *line* is what the list of signers then has before the key, and nothing else."""
    b.signers = f"{line} {b.sam.line}\n" if line else b.signers
    return b.commit("B", b.base, key=b.sam)


def reverted(b: Bench, content: str) -> str:
    return b.works.revert(bump := good(b), content, bump)


def revoked(b: Bench) -> str:
    """Ours is revoked by taking it out of the list, git's by a list of its own."""
    b.revoked = b.kim.line
    b.signers = b.signers.splitlines()[0] + "\n"
    return b.commit("B", b.base, key=b.kim)


def tampered_message(b: Bench) -> str:
    raw = b.works.payload("B", b.base)
    return b.works.write(attach(raw.replace(b"\nchange", b"\nchanged"), b.sam.sign(raw)))


def tampered_tree(b: Bench) -> str:
    raw, forged = b.works.payload("B", b.base), b.works.tree("C").encode()
    return b.works.write(attach(b"tree " + forged + raw[45:], b.sam.sign(raw)))


def signed_merge_of_unsigned(b: Bench) -> str:
    main = b.commit("A", b.base, other="main")
    side = b.commit("B", b.base)
    return b.commit("B", main, side, key=b.sam, other="main")


def malformed(b: Bench) -> str:
    raw = b.works.payload("B", b.base)
    whole = b.sam.sign(raw)
    cut = base64.b64decode(b"".join(whole.splitlines()[1:-1]))[:-9]
    return b.works.write(attach(raw, armor(cut)))


def certificate(b: Bench) -> str:
    """An authority vouches for eve; git would take it, we do not read certificates."""
    public = b.eve.blob[len(text(b"ssh-ed25519")) :]
    forever = struct.pack(">QQ", 0, 2**64 - 1)
    body = (
        text(b"ssh-ed25519-cert-v01@openssh.com")
        + text(b"n" * 32)
        + public
        + struct.pack(">QI", 1, 1)
    )
    body += (
        text(b"eve") + text(text(b"eve@example.net")) + forever + text(b"") * 3 + text(b.kim.blob)
    )
    blob = body + text(b.kim.raw(body))
    raw = b.works.payload("B", b.base)
    return b.works.write(attach(raw, b.eve.sign(raw, public=blob)))


# By name: the reason for which it is refused, and how its history is made.
CASES: dict[str, tuple[str, Callable[[Bench], str]]] = {
    "unsigned": ("CommitUnsigned", lambda b: b.commit("B", b.base)),
    "good": (OK, good),
    "wrong_key": ("SignerUnknown", lambda b: b.commit("B", b.base, key=b.eve)),
    "wrong_namespace": (
        "SignatureInvalid",
        lambda b: b.commit("B", b.base, key=b.sam, namespace=b"file"),
    ),
    "expired": ("SignerOutOfDate", lambda b: good(b, f'sam valid-before="{stamp(NOON - DAY)}"')),
    "not_yet_valid": (
        "SignerOutOfDate",
        lambda b: good(b, f'sam valid-after="{stamp(NOON + DAY)}"'),
    ),
    "revoked": ("SignerUnknown", revoked),
    "tampered_message": ("SignatureInvalid", tampered_message),
    "tampered_tree": ("SignatureInvalid", tampered_tree),
    "signed_merge_of_unsigned": ("CommitUnsigned", signed_merge_of_unsigned),
    "unsigned_revert": (OK, lambda b: reverted(b, "A")),
    "unsigned_revert_to_something_else": ("CommitUnsigned", lambda b: reverted(b, "C")),
    "unsigned_step_back": (OK, lambda b: b.commit("A", good(b))),
    "unsigned_revert_of_a_revert": (
        "CommitUnsigned",
        lambda b: b.works.revert(undo := reverted(b, "A"), "B", undo),
    ),
    "signed_on_unsigned": (
        "CommitUnsigned",
        lambda b: b.commit("C", b.commit("B", b.base), key=b.sam),
    ),
    "unsigned_beside_the_file": (OK, lambda b: b.commit("B", good(b), other="changed")),
    "gpg": (
        "SignatureUnsupported",
        lambda b: b.works.write(attach(b.works.payload("B", b.base), GPG)),
    ),
    "malformed": ("SignatureInvalid", malformed),
    "two_signers": (OK, lambda b: b.commit("C", good(b), key=b.kim)),
    "certificate": ("SignatureUnsupported", certificate),
}
