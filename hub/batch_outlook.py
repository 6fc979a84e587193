"""What a plan foresees for each row: surely done, asked about first, written otherwise, or impossible and why."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import orjson
from sqlalchemy import Connection, select

from hub.batch import Change, Obstacle, ReasonError, StepsDifferError, Verb, holders, standing
from hub.batch_selection import JOINED
from hub.book import Book
from hub.catalogue import Definition
from hub.claims import Claim, seen
from hub.errors import MappingError
from hub.lifecycle import State
from hub.mapping import CompiledMapping
from hub.model import FINAL_STATUSES, Effect
from hub.parcel import bindings_of
from hub.problems import Problem
from hub.rehearsal import hold, rehearse
from hub.routing import CALLBACK, TIMER, Await, Carried, Deliver, Notify, Route
from hub.settlement import ROOM
from hub.standing import CLOSINGS, operation_of, step_of
from hub.statements import Prepared, listed
from hub.tables import DELIVERIES, REQUESTS, TARGETS
from hub.tables_operations import Outlook, Proof
from hub.trials.difference import differences
from hub.verbs import Standing, Why, why_not
from hub.verbs import Verb as DeliveryVerb

SHOWN: Final = 3
"""Elements that a row's note names."""

OF_DELIVERY: Final = ("id", "request", "step", "item", "target", "mapping", "state", "code", "ever_uncertain")
OF_REQUEST: Final = ("number", "kind", "version", "status", "awaiting", "cancelled", "due_at", "ended_at")
ROWS: Final = Prepared(
    select(*(DELIVERIES.c[name] for name in OF_DELIVERY), *(REQUESTS.c[name] for name in OF_REQUEST))
    .select_from(JOINED)
    .where(listed(DELIVERIES.c.id))
    .order_by(DELIVERIES.c.id)
)
REQUESTED: Final = Prepared(
    select(*(REQUESTS.c[name] for name in OF_REQUEST)).where(listed(REQUESTS.c.number)).order_by(REQUESTS.c.number)
)
PARTS: Final = Prepared(
    select(*(DELIVERIES.c[name] for name in ("request", "step", "state", "ever_uncertain"))).where(
        listed(DELIVERIES.c.request)
    )
)
CLAIMED: Final = Prepared(
    select(*(DELIVERIES.c[name] for name in Claim._fields if name in DELIVERIES.c))
    .where(listed(DELIVERIES.c.id))
    .order_by(DELIVERIES.c.id)
)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One row of a plan: what is foreseen and why, where it stands, where it goes, and the law's time."""

    subject: int
    outlook: Outlook
    note: str = ""
    stood: str = ""
    target: str = ""
    due_at: int | None = None


@dataclass(frozen=True)
class Sight:
    """What was read of the subjects: enough to foresee each without the ledger."""

    rows: Mapping[int, Any]
    judged: Mapping[int, tuple[Outlook, str]]
    stands: Mapping[int, str]
    claims: Sequence[Claim] = ()
    """Deliveries to be written by both versions of their kinds."""


