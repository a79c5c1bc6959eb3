"""
D12: hands in every state: whatever an app is stopped for, what somebody else does to production is
recorded once, with its time, and changes nothing else that is remembered.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import product

from gitslot.errors import GitPutOff, SourceError
from gitslot.record.accepted import NAME
from gitslot.record.event import BY_HAND, Event
from gitslot.record.memory import fold, remember
from gitslot.state.slot_settings import RELEASE_SETTINGS
from gitslot.state.wanted import PRODUCTION
from reliability.cloud import APP
from reliability.lab import Lab
from reliability.registered import release
from reliability.runs import Case, Run, judged


def _unread(lab: Lab) -> None:
    lab.cloud.git.down = SourceError("cannot read", reason="GitUnreachable")


def _put_off(lab: Lab) -> None:
    lab.cloud.git.down = GitPutOff("slow", retry_after_s=60.0)


def _rewritten(lab: Lab) -> None:
    lab.cloud.git.rewritten = True
    lab.want("1.5.0")


def _bad(lab: Lab) -> None:
    lab.breaks("1.5.0")
    lab.want("1.5.0")


def _sticky(lab: Lab) -> None:
    lab.stick("MODEL_VERSION")
    lab.want("1.5.0")


def _lost(lab: Lab) -> None:
    lab.lose_journal()
    lab.restart()


def _registry_down(lab: Lab) -> None:
    lab.restart()
    lab.spoil("registry.models", *["error-before"] * 99)


def _locked(lab: Lab) -> None:
    assert lab.rig.controller("other").start().lock_of(APP).take()


STATES: Mapping[str, Callable[[Lab], object]] = {
    "converged": lambda lab: None,
    "held": Lab.swap,
    "unknown-version": lambda lab: lab.want("9.9.9"),
    "bad-version": _bad,
    "drift-reported": lambda lab: lab.want("1.4.0", "drift: report\n"),
    "degraded": lambda lab: lab.silence(PRODUCTION),
    "prepared": Lab.prepare,
    "sticky": _sticky,
    "suspended": lambda lab: lab.want("1.4.0", 'suspend: "incident 7"\n'),
    "suspended-by-setting": lambda lab: lab.restart(suspend="incident 7"),
    "observed": lambda lab: lab.restart(observe_only=True),
    "git-down": _unread,
    "git-put-off": _put_off,
    "file-broken": lambda lab: lab.cloud.git.push("slots: [", None),
    "history-rewritten": _rewritten,
    "journal-lost": _lost,
    "registry-down": _registry_down,
    "locked": _locked,
}
HANDS: Mapping[str, Callable[[Lab], object]] = {
    "swap": Lab.swap,
    "edit": lambda lab: lab.change(PRODUCTION, MODEL_VERSION=release("1.6.0").setting),
    "unpinned": lambda lab: lab.change(PRODUCTION, MODEL_VERSION="1.6.0"),
    "gone": lambda lab: lab.change(PRODUCTION, **dict.fromkeys(RELEASE_SETTINGS)),
}
# ARM refuses changes of prepared slots, and no swap moves a setting that is sticky.
IMPOSSIBLE = (*(f"prepared,{hand}" for hand in HANDS), "sticky,swap")


def judge(state: str, hand: str) -> str:
    """Return how the record of *hand* in *state* is wrong, or ""."""
    lab = Lab("1.4.0", "1.3.0")
    lab.run()
    STATES[state](lab)
    lab.passes(6)
    events, accepted = len(_journal(lab)), lab.cloud.blobs.load(NAME)
    began = lab.cloud.now()
    HANDS[hand](lab)
    ended = lab.cloud.now()
    lab.passes(2)
    lab.restart()
    lab.passes(12)
    told = _journal(lab)
    try:
        return _wrong(told, events, began, ended) or (
            "it accepted a commit" if lab.cloud.blobs.load(NAME) != accepted else ""
        )
    finally:
        lab.mend()
        lab.cloud.end()


def _journal(lab: Lab) -> list[Event]:
    return lab.rig.controller("reader").start().journal.events(APP)


def _wrong(told: list[Event], events: int, began: datetime, ended: datetime) -> str:
    found = [n for n, event in enumerate(told) if event.event == BY_HAND and n >= events]
    if len(found) != 1:
        return f"recorded {len(found)} times"
    event, memory = told[found[0]], fold(told[: found[0]])
    detail = event.detail
    if event.revision:
        return "it names a commit"
    if replace(remember(memory, event), production=memory.production) != memory:
        return "it changes what else is remembered"
    if detail.at:
        return "" if began <= detail.at <= ended else f"not at {detail.at}"
    assert detail.before
    after = detail.after or began
    return "" if after <= ended and began <= detail.before else "the looks do not bound it"


def cases(*, long: bool = False) -> Iterator[Case]:
    """Give every state with every hand."""
    del long
    for state, hand in product(STATES, HANDS):
        if f"{state},{hand}" not in IMPOSSIBLE:
            yield f"D12,{state},{hand}", partial(_run, state, hand)


def _run(state: str, hand: str) -> Run:
    return judged("S12", judge(state, hand))
