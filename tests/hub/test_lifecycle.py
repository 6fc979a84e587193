"""A delivery's life has one table, and nothing leaves it."""

from itertools import product
from pathlib import Path

import pytest

from hub.errors import IllegalTransitionError
from hub.lifecycle import FINAL, HELD, TRANSITIONS, Event, State, advance, allowed, as_mermaid


def reached_from(state, without=frozenset()):
    """Give every state that a delivery may come to, if some things never happen."""
    reached, frontier = {state}, [state]
    while frontier:
        before = frontier.pop()
        for event in allowed(before) - without:
            after = advance(before, event)
            if after not in reached:
                reached.add(after)
                frontier.append(after)
    return reached


FORBIDDEN = sorted(set(product(State, Event)) - TRANSITIONS.keys())
DRAWN = Path(__file__).parents[2] / "docs/lifecycle.md"


@pytest.mark.parametrize(("state", "event"), FORBIDDEN)
def test_no_delivery_leaves_the_table(state, event):
    with pytest.raises(IllegalTransitionError, match=f"{event} while {state}"):
        advance(state, event)


@pytest.mark.parametrize("state", sorted(FINAL - {State.FINALIZED}))
def test_what_has_ended_stays_ended(state):
    assert allowed(state) == frozenset()


def test_what_was_finalized_is_sent_only_once_somebody_reopened_it():
    assert allowed(State.FINALIZED) == {Event.REOPENED}
    assert [(before, after) for (before, event), after in TRANSITIONS.items() if event is Event.REOPENED] == [
        (State.FINALIZED, State.PARKED)
    ]
    assert State.SENDING in reached_from(State.FINALIZED)
    assert reached_from(State.FINALIZED, without={Event.REOPENED}) == {State.FINALIZED}


@pytest.mark.parametrize("state", sorted(set(State) - FINAL))
def test_every_state_has_a_way_to_an_end(state):
    assert reached_from(state) & FINAL


@pytest.mark.parametrize("state", sorted(set(State) - FINAL - HELD))
def test_a_person_can_finish_whatever_stands_still(state):
    assert Event.FINALIZED in allowed(state)


def test_nothing_goes_back_to_the_queue_once_its_intent_was_committed_except_by_a_person_or_an_answer():
    back = {
        (before, event)
        for (before, event), after in TRANSITIONS.items()
        if after is State.QUEUED and before is not State.CLAIMED
    }
    assert back == {
        (State.ASKING, Event.ABSENT_AGAIN),
        (State.PARKED, Event.RETRIED),
        (State.WAITING, Event.RETRIED),
    }


def test_the_drawing_in_the_docs_is_the_table():
    assert as_mermaid() in DRAWN.read_text("utf-8")
