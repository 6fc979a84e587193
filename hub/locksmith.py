"""Makes and revokes API keys straight in the ledger, whether a hub runs on it or not."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from sqlalchemy import Connection

from hub.access import EVERY_HOUSE, Key, Role, new_key
from hub.audit_access import key_ended, key_made, key_revoked
from hub.auditor import add_to_audit, at_the_keyboard
from hub.clock import system_clock
from hub.database import open_database, prepare
from hub.errors import ConfigurationError
from hub.keys import add_keys, every_key, expire, find_key, living_keys, revoke
from hub.policy import later
from hub.settings import Settings

YEAR: Final = timedelta(days=365)
MOST_LIVING: Final = 2
"""Keys that a front end may have at once: one in use, and the one that is taking its place."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A key to make: whose, what for, for which kinds and sites (none: all), and for how long (None: for ever)."""

    front_end: str
    role: Role
    kinds: Collection[str] = ()
    sites: Collection[str] = ()
    lasts: timedelta | None = YEAR


def make_keys(settings: Settings, *wanted: Wanted) -> list[str]:
    """Make keys and give their texts, which nobody can show again.

    Raises ConfigurationError when a front end has as many as it may already.
    """
    with _ledger_of(settings) as connection:
        return [_make(settings, connection, one) for one in wanted]


def rotate_key(settings: Settings, prefix: str, lasts: timedelta, overlap: timedelta) -> str:
    """Make a key that may do what this one may, which ends after `overlap`; gives the new one's text.

    Raises ConfigurationError when there is no such key, it lives no longer, or another is taking its place already.
    """
    now = system_clock()
    with _ledger_of(settings) as connection:
        old = find_key(connection, prefix)
        if old is None or not old.alive(now):
            raise ConfigurationError(prefix, "the prefix of a key that is neither expired nor revoked")
        text = _make(settings, connection, Wanted(old.front_end, old.role, old.kinds, old.sites, lasts))
        expire(connection, prefix, later(now, overlap))
        add_to_audit(settings, connection, key_ended(at_the_keyboard(), prefix, later(now, overlap)))
    return text


def make_first_keys(settings: Settings, front_end: str) -> dict[str, str]:
    """Make a key for each role, the first for this front end and the others for every house; gives role → key."""
    houses = {Role.FRONT_END: front_end, Role.AGENT: EVERY_HOUSE, Role.OPERATOR: EVERY_HOUSE}
    made = make_keys(settings, *(Wanted(house, role) for role, house in houses.items()))
    return dict(zip(map(str, houses), made, strict=True))


def revoke_key(settings: Settings, prefix: str) -> bool:
    """Revoke the key with this prefix, at once for new readers and within five seconds for a hub that runs."""
    with _ledger_of(settings) as connection:
        [found] = revoke(connection, [(prefix, system_clock())])
        if found:
            add_to_audit(settings, connection, key_revoked(at_the_keyboard(), prefix))
    return found


def show_keys(settings: Settings) -> list[Key]:
    """List the keys of a ledger, the newest first."""
    with _ledger_of(settings) as connection:
        return every_key(connection)


def _make(settings: Settings, connection: Connection, wanted: Wanted) -> str:
    now = system_clock()
    if wanted.role is Role.FRONT_END and len(living := living_keys(connection, wanted.front_end, now)) >= MOST_LIVING:
        known = " and ".join(key.prefix for key in living)
        expected = f"at most {MOST_LIVING} keys that live: revoke one of {known} first"
        raise ConfigurationError(wanted.front_end, expected)
    expires = later(now, wanted.lasts) if wanted.lasts else None
    text, key = new_key(settings.secret(), now, front_end=wanted.front_end, role=wanted.role, expires_at=expires)
    kept = replace(key, kinds=frozenset(wanted.kinds), sites=frozenset(wanted.sites))
    add_keys(connection, [kept])
    add_to_audit(settings, connection, key_made(at_the_keyboard(), kept))
    return text


@contextmanager
def _ledger_of(settings: Settings) -> Iterator[Connection]:
    """Open the ledger for one transaction."""
    database = open_database(settings.database)
    prepare(database)
    try:
        with database.begin() as connection:
            yield connection
    finally:
        database.dispose()
