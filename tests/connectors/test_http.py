"""The HTTP transport against servers that misbehave: what each failure means, and nothing sent twice."""

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, timedelta
from email.utils import format_datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr, ValidationError

from connectors._transport.http import (
    LARGEST_ANSWER,
    Answer,
    HttpClient,
    HttpSettings,
    check_not_page,
    check_status,
    read_retry_after,
)
from hub.connector import Deadline, Exchange
from hub.errors import TransientError, UncertainError

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """A raw TCP server that does with each connection what its script says, and keeps what it was told."""

    def __init__(self, script: Callable[["Server", Reader, Writer], Awaitable[None]]) -> None:
        self._script = script
        self.requests: list[bytes] = []
        self.port = 0

    async def handle(self, reader: Reader, writer: Writer) -> None:
        try:
            await self._script(self, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def read(self, reader: Reader) -> bytes:
        """Read one whole request and remember it."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.split(b"\r\n") if line[:15].lower() == b"content-length:"), 0)
        self.requests.append(head + await reader.readexactly(length))
        return self.requests[-1]


@asynccontextmanager
async def serving(script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server(script)
    listener = await asyncio.start_server(server.handle, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()


@asynccontextmanager
async def speaking_to(url: str, **settings) -> AsyncIterator[HttpClient]:
    client = HttpClient(HttpSettings(url=url, **settings))
    try:
        yield client
    finally:
        await client.close()


def say(answer: bytes):
    async def script(server: Server, reader: Reader, writer: Writer) -> None:
        while True:
            await server.read(reader)
            writer.write(answer)

    return script


async def hang_up(server, reader, writer):
    writer.transport.abort()


async def read_then_hang_up(server, reader, writer):
    await server.read(reader)
    writer.transport.abort()


async def read_then_close(server, reader, writer):
    await server.read(reader)


async def never_answer(server, reader, writer):
    await reader.read()


async def half_answer(server, reader, writer):
    await server.read(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")


async def drip(server, reader, writer):
    await server.read(reader)
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.02)


async def endless(server, reader, writer):
    await server.read(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def read_second_then_drop(server, reader, writer):
    await server.read(reader)
    if len(server.requests) == 1:
        writer.write(OK)
        await server.read(reader)


async def call(client: HttpClient, method="POST", path="", *, within=5.0, exchange=None, **more) -> Answer:
    exchange = exchange or Exchange()
    return await client.call(method, path, exchange=exchange, deadline=Deadline(timedelta(seconds=within)), **more)


async def fail(client: HttpClient, meaning, method="POST", path="", *, within=5.0) -> str:
    with pytest.raises(meaning) as failure:
        await call(client, method, path, within=within, content=b"Lefebvre")
    assert type(failure.value) is meaning
    assert "Lefebvre" not in repr(failure.value)
    return str(failure.value)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (hang_up, "reset"),
        (read_then_hang_up, "reset"),
        (read_then_close, "reset"),
        (never_answer, "timeout"),
        (drip, "timeout"),
        (half_answer, "unreadable"),
        (say(b"220 ready when you are\r\n\r\n"), "unreadable"),
        (say(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000 + b"\r\n\r\n"), "unreadable"),
        (endless, "too_big"),
    ],
)
async def test_once_bytes_may_have_left_every_failure_is_uncertain(script, code):
    async with serving(script) as server, speaking_to(f"http://127.0.0.1:{server.port}") as client:
        assert await fail(client, UncertainError, within=2.0 if code == "too_big" else 0.3) == code
        assert len(server.requests) <= 1


@pytest.mark.parametrize("status", [301, 302, 303, 304, 307, 308])
async def test_a_redirect_is_never_followed(status):
    async with (
        serving(say(OK)) as elsewhere,
        serving(
            say(
                f"HTTP/1.1 {status} Go\r\nLocation: http://127.0.0.1:{elsewhere.port}/\r\n"
                "Content-Length: 0\r\n\r\n".encode()
            )
        ) as server,
        speaking_to(f"http://127.0.0.1:{server.port}") as client,
    ):
        assert await fail(client, UncertainError) == "redirect"
        assert elsewhere.requests == []


async def test_a_closed_port_is_transient():
    async with serving(say(OK)) as server:
        port = server.port
    async with speaking_to(f"http://127.0.0.1:{port}") as client:
        assert await fail(client, TransientError) == "connect"


async def test_a_host_without_an_address_is_transient():
    async with speaking_to("http://nulle-part.invalid/") as client:
        assert await fail(client, TransientError, within=20) in {"dns", "connect"}


async def test_a_handshake_that_never_ends_is_transient():
    async with serving(never_answer) as server, speaking_to(f"https://127.0.0.1:{server.port}") as client:
        assert await fail(client, TransientError, within=0.4) == "connect"


async def test_a_deadline_already_gone_sends_nothing():
    async with serving(say(OK)) as server, speaking_to(f"http://127.0.0.1:{server.port}") as client:
        assert await fail(client, TransientError, within=0) == "too_late"
        assert server.requests == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
async def test_a_dropped_kept_connection_is_not_used_to_send_again(method):
    async with (
        serving(read_second_then_drop) as server,
        speaking_to(f"http://127.0.0.1:{server.port}") as client,
    ):
        await call(client, method)
        assert await fail(client, UncertainError, method) == "reset"
        assert len(server.requests) == 2


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for 127.0.0.1: its file, which holds the private key too."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return file


@pytest.fixture
def tls(certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


async def test_a_certificate_nobody_vouches_for_is_transient(tls):
    async with serving(say(OK), tls) as server, speaking_to(f"https://127.0.0.1:{server.port}") as client:
        assert await fail(client, TransientError) == "tls"
        assert server.requests == []


async def test_a_server_that_does_not_speak_tls_is_transient():
    async def greet(server, reader, writer):
        writer.write(b"220 no TLS here\r\n")
        await reader.read()

    async with serving(greet) as server, speaking_to(f"https://127.0.0.1:{server.port}") as client:
        assert await fail(client, TransientError) == "tls"


async def test_the_targets_own_authority_is_trusted_when_named(tls, certificate):
    async with (
        serving(say(OK), tls) as server,
        speaking_to(f"https://127.0.0.1:{server.port}", ca_file=certificate) as client,
    ):
        assert (await call(client)).status == 200


@pytest.mark.parametrize(
    "url",
    [
        "http://ailleurs.example/",
        "http://127.0.0.1:1/",
        "https://127.0.0.1:9/",
        "http://127.0.0.1:9@ailleurs.example/",
        "file:///etc/passwd",
    ],
)
async def test_a_call_never_leaves_for_another_host(url):
    settings = HttpSettings(url="http://127.0.0.1:9/api")
    with pytest.raises(ValueError, match="another host"):
        settings.resolve(url)
    async with speaking_to("http://127.0.0.1:9/api") as client:
        assert await fail(client, TransientError, path=url) == "forbidden_host"


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("", "http://sig.ville.example/ows?map=1"),
        ("/collections", "http://sig.ville.example/ows/collections"),
        ("a?next=http://x/", "http://sig.ville.example/ows/a?next=http://x/"),
        ("//ailleurs.example/a", "http://sig.ville.example/ows/ailleurs.example/a"),
        ("http://sig.ville.example:80/b", "http://sig.ville.example/b"),
    ],
)
def test_a_path_is_below_the_targets_url(path, url):
    assert HttpSettings(url="http://sig.ville.example/ows?map=1").resolve(path) == url


async def test_a_name_that_resolves_outside_of_the_allowed_networks_is_not_connected_to():
    async with (
        serving(say(OK)) as server,
        speaking_to(f"http://localhost:{server.port}", allow=("10.0.0.0/8",)) as client,
    ):
        assert await fail(client, TransientError) == "forbidden_address"
        assert server.requests == []


async def test_a_name_that_resolves_inside_of_the_allowed_networks_is_reached():
    async with (
        serving(say(OK)) as server,
        speaking_to(f"http://localhost:{server.port}", allow=("127.0.0.0/8", "::1/128")) as client,
    ):
        assert (await call(client)).status == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "192.168.0.1"])
def test_an_address_outside_of_the_allowed_networks_does_not_load(host):
    with pytest.raises(ValidationError, match="outside of"):
        HttpSettings(url=f"http://{host}/", allow=("10.0.0.0/8",))


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "http://agent:secret@ville.example/"},
        {"url": "http://ville.example/", "username": "agent", "bearer": "t"},
        {"url": "ftp://ville.example/"},
        {"url": "http://ville.example/", "ca_file": "/nowhere.pem"},
    ],
)
def test_settings_that_contradict_themselves_do_not_load(settings):
    with pytest.raises(ValidationError):
        HttpSettings(**settings)


async def test_the_proxy_of_the_environment_is_ignored(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with serving(say(OK)) as server, speaking_to(f"http://127.0.0.1:{server.port}") as client:
        assert (await call(client)).status == 200


async def test_no_cookie_comes_back_and_no_compression_is_asked_for():
    # By name: aiohttp would keep no cookie of a bare address anyway.
    answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: session=1\r\nContent-Length: 0\r\n\r\n"
    async with serving(say(answer)) as server, speaking_to(f"http://localhost:{server.port}") as client:
        await call(client)
        await call(client)
        assert b"cookie" not in server.requests[1].lower()
        assert b"accept-encoding: identity" in server.requests[1].lower()


async def test_a_password_is_read_from_its_file(tmp_path):
    (tmp_path / "password").write_text("sésame\n")
    settings = HttpSettings(url="http://a.example", username="hub", password_file=tmp_path / "password")
    assert settings.authorization == "Basic aHViOnPDqXNhbWU="


def test_settings_that_do_not_load_show_no_secret():
    with pytest.raises(ValidationError) as refusal:
        HttpSettings(url="http://a.example", username="hub", password="sésame", bearer="jeton", surprise="jeton")
    assert "sésame" not in str(refusal.value)
    assert "jeton" not in str(refusal.value)


def test_a_token_is_sent_as_a_bearer_and_never_shown():
    settings = HttpSettings(url="http://a.example", bearer=SecretStr("jeton"))
    assert settings.authorization == "Bearer jeton"
    assert "jeton" not in repr(settings)


async def test_the_exchange_keeps_what_was_said_even_when_the_answer_never_ends():
    exchange = Exchange()
    async with serving(drip) as server, speaking_to(f"http://127.0.0.1:{server.port}") as client:
        with pytest.raises(UncertainError, match="timeout"):
            await call(client, within=0.3, exchange=exchange, content=b"asked")
    assert exchange.sent == b"asked"
    assert exchange.http_status == 200
    assert exchange.answered.startswith(b".")


async def test_an_answer_of_the_largest_size_is_read():
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {LARGEST_ANSWER}\r\n\r\n".encode()
    script = say(head + b"x" * LARGEST_ANSWER)
    async with serving(script) as server, speaking_to(f"http://127.0.0.1:{server.port}") as client:
        assert len((await call(client)).body) == LARGEST_ANSWER


@pytest.mark.parametrize("status", [200, 201, 302, 400, 404, 409, 422])
def test_a_status_that_needs_reading_passes(status):
    answer = Answer(status, {}, b"")
    assert check_status(answer) is answer


@pytest.mark.parametrize(
    ("status", "meaning"),
    [(429, TransientError), (503, TransientError), (500, UncertainError), (502, UncertainError)],
)
def test_a_status_that_says_it_all_is_judged(status, meaning):
    with pytest.raises(meaning, match=f"^http_{status}$"):
        check_status(Answer(status, {}, b""), unavailable=frozenset({503}))


def test_an_undeclared_503_is_uncertain():
    with pytest.raises(UncertainError):
        check_status(Answer(503, {}, b""))


def test_a_page_is_not_the_answer_of_a_machine():
    with pytest.raises(UncertainError, match="page"):
        check_not_page(Answer(200, {"content-type": "text/html; charset=utf-8"}, b""))


@pytest.mark.parametrize("value", ["", "soon", "-5", "0", "1.5", "²", "9" * 40, "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_retry_after_that_makes_no_sense_is_ignored(value):
    assert read_retry_after(value) is None


def test_a_retry_after_is_read_as_seconds_or_as_a_date():
    tomorrow = dt.datetime.now(UTC) + timedelta(days=1)
    assert read_retry_after("120") == timedelta(seconds=120)
    wait = read_retry_after(format_datetime(tomorrow, usegmt=True))
    assert wait is not None
    assert timedelta(hours=23) < wait <= timedelta(days=1)
