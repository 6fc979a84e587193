"""The list shows what a plain reading finds, page by page and both ways, and reads no more than it says it does."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import Integer, case, cast, func, select, text, update

from hub import listing
from hub.access import Principal, Role
from hub.bench.filling import USUAL, Wanted, person_index
from hub.bench.growth import MAKING, full
from hub.bench.questions import OPERATOR
from hub.criteria import Criteria
from hub.lifecycle import State
from hub.listing import Count
from hub.routing import PENDING
from hub.settlement import ROOM
from hub.tables import ATTEMPTS, DELIVERIES, REQUESTS
from hub.tables_operations import ASSIGNMENTS, BUSINESS_KEYS, FINALIZATIONS, PLACES
from tests.hub.test_plans import WHOLE_TABLE, on_server

SIZE = 3_000
READ = 400
DAY = 86_400_000
ANY = "state=parked&state=uncertain&state=asking"
CAUSE = f"{ANY}&target=cible_0&code=CODE_0&cause_stage=%C3%89tape_0"

AGENT = Principal(prefix="", front_end="*", role=Role.OPERATOR, sites=frozenset({"site_1", "site_4"}))
CLERK = Principal(prefix="", front_end="*", role=Role.OPERATOR, kinds=frozenset({"demarche_1", "demarche_8"}))
BOTH = Principal(prefix="", front_end="*", role=Role.OPERATOR, kinds=CLERK.kinds, sites=AGENT.sites)
CALLERS = {"all": OPERATOR, "site": AGENT, "kind": CLERK, "both": BOTH}


def dress(connection):
    """Give some requests what the filling leaves out: dates of the law, events awaited, owners, districts, failures."""
    number = REQUESTS.c.number
    connection.execute(update(REQUESTS).where(number % 3 == 0).values(due_at=REQUESTS.c.received_at + 60 * DAY))
    over = REQUESTS.c.status.in_(["done", "refused", "finalized", "cancelled"])
    connection.execute(update(REQUESTS).where(over).values(ended_at=REQUESTS.c.received_at))
    connection.execute(update(REQUESTS).where(number % 50 == 7).values(channel="guichet"))
    waits = DELIVERIES.c.state == State.WAITING, DELIVERIES.c.request % 2 == 0
    connection.execute(update(DELIVERIES).where(*waits).values(code=PENDING))
    tries = case((DELIVERIES.c.request % 10 == 3, 7), else_=1)
    connection.execute(update(DELIVERIES).values(attempts=cast(tries, Integer)))
    connection.execute(update(ATTEMPTS).where(ATTEMPTS.c.id % 5 == 0).values(outcome="deferred"))
    for wanted, row in (
        (number % 40 == 1, {"table": ASSIGNMENTS, "owner": "lea", "actor": "console/a", "at": 0}),
        (number % 20 == 2, {"table": PLACES, "kind": "x", "district": "Centre", "longitude": 2.0, "latitude": 48.0}),
        (number % 100 == 3, {"table": BUSINESS_KEYS, "name": "facture", "value": "a" * 64}),
    ):
        table = row.pop("table")
        for found in connection.scalars(select(number).where(wanted)).all():
            connection.execute(table.insert(), {**row, "request": found})
    closed = select(DELIVERIES.c.id).where(DELIVERIES.c.state == State.FINALIZED).limit(40)
    for found in connection.scalars(closed).all():
        said = {"state": "pending", "reference": "R", "reason": "r", "comment": "", "seconded_by": "", "questions": 0}
        said |= {"delivery": found, "actor": "console/lea", "code": "", "next_at": 0, "created_at": 0}
        connection.execute(FINALIZATIONS.insert(), said)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def ledger(request, tmp_path_factory):
    """A ledger of three thousand requests, of which indexes are preferred to whole tables."""
    making = MAKING["sqlite"]
    if request.param == "postgresql":
        making = on_server(request.getfixturevalue("postgres_server"))
    with making(tmp_path_factory.mktemp("ledger")) as make, full(make, Wanted(SIZE, USUAL)) as filled:
        with filled.connection.begin():
            dress(filled.connection)
        if request.param == "postgresql":
            filled.connection.execute(text("SET enable_seqscan = off"))
            filled.connection.commit()
        yield filled


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Look through so few requests that every page without an index ends early."""
    monkeypatch.setattr(listing, "MOST_READ", READ)


def day(ledger, ago):
    """Give a moment some days ago, as an address writes it."""
    at = datetime.fromtimestamp(ledger.asked.book.now() / 1000, UTC) - timedelta(days=ago)
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


RETRIED = (DELIVERIES.c.state == "waiting") & (DELIVERIES.c.code != PENDING)


def held(condition):
    return REQUESTS.c.number.in_(select(DELIVERIES.c.request).where(condition))


