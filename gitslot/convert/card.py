"""Render the model card: what people want to know before they commit a bump, as Markdown."""

from gitslot.convert.evaluate import Evaluation
from gitslot.convert.parity import Parity
from gitslot.registry.manifest import Manifest


def render(manifest: Manifest, evaluation: Evaluation, parity: Parity) -> str:
    """Return the card of a version: its origin, its metrics, its proof."""
    metrics = "\n".join(f"| {name} | {value:g} |" for name, value in manifest.metrics.items())
    head = " | ".join(str(label) for label in evaluation.classes)
    confusion = "\n".join(
        f"| **{label}** | {' | '.join(str(count) for count in counts)} |"
        for label, counts in zip(evaluation.classes, evaluation.confusion.tolist(), strict=True)
    )
    libraries = ", ".join(f"{name} {text}" for name, text in manifest.libraries.items())
    return f"""# {manifest.model} {manifest.version}

`{manifest.estimator}`, trained on {manifest.data.rows} rows of {manifest.data.name}
(sha256 `{manifest.data.sha256[:12]}`), {manifest.created:%Y-%m-%d %H:%M} UTC,
from commit {manifest.source.commit or "unknown"}, with {libraries}.

Digest: `sha256:{manifest.digest}`

| metric, on unseen rows | value |
|---|---|
{metrics}

| true \\ predicted | {head} |
|---|{"---|" * len(evaluation.classes)}
{confusion}

As ONNX it gives the same label as scikit-learn on all of {parity.rows} rows; probabilities differ
by {parity.worst:.1e} at most. {len(manifest.golden)} golden rows, tolerance {parity.tolerance:.1e}.
"""
