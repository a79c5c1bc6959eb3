"""
The plan of a pull request as one comment, from the snapshot and the registry alone.

Pure. It needs no right in ARM, and says when the snapshot or the base it was made from is old.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gitslot.registry.card import lines
from gitslot.registry.manifest import Manifest
from gitslot.report.snapshot import AppView
from gitslot.report.status import Row
from gitslot.state.safe_text import code_span, safe, seconds_text
from gitslot.state.wanted import STAGING, App, Wanted

MARK = "<!-- gitslot plan -->"  # by which a workflow finds the comment that it wrote before
_FACTS = ("metrics", "data", "estimator", "commit", "digest", "libraries", "memory")


@dataclass(frozen=True, slots=True)
class Change:
    """
    What a commit changes of one app.

    *manifests* holds those of the registry by version, or the words of why there is none.
    """

    app: App
    view: AppView | None
    manifests: Mapping[str, Manifest | str]


def comment(changes: Sequence[Change], others: int, warnings: Sequence[str]) -> str:
    """Return the comment about *changes*; *others* is how many apps are left as they are."""
    parts = [MARK, "### gitslot plan"]
    parts += [f"> **{safe(warning)}**" for warning in warnings]
    for change in changes:
        parts += _app(change)
    if not changes:
        parts.append("Nothing changes.")
    if others:
        count = "1 other app stays" if others == 1 else f"{others} other apps stay"
        parts.append(f"{count} as they are.")
    return "\n\n".join(parts) + "\n"


def _app(change: Change) -> Iterator[str]:
    app, view = change.app, change.view
    rows = {row.slot: row for row in view.rows} if view else {}
    yield f"#### {code_span(app.name)}"
    if app.suspend:
        yield f"Suspended, so nothing is done: {code_span(app.suspend)}"
    for slot, wanted in app.slots.items():
        if slot == STAGING and wanted == app.production:
            continue
        yield _slot(app, slot, wanted, rows, view)
        found = change.manifests.get(wanted.version)
        if isinstance(found, str):
            yield f"> [!CAUTION]\n> {code_span(found)}"
    if view is None:
        yield "No controller has looked at it yet."
    before = rows.get("production")
    if before and (table := _table(change.manifests, before.serves, app.production.version)):
        yield table
        yield _answers(change.manifests, before.serves, app.production.version)


def _slot(
    app: App, slot: str, wanted: Wanted, rows: Mapping[str, Row], view: AppView | None
) -> str:
    row, staging = rows.get(slot), rows.get(STAGING)
    serves = f"{row.serves} -> " if row and row.serves != wanted.version else ""
    said = f"**{slot}** {code_span(f'{app.model} {serves}{wanted}')}"
    if row is None or view is None:
        return said
    if (row.model, row.serves) == (app.model, wanted.version):
        return f"{said}: nothing to do"
    if slot != "production":
        return f"{said}: 1 deploy{_about(view, 'deploy')}"
    ready = staging and (staging.model, staging.serves) == (app.model, wanted.version)
    steps = ("swap",) if ready else ("deploy", "swap")
    held = "" if app.pin is None else "; staging gives up the way back by one swap"
    cost = ", ".join(f"1 {step}" for step in steps)
    return f"{said}: {cost}{_about(view, *steps)}; back: 1 swap{held}"


def _about(view: AppView, *steps: str) -> str:
    usual = [view.usual.get(step) for step in steps]
    known = [seconds for seconds in usual if seconds is not None]
    return f", about {seconds_text(sum(known))}" if len(known) == len(usual) else ""


def _table(manifests: Mapping[str, Manifest | str], old: str, new: str) -> str:
    """Return the facts of both versions side by side, those that differ in bold."""
    both = [manifests.get(version) for version in (old, new)]
    before, after = (dict(lines(each)) if isinstance(each, Manifest) else {} for each in both)
    if old == new or not after:
        return ""
    rows = [f"| | {code_span(old)} | {code_span(new)} |", "|---|---|---|"]
    for fact in _FACTS:
        one, two = before.get(fact, ""), after.get(fact, "")
        if one or two:
            name = fact if one == two else f"**{fact}**"
            rows.append(f"| {name} | {_cell(one)} | {_cell(two)} |")
    return "\n".join(rows)


def _cell(text: str) -> str:
    return code_span(text).replace("|", "\\|") if text else ""


def _answers(manifests: Mapping[str, Manifest | str], old: str, new: str) -> str:
    """Say how many golden answers change, on the rows that both versions have."""
    before, after = manifests.get(old), manifests.get(new)
    if not isinstance(before, Manifest) or not isinstance(after, Manifest):
        return ""
    known = dict(zip(before.golden.inputs, before.golden.labels, strict=True))
    pairs = zip(after.golden.inputs, after.golden.labels, strict=True)
    both = [(known[row], label) for row, label in pairs if row in known]
    if not both:
        return "The two versions have no golden row in common."
    changed = sum(one != two for one, two in both)
    return f"Golden answers that change: {changed} of the {len(both)} rows that both have."
