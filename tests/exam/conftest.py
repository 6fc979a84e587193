"""Connectors that sit the exam: two sound ones, whose doubles blunder in one thing each."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hub.exam.candidate import Subject
from hub.packages import Package, find_packages
from hub.settings import HOME

PARKING = Path(__file__).parents[1] / "hub/ville_parking"


@pytest.fixture
def rest():
    """The connector for any JSON target: its sandbox has an operation of each effect."""
    return Subject.of(find_packages(HOME)["rest"])


@pytest.fixture
def parking(monkeypatch):
    """An integrator's connector, whose one operation has a contract."""
    monkeypatch.syspath_prepend(str(PARKING))
    yield Subject.of(Package("parking", "ville_parking.parking", PARKING / "ville_parking/parking"))
    for name in [one for one in sys.modules if one.partition(".")[0] == "ville_parking"]:
        del sys.modules[name]


@pytest.fixture
def elsewhere(parking, tmp_path):
    """The same, in a folder of its own that may be spoiled."""
    shutil.copytree(parking.folder, tmp_path / "parking")
    return replace(parking, folder=tmp_path / "parking")
