"""
Check SSH signatures of commits against a list of allowed signers.

Pure; the bytes are untrusted. Formats: OpenSSH's PROTOCOL.sshsig and PROTOCOL.key, ssh-keygen(1)
"ALLOWED SIGNERS", and how `git verify-commit` calls ssh-keygen: namespace "git", and the signer
must have been allowed at the committer date. What cannot be checked here (GPG, X.509, certificates,
SHA-1) is refused by name, never ignored.
"""

import base64
import binascii
import fnmatch
import hashlib
import re
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from gitslot.errors import SettingsError, SignatureRefused
from gitslot.state.safe_text import safe

NAMESPACE = "git"
MAX_COMMIT = 1024 * 1024  # bytes
_MAX_ARMOR = 16 * 1024
_RSA_BITS = range(2048, 8193)
_BEGIN, _END = b"-----BEGIN SSH SIGNATURE-----", b"-----END SSH SIGNATURE-----"
_USER_PRESENT = 0x01
_RSA_HASHES = {b"rsa-sha2-256": hashes.SHA256(), b"rsa-sha2-512": hashes.SHA512()}
_CURVE_HASHES = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}
_TYPES = frozenset(
    {"ssh-ed25519", "ssh-rsa", "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"}
    | {f"ecdsa-sha2-nistp{size}" for size in _CURVE_HASHES}
)
_Public: TypeAlias = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey


@dataclass(frozen=True, slots=True)
class Signer:
    """One line of the list: *key* is the public key's blob; times are UTC, None means no limit."""

    principals: str
    key: bytes
    namespaces: tuple[str, ...] = ()
    after: datetime | None = None
    before: datetime | None = None

    def in_time(self, moment: datetime) -> bool:
        """Say whether the line is valid at *moment*."""
        return (self.after is None or self.after <= moment) and (
            self.before is None or moment < self.before
        )


# ---------------------------------------------------------------- the list


def read_signers(text: str) -> tuple[Signer, ...]:
    """
    Read *text* as an allowed_signers file.

    Times without `Z` are read as UTC. Raises SettingsError, which names the line and what is wrong
    with it, or that there is no signer at all.
    """
    signers = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                signers.append(_signer(line.strip()))
            except ValueError as error:
                raise SettingsError(f"GITSLOT_ALLOWED_SIGNERS, line {number}: {error}") from None
    if not signers:
        raise SettingsError("GITSLOT_ALLOWED_SIGNERS names no signer")
    return tuple(signers)


_WORD = re.compile(r'(?:"[^"]*"|[^\s"])+')


def _signer(line: str) -> Signer:
    words = _WORD.findall(line)
    found = [i for i, word in enumerate(words[1:], 1) if word in _TYPES]
    if not found or found[0] > 2 or len(words) <= found[0] + 1:
        known = ", ".join(sorted(_TYPES))
        raise ValueError(f"expected `principals [options] type key`, the type one of {known}")
    at = found[0]
    try:
        key = base64.b64decode(words[at + 1], validate=True)
        kind, _ = _public(key)
    except (ValueError, binascii.Error) as error:
        raise ValueError("the key cannot be read") from error
    if kind != words[at]:
        raise ValueError(f"the key is not of the type {words[at]}")
    namespaces: tuple[str, ...] = ()
    after = before = None
    for option in _options(words[1]) if at == 2 else ():
        name, _, value = option.partition("=")
        value = value.strip('"')
        match name.lower():
            case "namespaces" if value:
                namespaces = tuple(value.split(","))
            case "valid-after" if value:
                after = _moment(value)
            case "valid-before" if value:
                before = _moment(value)
            case "cert-authority":
                raise ValueError("cert-authority is not supported; list the signers' own keys")
            case _:
                raise ValueError(f"the option `{safe(name, 60)}` is not supported")
    return Signer(words[0].strip('"'), key, namespaces, after, before)


def _options(text: str) -> list[str]:
    return re.findall(r'(?:"[^"]*"|[^,"])+', text)


def _moment(text: str) -> datetime:
    digits = text.removesuffix("Z")
    form = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}.get(len(digits))
    try:
        if form is None or not digits.isdigit():
            raise ValueError
        return datetime.strptime(digits, form).replace(tzinfo=UTC)
    except ValueError:
        raise ValueError(f"`{safe(text, 40)}` is not YYYYMMDD[HHMM[SS]][Z]") from None


# ---------------------------------------------------------------- a commit


