"""Towns of real processes, on either ledger."""

from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

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
async def new_town(server, tmp_path):
    """Open a town under a name, with a ledger of its own."""
    async with AsyncExitStack() as stack:

        async def opened(name="town", **said):
            database = await server.database(f"{name.lower()}_{uuid4().hex}") if server else None
            return await stack.enter_async_context(open_town(tmp_path / name, database, **said))

        yield opened
