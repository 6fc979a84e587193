"""Reads, verifies and adds to the audit straight in the ledger, whether a hub runs on it or not."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row

from hub.anchor import Anchor, read_anchors
from hub.audit import Chain, Entry
from hub.audit_pages import Sought, every_line, newest
from hub.audit_verify import Verdict, verify
from hub.clock import system_clock
from hub.database import SNAPSHOT, open_database, prepare
from hub.keys import are_there_any
from hub.settings import Settings


def verify_audit(settings: Settings, anchors: Path | None = None) -> Verdict:
    """Walk the chain, and hold it to the anchors of a file; raises ConfigurationError or OSError."""
    said = _anchors(anchors) if anchors else ()  # before the snapshot: a hub at work casts one of a row after it
    with _snapshot(settings) as connection:
        return verify(connection, _chain(settings, connection), said)


def show_audit(settings: Settings, sought: Sought) -> Sequence[Row[Any]]:
    """List rows, the newest first; one more than asked for says that there are more."""
    with _snapshot(settings) as connection:
        return newest(connection, sought)


def export_audit(settings: Settings, since: int) -> Iterator[bytes]:
    """Give every row since a moment, as lines of JSON, in order."""
    with _snapshot(settings) as connection:
        yield from every_line(connection, since)


def add_to_audit(settings: Settings, connection: Connection, *entries: Entry) -> None:
    """Write down what somebody at this machine did, as the last thing their transaction does."""
    _chain(settings, connection).append(connection, entries)


def at_the_keyboard() -> str:
    """Name whoever works on this machine, as its system knows them."""
    try:
        return f"cli/{getpass.getuser()}"
    except (OSError, KeyError):  # a container's user may have no name
        return f"cli/{os.getuid()}"


def _anchors(file: Path) -> Sequence[Anchor]:
    with file.open(encoding="utf-8", errors="replace") as lines:
        return list(read_anchors(lines))


def _chain(settings: Settings, connection: Connection) -> Chain:
    """Give the chain of this installation; raises ConfigurationError where its secret is missing."""
    return Chain(settings.secret(is_new=not are_there_any(connection)), system_clock)


@contextmanager
def _snapshot(settings: Settings) -> Iterator[Connection]:
    database = open_database(settings.database)
    try:
        prepare(database)
        with database.connect().execution_options(**SNAPSHOT[database.dialect.name]) as connection:
            yield connection
    finally:
        database.dispose()
