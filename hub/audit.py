"""The audit: who did, saw or was refused what, in rows each of which is bound to the one before by a keyed hash.

A row is written in the transaction of what it tells, or that is not done. It holds logins, numbers and codes; what a
person typed, and what a request contains, are there as digests alone, so that erasing them leaves the chain whole.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

import orjson
from sqlalchemy import Connection, bindparam, delete, select, update

from hub.clock import Clock
from hub.errors import ConfigurationError
from hub.statements import Prepared, insertion
from hub.tables_audit import AUDIT, AUDIT_HEAD

GENESIS: Final = "0" * 64
"""What the first row is bound to."""

LONGEST: Final[Mapping[str, int]] = MappingProxyType({"actor": 80, "action": 80, "about": 120})
"""Characters that are kept of each."""


class HeadlessError(ConfigurationError):
    """The audit's head row is gone, and nothing can follow what nobody knows the end of."""

    def __init__(self) -> None:
        super().__init__(
            "the audit",
            "the row that says where it ends, and somebody took it away: run `hub audit verify`, "
            "keep a copy of this ledger for whoever looks into it, and restore a backup",
        )


class Outcome(StrEnum):
    """What came of it: something was shown or opened, refused, or done."""

    ALLOW = "allow"
    DENY = "deny"
    DONE = "done"


class Unsaid:
    """A value of which the audit holds a digest alone: a person typed it, or a request contains it."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to be written: who, what, about which thing (its number or name), with which outcome."""

    actor: str
    action: str
    about: str = ""
    outcome: Outcome = Outcome.DONE
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Head:
    """Where the rows that are kept begin and end: the last, and the last of those let go."""

    n: int = 0
    hash: str = GENESIS
    base_n: int = 0
    base_hash: str = GENESIS
    mark: str = ""
    """Proves that the hub wrote this."""


@dataclass(frozen=True, slots=True)
class Prune:
    """A wish to let go of every row up to one, whose hash is named as a proof of having read it."""

    n: int
    hash: str


Telling = Callable[[Connection, Any, Any], Iterable[Entry]]
"""What an operation's item and its outcome are in the audit, seen from within its transaction."""

Operation = Callable[[Connection, Sequence[Any]], Sequence[Any]]

HEAD: Final = select(*(AUDIT_HEAD.c[name] for name in ("n", "hash", "base_n", "base_hash", "mark")))
TAKE_HEAD: Final = Prepared(HEAD.with_for_update())
ADD: Final = Prepared(insertion(AUDIT))
MOVE_HEAD: Final = Prepared(
    update(AUDIT_HEAD)
    .where(AUDIT_HEAD.c.id == bindparam("b_id"))
    .values({name: bindparam(f"b_{name}") for name in ("n", "hash", "base_n", "base_hash", "mark")})
)


class Chain:
    """Binds rows to each other under a key of the installation's secret."""

    def __init__(self, secret: bytes, now: Clock) -> None:
        self._key = hmac.digest(secret, b"the audit's chain", "sha256")
        self._digests = hmac.digest(secret, b"the audit's digests", "sha256")
        self._now = now

    def append(self, connection: Connection, entries: Sequence[Entry]) -> None:
        """Write entries after the last row, as the last thing that a transaction does; raises HeadlessError.

        Whoever appends holds the head until their commit: a transaction that then wanted more could wait for one
        that waits for the head.
        """
        if not entries:
            return
        head = _take_head(connection)
        at, last, rows = self._now(), head.hash, []
        for n, entry in enumerate(entries, head.n + 1):
            row = self._row(n, at, entry)
            last = row["hash"] = self.bind(last, row)
            rows.append(row)
        ADD.run(connection, rows)
        self._move(connection, Head(rows[-1]["n"], last, head.base_n, head.base_hash))

    def beside(self, operation: Operation, telling: Telling) -> Operation:
        """Make an operation that also writes what `telling` makes of each item and its outcome."""

        def told(connection: Connection, items: Sequence[Any]) -> Sequence[Any]:
            outcomes = operation(connection, items)
            pairs = zip(items, outcomes, strict=True)
            self.append(connection, [entry for item, came in pairs for entry in telling(connection, item, came)])
            return outcomes

        return told

    def prune(self, connection: Connection, wanted: Prune) -> bool:
        """Let go of the rows up to one, and say so in a row; False when others did; raises HeadlessError."""
        head = _take_head(connection)
        kept = connection.scalar(select(AUDIT.c.hash).where(AUDIT.c.n == wanted.n))
        if wanted.n <= head.base_n or kept != wanted.hash:
            return False
        connection.execute(delete(AUDIT).where(AUDIT.c.n <= wanted.n))
        self._move(connection, Head(head.n, head.hash, wanted.n, wanted.hash))
        said = {"rows": wanted.n - head.base_n, "hash": wanted.hash}
        self.append(connection, [Entry("hub", "audit.pruned", f"row {wanted.n}", detail=said)])
        return True

    def bind(self, before: str, row: Mapping[str, Any]) -> str:
        """Give the hash of a row that follows one whose hash is `before`."""
        names = ("n", "at", "actor", "action", "object", "outcome", "detail")
        return hmac.digest(self._key, before.encode() + orjson.dumps([row[name] for name in names]), "sha256").hex()

    def mark(self, head: Head) -> str:
        """Give what proves a head to be the hub's."""
        said = orjson.dumps([head.n, head.hash, head.base_n, head.base_hash])
        return hmac.digest(self._key, b"head" + said, "sha256").hex()

    def is_ours(self, head: Head) -> bool:
        """Say whether the hub wrote this head; that of an audit without a row is the migration's."""
        return hmac.compare_digest(head.mark, self.mark(head)) or head == Head()

    def digest(self, value: Any) -> str:
        """Stand for a value that is not to be read here, so that whoever has it can prove that it is the same."""
        return hmac.digest(self._digests, orjson.dumps(value, option=orjson.OPT_SORT_KEYS), "sha256").hex()

    def _row(self, n: int, at: int, entry: Entry) -> dict[str, Any]:
        said = {name: clean(getattr(entry, name))[:most] for name, most in LONGEST.items()}
        detail = orjson.dumps(entry.detail, default=self._stand_in, option=orjson.OPT_SORT_KEYS).decode()
        written = {"object": said.pop("about"), "outcome": str(entry.outcome), "detail": detail}
        return {"n": n, "at": at, **said, **written}

    def _stand_in(self, value: Any) -> Any:
        if isinstance(value, Unsaid):
            return self.digest(value.value)
        if isinstance(value, Mapping):
            return dict(value)
        raise TypeError(type(value).__name__)

    def _move(self, connection: Connection, head: Head) -> None:
        moved = {"n": head.n, "hash": head.hash, "base_n": head.base_n, "base_hash": head.base_hash}
        values = {f"b_{name}": value for name, value in moved.items()}
        MOVE_HEAD.run(connection, [{"b_id": 1, "b_mark": self.mark(head), **values}])


def clean(text: str) -> str:
    """Keep what any database and any terminal takes."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def head_of(connection: Connection) -> Head | None:
    """Read where the audit begins and ends; None when somebody took that away."""
    row = connection.execute(HEAD).first()
    return None if row is None else Head(*row)


def _take_head(connection: Connection) -> Head:
    """Read where the audit ends and hold it until the commit."""
    rows = TAKE_HEAD.rows(connection, {})
    if not rows:
        raise HeadlessError
    return Head(*rows[0])


def tell(_connection: Connection, entries: Sequence[Entry]) -> list[None]:
    """Do nothing: an entry that stands for itself is written by whoever writes beside this."""
    return [None] * len(entries)
