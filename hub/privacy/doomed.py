"""Contents that no attachment names any more: they go from the store, and uploads that never found a request too."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, delete, func, or_, select

from hub.privacy.retention import milliseconds
from hub.statements import upsert
from hub.tables import ATTACHMENTS
from hub.tables_privacy import DOOMED_FILES

ORPHANED: Final = timedelta(days=7)
"""How long an uploaded file waits for its request."""

AT_ONCE: Final = 100
STORED: Final[Any] = func.coalesce(ATTACHMENTS.c.stored, ATTACHMENTS.c.sha256)


class Doomed(NamedTuple):
    """A content that is to go, under its name in the store, and since when."""

    at: int = -1
    stored: str = ""


def doom(connection: Connection, contents: Collection[str], now: int) -> int:
    """Have contents deleted from the store, but for those that an attachment still has; gives how many go."""
    named = or_(ATTACHMENTS.c.sha256.in_(contents), ATTACHMENTS.c.stored.in_(contents))
    going = set(contents) - (set(connection.scalars(select(STORED).where(named)).all()) if contents else set())
    for name in sorted(going):
        connection.execute(upsert(DOOMED_FILES).on_conflict_do_nothing(), {"stored": name, "at": now})
    return len(going)


def doom_orphans(connection: Connection, moments: Sequence[int]) -> list[int]:
    """Have a hundred uploads at most deleted that never found a request, as seen now; gives how many there were."""
    return [_doom_orphans(connection, now) for now in moments]


def doomed(connection: Connection, after: Doomed) -> list[Doomed]:
    """List contents that are to go after this one: what the store refuses to delete is passed, and never in the way."""
    at, stored = DOOMED_FILES.c.at, DOOMED_FILES.c.stored
    further = at >= after.at, or_(at > after.at, stored > after.stored)
    some = select(at, stored).where(*further).order_by(at, stored).limit(AT_ONCE)
    return [Doomed(row.at, row.stored) for row in connection.execute(some)]


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
    doom(connection, {row.stored for row in gone}, now)
    return len(found)
