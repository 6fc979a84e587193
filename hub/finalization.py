"""The statements about what people close by hand: proposed, agreed to, proved at its target, or taken up again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Row, Select, and_, bindparam, func, or_, select, text, update

from hub.acts_deliveries import require
from hub.book import Book
from hub.lifecycle import FINAL, Event, State
from hub.moves import audit, both_of, delivery_of, move, request_of, write_down
from hub.settlement import Settled, settle
from hub.standing import finalization_of, is_undone, name_of, operation_of, standing
from hub.statements import Prepared, listed, upsert
from hub.tables import DELIVERIES, REQUESTS
from hub.tables_operations import FINALIZATIONS, TO_PROVE, Proof
from hub.verbs import Verb, login_of
from hub.wishes import Finalize, Reopen, Second

NEVER: Final = 253_402_300_799_000
"""When a delivery is due that nobody may send while its closing is proposed: at the end of the year 9999."""

FINALIZATION_DENIED: Final = "finalization_denied"
"""The code of a delivery whose target does not have the reference under which somebody closed it."""

SAID_AGAIN: Final = "said_again"
"""The code of a finalization that stands although its target denied the one before: a person said so again."""

CANNOT_BE_ASKED: Final = "cannot_be_asked"
"""The code of a finalization whose target can be asked for references of this kind no more."""

HUB: Final = "hub"
"""Who settles a finalization in the audit, where no person does."""

PENDING_ONES: Final = f"finalization.{TO_PROVE}"

CLOSED: Final = FINALIZATIONS.join(DELIVERIES, DELIVERIES.c.id == FINALIZATIONS.c.delivery)
"""Every finalization, beside the delivery that it closed or proposed to."""

UNPROVED_ONES: Final = (
    select(FINALIZATIONS.c.state, func.count().label("closed"), func.min(FINALIZATIONS.c.created_at).label("oldest"))
    .select_from(CLOSED)
    .where(
        FINALIZATIONS.c.state.in_((Proof.PROPOSED, Proof.PENDING, Proof.DENIED)),
        or_(
            FINALIZATIONS.c.state == Proof.PENDING,
            and_(FINALIZATIONS.c.state == Proof.PROPOSED, DELIVERIES.c.state.not_in(FINAL)),
            and_(DELIVERIES.c.state == State.PARKED, DELIVERIES.c.code == FINALIZATION_DENIED),
        ),
    )
    .group_by(FINALIZATIONS.c.state)
)
"""Counts the finalizations that still ask something of somebody: what was denied does until the delivery moves on."""


def finalize(book: Book, connection: Connection, wanted: Finalize) -> int:
    """Close a delivery under its back office's reference; or propose it, and hold the delivery back meanwhile."""
    delivery, request = both_of(connection, wanted.delivery)
    require(Verb.FINALIZE, standing(book, connection, delivery, request))
    operation = operation_of(book, connection, delivery, request)
    proposed = operation is not None and operation.four_eyes
    code = SAID_AGAIN if _is_said_again(wanted, finalization_of(connection, delivery.id)) else ""
    said = {name: getattr(wanted, name) for name in ("reference", "reason", "comment", "actor")} | {"code": code}
    if proposed:
        _keep(book, connection, delivery.id, {**said, "state": Proof.PROPOSED})
        connection.execute(update(DELIVERIES).where(DELIVERIES.c.id == delivery.id).values(next_at=NEVER))
    else:
        _keep(book, connection, delivery.id, {**said, **_closed(book, connection, delivery, request, code)})
        move(book, connection, delivery, Event.FINALIZED, reference=wanted.reference)
    kind = "propose" if proposed else "finalize"
    note = f"{wanted.reference}: {wanted.reason}"
    write_down(book, connection, (delivery.request, delivery.id), kind=kind, actor=wanted.actor, note=note)
    return int(delivery.request)


