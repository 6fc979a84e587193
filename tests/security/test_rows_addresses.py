"""Where the hub connects to: the target that the settings name, at an address that was looked at, and nowhere else."""

import asyncio
import ipaddress
import socket
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp
import pytest
from pydantic import ValidationError

import connectors.courriel
import connectors.gru
import connectors.hubee
from connectors._transport.http import HttpClient, HttpSettings, PinnedResolver
from hub.addresses import fit_among, is_fit
from hub.connector import Deadline, Exchange
from hub.errors import TransientError, UncertainError
from hub.manifest import ErrorTable

SECRET = "whsec_" + "A" * 32

DISGUISED = {
    "a short form": "127.1",
    "hexadecimal": "0x7f.1",
    "one number": "2130706433",
    "one number in hexadecimal": "0x7f000001",
    "octal": "0177.0.0.1",
    "circled digits": "①②⑦.⓪.⓪.①",
    "fullwidth digits": "１２７.０.０.１",
    "an ideographic stop": "127。0。0。1",
    "a last dot": "127.0.0.1.",
    "percent signs": "%31%32%37.0.0.1",
    "IPv4 within IPv6": "[::ffff:127.0.0.1]",
    "IPv4 within IPv6, in hexadecimal": "[::ffff:7f00:1]",
    "NAT64": "[64:ff9b::7f00:1]",
    "6to4": "[2002:7f00:1::]",
    "a long form of IPv6": "[0:0:0:0:0:0:0:1]",
    "a user before it": "guichet.ville.example@127.0.0.1",
    "a user and a password before it": "guichet.ville.example:443@127.0.0.1",
    "a backslash": "guichet.ville.example\\@127.0.0.1",
    "a line break": "guichet.ville\n.example",
    "a space": " guichet.ville.example",
    "the link's own": "169.254.169.254",
    "the link's own, within IPv6": "[::ffff:a9fe:a9fe]",
    "a cloud's own": "[fd00:ec2::254]",
    "another cloud's own": "[fd20:ce::254]",
    "a third cloud's own": "100.100.100.200",
    "Teredo": "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
    "a translator's": "[::ffff:0:7f00:1]",
    "every address": "0.0.0.0",
    "every address of IPv6": "[::]",
    "a group": "224.0.0.1",
}


@pytest.mark.parametrize("host", DISGUISED.values(), ids=DISGUISED)
def test_a_host_that_is_not_what_it_looks_like_does_not_load(host):
    """Row 37: for a target, for a call-back's, for a token's door."""
    url = f"http://{host}/"
    with pytest.raises(ValidationError):
        HttpSettings(url=url)
    with pytest.raises(ValidationError):
        connectors.gru.connect({"url": url, "secrets": [SECRET]}, ErrorTable())
    account = {"DOSSIER": {"client_id": "a", "client_secret": "b"}}
    with pytest.raises(ValidationError, match=r"token_url|url: "):
        connectors.hubee.connect(
            {"url": "https://hubee.example/", "token_url": url, "procedures": account}, ErrorTable()
        )


@pytest.mark.parametrize("host", ["127.1", "2130706433", "①②⑦.⓪.⓪.①", "0:0:0:0:0:0:0:1"])
def test_a_mail_server_is_written_as_what_it_is_too(host):
    """Row 37."""
    given = {"host": host, "sender": "ville@ville.example"}
    with pytest.raises(ValidationError, match="written as what it is"):
        connectors.courriel.connect(given, ErrorTable())


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "10.1.2.3", "guichet.ville.example", "évreux.fr"])
def test_a_host_that_is_written_plainly_loads(host):
    """Targets of a city are on its own network, or on the hub's own machine: that is for `hub.yaml` to say."""
    assert HttpSettings(url=f"http://{host}:8080/ws").url.port == 8080


LEADING_BACK = [
    *["127.0.0.1", "::1", "::ffff:7f00:1", "64:ff9b::7f00:1", "2002:7f00:1::", "169.254.169.254", "0.0.0.0"],
    *["100.100.100.200", "fd20:ce::254", "::ffff:100.100.100.200", "::ffff:0:127.0.0.1", "::ffff:0:a9fe:a9fe"],
    *["2001:0:4136:e378:8000:63bf:80ff:fffe", "2001:0:4136:e378::5601:5601", "2001:0:7f00:1::f5fe:fdfc", "fe80::1"],
]
"""Of those of Teredo, the first two hide their client's, 127.0.0.1 and 169.254.169.254, and the last its server's."""


@pytest.mark.parametrize("address", LEADING_BACK)
def test_no_name_leads_back_into_this_machine_unless_allow_says_so(address):
    """Row 37."""
    found = ipaddress.ip_address(address)
    assert not is_fit(found, "guichet.ville.example", ())
    assert not is_fit(found, "guichet.ville.example", (ipaddress.ip_network("10.0.0.0/8"),))
    assert is_fit(found, "guichet.ville.example", (ipaddress.ip_network(address),))


