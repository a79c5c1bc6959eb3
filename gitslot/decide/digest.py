"""
The digest that is remembered of a version: what the journal holds of it or, at the first look, what
the slots are set to. Pure.

A version is a name that whoever may write blobs can give to other bytes. So its digest is the one
first seen, until a commit pins another.
"""

import re
from collections.abc import Mapping

from gitslot.state.remembered import Memory
from gitslot.state.seen import Live

# A model, and MODEL_VERSION as a deploy writes it.
_SET_TO = re.compile(r"[\w.-]{1,64} [\w.-]{1,64}@sha256:[0-9a-f]{64}", re.ASCII)


def remembered(memory: Memory, live: Live | None, model: str, version: str) -> str:
    """Return the digest that is remembered of *version*, or ""."""
    known = memory.digests if live is None else {**set_to(memory, live), **memory.digests}
    return known.get(f"{model} {version}", "")


def set_to(memory: Memory, live: Live) -> Mapping[str, str]:
    """Return which digests production, then staging, are set to, at the first look of a journal."""
    if memory.baseline:
        return {}
    found = [arm.configured.release for arm in reversed(live.pair or ())]
    whole = (each for each in found if _SET_TO.fullmatch(f"{each.model} {each.setting}"))
    return {str(each): each.digest for each in whole}
