"""Typed tokens: what stands in the place of a value that was taken away, fit for the same field.

A token depends on the field and never on the value, but for the year of a date and the two decimals of a degree:
requests still validate, are still grouped, and mappings still write for them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any, Final

from hub.catalogue import Definition
from hub.facets import PATH
from hub.formats import is_iban, validator
from hub.privacy.classes import DATA, DataClass, Leaf, Path, fields, holders
from hub.proof.extremes import texts

UNTOUCHED: Final = frozenset({DataClass.NONE, DataClass.ATTACHMENT})
"""Classes whose values name nobody by themselves: the id of a file says nothing once the file is gone."""

EVERYTHING: Final = frozenset(DataClass) - UNTOUCHED

WORD: Final = "EFFACE"
USUAL: Final = (WORD, "efface@purge.invalid", "0600000000", "+33600000000", "https://purge.invalid/")
LONGEST_ZEROS: Final = 40
DECIMALS: Final = 2
"""Of the degrees of a place: a kilometre, so that it stays in its part of the city and leaves its door."""

TOP: Final = Leaf((), None, {})
"""A whole document."""

TEXT: Final = ("pattern", "minLength", "maxLength", "format")


def known_fields(definition: Definition | None, current: Definition | None) -> dict[Path, Leaf]:
    """Give the fields of a request, and the objects that hold some, with their classes.

    Where its own version says none, or cannot be read any more, the current one's is taken.
    """
    new = _described(current.schema) if current else {}
    own = _described(definition.schema) if definition else new or _described({})
    return {
        path: leaf._replace(said=leaf.said or (new[path].said if path in new else None)) for path, leaf in own.items()
    }


def counted_fields(definition: Definition | None, known: Mapping[Path, Leaf]) -> frozenset[Path]:
    """Give the fields that a kind declares are counted as they are: closed lists, which stay."""
    sources = definition.route.observer.sources.values() if definition else ()
    read = (tuple(source.split(".")) for source in sources if PATH.fullmatch(source))
    return frozenset(path for path in read if path in known and _is_closed(known[path].schema))


def tokenised(
    value: Any,
    known: Mapping[Path, Leaf],
    kept: Collection[Path] = (),
    classes: Collection[DataClass] = EVERYTHING,
    at: Leaf = TOP,
) -> Any:
    """Put tokens in the place of values of these classes.

    What no schema describes has the class of the nearest thing above it that is described, else it is taken for a
    person's words.
    """
    leaf = known.get(at.path, at)
    match value:
        case Mapping():
            said = None if leaf.said is DataClass.NONE else leaf.said
            below = {name: Leaf((*at.path, name), said, {}) for name in value}
            return {name: tokenised(one, known, kept, classes, below[name]) for name, one in value.items()}
        case list():
            items = [tokenised(one, known, kept, classes, at) for one in value]
            return list(dict.fromkeys(items)) if all(isinstance(one, str) for one in items) else items
        case None:
            return None
    return value if at.path in kept or leaf.data_class not in classes else token(value, leaf)


def token(value: Any, leaf: Leaf) -> Any:
    """Give what stands in the place of one value."""
    if isinstance(value, str):
        return _text(value, leaf)
    if _is_closed(leaf.schema) and not isinstance(value, bool):
        return _listed(leaf.schema)
    if isinstance(value, bool):
        return bool(leaf.schema.get("const", False))
    if leaf.data_class is DataClass.PLACE:
        return round(value, DECIMALS)
    return type(value)(max(0, leaf.schema.get("minimum", 0)))


def _described(schema: Mapping[str, Any]) -> dict[Path, Leaf]:
    return {**holders(schema, (DATA,)), **fields(schema)}


def _text(value: str, leaf: Leaf) -> str:
    schema = leaf.schema
    if "enum" in schema or "const" in schema:
        return str(_listed(schema))
    if schema.get("format") in {"date", "date-time"} and value[:4].isdigit():
        return f"{value[:4]}-01-01{'T00:00:00Z' if schema['format'] == 'date-time' else ''}"
    return _fixed(leaf.data_class, *(schema.get(word) for word in TEXT))


@lru_cache(maxsize=2_000)
def _fixed(data_class: DataClass, *limits: Any) -> str:
    """Give the text that stands for any value of a field of these limits."""
    schema = {"type": "string", **{word: said for word, said in zip(TEXT, limits, strict=True) if said is not None}}
    fits = validator(schema).is_valid
    named = f"⟦{data_class}⟧"
    return next((one for one in _candidates(named, schema) if fits(one)), named)


def _candidates(named: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield named.ljust(schema.get("minLength", 0), ".")
    yield from USUAL
    yield WORD.ljust(schema.get("minLength", 0), "E")
    yield from ("0" * length for length in range(1, LONGEST_ZEROS))
    yield from islice((iban for check in range(2, 99) if is_iban(iban := f"FR{check:02d}{'0' * 23}")), 1)
    yield from (str(one.value) for one in texts(schema) if one.value)


def _is_closed(schema: Mapping[str, Any]) -> bool:
    return "enum" in schema or "const" in schema or schema.get("type") == "boolean"


def _listed(schema: Mapping[str, Any]) -> Any:
    return schema["const"] if "const" in schema else schema["enum"][0]
