"""Texts from outside, made safe to print, and numbers as people read them. Pure."""

import re
from collections.abc import Collection

_MAX_TEXT = 2000


# What moves the cursor, turns the direction of writing, or takes no room: Unicode's Cc, Cf, Zl, Zp
# and Cs, and the letters and marks that are drawn as nothing.
_HIDDEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def safe(text: str, limit: int = _MAX_TEXT) -> str:
    """Return *text* on one line: control and hidden characters escaped, cut at *limit*."""
    text = text if len(text) <= limit else text[: limit - 1] + "…"
    return _HIDDEN.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    """Return a character as JSON escapes it."""
    units = match[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))


def code_span(text: str, limit: int = _MAX_TEXT) -> str:
    """
    Return *text* for Markdown as code, in which nothing is a link, a mention or markup.

    The fence is longer than any run of back-ticks inside:
    https://spec.commonmark.org/0.31.2/#code-spans
    """
    shown = safe(text, limit)
    fence = "`" * (max(map(len, re.findall("`+", shown)), default=0) + 1)
    return f"{fence} {shown} {fence}" if len(fence) > 1 else f"`{shown}`"


def spoken(seconds: float) -> str:
    """Return *seconds* as people write them, in the greatest unit that divides it."""
    for unit, words in ((3600, "h"), (60, "min")):
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds // unit:.0f} {words}"
    return f"{seconds:.0f} s"


def some_of(names: Collection[str]) -> str:
    """Return the first of *names*, and how many more there are."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(sorted(names)[:5]) + more


def seconds_text(seconds: float) -> str:
    """Return a duration as people read it: `12 s`, `14 min`, `3 h`, `5 days`."""
    for unit, name in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 1.5 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{max(seconds, 0):.0f} s"
