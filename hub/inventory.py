"""What a homologation file asks of an installation: what flows in and out, what is logged, what lies where.

All of it follows from the settings; who receives which field of whom is the register's (`hub gdpr register`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from hub.app import connect
from hub.catalogue import Catalogue, read_catalogue
from hub.connector import Called, Source
from hub.database import is_server
from hub.effective import without_secrets
from hub.errors import ConfigurationError
from hub.logs import FIELDS
from hub.settings import Bucket, Settings, TargetSettings

PROOFS: Final[Mapping[str, str]] = {
    "username": "an account",
    "login": "an account",
    "procedures": "an account for each procedure",
    "bearer": "a token",
    "bearer_file": "a token",
    "cert_file": "a client certificate",
    "secrets": "a signature",
    "secret_files": "a signature",
}
"""A setting of a target → by what the hub proves who it is."""

ENCRYPTED: Final = frozenset({"https", "amqps", "smtps", "s3"})
TELEMETRY: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


@dataclass(frozen=True, slots=True)
class Flow:
    """One flow: which way, with whom, where, over what, whether it is encrypted, by what it is proved."""

    direction: str
    peer: str
    address: str
    protocol: str
    encrypted: str
    proof: str


@dataclass(frozen=True, slots=True)
class Log:
    """One thing that is written down of what happens: where, in which form, for how long, and what is in it."""

    name: str
    place: str
    form: str
    kept: str
    holds: str


@dataclass(frozen=True, slots=True)
class Store:
    """One place where data lie, and how they are protected there."""

    name: str
    place: str
    protection: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """The three inventories of an installation, and every field that a line of its log may have."""

    flows: tuple[Flow, ...]
    logs: tuple[Log, ...]
    fields: Mapping[str, str]
    stores: tuple[Store, ...]


def inventory(settings: Settings) -> Inventory:
    """Draw up the inventories of an installation; raises ConfigurationError."""
    catalogue = read_catalogue(settings)
    outward = (flow for name, said in settings.targets.items() for flow in _of_target(catalogue, name, said))
    flows = (*_inward(settings), *outward, *_services(settings))
    return Inventory(flows, tuple(_logs(settings)), FIELDS, tuple(_stores(settings)))


def _inward(settings: Settings) -> Iterator[Flow]:
    """Give what comes in at the door."""
    scheme = "https" if settings.tls else "http"
    address, encrypted = (
        f"{scheme}://{settings.host}:{settings.port}",
        "yes" if settings.tls else "by a proxy before it",
    )
    keys = " or a token" if settings.tokens else ""
    certificate = " and a client certificate" if settings.tls and settings.tls.client_ca else ""
    people = "the identity provider" if settings.console.identity else "a password"
    yield Flow(
        "in", "front ends, agents and operators", f"{address}/v1", "REST", encrypted, f"a key{keys}{certificate}"
    )
    yield Flow("in", "people at the console", f"{address}/console", "HTML", encrypted, people)
    yield Flow("in", "monitoring", f"{address}/metrics", "OpenMetrics", encrypted, "none: to be kept inside")


def _of_target(catalogue: Catalogue, name: str, said: TargetSettings) -> Iterator[Flow]:
    """Give what passes between the hub and a target, either way."""
    manifest = catalogue.manifests.get(said.connector)
    if manifest is None or manifest.builtin:
        return
    proof = ", ".join(dict.fromkeys(word for setting, word in PROOFS.items() if said.settings.get(setting))) or "none"
    for address in dict.fromkeys(_addresses(said.settings)):
        yield Flow("out", f"{name}: {manifest.title}", address, manifest.protocol, _is_encrypted(address), proof)
    try:
        connector = connect(catalogue, name, said).connector
    except ConfigurationError:
        return
    if isinstance(connector, Source):
        yield Flow("in", f"{name}: {manifest.title}", "fetched from there", manifest.protocol, "as above", proof)
    if isinstance(connector, Called):
        yield Flow("in", f"{name}: {manifest.title}", f"/v1/targets/{name}", manifest.protocol, "as the API", "its own")


def _addresses(said: Any) -> Iterator[str]:
    """Find the addresses in a target's settings: scheme, host and port, and nothing that is secret."""
    match said:
        case {"host": str(host), **rest}:
            secured = {"none": "smtp", "tls": "smtps"}.get(str(rest.get("tls", "starttls")), "smtp+starttls")
            yield f"{secured}://{host}:{rest.get('port', 587)}"
        case Mapping():
            for part in said.values():
                yield from _addresses(part)
        case str() if "://" in said:
            yield origin_of(said)


