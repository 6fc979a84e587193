"""The statements about API keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, select, update

from hub.access import Key, Role
from hub.tables import KEYS


def find_key(connection: Connection, prefix: str) -> Key | None:
    """Find a key by its prefix."""
    row = connection.execute(select(KEYS).where(KEYS.c.prefix == prefix)).first()
    return None if row is None else _as_key(row)


def are_there_any(connection: Connection) -> bool:
    """Say whether any key was ever made."""
    return connection.execute(select(KEYS.c.prefix).limit(1)).first() is not None


def every_key(connection: Connection) -> list[Key]:
    """List the keys, the newest first."""
    return [_as_key(row) for row in connection.execute(select(KEYS).order_by(KEYS.c.created_at.desc()))]


def _as_key(row: Row[Any]) -> Key:
    said = dict(row._mapping)  # noqa: SLF001  # SQLAlchemy's public name for it
    said |= {"hash": bytes.fromhex(row.hash), "role": Role(row.role)}
    return Key(**{**said, "kinds": frozenset(row.kinds), "sites": frozenset(row.sites)})


def add_keys(connection: Connection, keys: Sequence[Key]) -> list[None]:
    """Write new keys down."""
    for key in keys:
        row = asdict(key) | {"hash": key.hash.hex(), "kinds": sorted(key.kinds), "sites": sorted(key.sites)}
        connection.execute(KEYS.insert(), row)
    return [None] * len(keys)


def revoke(connection: Connection, revocations: Sequence[tuple[str, int]]) -> list[bool]:
    """Revoke keys from a moment on; False for one that does not exist."""
    return [
        connection.execute(update(KEYS).where(KEYS.c.prefix == prefix).values(revoked_at=at)).rowcount == 1
        for prefix, at in revocations
    ]
