"""What is asked all day is answered from indexes, on both databases, and as a plain reading would answer it."""

import re
from contextlib import contextmanager

import pytest
from sqlalchemy import func, select, text

from hub import targets, views
from hub.access import Principal, Role
from hub.bench.filling import OLD_FRONT_END, OLD_KIND, USUAL, Wanted
from hub.bench.growth import MAKING, full
from hub.bench.questions import OPERATOR, PORTAL, QUESTIONS
from hub.lifecycle import State
from hub.processes import run
from hub.tables import DELIVERIES, READY, REQUESTS
from hub.views import Trouble

SIZE = 10_000

INDEXES = {
    "claim a batch": {"delivery_ready", "delivery_held"},
    "which targets are due": {"delivery_ready"},
    "what is held": {"delivery_held"},
    "requests of a kind long out of use": {"request_kind"},
    "requests in progress": {"request_standing"},
    "requests finalized": {"request_standing"},
    "requests at a stage that none reached": {"request_stage"},
    "requests of a site that has none": {"request_site"},
    "requests parked, of a kind": {"request_kind_status"},
    "requests of a portal long out of use": {"request_front_end"},
    "search by name": {"request_name", "request_email", "request_phone", "request_external"},
    "search by reference": {"request_external"},
    "one request": {"event_request", "ix_attachment_request"},
    "deliveries": {"delivery_newest"},
    "deliveries, deep page": {"delivery_newest"},
    "deliveries to a target": {"delivery_of_target"},
    "deliveries with a code": {"delivery_of_code"},
    "one delivery": {"attempt_delivery", "event_request"},
    "causes": {"delivery_cause_since"},
    "targets": {"delivery_ready"},
    "balance": {"request_kind_status"},
}
IN_ORDER = [name for name in QUESTIONS if name.startswith("requests") and name != "requests parked, of a kind"]

