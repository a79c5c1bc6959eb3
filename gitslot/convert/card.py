"""Render the model card: what people want to know before they commit a bump, as Markdown."""

from gitslot.convert.evaluate import Evaluation
from gitslot.registry.card import lines
from gitslot.registry.manifest import Manifest
from gitslot.state.safe_text import code_span


def render(manifest: Manifest, evaluation: Evaluation) -> str:
    """Return the card of a version: its facts, and how often it takes one class for another."""
    facts = "\n".join(f"| {name} | {_cell(text)} |" for name, text in lines(manifest))
    head = f"# {manifest.model} {manifest.version}\n\n|  |  |\n|---|---|\n{facts}\n"
    if not evaluation.classes:
        return head
    classes = " | ".join(_cell(str(label)) for label in evaluation.classes)
    rows = "\n".join(
        f"| {_cell(str(label))} | {' | '.join(str(count) for count in counts)} |"
        for label, counts in zip(evaluation.classes, evaluation.confusion.tolist(), strict=True)
    )
    table = f"| true \\ predicted | {classes} |\n|---|{'---|' * len(evaluation.classes)}\n{rows}"
    return f"{head}\n{table}\n"


def _cell(text: str) -> str:
    """Return *text* as code in a table, where a bar would end the cell."""
    return code_span(text).replace("|", "\\|")
