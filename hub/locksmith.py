"""Makes and revokes API keys straight in the ledger, whether a hub runs on it or not."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta

from hub.access import EVERY_HOUSE, Key, Role, new_key
from hub.clock import system_clock
from hub.database import open_database, prepare
from hub.keys import add_keys, every_key, revoke
from hub.policy import later
from hub.settings import Settings


@dataclass(frozen=True, slots=True)
class Wanted:
    """A key to make: whose, what for, for which kinds and sites (none: all), and for how long (None: for ever)."""

    front_end: str
    role: Role
    kinds: Collection[str] = ()
    sites: Collection[str] = ()
    lasts: timedelta | None = None


def make_keys(settings: Settings, *wanted: Wanted) -> list[str]:
    """Make keys and give their texts, which nobody can show again."""
    now = system_clock()
    made = []
    for one in wanted:
        expires = later(now, one.lasts) if one.lasts else None
        text, key = new_key(settings.secret(), now, front_end=one.front_end, role=one.role, expires_at=expires)
        made.append((text, replace(key, kinds=frozenset(one.kinds), sites=frozenset(one.sites))))
    database = open_database(settings.database)
    prepare(database)
    with database.begin() as connection:
        add_keys(connection, [key for _, key in made])
    database.dispose()
    return [text for text, _ in made]


def make_first_keys(settings: Settings, front_end: str) -> dict[str, str]:
    """Make a key for each role, the first for this front end and the others for every house; gives role → key."""
    houses = {Role.FRONT_END: front_end, Role.AGENT: EVERY_HOUSE, Role.OPERATOR: EVERY_HOUSE}
    made = make_keys(settings, *(Wanted(house, role) for role, house in houses.items()))
    return dict(zip(map(str, houses), made, strict=True))


def revoke_key(settings: Settings, prefix: str) -> bool:
    """Revoke the key with this prefix, at once for new readers and within five seconds for a hub that runs."""
    database = open_database(settings.database)
    prepare(database)
    with database.begin() as connection:
        [found] = revoke(connection, [(prefix, system_clock())])
    database.dispose()
    return found


def show_keys(settings: Settings) -> list[Key]:
    """List the keys of a ledger, the newest first."""
    database = open_database(settings.database)
    prepare(database)
    with database.connect() as connection:
        found = every_key(connection)
    database.dispose()
    return found
