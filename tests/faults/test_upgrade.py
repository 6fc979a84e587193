"""Ledgers of other versions of the hub: what is under way goes on, or the hub refuses to start rather than guess."""

import signal

import alembic.command
import pytest
from sqlalchemy import select, update

from hub.database import MIGRATION, _migrations, open_database
from hub.locker import vault_beside
from hub.settlement import answer_at, given_at
from hub.tables import DELIVERIES, REQUESTS
from hub.vault import BODY
from tests.faults.town import KINDS, distributed, migrate

LATER = 3_600_000

NEWER = (
    "ALTER TABLE request ADD COLUMN novelty VARCHAR(20) NOT NULL DEFAULT ''",
    "CREATE TABLE novelty (id INTEGER PRIMARY KEY)",
    "UPDATE alembic_version SET version_num = '9999'",
)
"""What a newer hub might have done to the tables before its upgrade was taken back."""

STRANGE = (
    "ALTER TABLE delivery DROP CONSTRAINT delivery_state",
    "ALTER TABLE delivery ADD CONSTRAINT delivery_state CHECK (state IN ('queued', 'teleported'))",
    "UPDATE alembic_version SET version_num = '9999'",
)
"""What a newer hub that knows another state would have done."""

UNDER_WAY = (*["uncertain"] * 2, *["sending"] * 3, *["queued"] * 3)


@pytest.fixture
async def under_way(new_town, mode):
    """A town whose hub is gone, and has left deliveries queued, half sent, and in doubt."""
    town = await new_town()
    doubtful = await town.leave_in_doubt()
    town.change("UPDATE delivery SET next_at = next_at + :later", later=LATER)
    sent = await town.seed(*KINDS)
    victim = await town.process(*mode.engine, dies_at="W2", dies_after=len(sent)).launch()
    assert await victim.ended() == -signal.SIGKILL
    town.change("UPDATE delivery SET next_at = next_at - :later WHERE state = 'uncertain'", later=LATER)
    queued = await town.seed(*KINDS)
    assert town.states([*doubtful, *sent, *queued]) == UNDER_WAY
    return town


def check(town):
    """Hold a town to the end that its deliveries must have."""
    found = town.check()
    assert found == {("idempotent", "done"): 2, ("lookup", "done"): 4, ("once", "done"): 1, ("once", "parked"): 1}


def unseal(engine, town):
    """Write everything in the clear, as a hub did that knew of no keys."""
    with engine.begin() as connection:
        vault = vault_beside(town.settings, connection)
        for row in connection.execute(select(REQUESTS)).all():
            sealer = vault.sealer(row.number, row.data_key)
            said = {"body": sealer.open(BODY, row.body), "data_key": None}
            connection.execute(update(REQUESTS).where(REQUESTS.c.number == row.number).values(said))
            for one in connection.execute(select(DELIVERIES).where(DELIVERIES.c.request == row.number)).all():
                answer = sealer.open(answer_at(one.id), one.answer)
                given = sealer.open(given_at(one.ordinal), one.given)
                mine = update(DELIVERIES).where(DELIVERIES.c.id == one.id)
                connection.execute(mine.values(answer=answer, given=given))


def take_back(town):
    """Bring a ledger's tables back to those of the first version."""
    engine = open_database(town.env["HUB_DATABASE_URL"])
    unseal(engine, town)
    config = _migrations()
    with MIGRATION[engine.dialect.name](engine) as connection:
        config.attributes["connection"] = connection
        alembic.command.downgrade(config, "0001")
    engine.dispose()
    assert town.rows("SELECT version_num FROM alembic_version") == [("0001",)]


async def test_an_upgrade_loses_nothing_of_what_is_under_way(under_way, mode):
    """Row 46: the tables are those of the first version; they are brought forward, and everything ends."""
    take_back(under_way)
    if mode.ledger == "postgresql":
        migrate(under_way.env["HUB_DATABASE_URL"])
    await under_way.serve(mode)
    await under_way.settle()
    check(under_way)


async def test_an_upgrade_taken_back_loses_nothing_of_what_is_under_way(under_way, mode):
    """Row 46: a newer hub has added to the tables; this one leaves them as they are, and everything ends."""
    for statement in NEWER:
        under_way.change(statement)
    await under_way.serve(mode)
    await under_way.settle()
    check(under_way)
    assert under_way.rows("SELECT version_num FROM alembic_version") == [("9999",)]


@distributed
async def test_a_state_this_hub_does_not_know_stops_its_start(new_town, mode):
    """Row 46: it refuses to start rather than guess, and names the state."""
    town = await new_town()
    for statement in STRANGE:
        town.change(statement)
    for verb in mode.whole:
        process = await town.process(*verb).launch()
        assert await process.ended() == 2
    assert town.process().log.read_text().count("teleported") == len(mode.whole)


@distributed
async def test_tables_older_than_the_hub_stop_its_start_and_name_the_remedy(new_town, mode):
    """Row 46: others may be using them."""
    town = await new_town()
    take_back(town)
    process = await town.process(*mode.engine).launch()
    assert await process.ended() == 2
    assert "hub migrate" in process.log.read_text()
