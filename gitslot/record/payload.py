"""
What an event carries for the controller's own memory: one typed field a fact. Pure.

A field that has its default is left out of the journal, and one that an older or newer controller
wrote and this one does not know is passed over.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, get_args, get_type_hints


@dataclass(frozen=True, slots=True)
class Payload:
    """
    The facts of one event, beyond those that people read.

    A deploy: *deploy* is its MODEL_DEPLOY, *counts_for* the slot of the file that wants it, *why*
    its reason in words, *overwritten* the names of somebody else's settings that it replaced,
    *code* the code that the file names. A proof: *worst* difference of a probability and *p99_ms*.

    A swap: the markers of both slots before it (*production_deployment*, *production_swap* and so
    on), *back* for one that ends a soak. Its answer: *location* to poll, *busy* for a 409 with the
    platform's *refusal*, *unsent* where it was never sent, *prepared* where it left the slots so.
    Its end: *intent* is the id of its SwapStarted, *swap_status* production's marker then, *soaks*
    that production is watched from now on.

    A stop: *next* is the line to type, *since* when a hold began, *doubt* that there is no baseline
    yet. *wish* is what the file newly wants, as text by slot; *inexact*: the commit is the newest,
    because the one that asked for it is too far back. *set_to* is, until there is a baseline, the
    digest that a slot is set to, by model and version. *markers* of a lost journal, *follows* the
    next blob of the journal. Flags: *put_back*, *aside* (production alone is settled), *refuse*
    (for good), *reset* (nothing is prepared any more), *rehearsal* (or asked as users do), *quiet*
    (bookkeeping). *retry_after_s*: ARM asked to wait. A change by hand happened *at* that time, by
    Azure's word, else *after* one look of ours and *before* another. *would* stands for a
    step, and the wish and state for which an observer leaves it undone.
    """

    deploy: str = ""
    counts_for: str = ""
    why: str = ""
    overwritten: tuple[str, ...] = ()
    code: str = ""
    worst: float | None = None
    p99_ms: float | None = None
    production_deployment: str = ""
    staging_deployment: str = ""
    production_swap: str = ""
    staging_swap: str = ""
    from_model: str = ""
    back: bool = False
    location: str = ""
    busy: bool = False
    refusal: str = ""
    unsent: bool = False
    prepared: bool = False
    intent: str = ""
    swap_status: str | None = None
    soaks: bool = False
    next: str = ""
    since: datetime | None = None
    doubt: bool = False
    wish: Mapping[str, str] = field(default_factory=dict, hash=False)
    inexact: bool = False
    set_to: Mapping[str, str] = field(default_factory=dict, hash=False)
    markers: str = ""
    follows: str = ""
    put_back: bool = False
    aside: bool = False
    refuse: bool = False
    reset: bool = False
    rehearsal: bool = False
    quiet: bool = False
    retry_after_s: float | None = None
    at: datetime | None = None
    after: datetime | None = None
    before: datetime | None = None
    would: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return what the journal holds of it."""
        known = {each.name: getattr(self, each.name) for each in fields(self)}
        found = {name: value for name, value in known.items() if value not in _ABSENT[name]}
        return {name: _plain(value) for name, value in found.items()}


NONE = Payload()
_KINDS = {
    name: tuple(kind for kind in (get_args(hint) or (hint,)) if kind is not Ellipsis)
    for name, hint in get_type_hints(Payload).items()
}
_ABSENT: Mapping[str, tuple[Any, ...]] = {
    each.name: (None, {}, each.default) for each in fields(Payload)
}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


def read(raw: Mapping[str, Any]) -> Payload:
    """Return the payload in *raw*; raise ValueError where a fact is not of its type."""
    known = {name: _read(name, value) for name, value in raw.items() if name in _KINDS}
    return Payload(**known) if known else NONE


def _read(name: str, value: Any) -> Any:
    kinds = _KINDS[name]
    if datetime in kinds and isinstance(value, str):
        return datetime.fromisoformat(value)
    if name == "overwritten" and isinstance(value, list):
        if all(isinstance(each, str) for each in value):
            return tuple(value)
    elif name in ("wish", "set_to") and isinstance(value, dict):
        if all(isinstance(each, str) for pair in value.items() for each in pair):
            return value
    elif float in kinds and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    elif type(value) in kinds:
        return value
    raise ValueError(f"{name} has the wrong type")
