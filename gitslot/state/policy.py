"""The numbers of the rules."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Policy:
    """The numbers of the rules, all times in seconds, and what a setting makes stricter."""

    round_s: float = 239.0  # of one call of the timer: it ends just before the next is due
    poll_s: float = 1.0
    survey_s: float = 10.0  # between two questions to Git, and for news of apps at a stop
    rest_s: float = 60.0  # until an app is looked at again, converged or at a stop
    stretch: float = 3.0  # a converged one no sooner than in so many times what all of them take
    long_rest_s: float = 300.0  # the same, once it has stopped for `long_stop_s`
    long_stop_s: float = 3600.0
    asked_at_once: int = 50  # apps at a stop whose journals one survey asks for
    near_s: float = 30.0  # a step that is asked about so soon keeps a round going
    hangs_s: float = 10.0  # a look that takes as long has timed out
    threads: int = 16
    deploy_deadline_s: float = 600.0
    deploy_lost_s: float = 120.0
    swap_deadline_s: float = 1800.0
    settle_s: float = 90.0  # longer than the longest recorded flip
    busy_wait_s: float = 600.0  # after a 409 to a swap: longer than five pings of 90 s
    busy_waits: int = 3  # so many of them in a row stall a release
    degraded_s: float = 60.0
    hold_s: float = 600.0
    full_look_s: float = 3600.0
    full_looks: int = 200  # so many apps in that time: two calls each, half of ARM's 800 an hour
    full_looks_at_once: int = 50  # apps that are read right after a start
    rehearse_s: float = 300.0  # between two proofs of the release that waits in staging
    arm_reuse_s: float = 10.0  # while a step is waited for; never for a write
    arm_stop_s: float = 300.0  # the same at a stop that nothing in ARM ends
    pauses_s: tuple[float, ...] = (0.0, 30.0, 120.0)
    lock_renew_s: float = 15.0
    lock_write_s: float = 30.0
    lock_stale_s: float = 120.0
    golden_warmup: int = 1
    latency_requests: int = 200
    require_pin: bool = False  # refuse a version of which no digest is pinned or remembered

    @property
    def max_attempts(self) -> int:
        """Return after how many failed attempts a release is stalled."""
        return len(self.pauses_s)

    @property
    def max_busy(self) -> int:
        """Return how often the platform may be busy: for as long as a swap of its may take."""
        return max(1, round(self.swap_deadline_s / self.pauses_s[-1]))
