"""Cases that are told apart by a name and judged elsewhere, with what is worth printing of them."""

from dataclasses import dataclass, field


@dataclass
class Judged:
    """What was found wrong with each case, or nothing."""

    design: str
    told: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, wrong: str = "") -> None:
        """Count the case *name*; *wrong* says what must not have been, or nothing."""
        self.told[name] = wrong

    def report(self, limit: int = 20) -> str:
        """Return what failed, and how."""
        failed = [f"{name}: {wrong}" for name, wrong in self.told.items() if wrong]
        return "\n".join(failed[:limit])
