"""The ledger's reading queries: what people and front ends are shown, within what the caller may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, Field
from sqlalchemy import (
    CTE,
    ColumnElement,
    CompoundSelect,
    Connection,
    Row,
    Select,
    func,
    select,
    text,
    tuple_,
    union_all,
)

from hub.access import EVERY_HOUSE, Principal, Role
from hub.attachments import Described
from hub.book import Book
from hub.calendar import PARIS
from hub.catalogue import Definition
from hub.lifecycle import State
from hub.model import Channel, Frozen, Status
from hub.records import opened
from hub.routing import CALLBACK
from hub.settlement import sealer_of
from hub.statements import upsert
from hub.tables import ATTACHMENTS, ATTEMPTS, COUNTERS, DELIVERIES, EVENTS, OPEN, REQUESTS, TROUBLED, among
from hub.tables_operations import BUSINESS_KEYS

STAGE: Final = "stage"
"""The kind of an event that says which stage a request reached."""

CAUSE: Final = ("target", "code", "stage", "state")
"""What deliveries have in common that stand for the same reason."""

WITHIN_STATE: Final = ("target", "code", "stage")
SAME: Final[Any] = DELIVERIES.alias("same")
BEYOND: Final[Any] = DELIVERIES.alias("beyond")

Word = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00]*$")]
Cursor = Annotated[str, Field(pattern=r"^[0-9a-f]{1,14}$", description="Le curseur de la page précédente.")]
Limit = Annotated[int, Field(ge=1, le=100, description="Nombre de lignes par page.")]
Moment = Annotated[AwareDatetime | date, Field(union_mode="left_to_right")]
"""A moment, or a whole day in the time of Paris."""


class Search(Frozen):
    """Which requests are looked for; what is not said does not matter."""

    kind: Word | None = None
    status: Status | None = None
    stage: Word | None = None
    site: Word | None = None
    channel: Channel | None = None
    external_reference: Word | None = None
    since: Moment | None = Field(default=None, alias="from", description="Reçues depuis ce jour ou ce moment.")
    until: Moment | None = Field(default=None, alias="to", description="Reçues jusqu'à ce jour compris, ou ce moment.")
    q: Word | None = Field(
        default=None, description="Numéro, référence du portail, nom, courriel, téléphone ou clé métier."
    )
    limit: Limit = 50
    after: Cursor | None = None


class Trouble(Frozen):
    """Which deliveries are looked for: those that need a person unless `state` says otherwise."""

    state: list[State] = Field(default=[State.PARKED, State.UNCERTAIN], max_length=len(State))
    target: Word | None = None
    code: Word | None = None
    stage: Word | None = None
    kind: Word | None = None
    limit: Limit = 50
    after: Cursor | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One request with the definition it is pinned to."""

    row: Row[Any]
    definition: Definition
    body: str


@dataclass(frozen=True, slots=True)
class Whole:
    """One request with everything its front end is shown."""

    row: Row[Any]
    definition: Definition
    body: str
    stages: Sequence[Row[Any]]
    deliveries: Sequence[Row[Any]]
    attachments: Sequence[Described]


@dataclass(frozen=True, slots=True)
class Dossier:
    """One delivery with everything an operator is shown: its request, every attempt, every event."""

    row: Row[Any]
    request: Row[Any]
    body: str
    attempts: Sequence[Any]
    events: Sequence[Row[Any]]


def find(connection: Connection, book: Book, number: int) -> Found | None:
    """Find a request by its number."""
    row = connection.execute(select(REQUESTS).where(REQUESTS.c.number == number)).first()
    if row is None:
        return None
    return Found(row, book.definition(connection, row.version), book.vault.shown(row))


def whole(connection: Connection, book: Book, number: int) -> Whole | None:
    """Find a request by its number, with its stages, its deliveries and its attachments."""
    found = find(connection, book, number)
    if found is None:
        return None
    deliveries = select(DELIVERIES).where(DELIVERIES.c.request == number, DELIVERIES.c.step != CALLBACK)
    files = select(ATTACHMENTS).where(ATTACHMENTS.c.request == number).order_by(ATTACHMENTS.c.created_at)
    return Whole(
        found.row,
        found.definition,
        found.body,
        connection.execute(_events(number).where(EVENTS.c.kind == STAGE)).all(),
        connection.execute(deliveries.order_by(DELIVERIES.c.ordinal)).all(),
        [Described(**row._mapping) for row in connection.execute(files)],  # noqa: SLF001  # its public name
    )


def page(connection: Connection, caller: Principal, search: Search, blinded: str) -> Sequence[Row[Any]]:
    """List requests, the newest first; `blinded` is what `search.q` amounts to in the blind indexes.

    One row more than asked for says that there is another page.
    """
    conditions = answering(caller, search, blinded)
    if search.after:
        conditions.append(REQUESTS.c.number < int(search.after, 16))
    listed = [column for column in REQUESTS.c if column is not REQUESTS.c.body]
    statement = select(*listed).where(*conditions).order_by(REQUESTS.c.number.desc())
    return connection.execute(statement.limit(search.limit + 1)).all()


