"""
gitslot: keeps the deployment slots of Azure Function Apps equal to a file in Git.

The loop is four verbs: look at Git and at the slots (`look`), decide the one next thing (`decide`,
pure), act on it (`act`), record it (`record`). `reconcile` turns them until the slots serve what
Git asks for. Start reading at `decide.decide`.

`gitslot.register` puts a trained model into the registry. It is imported when it is used, so that
`import gitslot` loads nothing of Azure, and no other package.
"""

from importlib import import_module
from typing import Any

__all__ = ["register"]
_PUBLIC = {"register": "gitslot.cli.notebook"}  # what people import, and where it is


def __getattr__(name: str) -> Any:
    """Import what is public when it is first used."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
