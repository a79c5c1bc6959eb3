"""Render the model card: what people want to know before they commit a bump, as Markdown."""

from gitslot.convert.evaluate import Evaluation
from gitslot.convert.parity import Parity
from gitslot.registry.manifest import Manifest


def render(manifest: Manifest, evaluation: Evaluation, parity: Parity) -> str:
    """Return the card of a version: its origin, its metrics, its proof."""
    metrics = "\n".join(f"| {name} | {value:g} |" for name, value in manifest.metrics.items())
    libraries = ", ".join(f"{name} {text}" for name, text in manifest.libraries.items())
    return f"""# {manifest.model} {manifest.version}

`{manifest.estimator}`, trained on {manifest.data.rows} rows of {manifest.data.name}
(sha256 `{manifest.data.sha256[:12]}`), {manifest.created:%Y-%m-%d %H:%M} UTC,
from commit {manifest.source.commit or "unknown"}, with {libraries}.

Digest: `sha256:{manifest.digest}`

| metric | value |
|---|---|
{metrics}

{_confusion(evaluation)}{proof(parity)}. {len(manifest.golden)} golden rows, tolerance
{parity.tolerance:.1e}.
"""


def proof(parity: Parity) -> str:
    """Return in one line what was proved."""
    exact = "exact" if parity.worst < 1e-6 else f"within {parity.worst:.1e}"
    return f"{parity.candidate.title} answers as scikit-learn does on {parity.rows} rows: {exact}"


def _confusion(evaluation: Evaluation) -> str:
    if not evaluation.classes:
        return ""
    head = " | ".join(str(label) for label in evaluation.classes)
    lines = "\n".join(
        f"| **{label}** | {' | '.join(str(count) for count in counts)} |"
        for label, counts in zip(evaluation.classes, evaluation.confusion.tolist(), strict=True)
    )
    return f"| true \\ predicted | {head} |\n|---|{'---|' * len(evaluation.classes)}\n{lines}\n\n"