def look(book: Book, connection: Connection, change: Change, subjects: Collection[int]) -> Sight:
    """Read the subjects and judge each; raises StepsDifferError or ReasonError."""
    of_deliveries = change.is_of_deliveries
    found = (ROWS if of_deliveries else REQUESTED).among(
        connection, subjects if of_deliveries else [subject // ROOM for subject in subjects]
    )
    rows = {row.id if of_deliveries else row.number * ROOM: row for row in found}
    hindered = _hindered(connection, change, rows)
    judged = {**JUDGES[change.verb](book, connection, change, rows), **hindered}
    compared = [one for one, (outlook, _) in judged.items() if outlook is not Outlook.IMPOSSIBLE]
    again = change.verb is Verb.RETRY_CURRENT and compared
    claims = seen(book, connection, CLAIMED.among(connection, compared)) if again else []
    return Sight(rows, judged, standing(connection, book, change, rows), claims)


def foresee(book: Book, sight: Sight) -> list[Foreseen]:
    """Say what will become of each row; messages are written by both versions where they may differ."""
    judged = dict(sight.judged) | {one.id: _compare(book, one, sight.rows[one.id].kind) for one in sight.claims}
    return [
        Foreseen(
            subject,
            *judged[subject],
            sight.stands.get(subject, ""),
            getattr(row, "target", ""),
            None if row.ended_at else row.due_at,
        )
        for subject, row in sight.rows.items()
    ]


Judged = dict[int, tuple[Outlook, str]]
SURE: Final = (Outlook.SURE, "")


def _hindered(connection: Connection, change: Change, rows: Mapping[int, Any]) -> Judged:
    """Find what another batch holds, and what only a target could do that is paused."""
    hindered: Judged = {}
    if change.is_awaited:
        paused = set(connection.scalars(select(TARGETS.c.name).where(TARGETS.c.paused)))
        hindered = {
            one: (Outlook.IMPOSSIBLE, str(Obstacle.PAUSED)) for one, row in rows.items() if row.target in paused
        }
    taken = holders(connection, rows)
    return hindered | {one: (Outlook.IMPOSSIBLE, Obstacle.TAKEN.of(batch)) for one, batch in taken.items()}


def _of_deliveries(book: Book, connection: Connection, change: Change, rows: Mapping[int, Any]) -> Judged:
    proofs = {row.delivery: Proof(row.state) for row in CLOSINGS.among(connection, rows)} if rows else {}
    return {one: _of_delivery(book, connection, change, row, proofs.get(one)) for one, row in rows.items()}


def _of_delivery(
    book: Book, connection: Connection, change: Change, row: Any, proof: Proof | None
) -> tuple[Outlook, str]:
    if not book.can_read(connection, row.version):
        return Outlook.IMPOSSIBLE, Obstacle.UNREADABLE
    stands = _standing(book, connection, row, proof)
    why = why_not(DeliveryVerb(change.verb), stands)
    if why is not None:
        return Outlook.IMPOSSIBLE, why
    asked_first = change.verb is Verb.RETRY and stands.ever_uncertain and stands.effect is Effect.LOOKUP
    return (Outlook.VERIFY, "") if asked_first else SURE


def _standing(book: Book, connection: Connection, row: Any, proof: Proof | None) -> Standing:
    """Say where a delivery stands, as far as the verbs of batches go."""
    step, operation = step_of(book, connection, row, row), operation_of(book, connection, row, row)
    is_reversal = isinstance(step, Deliver) and step.is_reversal
    return Standing(
        state=State(row.state),
        code=row.code,
        effect=operation.effect if operation else Effect.ONCE,
        ever_uncertain=bool(row.ever_uncertain),
        is_timer=row.target == TIMER,
        awaited=step is not None and not isinstance(step, Notify) and not is_reversal,
        follows_route=step is not None,
        proof=proof,
        obstacle=_obstacle(book, row),
    )


def _obstacle(book: Book, row: Any) -> Why | None:
    """Say at a glance what keeps a request from the current version of its kind; its data are looked at later."""
    current = book.catalogue.kinds.get(row.kind)
    if current is None:
        return Why.KIND_GONE
    if current.version == row.version:
        return Why.ALREADY_CURRENT
    return Why.REQUEST_ENDED if row.status in FINAL_STATUSES or row.cancelled else None


def _decided(book: Book, connection: Connection, change: Change, rows: Mapping[int, Any]) -> Judged:
    """Let decide only what awaits at one step; the others await nothing, or nobody can read what they await."""
    awaiting = [row for row in rows.values() if row.awaiting and book.can_read(connection, row.version)]
    steps: dict[str, int] = {}
    for row in awaiting:
        steps[f"{row.kind}/{row.awaiting}"] = steps.get(f"{row.kind}/{row.awaiting}", 0) + 1
    if len(steps) > 1:
        raise StepsDifferError(steps)
    offered = {row.version: _reasons(book, row) for row in awaiting}
    if awaiting and not change.accepted and not any(change.reason in reasons for reasons in offered.values()):
        raise ReasonError(sorted({reason for reasons in offered.values() for reason in reasons}))
    return {one: _decidable(change, row, offered) for one, row in rows.items()}


def _decidable(change: Change, row: Any, offered: Mapping[str, Sequence[str]]) -> tuple[Outlook, str]:
    if not row.awaiting:
        return Outlook.IMPOSSIBLE, Obstacle.NOT_AWAITING
    if row.version not in offered:
        return Outlook.IMPOSSIBLE, Obstacle.UNREADABLE
    if not change.accepted and change.reason not in offered[row.version]:
        return Outlook.IMPOSSIBLE, Obstacle.OTHER_REASONS
    return SURE


def _reasons(book: Book, row: Any) -> Sequence[str]:
    step = book.known(row.version).route.named.get(row.awaiting)
    return step.reasons if isinstance(step, Await) else ()


def _cancelled(book: Book, connection: Connection, _change: Change, rows: Mapping[int, Any]) -> Judged:
    parts: dict[int, list[Any]] = {row.number: [] for row in rows.values()}
    for part in PARTS.among(connection, list(parts)) if parts else ():
        parts[part.request].append(part)
    return {one: _cancellable(book, connection, row, parts[row.number]) for one, row in rows.items()}


def _cancellable(book: Book, connection: Connection, row: Any, parts: Sequence[Any]) -> tuple[Outlook, str]:
    if row.status in FINAL_STATUSES or row.cancelled:
        return Outlook.IMPOSSIBLE, Why.REQUEST_ENDED
    if not book.can_read(connection, row.version):
        return Outlook.IMPOSSIBLE, Obstacle.UNREADABLE
    route = book.known(row.version).route
    carried = [(part, step) for part in parts if isinstance(step := route.named.get(part.step), Deliver)]
    if any(part.ever_uncertain and part.state != State.DELIVERED for part, _ in carried):
        return Outlook.IMPOSSIBLE, Why.PERHAPS_TAKEN
    if any(part.state == State.DELIVERED and step.undo is None for part, step in carried):
        return Outlook.IMPOSSIBLE, Obstacle.HAS_BEEN_TAKEN
    return SURE


def _assigned(_book: Book, _connection: Connection, _change: Change, rows: Mapping[int, Any]) -> Judged:
    return dict.fromkeys(rows, SURE)


JUDGES: Final[Mapping[Verb, Callable[[Book, Connection, Change, Mapping[int, Any]], Judged]]] = MappingProxyType(
    {
        Verb.RETRY: _of_deliveries,
        Verb.RETRY_CURRENT: _of_deliveries,
        Verb.VERIFY: _of_deliveries,
        Verb.REJECT: _of_deliveries,
        Verb.DECIDE: _decided,
        Verb.CANCEL: _cancelled,
        Verb.ASSIGN: _assigned,
    }
)


def _compare(book: Book, claim: Claim, kind: str) -> tuple[Outlook, str]:
    """Write a delivery's message by the version that its request is pinned to, and by the current one."""
    current, document = book.catalogue.kinds[kind], orjson.loads(claim.body)
    try:
        hold(current, document["data"], document.get("attachments", []))
        rehearse(current.route, document)
        name = _mapping_of(claim, current)
    except Problem:
        return Outlook.IMPOSSIBLE, Why.DATA_UNFIT
    except MappingError:
        return Outlook.IMPOSSIBLE, Why.ROUTE_UNFIT
    pinned = book.known(claim.version)
    before = _written(claim, pinned.mappings[claim.mapping], pinned.route, document)
    after = _written(claim, current.mappings[name], current.route, document)
    if isinstance(after, tuple):
        return Outlook.IMPOSSIBLE, Obstacle.CANNOT_BE_WRITTEN.of(", ".join(after[:SHOWN]))
    if isinstance(before, tuple):
        return Outlook.DIFFERS, ""
    changed = {(one.path, one.cause): None for one in differences(orjson.loads(before), orjson.loads(after))}
    if not changed:
        return SURE
    named = [f"{path}: {cause}" for path, cause in list(changed)[:SHOWN]]
    return Outlook.DIFFERS, ", ".join([*named, *(["…"] if len(changed) > SHOWN else [])])


def _mapping_of(claim: Claim, current: Definition) -> str:
    """Name the mapping that writes for this delivery in the current version; raises MappingError when none does."""
    step = current.route.named.get(claim.step)
    name = claim.mapping if claim.step == CALLBACK else step.using if isinstance(step, Carried) else ""
    if name not in current.mappings:
        raise MappingError(claim.mapping, ("step",))
    return name


def _written(
    claim: Claim, mapping: CompiledMapping, route: Route, document: Mapping[str, Any]
) -> str | tuple[str, ...]:
    """Give the message as JSON text, or the names of the elements that fail."""
    try:
        bindings = bindings_of(claim, route, document)
    except MappingError as error:
        return error.fields
    return mapping.rewrite(claim.body, bindings, now=claim.created_at, seed=claim.id)
