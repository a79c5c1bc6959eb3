"""`/api/metrics`: the snapshot for Prometheus, through its own client."""

from collections.abc import Sequence
from datetime import datetime

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from gitslot.report import snapshot
from gitslot.report.snapshot import Snapshot
from gitslot.report.status import HEALTHY, SYNCED
from gitslot.state.wanted import PRODUCTION


def metrics(found: Sequence[Snapshot], now: datetime) -> tuple[str, str]:
    """Return the content type and the text of all metrics."""
    registry = CollectorRegistry()
    age = Gauge(
        "gitslot_snapshot_age_seconds",
        "Since a controller last wrote what it saw; more than 180: it does not look.",
        ["controller", "version"],
        registry=registry,
    )
    labels = ["app", "slot"]
    healthy = Gauge("gitslot_healthy", "Users get answers: 1.", labels, registry=registry)
    synced = Gauge("gitslot_synced", "It is as Git wants: 1.", labels, registry=registry)
    serves = Gauge(
        "gitslot_serves",
        "Always 1; what a slot serves.",
        [*labels, "model", "version"],
        registry=registry,
    )
    for each in found:
        age.labels(each.controller, each.version).set((now - each.written).total_seconds())
    for name, seen in snapshot.by_app(found).items():
        for row in seen.apps[name].rows:
            serves.labels(name, row.slot, row.model, row.serves).set(1)
            healthy.labels(name, row.slot).set(row.health == HEALTHY)
            if row.state or row.slot == PRODUCTION:
                synced.labels(name, row.slot).set(row.state == SYNCED)
    return CONTENT_TYPE_LATEST, generate_latest(registry).decode()
