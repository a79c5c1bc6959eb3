"""
What somebody with a commit or a request could send: files, Git trees, pushes.

An attack returns the name by which it was refused; an AssertionError says what it did instead.
"""

import asyncio
import contextlib
import hashlib
import hmac
import importlib
import os
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from types import ModuleType

import azure.functions as func

from gitslot.edges.git.host import Access
from gitslot.edges.git.source import GitSource
from gitslot.edges.webhook import MAX_BODY
from gitslot.reconcile import observe
from gitslot.state.decision import Frozen
from gitslot.state.wanted import Doubt
from reliability.cloud import APP
from reliability.lab import Lab
from tests.edges.file.test_read import ATTACKS
from tests.edges.git.signing import FILE, Works
from tests.servers import Answer, Handler, git_backend, serving

type Attack = Callable[[], str]
type Made = Callable[[Works], str]  # writes an object and returns its name
GIT_TOKEN = "canary-git-token"


def frozen(lab: Lab) -> str:
    """Run passes on *lab*, which served 1.4.0; return why it is frozen, having written nothing."""
    assert isinstance(observe(APP, lab.world).app, Doubt), "it was taken for a desired state"
    stops = [lab.run(), lab.run()]
    assert all(isinstance(stop, Frozen) for stop in stops), stops
    assert not lab.writes, "it wrote"
    assert lab.serves() == "1.4.0"
    told = [f"{event.reason}: {event.message}" for event in lab.events]
    assert len(told) == 1, f"it was told {told}"
    assert GIT_TOKEN not in repr((stops, lab.events)), "it told the token"
    said = lab.events[-1]
    lab.end()
    assert said.message.isprintable()
    assert len(said.message) < 700
    return said.reason


# ---------------------------------------------------------------- the file


def yaml() -> Iterator[tuple[str, Attack]]:
    """Give files that a plain parser would choke on, or read otherwise than a person does."""

    def attack(data: bytes) -> str:
        lab = Lab("1.4.0")
        lab.cloud.git.push(data, None)
        return frozen(lab)

    for name, text in ATTACKS.items():
        data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        yield name, partial(attack, data)


# ---------------------------------------------------------------- Git


@contextlib.contextmanager
def _served(folder: Path, respond: Callable[[Handler, bytes], Answer]) -> Iterator[GitSource]:
    with serving(folder, respond) as address:
        os.environ["REQUESTS_CA_BUNDLE"] = os.environ["SSL_CERT_FILE"] = str(folder / "cert.pem")
        yield GitSource(f"{address}/repo", "main", FILE, Access("x-access-token", (GIT_TOKEN,)))


def _watching(source: GitSource) -> Lab:
    """Return a world in which production serves 1.4.0, and that looks at *source* from now on."""
    return Lab("1.4.0", git=source, on_rewrite="follow")


STATE = f"app: {APP}\nmodel: iris\nslots:\n  production: 1.4.0\n"


def _works(folder: Path) -> Works:
    works = Works(folder / "repo")
    for option in ("allowFilter", "allowAnySHA1InWant"):
        works.git("config", f"uploadpack.{option}", "true")
    return works


def _pushed(push: Callable[[Works, str], str]) -> str:
    """Serve a repository to which the attack was pushed, and run the loop on it."""
    with tempfile.TemporaryDirectory(prefix="gitslot-d10-") as name:
        works = _works(Path(name))
        first = works.point(works.commit(STATE))
        with _served(Path(name), partial(git_backend, works.path, works.env)) as source:
            lab = _watching(source)
            (works.path / ".git/refs/heads/main").write_text(f"{push(works, first)}\n")
            return frozen(lab)


def _answered(answer: Callable[[bytes], bytes]) -> str:
    """Run the loop on a server that answers the fetch with *answer*."""
    with tempfile.TemporaryDirectory(prefix="gitslot-d10-") as name:
        works = _works(Path(name))
        first = works.point(works.commit(STATE))
        honest = partial(git_backend, works.path, works.env)
        works.point(works.commit(STATE.replace("1.4.0", "9.9.9"), first))

        def respond(handler: Handler, body: bytes) -> Answer:
            status, headers, content = honest(handler, body) or (500, {}, b"")
            if b"command=fetch" in body:
                content = answer(content)
            return status, headers, content

        with _served(Path(name), respond) as source:
            return frozen(_watching(source))


def _literal(works: Works, kind: str, data: bytes) -> str:
    return works.git("hash-object", "-t", kind, "-w", "--stdin", "--literally", data=data)


def _of_tree(works: Works, tree: str, parent: str) -> str:
    raw = works.payload(None, parent)
    return works.write(b"tree " + tree.encode() + raw[45:])


def _listing(works: Works, *lines: str) -> str:
    return works.git("mktree", "--missing", data="".join(f"{line}\n" for line in lines).encode())


BOTH = (f"{APP}.yaml", f"{APP.upper()}.yaml")
MANY = (f"{APP}.yaml", *(f"a{number}.yaml" for number in range(5000)))


