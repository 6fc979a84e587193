"""How two messages differ: element by element, by the kind of change, and never by what they say."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

import orjson

from hub.functions import LIGATURES


class Cause(StrEnum):
    """What kind of change it is."""

    FAILS_NOW = "fails now"
    WORKS_NOW = "works now"
    ADDED = "added"
    REMOVED = "removed"
    FEWER = "fewer items"
    MORE = "more items"
    ORDER = "other order"
    TYPE = "other type"
    EMPTIED = "emptied"
    FILLED = "filled"
    SPACES = "spaces"
    CASE = "case"
    ACCENTS = "accents"
    SPELLING = "spelling"
    FORMAT = "format"
    SHORTENED = "shortened"
    LENGTHENED = "lengthened"
    VALUE = "other value"


ABSENT: Final = object()
"""What stands where nothing is."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One element that is not what it was; `path` has `[]` for the items of a list, whichever of them it is."""

    path: str
    cause: Cause
    before: Any = ABSENT
    after: Any = ABSENT


def differences(before: Any, after: Any, path: str = "") -> Iterator[Difference]:
    """Find every element that differs, in the order of the first message."""
    match before, after:
        case dict(), dict():
            for name in [*before, *(name for name in after if name not in before)]:
                was, now = before.get(name, ABSENT), after.get(name, ABSENT)
                if was is now or (type(was) is str and was == now):
                    continue  # most elements are the same, and most are texts
                yield from differences(was, now, f"{path}.{name}" if path else name)
        case list(), list():
            yield from _lists(before, after, f"{path}[]")
        case _ if after is ABSENT:
            yield Difference(path, Cause.REMOVED, before)
        case _ if before is ABSENT:
            yield Difference(path, Cause.ADDED, after=after)
        case _ if _kind(before) != _kind(after):
            yield Difference(path, Cause.TYPE, before, after)
        case _ if before != after:
            yield Difference(path, _cause(before, after), before, after)


def _lists(before: Sequence[Any], after: Sequence[Any], path: str) -> Iterator[Difference]:
    if len(before) != len(after):
        yield Difference(path, Cause.FEWER if len(after) < len(before) else Cause.MORE, before, after)
    elif before != after and _sorted(before) == _sorted(after):
        yield Difference(path, Cause.ORDER, before, after)
    else:
        for pair in zip(before, after, strict=True):
            yield from differences(*pair, path)


def _sorted(items: Sequence[Any]) -> list[bytes]:
    return sorted(orjson.dumps(item, option=orjson.OPT_SORT_KEYS) for item in items)


KINDS: Final[Mapping[type, str]] = MappingProxyType(
    {bool: "truth", int: "number", float: "number", str: "text", dict: "object", list: "list", type(None): "null"}
)


def _kind(value: Any) -> str:
    return KINDS[type(value)]


def _cause(before: Any, after: Any) -> Cause:
    if not isinstance(before, str):
        return Cause.VALUE
    return next((cause for cause, holds in TEXTS.items() if holds(before, after)), Cause.VALUE)


def _bare(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.translate(LIGATURES))
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


def _spelled(text: str) -> str:
    return re.sub(r"[\W_]+", "", _bare(text).casefold())


TEXTS: Final[Mapping[Cause, Callable[[str, str], bool]]] = MappingProxyType(
    {
        Cause.EMPTIED: lambda _, after: not after.strip(),
        Cause.FILLED: lambda before, _: not before.strip(),
        Cause.SPACES: lambda before, after: before.split() == after.split() or _close(before) == _close(after),
        Cause.CASE: lambda before, after: before.casefold() == after.casefold(),
        Cause.ACCENTS: lambda before, after: _bare(before) == _bare(after),
        Cause.SPELLING: lambda before, after: _spelled(before) == _spelled(after) != "",
        Cause.FORMAT: lambda before, after: sorted(_spelled(before)) == sorted(_spelled(after)) != [],
        Cause.SHORTENED: lambda before, after: after in before,
        Cause.LENGTHENED: lambda before, after: before in after,
    }
)
"""How a text may have changed, the narrowest first: case, accents and signs together are its spelling."""


def _close(text: str) -> str:
    return "".join(text.split())
