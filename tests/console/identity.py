"""What the tests of coming in by a provider share: a real provider, a hub that knows one, and a browser that walks."""

import contextlib
import json
import re
import socket
import subprocess
import sys
from collections import defaultdict
from http.cookies import SimpleCookie
from urllib.parse import urljoin, urlsplit

import httpx

import hub.app
from hub.settings import Settings
from monitoring.console.app import attach
from tests.console.conftest import serving

START = "/console/connexion/identite"
BACK = "/console/connexion/retour"


@contextlib.contextmanager
def real_provider(folder):
    """Start the real provider; gives what is to be known of it."""
    command = [sys.executable, "-m", "tests.identity_provider", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        assert line, "the provider did not start"
        yield json.loads(line)
    finally:
        process.terminate()
        process.wait(20)


@contextlib.asynccontextmanager
async def city(folder, hashed, monkeypatch, **identity):
    """Serve a hub that knows a provider, on an address of this machine that is not the provider's."""
    monkeypatch.setattr(hub.app, "attach_monitors", attach)
    listening = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    (folder / "client").write_text(identity.pop("client_secret") + "\n")
    said = {"address": address, "client_secret_file": folder / "client", **identity}
    settings = Settings(
        database=f"sqlite:///{folder}/hub.db",
        files=folder / "files",
        secret_file=folder / "secret",
        console={"identity": said},
    )
    async with serving(settings, hashed, listening, serve=False) as console:
        console.url, console.settings = address, settings
        console.mounted = next(one.app for one in console.hub.routes if getattr(one, "name", "") == "console")
        yield console


class Hand:
    """A clock that a test turns."""

    def __init__(self):
        self.at = 1_000.0

    def __call__(self):
        return self.at


class Walker:
    """A browser without scripts: it keeps cookies by host and port, and goes one step at a time."""

    def __init__(self):
        self._client = httpx.AsyncClient(follow_redirects=False, timeout=20)
        self.cookies = defaultdict(dict)
        self.seen = []

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self._client.aclose()

    async def step(self, url, data=None):
        """Ask for one page, or send one form."""
        host = urlsplit(url).netloc
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies[host].items())
        headers = {"cookie": cookie, "accept-language": "fr"}
        answer = await self._client.request("POST" if data else "GET", url, data=data, headers=headers)
        self._client.cookies.clear()
        for line in answer.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                self.cookies[host][name] = morsel.value
                if morsel["max-age"] == "0":
                    del self.cookies[host][name]
        self.seen.append(url)
        return answer

    async def walk(self, url, data=None):
        """Go where one is led, until there is a page."""
        answer = await self.step(url, data)
        while answer.is_redirect:
            url = urljoin(url, answer.headers["location"])
            answer = await self.step(url)
        return answer

    async def sign_in(self, console, user, login, after="/console/mes-droits"):
        """Come in by the real provider, whose page asks for a password."""
        page = await self.walk(f"{console.url}{START}?suite={after}")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)[1]
        fields = {"username": login, "password": user["password"], "csrfmiddlewaretoken": token}
        return await self.walk(str(page.url), fields)
