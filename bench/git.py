"""
Measure what Git costs: a look at a branch that stands still, and a new commit on a long history.

A repository of 100,000 commits stands behind git's own server, over HTTPS, on the same machine. A
*look* finds the branch where it was, on a connection that is kept: processor time of the thread
that looks. A *new commit* is over when the file is read and the commit is known to descend from the
accepted one. *After a start* the process knows nothing but `accepted.json`.

The peer is the git command, a new process and a new connection each time: `git ls-remote`, and `git
fetch` into a clone of commits without files, which gets the commit and does not read the file.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.report import Report, Target
from gitslot.edges.git.source import GitSource
from tests.edges.git.test_source import FILE, PLAIN, Origin
from tests.servers import serving

COMMITS = 100_000
LOOKS = 100
WANT_CPU_MS, WANT_BYTES = 3.0, 20_000
WHO = "Dev <dev@corp.example> {} +0100"


def run(rounds: int) -> Report:
    """Measure *rounds* times; each new commit is one of its own."""
    report = Report("git", rounds)
    with _origin() as origin:
        clone = _clone(origin)
        source = origin.source()
        accepted = source.newest().revision.commit
        looks: dict[str, list[float]] = {"gitslot": [], "git ls-remote": []}
        news: dict[tuple[str, str], list[float]] = {}
        requests = 0.0
        for number in range(rounds):
            requests, used = _look(origin, source)
            looks["gitslot"].append(used)
            looks["git ls-remote"].append(_processor(["git", "ls-remote", _url(origin), "main"]))
            origin.git("update-ref", "refs/heads/main", _commit(origin, number))
            for name, each in (
                ("gitslot", source),
                ("gitslot, after a start", origin.source()),
                ("git fetch", clone),
            ):
                asked, sent, began = len(origin.asked), origin.sent, time.perf_counter()
                if isinstance(each, Path):
                    subprocess.run(["git", "-C", str(each), "fetch", "-q"], check=True)
                else:
                    tip = each.newest().revision.commit
                    assert each.descends(tip, accepted)
                took = time.perf_counter() - began
                values = {"s": took, "B": origin.sent - sent, "requests": len(origin.asked) - asked}
                for unit, value in values.items():
                    news.setdefault((name, unit), []).append(value)
            accepted = source.newest().revision.commit
        for name, used_ms in looks.items():
            report.add("converged look, processor", name, used_ms, "ms")
        report.add("converged look", "gitslot", [requests], "requests")
        for (name, unit), found in news.items():
            report.add(f"new commit on {COMMITS:,}", name, found, unit)
    cpu, most = max(looks["gitslot"]), max(news["gitslot", "B"])
    report.ratios["look_to_ls_remote"] = round(cpu / max(looks["git ls-remote"]), 4)
    report.targets["look"] = Target(
        f"1 request, <= {WANT_CPU_MS} ms",
        f"{requests:g} requests, {cpu:.2f} ms",
        requests == 1 and cpu <= WANT_CPU_MS,
    )
    report.targets["commit"] = Target(f"<= {WANT_BYTES:,} B", f"{most:,.0f} B", most <= WANT_BYTES)
    return report


@contextmanager
def _origin() -> Iterator[Origin]:
    """Give a repository with a long history behind a server; the environment trusts the server."""
    with tempfile.TemporaryDirectory() as name:
        origin = Origin(Path(name) / "repo")
        origin.begin()
        lines = "".join(
            f"commit refs/heads/main\nmark :{n}\nauthor {WHO.format(n)}\ncommitter "
            f"{WHO.format(n)}\ndata 31\nchange service {n % 53:3} for {n:8}\n"
            + (
                f"from :{n - 1}\n"
                if n > 1
                else f"M 644 inline {FILE}\ndata {len(PLAIN)}\n{_FILE}\n"
            )
            + f"M 644 inline svc{n % 53}/f\ndata {len(str(n))}\n{n}\n"
            for n in range(1, COMMITS + 1)
        )
        origin.git("fast-import", "--quiet", data=lines.encode())
        with serving(Path(name), origin.respond) as origin.address:
            certificate = f"{name}/cert.pem"
            trusted = ("REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO")
            before = {each: os.environ.get(each) for each in trusted}
            os.environ.update(dict.fromkeys(trusted, certificate))
            try:
                yield origin
            finally:
                for each, value in before.items():
                    os.environ.pop(each)
                    os.environ.update({each: value} if value else {})


_FILE = PLAIN.decode()


def _url(origin: Origin) -> str:
    return f"{origin.address}/repo"


def _clone(origin: Origin) -> Path:
    clone = origin.path.parent / "clone.git"
    filtered = ["git", "clone", "-q", "--bare", "--filter=tree:0", _url(origin), str(clone)]
    subprocess.run(filtered, check=True)
    subprocess.run(
        ["git", "-C", str(clone), "config", "remote.origin.fetch", "+refs/heads/*:refs/heads/*"],
        check=True,
    )
    return clone


def _commit(origin: Origin, number: int) -> str:
    """Return a new commit that changes the file."""
    blob = origin.git("hash-object", "-w", "--stdin", data=PLAIN + b"# %d\n" % number)
    listing = origin.git("ls-tree", "main").splitlines()
    kept = [line for line in listing if not line.endswith(f"\t{FILE}")]
    lines = "\n".join([*kept, f"100644 blob {blob}\t{FILE}"]) + "\n"
    tree = origin.git("mktree", data=lines.encode())
    return origin.git("commit-tree", tree, "-p", "main", "-m", f"a bump, {number}")


def _look(origin: Origin, source: GitSource) -> tuple[float, float]:
    """Return requests and milliseconds of the processor of one look."""
    asked, began = len(origin.asked), time.thread_time()
    for _ in range(LOOKS):
        source.newest()
    used = time.thread_time() - began
    return (len(origin.asked) - asked) / LOOKS, 1e3 * used / LOOKS


def _processor(command: list[str]) -> float:
    """Return the milliseconds of the processor that *command* takes."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = status
    assert status == 0
    return 1e3 * (used.ru_utime + used.ru_stime)
