"""Makes, changes and closes console accounts straight in the ledger, whether a hub runs on it or not."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Row

from hub.accounts import (
    NO_PASSWORD,
    Account,
    Change,
    NewAccount,
    change_accounts,
    create_accounts,
    every_account,
    hash_password,
)
from hub.audit_access import account_changed, account_made, identities_unlinked, identity_linked
from hub.auditor import add_to_audit, at_the_keyboard
from hub.clock import system_clock
from hub.database import open_database, prepare
from hub.identities import Known, Link, asking, how_many, link, unlink
from hub.settings import Settings

DRAWN: Final = 15
"""Random bytes of a password that the hub draws: twenty characters."""


def draw_password() -> str:
    """Draw a password, to be shown once."""
    return secrets.token_urlsafe(DRAWN)


def make_account(settings: Settings, account: Account, password: str | None, who: Known | None = None) -> None:
    """Make an account, entered by a password, an identity, or both.

    Raises ConflictError for a login or an identity that an account has, ValueError for a weak password.
    """
    hashed = NO_PASSWORD if password is None else hash_password(password)
    now = system_clock()
    with _ledger(settings) as connection:
        [refused] = create_accounts(connection, [NewAccount(account=account, password=hashed, at=now)])
        if refused is not None:
            raise refused
        told = [account_made(at_the_keyboard(), account)]
        if who is not None:
            link(connection, Link(who=who, login=account.login, at=now))
            told.append(identity_linked(at_the_keyboard(), account.login, who.issuer, who.subject))
        add_to_audit(settings, connection, *told)


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


def link_account(settings: Settings, login: str, who: Known) -> None:
    """Give an identity to an account; raises LookupError, or ConflictError when it is another's."""
    with _ledger(settings) as connection:
        link(connection, Link(who=who, login=login, at=system_clock()))
        add_to_audit(settings, connection, identity_linked(at_the_keyboard(), login, who.issuer, who.subject))


def unlink_account(settings: Settings, login: str) -> int:
    """Take its identities from an account and end its stays; gives how many it had."""
    with _ledger(settings) as connection:
        had = unlink(connection, login)
        add_to_audit(settings, connection, identities_unlinked(at_the_keyboard(), login, had))
    return had


def show_asking(settings: Settings) -> Sequence[Row[Any]]:
    """List the unknown who asked to be let in."""
    with _ledger(settings) as connection:
        return asking(connection)


def count_identities(settings: Settings) -> Mapping[str, int]:
    """Count the identities of each account."""
    with _ledger(settings) as connection:
        return how_many(connection)


def show_accounts(settings: Settings) -> Sequence[Row[Any]]:
    """List the accounts."""
    with _ledger(settings) as connection:
        return every_account(connection)


def _change(settings: Settings, change: Change) -> bool:
    with _ledger(settings) as connection:
        [found] = change_accounts(connection, [change])
        if found:
            add_to_audit(settings, connection, *account_changed(at_the_keyboard(), change))
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
