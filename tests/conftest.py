"""Real servers for whoever asks: at most one of each in a pytest process, started by the first test that needs it."""

import os
from uuid import uuid4

import pytest

from hub.errors import ConfigurationError
from hub.processes import run
from hub.servers import Postgres, RabbitMQ


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory):
    """A PostgreSQL server; whoever kills it starts it again."""
    yield from running(Postgres(tmp_path_factory.mktemp("postgresql")))


@pytest.fixture(scope="session")
def rabbitmq_server(tmp_path_factory):
    """A RabbitMQ broker; whoever kills it starts it again."""
    yield from running(RabbitMQ(tmp_path_factory.mktemp("rabbitmq")))


@pytest.fixture
def postgres_url(postgres_server):
    """An empty database of its own."""
    return run(postgres_server.database(f"test_{uuid4().hex}"))


def running(server):
    """Run a server on no test's event loop; a machine without it skips, except in CI, where nothing is skipped."""
    try:
        run(server.start())
    except ConfigurationError as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))
    yield server
    run(server.end())
