"""Which addresses a target may have: what its installation allows, or what its name may honestly lead to."""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

CARRIERS: Final[tuple[tuple[IPv6Network, int], ...]] = (
    (IPv6Network("::ffff:0:0/96"), 0),
    (IPv6Network("64:ff9b::/96"), 0),
    (IPv6Network("64:ff9b:1::/48"), 0),
    (IPv6Network("2002::/16"), 80),
    (IPv6Network("::/96"), 0),
)
"""Networks whose addresses carry one of IPv4 (RFC 4291, 6052, 8215, 3056), and how many bits stand after it."""

METADATA: Final = IPv6Address("fd00:ec2::254")
"""Where a cloud's machines are told their secrets, beside the address of the link that all clouds use."""

SELF: Final = frozenset({"::", "::1"})
"""Addresses that lie in the last of CARRIERS and carry nothing."""


def carried(address: Address) -> Address:
    """Give the IPv4 address that one of IPv6 leads to, or the address itself."""
    if isinstance(address, IPv4Address) or str(address) in SELF:
        return address
    for network, behind in CARRIERS:
        if address in network:
            return IPv4Address((int(address) >> behind) & 0xFFFFFFFF)
    return address


def is_fit(address: Address, host: str, networks: tuple[Network, ...]) -> bool:
    """Say whether a host may have this address.

    That is for `allow` to say. Without it, any that leads to a host: none of this link, of a group or of a cloud's own
    service; of this machine only where the host is written as that very address, or is called localhost.
    """
    if networks:
        return any(address in network for network in networks)
    plain = carried(address)
    if plain.is_link_local or plain.is_multicast or plain.is_unspecified or plain == METADATA:
        return False
    if isinstance(plain, IPv4Address) and (plain.is_reserved or plain in IPv4Network("0.0.0.0/8")):
        return False
    return not plain.is_loopback or host in {str(plain), "localhost"}


def is_address(host: str) -> bool:
    """Tell an IP address from a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_disguised(written: str, host: str) -> bool:
    """Say whether people, reading what is written, see another host than the one machines reach.

    An address has one writing, the shortest; a name is not percent-encoded; nothing stands before it but the scheme.
    """
    if "\\" in written or not written.isprintable() or " " in written:
        return True
    authority = written.partition("://")[2] or written
    for end in "/?#":
        authority = authority.partition(end)[0]
    shown = authority.rpartition("@")[2]
    shown = shown.partition("]")[0].lstrip("[") if shown.startswith("[") else shown.partition(":")[0]
    return "%" in shown or (is_address(host) and shown.lower() != host)
