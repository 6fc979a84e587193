"""Values shown without being told: a citizen's words become their type, their length and their shape."""

from __future__ import annotations

import string
from typing import Any, Final

PLAIN: Final = frozenset(string.punctuation + string.whitespace)
TRUTH: Final = "‹true or false›"


def masked(value: Any) -> Any:
    """Write `Léa-12` as `Xxx-99`, 640.5 as 999.9; what objects call their members is not a citizen's word."""
    match value:
        case bool():
            return TRUTH
        case str():
            return "".join(map(_letter, value))
        case int() | float():
            return type(value)("".join("9" if sign.isdigit() else sign for sign in f"{abs(value)}"))
        case dict():
            return {name: masked(member) for name, member in value.items()}
        case list() | tuple():
            return [masked(item) for item in value]
    return value


def _letter(sign: str) -> str:
    if sign in PLAIN:
        return sign
    if sign.isdigit():
        return "9"
    return "X" if sign.isupper() else "x"
