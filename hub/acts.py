"""What people do to requests and deliveries: one statement of will, one transaction, one line in the audit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection

from hub import acts_deliveries, acts_requests, finalization
from hub.book import Book
from hub.errors import ConflictError, IllegalTransitionError
from hub.moves import audit
from hub.settlement import ROOM, Settled, settle
from hub.wishes import (
    Act,
    Assign,
    Cancel,
    Correct,
    Decide,
    Finalize,
    MissingError,
    Note,
    NotNowError,
    OfDelivery,
    Reject,
    Reopen,
    Reroute,
    Retry,
    Second,
    UnsureError,
    Verify,
)

__all__ = [
    "Act",
    "Assign",
    "Cancel",
    "Correct",
    "Decide",
    "Done",
    "Finalize",
    "MissingError",
    "NotNowError",
    "Note",
    "Reject",
    "Reopen",
    "Reroute",
    "Retry",
    "Second",
    "UnsureError",
    "Verify",
    "act",
]


@dataclass(frozen=True, slots=True)
class Done:
    """What an act led to: the request, if it was about one, and what settling changed."""

    number: int | None
    settled: Settled = field(default_factory=Settled)


def act(book: Book, connection: Connection, acts: Sequence[Act]) -> list[Done | ConflictError]:
    """Carry out what people asked; each act stands or falls alone, and what several changed is settled together."""
    return [outcome for alike in _together(acts) for outcome in _several(book, connection, alike)]


def _together(acts: Sequence[Act]) -> list[list[Act]]:
    """Part acts into runs of one actor, none of which is about a request twice: the second must see it settled."""
    runs: list[list[Act]] = []
    for wanted in acts:
        last = runs[-1] if runs else []
        alike = last and last[0].actor == wanted.actor and _about(wanted)[0] not in {_about(one)[0] for one in last}
        if alike:
            last.append(wanted)
        else:
            runs.append([wanted])
    return runs


def _several(book: Book, connection: Connection, acts: Sequence[Act]) -> list[Done | ConflictError]:
    """Carry out a run of acts; the first to have changed something tells what settling brought."""
    outcomes = [_one(book, connection, wanted) for wanted in acts]
    numbers = [number for number in outcomes if isinstance(number, int)]
    settled = settle(connection, book, numbers, acts[0].actor) if numbers else Settled()
    told = numbers[0] if numbers else None
    return [
        one if isinstance(one, ConflictError) else Done(one, settled if one == told else Settled()) for one in outcomes
    ]


def _one(book: Book, connection: Connection, wanted: Act) -> int | ConflictError | None:
    """Carry out one act, and give the request it was about, if any."""
    try:
        with connection.begin_nested():
            return DO[type(wanted)](book, connection, wanted)
    except MissingError as error:
        return error
    except (ConflictError, IllegalTransitionError) as error:
        audit(book, connection, wanted, _about(wanted), f"refused: {error}")
        return error if isinstance(error, ConflictError) else ConflictError(str(error))


def _about(wanted: Act) -> tuple[int | None, int | None]:
    """Name the request, and the delivery if it is about one."""
    if isinstance(wanted, OfDelivery):
        return wanted.delivery // ROOM, wanted.delivery
    return (None, None) if isinstance(wanted, Note) else (wanted.number, None)


DO: Final[Mapping[type[Act], Callable[[Book, Connection, Any], int | None]]] = MappingProxyType(
    {
        Decide: acts_requests.decide,
        Cancel: acts_requests.cancel,
        Correct: acts_requests.correct,
        Assign: acts_requests.assign,
        Note: acts_requests.note,
        Retry: acts_deliveries.retry,
        Verify: acts_deliveries.verify,
        Reject: acts_deliveries.reject,
        Reroute: acts_deliveries.reroute,
        Finalize: finalization.finalize,
        Second: finalization.second,
        Reopen: finalization.reopen,
    }
)
