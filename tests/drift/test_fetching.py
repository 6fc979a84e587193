"""A live contract is fetched from the hosts that the installation names, and from nowhere else; within limits."""

import ipaddress
from base64 import b64encode
from datetime import timedelta

import pytest
from aiohttp import web

from hub.addresses import is_fit
from hub.connector import Deadline
from hub.drift.comparison import Standing
from hub.drift.documents import MOST_DOCUMENTS, UnfitError
from hub.drift.fetch import Fetcher, address_of
from hub.manifest import Live, LiveKind
from hub.settings import TargetSettings
from tests.drift.conftest import PARC, until_cancelled

NAMED = 'schemaLocation="parc.xsd"'


async def refused(town, server, *edits):
    """Say why a contract is not read."""
    server.show(*edits)
    found = await town.compare()
    assert found.standing is Standing.UNCHECKED
    return found.code


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("file:///etc/passwd", "forbidden_scheme"),
        ("ftp://127.0.0.1/parc.xsd", "forbidden_scheme"),
        ("gopher://127.0.0.1/parc.xsd", "forbidden_scheme"),
        ("//127.0.0.2/parc.xsd", "forbidden_host"),
        ("http://169.254.169.254/latest/meta-data", "forbidden_host"),
        ("http://127.0.0.1:1/parc.xsd", "forbidden_host"),
        ("http://adresse.invalid/parc.xsd", "forbidden_host"),
        ("/etc/passwd", "http_404"),
        ("../../../../etc/passwd", "http_404"),
    ],
)
async def test_what_a_contract_names_is_fetched_from_its_own_host_alone(town, server, location, code):
    assert await refused(town, server, (NAMED, f'schemaLocation="{location}"')) == code
    assert {path for path, _ in server.asked} <= {"/parc?wsdl", "/lieux.xsd", "/etc/passwd"}


async def test_another_host_is_asked_when_the_installation_names_it_and_never_with_the_account(town, server, elsewhere):
    town.settings["settings"] |= {"username": "hub", "password": "secret"}
    elsewhere.show()
    edit = (NAMED, f'schemaLocation="{elsewhere.url}/parc.xsd"')
    assert await refused(town, server, edit) == "forbidden_host"
    assert elsewhere.asked == []
    town.settings["contract_hosts"] = [elsewhere.url]
    assert (await town.compare()).differences == ()
    account = "Basic " + b64encode(b"hub:secret").decode()
    assert {said for _, said in server.asked} == {account}
    assert {said for _, said in elsewhere.asked} == {None}


async def test_no_redirect_is_followed(town, server, elsewhere):
    elsewhere.show()
    server.pages["/parc?wsdl"] = web.Response(status=302, headers={"Location": f"{elsewhere.url}/parc?wsdl"})
    assert (await town.compare()).code == "redirect"
    assert elsewhere.asked == []


async def test_a_contract_may_be_elsewhere_when_the_installation_says_so(town, elsewhere):
    elsewhere.show()
    town.settings["contract_url"] = f"{elsewhere.url}/parc?wsdl"
    assert (await town.compare()).standing is Standing.UNCHANGED


async def test_a_body_that_is_too_big_is_not_read(town, server):
    server.pages["/parc?wsdl"] = b"<a>" + b"x" * 2_100_000 + b"</a>"
    assert (await town.compare()).code == "too_big"


async def test_a_body_that_never_ends_is_not_read(town, server):
    async def endless(request):
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"<a>" * 20_000)

    server.pages["/parc?wsdl"] = endless
    assert (await town.compare()).code == "too_big"


async def test_a_server_that_says_nothing_is_waited_for_within_the_deadline(town, server):
    server.pages["/parc?wsdl"] = until_cancelled
    fetcher = Fetcher(town.target.said, Deadline(timedelta(milliseconds=200)))
    with pytest.raises(UnfitError, match="timeout"):
        await fetcher.fetch(town.target.lives["wsdl"])


async def test_too_many_elements_are_not_parsed(town, server):
    server.pages["/parc?wsdl"] = b"<a>" + b"<b/>" * 250_000 + b"</a>"
    assert (await town.compare()).code == "too_big"


