"""Towns of real processes, on either ledger."""

from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

from tests.faults.proxy import Proxy
from tests.faults.town import MODES, open_town

TEMPLATE = "ledger"
"""The database that new ledgers are copies of."""


@pytest.fixture(params=MODES)
def mode(request):
    """Take each way a hub may run."""
    return MODES[request.param]


@pytest.fixture
def server(request, mode):
    """Give the server that holds the ledgers, if this mode has one; it has one to copy."""
    if mode.ledger == "sqlite":
        return None
    request.getfixturevalue("postgres_template")
    return request.getfixturevalue("postgres_server")


@pytest.fixture
def broker(request, mode):
    """Give the broker, if this mode has one; towns share it, so that their hints go astray, which must not matter."""
    return request.getfixturevalue("rabbitmq_server") if mode.ledger == "postgresql" else None


@pytest.fixture
async def new_town(server, broker, tmp_path):
    """Open a town under a name, with a ledger of its own."""
    async with AsyncExitStack() as stack:

        async def opened(name="town", **said):
            database = None
            if server:
                ledger = f"{name.lower()}_{uuid4().hex}"
                database = await server.database(ledger, TEMPLATE)
                stack.push_async_callback(server.drop, ledger)
            said = {"broker": broker and broker.url, **said}
            return await stack.enter_async_context(open_town(tmp_path / name, database, **said))

        yield opened


@pytest.fixture
async def new_line():
    """Put a proxy before a port."""
    async with AsyncExitStack() as stack:

        async def opened(port):
            proxy = Proxy(port)
            await proxy.start()
            stack.push_async_callback(proxy.stop)
            return proxy

        yield opened
