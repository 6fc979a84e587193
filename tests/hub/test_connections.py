"""Callers that drip, say too much or come in too great a number, and certificates: on real sockets."""

import asyncio
import hashlib
import json
import socket
import ssl
from contextlib import asynccontextmanager, suppress
from itertools import count
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

import hub.connections
from hub.access import Role, new_key
from hub.api import build_api
from hub.app import open_hub
from hub.errors import ConfigurationError
from hub.gate import read_body
from hub.headers import Guarded
from hub.keys import add_keys
from hub.problems import install
from hub.serve import Server, configure, secure
from hub.settings import FrontEnd, Settings
from hub.settings_door import Limits, Tls
from tests.faults.tls import YEAR, Authority

MUCH = 16 * 1024 * 1024
"""More than any system holds for one that does not read."""

QUICK = Limits(head_within="400ms", body_within="400ms", idle="1s", connections=50)
HELLO = b"GET /hello HTTP/1.1\r\nHost: hub\r\n\r\n"
POST = b"POST /body HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"


@pytest.fixture
def database(tmp_path):
    """What stands in the ledger is not looked at here."""
    return f"sqlite:///{tmp_path}/hub.db"


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    """Look at connections more often than once a second."""
    monkeypatch.setattr(hub.connections, "SWEPT_EVERY", 0.05)


@asynccontextmanager
async def serving(app, secured=None, limits=QUICK):
    """Serve an application as the hub is served; gives the port."""
    within = limits.head_within.total_seconds()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ready = asyncio.Event()
        server = Server(configure(app, Settings(limits=limits, grace="1s"), secured), ready.set, within)
        working = asyncio.create_task(server.serve([listener]))
        await ready.wait()
        yield listener.getsockname()[1]
        server.should_exit = True
        await working


@pytest.fixture
async def door():
    """An application that says hello, reads a body, and waits for as long as it is told."""
    app = FastAPI()
    install(app)
    going_on = asyncio.Event()

    @app.get("/hello")
    async def hello():
        return "hello"

    @app.get("/slow")
    async def slow():
        await going_on.wait()
        return "late"

    @app.post("/body")
    async def body(request: Request):
        return len(await read_body(request))

    @app.post("/named")
    async def named(request: Request):
        await read_body(request)
        return sorted(request.headers)

    async with serving(Guarded(app)) as port:
        yield SimpleNamespace(port=port, go_on=going_on.set)


