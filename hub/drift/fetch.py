"""Fetching a target's live contract: GET, from the hosts that its installation names, and from nowhere else.

The bytes go over the transport that deliveries use: one absolute deadline, no redirect, no proxy, certificates
verified. Each host is resolved once, and every connection goes to an address that was found and looked at then.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from typing import Any, Final
from urllib.parse import quote

from yarl import URL

from hub.addresses import Address, fit_among
from hub.connector import Deadline, Exchange
from hub.drift.certificate import fetch_certificate
from hub.drift.documents import MOST_BYTES, Documents, Gathered, UnfitError, is_xml
from hub.errors import DeliveryError
from hub.manifest import Live, LiveKind
from hub.settings import TargetSettings

WITHIN: Final = timedelta(seconds=60)
"""How long one contract may take to come, all of its documents together."""

ACCOUNT: Final = ("username", "password", "password_file", "bearer", "bearer_file")
TRUST: Final = ("ca_file", "cert_file", "key_file")
SCHEMES: Final = frozenset({"http", "https"})


def address_of(live: Live, said: TargetSettings) -> str:
    """Write where a target shows a contract: the path below its URL, or the path itself when it is an address.

    Raises UnfitError when the path wants a setting that the target has not.
    """
    if "://" in live.path:
        return live.path
    base = str(said.settings.get("url", ""))
    fields = {**live.defaults, **{name: str(value) for name, value in said.settings.items()}}
    try:
        path = live.path.format_map({name: quote(value, safe=":") for name, value in fields.items()})
    except KeyError:
        raise UnfitError("settings") from None
    if not path:
        return base
    if path.startswith("?"):
        return f"{base}{'&' if '?' in base else '?'}{path[1:]}"
    return f"{base.partition('?')[0].rstrip('/')}/{path.lstrip('/')}"


def origin_of(address: str) -> str:
    """Give the scheme, host and port of an address; raises UnfitError for what no target can be reached by."""
    try:
        url = URL(address)
        if url.scheme not in SCHEMES or not url.host:
            raise UnfitError("forbidden_scheme")
        return str(url.origin())
    except ValueError:
        raise UnfitError("forbidden_scheme") from None


@dataclass
class Fetcher:
    """Fetches the contract of one target, once; nothing it holds outlives a check."""

    said: TargetSettings
    deadline: Deadline = field(default_factory=lambda: Deadline(WITHIN))
    _clients: dict[str, Any] = field(default_factory=dict)

    async def fetch(self, live: Live) -> Documents:
        """Fetch a contract whole; raises UnfitError."""
        address = address_of(live, self.said)
        if live.kind is LiveKind.CERTIFICATE:
            return await self._see(address)
        gathered = Gathered(live.kind, address)
        try:
            while (wanted := gathered.wanted) is not None:
                gathered.take(wanted, await self._get(wanted, live.kind))
        finally:
            for client in self._clients.values():
                await client.close()
            self._clients.clear()
        return gathered.documents

    async def _see(self, address: str) -> Documents:
        """See the certificate of the target's own host."""
        origin = URL(origin_of(address))
        if origin.scheme != "https":
            raise UnfitError("forbidden_scheme")
        [found, *_] = await self._addresses(origin, self._networks)
        return await fetch_certificate(address, str(found), self.deadline)

    @property
    def _networks(self) -> tuple[Any, ...]:
        try:
            return tuple(map(ipaddress.ip_network, self.said.settings.get("allow", ())))
        except (ValueError, TypeError):
            raise UnfitError("settings") from None

    async def _get(self, address: str, kind: LiveKind) -> bytes:
        client = await self._client(origin_of(address))
        accept = {"Accept": "text/xml, application/xml" if is_xml(kind) else "application/json"}
        try:
            answer = await client.call("GET", address, exchange=Exchange(), deadline=self.deadline, headers=accept)
        except DeliveryError as error:
            raise UnfitError(error.code) from None
        if answer.status != 200:
            raise UnfitError(f"http_{answer.status}")
        return bytes(answer.body)

    async def _client(self, origin: str) -> Any:
        """Give the client of one host that may be asked; the target's account is for the target's own."""
        if origin not in self._clients:
            own = origin == origin_of(str(self.said.settings.get("url", "")))
            if not own and origin not in {origin_of(str(one)) for one in self._named}:
                raise UnfitError("forbidden_host")
            self._clients[origin] = await self._open(origin, own=own)
        return self._clients[origin]

    @property
    def _named(self) -> tuple[Any, ...]:
        """The hosts that the installation names beside the target's own."""
        return (*self.said.contract_hosts, *([self.said.contract_url] if self.said.contract_url else []))

    async def _open(self, origin: str, *, own: bool) -> Any:
        transport = import_module("connectors._transport.http")
        known: Mapping[str, Any] = self.said.settings
        lent = {name: known[name] for name in (*(ACCOUNT if own else ()), *TRUST) if name in known}
        found = await self._addresses(URL(origin), self._networks if own else ())
        pinned = [str(ipaddress.ip_network(address)) for address in found]
        try:
            settings = transport.HttpSettings.model_validate({"url": origin, "allow": pinned, **lent})
            return transport.HttpClient(settings, MOST_BYTES)
        except (ValueError, OSError):  # what they say may hold a secret
            raise UnfitError("settings") from None

    async def _addresses(self, origin: URL, networks: tuple[Any, ...]) -> list[Address]:
        """Resolve a host, once; raises UnfitError when one of its addresses is none that it may have."""
        host = origin.host or ""
        try:
            async with asyncio.timeout(self.deadline.left):
                loop = asyncio.get_running_loop()
                told = await loop.getaddrinfo(host, origin.port, type=socket.SOCK_STREAM)
        except (OSError, TimeoutError):
            raise UnfitError("dns") from None
        found = [ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in told]
        if not (fit := fit_among(found, host, networks)):
            raise UnfitError("forbidden_address")
        return fit
