"""Tokens of an authorization server instead of keys: who is let in by them, and that all others get one answer."""

import hmac
import json
import time
from base64 import urlsafe_b64encode
from contextlib import asynccontextmanager

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt
from joserfc.jwk import ECKey
from pydantic import ValidationError

from hub.access import Role, Scope
from hub.api import build_api
from hub.app import open_hub
from hub.jwks import PublicKeys, parse
from hub.model import Instant
from hub.problems import Problem, ProblemType
from hub.settings_door import Tokens
from hub.tokens import TokenReader, narrowed
from tests.hub.authorization import AUDIENCE, SECRET, Authorization, new_key
from tests.hub.conftest import submission_of

CLIENTS = {
    "portail": {"front_end": "libreair"},
    "guichet": {"front_end": "*", "role": "agent", "kinds": ["essai"]},
}


@pytest.fixture
def database(tmp_path):
    """Keys are read alike on both databases; tokens are not read from any."""
    return f"sqlite:///{tmp_path}/hub.db"


@pytest.fixture
async def authorization():
    server = Authorization()
    await server.start()
    yield server
    await server.stop()


class Reading:
    """A reader of tokens, with the clock of its keys set by hand."""

    def __init__(self, authorization, **over):
        self.said = said_of(authorization, **over)
        self.later = 0.0
        self.keys = PublicKeys(str(self.said.jwks), lambda: time.monotonic() + self.later)
        self.reader = TokenReader(self.said, self.keys, lambda: Instant(int((time.time() + self.later) * 1000)))
        self.server = authorization

    async def read(self, token):
        return await self.reader.authenticate(f"Bearer {token}")

    async def refuses(self, token):
        with pytest.raises(Problem) as refused:
            await self.read(token)
        return refused.value

    def sign(self, key=None, header=None, **over):
        now = int(time.time())
        claims = {"iss": self.said.issuer, "aud": AUDIENCE, "exp": now + 60, "iat": now, "client_id": "portail"}
        claims = {name: value for name, value in (claims | over).items() if value is not None}
        key = key or self.server.keys[0]
        header = {"alg": "RS256", "kid": self.server.keys[0].kid, "typ": "at+jwt"} | (header or {})
        header = {name: value for name, value in header.items() if value is not None}
        return jwt.encode(header, claims, key, algorithms=["RS256", "ES256", "HS256", "none"], default_type=None)


def said_of(authorization, **over):
    said = {"issuer": authorization.issuer, "audience": AUDIENCE, "jwks": f"{authorization.url}/jwks"}
    return Tokens(**{**said, "clients": CLIENTS, **over})


@pytest.fixture
def reading(authorization):
    return Reading(authorization)


async def token_of(authorization, client="portail", **asked):
    """Ask for a token, as a client does."""
    async with httpx.AsyncClient() as http:
        answer = await http.post(
            f"{authorization.url}/token", data={"grant_type": "client_credentials", **asked}, auth=(client, SECRET)
        )
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


