"""A whole hub with its console on a loopback port, people who are in it, and a real browser for who asks."""

import asyncio
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn

import hub.app
from hub.access import Role, new_key
from hub.accounts import Account, NewAccount, Right, Trial, create_accounts, enter, hash_password, new_stay
from hub.api import build_api
from hub.app import open_hub
from hub.keys import add_keys
from monitoring.console.app import attach
from monitoring.console.door import COOKIE
from tests.hub.conftest import alone as _alone  # noqa: F401
from tests.hub.conftest import settings, submission_of, target  # noqa: F401

PASSWORD = "un mot de passe assez long"


@pytest.fixture(autouse=True)
def console_alone(monkeypatch):
    """Let the console be the only monitor of these hubs."""
    monkeypatch.setattr(hub.app, "attach_monitors", attach)


@pytest.fixture(scope="session")
def hashed():
    """The hash of everybody's password: it takes its time."""
    return hash_password(PASSWORD)


class Browser(httpx.AsyncClient):
    """What a person's browser sends without scripts: its cookie, and the token of the last page's forms."""

    csrf = ""

    async def submit(self, url, **fields):
        """Send a form."""
        return await self.post(url, data={"csrf": self.csrf, **fields})


class Console:
    """A console, and ways into it."""

    def __init__(self, hub, url, hashed):
        self.hub, self.url, self._hashed = hub, url, hashed
        self._opened = []

    async def account(self, login="agnes", *, rights=tuple(Right), **said):
        """Make an account, its password being everybody's."""
        made = Account(login=login, name=login.capitalize(), rights=frozenset(rights), **said)
        wanted = NewAccount(account=made, password=self._hashed, at=self.hub.ledger.book.now())
        await self.hub.ledger.write(create_accounts, wanted)

    async def enter(self, login="agnes", **said):
        """Give somebody who is in, their account made if need be."""
        await self.account(login, **said)
        ledger = self.hub.ledger
        token, stay = new_stay(login, ledger.book.now(), self.hub.settings.console.stay)
        assert await ledger.write(enter, Trial(login=login, right=True, at=ledger.book.now(), stay=stay))
        browser = self.stranger()
        browser.headers["cookie"] = f"{COOKIE}={token}"
        browser.csrf, browser.token = stay.csrf, token
        return browser

    def stranger(self):
        """Give somebody who is not in."""
        browser = Browser(base_url=self.url, follow_redirects=False, timeout=20)
        self._opened.append(browser)
        return browser

    async def submit(self, kind="essai", key="k-1", **over):
        """Have the portal submit a request; gives its number."""
        ledger = self.hub.ledger
        text, made = new_key(self.hub.secret, ledger.book.now(), front_end="portail", role=Role.FRONT_END)
        await ledger.write(add_keys, made)
        headers = {"Authorization": f"Bearer {text}", "Idempotency-Key": key}
        answer = await self.stranger().post("/v1/requests", json=submission_of(kind, **over), headers=headers)
        assert answer.status_code == 202, answer.text
        return int(answer.json()["number"])

    async def close(self):
        for browser in self._opened:
            await browser.aclose()


@asynccontextmanager
async def serving(said, hashed, listening=None, **how):
    """Serve a hub with its console on a free port, or where somebody listens already."""
    async with open_hub(said, **how) as opened:
        config = uvicorn.Config(build_api(opened), port=0, log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None
        task = asyncio.create_task(server.serve(listening and [listening]))
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        made = Console(opened, f"http://localhost:{port}", hashed)
        try:
            yield made
        finally:
            await made.close()
            server.should_exit = True
            await task


@pytest.fixture
def database(tmp_path):
    """Pages stand on statements that are tried on both databases; they themselves need one."""
    return f"sqlite:///{tmp_path}/hub.db"


@pytest.fixture
async def console(settings, hashed):  # noqa: F811
    """A console of a hub at work."""
    async with serving(settings, hashed) as made:
        yield made


@pytest.fixture
async def resting_console(settings, hashed):  # noqa: F811
    """A console of a hub that carries nothing: what is queued stays queued."""
    async with serving(settings, hashed, serve=False) as made:
        yield made
