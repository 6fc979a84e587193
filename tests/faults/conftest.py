"""Towns of real processes, on either ledger."""

from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

from tests.faults.proxy import Proxy
from tests.faults.town import MODES, open_town


@pytest.fixture(params=MODES)
def mode(request):
    """Take each way a hub may run."""
    return MODES[request.param]


@pytest.fixture
def server(request, mode):
    """Give the server that holds the ledgers, if this mode has one."""
    return request.getfixturevalue("postgres_server") if mode.ledger == "postgresql" else None


@pytest.fixture
def broker(request, mode):
    """Give the broker, if this mode has one; towns share it, so that their hints go astray, which must not matter."""
    return request.getfixturevalue("rabbitmq_server") if mode.ledger == "postgresql" else None


@pytest.fixture
async def new_town(server, broker, tmp_path):
    """Open a town under a name, with a ledger of its own."""
    async with AsyncExitStack() as stack:

        async def opened(name="town", **said):
            database = await server.database(f"{name.lower()}_{uuid4().hex}") if server else None
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