def answering(caller: Principal, search: Search, blinded: str) -> list[ColumnElement[bool]]:
    """Say which requests the caller may see and answer every criterion, whatever the page."""
    said = search.model_dump(include={"kind", "status", "stage", "site", "channel", "external_reference"})
    conditions = [REQUESTS.c[name] == value for name, value in said.items() if value is not None]
    if search.since:
        conditions.append(REQUESTS.c.received_at >= instant_of(search.since, time.min))
    if search.until:
        conditions.append(REQUESTS.c.received_at <= instant_of(search.until, time.max))
    if search.q:
        conditions.append(REQUESTS.c.number.in_(_amounting_to(search.q, blinded)))
    return [*conditions, *visible(caller)]


def standing(caller: Principal, trouble: Trouble) -> list[ColumnElement[bool]]:
    """Say which deliveries, joined with their requests, the caller may see and are meant, whatever the page."""
    return [*_within(trouble.state), *_of(trouble), *visible(caller)]


def deliveries(connection: Connection, caller: Principal, trouble: Trouble) -> Sequence[Row[Any]]:
    """List deliveries, the newest first, each with its request's kind and site; one row more than asked for."""
    newest = union_all(*(_newest(caller, trouble, state) for state in trouble.state)).subquery()
    statement = _joined(DELIVERIES, REQUESTS.c.kind, REQUESTS.c.site).where(DELIVERIES.c.id.in_(select(newest.c.id)))
    return connection.execute(statement.order_by(DELIVERIES.c.id.desc()).limit(trouble.limit + 1)).all()


def dossier(connection: Connection, book: Book, delivery: int) -> Dossier | None:
    """Find a delivery by its id, with everything that is known of it."""
    row = connection.execute(_joined(DELIVERIES, REQUESTS.c.kind, REQUESTS.c.site).where(DELIVERIES.c.id == delivery))
    found = row.first()
    if found is None:
        return None
    attempts = select(ATTEMPTS).where(ATTEMPTS.c.delivery == delivery).order_by(ATTEMPTS.c.id)
    request = connection.execute(select(REQUESTS).where(REQUESTS.c.number == found.request)).one()
    sealer = sealer_of(book, request)
    return Dossier(
        found,
        request,
        book.vault.shown(request),
        [opened(sealer, row) for row in connection.execute(attempts)],
        connection.execute(_events(found.request)).all(),
    )


def causes(connection: Connection, caller: Principal, trouble: Trouble) -> Sequence[Row[Any]]:
    """Count deliveries by target, code, stage and state, the most frequent cause first, since when each."""
    if _sees_less(caller, trouble) or not set(trouble.state) <= set(TROUBLED):
        statements = [_counted_together(caller, trouble)]
    else:
        statements = [_counted_apart(trouble, state) for state in sorted(set(trouble.state))]
    found = [row for statement in statements for row in connection.execute(statement)]
    return sorted(found, key=lambda row: (-row.deliveries, *row[: len(CAUSE)]))


def on_the_clock(connection: Connection, caller: Principal, kind: str | None, limit: int) -> Sequence[Row[Any]]:
    """List open requests that the law gives a time for, the one with the least time left first."""
    listed = [column for column in REQUESTS.c if column is not REQUESTS.c.body]
    conditions = [text(OPEN), *visible(caller), *([REQUESTS.c.kind == kind] if kind else [])]
    return connection.execute(
        select(*listed).where(*conditions).order_by(REQUESTS.c.due_at, REQUESTS.c.number).limit(limit)
    ).all()


def alive(connection: Connection, questions: Sequence[None]) -> list[bool]:
    """Say that the database takes what is written: a full disk answers, and takes nothing."""
    connection.execute(select(REQUESTS.c.number).limit(1)).all()
    beat = upsert(COUNTERS).on_conflict_do_update(index_elements=["name"], set_={"value": COUNTERS.c.value + 1})
    connection.execute(beat, {"name": "alive", "value": 1})
    return [True] * len(questions)


def _joined(*columns: Any) -> Select[Any]:
    return select(*columns).select_from(DELIVERIES.join(REQUESTS, REQUESTS.c.number == DELIVERIES.c.request))


def _newest(caller: Principal, trouble: Trouble, state: State) -> Select[Any]:
    """Find a page of one state: an index gives them in order, which none does of several states together."""
    conditions = [*_within([state]), *_of(trouble), *visible(caller)]
    if trouble.after:
        conditions.append(DELIVERIES.c.id < int(trouble.after, 16))
    found = _joined if _sees_less(caller, trouble) else select
    statement = found(DELIVERIES.c.id).where(*conditions).order_by(DELIVERIES.c.id.desc())
    return select(statement.limit(trouble.limit + 1).subquery().c.id)


