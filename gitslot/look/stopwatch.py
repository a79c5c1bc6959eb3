"""For how long something was seen the same, by a clock that never goes back."""

from dataclasses import dataclass

from gitslot.state.seen import Answer, Seen


@dataclass(slots=True)
class Since:
    """For how long one thing has been seen the same; times are seconds of one clock."""

    value: object = None
    start: float = 0.0

    def seconds(self, value: object, now: float) -> float:
        """Return for how many seconds *value* has been seen."""
        if value != self.value:
            self.value, self.start = value, now
        return now - self.start

    def lasting(self, fact: bool, now: float) -> float:
        """Return for how many seconds *fact* has been seen true, 0 while it is not."""
        seconds = self.seconds(fact, now)
        return seconds if fact else 0.0


def is_down(slot: Seen) -> bool:
    """Return whether *slot* does not serve what it is set to."""
    if slot.health.answer is not Answer.SERVING:
        return True
    return slot.arm is not None and slot.arm.configured.digest not in ("", slot.health.digest)


def is_failing(slot: Seen) -> bool:
    """Return whether *slot* behaves as something broken does; a blocked probe proves nothing."""
    return slot.health.answer in (Answer.UNHEALTHY, Answer.SILENT, Answer.FOREIGN)
