"""
Measure what a long history costs: logs, history and a first look, each in a new process.

The journals are written by the journal itself: events of a recorded release and a swap back by
hand, over and over, with ids, times and versions of their own. Storage is a small server of this
process, which counts requests and bytes. The peers: the same journal without its folds, as one of
an earlier version, and `git log -n 20` on as many commits. Processor time is that of the process
that asks, start and imports included; the fold's is taken by itself, by event.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from bench.report import Report, Target
from gitslot.record.event import Event, parse
from gitslot.record.folded import BEGINS
from gitslot.record.journal import Journal
from gitslot.record.memory import fold
from reliability.memory_blobs import MemoryBlobs
from tests.servers import Handler, serving

ROOT = Path(__file__).resolve().parent.parent
RELEASE = ROOT / "tests/record/journals/of_0_1_0_a_release_and_a_swap_back_by_hand.jsonl"
SIZES = (100, 10_000, 100_000)
# Events of a release, versions that go round, and events an append.
EVENTS, VERSIONS, BATCH = 8, 500, 100
WANT_FOLD_US, WANT_RATIO = 15.0, 1.25
BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
_DATE = "Sun, 01 Nov 2026 12:00:00 GMT"
_XML = (
    "<?xml version='1.0'?><EnumerationResults><Blobs>{}</Blobs><NextMarker /></EnumerationResults>"
)
_LISTED = (
    "<Blob><Name>{0.name}</Name><Properties><Etag>{0.etag}</Etag><Content-Length>{0.size}"
    f"</Content-Length><Last-Modified>{_DATE}</Last-Modified><BlobType>AppendBlob</BlobType>"
    "</Properties></Blob>"
)
LOOK = """
import os, sys
from datetime import UTC, datetime
from gitslot.http.login import credential
from gitslot.record.blobs import AzureBlobs
from gitslot.record.journal import Journal
journal = Journal(AzureBlobs(os.environ["GITSLOT_STORAGE"], credential()))
assert journal.memory(sys.argv[1], datetime.now(UTC)).baseline
"""
GITSLOT = [sys.executable, "-m", "gitslot"]
WAYS = {
    "gitslot logs": [*GITSLOT, "logs"],
    "gitslot history": [*GITSLOT, "history"],
    "first look": [sys.executable, "-c", LOOK],
}
KINDS = {"cpu_s": ", processor", "s": ", wall"}


def run(rounds: int) -> Report:
    """Measure every way over every journal, in turn, *rounds* times."""
    report, blobs = Report("history", rounds), MemoryBlobs()
    loads = {f"app-{size}": f"{size:,} events" for size in SIZES}
    for size, app in zip(SIZES, loads, strict=True):
        _write(blobs, app, size)
        _without_folds(blobs, app, f"all-{size}")
    found: dict[tuple[str, str, str], list[float]] = {}

    def keep(way: str, load: str, **values: float) -> None:
        for unit, value in values.items():
            found.setdefault((way, load, unit), []).append(value)

    with tempfile.TemporaryDirectory() as name, _storage(Path(name), blobs) as (env, sent):
        for size in SIZES:
            _commits(Path(name) / str(size), size)
        for _ in range(rounds):
            for app, load in loads.items():
                for way, words in WAYS.items():
                    sent.clear()
                    used = _spent([*words, app], env)
                    keep(way, load, **used, requests=len(sent), kB=sum(sent) / 1e3)
                sent.clear()
                used = _spent([*WAYS["first look"], app.replace("app", "all")], env)
                keep("first look, no fold", load, **used, requests=len(sent), kB=sum(sent) / 1e3)
                log = ["git", "-C", str(Path(name) / app[4:]), "log", "-n", "20", "main"]
                keep("git log -n 20", load, **_spent(log, env))
            for what, us in _fold_us(blobs, f"app-{SIZES[1]}").items():
                keep(what, "an event", us=us)
    medians = {}
    for (way, load, unit), values in found.items():
        kind = KINDS.get(unit, "")
        row = (way, f"{load}{kind}", values, "s" if kind else unit)
        medians[way, load, unit] = report.add(*row)
    few, many = loads[f"app-{SIZES[0]}"], loads[f"app-{SIZES[-1]}"]
    for way in WAYS:
        ratio = medians[way, many, "cpu_s"] / medians[way, few, "cpu_s"]
        report.ratios[f"{way}: {many} to {few}"] = round(ratio, 3)
        want = f"<= {WANT_RATIO} times the processor time of {few}"
        report.targets[way] = Target(want, f"{ratio:.2f}", ratio <= WANT_RATIO)
    us = medians["fold", "an event", "us"]
    report.targets["fold"] = Target(f"<= {WANT_FOLD_US:g} us", f"{us:.1f} us", us <= WANT_FOLD_US)
    return report


def _write(blobs: MemoryBlobs, app: str, size: int) -> None:
    """Append *size* events of releases to the journal of *app*."""
    text, journal, lines = RELEASE.read_text(), Journal(blobs), list[str]()
    first = parse(text.encode().partition(b"\n")[0])
    names = {first.from_: 0, first.to: 1, first.from_digest: 0, first.to_digest: 1}

    def renamed(found: re.Match[str]) -> str:
        number = len(lines) // EVENTS % VERSIONS + names[found[0]]
        return f"1.{number}.0" if "." in found[0] else f"{number:064x}"

    while len(lines) < size:
        lines += re.sub("|".join(map(re.escape, names)), renamed, text).splitlines()
    for start in range(0, size, BATCH):
        batch = enumerate(lines[start : min(start + BATCH, size)], start)
        journal.memory(app, BEGAN)
        journal.append(app, [_event(line, app, number) for number, line in batch], BEGAN)


def _event(line: str, app: str, number: int) -> Event:
    when = BEGAN + timedelta(seconds=number)
    return replace(parse(line.encode()), app=app, id=f"{number:032x}", time=when)


def _without_folds(blobs: MemoryBlobs, app: str, other: str) -> None:
    """Give *other* the journal of *app*, as an earlier version writes it."""
    for name in blobs.names(f"journal/{app}/"):
        data = b"".join(_lines(blobs.read(name)))
        blobs.forge(name.replace(app, other), data.replace(app.encode(), other.encode()))


def _fold_us(blobs: MemoryBlobs, app: str) -> dict[str, float]:
    """Return the processor time of parsing and of folding an event, in microseconds."""
    lines = [line for name in blobs.names(f"journal/{app}/") for line in _lines(blobs.read(name))]
    began = time.process_time()
    events = [parse(line) for line in lines]
    parsed = time.process_time()
    fold(events)
    folded = time.process_time()
    each = 1e6 / len(lines)
    return {"parse": (parsed - began) * each, "fold": (folded - parsed) * each}


def _lines(data: bytes) -> list[bytes]:
    """Return the lines of *data* that are no fold."""
    return [line for line in data.splitlines(keepends=True) if not line.startswith(BEGINS)]


def _spent(words: list[str], env: Mapping[str, str]) -> dict[str, float]:
    """Run *words* to their end; return the processor and wall seconds of that process."""
    began = time.perf_counter()
    none = subprocess.DEVNULL
    process = subprocess.Popen(words, env=env, cwd=ROOT, stdout=none, stderr=none)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{words[-2:]} ended with {process.returncode}")
    return {"cpu_s": used.ru_utime + used.ru_stime, "s": time.perf_counter() - began}


def _commits(folder: Path, count: int) -> None:
    """Make a repository of so many commits."""
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(folder)], check=True)
    who = "committer Dev <dev@corp.example> {} +0000\ndata 4\nbump\nM 644 inline f\ndata 1\nx\n"
    text = "".join(f"commit refs/heads/main\n{who.format(number)}" for number in range(count))
    into = ["git", "-C", str(folder), "fast-import", "--quiet"]
    subprocess.run(into, input=text.encode(), check=True)


@contextmanager
def _storage(folder: Path, blobs: MemoryBlobs) -> Iterator[tuple[dict[str, str], list[int]]]:
    """Serve *blobs* as Blob Storage does; yield an environment, and the bytes of each answer."""
    sent: list[int] = []

    def respond(request: Handler, _: bytes) -> tuple[int, dict[str, str], bytes]:
        url = urlsplit(request.path)
        if url.path == "/token":
            token = f'{{"access_token": "x", "expires_on": "{int(time.time()) + 86400}"}}'
            return 200, {"Content-Type": "application/json"}, token.encode()
        words, name = parse_qs(url.query), unquote(url.path).removeprefix("/account/gitslot/")
        if words.get("comp") == ["list"]:
            listed = (_LISTED.format(e) for e in blobs.listed(words.get("prefix", [""])[0]))
            found = 200, {"Content-Type": "application/xml"}, _XML.format("".join(listed)).encode()
        elif kept := blobs.kept.get(name):
            found = _blob(request, kept.data, f'"{kept.etag}"')
        else:
            found = 404, {"x-ms-error-code": "BlobNotFound"}, b""
        sent.append(len(found[2]))
        return found

    with serving(folder, respond) as url:
        asks = {"IDENTITY_ENDPOINT": f"{url}/token", "IDENTITY_HEADER": "x"}
        trusts = dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), str(folder / "cert.pem"))
        storage = {"GITSLOT_STORAGE": f"{url}/account", "GITSLOT_REPO": "/nowhere"}
        only = {"AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential"}
        yield {**os.environ, **asks, **trusts, **storage, **only}, sent


def _blob(request: Handler, data: bytes, etag: str) -> tuple[int, dict[str, str], bytes]:
    """Answer a HEAD of an append blob, or a GET of a range of it."""
    headers = {"ETag": etag, "Last-Modified": _DATE, "x-ms-blob-type": "AppendBlob"}
    if request.command == "HEAD":
        length = {"Content-Length": str(len(data)), "x-ms-blob-committed-block-count": "1"}
        return 200, headers | length, b""
    asked = request.headers.get("x-ms-range", "bytes=0-").removeprefix("bytes=")
    first, _, last = asked.partition("-")
    part = data[int(first) : int(last or len(data)) + 1]
    span = f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}"
    return 206, headers | {"Content-Range": span}, part