def _counted_together(caller: Principal, trouble: Trouble) -> Select[Any]:
    """Count by looking at every delivery and its request."""
    by = [DELIVERIES.c[name] for name in CAUSE]
    oldest = func.min(DELIVERIES.c.updated_at).label("oldest_at")
    counted = _joined(*by, func.count().label("deliveries"), oldest)
    return counted.where(*_within(trouble.state), *_of(trouble), *visible(caller)).group_by(*by)


def _counted_apart(trouble: Trouble, state: State) -> Select[Any]:
    """Count each cause of one state in the index: a tenth of what grouping the same deliveries takes."""
    alike = [SAME.c[name] == DELIVERIES.c[name] for name in WITHIN_STATE]
    same = text(f"same.{among(TROUBLED)}"), SAME.c.state == state, *alike
    figures = {"deliveries": func.count(), "oldest_at": func.min(SAME.c.updated_at)}
    counted = [
        select(figure).select_from(SAME).where(*same).scalar_subquery().label(name) for name, figure in figures.items()
    ]
    every = leap(state)
    return select(*(DELIVERIES.c[name] for name in CAUSE), *counted).where(
        DELIVERIES.c.id.in_(select(every.c.id)), *_of(trouble)
    )


def leap(state: State) -> CTE:
    """Find one delivery of each cause, leaping from one to the next through their index."""
    order = [DELIVERIES.c[name] for name in WITHIN_STATE]
    first = select(DELIVERIES.c.id).where(*_within([state])).order_by(*order).limit(1)
    found = select(first.scalar_subquery().label("id")).cte("leap", recursive=True)
    beyond = [BEYOND.c[name] for name in WITHIN_STATE]
    further = text(f"beyond.{among(TROUBLED)}"), BEYOND.c.state == state, tuple_(*beyond) > tuple_(*order)
    following = select(BEYOND.c.id).where(*further).order_by(*beyond).limit(1)
    return found.union_all(select(following.scalar_subquery()).where(DELIVERIES.c.id == found.c.id))


def _events(number: int) -> Select[Any]:
    return select(EVENTS).where(EVENTS.c.request == number).order_by(EVENTS.c.id)


def visible(caller: Principal) -> list[ColumnElement[bool]]:
    """Keep to the caller's house, kinds and sites; see `access.same_house` and `access.allow`."""
    conditions = []
    if caller.front_end != EVERY_HOUSE or caller.role is Role.FRONT_END:
        conditions.append(REQUESTS.c.front_end == caller.front_end)
    if caller.kinds:
        conditions.append(REQUESTS.c.kind.in_(caller.kinds))
    if caller.sites:
        conditions.append(REQUESTS.c.site.in_(caller.sites))
    return conditions


def _sees_less(caller: Principal, trouble: Trouble) -> bool:
    """Say whether the requests of deliveries decide which are meant."""
    return bool(trouble.kind or visible(caller))


def _within(states: Sequence[State]) -> list[ColumnElement[bool]]:
    """Keep to these states, in the words of the indexes on troubled deliveries where they cover them."""
    covered = [text(among(TROUBLED))] if set(states) <= set(TROUBLED) else []
    [*more, last] = states
    return [*covered, DELIVERIES.c.state.in_(states) if more else DELIVERIES.c.state == last]


def _of(trouble: Trouble) -> list[ColumnElement[bool]]:
    said = trouble.model_dump(include={"target", "code", "stage"}, exclude_none=True)
    conditions = [DELIVERIES.c[name] == value for name, value in said.items()]
    return [*conditions, *([REQUESTS.c.kind == trouble.kind] if trouble.kind else [])]


def _amounting_to(said: str, blinded: str) -> CompoundSelect[Any]:
    """Find the numbers of what people may mean: one question an index, as a scan would answer them joined by OR."""
    columns = REQUESTS.c
    digits = said.replace(" ", "")
    numbered = [columns.number == int(digits)] if len(digits) == 9 and digits.isascii() and digits.isdigit() else []
    meanings = [*numbered, columns.external_reference == said]
    return union_all(*(select(columns.number).where(meaning) for meaning in meanings), *hidden_under(blinded))


def hidden_under(blinded: str) -> Sequence[Select[Any]]:
    """Find the numbers of whoever, or whatever, a blind index stands for: one question an index."""
    columns = REQUESTS.c
    people = (columns.name_index, columns.email_index, columns.phone_index)
    keyed = select(BUSINESS_KEYS.c.request.label("number")).where(BUSINESS_KEYS.c.value == blinded)
    return *(select(columns.number).where(index == blinded) for index in people), keyed


def instant_of(moment: datetime | date, hour: time) -> int:
    """Give the instant of a moment, or of an hour of a day in Paris."""
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, hour, PARIS)
    return int(moment.timestamp() * 1000)