async def say(port, *pieces, drip=b""):
    """Say some pieces, then go on dripping until the hub has had enough; gives all that it answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = asyncio.ensure_future(all_of(reader))
    with suppress(ConnectionError):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        while drip and not answer.done():
            writer.write(drip)
            await writer.drain()
            await asyncio.wait([answer], timeout=0.02)
    async with asyncio.timeout(20):
        said = await answer
    writer.close()
    return said


async def all_of(reader):
    """Read to the end, even if the end is a reset: the hub does not read what it has refused."""
    said = b""
    with suppress(ConnectionError):
        while piece := await reader.read(65_536):
            said += piece
    return said


def statuses(said):
    return [int(part[:3]) for part in said.split(b"HTTP/1.1 ")[1:]]


SLOW = {
    "says nothing": ([], b"", []),
    "stops in its head": ([HELLO[:28]], b"", [408]),
    "drips its head": ([HELLO[:28]], b"x", [408]),
    "drips empty lines": ([], b"\r\n", []),
    "stops in its body": ([POST, b"{"], b"", [408]),
    "drips its body": ([POST], b" ", [408]),
    "stops in its second head": ([HELLO, HELLO[:28]], b"", [200, 408]),
    "stops in its second body": ([HELLO, POST], b"", [200, 408]),
    "drips empty lines after an answer": ([HELLO], b"\r\n", [200]),
    "is idle after an answer": ([HELLO], b"", [200]),
}


async def test_whoever_takes_too_long_is_answered_and_left_while_others_are_served(door):
    slow = asyncio.create_task(say(door.port, HELLO.replace(b"hello", b"slow")))
    answers = await asyncio.gather(*(say(door.port, *pieces, drip=drip) for pieces, drip, _ in SLOW.values()))
    told = {name: statuses(answer) for name, answer in zip(SLOW, answers, strict=True)}
    assert told == {name: expected for name, (*_, expected) in SLOW.items()}
    door.go_on()
    assert statuses(await slow) == [200]


LARGE = {
    "a long address": ([HELLO.replace(b"hello", b"h" * 9_000)], 414),
    "many headers": ([HELLO[:-2], b"".join(b"X-%d: 1\r\n" % number for number in range(101)), b"\r\n"], 431),
    "a large header": ([HELLO[:-2], b"X-Large: " + b"a" * 40_000 + b"\r\n\r\n"], 431),
    "no HTTP": ([b"\x16\x03\x01 bonjour\r\n\r\n"], 400),
    "two lengths": ([POST[:-2], b"Content-Length: 3\r\n\r\n{}"], 400),
    "a length and chunks": ([POST[:-2], b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"], 400),
}


@pytest.mark.parametrize(("pieces", "status"), LARGE.values(), ids=LARGE)
async def test_a_head_that_is_too_much_is_refused_before_it_is_read(door, pieces, status):
    said = await say(door.port, *pieces)
    head, _, body = said.partition(b"\r\n\r\n")
    assert statuses(head) == [status]
    assert json.loads(body)["status"] == status
    for header in (b"content-type: application/problem+json", b"x-content-type-options: nosniff", b"connection: close"):
        assert header in head


ENDLESS = {
    "address": [b"GET /", *[b"a" * 65_536] * 300],
    "header": [HELLO[:-2], b"X-Endless: ", *[b"a" * 65_536] * 300],
    "headers": [HELLO[:-2], *[b"X-Again: a\r\n" * 5_000] * 300],
}


@pytest.mark.parametrize("pieces", ENDLESS.values(), ids=ENDLESS)
async def test_a_head_without_end_is_not_read_to_its_end(door, pieces):
    assert statuses(await say(door.port, *pieces)) in ([], [431])
    assert statuses(await say(door.port, HELLO)) == [200]


CHUNKED = (
    POST.replace(b"/body", b"/named").replace(b"Content-Length: 100", b"Transfer-Encoding: chunked") + b"2\r\n{}\r\n"
)
LAST = b"0\r\n"

AFTER = {
    "fields": [LAST, *[b"X-Again: a\r\n" * 5_000] * 300],
    "fields, one at a time": [LAST, *[b"X-Again: a\r\n"] * 5_000, b"\r\n"],
    "a field": [LAST, b"X-Endless: ", *[b"a" * 65_536] * 300],
    "a field's name": [LAST, *[b"a" * 65_536] * 300],
    "an extension": [b"1;a=", *[b"a" * 65_536] * 300],
}


@pytest.mark.parametrize("pieces", AFTER.values(), ids=AFTER)
async def test_what_comes_after_a_body_without_end_is_not_read_to_its_end(door, pieces):
    assert statuses(await say(door.port, CHUNKED, *pieces)) in ([], [431])
    assert statuses(await say(door.port, HELLO)) == [200]


async def test_a_few_fields_after_a_body_are_let_pass_and_come_to_nobody(door):
    after = LAST + b"X-After: a\r\nAuthorization: Bearer a\r\n\r\n"
    last = HELLO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    said = await say(door.port, CHUNKED, after, last)
    assert statuses(said) == [200, 200]
    assert b'["content-type","host","transfer-encoding"]' in said


async def test_a_large_head_that_comes_with_another_request_is_refused_too(door):
    large = HELLO[:-2] + b"X-Large: " + b"a" * 40_000 + b"\r\n\r\n"
    assert statuses(await say(door.port, HELLO + large)) == []
    assert statuses(await say(door.port, HELLO, large)) in ([], [200], [200, 431])


async def test_the_answer_to_one_request_is_not_taken_for_another_s(door):
    """The first is still under way when what follows it is found to be no HTTP."""
    said = asyncio.create_task(say(door.port, HELLO.replace(b"hello", b"slow"), b"bonjour\r\n\r\n"))
    assert statuses(await said) == []


HOLDING = {
    "and asks no more": b"GET /much HTTP/1.1\r\nHost: hub\r\n\r\n",
    "and says that it was the last": b"GET /much HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n",
    "which does not end": b"GET /endless HTTP/1.1\r\nHost: hub\r\n\r\n",
}


@pytest.mark.parametrize("asked", HOLDING.values(), ids=HOLDING)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_whoever_does_not_read_an_answer_keeps_nobody_out(asked, scheme, authority, issued):
    server = issued("server")
    secured = secure(Tls(certificate=server, key=server)) if scheme == "https" else None
    trusted = trusting(authority) if secured else None
    async with serving(Guarded(talker()), secured, QUICK.model_copy(update={"connections": 2})) as port:
        held = [await asyncio.open_connection("127.0.0.1", port, ssl=trusted) for _ in range(2)]
        for _, writer in held:
            writer.write(asked)
        async with asyncio.timeout(20):
            while b"hello" not in await call(
                port, trusted, HELLO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
            ):
                await asyncio.sleep(0.1)
        for _, writer in held:
            writer.transport.abort()


async def test_whoever_reads_slowly_is_given_all_of_it():
    async with serving(Guarded(talker())) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HOLDING["and says that it was the last"])
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(MUCH // 2**20):
            assert len(await reader.readexactly(2**20)) == 2**20
            await asyncio.sleep(0.2)
        writer.close()


def talker():
    """An application that says a lot, or does not end, or says hello."""
    app = FastAPI()

    @app.get("/hello")
    async def hello():
        return "hello"

    @app.get("/much")
    async def much():
        return Response(bytes(MUCH))

    @app.get("/endless")
    async def endless():
        return StreamingResponse(bytes(65_536) for _ in count())

    return app


async def test_what_the_hub_reads_may_be_almost_as_much(door):
    headers = b"".join(b"X-%d: %b\r\n" % (number, b"a" * 300) for number in range(90))
    head = HELLO.replace(b"/hello", b"/hello?" + b"a" * 3_000)[:-2]
    assert statuses(await say(door.port, head, headers, b"Connection: close\r\n\r\n")) == [200]


async def test_one_connection_too_many_is_told_so_and_the_others_stay():
    app = FastAPI()
    async with serving(Guarded(app), limits=QUICK.model_copy(update={"connections": 3})) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        held[0][1].write(b"GET / HTTP/1.1\r\n")
        assert statuses(await say(port)) == [503]
        held[0][1].write(b"Host: hub\r\nConnection: close\r\n\r\n")
        assert statuses(await held[0][0].read()) == [404]
        for _, writer in held:
            writer.close()


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def issued(tmp_path, authority):
    """Make a certificate with its key, in one file."""

    def issue(name, by=authority):
        return by.issue(YEAR).rename(tmp_path / f"{name}.pem")

    return issue


def fingerprint(file):
    certificate = file.read_bytes()
    certificate = certificate[certificate.index(b"-----BEGIN CERTIFICATE") :]
    return hashlib.sha256(load_pem_x509_certificate(certificate).public_bytes(Encoding.DER)).hexdigest()


def trusting(authority, shown=None):
    """Trust an authority as a caller, and show a certificate."""
    context = ssl.create_default_context(cafile=authority.file)
    if shown:
        context.load_cert_chain(shown)
    return context


def asking(key):
    return f"GET /v1/kinds HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n".encode()


async def call(port, secured, asked):
    """Ask, and be told; gives nothing when no connection comes about."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=secured)
        writer.write(asked)
        said = await reader.read()
        writer.close()
    except (ssl.SSLError, ConnectionError):
        return b""
    return said


