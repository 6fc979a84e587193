"""The statements about searches that people keep under a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, select

from hub.errors import ConflictError
from hub.statements import upsert
from hub.tables_operations import SAVED_VIEWS

MOST: Final = 50
"""Views that one person keeps."""


@dataclass(frozen=True, slots=True)
class Keep:
    """A person's wish to keep a list's address under a name; one of that name gives way."""

    login: str
    name: str
    query: str


@dataclass(frozen=True, slots=True)
class Forget:
    """A person's wish to forget one of their views."""

    login: str
    id: int


def saved_views(connection: Connection, login: str) -> Sequence[Row[Any]]:
    """List a person's views, by name."""
    return connection.execute(
        select(SAVED_VIEWS).where(SAVED_VIEWS.c.login == login).order_by(SAVED_VIEWS.c.name)
    ).all()


def keep_view(connection: Connection, wanted: Sequence[Keep]) -> list[ConflictError | None]:
    """Keep views; too many of one person are a conflict."""
    return [_keep(connection, one) for one in wanted]


def forget_view(connection: Connection, wanted: Sequence[Forget]) -> list[bool]:
    """Forget views; False for one that is not theirs."""
    columns = SAVED_VIEWS.c
    return [
        connection.execute(delete(SAVED_VIEWS).where(columns.id == one.id, columns.login == one.login)).rowcount == 1
        for one in wanted
    ]


def _keep(connection: Connection, wanted: Keep) -> ConflictError | None:
    others = SAVED_VIEWS.c.login == wanted.login, SAVED_VIEWS.c.name != wanted.name
    if (connection.scalar(select(func.count()).select_from(SAVED_VIEWS).where(*others)) or 0) >= MOST:
        return ConflictError(f"there are {MOST} views already")
    row = {"login": wanted.login, "name": wanted.name, "query": wanted.query}
    statement = upsert(SAVED_VIEWS).values(**row)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["login", "name"], set_={"query": statement.excluded.query})
    )
    return None