async def test_too_many_documents_are_not_fetched(town, server):
    for number in range(MOST_DOCUMENTS + 1):
        server.pages[f"/{number}.xsd"] = PARC.replace("lieux.xsd", f"{number + 1}.xsd").encode()
    assert await refused(town, server, (NAMED, 'schemaLocation="0.xsd"')) == "too_many_documents"


@pytest.mark.parametrize(
    "said",
    [
        '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>',
        '<?xml version="1.0"?><!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd"><a/>',
        '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><a>&b;</a>',
        "<a>",
        "<html><body>Maintenance</body>",
        "",
    ],
)
async def test_no_document_type_is_taken_nor_what_is_no_xml(town, server, said):
    server.pages["/parc?wsdl"] = said.encode()
    assert (await town.compare()).code == "unreadable"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://ville.example/", "", "http://"])
async def test_no_target_is_asked_by_another_scheme(town, url):
    town.settings["settings"] = {"url": url}
    assert (await town.compare()).code == "forbidden_scheme"


async def test_the_networks_of_a_target_hold_for_its_contract_too(town, server):
    server.show()
    town.settings["settings"]["allow"] = ["10.0.0.0/8"]
    assert (await town.compare()).code == "forbidden_address"
    assert server.asked == []


async def test_a_certificate_that_nobody_vouches_for_ends_it(town, server):
    town.settings["settings"]["url"] = server.url.replace("http:", "https:") + "/parc"
    assert (await town.compare()).code in {"tls", "connect"}


@pytest.mark.parametrize(
    ("address", "host", "fits"),
    [
        ("10.1.2.3", "parc.ville.example", True),
        ("192.0.2.1", "parc.ville.example", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "localhost", True),
        ("::1", "localhost", True),
        ("127.0.0.1", "parc.ville.example", False),
        ("::1", "parc.ville.example", False),
        ("::ffff:127.0.0.1", "parc.ville.example", False),
        ("169.254.169.254", "parc.ville.example", False),
        ("fe80::1", "parc.ville.example", False),
        ("0.0.0.0", "parc.ville.example", False),
        ("224.0.0.1", "parc.ville.example", False),
    ],
)
def test_a_name_leads_to_a_host_and_not_back_into_this_machine(address, host, fits):
    assert is_fit(ipaddress.ip_address(address), host, ()) is fits


def test_networks_that_are_named_decide_alone():
    networks = (ipaddress.ip_network("127.0.0.0/8"),)
    assert is_fit(ipaddress.ip_address("127.0.0.5"), "parc.ville.example", networks)
    assert not is_fit(ipaddress.ip_address("10.0.0.1"), "parc.ville.example", networks)


async def test_every_connection_goes_to_the_address_that_was_looked_at_first(town, server, monkeypatch):
    """A name that leads elsewhere the second time is not followed there."""
    import aiohttp

    async def rebound(self, host, port=0, family=0):
        return [{"hostname": host, "host": "127.0.0.9", "port": port, "family": 2, "proto": 0, "flags": 0}]

    server.show()
    town.settings["settings"]["url"] = server.url.replace("127.0.0.1", "localhost") + "/parc"
    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", rebound)
    assert (await town.compare()).code == "forbidden_address"
    assert server.asked == []


@pytest.mark.parametrize(
    ("url", "path", "address"),
    [
        ("https://a.example/ws", "?wsdl", "https://a.example/ws?wsdl"),
        (
            "https://a.example/qgis?MAP=/a.qgs",
            "?REQUEST=GetCapabilities",
            "https://a.example/qgis?MAP=/a.qgs&REQUEST=GetCapabilities",
        ),
        ("https://a.example/ogc/", "api", "https://a.example/ogc/api"),
        ("https://a.example/wfs", "?TYPENAME={couche}", "https://a.example/wfs?TYPENAME=ville:dol%C3%A9ances%26x"),
        ("https://a.example/api.json", "", "https://a.example/api.json"),
    ],
)
def test_where_a_contract_is_follows_from_the_targets_url(url, path, address):
    said = TargetSettings(connector="x", settings={"url": url, "couche": "ville:doléances&x"})
    assert address_of(Live(kind=LiveKind.WSDL, path=path), said) == address
