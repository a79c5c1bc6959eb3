"""
The digest that is remembered of a version: what the journal holds of it or, at the first look, what
the slots are set to. Pure.

A version is a name that whoever may write blobs can give to other bytes. So its digest is the one
first seen, until a commit pins another.
"""

from collections.abc import Mapping

from gitslot.state.remembered import Memory
from gitslot.state.seen import Live


def remembered(memory: Memory, live: Live | None, model: str, version: str) -> str:
    """Return the digest that is remembered of *version*, or ""."""
    known = memory.digests if live is None else {**set_to(memory, live), **memory.digests}
    return known.get(f"{model} {version}", "")


def set_to(memory: Memory, live: Live) -> Mapping[str, str]:
    """Return which digests production, then staging, are set to, at the first look of a journal."""
    if memory.baseline:
        return {}
    pinned = [arm.configured for arm in reversed(live.pair or ()) if arm.configured.digest]
    return {str(each.release): each.digest for each in pinned}
