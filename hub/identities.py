"""Who somebody is to an identity provider, and which account is theirs: by issuer and subject, never by an e-mail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, select

from hub.accounts import Stay, account_row, begin
from hub.errors import ConflictError
from hub.model import Instant
from hub.policy import later
from hub.tables_operations import IDENTITIES, SESSIONS, SPENT_STATES

ASKING_FOR: Final = timedelta(days=30)
"""How long it is kept that somebody unknown asked to be let in."""

MOST_ASKING: Final = 500
"""How many of them are kept; the last ones."""

LONGEST_SUBJECT: Final = 255


class Admission(StrEnum):
    """What becomes of somebody whom the provider vouches for."""

    ENTERED = "entered"
    UNKNOWN = "unknown"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody as a provider knows them."""

    issuer: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Somebody whom the provider vouches for, and the stay that begins if an account is theirs."""

    who: Known
    stay: Stay


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An identity to be given to an account."""

    who: Known
    login: str
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """The state of a sign-in that came back, as a hash."""

    hash: str
    at: Instant
    expires_at: Instant


def spend(connection: Connection, spent: Sequence[Spending]) -> list[bool]:
    """Say of each state whether it comes back for the first time; it never does again."""
    return [_spend(connection, one) for one in spent]


def _spend(connection: Connection, one: Spending) -> bool:
    connection.execute(delete(SPENT_STATES).where(SPENT_STATES.c.expires_at <= one.at))
    if connection.scalar(select(SPENT_STATES.c.hash).where(SPENT_STATES.c.hash == one.hash)) is not None:
        return False
    connection.execute(SPENT_STATES.insert(), {"hash": one.hash, "expires_at": one.expires_at})
    return True


def admit(connection: Connection, arrivals: Sequence[Arrival]) -> list[Admission]:
    """Let in those whose account is open; write down that the unknown asked."""
    return [_admit(connection, arrival) for arrival in arrivals]


def _admit(connection: Connection, arrival: Arrival) -> Admission:
    login = connection.scalar(select(IDENTITIES.c.login).where(_is(arrival.who)))
    account = account_row(connection, login) if login is not None else None
    if account is None:
        _remember(connection, arrival.who, arrival.stay.created_at)
        return Admission.UNKNOWN
    if account.disabled_at is not None:
        return Admission.DISABLED
    begin(connection, replace(arrival.stay, login=account.login))
    return Admission.ENTERED


def _remember(connection: Connection, who: Known, at: Instant) -> None:
    """Write down that somebody unknown asked, at the expense of who asked long ago."""
    connection.execute(delete(IDENTITIES).where(_is(who)))
    asking = IDENTITIES.c.login.is_(None)
    connection.execute(delete(IDENTITIES).where(asking, IDENTITIES.c.at < later(at, -ASKING_FOR)))
    last = select(IDENTITIES.c.at).where(asking).order_by(IDENTITIES.c.at.desc()).offset(MOST_ASKING - 1).limit(1)
    oldest = connection.scalar(last)
    if oldest is not None:
        connection.execute(delete(IDENTITIES).where(asking, IDENTITIES.c.at <= oldest))
    connection.execute(IDENTITIES.insert(), {"issuer": who.issuer, "subject": who.subject, "login": None, "at": at})


def link(connection: Connection, wanted: Link) -> None:
    """Give an identity to an account; raises LookupError or ConflictError, when it is another's."""
    if account_row(connection, wanted.login) is None:
        raise LookupError(f"there is no account called {wanted.login}")
    owner = connection.scalar(select(IDENTITIES.c.login).where(_is(wanted.who)))
    if owner not in {None, wanted.login}:
        raise ConflictError(f"this identity is that of {owner}")
    connection.execute(delete(IDENTITIES).where(_is(wanted.who)))
    row = {"issuer": wanted.who.issuer, "subject": wanted.who.subject, "login": wanted.login, "at": wanted.at}
    connection.execute(IDENTITIES.insert(), row)


def unlink(connection: Connection, login: str) -> int:
    """Take its identities from an account, and end its stays; gives how many it had."""
    connection.execute(delete(SESSIONS).where(SESSIONS.c.login == login))
    return connection.execute(delete(IDENTITIES).where(IDENTITIES.c.login == login)).rowcount


def how_many(connection: Connection) -> Mapping[str, int]:
    """Count the identities of each account."""
    counted = select(IDENTITIES.c.login, func.count().label("known")).where(IDENTITIES.c.login.is_not(None))
    return {row.login: row.known for row in connection.execute(counted.group_by(IDENTITIES.c.login))}


def asking(connection: Connection) -> Sequence[Row[Any]]:
    """List the unknown who asked to be let in, the last first."""
    return connection.execute(
        select(IDENTITIES).where(IDENTITIES.c.login.is_(None)).order_by(IDENTITIES.c.at.desc())
    ).all()


def hint_of(connection: Connection, stay: str) -> str | None:
    """Give the provider's token about who is in, if they came in by it."""
    return connection.scalar(select(SESSIONS.c.hint).where(SESSIONS.c.hash == stay))


def _is(who: Known) -> Any:
    return (IDENTITIES.c.issuer == who.issuer) & (IDENTITIES.c.subject == who.subject)
