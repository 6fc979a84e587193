"""The extreme values that a JSON Schema allows: the shortest, the longest, the ones that grow, the foreign."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import chain, cycle, islice
from re import _constants as ops  # type: ignore[attr-defined]  # the parser of `re` is the only one there is
from re import _parser  # type: ignore[attr-defined]
from typing import Any, Final, NamedTuple

import jsonschema_rs

LONGEST: Final = 5_000
"""Characters of a text that no schema limits."""
MOST_ITEMS: Final = 101
FARTHEST: Final = 10**9
"""A number that no schema limits."""

FILLINGS: Final[Mapping[str, str]] = {
    "{} characters long": "W",
    "{} letters that grow in capitals": "ß",
    "{} characters that grow when they are transcribed": "…",
    "{} letters of another alphabet": "王",
}
"""What a long text is made of, by how a finding says it."""

ODDITIES: Final[Mapping[str, str]] = {
    "blank": " ",
    "with letters outside ISO-8859-1": "Łœ’Ž",
    "with control characters": "a\t\n\x01b",
    "with combining accents": "e\u0301a\u0300",
    "an apostrophe": "'",
    "a number": "0",
}

FORMATS: Final[Mapping[str, tuple[str, ...]]] = {
    "date-time": ("2026-09-07T09:12:45+02:00", "2024-02-29T00:00:00Z", "2026-12-31T23:59:59.999999+01:00"),
    "email": ("lea@example.org", f"{'a' * 60}@{'b' * 40}.example.org", "lea@é.example.org"),
    "idn-email": ("lea@example.org", f"{'a' * 60}@{'b' * 40}.example.org", "lea@é.example.org"),
    "uri": ("https://ville.example/",),
    "uuid": ("6f2c1c8e-5f0e-4b8e-9a55-0f3a1f0c2b11",),
    "time": ("09:30:00Z",),
}
USUAL: Final = ("Exemple", "2026-09-07", "13100", "0639981234")


class Extreme(NamedTuple):
    """A value, and how a finding tells of it: `80 characters long`."""

    how: str
    value: Any


def texts(schema: Mapping[str, Any]) -> tuple[Extreme, ...]:
    """Give the texts to try, the usual one first; all are of the schema, unless it allows none that is known."""
    own = tuple(schema.get("examples", ())) + ((schema["default"],) if "default" in schema else ())
    return _texts(schema.get("pattern"), schema.get("minLength", 0), schema.get("maxLength"), schema.get("format"), own)


def numbers(schema: Mapping[str, Any]) -> tuple[Extreme, ...]:
    """Give the least and the largest number."""
    whole = schema.get("type") == "integer"
    step = schema.get("multipleOf", 1)
    least = schema.get("minimum", schema.get("exclusiveMinimum", -FARTHEST - step) + step)
    most = schema.get("maximum", schema.get("exclusiveMaximum", FARTHEST + step) - step)
    middle = [] if whole else [least + (most - least) / 3]
    values = dict.fromkeys([max(least, 0) if most >= 0 else least, least, most, *middle])
    return tuple(Extreme(str(value), value) for value in values)


@lru_cache(maxsize=2_000)
def _texts(
    pattern: str | None, least: int, most: int | None, form: str | None, own: tuple[Any, ...]
) -> tuple[Extreme, ...]:
    said: dict[str, Any] = {"type": "string", "minLength": least}
    said |= {"maxLength": most} if most is not None else {}
    said |= {"pattern": pattern} if pattern else {}
    said |= {"format": form} if form else {}
    fits = jsonschema_rs.Draft202012Validator(said, validate_formats=True).is_valid
    found: dict[Any, str] = {}
    for how, value in _candidates(pattern, least, LONGEST if most is None else most, form, own):
        if value not in found and fits(value):
            found[value] = how
    return tuple(Extreme(how, value) for value, how in found.items())


def _candidates(
    pattern: str | None, least: int, most: int, form: str | None, own: tuple[Any, ...]
) -> Iterator[tuple[str, str]]:
    yield from (("as its example", value) for value in own)
    if form == "date":
        yield from _dates(pattern)
        return
    if form is not None and form in FORMATS:
        yield from ((f"« {value} »", value) for value in FORMATS[form])
        return
    if pattern:
        yield from _of_pattern(pattern, least, most)
    yield from ((f"« {value} »", value[:most]) for value in USUAL)
    for how, letter in FILLINGS.items():
        yield how.format(most), letter * most
    shortest = max(least, 0)
    yield (f"{shortest} characters long" if shortest else "empty", "a" * shortest)
    for how, text in ODDITIES.items():
        yield how, "".join(islice(cycle(text), max(least, len(text))))[:most]


def _dates(pattern: str | None) -> Iterator[tuple[str, str]]:
    """Give days of the years that a pattern may begin with."""
    fits = jsonschema_rs.Draft202012Validator({"pattern": pattern or ""}).is_valid
    days = [day for year in range(1800, 2200) for day in (f"{year}-01-01", f"{year}-12-31") if fits(day)]
    usual = next((day for day in ("2020-02-29", "2000-02-29") if fits(day)), None)
    chosen = [*([usual] if usual else []), *([days[0], days[-1]] if days else [])]
    yield from ((f"« {day} »", day) for day in chosen)


def _of_pattern(pattern: str, least: int, most: int) -> Iterator[tuple[str, str]]:
    """Make texts of a pattern: plain ones, then long ones of every kind of letter it names."""
    try:
        tree = _parser.parse(pattern)
    except (_parser.error, OverflowError, RecursionError):
        return
    for length in (least, (least + min(most, 40)) // 2, most):
        for turn in range(3):
            text = _Sampler(length, turn).text(tree)
            yield f"{len(text)} characters long, « {text[:24]}{'…' if len(text) > 24 else ''} »", text


class _Sampler:
    """Writes one text of a pattern, as near as can be to a length; whether it fits is for a validator to say."""

    def __init__(self, length: int, turn: int) -> None:
        self._left, self._turn = length, turn

    def text(self, tree: Any) -> str:
        return "".join(self._piece(op, said) for op, said in tree)

    def _piece(self, op: Any, said: Any) -> str:  # noqa: PLR0911  # one for each sort of piece
        match op:
            case ops.LITERAL:
                return self._spend(chr(said))
            case ops.NOT_LITERAL | ops.ANY:
                return self._spend("a" if said != ord("a") else "b")
            case ops.IN:
                return self._spend(self._one_of(said))
            case ops.SUBPATTERN:
                return self.text(said[-1])
            case ops.BRANCH:
                ways = said[1]
                return self.text(ways[self._turn % len(ways)])
            case ops.MAX_REPEAT | ops.MIN_REPEAT | ops.POSSESSIVE_REPEAT:
                return self._repeated(*said)
            case ops.ATOMIC_GROUP:
                return self.text(said)
            case ops.CATEGORY:
                return self._spend(_category(said))
            case _:
                return ""

    def _repeated(self, least: int, most: Any, tree: Any) -> str:
        pieces = [self.text(tree) for _ in range(least)]
        most = LONGEST if most == ops.MAXREPEAT else most
        while len(pieces) < most and self._left > 0:
            pieces.append(self.text(tree))
            if not pieces[-1]:
                break
        return "".join(pieces)

    def _one_of(self, said: Any) -> str:
        letters = list(dict.fromkeys(chain.from_iterable(_letters(op, of) for op, of in said)))
        if said[0][0] is ops.NEGATE:
            return next(one for one in "aZ0 é.-_/王\x01" if one not in set(letters) or one == "\x01")
        self._turn += 1
        return letters[self._turn % len(letters)] if self._left % 2 or self._turn > 3 else letters[0]

    def _spend(self, letter: str) -> str:
        self._left -= 1
        return letter


def _letters(op: Any, said: Any) -> str:
    match op:
        case ops.LITERAL:
            return chr(said)
        case ops.RANGE:
            return chr(said[0]) + chr(said[1])
        case ops.CATEGORY:
            return _category(said)
        case _:
            return ""


def _category(said: Any) -> str:
    return {ops.CATEGORY_DIGIT: "7", ops.CATEGORY_SPACE: " ", ops.CATEGORY_WORD: "a"}.get(said, "-")
