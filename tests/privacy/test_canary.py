"""One person is carried through every way a request may go: found everywhere before, and nowhere afterwards."""

import asyncio
import zipfile
from datetime import timedelta

import orjson
import pytest

from hub import acts
from hub.balance import balance
from hub.batch import Change, Verb
from hub.batch_plan import plan
from hub.batch_run import Start, Turn, advance, start
from hub.batch_selection import Wanted
from hub.catalogue import read_catalogue
from hub.privacy.janitor import Janitor
from hub.privacy.office import Office, open_office
from hub.privacy.parcels import hand_over
from hub.privacy.person import Sought
from hub.privacy.purge import Purge
from hub.privacy.register import register
from hub.privacy.register_forms import as_csv, as_html
from hub.privacy.remains import wipe
from hub.privacy.retention import Held
from hub.privacy.terms import Retention
from hub.settings import Settings
from hub.stores import open_store
from hub.surveyor import Surveyor
from tests.engine.test_batches import OPERATOR
from tests.privacy.conftest import CANARIES, EMAIL, FAMILY, GIVEN, IN_FILE, SECRET, any_canary, metrics_of

DESPITE_ALL = frozenset(Held) - {Held.IN_HAND}
ON_FILE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


async def every_way(town):
    """Carry the person along every way: taken, refused, corrected, in doubt, closed by hand, decided, in a batch."""
    taken = await town.submit("depot")
    await town.settle(taken, "done")
    town.target.break_with("refused", times=3)
    refused, corrected, retried = [await town.submit("depot") for _ in range(3)]
    for number in (refused, corrected, retried):
        await town.settle(number, "parked")
    await town.act(acts.Reject(refused * 1000 + 1, "Refusé", "agent"))
    row = town.request(corrected)
    data = {**orjson.loads(row.body)["data"], "message": f"Nouveau mot de passe {SECRET}"}
    await town.act(acts.Correct(corrected, data, "agent"))
    await town.act(acts.Retry(corrected * 1000 + 1, actor="agent"))
    await town.settle(corrected, "done")
    await in_a_batch(town, retried)
    town.target.break_with("cut_after_commit")
    doubtful = await town.submit("signal")
    await town.settle(doubtful, "uncertain", "parked")
    town.target.break_with("error_inside", times=-1)
    closed = await town.submit("verifie")
    await town.settle(closed, "parked")
    town.target.mend()
    said = acts.Finalize(closed * 1000 + 1, f"saisie pour {FAMILY}", FAMILY, comment=f"vu avec {GIVEN}", actor="agent")
    await town.act(said)
    await town.settle(closed, "finalized")
    decided = await town.submit("instruit")
    await town.settle(decided, "waiting")
    await town.act(acts.Decide(decided, accepted=True, reason="", actor="agent"))
    await town.settle(decided, "done")
    numbers = [taken, refused, corrected, retried, doubtful, closed, decided]
    await town.told(*numbers)
    await Surveyor(town.hub.ledger).survey()
    return numbers


async def in_a_batch(town, number):
    ledger = town.hub.ledger
    wanted = Wanted(Change(Verb.RETRY), (number * 1000 + 1,))
    batch = await plan(ledger, OPERATOR, "agent", wanted)
    await ledger.write(start, Start(ledger.book, batch, "La panne est finie", "agent"))
    await ledger.write(advance, Turn(ledger.book, batch))
    town.hub.engine.wake({"cible"})
    await town.settle(number, "done")


def office_of(town):
    return Office(town.hub.settings, town.hub.ledger.engine, town.hub.ledger.book)


def counted(town):
    """Read what is counted: the balance, the census, the tally of states."""
    kinds = {one.kind: (one.accepted, one.imbalance) for one in town.hub.ledger.look(balance)}
    census = town.rows("SELECT kind, month, facets, district, requests FROM census ORDER BY 1, 2, 3, 4")
    return kinds, [tuple(row) for row in census]