def _entry(mode: str, name: bytes, sha: str) -> bytes:
    return mode.encode() + b" " + name + b"\0" + bytes.fromhex(sha)


def varint(value: int) -> bytes:
    """Return *value* by sevens of bits, the lowest first, as Git and protobuf write it."""
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _head(kind: int, size: int) -> bytes:
    """Return what stands before an object of a pack: its type and declared size."""
    if size < 16:
        return bytes([kind << 4 | size])
    return bytes([kind << 4 | size & 15 | 0x80]) + varint(size >> 4)


def _packed(count: int, objects: bytes) -> bytes:
    """Return a pack that says it holds *count* objects, with a right checksum."""
    data = b"PACK" + struct.pack(">II", 2, count) + objects
    return data + hashlib.sha1(data).digest()


def _object(kind: int, size: int, content: bytes) -> bytes:
    return _head(kind, size) + zlib.compress(content, 9)


def _fetched(pack: bytes) -> bytes:
    """Return an answer to a protocol v2 fetch that holds *pack*."""
    lines = b"000dpackfile\n"
    for start in range(0, len(pack), 60_000):
        piece = b"\x01" + pack[start : start + 60_000]
        lines += f"{len(piece) + 4:04x}".encode() + piece
    return lines + b"0000"


HUGE = 33 * 1024 * 1024  # more than an object may have
BIG = 400 * 1024 * 1024


