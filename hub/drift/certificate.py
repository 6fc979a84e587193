"""The certificate that a target shows: looked at without being trusted, for nothing is sent over that line."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from yarl import URL

from hub.connector import Deadline
from hub.drift.documents import Documents, UnfitError
from hub.manifest import LiveKind

WITHIN: Final = timedelta(seconds=15)


async def fetch_certificate(address: str, ip: str, deadline: Deadline) -> Documents:
    """See the certificate of a target at one of its addresses, in PEM; raises UnfitError."""
    url = URL(address)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # deliveries verify; here one that is over must still be seen
    try:
        async with asyncio.timeout(min(deadline.left, WITHIN.total_seconds())):
            _, writer = await asyncio.open_connection(ip, url.port, ssl=context, server_hostname=url.host)
    except TimeoutError:
        raise UnfitError("timeout") from None
    except ssl.SSLError:
        raise UnfitError("tls") from None
    except OSError:
        raise UnfitError("connect") from None
    try:
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.transport.abort()
    if not shown:
        raise UnfitError("tls")
    certificate = x509.load_der_x509_certificate(shown)
    text = certificate.public_bytes(serialization.Encoding.PEM)
    return Documents(LiveKind.CERTIFICATE, {"certificate.pem": text})


def facts_of(documents: Documents) -> Mapping[str, Any]:
    """Say of a certificate what matters: who vouches for it, whom it names, under which key."""
    certificate = read(documents)
    names: list[str] = []
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = sorted(str(name.value) for name in extension.value)
    except (x509.ExtensionNotFound, ValueError):
        pass
    key = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    digest = hashes.Hash(hashes.SHA256())
    digest.update(key)
    return {
        "issuer": certificate.issuer.rfc4514_string(),
        "subject": certificate.subject.rfc4514_string(),
        "names": ", ".join(names),
        "key": f"sha256 {digest.finalize().hex()}",
    }


def left_of(documents: Documents, now: datetime | None = None) -> timedelta:
    """Say how long a certificate is still good."""
    return read(documents).not_valid_after_utc - (now or datetime.now(UTC))


def read(documents: Documents) -> x509.Certificate:
    """Read a certificate; raises UnfitError."""
    try:
        return x509.load_pem_x509_certificate(documents.texts[documents.main])
    except ValueError:
        raise UnfitError("unreadable") from None
