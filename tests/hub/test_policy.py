"""A policy is patient, bounded, and minds the hours."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hub.policy import PARIS, Policy


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=PARIS).timestamp() * 1000)


@given(attempt=st.integers(1, 500))
def test_a_wait_is_never_below_half_its_step_nor_above_the_cap(attempt):
    policy = Policy(base="10s", cap="15m")
    step = min(policy.cap, policy.base * 2 ** min(attempt - 1, 30))
    assert step / 2 <= policy.wait_before(attempt) <= policy.cap


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        (timedelta(seconds=90), timedelta(seconds=90), timedelta(seconds=90)),
        (timedelta(days=3650), timedelta(hours=24), timedelta(hours=24)),
        (timedelta(0), timedelta(seconds=5), timedelta(seconds=10)),
    ],
)
def test_retry_after_is_honoured_up_to_a_day_and_never_shortens_the_wait(asked, least, most):
    assert least <= Policy(base="10s").wait_before(1, asked) <= most


def test_questions_are_asked_ever_more_rarely():
    waits = [Policy().ask_again(count) for count in range(6)]
    assert waits == [timedelta(minutes=m) for m in (1, 5, 15, 60, 60, 60)]


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-11-24T10:00:00", "2026-11-24T10:00:00"),
        ("2026-11-24T07:59:00", "2026-11-24T08:00:00"),
        ("2026-11-24T18:00:00", "2026-11-25T08:00:00"),
        ("2026-11-27T19:00:00", "2026-11-30T08:00:00"),
        ("2026-03-28T12:00:00", "2026-03-30T08:00:00"),
    ],
)
def test_a_closed_target_opens_on_its_next_working_morning(now, opens):
    hours = {"opens": "08:00", "closes": "18:00", "days": ["mon", "tue", "wed", "thu", "fri"]}
    assert Policy(hours=hours).opening(instant(now)) == instant(opens)


def test_a_target_without_hours_is_always_open():
    assert Policy().opening(instant("2026-12-25T03:00:00")) == instant("2026-12-25T03:00:00")


@pytest.mark.parametrize(
    "hours",
    [
        {"opens": "22:00", "closes": "06:00"},
        {"opens": "07:00", "closes": "00:00"},
        {"opens": "08:00", "closes": "08:00"},
        {"opens": "08:00", "closes": "18:00", "days": []},
    ],
    ids=["over night", "until midnight", "no time at all", "no day"],
)
def test_hours_that_never_come_are_refused(hours):
    with pytest.raises(ValidationError, match="hours"):
        Policy(hours=hours)
