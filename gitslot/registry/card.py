"""The facts of a registered version, as people read them."""

from gitslot.registry.manifest import Manifest, Proof


def lines(manifest: Manifest) -> list[tuple[str, str]]:
    """Return what a card shows of *manifest*: a name and a text for each fact."""
    source, columns = manifest.source, manifest.columns
    shown = ", ".join(f"{column.name} ({column.type})" for column in columns[:8])
    more = f", and {len(columns) - 8} more" if len(columns) > 8 else ""
    found = [
        ("digest", f"sha256:{manifest.digest}"),
        ("estimator", manifest.estimator),
        ("answers", _answers(manifest)),
        ("columns", f"{len(columns)}: {shown}{more}"),
        ("metrics", ", ".join(f"{name} {value:g}" for name, value in manifest.metrics.items())),
        (
            "data",
            f"{manifest.data.name}, {manifest.data.rows} rows, sha256 {manifest.data.sha256[:12]}",
        ),
        ("proof", proof(manifest.proof)),
        ("golden rows", f"{len(manifest.golden)}, tolerance {manifest.golden.tolerance:.1e}"),
        ("memory", _memory(manifest)),
        ("libraries", ", ".join(f"{name} {text}" for name, text in manifest.libraries.items())),
        ("commit", source.commit or "none"),
        ("who", source.who),
        ("run", " ".join(filter(None, [source.run, source.link]))),
        ("created", f"{manifest.created:%Y-%m-%d %H:%M %Z}"),
    ]
    return [(name, text) for name, text in found if text]


def proof(found: Proof | None) -> str:
    """Return in one line what was proved; format 1 does not hold it."""
    if found is None:
        return ""
    exact = "exact" if found.worst < 1e-6 else f"within {found.worst:.1e}"
    return f"{found.form} answers as the trained model does on {found.rows} rows: {exact}"


def _answers(manifest: Manifest) -> str:
    if not manifest.classes:
        return "a number"
    classes = ", ".join(str(label) for label in manifest.classes[:12])
    more = f", and {len(manifest.classes) - 12} more" if len(manifest.classes) > 12 else ""
    return f"{classes}{more}{'' if manifest.probabilities else '; no probabilities'}"


def _memory(manifest: Manifest) -> str:
    held = manifest.needs.memory
    return f"{held / 2**20:.0f} MiB for a process that serves it" if held else ""
