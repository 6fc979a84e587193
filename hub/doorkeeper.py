"""Makes, changes and closes console accounts straight in the ledger, whether a hub runs on it or not."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Row

from hub.accounts import Account, Change, NewAccount, change_accounts, create_accounts, every_account, hash_password
from hub.clock import system_clock
from hub.database import open_database, prepare
from hub.settings import Settings

DRAWN: Final = 15
"""Random bytes of a password that the hub draws: twenty characters."""


def draw_password() -> str:
    """Draw a password, to be shown once."""
    return secrets.token_urlsafe(DRAWN)


def make_account(settings: Settings, account: Account, password: str) -> None:
    """Make an account; raises ConflictError for a login that exists, ValueError for a weak password."""
    hashed = hash_password(password)
    with _ledger(settings) as connection:
        [refused] = create_accounts(connection, [NewAccount(account=account, password=hashed, at=system_clock())])
    if refused is not None:
        raise refused


def give_password(settings: Settings, login: str, password: str) -> bool:
    """Give an account another password, unlock it, and end its stays; False when there is none of that login."""
    values = {"password": hash_password(password), "failures": 0, "locked_until": 0}
    return _change(settings, Change(login=login, values=values, ends_stays=True))


def give_rights(settings: Settings, login: str, rights: Sequence[str]) -> bool:
    """Give an account these rights and no others; False when there is none of that login."""
    return _change(settings, Change(login=login, values={"roles": sorted(rights)}))


def disable_account(settings: Settings, login: str) -> bool:
    """Let nobody enter under this login any more, and end its stays; False when there is none."""
    return _change(settings, Change(login=login, values={"disabled_at": system_clock()}, ends_stays=True))


def show_accounts(settings: Settings) -> Sequence[Row[Any]]:
    """List the accounts."""
    with _ledger(settings) as connection:
        return every_account(connection)


def _change(settings: Settings, change: Change) -> bool:
    with _ledger(settings) as connection:
        [found] = change_accounts(connection, [change])
    return found


@contextmanager
def _ledger(settings: Settings) -> Iterator[Connection]:
    database = open_database(settings.database)
    try:
        prepare(database)
        with database.begin() as connection:
            yield connection
    finally:
        database.dispose()
