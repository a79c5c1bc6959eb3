"""A claim's result: bench/results/<claim>.json."""

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
LIBRARIES = ("azure-mgmt-web", "azure-functions-runtime", "onnxruntime", "dulwich")


def text(published: Mapping[str, Any]) -> str:
    """Return *published* as JSON, with one measurement a line."""
    parts = {name: json.dumps(value) for name, value in published.items()}
    lines = (f"    {json.dumps(row)}" for row in published["rows"])
    parts["rows"] = "[\n{}\n  ]".format(",\n".join(lines))
    return "{\n" + ",\n".join(f'  "{name}": {part}' for name, part in parts.items()) + "\n}\n"


def read(claim: str) -> dict[str, Any] | None:
    """Return the result of *claim*, or None where it was not measured."""
    path = RESULTS / f"{claim}.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement under one load: *median*, *min* and *max* of its rounds, in *unit*."""

    name: str
    load: str
    median: float
    min: float
    max: float
    unit: str


@dataclass(frozen=True, slots=True)
class Target:
    """A target, the result, and whether it is met."""

    want: str
    got: str
    met: bool


@dataclass(slots=True)
class Report:
    """
    A claim's result; *rounds* is how often each row was measured, a picture is made of *series*.

    What the claim times, its peer, what it does not show: the docstring of its module says it.
    """

    claim: str
    rounds: int
    rows: list[Row] = field(default_factory=list)
    ratios: dict[str, float] = field(default_factory=dict)
    targets: dict[str, Target] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    series: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, load: str, values: Sequence[float], unit: str) -> float:
        """Add the row of *values* and return their median."""
        median = statistics.median(values)
        self.rows.append(Row(name, load, round(median, 3), min(values), max(values), unit))
        return median

    def at_most(self, name: str, got: float, most: float, unit: str) -> None:
        """Add the target that *got* is at most *most*, both in *unit*."""
        self.targets[name] = Target(f"<= {most:g} {unit}", f"{got:.3g} {unit}", got <= most)

    def as_dict(self) -> dict[str, Any]:
        """Return the published form."""
        found = {name: version(name) for name in LIBRARIES}
        return {
            **asdict(self),
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "versions": {"python": platform.python_version(), **found, **self.versions},
            "machine": {
                "system": f"{platform.system()} {platform.machine()}",
                "load": f"load {os.getloadavg()[2]:.1f} on {os.cpu_count()} cores",
                "note": "emulator on one laptop; what it measures is not Azure",
            },
        }

    def write(self) -> Path:
        """Write the JSON and return its path."""
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{self.claim}.json"
        path.write_text(text(self.as_dict()))
        return path
