"""Business keys: the values under which the city looks a request up, a file's number or an invoice's.

A kind declares them beside its route. They are kept as keyed hashes, like the names of people: a ledger that leaks
says nothing of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, bindparam

from hub.access import blind
from hub.mapping import FAILURES
from hub.routing import Route
from hub.statements import Prepared, upsert
from hub.tables_operations import BUSINESS_KEYS

MOST_VALUES: Final = 20
"""So many values of one key a request may have."""

LONGEST_VALUE: Final = 120
"""Characters of a value: nobody looks a request up under more."""

NEW_KEYS: Final = Prepared(
    upsert(BUSINESS_KEYS)
    .values({column.name: bindparam(column.name) for column in BUSINESS_KEYS.c})
    .on_conflict_do_nothing()
)


class Key(NamedTuple):
    """One value of a request: the key's name, and its keyed hash."""

    name: str
    value: str


def read(route: Route, document: Mapping[str, Any], secret: bytes) -> tuple[Key, ...]:
    """Read what a request may be looked up under; what cannot be read is not there, and refuses nothing."""
    said = (Key(name, blind(secret, value)) for name in route.keys for value in _values(route, name, document))
    return tuple(dict.fromkeys(said))


def keep(connection: Connection, keys: Mapping[int, Collection[Key]]) -> None:
    """Write down the keys of new requests."""
    rows = [{**key._asdict(), "request": number} for number, said in keys.items() for key in said]
    if rows:
        NEW_KEYS.run(connection, rows)


def _values(route: Route, name: str, document: Mapping[str, Any]) -> Iterator[str]:
    try:
        found = route.keys[name].value(document)
    except FAILURES:
        return
    for value in (found if isinstance(found, list) else [found])[:MOST_VALUES]:
        text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
        if 0 < len(text) <= LONGEST_VALUE:
            yield text
