"""
Things that go wrong on purpose, as data: which operation, how often, before or after its effect.

An operation is named as in the history of calls (``slotsswap``, ``appsettings-put``, ...), ``*`` is
any. Besides ARM's own there are ``token`` and ``front`` (a slot's public port), and
what swaps die of on the platform: ``swap-ping``, ``swap-worker``, ``swap-allocation``,
``swap-initialization``, ``swap-unexpected``, ``swap-revert`` (the content moves back *delay_s*
after success, azure-functions-host#7336).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any


@dataclass(slots=True)
class Fault:
    """One rule. *times* counts down with each use; None never ends."""

    operation: str
    site: str | None = None
    slot: str | None = None
    times: int | None = 1
    when: str = "before"
    status: int | None = None
    code: str | None = None
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    drop: bool = False
    hold: bool = False
    twice: bool = False

    def fits(self, operation: str, site: str | None, slot: str | None) -> bool:
        """Tell whether this rule is meant for that call; None in the rule means any."""
        return (
            self.times != 0
            and self.operation in (operation, "*")
            and self.site in (None, site)
            and self.slot in (None, slot)
        )


class Faults:
    """The rules in force; the first that fits is used."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []

    def take(
        self, operation: str, site: str | None = None, slot: str | None = None
    ) -> Fault | None:
        """Return the fault that this call must suffer, and count its use. Names are lower case."""
        for rule in self.rules:
            if rule.fits(operation, site, slot):
                if rule.times is not None:
                    rule.times -= 1
                return rule
        return None

    def shown(self) -> list[Mapping[str, Any]]:
        """Return the rules with what is left of their *times*."""
        return [asdict(rule) for rule in self.rules]


def parse(given: Any) -> list[Fault]:
    """
    Read a list of rules, one rule, or ``{"faults": [...]}``.

    Raises ValueError that names what is wrong.
    """
    if isinstance(given, Mapping):
        given = given.get("faults", [given])
    if not isinstance(given, list):
        raise ValueError("faults is a list")
    return [_rule(item) for item in given]


def _rule(given: Any) -> Fault:
    known = {item.name for item in fields(Fault)}
    if not isinstance(given, Mapping) or "operation" not in given:
        raise ValueError("a fault is an object with an operation")
    if strange := set(given) - known:
        raise ValueError(f"no such key in a fault: {', '.join(sorted(strange))}")
    rule = Fault(**given)
    if rule.when not in ("before", "after"):
        raise ValueError("when is before or after")
    rule.site = rule.site.lower() if rule.site else None
    rule.slot = rule.slot.lower() if rule.slot else None
    return rule
