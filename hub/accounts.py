"""Who may enter the console: local accounts with argon2 passwords, lock-out, and stays that end."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cache
from typing import Any, Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, Row, delete, or_, select, update

from hub.errors import ConflictError
from hub.model import Instant
from hub.policy import later
from hub.tables_operations import ACCOUNTS, SESSIONS

SHORTEST_PASSWORD: Final = 12
"""Characters (ASVS 5.0, 6.2.1, asks for 8 and recommends 15)."""

LONGEST_PASSWORD: Final = 256
NO_PASSWORD: Final = ""
"""What is kept for who comes in by an identity provider alone: the hash of nothing."""

MOST_FAILURES: Final = 5
"""Wrong passwords in a row before an account is locked."""

LOCKED_FOR: Final = timedelta(minutes=15)
SEEN_EVERY: Final = timedelta(minutes=1)
"""How often a stay's last sign of life is written down."""


class Right(StrEnum):
    """One thing that a person may do in the console."""

    METADATA = "metadata"
    CONTENT = "content"
    DECIDE = "decide"
    RETRY = "retry"
    FINALIZE = "finalize"
    CONFIGURE = "configure"
    AUDIT = "audit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person: what they may do, and the kinds and sites they are kept to (empty: all)."""

    login: str
    name: str
    rights: frozenset[Right]
    kinds: frozenset[str] = frozenset()
    sites: frozenset[str] = frozenset()
    language: str = "fr"
    shortcuts: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """An account to be made, its password already hashed."""

    account: Account
    password: str
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What changes of an account: the columns and their values."""

    login: str
    values: dict[str, Any] = field(default_factory=dict)
    ends_stays: bool = False
    """Whether whoever is in must enter again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One try to enter: whether the password was right, and the stay that then begins."""

    login: str
    right: bool
    at: Instant
    stay: Stay | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A person's stay: the hash of what their browser shows, the token of their forms, until when it is good.

    `instead`: the hash of the stay that this browser was in before. `hint`: a provider's token about the person.
    """

    hash: str
    login: str
    csrf: str
    created_at: Instant
    expires_at: Instant
    instead: str = ""
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Present:
    """Someone who is in."""

    account: Account
    csrf: str
    seen_at: Instant
    expires_at: Instant


@cache
def hasher() -> PasswordHasher:
    """Give the hasher: argon2id as RFC 9106's second recommendation sizes it (64 MiB, three passes)."""
    return PasswordHasher()


@cache
def _nobodys() -> str:
    return hasher().hash(secrets.token_urlsafe())


