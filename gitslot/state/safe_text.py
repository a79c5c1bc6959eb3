"""Texts from outside, made safe to print, and numbers as people read them. Pure."""

import re

_MAX_TEXT = 2000


_CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def safe(text: str, limit: int = _MAX_TEXT) -> str:
    """Return *text* on one line: control and direction characters escaped, cut at *limit*."""
    text = text if len(text) <= limit else text[: limit - 1] + "…"
    return _CONTROL.sub(lambda m: f"\\u{ord(m[0]):04x}", text)


def spoken(seconds: float) -> str:
    """Return *seconds* as people write them, in the greatest unit that divides it."""
    for unit, words in ((3600, "h"), (60, "min")):
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds // unit:.0f} {words}"
    return f"{seconds:.0f} s"
