"""The calendar counts as the law does."""

from datetime import date, datetime

import pytest
from pydantic import ValidationError

from hub.calendar import (
    PARIS,
    Clock,
    Zone,
    business_days_after,
    day_of,
    is_business_day,
    months_after,
    public_holidays,
    read_moment,
)


def day(said):
    return date.fromisoformat(said)


@pytest.mark.parametrize(
    ("said", "zone", "holiday"),
    [
        ("2026-05-14", Zone.METROPOLE, True),
        ("2026-04-06", Zone.METROPOLE, True),
        ("2026-04-03", Zone.METROPOLE, False),
        ("2026-04-03", Zone.ALSACE_MOSELLE, True),
        ("2026-12-26", Zone.ALSACE_MOSELLE, True),
        ("2026-12-20", Zone.REUNION, True),
        ("2026-05-22", Zone.MARTINIQUE, True),
        ("2026-05-27", Zone.GUADELOUPE, True),
        ("2026-06-10", Zone.GUYANE, True),
        ("2026-04-27", Zone.MAYOTTE, True),
    ],
)
def test_each_part_of_the_country_has_its_own_public_holidays(said, zone, holiday):
    assert (day(said) in public_holidays(2026, zone)) is holiday


@pytest.mark.parametrize("zone", list(Zone))
def test_every_zone_has_the_national_day(zone):
    assert day("2026-07-14") in public_holidays(2026, zone)


def test_a_weekend_and_a_holiday_are_no_business_days():
    assert [is_business_day(day(f"2026-05-{number:02}")) for number in range(1, 11)] == [
        False,
        *[False] * 2,
        *[True] * 4,
        False,
        *[False] * 2,
    ]


def test_business_days_pass_over_a_long_weekend():
    assert business_days_after(day("2026-05-13"), 1) == day("2026-05-15")
    assert business_days_after(day("2026-05-22"), 1) == day("2026-05-26")


def test_a_month_that_is_shorter_ends_on_its_last_day():
    assert months_after(day("2026-01-31"), 1) == day("2026-02-28")
    assert months_after(day("2027-12-15"), 2) == day("2028-02-15")


def test_a_clock_of_one_month_ends_with_its_last_day():
    due = Clock(months=1).due(day("2026-10-24"))
    assert datetime.fromtimestamp(due / 1000, PARIS).isoformat() == "2026-11-24T23:59:59+01:00"


def test_a_clock_may_be_extended_to_the_next_business_day():
    assert day_of(Clock(days=7).due(day("2026-05-07"))) == day("2026-05-14")
    assert day_of(Clock(days=7, extends=True).due(day("2026-05-07"))) == day("2026-05-15")


def test_a_clock_in_business_days_knows_where_it_is():
    friday = day("2026-04-02")
    assert day_of(Clock(business_days=1).due(friday)) == day("2026-04-03")
    assert day_of(Clock(business_days=1, zone=Zone.ALSACE_MOSELLE).due(friday)) == day("2026-04-07")


def test_a_clock_that_gives_no_time_is_refused():
    with pytest.raises(ValidationError, match="give months, days or business_days"):
        Clock()


def test_a_moment_without_a_zone_is_meant_in_paris():
    assert read_moment("2026-07-14") == read_moment("2026-07-14T00:00:00+02:00")
    assert read_moment("2026-12-14T08:30:00") == read_moment("2026-12-14T07:30:00+00:00")