PLAINLY = ["100.100.100.201", "fd20:ce::253", "::ffff:0:a01:203", "2001:0:4136:e378::f5fe:fdfc"]
"""The last is of Teredo, between 65.54.227.120 and 10.1.2.3."""


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "192.168.0.9", "172.18.0.4", "fd12::5", "64:ff9b::a01:203", "2a01::1", *PLAINLY]
)
def test_a_name_leads_to_the_city_s_network_or_to_the_world(address):
    assert is_fit(ipaddress.ip_address(address), "guichet.ville.example", ())


@pytest.mark.parametrize(
    ("told", "gone_to"),
    [
        (["fe80::1", "10.1.2.3"], ["10.1.2.3"]),
        (["10.1.2.3", "fe80::1", "2a01::1"], ["10.1.2.3", "2a01::1"]),
        (["fe80::1"], []),
        (["fe80::1", "127.0.0.1", "10.1.2.3"], []),
        (["169.254.169.254", "10.1.2.3"], []),
    ],
)
def test_an_address_of_the_link_is_left_out_beside_others_and_alone_is_none(told, gone_to):
    """Any other that is none it may have refuses the host, whatever stands beside it."""
    found = fit_among(map(ipaddress.ip_address, told), "guichet.ville.example", ())
    assert found == list(map(ipaddress.ip_address, gone_to))


def test_an_address_of_the_link_that_is_allowed_is_gone_to():
    address = ipaddress.ip_address("fe80::1")
    assert fit_among([address], "guichet.ville.example", (ipaddress.ip_network("fe80::/10"),)) == [address]


@asynccontextmanager
async def answering(host, seen, answer=b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", port=0):
    """Answer every request on an address of this machine, and keep who came."""

    async def serve(reader, writer):
        seen.append(writer.get_extra_info("sockname")[0])
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, host, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.fixture
def leads(monkeypatch):
    """Have the name of a target lead to one address after the other, as whoever owns its DNS can."""
    asked = []

    def rebind(*addresses):
        def told(host, port, *_args, **_more):
            asked.append(host)
            address = addresses[min(len(asked), len(addresses)) - 1]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

        monkeypatch.setattr(socket, "getaddrinfo", told)
        return asked

    return rebind


async def call(client, path=""):
    """Ask for something."""
    return await client.call("GET", path, exchange=Exchange(), deadline=Deadline(timedelta(seconds=5)))


async def test_a_name_that_leads_elsewhere_the_second_time_is_not_followed_there(leads):
    """Row 37: one look-up a connection, which goes to the very address that was looked at."""
    seen = []
    async with answering("127.0.0.2", seen) as port, answering("127.0.0.1", seen, port=port):
        asked = leads("127.0.0.2", "127.0.0.1")
        settings = HttpSettings(url=f"http://guichet.ville.example:{port}/", allow=("127.0.0.2/32",))
        first, second = HttpClient(settings), HttpClient(settings)
        assert (await call(first)).status == 200
        assert (seen, asked) == (["127.0.0.2"], ["guichet.ville.example"])
        with pytest.raises(TransientError, match=r"^forbidden_address$"):
            await call(second)
        assert (seen, len(asked)) == (["127.0.0.2"], 2)
        for client in (first, second):
            await client.close()


async def test_a_connection_goes_to_the_addresses_that_are_left(monkeypatch):
    async def told(_self, host, port=0, family=0):
        hosts = [("fe80::1%lo", socket.AF_INET6), ("127.0.0.2", socket.AF_INET)]
        return [
            {"hostname": host, "host": one, "port": port, "family": of, "proto": 0, "flags": 0} for one, of in hosts
        ]

    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", told)
    resolver = PinnedResolver((ipaddress.ip_network("127.0.0.2/32"),))
    assert [one["host"] for one in await resolver.resolve("guichet.ville.example")] == ["127.0.0.2"]
    with pytest.raises(TransientError, match=r"^forbidden_address$"):
        await PinnedResolver(()).resolve("guichet.ville.example")


async def test_a_name_without_allow_that_comes_to_lead_into_this_machine_is_not_followed(leads):
    """Row 37."""
    seen = []
    async with answering("127.0.0.1", seen) as port:
        leads("127.0.0.1")
        client = HttpClient(HttpSettings(url=f"http://guichet.ville.example:{port}/"))
        with pytest.raises(TransientError, match=r"^forbidden_address$"):
            await call(client)
        await client.close()
    assert seen == []


async def test_no_redirect_no_proxy_and_no_other_host_is_gone_to(monkeypatch):
    """Row 37."""
    elsewhere, seen = [], []
    async with answering("127.0.0.1", elsewhere) as trap:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{trap}")
        moved = f"HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:{trap}/\r\nContent-Length: 0\r\n\r\n".encode()
        async with answering("127.0.0.1", seen, moved) as port:
            client = HttpClient(HttpSettings(url=f"http://127.0.0.1:{port}/"))
            with pytest.raises(UncertainError, match=r"^redirect$"):
                await call(client)
            with pytest.raises(TransientError, match=r"^forbidden_host$"):
                await call(client, f"http://127.0.0.1:{trap}/")
            await client.close()
    assert (elsewhere, seen) == ([], ["127.0.0.1"])
