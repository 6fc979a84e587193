"""Reading the audit: the newest rows that answer some criteria, or all of them in order, as lines of JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final

import orjson
from pydantic import Field
from sqlalchemy import Connection, Row, select

from hub.model import Frozen, Instant
from hub.settlement import iso
from hub.tables_audit import AUDIT

PAGE: Final = 1_000
NAMES: Final = ("n", "at", "actor", "action", "object", "outcome", "detail", "hash")


class Sought(Frozen):
    """Which rows are looked for: those of an actor, about an object, since a moment, before a row."""

    actor: Annotated[str, Field(max_length=80)] = ""
    about: Annotated[str, Field(max_length=120)] = ""
    since: Instant | None = None
    before: Annotated[int, Field(gt=0, lt=2**63)] | None = None
    limit: Annotated[int, Field(ge=1, le=1_000)] = 100


def newest(connection: Connection, sought: Sought) -> Sequence[Row[Any]]:
    """List rows, the newest first; one more than asked for says that there is another page."""
    conditions = [AUDIT.c.actor == sought.actor] if sought.actor else []
    conditions += [AUDIT.c.object == sought.about] if sought.about else []
    conditions += [AUDIT.c.at >= sought.since] if sought.since is not None else []
    conditions += [AUDIT.c.n < sought.before] if sought.before is not None else []
    wanted = select(AUDIT).where(*conditions).order_by(AUDIT.c.n.desc()).limit(sought.limit + 1)
    return connection.execute(wanted).all()


def every_line(connection: Connection, since: int = 0) -> Iterator[bytes]:
    """Give every row since a moment in order, a page read at a time."""
    after = 0
    while page := connection.execute(select(AUDIT).where(AUDIT.c.n > after).order_by(AUDIT.c.n).limit(PAGE)).all():
        yield from (as_line(row) for row in page if row.at >= since)
        after = page[-1].n


def as_line(row: Row[Any]) -> bytes:
    """Write a row as a line of JSON from which its hash can be worked out again."""
    return orjson.dumps({name: getattr(row, name) for name in NAMES})


def as_said(row: Row[Any]) -> dict[str, Any]:
    """Give a row for people: its moment written out, its detail read, or as it is when it is no JSON any more."""
    said = {name: getattr(row, name) for name in NAMES}
    return {**said, "at": iso(row.at), "detail": _read(row.detail)}


def _read(detail: str) -> Any:
    try:
        return orjson.loads(detail)
    except orjson.JSONDecodeError:
        return detail
