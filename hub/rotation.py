"""Rotating the key-encryption key: every data key wrapped anew, in batches, beside those who use the ledger.

What is sealed does not move: only the wrapped keys are rewritten. A rotation that was interrupted goes on where it
was, for what is left to do is read from the rows themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Column, Connection, Engine, func, select, update

from hub.errors import ConflictError
from hub.tables import ATTACHMENTS, REQUESTS, SEALING_KEYS
from hub.vault import NAME, SealError, Vault

BATCH: Final = 500
"""Rows that one transaction wraps anew."""

SETTLED: Final = 60_000
"""Milliseconds after which every hub seals under a new key, many times what `hub.locker` leaves between two looks."""

WRAPPED: Final[Sequence[tuple[Any, Any]]] = ((REQUESTS, REQUESTS.c.number), (ATTACHMENTS, ATTACHMENTS.c.id))
"""The tables that hold wrapped keys, and what tells their rows."""


class Turned(NamedTuple):
    """What a rotation did: data keys wrapped anew, and those that nobody could open."""

    rewrapped: int = 0
    lost: int = 0


def turn(engine: Engine, vault: Vault, advance: Callable[[int], None] = lambda _done: None) -> Turned:
    """Wrap every data key under the current key; `advance` hears how many are done. Raises SQLAlchemyError.

    Ends with a pass that finds nothing: a hub that runs may have wrapped under the old key until it read the new one.
    """
    done = lost = 0
    while True:
        passed = Turned()
        for table, key in WRAPPED:
            for turned in _pass(engine, vault, table, key):
                passed = Turned(passed.rewrapped + turned.rewrapped, passed.lost + turned.lost)
                advance(done + passed.rewrapped)
        done, lost = done + passed.rewrapped, passed.lost
        if not passed.rewrapped:
            return Turned(done, lost)


def counts(connection: Connection) -> dict[str, int]:
    """Count the data keys under each key-encryption key, by its name."""
    found = dict.fromkeys(connection.scalars(select(SEALING_KEYS.c.name).order_by(SEALING_KEYS.c.created_at)), 0)
    for table, _ in WRAPPED:
        name = func.substr(table.c.data_key, 1, NAME)
        for wrapped, rows in connection.execute(
            select(name, func.count()).where(table.c.data_key.is_not(None)).group_by(name)
        ):
            found[bytes(wrapped).hex()] = found.get(bytes(wrapped).hex(), 0) + rows
    return found


def retire(connection: Connection, name: str, current: str, now: int) -> None:
    """Say that a key is not needed any more; raises ConflictError while it is, or may be.

    A hub that runs looks for another key every few seconds only: until a minute after the newest key came, one may
    still be sealing under the old one.
    """
    if name == current:
        raise ConflictError("it is the key that seals: turn to another first, hub vault rotate --new")
    newest = connection.scalar(select(func.max(SEALING_KEYS.c.created_at))) or 0
    if now - newest < SETTLED:
        raise ConflictError("a key came less than a minute ago: a hub that runs may still seal under the one before")
    if counts(connection).get(name):
        raise ConflictError("data are still under it: hub vault rotate")
    unused = update(SEALING_KEYS).where(SEALING_KEYS.c.name == name).values(retired_at=now)
    if connection.execute(unused).rowcount == 0:
        raise ConflictError("no key of this name was ever used here: hub vault show")


def _pass(engine: Engine, vault: Vault, table: Any, key: Column[Any]) -> Iterator[Turned]:
    """Go through a table once, by its key, a transaction a batch."""
    last: Any = None
    while True:
        with engine.begin() as connection:
            rows = _next(connection, vault.keys.current, table, key, last)
            if not rows:
                return
            last = rows[-1][0]
            turned = _rewrap(connection, vault, table, key, rows)
        yield turned


def _next(connection: Connection, current: bytes, table: Any, key: Column[Any], last: Any) -> Sequence[Any]:
    """Read the next rows whose data key is under another key."""
    due = [table.c.data_key.is_not(None), func.substr(table.c.data_key, 1, NAME) != current]
    if last is not None:
        due.append(key > last)
    return connection.execute(select(key, table.c.data_key).where(*due).order_by(key).limit(BATCH)).all()


def _rewrap(connection: Connection, vault: Vault, table: Any, key: Column[Any], rows: Sequence[Any]) -> Turned:
    """Wrap these anew; a key that was destroyed meanwhile stays destroyed."""
    rewrapped = lost = 0
    for owner, wrapped in rows:
        try:
            anew = vault.rewrapped(owner, bytes(wrapped))
        except SealError:
            lost += 1
            continue
        as_it_was = key == owner, table.c.data_key == wrapped
        rewrapped += connection.execute(update(table).where(*as_it_was).values(data_key=anew)).rowcount
    return Turned(rewrapped, lost)
