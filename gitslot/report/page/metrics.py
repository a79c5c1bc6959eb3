"""`/api/metrics`: the snapshot for Prometheus, through its own client."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from gitslot.report import snapshot
from gitslot.report.snapshot import Snapshot
from gitslot.report.status import HEALTHY, SYNCED
from gitslot.state.wanted import PRODUCTION


def metrics(found: Sequence[Snapshot], now: datetime) -> tuple[str, str]:
    """Return the content type and the text of all metrics."""
    registry = CollectorRegistry()
    gauge = partial(Gauge, registry=registry)
    labels = ["app", "slot"]
    age = gauge(
        "gitslot_snapshot_age_seconds",
        "Since a controller last wrote what it saw; more than 180: it does not look.",
        ["controller", "version"],
    )
    late = gauge(
        "gitslot_oldest_look_seconds",
        "Since the look, at an app in sync, that is longest ago; one is due every 60 s.",
        ["controller"],
    )
    healthy = gauge("gitslot_healthy", "Users get answers: 1.", labels)
    synced = gauge("gitslot_synced", "It is as Git wants: 1.", labels)
    serves = gauge("gitslot_serves", "Always 1; what a slot serves.", [*labels, "model", "version"])
    for each in found:
        age.labels(each.controller, each.version).set((now - each.written).total_seconds())
        done = [each.looked[name] for name, one in each.apps.items() if one.code == 0]
        oldest = min(done, default=each.written)
        late.labels(each.controller).set((each.written - oldest).total_seconds())
    for name, seen in snapshot.by_app(found).items():
        for row in seen.apps[name].rows:
            serves.labels(name, row.slot, row.model, row.serves).set(1)
            healthy.labels(name, row.slot).set(row.health == HEALTHY)
            if row.state or row.slot == PRODUCTION:
                synced.labels(name, row.slot).set(row.state == SYNCED)
    return CONTENT_TYPE_LATEST, generate_latest(registry).decode()
