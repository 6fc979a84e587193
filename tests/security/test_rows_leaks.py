"""One person, with a number, an account and a password, goes through every way a hub can fail, with DEBUG on."""

import json
from base64 import b64encode
from pathlib import Path

import httpx
import orjson
import pytest
from aiohttp import web

from connectors.rest.sandbox import Sandbox
from hub.access import Role
from hub.locksmith import Wanted, make_keys
from hub.logs import FIELDS
from tests.faults.processes import Process
from tests.faults.town import CANARIES, open_town, submission
from tests.security.files import PDF, jpeg

PASSWORD = "Sésame-Canari-9Zq"
TOKEN = "hub_canaris_JetonCanari4Kt"
SECRETS = (*CANARIES, PASSWORD, TOKEN, b64encode(f"hub:{PASSWORD}".encode()).decode(), "Canari")
NAME, NIR, EMAIL, IBAN = CANARIES
ALL = f"{NAME} {NIR} {EMAIL} {IBAN}"


class Indiscreet(Sandbox):
    """A target that says back all it was given, in whatever status and shape it is told to."""

    said = None

    async def _answer(self, request):
        given = await request.text()
        answer = await super()._answer(request)
        if self.said is None:
            return answer
        status, shape, headers = self.said
        return web.Response(status=status, text=shape.replace("%", json.dumps(given)[1:-1] + ALL), headers=headers)


ERROR = '{"statut": "ko", "erreur": "%"}'
SAYINGS = {
    "refused, with an echo": (422, ERROR, {}),
    "refused inside of a 200": (200, ERROR, {}),
    "an echo that is no JSON": (200, "%", {}),
    "an echo for a number": (200, '{"statut": "ok", "numero": {"%": "%"}}', {}),
    "500 with an echo": (500, "<html>java.lang.NullPointerException: %", {"Content-Type": "text/html"}),
    "503 with an echo": (503, "%", {"Retry-After": "0"}),
    "401 with an echo": (401, ERROR, {"WWW-Authenticate": f"Basic realm={NAME}"}),
    "a redirect that names the person": (302, "", {"Location": f"http://ailleurs.example/?nom={NAME}&nir={NIR}"}),
}


class Loud(Process):
    """A hub that says all it can, and so do its libraries."""

    def __init__(self, town):
        config = ("--config", str(town.folder / "hub.yaml"), "--port", "0")
        env = town.env | {"HUB_LOG_LEVEL": "DEBUG", "HUB_LOG_FORMAT": "json", "PYTHONASYNCIODEBUG": "1"}
        super().__init__(("up", *config), town.folder / "hub.log", env=env)
        self._command = [str(Path(__file__).with_name("loud.py"))]


@pytest.fixture
async def town(tmp_path):
    """An installation whose target is indiscreet, and has a password."""
    target = Indiscreet()
    await target.start()
    (tmp_path / "password").write_text(PASSWORD)
    seen = {"username": "hub", "password_file": str(tmp_path / "password")}
    async with open_town(tmp_path / "town", target=target, seen=seen) as opened:
        yield opened
    await target.stop()


def leaks(texts):
    """Find what says anything of the person, or a secret."""
    return [text for text in texts if any(one.lower() in text.lower() for one in SECRETS)]


def test_a_leak_would_be_found():
    for secret in SECRETS:
        assert leaks(["", f"x{secret.upper()}x"]) == [f"x{secret.upper()}x"]


async def ask(client, hear, method, path, **said):
    """Ask the hub for something, and keep what it answers."""
    answer = await client.request(method, path, **said)
    hear(answer)
    return answer


def headers(town, key):
    """Speak as the front end, under a key."""
    return {"Authorization": f"Bearer {town.key}", "Idempotency-Key": key}


async def submit(client, town, hear, key, kind="once", **over):
    """Submit a request of the person's; give its number."""
    answer = await ask(client, hear, "POST", "/v1/requests", json=submission(kind, **over), headers=headers(town, key))
    assert answer.status_code == 202
    number = int(answer.json()["number"])
    await town.until(lambda: town.states([number])[0] not in {"queued", "claimed", "sending"})
    return number


