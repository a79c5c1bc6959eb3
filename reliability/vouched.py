"""
The signature cases as cases of D9: one history each, and by which name it must be refused.

That git's own command line and ssh-keygen judge them alike is a test of its own
(tests/edges/git/test_signed_changes_git.py), which needs OpenSSH.
"""

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from gitslot.edges.git.signed_changes import Rule
from gitslot.edges.git.source import GitSource
from gitslot.edges.git.ssh_signatures import read_signers
from gitslot.errors import SignatureRefused, SourceError
from reliability.runs import Case, Run, judged
from tests.edges.git.signed_cases import CASES, OK, Bench, bench
from tests.edges.git.signing import APP, FILE


def judge(build: Callable[[Bench], str], expected: str, folder: Path) -> str:
    """Judge one history from its accepted commit on; return what was wrong, or nothing."""
    made = bench(folder)
    tip = build(made)
    source = GitSource(str(made.works.path), "main", FILE)
    try:
        source.vouched(tip, APP, Rule(read_signers(made.signers)), made.base)
        found = OK
    except (SignatureRefused, SourceError) as error:
        found = error.reason
    if found == expected:
        return ""
    return f"{expected or 'acceptance'} is right, it says {found or 'acceptance'}"


def played(build: Callable[[Bench], str], expected: str) -> Run:
    """Judge one history in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="gitslot-d9-") as folder:
        wrong = judge(build, expected, Path(folder))
    return judged("D9", wrong)


def cases() -> Iterator[Case]:
    """Give every case by its name."""
    for name, (expected, build) in CASES.items():
        yield f"D9,signed,{name}", partial(played, build, expected)
