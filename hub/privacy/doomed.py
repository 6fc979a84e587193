"""Contents that no attachment names any more: they go from the store, and uploads that never found a request too."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, delete, func, or_, select

from hub.privacy.retention import milliseconds
from hub.statements import upsert
from hub.tables import ATTACHMENTS
from hub.tables_privacy import DOOMED_FILES

ORPHANED: Final = timedelta(days=7)
"""How long an uploaded file waits for its request."""

AT_ONCE: Final = 100
STORED: Final[Any] = func.coalesce(ATTACHMENTS.c.stored, ATTACHMENTS.c.sha256)


def doom(connection: Connection, contents: Collection[str], now: int) -> int:
    """Have contents deleted from the store, but for those that an attachment still has; gives how many go."""
    named = or_(ATTACHMENTS.c.sha256.in_(contents), ATTACHMENTS.c.stored.in_(contents))
    going = set(contents) - (set(connection.scalars(select(STORED).where(named)).all()) if contents else set())
    for name in sorted(going):
        connection.execute(upsert(DOOMED_FILES).on_conflict_do_nothing(), {"stored": name, "at": now})
    return len(going)


def doom_orphans(connection: Connection, moments: Sequence[int]) -> list[int]:
    """Have uploads deleted that never found a request, as seen now; gives how many go."""
    return [_doom_orphans(connection, now) for now in moments]


def doomed(connection: Connection) -> list[str]:
    """List the contents that are to go."""
    first = select(DOOMED_FILES.c.stored).order_by(DOOMED_FILES.c.at).limit(AT_ONCE)
    return [str(name) for name in connection.scalars(first)]


def forget(connection: Connection, names: Sequence[str]) -> list[None]:
    """Write down that contents are gone."""
    connection.execute(delete(DOOMED_FILES).where(DOOMED_FILES.c.stored.in_(names)))
    return [None] * len(names)


def spared(connection: Connection, name: str) -> bool:
    """Say whether somebody has uploaded the same content since it was to go."""
    named = or_(ATTACHMENTS.c.sha256 == name, ATTACHMENTS.c.stored == name)
    return connection.scalar(select(func.count()).select_from(ATTACHMENTS).where(named, name == STORED)) != 0


def _doom_orphans(connection: Connection, now: int) -> int:
    orphans = ATTACHMENTS.c.request.is_(None), ATTACHMENTS.c.created_at < now - milliseconds(ORPHANED)
    found = connection.execute(select(ATTACHMENTS.c.id, STORED.label("stored")).where(*orphans).limit(AT_ONCE)).all()
    still = ATTACHMENTS.c.id.in_([row.id for row in found]), ATTACHMENTS.c.request.is_(None)
    gone = (
        connection.execute(delete(ATTACHMENTS).where(*still).returning(STORED.label("stored"))).all() if found else []
    )
    return doom(connection, {row.stored for row in gone}, now)
