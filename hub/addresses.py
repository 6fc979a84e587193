"""Which addresses a target may have: what its installation allows, or what its name may honestly lead to."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

PLAIN: Final = 0
TURNED: Final = 0xFFFFFFFF

CARRIERS: Final[tuple[tuple[IPv6Network, int, int], ...]] = (
    (IPv6Network("::ffff:0:0/96"), 0, PLAIN),
    (IPv6Network("::ffff:0:0:0/96"), 0, PLAIN),
    (IPv6Network("64:ff9b::/96"), 0, PLAIN),
    (IPv6Network("64:ff9b:1::/48"), 0, PLAIN),
    (IPv6Network("2002::/16"), 80, PLAIN),
    (IPv6Network("2001::/32"), 64, PLAIN),
    (IPv6Network("2001::/32"), 0, TURNED),
    (IPv6Network("::/96"), 0, PLAIN),
)
"""Networks whose addresses carry one of IPv4 (RFC 4291, 2765, 6052, 8215, 3056, 4380), how many bits stand after it,
and whether its own bits are turned over: those of Teredo carry two, a server's and a client's."""

METADATA: Final = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200")))
"""Where the machines of some clouds are told their secrets, beside the address of the link that most clouds use."""

SELF: Final = frozenset({"::", "::1"})
"""Addresses that lie in the last of CARRIERS and carry nothing."""


def carried(address: Address) -> tuple[Address, ...]:
    """Give the IPv4 addresses that one of IPv6 leads to, or the address itself."""
    if isinstance(address, IPv4Address) or str(address) in SELF:
        return (address,)
    carriers = [(behind, turn) for network, behind, turn in CARRIERS if address in network]
    return tuple(IPv4Address(int(address) >> behind & 0xFFFFFFFF ^ turn) for behind, turn in carriers) or (address,)


def is_fit(address: Address, host: str, networks: tuple[Network, ...]) -> bool:
    """Say whether a host may have this address.

    That is for `allow` to say. Without it, any that leads to a host: none of this link, of a group or of a cloud's own
    service; of this machine only where the host is written as that very address, or is called localhost.
    """
    if networks:
        return any(address in network for network in networks)
    return all(_is_honest(plain, host) for plain in carried(address))


def fit_among(addresses: Iterable[Address], host: str, networks: tuple[Network, ...]) -> list[Address]:
    """Give those of a host's addresses to go to: all, or none when one of them is none that it may have.

    Addresses of the link (fe80::) are only left out: machines of one's own network are told of beside them.
    """
    fit = {address: is_fit(address, host, networks) for address in addresses}
    kept = [address for address in fit if fit[address] or not (address.version == 6 and address.is_link_local)]
    return kept if all(fit[address] for address in kept) else []


def _is_honest(plain: Address, host: str) -> bool:
    if plain.is_link_local or plain.is_multicast or plain.is_unspecified or plain in METADATA:
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
