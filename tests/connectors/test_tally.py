"""What sandboxes keep of very many messages."""

import tracemalloc
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from connectors._transport.tally import Latest, Tally
from connectors.gru.sandbox import Sandbox as FrontEnd
from connectors.logitud.sandbox import Known
from connectors.logitud.sandbox import Sandbox as Logitud

KEYS = st.one_of(
    st.builds("{}-{}".format, st.integers(100_000_000, 100_000_200), st.integers(1, 40)),
    st.sampled_from(["", "RDV000001", "100000000-0", "100000000-999", "999999999-1", "\u0661\u0662\u0663-1"]),
)


@given(st.lists(KEYS), st.lists(KEYS))
def test_it_counts_as_a_counter_does(before, after):
    tally, counter = Tally(Counter(before)), Counter(before + after)
    for key in after:
        tally[key] += 1
    assert dict(tally.items()) == counter
    assert len(tally) == len(counter)
    assert all(key in tally for key in counter)
    assert tally["100000999-1"] == 0


def test_a_key_takes_a_bit_and_a_request_four_bytes():
    tally = Tally({})
    tracemalloc.start()
    try:
        for number in range(100_000_000, 100_050_000):
            for ordinal in (1, 2, 3):
                tally[f"{number}-{ordinal}"] += 1
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 8 * 50_000
    assert tally["100049999-3"] == 1


def test_the_latest_are_kept():
    latest = Latest({"a": 1}, most=2)
    latest["b"] = 2
    assert latest.setdefault("c", 3) == 3
    assert latest == {"b": 2, "c": 3}


def test_a_sandbox_that_forgets_holds_no_more_after_many_messages_than_after_some():
    front_end, logitud = FrontEnd(), Logitud()
    for sandbox in (front_end, logitud):
        sandbox.forget()
    sizes = []
    for number in range(100_000_000, 100_020_000):
        key = f"{number}-1"
        front_end.received[key] = {}
        logitud.states[key] = "RECUE"
        logitud._known[key] = Known(key, 0.0, {})
        if number % 10_000 == 9_999:
            sizes.append((len(front_end.received), len(logitud.states), len(logitud._known)))
    assert sizes[0] == sizes[1]
