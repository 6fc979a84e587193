"""A line in TLS before a target, and the authority that vouches for it, or no longer."""

import asyncio
import datetime as dt
import ipaddress
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.faults.proxy import Proxy

YEAR = dt.timedelta(days=365)


class Authority:
    """Signs certificates for 127.0.0.1; `file` is its own, for whoever trusts it."""

    def __init__(self, folder):
        self._folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Autorité d'essai")])
        now = dt.datetime.now(dt.UTC)
        signed = self._sign(
            self._name, self._key, (now - YEAR, now + YEAR), x509.BasicConstraints(ca=True, path_length=None)
        )
        self.file = folder / "authority.pem"
        self.file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))

    def issue(self, ends):
        """Sign a certificate that ends after a time, negative when it ended that long ago; gives its file."""
        key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        signed = self._sign(name, key, (now - YEAR, now + ends), address)
        file = self._folder / "server.pem"
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(secret + signed.public_bytes(serialization.Encoding.PEM))
        return file

    def _sign(self, name, key, lasts, extension):
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(lasts[0])
            .not_valid_after(lasts[1])
            .add_extension(extension, critical=False)
            .sign(self._key, hashes.SHA256())
        )


class Secured(Proxy):
    """A proxy that speaks TLS with whoever comes, under a certificate that can be replaced."""

    def __init__(self, upstream, certificate):
        super().__init__(upstream)
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.show(certificate)

    def show(self, certificate):
        """Show another certificate from now on."""
        self._tls.load_cert_chain(certificate)

    async def start(self):
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