def _invalid(message: str) -> SignatureRefused:
    return SignatureRefused(message, reason="SignatureInvalid")


def split(raw: bytes) -> tuple[bytes, bytes, datetime]:
    """
    Split the commit *raw* into the signed bytes, the signature and the committer date.

    Raises SignatureRefused: CommitUnsigned, or SignatureInvalid if there are several.
    """
    if len(raw) > MAX_COMMIT:
        raise _invalid("the commit is too large")
    head, gap, body = raw.partition(b"\n\n")
    kept: list[bytes] = []
    signatures: list[list[bytes]] = []
    inside = False
    for line in head.split(b"\n"):
        if line.startswith(b"gpgsig"):
            inside = True
            name, _, first = line.partition(b" ")
            if name != b"gpgsig":
                raise _invalid(
                    f"the header {safe(name.decode('ascii', 'replace'), 30)} is not supported"
                )
            signatures.append([first])
        elif inside and line.startswith(b" "):
            signatures[-1].append(line[1:])
        else:
            inside = False
            kept.append(line)
    if not signatures:
        raise SignatureRefused("it carries no signature", reason="CommitUnsigned")
    if len(signatures) > 1:
        raise _invalid("it carries two signatures")
    return b"\n".join(kept) + gap + body, b"\n".join(signatures[0]), _committed(kept)


def _committed(head: list[bytes]) -> datetime:
    lines = [line for line in head if line.startswith(b"committer ")]
    match = re.search(rb"> (\d{1,12}) [+-]\d{4}$", lines[0]) if len(lines) == 1 else None
    if match is None:
        raise _invalid("it has no date")
    try:
        return datetime.fromtimestamp(int(match[1]), UTC)
    except (OverflowError, ValueError, OSError):
        raise _invalid("it has no date") from None


def signed_by(raw: bytes, signers: tuple[Signer, ...]) -> Signer:
    """
    Return the one of *signers* who signed the commit *raw*; its own date is used.

    Raises SignatureRefused: CommitUnsigned, SignatureUnsupported, SignatureInvalid, SignerUnknown,
    SignerNotAllowed (namespace) or SignerOutOfDate.
    """
    payload, signature, moment = split(raw)
    return verify(payload, signature, signers, moment)


def verify(
    payload: bytes, signature: bytes, signers: tuple[Signer, ...], moment: datetime
) -> Signer:
    """Return the one of *signers* who signed *payload* at *moment*; see `signed_by`."""
    key, namespace, algorithm, made = _parse(signature)
    if namespace != NAMESPACE.encode():
        shown = safe(namespace.decode("utf-8", "replace"), 40)
        raise _invalid(f'it is signed for "{shown}", not "git"')
    if b"-cert-v" in key[:60]:
        raise SignatureRefused(
            "it is signed with a certificate; only plain keys are checked",
            reason="SignatureUnsupported",
        )
    listed = [signer for signer in signers if signer.key == key]
    if not listed:
        raise SignatureRefused(
            f"its signer {fingerprint(key)} is not among the allowed", reason="SignerUnknown"
        )
    inner = hashlib.new(algorithm, payload, usedforsecurity=True).digest()
    signed = b"SSHSIG" + b"".join(map(_string, (namespace, b"", algorithm.encode(), inner)))
    _check(key, made, signed)
    for_git = [signer for signer in listed if _covers(signer)]
    if not for_git:
        raise SignatureRefused(
            f"its signer {safe(listed[0].principals, 80)} may not sign for Git",
            reason="SignerNotAllowed",
        )
    for signer in for_git:
        if signer.in_time(moment):
            return signer
    raise SignatureRefused(
        f"its signer {safe(for_git[0].principals, 80)} is not allowed at {moment:%Y-%m-%d %H:%M}Z",
        reason="SignerOutOfDate",
    )


def _covers(signer: Signer) -> bool:
    """Say whether *signer*'s namespaces, an OpenSSH pattern list, include "git"."""
    if not signer.namespaces:
        return True
    if any(p.startswith("!") and _matches(p[1:]) for p in signer.namespaces):
        return False
    return any(not p.startswith("!") and _matches(p) for p in signer.namespaces)


def _matches(pattern: str) -> bool:
    return fnmatch.fnmatchcase(NAMESPACE, pattern.strip().replace("[", "[[]"))


def fingerprint(key: bytes) -> str:
    """Return the fingerprint of a public key as `ssh-keygen -l` prints it."""
    digest = base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")
    return f"SHA256:{digest}"


