"""Acts on what a person saw: nothing is done to a delivery that moved on since their page was shown."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection

from hub.acts import Done, act
from hub.book import Book
from hub.errors import ConflictError
from hub.lifecycle import State
from hub.moves import both_of
from hub.standing import finalization_of
from hub.wishes import MissingError, OfDelivery

IN_DOUBT: Final = frozenset({State.UNCERTAIN, State.ASKING})
"""States between which a delivery goes by itself while its target is asked: that is no news to anybody."""

SEEN: Final = ("code", "target", "mapping", "reference", "attempts", "ever_uncertain")
CLOSED: Final = ("state", "reference", "reason", "actor", "created_at")


class MovedError(ConflictError):
    """The delivery, or what its request says, is no longer what whoever asks has before them."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a person asks, and the stamp of what they had before them."""

    book: Book
    wanted: OfDelivery
    stamp: str


def stamp(delivery: Any, request: Any, closing: Any, now: int) -> str:
    """Sum up what a person sees of a delivery now: the moment, and the rest as a digest."""
    in_doubt = State(delivery.state) in IN_DOUBT
    since = 0 if in_doubt else delivery.updated_at
    seen = [getattr(delivery, name) for name in SEEN]
    closed = [getattr(closing, name) for name in CLOSED] if closing is not None else []
    said = [State.UNCERTAIN if in_doubt else delivery.state, since, seen, closed, request.version, request.body]
    digest = hashlib.blake2b(repr([*map(str, said), bool(request.cancelled)]).encode(), digest_size=12)
    return f"{now}-{digest.hexdigest()}"


def same(one: str, other: str) -> bool:
    """Say whether two stamps stand for the same; when they were made does not matter."""
    return one.partition("-")[2] == other.partition("-")[2] != ""


def act_on_seen(connection: Connection, asked: Sequence[Seen]) -> list[Done | ConflictError]:
    """Carry out what people asked of what they saw; each stands or falls alone."""
    return [_one(connection, one) for one in asked]


def _one(connection: Connection, asked: Seen) -> Done | ConflictError:
    try:
        delivery, request = both_of(connection, asked.wanted.delivery)
    except MissingError as error:
        return error
    if not same(stamp(delivery, request, finalization_of(connection, delivery.id), 0), asked.stamp):
        return MovedError("it moved on since it was seen")
    [done] = act(asked.book, connection, [asked.wanted])
    return done
