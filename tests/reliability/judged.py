"""The figures of a design whose cases are told apart by a name and judged by themselves."""

import time
from dataclasses import dataclass, field


@dataclass
class Judged:
    """How many cases there were, which of them broke a rule, and how."""

    design: str
    cases: int = 0
    seconds: float = 0.0
    failed: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)

    @property
    def violations(self) -> int:
        return len(self.failed)

    def add(self, name: str, wrong: str = "") -> None:
        """Count the case *name*; *wrong* says what must not have been, or nothing."""
        self.cases += 1
        if wrong:
            self.failed[name] = wrong
        self.seconds = time.monotonic() - self._began

    def line(self) -> str:
        """Return the one line of a design."""
        return (
            f"{self.design} cases={self.cases} violations={self.violations} "
            f"seconds={self.seconds:.1f}"
        )

    def report(self, limit: int = 20) -> str:
        """Return what failed, and how."""
        return "\n".join(f"{name}: {wrong}" for name, wrong in [*self.failed.items()][:limit])
