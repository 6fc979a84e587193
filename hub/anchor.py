"""The audit's anchor: the number and hash of its last row, said to a place that who alters the ledger does not reach.

A file is only ever appended to; a syslog server is told in RFC 5424's words, over UDP or counted over TCP (RFC 6587).
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import orjson

from hub.errors import ConfigurationError

PATIENCE: Final = 5.0
"""Seconds that a syslog server may take."""

NOTICE_OF_SECURITY: Final = 13 * 8 + 5
"""Facility « log audit », severity « notice »."""

LINE: Final = re.compile(r'\{"n":(\d{1,18}),"hash":"([0-9a-f]{64})","at":"[0-9TZ:.-]+"\}')
"""What was said, whatever a syslog server wrote before it."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """One row's number and hash."""

    n: int
    hash: str


def cast(place: str, anchor: Anchor, at: datetime) -> None:
    """Say an anchor to a file or a syslog server; raises OSError."""
    moment = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    line = orjson.dumps({"n": anchor.n, "hash": anchor.hash, "at": moment})
    if "://" in place:
        _tell(place, line, moment)
    else:
        _append(Path(place), line + b"\n")


def read_anchors(lines: Iterable[str]) -> Iterator[Anchor]:
    """Read the anchors among the lines of a file, ours or a syslog server's; raises ConfigurationError for none."""
    found = False
    for line in lines:
        if said := LINE.search(line):
            found = True
            yield Anchor(int(said[1]), said[2])
    if not found:
        raise ConfigurationError("the anchors", 'lines that hold {"n":…,"hash":…,"at":…}: there is none')


def _append(file: Path, line: bytes) -> None:
    """Write a line down at the end, in one call, and wait for the disk."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    try:
        os.write(descriptor, line)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _tell(place: str, line: bytes, moment: str) -> None:
    where = urlsplit(place)
    words = f"<{NOTICE_OF_SECURITY}>1 {moment} {socket.gethostname()} hub {os.getpid()} audit - ".encode() + line
    address = where.hostname or "", where.port or 0
    if where.scheme == "syslog+tcp":
        with socket.create_connection(address, PATIENCE) as connection:
            connection.sendall(b"%d %b" % (len(words), words))
        return
    [(family, kind, protocol, _, known), *_] = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)
    with socket.socket(family, kind, protocol) as unconnected:
        unconnected.settimeout(PATIENCE)
        unconnected.sendto(words, known)