async def test_a_caller_shows_a_certificate_that_is_vouched_for_and_a_house_its_own(
    settings, authority, issued, tmp_path
):
    own, other = issued("own"), issued("other")
    (tmp_path / "elsewhere").mkdir()
    foreign = Authority(tmp_path / "elsewhere")
    stranger = issued("stranger", foreign)
    server = issued("server")
    tls = Tls(certificate=server, key=server, client_ca=authority.file)
    pinned = {"libreair": FrontEnd(certificates=(fingerprint(own), "0" * 64))}
    settings = settings.model_copy(update={"front_ends": pinned, "tls": tls})
    async with open_hub(settings, serve=False) as opened, serving(build_api(opened), secure(tls)) as port:
        mine, agents = await key_of(opened, Role.FRONT_END, "libreair"), await key_of(opened, Role.AGENT, "*")
        answer = await call(port, trusting(authority, own), asking(mine))
        assert statuses(answer) == [200]
        assert b"strict-transport-security: max-age=31536000" in answer
        assert statuses(await call(port, trusting(authority, other), asking(mine))) == [401]
        assert statuses(await call(port, trusting(authority, other), asking(agents))) == [200]
        for role in (Role.AGENT, Role.OPERATOR):
            its = await key_of(opened, role, "libreair")
            told = [await call(port, trusting(authority, shown), asking(its)) for shown in (own, other)]
            assert [statuses(one) for one in told] == [[200], [401]]
        for shown in (None, stranger):
            assert await call(port, trusting(authority, shown), asking(mine)) == b""
        old = trusting(authority, own)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        assert statuses(await call(port, old, asking(mine))) == [200]
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        assert await call(port, old, asking(mine)) == b""


async def key_of(opened, role, house):
    text, key = new_key(opened.secret, opened.ledger.book.now(), front_end=house, role=role)
    await opened.ledger.write(add_keys, key)
    return text


def test_a_certificate_that_cannot_be_used_stops_the_start(tmp_path, issued):
    good, empty = issued("good"), tmp_path / "empty.pem"
    empty.write_text("")
    for said in ({"certificate": empty}, {"key": empty}, {"key": tmp_path / "none.pem"}, {"client_ca": empty}):
        with pytest.raises(ConfigurationError, match="PEM"):
            secure(Tls(**{"certificate": good, "key": good, **said}))


async def test_whoever_does_not_come_to_terms_in_tls_is_left_when_a_head_would_be(issued):
    server = issued("server")
    async with serving(Guarded(talker()), secure(Tls(certificate=server, key=server))) as port, asyncio.timeout(20):
        assert await say(port) == b""
        assert await say(port, b"\x16\x03\x01\x02\x00") == b""
