"""Every input that was ever worth keeping is read again: only the errors that are announced may be raised."""

from pathlib import Path

import pytest

from tests.fuzz.campaign import CORPUS, keeping, share
from tests.fuzz.targets import TARGETS, Target

SEEDS = sorted(file for file in CORPUS.rglob("*") if file.is_file())
LARGEST = 20_000


@pytest.mark.parametrize("seed", SEEDS, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_only_what_is_announced_is_raised(seed):
    TARGETS[seed.parent.name](seed.read_bytes())


def test_every_target_has_seeds_and_every_seed_a_target():
    assert {file.parent.name for file in SEEDS} == TARGETS.keys()
    assert max(file.stat().st_size for file in SEEDS) <= LARGEST


def test_what_is_not_announced_would_be_found():
    with pytest.raises(ZeroDivisionError):
        Target(lambda content: 1 // len(content), (ValueError,))(b"")


def test_the_time_is_shared_and_nobody_goes_without():
    assert share(300, 16) == 18
    assert share(3, 16) == 1


def test_what_breaks_a_target_is_kept(tmp_path):
    with pytest.raises(ZeroDivisionError):
        keeping(lambda content: 1 // (len(content) - 3), tmp_path / "crash")(b"odd")
    assert (tmp_path / "crash").read_bytes() == b"odd"


def test_the_seeds_lie_beside_the_targets():
    assert Path(__file__).parent == CORPUS.parent
