"""What people do to deliveries: have them asked about, sent again, sent elsewhere, or rejected."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection, Row

from hub.book import Book
from hub.judgement import NOT_TAKEN
from hub.lifecycle import Event, State
from hub.model import Effect
from hub.moves import audit, both_of, deliveries_of, move
from hub.repinning import Repinning, foresee, repin
from hub.revisions import revise
from hub.routing import PENDING, REFUSED, REJECTED
from hub.standing import standing
from hub.verbs import Standing, Verb, Why, why_not
from hub.wishes import Reject, Reroute, Retry, Verify, refusal

AFRESH: Final = {"attempts": 0, "questions": 0, "absences": 0, "claims": 0}
"""What was counted of a delivery, before it is tried anew."""


def verify(book: Book, connection: Connection, wanted: Verify) -> int:
    """Have the target asked, and nothing sent."""
    delivery, request = both_of(connection, wanted.delivery)
    require(Verb.VERIFY, standing(book, connection, delivery, request))
    if_absent = delivery.code if delivery.state == State.PARKED and not delivery.ever_uncertain else NOT_TAKEN
    values = {"if_absent": if_absent or NOT_TAKEN, "absences": 0, "questions": 0, "claims": 0}
    move(book, connection, delivery, Event.VERIFIED, **values)
    audit(book, connection, wanted, (delivery.request, delivery.id))
    return int(delivery.request)


def retry(book: Book, connection: Connection, wanted: Retry) -> int:
    """Send again what harms nobody; ask first about what the target may have, unless a person knows better."""
    delivery, request = both_of(connection, wanted.delivery)
    stands = _as_said(wanted, standing(book, connection, delivery, request))
    require(Verb.RETRY if wanted.data is None else Verb.CORRECT, stands)
    if wanted.data is not None:
        revise(book, connection, request, wanted, retried=delivery.id)
    if wanted.current:
        delivery, request = _take_current(book, connection, wanted, stands)
        stands = _as_said(wanted, standing(book, connection, delivery, request))
        require(Verb.RETRY, stands)
    if stands.ever_uncertain and stands.effect is Effect.LOOKUP:
        values: dict[str, Any] = {"if_absent": "", "questions": 0, "absences": 0, "claims": 0}
        move(book, connection, delivery, Event.VERIFIED, **values)
    else:
        since = delivery.created_at if delivery.code == PENDING else book.now()
        values = {"attempts": 0, "questions": 0, "claims": 0, "created_at": since}
        move(book, connection, delivery, Event.RETRIED, ever_uncertain=stands.ever_uncertain, **values)
    audit(book, connection, wanted, (delivery.request, delivery.id), _said(wanted, request))
    return int(delivery.request)


def reroute(book: Book, connection: Connection, wanted: Reroute) -> int:
    """Send a delivery to another target, which it stays with."""
    delivery, request = both_of(connection, wanted.delivery)
    stands = standing(book, connection, delivery, request)
    require(Verb.REROUTE, stands)
    if wanted.target not in stands.candidates:
        raise refusal(Why.NO_OTHER_TARGET)
    values = {"target": wanted.target, "ever_uncertain": False, "created_at": book.now(), **AFRESH}
    move(book, connection, delivery, Event.RETRIED, **values)
    audit(book, connection, wanted, (delivery.request, delivery.id), f"{delivery.target} → {wanted.target}")
    return int(delivery.request)


def reject(book: Book, connection: Connection, wanted: Reject) -> int:
    """End a delivery; its route then refuses the request, and takes back what can be."""
    delivery, request = both_of(connection, wanted.delivery)
    require(Verb.REJECT, standing(book, connection, delivery, request))
    move(book, connection, delivery, Event.CANCELLED, code=REJECTED, stage=REFUSED)
    audit(book, connection, wanted, (delivery.request, delivery.id), wanted.reason)
    return int(delivery.request)


def require(verb: Verb, stands: Standing, actor: str = "") -> None:
    """Let pass a verb that is for a delivery now; raises NotNowError, or UnsureError."""
    why = why_not(verb, stands, actor)
    if why is not None:
        raise refusal(why)


def _as_said(wanted: Retry, stands: Standing) -> Standing:
    return stands.said_sure() if wanted.sure else stands


def _take_current(book: Book, connection: Connection, wanted: Retry, stands: Standing) -> tuple[Row[Any], Row[Any]]:
    """Give the request the current version of its kind; raises NotNowError when it cannot have it."""
    _, request = both_of(connection, wanted.delivery)
    deliveries_of(connection, request.number)  # nobody claims one while the version changes
    foreseen = foresee(book, connection, request, wanted.delivery)
    require(Verb.RETRY_CURRENT, replace(stands, obstacle=foreseen if isinstance(foreseen, Why) else None))
    if isinstance(foreseen, Repinning):
        repin(connection, request, foreseen)
    return both_of(connection, wanted.delivery)


def _said(wanted: Retry, request: Row[Any]) -> str:
    said = {
        "sure that it was not taken": wanted.sure,
        "data corrected": wanted.data is not None,
        f"by the version {request.version}": wanted.current,
    }
    return ", ".join(words for words, holds in said.items() if holds)
