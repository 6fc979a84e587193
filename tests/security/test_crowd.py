"""A crowd before one hub: everything is answered, what is accepted arrives once, and the memory holds."""

import pytest

from hub.bench.crowd import Crowd, Options, gather

WELL = Crowd(
    connections=2_000, requests=50_000, accepted=50_000, refused=0, errors=0, seconds=20.0, rss_start_mb=150.0,
    rss_peak_mb=400.0, rss_end_mb=300.0, ceiling_mb=700.0, lost=0, doubled=0,
)  # fmt: skip


def test_a_crowd_is_answered_and_nothing_of_it_is_lost_or_doubled(tmp_path):
    crowd = gather(Options(connections=200, requests=2_000, folder=tmp_path))
    assert crowd.connections == 200
    assert (crowd.accepted, crowd.refused, crowd.errors) == (2_000, 0, 0)
    assert (crowd.lost, crowd.doubled) == (0, 0)
    assert crowd.rss_start_mb <= crowd.rss_peak_mb <= crowd.ceiling_mb
    assert crowd.is_well


@pytest.mark.parametrize("ill", [{"errors": 1}, {"lost": 1}, {"doubled": 1}, {"rss_peak_mb": 701.0}])
def test_one_thing_lost_doubled_or_unanswered_and_all_is_not_well(ill):
    assert WELL.is_well
    assert not WELL.model_copy(update=ill).is_well
