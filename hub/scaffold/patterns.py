"""Texts that a regular expression takes, the plainest first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from re import _constants as sre  # type: ignore[attr-defined]  # the parser of re, which has no public name
from re import _parser  # type: ignore[attr-defined]  # as above
from typing import Any, Final

LIKED: Final = "2Aa1 -.éB"
"""Characters that look like something, tried first where a class allows them."""

MORE: Final = (0, 1, 2, 3, 4, 6, 9, 14, 20, 30, 50, 100, 200)
"""How often more than it must a part may be repeated."""

PROPERTY: Final = re.compile(r"\\p\{(\w+)\}")
PROPERTIES: Final = {"Lu": "A-Z", "Ll": "a-z", "L": "A-Za-z", "N": "0-9", "Nd": "0-9", "P": ".,-", "Z": " ", "Zs": " "}
"""Letters of a property of Unicode, as a class writes them: which `re` does not know."""

LETTERS: Final = [chr(code) for code in range(32, 0x250) if chr(code).isprintable()]


def texts_of(pattern: str) -> Iterator[str]:
    """Give a few texts that a pattern takes, longer and longer; none when it cannot be read."""
    try:
        parsed = _parser.parse(PROPERTY.sub(lambda found: PROPERTIES.get(found[1], "a-z"), pattern))
    except (re.error, OverflowError, RecursionError):
        return
    for more in MORE:
        yield "".join(_text(operation, argument, more) for operation, argument in parsed)


def _text(operation: Any, argument: Any, more: int) -> str:  # noqa: PLR0911  # a table of what re knows
    match operation:
        case sre.LITERAL:
            return chr(argument)
        case sre.NOT_LITERAL:
            return next(letter for letter in LIKED if letter != chr(argument))
        case sre.ANY:
            return "a"
        case sre.IN:
            return _letter(argument)
        case sre.BRANCH:
            return _all(argument[1][0], more)
        case sre.SUBPATTERN:
            return _all(argument[3], more)
        case sre.ATOMIC_GROUP:
            return _all(argument, more)
        case sre.MAX_REPEAT | sre.MIN_REPEAT | sre.POSSESSIVE_REPEAT:
            least, most, repeated = argument
            return "".join(_all(repeated, 0) for _ in range(min(least + more, int(most))))
    return ""


def _all(parsed: Any, more: int) -> str:
    return "".join(_text(operation, argument, more) for operation, argument in parsed)


def _letter(choices: Any) -> str:
    """Give a letter of a class, one that looks like something if there is one."""
    letter: str
    negated = choices[0][0] is sre.NEGATE
    wanted = [choice for choice in choices if choice[0] is not sre.NEGATE]
    for letter in [*LIKED, *LETTERS]:
        if any(_is(letter, choice) for choice in wanted) != negated:
            return letter
    return ""


def _is(letter: str, choice: Any) -> bool:
    operation, argument = choice
    match operation:
        case sre.LITERAL:
            return bool(ord(letter) == argument)
        case sre.RANGE:
            return bool(argument[0] <= ord(letter) <= argument[1])
        case sre.CATEGORY:
            return bool(re.match(CATEGORIES[argument], letter))
    return False


CATEGORIES: Final = {
    sre.CATEGORY_DIGIT: r"\d",
    sre.CATEGORY_NOT_DIGIT: r"\D",
    sre.CATEGORY_SPACE: r"\s",
    sre.CATEGORY_NOT_SPACE: r"\S",
    sre.CATEGORY_WORD: r"\w",
    sre.CATEGORY_NOT_WORD: r"\W",
}