def hash_password(text: str) -> str:
    """Hash a password; takes some 50 ms of a core, so off the event loop. Raises ValueError for a weak one."""
    if not SHORTEST_PASSWORD <= len(text) <= LONGEST_PASSWORD:
        raise ValueError(f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
    return hasher().hash(text)


def is_right(password: str, hashed: str | None) -> bool:
    """Hold a password to its hash; somebody unknown takes as long as somebody known."""
    try:
        return hasher().verify(hashed or _nobodys(), password[: LONGEST_PASSWORD + 1]) and bool(hashed)
    except (VerificationError, InvalidHashError):
        return False


def token_hash(token: str) -> str:
    """Hash what a browser shows: 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_stay(
    login: str, now: Instant, lasts: timedelta, instead: str = "", hint: str | None = None
) -> tuple[str, Stay]:
    """Draw a stay: what the browser is given, and what is kept of it."""
    token = secrets.token_urlsafe(32)
    stay = Stay(
        hash=token_hash(token),
        login=login,
        csrf=secrets.token_urlsafe(32),
        created_at=now,
        expires_at=later(now, lasts),
        instead=instead,
        hint=hint,
    )
    return token, stay


def account_row(connection: Connection, login: str) -> Row[Any] | None:
    """Find an account by its login."""
    return connection.execute(select(ACCOUNTS).where(ACCOUNTS.c.login == login)).first()


def every_account(connection: Connection) -> Sequence[Row[Any]]:
    """List the accounts."""
    return connection.execute(select(ACCOUNTS).order_by(ACCOUNTS.c.login)).all()


def present(connection: Connection, hashed: str, now: Instant, idle: timedelta) -> Present | None:
    """Find who is in under what a browser shows; None when the stay is over, was idle, or the account is disabled."""
    joined = SESSIONS.join(ACCOUNTS, ACCOUNTS.c.login == SESSIONS.c.login)
    row = connection.execute(
        select(ACCOUNTS, SESSIONS.c.csrf, SESSIONS.c.seen_at, SESSIONS.c.expires_at)
        .select_from(joined)
        .where(
            SESSIONS.c.hash == hashed,
            SESSIONS.c.expires_at > now,
            SESSIONS.c.seen_at > later(now, -idle),
            ACCOUNTS.c.disabled_at.is_(None),
        )
    ).first()
    return None if row is None else Present(account_of(row), row.csrf, row.seen_at, row.expires_at)


def account_of(row: Row[Any]) -> Account:
    """Give the account of a row; a right that this hub does not know is none."""
    return Account(
        login=row.login,
        name=row.name,
        rights=frozenset(Right(name) for name in row.roles if name in set(Right)),
        kinds=frozenset(row.kinds),
        sites=frozenset(row.sites),
        language=row.language,
        shortcuts=bool(row.shortcuts),
    )


def is_locked(row: Row[Any], now: Instant) -> bool:
    """Say whether an account is locked for its wrong passwords."""
    return bool(row.locked_until > now)


def create_accounts(connection: Connection, wanted: Sequence[NewAccount]) -> list[ConflictError | None]:
    """Write new accounts down; a login that exists already is a conflict."""
    return [_create(connection, one) for one in wanted]


def _create(connection: Connection, wanted: NewAccount) -> ConflictError | None:
    account = wanted.account
    if account_row(connection, account.login) is not None:
        return ConflictError(f"there is already an account called {account.login}")
    connection.execute(
        ACCOUNTS.insert(),
        {
            "login": account.login,
            "name": account.name,
            "password": wanted.password,
            "roles": sorted(account.rights),
            "kinds": sorted(account.kinds),
            "sites": sorted(account.sites),
            "language": account.language,
            "shortcuts": account.shortcuts,
            "failures": 0,
            "locked_until": 0,
            "created_at": wanted.at,
            "disabled_at": None,
        },
    )
    return None


def change_accounts(connection: Connection, changes: Sequence[Change]) -> list[bool]:
    """Change accounts; False for one that does not exist."""
    changed = []
    for change in changes:
        known = ACCOUNTS.c.login == change.login
        changed.append(connection.execute(update(ACCOUNTS).where(known).values(**change.values)).rowcount == 1)
        if change.ends_stays:
            connection.execute(delete(SESSIONS).where(SESSIONS.c.login == change.login))
    return changed


def enter(connection: Connection, trials: Sequence[Trial]) -> list[bool]:
    """Let in who gave the right password and is not locked out; count the others' failures."""
    return [_enter(connection, trial) for trial in trials]


def _enter(connection: Connection, trial: Trial) -> bool:
    row = account_row(connection, trial.login)
    if row is None or row.disabled_at is not None or is_locked(row, trial.at):
        return False
    known = ACCOUNTS.c.login == trial.login
    if not trial.right or trial.stay is None:
        failures = row.failures + 1
        locked = {"failures": 0, "locked_until": later(trial.at, LOCKED_FOR)} if failures >= MOST_FAILURES else {}
        connection.execute(update(ACCOUNTS).where(known).values({"failures": failures, **locked}))
        return False
    connection.execute(update(ACCOUNTS).where(known).values(failures=0, locked_until=0))
    begin(connection, trial.stay)
    return True


def begin(connection: Connection, stay: Stay) -> None:
    """Begin a stay, which ends the one that the same browser was in, and those whose time is over."""
    over = or_(SESSIONS.c.expires_at <= stay.created_at, SESSIONS.c.hash.in_((stay.hash, stay.instead)))
    connection.execute(delete(SESSIONS).where(over))
    kept = {"hash": stay.hash, "login": stay.login, "csrf": stay.csrf, "expires_at": stay.expires_at}
    at = {"created_at": stay.created_at, "seen_at": stay.created_at}
    connection.execute(SESSIONS.insert(), {**kept, **at, "hint": stay.hint})


def see(connection: Connection, sights: Sequence[tuple[str, Instant]]) -> list[None]:
    """Write down that these stays showed a sign of life."""
    for hashed, at in sights:
        connection.execute(update(SESSIONS).where(SESSIONS.c.hash == hashed).values(seen_at=at))
    return [None] * len(sights)


def leave(connection: Connection, hashes: Sequence[str]) -> list[None]:
    """End these stays."""
    connection.execute(delete(SESSIONS).where(SESSIONS.c.hash.in_(hashes)))
    return [None] * len(hashes)