async def test_a_person_is_found_by_the_export_before_and_by_nothing_after(aviary, tmp_path):
    town = aviary
    numbers = await every_way(town)
    office = office_of(town)
    assert office.numbers(Sought(said=(EMAIL,))) == sorted(numbers)
    assert town.canaries_in_tables() >= {"request.body", "revision.body", "attempt.sent", "attachment.name"}
    exported = tmp_path / "home" / "export.zip"
    said = await hand_over(office, numbers, exported)
    assert [one["outcome"] for request in said["requests"] for one in request["batches"]] == ["ok"]
    everything = orjson.dumps(said).decode()
    assert all(one in everything.replace("\\", "") for one in set(CANARIES) - {IN_FILE})
    with zipfile.ZipFile(exported) as parcel:
        pieces = [name for name in parcel.namelist() if name.startswith("pieces/")]
        assert len(pieces) == len(numbers)
        assert all(IN_FILE.encode() in parcel.read(name) for name in pieces)
    before = counted(town)
    if town.hub.ledger.engine.dialect.name == "sqlite":
        assert {name.partition("/")[0] for name in town.canaries_on_disk(tmp_path)} >= {"hub.db-wal", "files"}
    asked = [Purge(number, "erasure", "dpo", DESPITE_ALL) for number in numbers]
    report, done = await asyncio.to_thread(office.purge, asked, "dpo")
    assert [one.done for one in done] == [True] * len(numbers)
    assert (report.purged, report.files) == (len(numbers), 1)
    assert town.canaries_in_tables() == set()
    assert office.numbers(Sought(said=(EMAIL,))) == []
    assert office.numbers(Sought(said=(FAMILY,), deep=True)) == []
    await left_nowhere(town, tmp_path)
    kinds, census = counted(town)
    assert kinds == before[0]
    assert all(imbalance == 0 for _, imbalance in kinds.values())
    town.change("DELETE FROM census_block")
    await Surveyor(town.hub.ledger).survey()
    assert counted(town)[1] == before[1] == census


async def left_nowhere(town, folder):
    """Look into the database's files, the store, the log, the metrics, and what the hub exports of itself."""
    published = await metrics_of(town.hub)
    assert b"hub_" in published
    catalogue = read_catalogue(town.hub.settings)
    entries = register(catalogue, town.hub.settings)
    told = (town.log.getvalue(), as_html(entries, "Ville"), as_csv(entries))
    assert town.log.getvalue()
    assert not any(any_canary(one.encode()) for one in told)
    assert not any_canary(published)
    if town.hub.ledger.engine.dialect.name == "sqlite":
        await asyncio.to_thread(cut_the_journal, town.hub.ledger.engine)
    assert town.canaries_on_disk(folder) == set()


def cut_the_journal(engine):
    """Wait until nobody reads, so that the journal can be cut: the census reads now and then."""
    while not wipe(engine):
        pass


@ON_FILE
async def test_what_is_sealed_goes_with_its_key(make_aviary, tmp_path):
    async with make_aviary(sealed=True) as town:
        number = await town.submit("depot")
        await town.settle(number, "done")
        await town.told(number)
        old = town.rows("SELECT body, data_key FROM request WHERE number = :n", n=number)[0]
        office = office_of(town)
        said = await hand_over(office, [number], tmp_path / "home/export")
        assert said["requests"][0]["said"]["data"]["nom"] == FAMILY
        assert IN_FILE.encode() in b"".join(file.read_bytes() for file in (tmp_path / "home/export").rglob("*.pdf"))
        report, _ = await asyncio.to_thread(office.purge, [Purge(number, "erasure")], "dpo")
        assert (report.purged, report.files) == (1, 1)
        [row] = town.rows("SELECT body, data_key FROM request WHERE number = :n", n=number)
        assert row.data_key is None
        assert old.data_key is not None
        assert FAMILY not in row.body
        assert [file for file in (tmp_path / "files").rglob("*") if file.is_file()] == []


@ON_FILE
@pytest.mark.parametrize("fault", ["cut_after_commit", "refused"])
async def test_erasure_is_refused_while_something_is_open_unless_forced(aviary, fault):
    town = aviary
    town.target.break_with(fault)
    number = await town.submit("verifie" if fault == "refused" else "signal")
    await town.settle(number, "uncertain", "parked")
    await town.told(number)
    office = office_of(town)
    _, [refused] = await asyncio.to_thread(office.purge, [Purge(number, "erasure")], "dpo")
    assert refused.held in {Held.UNCERTAIN, Held.PARKED}
    assert "request.body" in town.canaries_in_tables()
    forced = Purge(number, "erasure", "dpo", DESPITE_ALL, reason="décision du délégué")
    _, [done] = await asyncio.to_thread(office.purge, [forced], "dpo")
    assert done.done
    assert town.request(number).status == "cancelled"
    assert town.states(number) == ["cancelled"]
    assert {one.sent_sha256 for one in town.attempts(number * 1000 + 1)} == {""}
    assert town.canaries_in_tables() == set()
    events = [row.note for row in town.rows("SELECT note FROM event WHERE request = :n AND kind = 'purge'", n=number)]
    assert events == ["erasure: décision du délégué"]


@ON_FILE
async def test_what_is_being_sent_is_never_taken_from_under_whoever_sends(aviary):
    town = aviary
    number = await town.submit("depot")
    await town.settle(number, "done")
    town.change("UPDATE delivery SET state = 'sending' WHERE id = :d", d=number * 1000 + 1)
    _, [refused] = await asyncio.to_thread(office_of(town).purge, [Purge(number, "erasure", "dpo", DESPITE_ALL)], "dpo")
    assert refused.held is Held.IN_HAND


