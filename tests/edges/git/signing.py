"""Signed commits for tests, made with `cryptography` and git's plumbing, without ssh-keygen."""

import base64
import hashlib
import os
import struct
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

FILE = "desired_state.yaml"
APP = "app"
NOON = 1_795_348_800  # 2026-11-22T12:00:00Z
DAY = 86_400

type Private = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def text(data: bytes) -> bytes:
    """Return *data* as an SSH string."""
    return struct.pack(">I", len(data)) + data


def number(value: int) -> bytes:
    """Return *value* as an SSH mpint."""
    return text(value.to_bytes(value.bit_length() // 8 + 1))


@dataclass(frozen=True)
class Key:
    """A private key that signs as ssh-keygen does."""

    private: Private

    @property
    def line(self) -> str:
        """Return the public key as authorized_keys shows it."""
        return (
            self.private.public_key()
            .public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
            .decode()
        )

    @property
    def blob(self) -> bytes:
        return base64.b64decode(self.line.split()[1])

    def raw(self, data: bytes) -> bytes:
        """Return the inner signature of *data*."""
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return text(b"ssh-ed25519") + text(self.private.sign(data))
        if isinstance(self.private, rsa.RSAPrivateKey):
            made = self.private.sign(data, padding.PKCS1v15(), hashes.SHA512())
            return text(b"rsa-sha2-512") + text(made)
        size = self.private.curve.key_size
        hash_ = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}[size]
        r, s = decode_dss_signature(self.private.sign(data, ec.ECDSA(hash_)))
        kind = f"ecdsa-sha2-nistp{size}".encode()
        return text(kind) + text(number(r) + number(s))

    def sign(
        self, data: bytes, namespace: bytes = b"git", algorithm: str = "sha512", public: bytes = b""
    ) -> bytes:
        """Return the armored signature of *data*; *public* replaces the key that it names."""
        inner = hashlib.new(algorithm, data).digest()
        named = text(namespace) + text(b"") + text(algorithm.encode())
        made = self.raw(b"SSHSIG" + named + text(inner))
        blob = b"SSHSIG" + struct.pack(">I", 1) + text(public or self.blob) + named + text(made)
        return armor(blob)


def armor(blob: bytes) -> bytes:
    """Return *blob* between the lines that begin and end an SSH signature."""
    body = base64.b64encode(blob)
    lines = [body[i : i + 70] for i in range(0, len(body), 70)]
    return b"\n".join([b"-----BEGIN SSH SIGNATURE-----", *lines, b"-----END SSH SIGNATURE-----"])


def ed25519_key(seed: bytes = b"") -> Key:
    """Return a new key, or the one of *seed* (32 bytes), the same in every run."""
    if seed:
        return Key(ed25519.Ed25519PrivateKey.from_private_bytes(seed))
    return Key(ed25519.Ed25519PrivateKey.generate())


def wanting(version: str, app: str = APP, more: str = "") -> str:
    """Return the file that wants *version* in production of *app*."""
    return f"app: {app}\nmodel: iris\n{more}slots:\n  production: {version}\n"


@dataclass
class Checkout:
    """A repository for git's own command line, which reads no settings of this machine."""

    path: Path
    env: dict[str, str] = field(default_factory=dict)

    def git(self, *words: str, data: bytes | None = None) -> str:
        path, env = self.path, self.env
        done = subprocess.run(
            ["git", *words], cwd=path, env=env, input=data, capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    def begin(self) -> None:
        """Make the repository, which lets clients ask for single objects."""
        self.path.mkdir(parents=True)
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.path.parent), "TZ": "UTC"}
        self.env |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_EDITOR": "true"}
        for who in ("AUTHOR", "COMMITTER"):
            self.env |= {f"GIT_{who}_NAME": "Sam", f"GIT_{who}_EMAIL": "sam@example.net"}
        self.git("init", "-q", "-b", "main")
        self.git("config", "uploadpack.allowFilter", "true")
        self.git("config", "uploadpack.allowAnySHA1InWant", "true")


@dataclass
class Works(Checkout):
    """A repository in which commits are made object by object."""

    at: int = NOON

    def __post_init__(self) -> None:
        self.begin()

    def tree(self, content: str | None, other: str = "") -> str:
        """Write a tree with the file and one beside it; one word is what production serves."""
        listing = ""
        if content is not None and "\n" not in content:
            content = wanting(content)
        for name, data in ((FILE, content), ("other", other)):
            if data is not None:
                blob = self.git("hash-object", "-w", "--stdin", data=data.encode())
                listing += f"100644 blob {blob}\t{name}\n"
        return self.git("mktree", data=listing.encode())

    def payload(
        self, content: str | None, *parents: str, message: str = "change", other: str = ""
    ) -> bytes:
        """Return the bytes of a commit without a signature."""
        self.at += 60
        lines = [f"tree {self.tree(content, other)}", *(f"parent {p}" for p in parents)]
        lines += [f"{who} Sam <sam@example.net> {self.at} +0000" for who in ("author", "committer")]
        return "\n".join([*lines, "", message, ""]).encode()

    def write(self, raw: bytes) -> str:
        """Write the commit *raw*, whatever it is."""
        return self.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", data=raw)

    def commit(
        self,
        content: str | None,
        *parents: str,
        key: Key | None = None,
        message: str = "change",
        other: str = "",
        namespace: bytes = b"git",
    ) -> str:
        """Write a commit of *content*, signed with *key* where there is one."""
        raw = self.payload(content, *parents, message=message, other=other)
        return self.write(self.signed(raw, key, namespace))

    @staticmethod
    def signed(raw: bytes, key: Key | None, namespace: bytes = b"git") -> bytes:
        """Return the commit *raw*, signed with *key* where there is one."""
        return attach(raw, key.sign(raw, namespace)) if key else raw

    def files(self, files: Mapping[str, str], *parents: str, key: Key | None = None) -> str:
        """Write a commit that holds *files* by path and nothing else; a parent "" is none."""
        self.git("read-tree", "--empty")
        for name, content in files.items():
            blob = self.git("hash-object", "-w", "--stdin", data=content.encode())
            self.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{name}")
        raw = self.payload(None, *filter(None, parents))
        raw = b"tree " + self.git("write-tree").encode() + raw[45:]
        return self.write(self.signed(raw, key))

    def revert(self, commit: str, content: str, *parents: str, key: Key | None = None) -> str:
        """Write a commit that says that it reverts *commit*."""
        message = f'Revert "change"\n\nThis reverts commit {commit}.'
        return self.commit(content, *parents, key=key, message=message)

    def point(self, commit: str) -> str:
        """Make main point to *commit*."""
        self.git("update-ref", "refs/heads/main", commit)
        return commit


def attach(raw: bytes, signature: bytes, header: bytes = b"gpgsig") -> bytes:
    """Return the commit *raw* with *signature* in its header."""
    head, gap, body = raw.partition(b"\n\n")
    return head + b"\n" + header + b" " + signature.replace(b"\n", b"\n ") + gap + body
