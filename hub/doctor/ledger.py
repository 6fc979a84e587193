"""Checks of the ledger: reached, durable, current, on time, in balance; and what in it waits for a person."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, make_url, select
from sqlalchemy.exc import SQLAlchemyError

from hub import targets
from hub.access import EVERY_HOUSE, Principal, Role
from hub.balance import balance
from hub.clock import database_clock, system_clock
from hub.database import CHECKS, is_server, require_upgraded
from hub.doctor.finding import Finding, Level, UnseenError
from hub.doctor.installation import Installation
from hub.errors import ConfigurationError
from hub.finalization import UNPROVED_ONES
from hub.lifecycle import State
from hub.model import Instant
from hub.tables import EVENTS, BreakerState
from hub.tables_operations import Proof
from hub.views import Trouble, causes

EXAMINER: Final = Principal(prefix="", front_end=EVERY_HOUSE, role=Role.OPERATOR)

LATE: Final = 3_600_000
"""Milliseconds that the oldest delivery of a target may have waited before somebody should know."""

ASTRAY: Final = 2_000
"""Milliseconds between two clocks that are still the same time."""

MOST_CAUSES: Final = 12

IN_SERVER: Final = frozenset({"fsync", "full_page_writes", "synchronous_commit"})
"""Settings without which an acknowledged request could be lost."""


def database(case: Installation) -> Iterator[Finding]:
    """Reach the database, without making one."""
    if "database" in case.wrong or "HUB_DATABASE_URL" in case.wrong:
        raise UnseenError("a setting that says where it is")
    try:
        server = is_server(case.settings.database)
    except ConfigurationError as error:
        yield Finding("database", Level.FAULT, "database", f"expected {error.expected}", "correct the setting")
        return
    if not server and not Path(make_url(case.settings.database).database or "").exists():
        yield Finding("database", Level.WELL, case.place, "there is none yet: the first start makes it")
        return
    ledger = case.open_ledger()
    try:
        with ledger.connect() as connection:
            connection.exec_driver_sql("SELECT 1" if server else "SELECT count(*) FROM sqlite_master").all()
    except SQLAlchemyError as error:
        said = f"it cannot be reached: {_reason(error)}"
        todo = "start the server, or correct address, user and password" if server else "put it back from a backup"
        yield Finding("database", Level.FAULT, case.place, said, todo)
        return
    case.ledger = ledger
    yield Finding("database", Level.WELL, case.place, f"reached ({ledger.dialect.name})")


def _reason(error: SQLAlchemyError) -> str:
    """Give the first line of what the driver says: of an address or a file, for no statement has run."""
    lines = str(getattr(error, "orig", None) or type(error).__name__).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def durability(case: Installation) -> Iterator[Finding]:
    """Look at what the database says of itself: a commit must be on disk."""
    with case.reading() as connection:
        if connection.dialect.name == "sqlite":
            found = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
            if found != "wal":
                said, todo = f"journal_mode is {found}", "start the hub once: it sets wal, on a local disk"
                yield Finding("durability", Level.WARNING, case.place, said, todo)
                return
        else:
            wrong = list(_unsafe(connection, case.place))
            yield from wrong
            if wrong:
                return
    yield Finding("durability", Level.WELL, case.place, "what is acknowledged is on disk")


def _unsafe(connection: Connection, place: str) -> Iterator[Finding]:
    for name, (wanted, fix) in CHECKS["postgresql"].items():
        if name == "transaction_read_only":  # this very transaction only reads
            found = "on" if connection.exec_driver_sql("SELECT pg_is_in_recovery()").scalar() else "off"
        else:
            found = connection.exec_driver_sql(f"SHOW {name}").scalar_one()
        if found not in wanted:
            lost = ": an acknowledged request could be lost" if name in IN_SERVER else ""
            yield Finding("durability", Level.FAULT, place, f"{name} is {found}{lost}", fix)


def tables(case: Installation) -> Iterator[Finding]:
    """Compare the tables with those of this version."""
    if case.ledger is None:
        raise UnseenError("the ledger")
    try:
        require_upgraded(case.ledger)
    except ConfigurationError as error:
        file = case.ledger.dialect.name == "sqlite"
        todo = (
            "hub migrate: it runs beside a hub at work" if not file else "hub migrate, or start this version of the hub"
        )
        yield Finding("tables", Level.FAULT, case.place, f"expected {error.expected}", todo)
        return
    yield Finding("tables", Level.WELL, case.place, "those of this version")


def clock(case: Installation) -> Iterator[Finding]:
    """Compare this machine's clock with the ledger's; beside a file, with the last moment written in it."""
    with case.reading() as connection:
        if connection.dialect.name == "postgresql":
            astray, told = system_clock() - database_clock(connection), "the database's"
            level = Level.WARNING if abs(astray) > ASTRAY else Level.WELL
        else:
            last = connection.scalar(select(EVENTS.c.at).order_by(EVENTS.c.id.desc()).limit(1)) or 0
            astray, told = min(0, system_clock() - last), "the last moment in the ledger"
            level = Level.FAULT if astray < -ASTRAY else Level.WELL
    said = f"{astray / 1000:+.1f} s from {told}" if level is not Level.WELL else f"agrees with {told}"
    todo = "set it by NTP (chrony, systemd-timesyncd)" if level is not Level.WELL else ""
    yield Finding("clock", level, "this machine's clock", said, todo)


def in_balance(case: Installation) -> Iterator[Finding]:
    """Hold what was accepted against where it all stands."""
    with case.reading() as connection:
        kinds = balance(connection)
    for kind in kinds:
        if kind.imbalance:
            said = f"{kind.accepted} accepted, {kind.accepted - kind.imbalance} accounted for"
            todo = "keep a copy of the ledger, and report a bug: a request is missing, or one too many"
            yield Finding("balance", Level.FAULT, kind.kind, said, todo)
    if not any(kind.imbalance for kind in kinds):
        accepted = sum(kind.accepted for kind in kinds)
        yield Finding("balance", Level.WELL, case.place, f"{accepted} accepted, all accounted for")


def standing(case: Installation) -> Iterator[Finding]:
    """See how the ledger has each target: paused, failing, behind."""
    with case.reading() as connection:
        now = _now(connection)
        healths = targets.health(connection, now)
    for one in healths:
        found = list(_ailments(case, one, now))
        yield from found or [Finding("target", Level.WELL, one.name, f"{one.backlog} wait, none for long")]


def _ailments(case: Installation, one: targets.Health, now: int) -> Iterator[Finding]:
    if one.backlog and one.name not in case.targets:
        said = f"{one.backlog} deliveries wait for it, and the settings have no such target"
        yield Finding("target", Level.FAULT, one.name, said, "add it to hub.yaml and start again")
    if one.paused:
        said = f"paused: {one.paused_reason or 'no reason given'}; {one.backlog} wait"
        yield Finding(
            "target", Level.WARNING, one.name, said, f"hub targets resume {one.name}, once it may be spoken to"
        )
    if one.breaker != BreakerState.CLOSED:
        said = f"breaker {one.breaker}: it failed {one.fails} times in a row; {one.backlog} wait"
        yield Finding("target", Level.WARNING, one.name, said, f"hub probe {one.name}; tell its owner if it is down")
    if one.oldest_at and now - one.oldest_at > LATE:
        said = f"{one.backlog} wait, the oldest for {_age(now - one.oldest_at)}"
        yield Finding("target", Level.WARNING, one.name, said, f"hub deliveries --state waiting --target {one.name}")


def troubles(case: Installation) -> Iterator[Finding]:
    """Count what is parked and what is uncertain, by cause, each with the first thing to do."""
    with case.reading() as connection:
        found = causes(connection, EXAMINER, Trouble(state=[State.PARKED, State.UNCERTAIN], limit=1))
        now = _now(connection)
    for row in found[:MOST_CAUSES]:
        where = f"{row.target} {row.code or 'no code'}"
        said = f"{row.deliveries} {row.state}, the oldest for {_age(now - row.oldest_at)}"
        yield Finding("causes", Level.WARNING, where, said, _advice(case, row))
    if len(found) > MOST_CAUSES:
        said = f"and {len(found) - MOST_CAUSES} more causes"
        yield Finding("causes", Level.WARNING, case.place, said, "hub deliveries --json lists them all")
    if not found:
        yield Finding("causes", Level.WELL, case.place, "nothing is parked, nothing is uncertain")


def _advice(case: Installation, row: Any) -> str:
    """Give what the connector's table advises for a code, and how its deliveries are listed."""
    look = f"hub deliveries --state {row.state} --target {row.target} --code {row.code}"
    try:
        connector = case.targets[row.target].connector
        hint = next((one.hint for one in case.catalogue.errors[connector].error if one.code == row.code), "")
    except (KeyError, UnseenError):
        hint = ""
    return f"{hint} ({look})" if hint else look


def finalizations(case: Installation) -> Iterator[Finding]:
    """Count what was closed by hand and then denied by its target."""
    with case.reading() as connection:
        denied = next((row for row in connection.execute(UNPROVED_ONES) if row.state == Proof.DENIED), None)
        now = _now(connection)
    if denied:
        since = _age(now - denied.oldest)
        said = f"{denied.closed} closed by hand under a reference that the target does not know, the oldest for {since}"
        todo = "look each up in the back office, then finalize under the right one, or retry; on paper: say it again"
        yield Finding("finalizations", Level.WARNING, case.place, said, todo)
    else:
        yield Finding("finalizations", Level.WELL, case.place, "none is denied by its target")


def _now(connection: Connection) -> Instant:
    return database_clock(connection) if connection.dialect.name == "postgresql" else system_clock()


def _age(milliseconds: int) -> str:
    """Write a length of time for people."""
    minutes = max(0, milliseconds) // 60_000
    days, hours = minutes // 1440, minutes // 60
    return f"{days} days" if days > 1 else f"{hours} h" if hours > 1 else f"{minutes} min"