REQUESTED = {
    "": [],
    "status=parked": [REQUESTS.c.status == "parked"],
    "status=done&kind=demarche_1": [REQUESTS.c.status == "done", REQUESTS.c.kind == "demarche_1"],
    "status=retrying": [REQUESTS.c.status == "waiting", held(RETRIED)],
    "status=waiting": [REQUESTS.c.status == "waiting", ~held(RETRIED)],
    "kind=demarche_8": [REQUESTS.c.kind == "demarche_8"],
    "stage=%C3%89tape_5": [REQUESTS.c.stage == "Étape_5"],
    "site=site_4": [REQUESTS.c.site == "site_4"],
    "channel=guichet": [REQUESTS.c.channel == "guichet"],
    "kind=demarche_1&channel=guichet": [REQUESTS.c.kind == "demarche_1", REQUESTS.c.channel == "guichet"],
    "district=Centre": [REQUESTS.c.number % 20 == 2],
    "owner=lea": [REQUESTS.c.number % 40 == 1],
    "owner=personne": [REQUESTS.c.number < 0],
    "finalized_by=console%2Flea": [
        held(DELIVERIES.c.id.in_(select(FINALIZATIONS.c.delivery).where(FINALIZATIONS.c.actor == "console/lea")))
    ],
    "recovered=true": [
        REQUESTS.c.status == "done",
        held(DELIVERIES.c.id.in_(select(ATTEMPTS.c.delivery).where(ATTEMPTS.c.outcome == "deferred"))),
    ],
    "attempts=5": [held(DELIVERIES.c.attempts >= 5)],
    "target=cible_2&code=CODE_2": [held((DELIVERIES.c.target == "cible_2") & (DELIVERIES.c.code == "CODE_2"))],
    f"x={'a' * 64}": [REQUESTS.c.number % 100 == 3],
    f"x={'a' * 64}&key=facture": [REQUESTS.c.number % 100 == 3],
    f"x={'a' * 64}&key=dossier": [REQUESTS.c.number < 0],
    f"x={person_index('e', 17)}": [REQUESTS.c.email_index == person_index("e", 17)],
    "number=100000007&number=100000009": [REQUESTS.c.number.in_([100_000_007, 100_000_009])],
}
ON_THE_CLOCK = REQUESTS.c.due_at.is_not(None) & REQUESTS.c.ended_at.is_(None)
STANDING = DELIVERIES.c.state.in_(["parked", "uncertain", "asking"])
DELIVERED = {
    ANY: [STANDING],
    "state=waiting": [DELIVERIES.c.state == "waiting"],
    f"{ANY}&target=cible_2": [STANDING, DELIVERIES.c.target == "cible_2"],
    f"{ANY}&code=CODE_3": [STANDING, DELIVERIES.c.code == "CODE_3"],
    f"{ANY}&target=cible_2&attempts=5": [STANDING, DELIVERIES.c.target == "cible_2", DELIVERIES.c.attempts >= 5],
    f"{ANY}&kind=demarche_8": [STANDING, REQUESTS.c.kind == "demarche_8"],
    f"{ANY}&cause_stage=%C3%89tape_0": [STANDING, DELIVERIES.c.stage == "Étape_0"],
    CAUSE: [
        STANDING,
        DELIVERIES.c.target == "cible_0",
        DELIVERIES.c.code == "CODE_0",
        DELIVERIES.c.stage == "Étape_0",
    ],
}


def plain(ledger, caller, column, conditions, order):
    """Find the keys by reading everything."""
    joined = DELIVERIES.join(REQUESTS, REQUESTS.c.number == DELIVERIES.c.request)
    seen = [REQUESTS.c.kind.in_(caller.kinds)] if caller.kinds else []
    seen += [REQUESTS.c.site.in_(caller.sites)] if caller.sites else []
    source = joined if column is DELIVERIES.c.id else REQUESTS
    asked = select(column).select_from(source).where(*conditions, *seen).order_by(*order)
    return list(ledger.connection.scalars(asked))


def walk(ledger, caller, criteria):
    """Turn every page to the end, and from there back to the beginning; gives what each way showed."""
    there, back = [], []
    pages = 0
    page = listing.page(ledger.connection, caller, criteria)
    while True:
        pages += 1
        assert pages < 500
        there += keys(page)
        last = page
        onward = page.next or page.further
        if onward is None:
            break
        page = listing.page(ledger.connection, caller, criteria.model_copy(update={"after": onward}))
    back = keys(last)
    while last.previous:
        last = listing.page(ledger.connection, caller, criteria.model_copy(update={"before": last.previous}))
        back = [*keys(last), *back]
    return there, back


def keys(page):
    return [line.delivery.id if line.is_of_delivery else line.request.number for line in page.lines]


