"""Texts of a pattern: a Hypothesis strategy that draws a run of characters at once, where `from_regex` draws each one.

The patterns are those of JSON Schema (ECMA 262), as far as Python reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from re import _constants as ops  # type: ignore[attr-defined]  # the parser of `re` is the only one there is
from re import _parser  # type: ignore[attr-defined]
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

CHARACTERS: Final = st.characters(codec="utf-8", exclude_characters="\0")
"""What the door takes in a text: neither NUL nor lone surrogates."""

LONGEST: Final = 300
"""Characters of a text that has no limit."""

CLASSES: Final = {
    ops.CATEGORY_DIGIT: "0123456789",
    ops.CATEGORY_SPACE: " \t\n",
    ops.CATEGORY_WORD: "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz",
}


class _UnknownError(Exception):
    """The pattern holds what is not drawn here."""


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> re.Pattern[str]:
    r"""Compile a pattern of JSON Schema for Python, where `$` and `\d` mean more."""
    return re.compile(re.sub(r"(?<!\\)\$", r"\\Z", pattern), re.ASCII)


def texts_of(pattern: str, most: int = LONGEST) -> SearchStrategy[str]:
    """Generate texts that a pattern finds something in, some as long as it lets them be."""
    said = compiled(pattern)
    try:
        drawn = _row(_parser.parse(said.pattern, re.ASCII), most)
    except _UnknownError:
        drawn = st.from_regex(said, alphabet=CHARACTERS)
    drawn = drawn.filter(lambda text: said.search(text) is not None)
    return drawn | drawn.map(lambda text: stretched(text, said, most))


def stretched(text: str, pattern: re.Pattern[str], most: int) -> str:
    """Repeat one of a text's characters until it is as long as it may be, where its pattern lets it."""
    for place in range(len(text) - 1, -1, -1):
        before, repeated, after = text[:place], text[place], text[place + 1 :]
        if len(text) < most and pattern.search(longest := before + repeated * (1 + most - len(text)) + after):
            return longest
        while len(text) < most and pattern.search(longer := before + repeated * 2 + after):
            text, before = longer, before + repeated
    return text


def _row(nodes: Iterable[Any], most: int) -> SearchStrategy[str]:
    parts = [_one(op, of, most) for op, of in nodes if op is not ops.AT]
    return parts[0] if len(parts) == 1 else st.tuples(*parts).map("".join)


def _one(op: Any, of: Any, most: int) -> SearchStrategy[str]:
    if op in {ops.LITERAL, ops.NOT_LITERAL, ops.IN, ops.ANY}:
        return st.text(_alphabet(op, of), min_size=1, max_size=1)
    if op in {ops.MAX_REPEAT, ops.MIN_REPEAT}:
        least, longest, within = of[0], min(int(of[1]), max(most, of[0])), list(of[2])
        if len(within) == 1 and within[0][0] in {ops.LITERAL, ops.NOT_LITERAL, ops.IN, ops.ANY}:
            return st.text(_alphabet(*within[0]), min_size=least, max_size=longest)
        return st.lists(_row(within, most), min_size=least, max_size=min(longest, least + 5)).map("".join)
    if op is ops.SUBPATTERN and not (of[1] or of[2]):
        return _row(of[3], most)
    if op is ops.BRANCH:
        return st.one_of([_row(way, most) for way in of[1]])
    raise _UnknownError


def _alphabet(op: Any, of: Any) -> Any:
    if op is ops.LITERAL:
        return chr(of)
    if op is ops.ANY:
        return st.characters(codec="utf-8", exclude_characters="\0\n\r")
    if op is ops.NOT_LITERAL:
        return st.characters(codec="utf-8", exclude_characters="\0" + chr(of))
    named = "".join(_members(one, said) for one, said in of if one is not ops.NEGATE)
    if any(one is ops.NEGATE for one, _ in of):
        return st.characters(codec="utf-8", exclude_characters="\0" + named)
    return named


def _members(op: Any, of: Any) -> str:
    if op is ops.LITERAL:
        return chr(of)
    if op is ops.RANGE:
        return "".join(chr(one) for one in range(of[0], min(of[1], of[0] + 5_000) + 1) if not 0xD800 <= one <= 0xDFFF)
    if op is ops.CATEGORY and of in CLASSES:
        return CLASSES[of]
    raise _UnknownError
