"""Regular expressions of XML Schema, said as JSON Schema says them."""

from __future__ import annotations

from typing import Final

CLASSES: Final = {
    "i": "A-Za-z_:\\u00C0-\\u024F",
    "c": "-A-Za-z0-9._:\\u00B7\\u00C0-\\u024F",
}
"""The letters that begin an XML name, and those that go on with one, of the Latin alphabets."""
WORTH_ESCAPING: Final = frozenset("^$")


def translate(pattern: str) -> str | None:
    """Anchor a pattern as XML Schema means it; None for one that takes a class from a class, or names a block."""
    if "\\p{Is" in pattern or "\\P{Is" in pattern or "\\I" in pattern or "\\C" in pattern:
        return None
    said, within, position = [], False, 0
    while position < len(pattern):
        letter = pattern[position]
        if letter == "\\":
            letter = pattern[position : position + 2]
            position += 1
            said.append(_escape(letter, within=within))
        elif within and letter == "[":
            return None
        elif letter in WORTH_ESCAPING and not within:
            said.append(f"\\{letter}")
        else:
            within = letter == "[" or (within and letter != "]")
            said.append(letter)
        position += 1
    whole = "".join(said)
    return f"^(?:{whole})$" if "|" in pattern else f"^{whole}$"


def _escape(said: str, *, within: bool) -> str:
    letters = CLASSES.get(said[1:])
    if letters is not None:
        return letters if within else f"[{letters}]"
    return said if within or said != "\\-" else "-"