@ON_FILE
async def test_what_was_purged_is_not_taken_up_again(aviary):
    town = aviary
    town.target.break_with("error_inside", times=-1)
    number = await town.submit("verifie")
    await town.settle(number, "parked")
    await town.act(acts.Finalize(number * 1000 + 1, "saisie", "BO-1", actor="agent"))
    await town.settle(number, "finalized")
    await town.told(number)
    await asyncio.to_thread(office_of(town).purge, [Purge(number, "ended", "hub")], "hub")
    with pytest.raises(acts.NotNowError):
        await town.act(acts.Reopen(number * 1000 + 1, "erreur", "agent"))


@ON_FILE
async def test_a_file_that_another_request_has_too_stays(aviary, tmp_path):
    town = aviary
    first, second = await town.submit("depot"), await town.submit("depot")
    await town.settle(first, "done")
    await town.settle(second, "done")
    await town.told(first, second)
    office = office_of(town)
    report, _ = await asyncio.to_thread(office.purge, [Purge(first, "erasure")], "dpo")
    assert report.files == 0
    kept = [file for file in (tmp_path / "files").rglob("*") if file.is_file()]
    assert [IN_FILE.encode() in file.read_bytes() for file in kept] == [True]
    report, _ = await asyncio.to_thread(office.purge, [Purge(second, "erasure")], "dpo")
    assert report.files == 1


async def test_what_is_due_goes_by_itself_and_nothing_else(aviary):
    town = aviary
    town.target.break_with("refused")
    failed = await town.submit("depot")
    await town.settle(failed, "parked")
    ended = await town.submit("depot")
    await town.settle(ended, "done")
    waiting = await town.submit("instruit")
    await town.settle(waiting, "waiting")
    await town.told(failed, ended, waiting)
    town.later(200)
    young = await town.submit("depot", name="Oisillon", email="oisillon@example.org")
    await town.settle(young, "done")
    janitor = Janitor(town.hub.ledger, await open_store(town.hub.settings.files), Retention(), every=timedelta(hours=1))
    assert (await janitor.tidy()).is_empty
    town.later(170)
    report = await janitor.tidy()
    assert report.purged == 2
    assert town.request(failed).status == "cancelled"
    assert town.request(ended).status == "done"
    bodies = {number: town.request(number).body for number in (failed, ended, waiting, young)}
    assert [FAMILY in bodies[number] for number in (failed, ended, waiting)] == [False, False, True]
    assert "Oisillon" in bodies[young]
    runs = town.rows("SELECT actor, purged FROM purge_run ORDER BY id")
    assert (runs[-1].actor, runs[-1].purged) == ("hub", 2)
    assert (await janitor.tidy()).is_empty


@ON_FILE
async def test_a_ledger_older_than_its_terms_is_warned_of_before_anything_goes(aviary):
    town = aviary
    number = await town.submit("depot")
    await town.settle(number, "done")
    await town.told(number)
    town.later(2_000)
    janitor = Janitor(town.hub.ledger, await open_store(town.hub.settings.files), Retention(), every=timedelta(hours=1))
    assert (await janitor.tidy()).is_empty
    assert [one.number for one in await asyncio.to_thread(office_of(town).due)] == [number]
    town.later(29)
    assert (await janitor.tidy()).is_empty
    town.later(2)
    assert (await janitor.tidy()).purged == 1


@ON_FILE
async def test_health_goes_sooner_and_leaves_the_rest(make_aviary):
    async with make_aviary(sealed=True) as town:
        number = await town.submit("depot")
        await town.settle(number, "done")
        await town.told(number)
        town.later(31)
        report = await asyncio.to_thread(office_of(town).purge_due, "hub")
        assert (report.purged, report.trimmed) == (0, 1)
        data = orjson.loads(town.request(number).body)["data"]
        assert (data["nom"], data["allergie"], data["precisions"]) == (FAMILY, False, "⟦health⟧")
        assert {(one.sent, one.sent_sha256) for one in town.attempts(number * 1000 + 1)} == {(b"", "")}
        assert (await asyncio.to_thread(office_of(town).purge_due, "hub")).is_empty


def test_the_office_opens_a_ledger_that_no_hub_runs_on(tmp_path):
    settings = Settings(database=f"sqlite:///{tmp_path}/hub.db", secret_file=tmp_path / "secret").beside(
        tmp_path, lambda _name: None
    )
    with open_office(settings) as office:
        assert office.due() == []
        assert office.purge_due("hub").is_empty