def wrong(town):
    """Give calls that are refused, each of which says who the person is."""
    good = submission("once")
    raw = orjson.dumps(good)
    mine = headers(town, "k-1")
    key = {"Authorization": mine["Authorization"]}
    yield "POST", "/v1/requests", {"content": raw[:-1], "headers": mine}
    yield "POST", "/v1/requests", {"content": raw.replace(b"{", b"\xe9{", 1), "headers": mine}
    yield "POST", "/v1/requests", {"json": {**good, "inconnu": ALL}, "headers": mine}
    yield "POST", "/v1/requests", {"json": {**good, "kind": NAME}, "headers": mine}
    yield "POST", "/v1/requests", {"json": {**good, "applicant": {"identity": ALL}}, "headers": mine}
    yield "POST", "/v1/requests", {"json": {**good, "attachments": [NIR]}, "headers": mine}
    yield "POST", "/v1/requests", {"json": good, "headers": key | {"Idempotency-Key": EMAIL * 20}}
    yield "POST", "/v1/requests", {"json": good, "headers": mine | {"Authorization": f"Bearer {TOKEN}"}}
    yield (
        "POST",
        "/v1/requests",
        {"json": good, "headers": mine | {"Authorization": f"Basic {PASSWORD.encode().hex()}"}},
    )
    yield "POST", "/v1/requests", {"json": good, "headers": mine | {"traceparent": f"00-{NIR}-{NAME}-01"}}
    yield "GET", f"/v1/requests?q={NAME}", {"headers": key}
    yield "GET", f"/v1/requests?inconnu={NIR}", {"headers": key}
    yield "GET", f"/v1/requests/{NIR}", {"headers": key}
    yield "GET", f"/v1/{NAME}/{EMAIL}", {"headers": key}
    yield "POST", "/v1/queries/inconnue", {"json": {"data": {NAME: IBAN}}, "headers": key}
    yield "POST", f"/v1/attachments?name={NAME}.exe", {"content": PDF, "headers": key}
    yield "POST", f"/v1/attachments?name={NAME}.pdf", {"content": PDF + ALL.encode(), "headers": key}
    yield "POST", f"/v1/attachments?name={NAME}.jpg", {"content": jpeg(comment=ALL.encode())[:-3], "headers": key}
    yield "POST", "/v1/targets/cible", {"content": ALL.encode(), "headers": key}
    yield "POST", "/console/connexion", {"data": {"login": "agent", "password": PASSWORD}}
    yield "POST", "/v1/operations/deliveries/1-1/retry", {"json": {"data": ALL}, "headers": key}


async def test_nothing_of_a_person_leaks_whatever_fails(town):
    """Row 41."""
    refusals, seen = [], set()

    def hear(answer):
        seen.add(answer.status_code)
        if answer.status_code >= 400:
            refusals.append(f"{answer.status_code} {answer.headers} {answer.text}")

    hub = await Loud(town).start()
    town.processes.append(hub)
    async with httpx.AsyncClient(base_url=hub.url, timeout=30) as client:
        numbers = [await submit(client, town, hear, "good", "lookup")]
        for name, said in SAYINGS.items():
            town.target.said = said
            numbers.append(await submit(client, town, hear, name, "lookup" if said[0] in {200, 503} else "once"))
        town.target.said = None
        for fault in ("cut_before", "cut_after_commit", "garbage"):
            town.target.break_with(fault)
            numbers.append(await submit(client, town, hear, fault))
        unfit = {"objet": {NAME: NIR}, "telephone": ALL}
        numbers.append(await submit(client, town, hear, "a mapping that fails", data=unfit))
        for method, path, said in wrong(town):
            await ask(client, hear, method, path, **said)
        operator = make_keys(town.settings, Wanted("*", Role.OPERATOR))[0]
        known = {"Authorization": f"Bearer {operator}"}
        metrics = (await client.get("/metrics", headers=known)).text
        causes = (await client.get("/v1/operations/causes", headers=known)).text
    assert seen >= {202, 400, 401, 404, 415, 422}
    assert set(town.states(numbers)) >= {"delivered", "parked"}
    lines = town.folder.joinpath("hub.log").read_text("utf-8").splitlines()
    loggers = {line.get("logger", "").partition(".")[0] for line in map(json.loads, lines)}
    assert loggers >= {"asyncio", "sqlalchemy"}, "libraries were to speak"
    assert leaks(lines) == leaks(refusals) == leaks([metrics, causes]) == []
    assert all(json.loads(line).keys() <= FIELDS.keys() for line in lines)
    assert "hub_" in metrics