@pytest.mark.parametrize("caller", CALLERS.values(), ids=CALLERS)
@pytest.mark.parametrize("query", [*REQUESTED, *DELIVERED])
def test_every_page_there_and_back_shows_what_a_plain_reading_finds(ledger, caller, query):
    column = DELIVERIES.c.id if query in DELIVERED else REQUESTS.c.number
    with ledger.connection.begin():
        expected = plain(ledger, caller, column, {**REQUESTED, **DELIVERED}[query], [column.desc()])
        there, back = walk(ledger, caller, Criteria.of_query(f"{query}&limit=100"))
    assert there == expected
    assert back == expected or (not back and not expected[:1]) or back == expected[-len(back) :]


@pytest.mark.parametrize("caller", [OPERATOR, CLERK], ids=["all", "kind"])
@pytest.mark.parametrize("query", ["sort=due", "sort=due&status=parked", "sort=due&channel=guichet"])
def test_the_least_time_left_comes_first(ledger, caller, query):
    said = query.partition("&")[2]
    order = [REQUESTS.c.due_at, REQUESTS.c.number]
    with ledger.connection.begin():
        expected = plain(ledger, caller, REQUESTS.c.number, [ON_THE_CLOCK, *REQUESTED[said]], order)
        there, _back = walk(ledger, caller, Criteria.of_query(query))
    assert there == expected


@pytest.mark.parametrize(
    ("sort", "order"),
    [("due", [REQUESTS.c.due_at, DELIVERIES.c.id]), ("oldest", [DELIVERIES.c.updated_at, DELIVERIES.c.id])],
)
def test_a_cause_is_listed_by_its_deadlines_or_by_how_long_it_stands(ledger, sort, order):
    conditions = [*DELIVERED[CAUSE], *([ON_THE_CLOCK] if sort == "due" else [])]
    with ledger.connection.begin():
        expected = plain(ledger, OPERATOR, DELIVERIES.c.id, conditions, order)
        there, back = walk(ledger, OPERATOR, Criteria.of_query(f"{CAUSE}&sort={sort}&limit=7"))
    assert there == back == expected


@pytest.mark.parametrize("since", [3, 400, 2000])
@pytest.mark.parametrize("until", [None, 300])
def test_a_period_is_found_by_its_numbers(ledger, since, until):
    now = ledger.asked.book.now()
    query = f"from={day(ledger, since)}" + (f"&to={day(ledger, until)}" if until is not None else "")
    criteria = Criteria.of_query(query)
    begun, ended = (moment and int(moment.timestamp() * 1000) for moment in (criteria.since, criteria.until))
    conditions = [REQUESTS.c.received_at >= begun, REQUESTS.c.received_at <= (ended or now * 2)]
    with ledger.connection.begin():
        expected = plain(ledger, OPERATOR, REQUESTS.c.number, conditions, [REQUESTS.c.number.desc()])
        there, _back = walk(ledger, OPERATOR, criteria.model_copy(update={"limit": 100}))
        counted = listing.count(ledger.connection, OPERATOR, criteria)
    assert there == expected
    assert counted == Count(len(expected), more=False)


def test_a_process_at_an_old_block_receives_in_the_same_period(ledger):
    now = ledger.asked.book.now()
    late = REQUESTS.c.number.between(100_000_900, 100_000_999)
    with ledger.connection.begin() as transaction:
        ledger.connection.execute(update(REQUESTS).where(late).values(received_at=now))
        there, _back = walk(ledger, OPERATOR, Criteria.of_query(f"from={day(ledger, 1)}&limit=100"))
        transaction.rollback()
    assert set(range(100_000_900, 100_001_000)) <= set(there)
    assert 100_000_899 not in there


@pytest.mark.parametrize("query", [one for one in (*REQUESTED, *DELIVERED) if one != ""])
def test_a_count_is_exact_or_says_that_there_are_more(ledger, query):
    column = DELIVERIES.c.id if query in DELIVERED else REQUESTS.c.number
    with ledger.connection.begin():
        expected = len(plain(ledger, OPERATOR, column, {**REQUESTED, **DELIVERED}[query], [column]))
        counted = listing.count(ledger.connection, OPERATOR, Criteria.of_query(query))
    assert counted.found == expected or (counted.more and counted.found < expected)


@pytest.mark.parametrize("query", [*REQUESTED, *DELIVERED, "sort=due", f"{CAUSE}&sort=due", f"{CAUSE}&sort=oldest"])
@pytest.mark.parametrize("caller", CALLERS.values(), ids=CALLERS)
def test_no_page_reads_a_whole_table(ledger, caller, query):
    asked = Criteria.of_query(query)
    plans = "\n".join(ledger.plans(lambda connection, _: listing.page(connection, caller, asked)))
    found = WHOLE_TABLE.search(plans)
    bounded = "number >= " in plans or not asked.named
    assert not found or bounded, plans


