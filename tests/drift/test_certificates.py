"""A target's certificate is seen whoever vouches for it, and told of when it is another or soon over."""

import ssl
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hub.drift.comparison import Standing, watched
from tests.drift.conftest import serving, today

KEYS = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]


def certify(folder, *, key=KEYS[0], issuer="Autorité", names=("parc.ville.example",), days=200):
    """Give the TLS of a server that shows such a certificate."""
    said = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("parc.ville.example", issuer)]
    made = (
        x509.CertificateBuilder(said[1], said[0], key.public_key(), x509.random_serial_number())
        .not_valid_before(today() - timedelta(days=400))
        .not_valid_after(today() + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .sign(KEYS[0], hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(private + made.public_bytes(encoding))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context


async def compared(town, **said):
    """Compare with a server that shows such a certificate."""
    async with serving(certify(town.home, **said)) as server:
        town.settings["settings"] = {"url": f"{server.url}/parc"}
        found = await town.compare()
        assert server.asked == []
    return found.standing, [(one.element, one.after) for one in found.differences]


@pytest.fixture
def secured(town):
    """A town that watches nothing but its target's certificate."""
    town.declare('[[live]]\nkind = "certificate"\n')
    return town


@pytest.mark.parametrize(
    ("said", "standing", "told"),
    [
        ({}, Standing.UNCHANGED, []),
        ({"days": 300}, Standing.COSMETIC, []),
        ({"issuer": "Une autre"}, Standing.CHANGED, [("issuer", "CN=Une autre")]),
        ({"names": ("a.example", "b.example")}, Standing.CHANGED, [("names", "a.example, b.example")]),
        ({"days": 12}, Standing.CHANGED, [("expiry", "in 11 days")]),
        ({"days": -1}, Standing.CHANGED, [("expiry", "over")]),
    ],
)
async def test_a_certificate_that_is_another_is_told_by_what_differs(secured, said, standing, told):
    assert (await compared(secured))[0] is Standing.FIRST_SEEN
    assert (await compared(secured, **said))[0] in ({standing} if said else {Standing.UNCHANGED, Standing.COSMETIC})
    assert (await compared(secured, **said))[1] == told


async def test_another_key_is_told(secured):
    await compared(secured)
    standing, told = await compared(secured, key=KEYS[1])
    assert (standing, [element for element, _ in told]) == (Standing.CHANGED, ["key"])


async def test_a_certificate_that_is_soon_over_is_told_the_first_time(secured):
    assert (await compared(secured, days=3))[0] is Standing.CHANGED


async def test_a_server_without_tls_has_no_certificate_to_show(secured, server):
    secured.settings["settings"] = {"url": server.url.replace("http:", "https:")}
    found = await secured.compare()
    assert (found.standing, found.code) == (Standing.UNCHECKED, "tls")


def test_where_there_is_no_tls_no_certificate_is_looked_for(secured):
    assert watched(secured.catalogue, secured.targets) == {}
