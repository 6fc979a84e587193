"""What is due is found however much is held before it, and goes from the store however much the store refuses."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.exc import OperationalError

from hub.audit import TAKE_HEAD
from hub.book import keep
from hub.ledger import Ledger
from hub.privacy import retention
from hub.privacy.classes import DataClass, classes_in
from hub.privacy.doomed import AT_ONCE
from hub.privacy.extension import Extension
from hub.privacy.janitor import SINCE, Janitor
from hub.privacy.office import open_office
from hub.privacy.purge import Purge
from hub.privacy.terms import Ground, Retention
from hub.settings import Settings
from hub.settlement import FRESH
from hub.stores import open_store, place_of
from hub.tables import ATTACHMENTS, ATTEMPTS, COUNTERS, DELIVERIES, REQUESTS, TALLY
from hub.tables_privacy import DOOMED_FILES, KEEPINGS, PURGE_RUNS

LONG_AGO = 1_000_000_000_000
"""A moment of 2001: everything of then is due."""

DAY = 86_400_000
ON_FILE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
BOTH_WAYS = pytest.mark.parametrize("round_of", ["office", "janitor"])


@pytest.fixture
def office(tmp_path, database):
    """An office on a ledger that nothing was ever in."""
    said = {"database": database, "files": tmp_path / "files", "secret_file": tmp_path / "secret"}
    with open_office(Settings(**said).beside(tmp_path, lambda _name: None)) as opened:
        opened.settings.secret(is_new=True)
        with opened.engine.begin() as connection:
            connection.execute(insert(COUNTERS), {"name": SINCE, "value": 0})
        yield opened


@asynccontextmanager
async def janitor_of(office):
    ledger = Ledger(office.engine, office.book, "essai")
    try:
        yield Janitor(ledger, await open_store(office.settings.files), Retention(), every=timedelta(hours=1))
    finally:
        await ledger.close()


def go_round(office, round_of):
    """Take away what is due: as somebody does at the keyboard, or as a hub does by itself."""

    async def tidy():
        async with janitor_of(office) as janitor:
            return await janitor.tidy()

    return office.purge_due("essai") if round_of == "office" else asyncio.run(tidy())


def hold(office, kind, first, count, **said):
    """Put requests of a kind in the ledger."""
    usual = {"front_end": "portail", "site": "ville", "kind": kind, "channel": "internet", "fingerprint": "f"}
    usual |= {"version": "", "body": '{"data": {}}', "status": "done", "stage": "Fin", "name_index": ""}
    usual |= {"awaiting": "", "cancelled": False}
    usual |= {"received_at": LONG_AGO, "updated_at": LONG_AGO, "ended_at": LONG_AGO} | said
    numbers = range(first, first + count)
    with office.engine.begin() as connection:
        connection.execute(insert(REQUESTS), [{**usual, "number": one, "idempotency_key": str(one)} for one in numbers])
        if connection.scalar(select(TALLY.c.kind).where(TALLY.c.kind == kind)) is None:
            connection.execute(insert(TALLY), {"kind": kind, "accepted": count})
    return list(numbers)


def count_of(office, table, *conditions):
    with office.reading() as connection:
        return connection.scalar(select(func.count()).select_from(table).where(*conditions))


@ON_FILE
@BOTH_WAYS
def test_what_is_held_never_keeps_what_comes_after_it_from_going(office, monkeypatch, round_of):
    monkeypatch.setattr(retention, "AT_A_TIME", 3)
    hold(office, "aaa", 100_000_000, 7, status="in_progress", ended_at=None)
    kept = hold(office, "zzz", 200_000_000, 4)
    hold(office, "zzz", 300_000_000, 5)
    hold(office, "zzz", 400_000_000, 2, ended_at=LONG_AGO + 1)
    later = {"until": office.book.now() + DAY, "ground": "audit", "reason": "", "actor": "", "at": 0}
    with office.engine.begin() as connection:
        connection.execute(insert(KEEPINGS), [{**later, "request": one} for one in kept])
    assert {(one.kind, one.held is None) for one in office.due()} == {("aaa", False), ("zzz", False)}
    assert sum(one.held is None for found in office.all_due() for one in found) == 7
    assert go_round(office, round_of).purged == 7
    assert count_of(office, REQUESTS, REQUESTS.c.fingerprint != "") == 7 + 4


@ON_FILE
def test_a_kind_that_knows_nothing_of_health_loses_nothing_early(office):
    kinds = office.book.catalogue.kinds.values()
    ill, well = (
        next(one for one in kinds if (DataClass.HEALTH in classes_in(one.schema)) is has) for has in (True, False)
    )
    ended = office.book.now() - 31 * DAY
    with office.engine.begin() as connection:
        keep(office.book, connection, [office.book.catalogue])
    [first] = hold(office, ill.kind, 100_000_000, 1, version=ill.version, ended_at=ended)
    [second] = hold(office, well.kind, 200_000_000, 1, version=well.version, ended_at=ended)
    assert [(one.number, one.classes) for one in office.due()] == [(first, {DataClass.HEALTH})]
    attempt = {"fence": 1, "kind": "send", "outcome": "accepted", "code": "", "late": False, "fault": "non"}
    attempt |= {
        "sent_sha256": "f",
        "sent": b"s",
        "answered": b"a",
        "started_at": ended,
        "ended_at": ended,
        "delivery": second * 1000 + 1,
    }
    delivery = {"id": second * 1000 + 1, "request": second, "ordinal": 1, "step": "envoi", "item": 0, "next_at": 1}
    delivery |= {"target": "cible", "mapping": "m", "given": "", "created_at": 1, "updated_at": 1}
    with office.engine.begin() as connection:
        connection.execute(insert(DELIVERIES), {**FRESH, **delivery, "state": "delivered"})
        connection.execute(insert(ATTEMPTS), attempt)
    office.purge([Purge(one, "sooner", classes=frozenset({DataClass.HEALTH})) for one in (first, second)], "essai")
    assert count_of(office, ATTEMPTS, ATTEMPTS.c.fault == "non", ATTEMPTS.c.sent == b"s") == 1
    assert office.due() == []


@ON_FILE
@BOTH_WAYS
def test_contents_go_past_those_that_the_store_refuses(office, round_of):
    names = [f"{index:064x}" for index in range(2 * AT_ONCE + 30)]
    for name in names[: AT_ONCE + 10]:
        refuse(office.settings.files, name)
    with office.engine.begin() as connection:
        connection.execute(insert(DOOMED_FILES), [{"stored": name, "at": 1} for name in names])
    assert go_round(office, round_of).files == AT_ONCE + 20
    assert count_of(office, DOOMED_FILES) == AT_ONCE + 10
    assert count_of(office, PURGE_RUNS, PURGE_RUNS.c.files == AT_ONCE + 20) == 1


def refuse(root, name):
    """Have a folder stand where a content would be: it cannot be unlinked."""
    (Path(root) / place_of(name)).mkdir(parents=True)


@ON_FILE
@BOTH_WAYS
def test_every_upload_that_found_no_request_goes_in_one_round(office, round_of):
    usual = {"front_end": "portail", "name": "a.pdf", "media_type": "application/pdf", "size": 1, "created_at": 1}
    rows = [{**usual, "id": f"{index:032x}", "sha256": f"{index:064x}"} for index in range(2 * AT_ONCE + 1)]
    with office.engine.begin() as connection:
        connection.execute(insert(ATTACHMENTS), rows)
    assert go_round(office, round_of).files == len(rows)
    assert count_of(office, ATTACHMENTS) == 0


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_transaction_that_crosses_another_is_tried_again(office):
    [number] = hold(office, "aaa", 100_000_000, 1)
    wanted = Extension(number, office.book.now() + DAY, Ground.AUDIT, "contrôle", "essai")

    async def cross():
        with office.engine.connect() as other:
            other.exec_driver_sql("SET LOCAL deadlock_timeout = '1min'")
            TAKE_HEAD.rows(other, {})
            extending = asyncio.create_task(asyncio.to_thread(office.extend, wanted))
            await until_somebody_waits(office.engine)
            mine = select(REQUESTS.c.number).where(REQUESTS.c.number == number).with_for_update()
            await asyncio.to_thread(other.execute, mine)
            other.rollback()
        return await extending

    assert asyncio.run(cross())
    assert count_of(office, KEEPINGS, KEEPINGS.c.request == number) == 1


async def until_somebody_waits(engine):
    """Wait until a transaction waits for another."""
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    while True:
        with engine.connect() as looking:
            if looking.exec_driver_sql(waits).scalar():
                return
        await asyncio.sleep(0.01)


@ON_FILE
def test_a_transaction_that_fails_otherwise_is_not_tried_again(office):
    tried = []

    def work(connection):
        tried.append(connection)
        connection.exec_driver_sql("SELECT * FROM nowhere")

    with pytest.raises(OperationalError):
        office.write(work)
    assert len(tried) == 1