def origin_of(address: str) -> str:
    """Give an address's scheme, host and port."""
    parts = urlsplit(without_secrets(address))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2] or parts.path}"


def _is_encrypted(address: str) -> str:
    scheme = address.partition("://")[0]
    return "yes" if scheme in ENCRYPTED or scheme.endswith("starttls") else "no"


def _services(settings: Settings) -> Iterator[Flow]:
    """Give what the hub itself leans on."""
    for peer, address, protocol, proof in _leaned_on(settings):
        yield Flow("out", peer, origin_of(address), protocol, _is_encrypted(address), proof)


def _leaned_on(settings: Settings) -> Iterator[tuple[str, str, str, str]]:
    if is_server(settings.database):
        yield "the ledger", settings.database, "PostgreSQL", "an account"
    if settings.broker:
        yield "the broker: ids of deliveries alone", settings.broker, "AMQP", "an account"
    if isinstance(settings.files, Bucket):
        yield "the store of files", str(settings.files.endpoint or settings.files.url), "S3", "an account"
    if settings.scanner:
        address = settings.scanner if "://" in settings.scanner else f"unix://{settings.scanner}"
        yield "the virus scanner", address, "clamd", "none: to be kept inside"
    if settings.audit.anchor and "://" in settings.audit.anchor:
        yield "the audit's anchor", settings.audit.anchor, "syslog", "none"
    if identity := settings.console.identity:
        yield identity.name, identity.issuer, "OpenID Connect", "a secret"
    if settings.tokens and "://" in str(settings.tokens.jwks):
        yield "the authorization server's keys", str(settings.tokens.jwks), "JWKS", "none"
    if endpoint := next(filter(None, map(os.environ.get, TELEMETRY)), None):
        yield "traces", endpoint, "OTLP", "by its headers"


def _logs(settings: Settings) -> Iterator[Log]:
    """Give what is written down of what happens."""
    yield Log(
        "log", "standard error of each process", "JSON, UTC", "by whoever runs it: 6 to 12 months", "the fields below"
    )
    anchor = without_secrets(settings.audit.anchor or "") or "none"
    yield Log(
        "audit",
        f"the ledger; anchor: {anchor}; archive: {settings.audit.archive or 'none'}",
        "rows bound by hashes, UTC",
        f"{settings.audit.keep.days} days",
        "who did, saw or was refused what, when; digests of what was typed",
    )
    yield Log("metrics", "/metrics", "OpenMetrics", "by whoever collects them", "counts by kind, target and code")
    yield Log(
        "exchanges",
        "the ledger, sealed",
        "what was sent and answered, UTC",
        "as the request is (`hub gdpr due`)",
        "the evidence of each attempt: personal data",
    )


def _stores(settings: Settings) -> Iterator[Store]:
    """Give where data lie."""
    files = settings.files.url if isinstance(settings.files, Bucket) else str(settings.files)
    yield Store(
        "the ledger", without_secrets(settings.database), "contents sealed, AES-256-GCM, a key for each request"
    )
    yield Store("files", files, "sealed, under digests")
    yield Store("the installation's secret", str(settings.secret_file), "readable by its owner alone")
    yield Store("live contracts of targets", str(settings.contracts), "nobody's data")
