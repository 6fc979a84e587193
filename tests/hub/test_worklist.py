"""What needs somebody is counted by cause as a plain reading counts it, and every request stands in one figure."""

import re

import pytest
from sqlalchemy import func, select, update

from hub import listing, worklist
from hub.acts import Note, act
from hub.criteria import Criteria, Standing, numbers_of
from hub.lifecycle import State
from hub.listing import Count
from hub.periods import EVER
from hub.tables import DELIVERIES, REQUESTS
from tests.hub.test_listing import AGENT, BOTH, CALLERS, CLERK, DAY, OPERATOR, day, ledger
from tests.hub.test_plans import WHOLE_TABLE

__all__ = ["ledger"]  # the same ledger as the list's tests


@pytest.fixture
def troubled(ledger):
    """A ledger where some deliveries came to stand yesterday and today; its transaction is undone afterwards."""
    now = ledger.asked.book.now()
    newest = ledger.connection.begin()
    for hours, remainder in ((3, 0), (30, 1)):
        some = DELIVERIES.c.state.in_(worklist.STANDING_STATES), DELIVERIES.c.request % 7 == remainder
        moved = update(DELIVERIES).where(*some).values(updated_at=now - hours * DAY // 24)
        ledger.connection.execute(moved)
    asking = DELIVERIES.c.state == State.UNCERTAIN, DELIVERIES.c.request % 5 == 0
    ledger.connection.execute(update(DELIVERIES).where(*asking).values(state=State.ASKING))
    yield ledger
    newest.rollback()


def plain(ledger, caller, now):
    """Count causes by looking at every delivery."""
    columns = DELIVERIES.c
    joined = DELIVERIES.join(REQUESTS, REQUESTS.c.number == columns.request)
    seen = [REQUESTS.c.kind.in_(caller.kinds)] if caller.kinds else []
    seen += [REQUESTS.c.site.in_(caller.sites)] if caller.sites else []
    rows = ledger.connection.execute(
        select(columns.target, columns.code, columns.stage, columns.state, columns.updated_at, REQUESTS)
        .select_from(joined)
        .where(columns.state.in_(worklist.STANDING_STATES), *seen)
    ).all()
    found = {}
    for row in rows:
        found.setdefault((row.target, row.code, row[2]), []).append(row)
    return {
        key: (
            len(rows),
            sum(row.state != "parked" for row in rows),
            min(row[4] for row in rows),
            max(row[4] for row in rows),
            sum(row[4] > now - DAY for row in rows),
            sum(now - 2 * DAY < row[4] <= now - DAY for row in rows),
            min((row.due_at for row in rows if row.due_at is not None and row.ended_at is None), default=None),
        )
        for key, rows in found.items()
    }


def said(cause):
    return (
        cause.deliveries,
        cause.uncertain,
        cause.first_at,
        cause.last_at,
        cause.recent,
        cause.before,
        cause.due_at,
    )


@pytest.mark.parametrize("few", [0, 100_000], ids=["in their indexes", "one by one"])
@pytest.mark.parametrize("caller", CALLERS.values(), ids=CALLERS)
def test_causes_are_counted_as_a_plain_reading_counts_them(troubled, caller, few, monkeypatch):
    monkeypatch.setattr(worklist, "FEW", few)
    now = troubled.asked.book.now()
    found = worklist.causes(troubled.connection, caller, now)
    assert {cause.key: said(cause) for cause in found} == plain(troubled, caller, now)
    assert any(cause.recent and cause.before for cause in found)


def test_the_nearest_deadline_comes_first_then_what_stands_most_often(troubled):
    found = worklist.causes(troubled.connection, OPERATOR, troubled.asked.book.now())
    assert any(cause.due_at is None for cause in found)
    keys = [(cause.due_at is None, cause.due_at or 0, -cause.deliveries) for cause in found]
    assert keys == sorted(keys)


def test_both_ways_of_counting_know_kinds_and_operations(troubled, monkeypatch):
    now = troubled.asked.book.now()
    exact = {cause.key: cause for cause in worklist.causes(troubled.connection, CLERK, now)}
    monkeypatch.setattr(worklist, "FEW", 0)
    sampled = {cause.key: cause for cause in worklist.causes(troubled.connection, OPERATOR, now)}
    assert all(not cause.is_sampled and cause.kinds <= CLERK.kinds for cause in exact.values())
    assert all(cause.is_sampled and cause.kinds and cause.mappings for cause in sampled.values())


def test_deadlines_that_were_not_looked_for_are_beyond_one_that_is_told(troubled, monkeypatch):
    monkeypatch.setattr(worklist, "FEW", 0)
    monkeypatch.setattr(worklist, "MOST_PRESSING", 20)
    now = troubled.asked.book.now()
    exact = plain(troubled, OPERATOR, now)
    for cause in worklist.causes(troubled.connection, OPERATOR, now):
        due = exact[cause.key][-1]
        assert cause.due_at == due if cause.due_at else due is None or due >= cause.later_than


def test_an_owner_and_a_note_stand_beside_their_cause(troubled):
    now = troubled.asked.book.now()
    first, *others = worklist.causes(troubled.connection, OPERATOR, now)
    wanted = Note(*first.key, owner="lea", note="vu avec l'éditeur", actor="console/lea")
    act(troubled.asked.book, troubled.connection, [wanted])
    again = {cause.key: cause.noted for cause in worklist.causes(troubled.connection, OPERATOR, now)}
    assert (again[first.key].owner, again[first.key].note) == ("lea", "vu avec l'éditeur")
    assert not any(again[cause.key].owner for cause in others)


PERIODS = {"all": 0, "week": 7, "year": 400}


@pytest.mark.parametrize("caller", CALLERS.values(), ids=CALLERS)
@pytest.mark.parametrize("days", PERIODS.values(), ids=PERIODS)
def test_every_request_stands_in_one_figure_and_each_is_what_its_list_shows(ledger, caller, days):
    criteria = Criteria.of_query(f"from={day(ledger, days)}") if days else Criteria()
    with ledger.connection.begin():
        found = worklist.figures(ledger.connection, caller, numbers_of(ledger.connection, criteria))
        accepted = listing.count(ledger.connection, caller, criteria)
        listed = {
            standing: listing.count(ledger.connection, caller, criteria.model_copy(update={"status": standing}))
            for standing in Standing
        }
    if caller.sites and not days:
        assert found == {}
        return
    assert sum(figure.found for figure in found.values()) == accepted.found
    for standing, figure in found.items():
        assert listed[standing] == figure or listed[standing].more


def test_what_is_done_beyond_what_a_list_counts_is_what_was_accepted_and_stands_nowhere_else(ledger, monkeypatch):
    monkeypatch.setattr(worklist, "MOST_COUNTED", 10)
    done = select(func.count()).select_from(REQUESTS).where(REQUESTS.c.status == "done")
    with ledger.connection.begin():
        found = worklist.figures(ledger.connection, OPERATOR, EVER)
        of_kinds = worklist.figures(ledger.connection, CLERK, EVER)
        expected = ledger.connection.scalar(done)
    assert found[Standing.DONE] == Count(expected, more=False)
    assert of_kinds[Standing.DONE] == Count(10, more=True)


def test_causes_and_figures_read_no_whole_table(ledger, monkeypatch):
    monkeypatch.setattr(worklist, "FEW", 0)
    now = ledger.asked.book.now()
    plans = ledger.plans(lambda connection, _: worklist.causes(connection, OPERATOR, now))
    plans += ledger.plans(lambda connection, _: worklist.figures(connection, OPERATOR, EVER))
    told = "\n".join(plans)
    assert not WHOLE_TABLE.search(told)
    used = set(re.findall(r"\w+", told))
    assert {"request_due", "request_standing", "delivery_of_code"} <= used
    assert used & {"delivery_cause", "delivery_cause_since"}


def test_who_sees_less_is_counted_less(troubled):
    now = troubled.asked.book.now()
    counted = {
        name: sum(cause.deliveries for cause in worklist.causes(troubled.connection, caller, now))
        for name, caller in (("all", OPERATOR), ("site", AGENT), ("both", BOTH))
    }
    assert counted["all"] > counted["site"] > counted["both"] > 0