# ---------------------------------------------------------------- the signature's bytes


class _Reader:
    """Read strings of the SSH wire format; raise ValueError for anything malformed."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, size: int) -> bytes:
        if size > len(self._data) - self._at:
            raise ValueError("cut short")
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self) -> int:
        return int(struct.unpack(">I", self.take(4))[0])

    def text(self) -> bytes:
        return self.take(self.number())

    def integer(self) -> int:
        data = self.text()
        if len(data) > 1025 or (data and data[0] & 0x80):
            raise ValueError("an integer out of range")
        return int.from_bytes(data)

    @property
    def ended(self) -> bool:
        return self._at == len(self._data)

    def end(self) -> None:
        if not self.ended:
            raise ValueError("trailing bytes")


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _parse(armored: bytes) -> tuple[bytes, bytes, str, bytes]:
    """Return public key, namespace, hash and inner signature."""
    text = armored.strip()
    if not text.startswith(_BEGIN):
        kind = "GPG" if b"BEGIN PGP" in text[:40] else "X.509" if b"SIGNED" in text[:40] else "odd"
        raise SignatureRefused(
            f"it carries a {kind} signature; only SSH signatures are checked",
            reason="SignatureUnsupported",
        )
    try:
        if len(text) > _MAX_ARMOR or not text.endswith(_END):
            raise ValueError("cut short or too long")
        body = b"".join(text[len(_BEGIN) : -len(_END)].split())
        reader = _Reader(base64.b64decode(body, validate=True))
        if reader.take(6) != b"SSHSIG" or reader.number() != 1:
            raise ValueError("not version 1")
        key, namespace, reserved = reader.text(), reader.text(), reader.text()
        algorithm, made = reader.text().decode("ascii"), reader.text()
        reader.end()
        if reserved or algorithm not in ("sha256", "sha512"):
            raise ValueError("unknown fields")
    except (ValueError, binascii.Error) as error:
        raise _invalid("its signature cannot be read") from error
    return key, namespace, algorithm, made


def _check(key: bytes, made: bytes, signed: bytes) -> None:
    try:
        reader = _Reader(made)
        algorithm, blob = reader.text(), reader.text()
        kind, public = _public(key)
        if kind.startswith("sk-"):  # PROTOCOL.u2f: the bytes that a security key signs
            flags, counter = reader.take(1), reader.take(4)
            if not flags[0] & _USER_PRESENT:
                raise ValueError("nobody touched the key")
            application = hashlib.sha256(_last_text(key)).digest()
            signed = application + flags + counter + hashlib.sha256(signed).digest()
        reader.end()
        if algorithm not in (_RSA_HASHES if kind == "ssh-rsa" else {kind.encode()}):
            raise ValueError("not the key's own kind of signature, or not a hash to be trusted")
        if isinstance(public, rsa.RSAPublicKey):
            public.verify(blob, signed, padding.PKCS1v15(), _RSA_HASHES[algorithm])
        elif isinstance(public, ed25519.Ed25519PublicKey):
            public.verify(blob, signed)
        else:
            pair = _Reader(blob)
            r, s = pair.integer(), pair.integer()
            pair.end()
            hash_ = ec.ECDSA(_CURVE_HASHES[public.key_size])
            public.verify(encode_dss_signature(r, s), signed, hash_)
    except (ValueError, InvalidSignature, UnsupportedAlgorithm) as error:
        raise _invalid("its signature does not fit its content") from error


def _public(blob: bytes) -> tuple[str, _Public]:
    """Return type and public key of *blob*; raise ValueError where it cannot be read."""
    kind = _Reader(blob).text().decode("ascii")
    if kind not in _TYPES:
        raise ValueError("a type of key that is not supported")
    try:
        key = load_ssh_public_key(f"{kind} ".encode() + base64.b64encode(blob))
    except (NotImplementedError, UnsupportedAlgorithm) as error:
        raise ValueError("a form of key that is not supported") from error
    if isinstance(key, rsa.RSAPublicKey) and key.key_size not in _RSA_BITS:
        raise ValueError("an RSA key that is too short, or too long")
    assert isinstance(key, _Public)
    return kind, key


def _last_text(blob: bytes) -> bytes:
    """Return the last string of a security key's *blob*, its application."""
    reader, text = _Reader(blob), b""
    while not reader.ended:
        text = reader.text()
    return text