def second(book: Book, connection: Connection, wanted: Second) -> int:
    """Close what another person proposed to close."""
    delivery, request = both_of(connection, wanted.delivery)
    require(Verb.SECOND, standing(book, connection, delivery, request), wanted.actor)
    mine = FINALIZATIONS.c.delivery == delivery.id
    proposed = connection.execute(select(FINALIZATIONS).where(mine)).one()
    values = {"seconded_by": wanted.actor, **_closed(book, connection, delivery, request, proposed.code)}
    connection.execute(update(FINALIZATIONS).where(mine).values(**values))
    move(book, connection, delivery, Event.FINALIZED, reference=proposed.reference)
    audit(book, connection, wanted, (delivery.request, delivery.id), proposed.reference)
    return int(delivery.request)


def reopen(book: Book, connection: Connection, wanted: Reopen) -> int:
    """Take up again what was closed, for a person to decide; a proposal is withdrawn, and the delivery goes on."""
    delivery, request = both_of(connection, wanted.delivery)
    require(Verb.REOPEN, standing(book, connection, delivery, request))
    if delivery.state == State.FINALIZED:
        move(book, connection, delivery, Event.REOPENED, reference="")
    else:
        connection.execute(update(DELIVERIES).where(DELIVERIES.c.id == delivery.id).values(next_at=book.now()))
    values = {"state": Proof.REOPENED, "settled_at": book.now()}
    connection.execute(update(FINALIZATIONS).where(FINALIZATIONS.c.delivery == delivery.id).values(**values))
    audit(book, connection, wanted, (delivery.request, delivery.id), wanted.reason)
    return int(delivery.request)


def _is_said_again(wanted: Finalize, last: Row[Any] | None) -> bool:
    """Say whether a person stands by what the target denied: in the same words, or after somebody else.

    Business done on paper has no reference that the target could know; nobody must be asked for one for ever.
    """
    if last is None or last.state != Proof.DENIED:
        return False
    same_person = login_of(wanted.actor) in {login_of(last.actor), login_of(last.seconded_by)}
    return wanted.reference == last.reference or not same_person


def _closed(book: Book, connection: Connection, delivery: Row[Any], request: Row[Any], code: str) -> dict[str, Any]:
    """Say what is to come of the proof of a delivery that is closed now."""
    name = name_of(book, connection, delivery, request)
    if code != SAID_AGAIN and book.can_find(delivery.target, name):
        return {"state": Proof.PENDING, "next_at": book.now()}
    return {"state": Proof.UNCONFIRMABLE, "settled_at": book.now()}


def _keep(book: Book, connection: Connection, delivery: int, values: dict[str, Any]) -> None:
    row = {**BLANK, "delivery": delivery, "created_at": book.now(), **values}
    statement = upsert(FINALIZATIONS)
    kept = {name: statement.excluded[name] for name in row if name != "delivery"}
    connection.execute(statement.on_conflict_do_update(index_elements=["delivery"], set_=kept), row)


BLANK: Final = {
    "comment": "",
    "seconded_by": "",
    "questions": 0,
    "code": "",
    "next_at": 0,
    "settled_at": None,
}
"""What a finalization says that nobody has asked about."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Who wants how many finalizations of a target to ask about, and for how long (milliseconds)."""

    target: str
    limit: int
    within: int


class Question(NamedTuple):
    """A finalization in hand: the reference to ask for, as what, how often that was done, and until when it is ours."""

    delivery: int
    operation: str
    reference: str
    questions: int
    code: str
    until: int


class Finding(NamedTuple):
    """What became of a question: the finalization's state, why, when it is asked again, and an error's stage."""

    question: Question
    state: Proof
    code: str = ""
    next_at: int = 0
    stage: str = ""


def to_prove(connection: Connection, now: int) -> list[str]:
    """List the targets that are to be asked for a reference now."""
    due = select(DELIVERIES.c.target).select_from(CLOSED).where(text(PENDING_ONES), FINALIZATIONS.c.next_at <= now)
    return list(connection.scalars(due.distinct()))


def left_behind(connection: Connection, finders: Collection[str], before: int) -> list[Finding]:
    """Give up what was closed before an instant at targets that none of these is, for nobody is left to ask."""
    columns = FINALIZATIONS.c
    nobodys = DELIVERIES.c.target.not_in(finders), columns.created_at <= before, columns.next_at <= before
    rows = select(columns.delivery, columns.next_at).select_from(CLOSED).where(text(PENDING_ONES), *nobodys)
    return [
        Finding(Question(row.delivery, "", "", 0, "", row.next_at), Proof.UNCONFIRMABLE, CANNOT_BE_ASKED)
        for row in connection.execute(rows.order_by(columns.delivery).limit(AT_ONCE))
    ]


