"""The statements about API keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Row, or_, select, update

from hub.access import Key, Role
from hub.model import Instant
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


def living_keys(connection: Connection, front_end: str, now: Instant) -> list[Key]:
    """List the keys of a front end's own that are neither expired nor revoked, the newest first."""
    return [
        key
        for key in every_key(connection)
        if (key.front_end, key.role) == (front_end, Role.FRONT_END) and key.alive(now)
    ]


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


def keep_used(connection: Connection, uses: Sequence[Sequence[tuple[str, Instant]]]) -> list[None]:
    """Write down when keys were last used."""
    latest = dict(sorted((use for several in uses for use in several), key=itemgetter(1)))
    for prefix, at in latest.items():
        connection.execute(update(KEYS).where(KEYS.c.prefix == prefix).values(last_used_at=at))
    return [None] * len(uses)


def expire(connection: Connection, prefix: str, at: Instant) -> None:
    """Have a key expire at a moment, or before if it does anyway."""
    sooner = or_(KEYS.c.expires_at.is_(None), KEYS.c.expires_at > at)
    connection.execute(update(KEYS).where(KEYS.c.prefix == prefix, sooner).values(expires_at=at))