@pytest.mark.parametrize("query", ["status=parked", "kind=demarche_8", "stage=%C3%89tape_5", ANY, CAUSE])
def test_a_page_that_an_index_has_is_read_in_its_order_and_never_sorted(ledger, query):
    if ledger.connection.dialect.name == "postgresql" and query == CAUSE:
        pytest.skip("its index has no number: what stands for one cause is sorted")
    asked = Criteria.of_query(query)
    plans = ledger.plans(lambda connection, _: listing.page(connection, OPERATOR, asked))
    assert not [plan for plan in plans if "ORDER BY" in plan and re.search(r"Sort Key|TEMP B-TREE", plan)]


def test_the_subjects_of_a_batch_are_what_the_list_shows_the_oldest_first(ledger):
    with ledger.connection.begin():
        of_cause = listing.subjects(ledger.connection, OPERATOR, Criteria.of_query(CAUSE), 10_000)
        there, _back = walk(ledger, OPERATOR, Criteria.of_query(CAUSE))
        parked = listing.subjects(ledger.connection, OPERATOR, Criteria.of_query("status=parked"), 50)
        done = listing.subjects(ledger.connection, OPERATOR, Criteria.of_query("status=done"), 5)
    assert of_cause == (there[::-1], True)
    assert [subject % ROOM for subject in parked.found] == [1] * 50
    assert [subject % ROOM for subject in done.found] == [0] * 5
    assert not parked.is_all
    assert not done.is_all


@pytest.mark.parametrize("caller", CALLERS.values(), ids=CALLERS)
@pytest.mark.parametrize("query", [*REQUESTED, *DELIVERED])
def test_where_more_match_than_a_batch_takes_the_oldest_are_taken(ledger, caller, query):
    column = DELIVERIES.c.id if query in DELIVERED else REQUESTS.c.number
    room = 1 if query in DELIVERED else ROOM
    with ledger.connection.begin():
        expected = plain(ledger, caller, column, {**REQUESTED, **DELIVERED}[query], [column])
        for most in (5, 10_000):
            found, is_all = listing.subjects(ledger.connection, caller, Criteria.of_query(query), most)
            assert [subject // room for subject in found] == expected[:most]
            assert is_all == (len(expected) <= most)


def test_what_is_too_far_to_be_looked_for_is_left_out_between_the_oldest_and_the_newest(ledger, monkeypatch):
    monkeypatch.setattr(listing, "MOST_LOOKS", 2)
    with ledger.connection.begin():
        expected = plain(ledger, OPERATOR, REQUESTS.c.number, REQUESTED["channel=guichet"], [REQUESTS.c.number])
        found, is_all = listing.subjects(ledger.connection, OPERATOR, Criteria.of_query("channel=guichet"), 10_000)
        shown = keys(listing.page(ledger.connection, OPERATOR, Criteria.of_query("channel=guichet&limit=100")))
    numbers = [subject // ROOM for subject in found]
    assert not is_all
    assert numbers == sorted(set(numbers))
    assert numbers[: 2 * READ // 50 - 1] == expected[: 2 * READ // 50 - 1]
    assert set(shown) < set(numbers) < set(expected)


def test_a_code_or_a_stage_that_is_empty_is_asked_for_and_nothing_else_that_is():
    criteria = Criteria.of_query("state=parked&target=cible&code=&cause_stage=&kind=&number=&limit=&sort=")
    assert criteria.is_of_one_cause
    assert criteria.query() == "state=parked&target=cible&code=&cause_stage="
    assert Criteria.of_query(criteria.query()) == criteria


def test_what_no_index_has_is_looked_for_among_so_many(ledger):
    with ledger.connection.begin():
        page = listing.page(ledger.connection, OPERATOR, Criteria.of_query("channel=courrier"))
        newest = ledger.connection.scalar(select(func.max(REQUESTS.c.number)))
    assert (page.lines, page.next) == ([], None)
    assert int(page.further, 16) == newest - READ


def test_an_address_is_read_and_written_the_same():
    query = f"from=2026-12-01&status=parked&kind=rapo&number=100000001&number=100000002&sort=due&x={'0' * 64}"
    criteria = Criteria.of_query(query)
    assert Criteria.of_query(criteria.query()) == criteria
    assert "status" not in criteria.query("status")
    assert Criteria.of_query(f"{query}&after=5f").query() == criteria.query()


@pytest.mark.parametrize("query", ["x=Lef%C3%A8vre", "status=lost", "state=done", "nom=x", "after=zz", "attempts=0"])
def test_an_address_that_makes_no_sense_is_refused(query):
    with pytest.raises(ValidationError):
        Criteria.of_query(query)