AT_ONCE: Final = 100
"""How many are given up in one go."""


def _due() -> Select[Any]:
    return (
        select(FINALIZATIONS.c.delivery)
        .select_from(CLOSED)
        .where(
            text(PENDING_ONES),
            FINALIZATIONS.c.next_at <= bindparam("b_now"),
            DELIVERIES.c.target == bindparam("b_target"),
        )
        .order_by(FINALIZATIONS.c.next_at, FINALIZATIONS.c.delivery)
        .limit(bindparam("b_limit"))
        .with_for_update(skip_locked=True, of=FINALIZATIONS)
    )


DUE: Final = _due().cte("due")
TAKE: Final = Prepared(
    update(FINALIZATIONS)
    .where(FINALIZATIONS.c.delivery.in_(select(DUE.c.delivery)))
    .values(next_at=bindparam("b_until"), questions=FINALIZATIONS.c.questions + 1)
    .returning(*(FINALIZATIONS.c[name] for name in ("delivery", "reference", "questions", "code", "next_at")))
)
"""One statement, so that of several processes one asks; should it die, another does when its time is up."""

OF_THESE: Final = Prepared(
    select(*(DELIVERIES.c[name] for name in ("id", "request", "mapping")), REQUESTS.c.version)
    .select_from(DELIVERIES.join(REQUESTS, REQUESTS.c.number == DELIVERIES.c.request))
    .where(listed(DELIVERIES.c.id))
)


def claim(book: Book, connection: Connection, askings: Sequence[Asking]) -> list[list[Question]]:
    """Take finalizations in hand whose references are to be asked for."""
    return [_claim(book, connection, asking) for asking in askings]


def _claim(book: Book, connection: Connection, asking: Asking) -> list[Question]:
    now = book.now()
    values = {"b_now": now, "b_target": asking.target, "b_limit": asking.limit, "b_until": now + asking.within}
    taken = TAKE.rows(connection, values)
    about = {row.id: row for row in OF_THESE.among(connection, [row.delivery for row in taken])} if taken else {}
    return [
        Question(
            row.delivery,
            name_of(book, connection, about[row.delivery], about[row.delivery]),
            row.reference,
            row.questions,
            row.code,
            row.next_at,
        )
        for row in taken
    ]


def record(book: Book, connection: Connection, findings: Sequence[Finding]) -> list[Settled]:
    """Write down what targets said of references; what was reopened or closed anew meanwhile is left alone."""
    return [_record(book, connection, finding) for finding in findings]


def _record(book: Book, connection: Connection, finding: Finding) -> Settled:
    delivery = delivery_of(connection, finding.question.delivery)
    known = finalization_of(connection, delivery.id)
    if known is None or known.state != Proof.PENDING or known.next_at != finding.question.until:
        return Settled()
    settled_at = None if finding.state is Proof.PENDING else book.now()
    values = {"state": finding.state, "code": finding.code, "next_at": finding.next_at, "settled_at": settled_at}
    connection.execute(update(FINALIZATIONS).where(FINALIZATIONS.c.delivery == delivery.id).values(**values))
    if finding.state is Proof.PENDING:
        return Settled()
    about = delivery.request, delivery.id
    write_down(book, connection, about, kind=finding.state, actor=HUB, note=f"{known.reference} {finding.code}".strip())
    if finding.state is Proof.DENIED:
        _raise_again(book, connection, delivery, finding.stage)
    return settle(connection, book, [delivery.request])


def _raise_again(book: Book, connection: Connection, delivery: Row[Any], stage: str) -> None:
    """Park a delivery whose target denies the reference, unless its request was cancelled or it was taken back."""
    if is_undone(connection, delivery, request_of(connection, delivery.request)):
        return
    values = {"reference": "", "code": FINALIZATION_DENIED, "stage": stage}
    move(book, connection, delivery, Event.REOPENED, **values)
    note = {"kind": "reopen", "actor": HUB, "note": FINALIZATION_DENIED}
    write_down(book, connection, (delivery.request, delivery.id), **note)
