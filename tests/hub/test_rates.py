"""Buckets: so many calls at once, so many in the long run, and no memory to fill."""

from hub.rates import Buckets


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self):
        return self.now


def test_a_burst_is_let_through_and_then_the_steady_rate():
    clock = Clock()
    buckets = Buckets(10, 5, clock=clock)
    assert [buckets.pour("a") == 0 for _ in range(6)] == [True] * 5 + [False]
    clock.now += 0.1
    assert [buckets.pour("a") == 0 for _ in range(2)] == [True, False]
    clock.now += 60
    assert [buckets.pour("a") == 0 for _ in range(6)] == [True] * 5 + [False]


def test_the_wait_that_is_told_is_the_one_that_is_needed():
    clock = Clock()
    buckets = Buckets(2, 1, clock=clock)
    buckets.pour("a")
    wait = buckets.pour("a")
    assert 0 < wait <= 0.5
    clock.now += wait
    assert buckets.pour("a") == 0


def test_one_caller_is_not_held_to_what_another_did():
    buckets = Buckets(1, 1, clock=Clock())
    assert (buckets.pour("a"), buckets.pour("b")) == (0, 0)
    assert buckets.pour("a") > 0


def test_a_refused_call_makes_nobody_wait_longer():
    buckets = Buckets(1, 1, clock=Clock())
    buckets.pour("a")
    assert {buckets.pour("a") for _ in range(100)} == {1.0}


def test_any_number_of_callers_takes_no_more_memory():
    buckets = Buckets(1, 1, most=50, clock=Clock())
    for index in range(1000):
        buckets.pour(f"made up {index}")
    assert len(buckets) == 50
    assert buckets.pour("made up 999") > 0