WHOLE_TABLE = re.compile(
    r"Seq Scan on (?:request|delivery|attempt|event)\b|SCAN (?:request|delivery|same|beyond|before|attempt|event)$",
    re.MULTILINE,
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def ledger(request, tmp_path_factory):
    """A ledger of ten thousand requests, of which indexes are preferred to whole tables."""
    making = MAKING["sqlite"]
    if request.param == "postgresql":
        making = on_server(request.getfixturevalue("postgres_server"))
    with making(tmp_path_factory.mktemp("ledger")) as make, full(make, Wanted(SIZE, USUAL)) as filled:
        if request.param == "postgresql":
            filled.connection.execute(text("SET enable_seqscan = off"))
            filled.connection.commit()
        yield filled


def on_server(server):
    @contextmanager
    def making(_folder):
        @contextmanager
        def make(name):
            yield run(server.database(name))
            run(server.drop(name))

        yield make

    return making


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_is_asked_all_day_is_answered_from_indexes(ledger, question):
    plan = "\n".join(ledger.plans(QUESTIONS[question]))
    assert INDEXES.get(question, set()) <= set(re.findall(r"\w+", plan))
    if question != "requests":  # which SQLite calls a scan, and ends after a page
        assert not WHOLE_TABLE.search(plan)


@pytest.mark.parametrize("question", IN_ORDER)
def test_pages_of_requests_are_read_in_their_order_and_never_sorted(ledger, question):
    plan = "\n".join(ledger.plans(QUESTIONS[question]))
    assert not re.search(r"Sort|TEMP B-TREE", plan)


def test_a_batch_is_claimed_in_the_order_in_which_its_index_has_it(ledger):
    [sound] = [plan for plan in ledger.plans(QUESTIONS["claim a batch"]) if "claims = " in plan]
    assert not re.search(r"Sort|TEMP B-TREE", sound)


TROUBLES = [
    Trouble(),
    Trouble(state=[State.PARKED], limit=7),
    Trouble(state=[State.PARKED, State.PARKED]),
    Trouble(state=[State.DELIVERED, State.PARKED]),
    Trouble(target="cible_2"),
    Trouble(target="cible_2", code="CODE_2"),
    Trouble(code="CODE_3", limit=3),
    Trouble(code="aucun"),
    Trouble(stage="Étape_5"),
    Trouble(kind="demarche_3"),
    Trouble(kind=OLD_KIND, state=[State.UNCERTAIN]),
    Trouble(after=f"{100_005_000_001:x}"),
]
AGENT = Principal(prefix="", front_end="*", role=Role.OPERATOR, sites=frozenset({"site_1"}))
HOUSE = Principal(prefix="", front_end=OLD_FRONT_END, role=Role.OPERATOR)


def troubled(caller, trouble, *columns):
    """Find deliveries by reading all of them with their requests."""
    said = trouble.model_dump(include={"target", "code", "stage"}, exclude_none=True)
    conditions = [DELIVERIES.c.state.in_(trouble.state), *(DELIVERIES.c[name] == value for name, value in said.items())]
    conditions += [REQUESTS.c.kind == trouble.kind] if trouble.kind else []
    conditions += [REQUESTS.c.front_end == caller.front_end] if caller.front_end != "*" else []
    conditions += [REQUESTS.c.site.in_(caller.sites)] if caller.sites else []
    joined = DELIVERIES.join(REQUESTS, REQUESTS.c.number == DELIVERIES.c.request)
    return select(*columns).select_from(joined).where(*conditions)


@pytest.mark.parametrize("caller", [OPERATOR, PORTAL, AGENT, HOUSE], ids=["all", "portal", "site", "house"])
@pytest.mark.parametrize("trouble", TROUBLES, ids=str)
def test_pages_of_deliveries_hold_what_a_plain_reading_finds(ledger, caller, trouble):
    plain = troubled(caller, trouble, DELIVERIES.c.id, REQUESTS.c.kind, REQUESTS.c.site)
    if trouble.after:
        plain = plain.where(DELIVERIES.c.id < int(trouble.after, 16))
    plain = plain.order_by(DELIVERIES.c.id.desc()).limit(trouble.limit + 1)
    with ledger.connection.begin():
        found = views.deliveries(ledger.connection, caller, trouble)
        expected = ledger.connection.execute(plain).all()
    assert [(row.id, row.kind, row.site) for row in found] == expected


@pytest.mark.parametrize("caller", [OPERATOR, AGENT, HOUSE], ids=["all", "site", "house"])
@pytest.mark.parametrize("trouble", TROUBLES[:-1], ids=str)
def test_causes_are_counted_as_a_plain_reading_counts_them(ledger, caller, trouble):
    by = [DELIVERIES.c[name] for name in ("target", "code", "stage", "state")]
    count = func.count().label("deliveries")
    plain = troubled(caller, trouble, *by, count, func.min(DELIVERIES.c.updated_at)).group_by(*by)
    with ledger.connection.begin():
        found = views.causes(ledger.connection, caller, trouble)
        expected = {tuple(row) for row in ledger.connection.execute(plain)}
    assert len(found) == len(expected)
    assert {tuple(row) for row in found} == expected
    assert found == sorted(found, key=lambda row: (-row.deliveries, *row[:4]))


@pytest.mark.parametrize("claims", [0, 1], ids=["sound", "suspect"])
def test_targets_are_due_when_something_of_theirs_is(ledger, claims):
    now = ledger.asked.book.now()
    with ledger.connection.begin() as transaction:
        mine = DELIVERIES.c.target == "cible_3"
        late = DELIVERIES.update().where(~mine, DELIVERIES.c.state.in_(READY)).values(next_at=now + 1)
        ledger.connection.execute(late)
        ledger.connection.execute(DELIVERIES.update().where(mine).values(claims=claims))
        assert targets.due(ledger.connection, now) == ["cible_3"]
        assert targets.due(ledger.connection, 0) == []
        assert len(targets.due(ledger.connection, now + 1)) == 8
        transaction.rollback()
