"""
Fire an app's timers, independently of each other, never one of them twice at once.

The rules are those of TimerListener.cs and ScheduleMonitor.cs in
github.com/Azure/azure-webjobs-sdk-extensions. A run that outlasts its next times is followed by one
immediate run. A start after a missed time, known from the saved status, fires once with past_due.
An exception does not stop the schedule.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from emulator.functions_host.app import App
from emulator.functions_host.functions import TimerFunction
from emulator.functions_host.records import ParameterBinding, TypedData
from emulator.functions_host.schedule import Schedule

# No single wait is longer, because laptops sleep and clocks are changed.
LONGEST_WAIT_S = 30.0
CATEGORY = "Host.Triggers.Timer"
NEVER = "0001-01-01T00:00:00+00:00"


@dataclass(frozen=True, slots=True)
class Status:
    """When a timer last fired and fires next; *last* is None before the first run."""

    last: datetime | None
    next: datetime
    updated: datetime

    def to_json(self) -> dict[str, str]:
        """Return the form in which Azure saves it and passes it to the function."""
        return {
            "Last": self.last.isoformat() if self.last else NEVER,
            "Next": self.next.isoformat(),
            "LastUpdated": self.updated.isoformat(),
        }

    @classmethod
    def from_json(cls, content: dict[str, str]) -> Self:
        """Read the result of `to_json`; raise `ValueError` or `KeyError` for anything else."""
        last = content["Last"]
        return cls(
            last=None if last == NEVER else datetime.fromisoformat(last),
            next=datetime.fromisoformat(content["Next"]),
            updated=datetime.fromisoformat(content["LastUpdated"]),
        )


class StatusFile:
    """Save a timer's status in a file, for restarts; without a folder, save nothing."""

    def __init__(self, folder: Path | None, name: str) -> None:
        self._path = folder / f"{name}.json" if folder else None

    def read(self) -> Status | None:
        """Return the saved status, or None if there is none that can be read."""
        if self._path is None:
            return None
        try:
            return Status.from_json(json.loads(self._path.read_text("utf-8")))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, status: Status) -> None:
        """Replace the saved status in one step."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(status.to_json()), "utf-8")
        fresh.replace(self._path)


@dataclass
class Timer:
    """
    Fire one function on its schedule until the host stops.

    *pause* waits for some seconds and returns whether to stop; *now* returns the time in UTC.
    """

    app: App
    function: TimerFunction
    schedule: Schedule
    kept: StatusFile
    pause: Callable[[float], Awaitable[bool]]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __post_init__(self) -> None:
        now = self.now()
        self._monitored = self.function.use_monitor and not self.schedule.is_often(now)
        self._status = Status(None, self.schedule.after(now), now)

    async def run(self) -> None:
        """Fire whenever it is time; return when the host stops."""
        past_due = self._take_up()
        self._log(20, f"next runs: {self._upcoming()}")
        if past_due or self.function.run_on_startup:
            if await self.pause(0):
                return
            await self._fire(past_due=past_due, scheduled=False)
        while not await self._wait():
            await self._fire(past_due=False, scheduled=True)

    async def fire_by_hand(self) -> None:
        """Call the function now, without regard to its schedule."""
        await self._call(past_due=False, why="called by hand")

    def _take_up(self) -> bool:
        kept = self.kept.read() if self._monitored else None
        if kept is None or self.schedule.after(kept.last or kept.updated) != kept.next:
            self._keep(self._status)  # never ran here, or on another schedule: nothing was missed
            return False
        self._status = kept
        return kept.next < self.now()

    async def _wait(self) -> bool:
        while True:
            left = (self._status.next - self.now()).total_seconds()
            if await self.pause(max(0.0, min(left, LONGEST_WAIT_S))):
                return True
            if left <= LONGEST_WAIT_S and self.now() >= self._status.next:
                return False

    async def _fire(self, *, past_due: bool, scheduled: bool) -> None:
        fired = self.now()
        why = f"Timer fired at {fired.isoformat()}"
        try:
            await self._call(past_due=past_due, why=why)
        except Exception as error:  # noqa: BLE001 - nothing stops a schedule
            self._log(40, f"error during a scheduled invocation: {error!r}")
        if scheduled:
            fired = max(fired, self._status.next)
        self._status = Status(fired, self.schedule.after(fired), fired)
        self._keep(self._status)

    async def _call(self, *, past_due: bool, why: str) -> None:
        info = {
            "Schedule": {"AdjustForDST": self.schedule.cron is not None},
            "ScheduleStatus": self._status.to_json() if self._monitored else None,
            "IsPastDue": past_due,
        }
        data = TypedData(json=json.dumps(info))
        inputs = [ParameterBinding(self.function.parameter, data)]
        await self.app.call(self.function, inputs, why)

    def _keep(self, status: Status) -> None:
        if not self._monitored:
            return
        try:
            self.kept.write(status)
        except OSError as error:
            self._log(30, f"the status cannot be kept: {error}")

    def _upcoming(self) -> str:
        moments = [self._status.next]
        for _ in range(4):
            moments.append(self.schedule.after(moments[-1]))
        return ", ".join(m.strftime("%Y-%m-%dT%H:%M:%SZ") for m in moments)

    def _log(self, level: int, text: str) -> None:
        message = f"timer '{self.function.name}' ({self.schedule.expression}): {text}"
        self.app.log.write(level, CATEGORY, message)
