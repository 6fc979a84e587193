"""Files good and bad, a real scanner, and a whole hub at whose door they arrive."""

import pytest

from tests.conftest import running as starting
from tests.hub.conftest import open_desk, resting, settings, target
from tests.security.clamd import Clamd

__all__ = ["open_desk", "resting", "settings", "target"]


@pytest.fixture(scope="session")
def clamd(tmp_path_factory):
    """A scanner; without the Debian package clamav-daemon its tests are skipped, and in CI they fail."""
    yield from starting(Clamd(tmp_path_factory.mktemp("clamd")))


@pytest.fixture
def database(tmp_path):
    """An empty ledger: that the two databases do the same is shown elsewhere."""
    return f"sqlite:///{tmp_path}/hub.db"