@asynccontextmanager
async def door_of(settings, **over):
    async with open_hub(settings.model_copy(update=over), serve=False) as opened:
        transport = httpx.ASGITransport(build_api(opened), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
            client.hub = opened
            yield client


async def test_a_portal_submits_and_an_agent_reads_with_tokens_of_a_real_server(settings, authorization):
    async with door_of(settings, tokens=said_of(authorization)) as door:
        portal = {"Authorization": f"Bearer {await token_of(authorization)}"}
        agent = {"Authorization": f"Bearer {await token_of(authorization, 'guichet')}"}
        made = await door.post("/v1/requests", json=submission_of(), headers={**portal, "Idempotency-Key": "k"})
        assert made.status_code == 202
        place = made.headers["location"]
        assert [(await door.get(place, headers=who)).status_code for who in (portal, agent)] == [200, 200]
        again = {**agent, "Idempotency-Key": "k-2"}
        assert (await door.post("/v1/requests", json=submission_of(), headers=again)).status_code == 403
        reader = {"Authorization": f"Bearer {await token_of(authorization, scope='hub:read openid')}"}
        assert (await door.get(place, headers=reader)).status_code == 200
        again = {**reader, "Idempotency-Key": "k-3"}
        assert (await door.post("/v1/requests", json=submission_of(), headers=again)).status_code == 403


async def test_a_wrong_token_is_answered_as_a_wrong_key_and_not_logged(settings, authorization, caplog, capsys):
    async with door_of(settings, tokens=said_of(authorization)) as door:
        wrong = await token_of(authorization, "inconnu")
        headers = [{}, {"Authorization": "Bearer hub_0"}, {"Authorization": f"Bearer {wrong}"}]
        answers = [await door.get("/v1/kinds", headers=header) for header in headers]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    said = capsys.readouterr()
    for part in wrong.split("."):
        assert part not in caplog.text + said.out + said.err


async def test_a_token_says_who_speaks(reading, authorization):
    known = await reading.read(await token_of(authorization, "guichet"))
    assert (known.prefix, known.front_end, known.role) == ("guichet", "*", Role.AGENT)
    assert (known.kinds, known.sites, known.scopes) == ({"essai"}, frozenset(), None)


ELSEWHERE = new_key("premiere")
CURVE = ECKey.generate_key("P-256", {"kid": "premiere"})
NOW = int(time.time())

WRONG = {
    "another key under the same name": {"key": ELSEWHERE},
    "another sort of key under the same name": {"key": CURVE, "header": {"alg": "ES256"}},
    "a key that is not known": {"header": {"kid": "autre"}},
    "no key named": {"header": {"kid": None}},
    "another issuer": {"iss": "https://autre.example/"},
    "no issuer": {"iss": None},
    "another audience": {"aud": "https://autre.example"},
    "no audience": {"aud": None},
    "ended": {"exp": NOW - 31, "iat": NOW - 60},
    "no end": {"exp": None},
    "an end that is no number": {"exp": "jamais"},
    "an end that never comes": {"exp": float("inf")},
    "too far an end": {"exp": NOW + 400 * 86_400},
    "not yet": {"nbf": NOW + 10 * 365 * 86_400},
    "issued in time to come": {"iat": NOW + 40_000, "exp": NOW + 40_100},
    "no moment of issue": {"iat": None},
    "another client": {"client_id": "autre"},
    "no client": {"client_id": None},
    "a client that is no word": {"client_id": ["portail"]},
    "of a person who was asked something": {"nonce": "n"},
    "of a person who was given a token": {"at_hash": "h"},
    "of a person who is in": {"sid": "s"},
    "of a person who came in": {"auth_time": NOW},
    "a token for people": {"header": {"typ": "id+jwt"}},
    "no type": {"header": {"typ": None}},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
async def test_every_wrong_token_gets_the_same_answer(reading, wrong):
    assert await reading.read(reading.sign())
    refused = await reading.refuses(reading.sign(**wrong))
    assert (refused.kind, refused.headers) == (ProblemType.UNAUTHENTICATED, {"WWW-Authenticate": "Bearer"})


async def test_no_token_chooses_how_it_is_proved(reading, authorization):
    header, payload, signature = reading.sign().split(".")
    other = reading.sign(client_id="guichet").split(".")[1]
    key = authorization.keys[0]
    named = {"alg": "RS256", "kid": key.kid, "typ": "at+jwt"}
    shared = hmac.digest(key.as_pem(private=False), f"{written(named | {'alg': 'HS256'})}.{payload}".encode(), "sha256")
    must = f"{written(named | {'crit': ['ours'], 'ours': 1})}.{payload}"
    signed = {
        "none": f"{written(named | {'alg': 'none'})}.{payload}.",
        "none, with a signature": f"{written(named | {'alg': 'none'})}.{payload}.{signature}",
        "HS256 by the public key": f"{written(named | {'alg': 'HS256'})}.{payload}.{encoded(shared)}",
        "a key that it brings": reading.sign(key=ELSEWHERE, header={"jwk": ELSEWHERE.as_dict(private=False)}),
        "a place that it names": reading.sign(key=ELSEWHERE, header={"jku": f"{authorization.url}/jwks"}),
        "a header that must be understood": f"{must}.{encoded(proved(key, must))}",
        "altered": f"{header}.{other}.{signature}",
        "unsigned": f"{header}.{payload}.AA",
        "no JSON": f"{header}.AAAA.{signature}",
        "a header that is an array": f"{written(['alg'])}.{payload}.{signature}",
        "a header that is a text": f"{written('alg')}.{payload}.{signature}",
        "deep": f"{encoded(b'[' * 1_400)}.{payload}.{signature}",
        "endless": f"{header}.{'A' * 20_000}.{signature}",
    }
    answers = {name: (await reading.refuses(token)).kind for name, token in signed.items()}
    assert answers == dict.fromkeys(signed, ProblemType.UNAUTHENTICATED)
    plain = f"{written(named)}.{payload}"
    assert await reading.read(f"{plain}.{encoded(proved(key, plain))}")


def proved(key, text):
    return key.raw_value.sign(text.encode(), PKCS1v15(), SHA256())


def written(header):
    return encoded(json.dumps(header).encode())


def encoded(raw):
    return urlsafe_b64encode(raw).decode().rstrip("=")


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS1", "dir"])
def test_no_setting_lets_a_shared_secret_in(authorization, algorithm):
    with pytest.raises(ValidationError, match="algorithms"):
        said_of(authorization, algorithms=[algorithm])


@pytest.mark.parametrize("place", ["http://autorisation.example/jwks", "https://a:b@autorisation.example/jwks"])
def test_keys_come_by_tls_and_under_no_credentials(authorization, place):
    with pytest.raises(ValidationError, match="jwks"):
        said_of(authorization, jwks=place)


async def test_a_new_key_is_fetched_once_a_minute_at_most_and_an_old_one_forgotten(reading, authorization):
    first = reading.sign()
    assert await reading.read(first)
    assert authorization.asked == 1
    authorization.keys = [new_key("seconde")]
    for _ in range(20):
        await reading.refuses(reading.sign(header={"kid": "inventee"}))
    assert authorization.asked == 1
    reading.later = 61
    assert await reading.read(reading.sign(exp=int(time.time()) + 200))
    assert authorization.asked == 2
    assert (await reading.refuses(first)).kind is ProblemType.UNAUTHENTICATED


async def test_a_token_is_proved_once_and_ends_all_the_same(reading):
    token = reading.sign()
    known = await reading.read(token)
    assert await reading.read(token) is known
    reading.later = 91
    assert (await reading.refuses(token)).kind is ProblemType.UNAUTHENTICATED


async def test_the_keys_that_are_had_serve_while_their_server_is_down_and_not_for_ever(reading, authorization):
    assert await reading.read(reading.sign())
    authorization.instead, authorization.status = b"", 500
    for reading.later in (700, 3_600):
        now = int(time.time() + reading.later)
        assert await reading.read(reading.sign(iat=now, exp=now + 60))
        new = reading.sign(iat=now, exp=now + 60, header={"kid": "autre"})
        assert (await reading.refuses(new)).kind is ProblemType.UNAVAILABLE
    reading.later = now = 90_000
    now = int(time.time() + reading.later)
    assert (await reading.refuses(reading.sign(iat=now, exp=now + 60))).kind is ProblemType.UNAVAILABLE


async def test_a_key_that_may_be_new_is_looked_for_again_once_its_server_is_back(reading, authorization):
    assert await reading.read(reading.sign())
    authorization.instead, authorization.status, reading.later = b"", 500, 61
    authorization.keys.append(new_key("seconde"))
    new = reading.sign(key=authorization.keys[1], header={"kid": "seconde"}, exp=int(time.time()) + 600)
    assert (await reading.refuses(new)).kind is ProblemType.UNAVAILABLE
    authorization.instead, authorization.status, reading.later = None, 200, 122
    assert await reading.read(new)
    assert (await reading.refuses(reading.sign(header={"kid": "inventee"}))).kind is ProblemType.UNAUTHENTICATED


UNHAD = {
    "down": (500, b"{}"),
    "a redirect": (302, b""),
    "no JSON": (200, b"<html>"),
    "no key set": (200, b"[]"),
    "endless": (200, b" " * 400_000 + b'{"keys": []}'),
}


@pytest.mark.parametrize(("status", "shown"), UNHAD.values(), ids=UNHAD)
async def test_while_no_key_can_be_had_nobody_can_tell(reading, authorization, status, shown):
    authorization.status, authorization.instead = status, shown
    refused = await reading.refuses(reading.sign())
    assert (refused.kind, authorization.asked) == (ProblemType.UNAVAILABLE, 1)


async def test_keys_may_lie_in_a_file(authorization, tmp_path):
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [authorization.keys[0].as_dict(private=False)]}))
    keys = PublicKeys(file)
    assert (await keys.find("premiere")).kid == "premiere"
    assert await keys.find("autre") is None


def test_only_public_keys_that_sign_are_kept():
    short = {**new_key("courte").as_dict(private=False), "n": "AQAB" * 20}
    kept = parse(
        json.dumps(
            {
                "keys": [
                    new_key("bonne").as_dict(private=True),
                    CURVE.as_dict(private=False),
                    {**new_key("chiffrement").as_dict(private=False), "use": "enc"},
                    {"kty": "oct", "kid": "secret", "k": "AAAA"},
                    {"kty": "RSA", "kid": "vide"},
                    short,
                    "texte",
                ]
            }
        ).encode()
    )
    assert set(kept) == {"bonne", "premiere"}
    assert not kept["bonne"].is_private


@pytest.mark.parametrize(
    ("scope", "left"),
    [
        (None, None),
        ("openid profile", None),
        ("hub:read", {Scope.READ}),
        ("hub:read hub:submit email", {Scope.READ, Scope.SUBMIT}),
        ("hub:everything", set()),
        (["hub:decide"], {Scope.DECIDE}),
        (12, None),
    ],
)
def test_a_scope_narrows_and_never_widens(scope, left):
    assert narrowed(scope) == left