@cache  # a second answer must not keep the client waiting
def _zeros(size: int) -> bytes:
    """Return *size* zeros, whole megabytes, as deflate packs them, without ever holding them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)  # without a head and a checksum
    megabyte = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = struct.pack(">I", size % 65521 << 16 | 1)
    return b"\x78\xda" + megabyte * (size >> 20) + packer.flush() + checksum


def _delta_bomb() -> bytes:
    """Return a pack whose one delta copies 64 KB ten thousand times."""
    base = bytes(65536)
    name = hashlib.sha1(b"blob 65536\0" + base).digest()
    copies = b"\x80" * 10_000  # copy 64 KB from offset 0
    delta = varint(65536) + varint(65536 * 10_000) + copies
    based = _head(7, len(delta)) + name + zlib.compress(delta, 9)
    return _packed(2, _object(3, 65536, base) + based)


def git() -> Iterator[tuple[str, Attack]]:
    """Give trees, objects and answers of a server that lead elsewhere or grow without end."""
    wish, file = STATE.replace("1.4.0", "9.9.9"), FILE.encode()

    def blob(text: str = wish) -> Made:
        return lambda w: _literal(w, "blob", text.encode())

    def nothing(_: Works) -> str:
        return "1" * 40

    def listed(kind: str, made: Made, *names: str) -> Made:
        def of(w: Works) -> str:
            line = f"{kind} {made(w)}\t{{}}".format
            return _listing(w, *map(line, names))

        return of

    def entry(mode: str, made: Made, name: bytes = file) -> Callable[[Works], bytes]:
        return lambda w: _entry(mode, name, made(w))

    def tree(*entries: Callable[[Works], bytes]) -> Callable[[Works, str], str]:
        return lambda w, parent: _of_tree(
            w, _literal(w, "tree", b"".join(each(w) for each in entries)), parent
        )

    def folder(kind: str, made: Made, *names: str) -> Callable[[Works, str], str]:
        return tree(entry("40000", listed(kind, made, *(names or (f"{APP}.yaml",)))))

    another = STATE.replace(f"app: {APP}", "app: other")
    pushed: dict[str, Callable[[Works, str], str]] = {
        "link out of the repository": tree(entry("120000", blob("/etc/hostname"))),
        "link to a file beside": tree(entry("120000", blob("x")), entry("100644", blob(), b"x")),
        "submodule": tree(entry("160000", nothing)),
        "folder of that name": folder("100644 blob", blob(), "x"),
        "a link in the folder": folder("120000 blob", blob("/etc/hostname")),
        "a submodule in the folder": folder("160000 commit", nothing),
        "a tree in the folder": folder("040000 tree", _listing),
        "a huge file in the folder": folder("100644 blob", blob("#" * 70_000)),
        "a broken file in the folder": folder("100644 blob", blob("app: [")),
        "another app's file in the folder": folder("100644 blob", blob(another)),
        "the app twice by other letters": folder("100644 blob", blob(), *BOTH),
        "thousands of files": folder("100644 blob", blob(), *MANY),
        "a mode that nobody knows": tree(entry("010644", blob())),
        "a device": tree(entry("020644", blob())),
        "the name in other letters": tree(entry("100644", blob(), b"Desired_State.yaml")),
        "the name as a path": tree(entry("100644", blob(), b"./" + file)),
        "a blob that is not there": tree(entry("100644", nothing)),
        "a tree that is not one": lambda w, parent: _of_tree(w, blob()(w), parent),
        "a tree cut short": tree(lambda w: _entry("100644", file, blob()(w))[:-5]),
        "a tree in place of the blob": tree(entry("100644", listed("100644 blob", blob(), "x"))),
        "a huge file": tree(entry("100644", blob("#" * 70_000))),
        "a blob of zeros": tree(entry("100644", lambda w: _literal(w, "blob", bytes(HUGE)))),
        "a message of zeros": lambda w, parent: w.write(w.payload(wish, parent) + bytes(HUGE)),
        "a tag in place of the commit": lambda w, parent: _literal(
            w, "tag", f"object {parent}\ntype commit\ntag x\ntagger S <s> 1 +0000\n\nx\n".encode()
        ),
    }
    for name, push in pushed.items():
        yield name, partial(_pushed, push)
    answers: dict[str, Callable[[bytes], bytes]] = {
        "no pack": lambda _: _fetched(b"<html>" * 100),
        "a pack cut short": lambda content: content[: len(content) // 2],
        "an empty pack": lambda _: _fetched(_packed(0, b"")),
        "other objects than asked for": lambda _: _fetched(_packed(1, _object(3, 1, b"x"))),
        "an object larger than it says": lambda _: _fetched(_packed(1, _object(3, 1, b"x" * 1000))),
        "a pack that says it holds a million": lambda _: _fetched(
            b"PACK" + struct.pack(">II", 2, 1 << 30) + bytes(1000)
        ),
        "a bomb of deflate": lambda _: _fetched(_packed(1, _head(3, BIG) + _zeros(BIG))),
        "a bomb of deltas": lambda _: _fetched(_delta_bomb()),
        "a delta on itself": lambda _: _fetched(
            b"PACK" + struct.pack(">II", 2, 1) + b"\x64\x00" + zlib.compress(b"\x01\x01\x01a")
        ),
        "a flipped checksum": lambda content: content.replace(b"PACK\0\0\0\2", b"PACK\0\0\0\3"),
    }
    for name, answer in answers.items():
        yield name, partial(_answered, answer)


# ---------------------------------------------------------------- the webhook

SECRET = "canary-secret"
WOKEN: list[str] = []


def _app() -> ModuleType:
    os.environ |= {
        "GITSLOT_REPO": "nowhere",
        "GITSLOT_STORAGE": "https://127.0.0.1:1/account",
        "GITSLOT_ARM": "https://127.0.0.1:1",
        "GITSLOT_WEBHOOK_SECRET": SECRET,
        "IDENTITY_ENDPOINT": "http://127.0.0.1:1/token",
        "IDENTITY_HEADER": "x",
    }
    module = importlib.import_module("controller.function_app")
    module.tick = lambda *_: WOKEN.append("woken") or {}  # type: ignore[attr-defined, func-returns-value]
    return module


def webhook() -> Iterator[tuple[str, Attack]]:
    """Give pushes that are not of the one who knows the secret."""
    app = _app()
    body = b'{"ref": "refs/heads/main"}'

    def right(data: bytes, secret: str = SECRET, hash_: str = "sha256") -> str:
        return f"{hash_}=" + hmac.new(secret.encode(), data, hash_).hexdigest()

    def send(headers: dict[str, str], data: bytes = body) -> str:
        woken = len(WOKEN)
        request = func.HttpRequest("POST", "https://x/api/reconcile", body=data, headers=headers)
        answer = asyncio.run(app.push.build().get_user_function()(request))
        assert 400 <= answer.status_code < 500, answer.status_code
        assert SECRET.encode() not in answer.get_body()
        assert len(WOKEN) == woken, "it woke the worker"
        return f"HTTP {answer.status_code}"

    name = "X-Hub-Signature-256"
    cases: dict[str, tuple[dict[str, str], bytes]] = {
        "no signature": ({}, body),
        "empty signature": ({name: ""}, body),
        "only the name of the hash": ({name: "sha256="}, body),
        "zeros": ({name: "sha256=" + "0" * 64}, body),
        "another secret": ({name: right(body, "guess")}, body),
        "the empty secret": ({name: right(body, "")}, body),
        "another body": ({name: right(b"{}")}, body),
        "a body that was added to": ({name: right(body)}, body + b" "),
        "SHA-1": ({name: right(body, hash_="sha1")}, body),
        "SHA-1 in its old header": ({"X-Hub-Signature": right(body, hash_="sha1")}, body),
        "MD5": ({name: right(body, hash_="md5")}, body),
        "capital letters": ({name: right(body).upper()}, body),
        "cut short": ({name: right(body)[:-1]}, body),
        "two in one": ({name: f"{right(body, 'x')},{right(body)}"}, body),
        "not ASCII": ({name: "sha256=" + "é" * 64}, body),
        "a megabyte of signature": ({name: "sha256=" + "0" * 1_000_000}, body),
        "a body over the cap": ({name: right(bytes(MAX_BODY + 1))}, bytes(MAX_BODY + 1)),
        "GitLab's token": ({"X-Gitlab-Token": SECRET}, body),
        "the secret itself": ({name: SECRET, "Authorization": f"Bearer {SECRET}"}, body),
    }
    for title, (headers, data) in cases.items():
        yield title, partial(send, headers, data)
