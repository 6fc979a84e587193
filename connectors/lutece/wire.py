"""Lutèce's notification store, v3, as its public source has it: what it takes, and what its answers mean. No I/O.

Its answers are read with care: it says 201 of what it did not store, and 400 of what it did.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connectors._transport.http import Answer, HttpSettings, check_not_page, check_status
from hub.connector import DifferentError, Outbound, Receipt
from hub.errors import RefusedError, UncertainError
from hub.manifest import ErrorRow, ErrorTable
from hub.model import Frozen, Verdict

NOTIFICATION: Final = "notification"
LIST: Final = "notification/list"
TYPES: Final = "demandType"

UNSTORED: Final = frozenset({"usager_inconnu", "usager_invalide"})
"""Warnings with which nothing is stored, unless the store is set to keep what is nobody's."""

LongText = Annotated[str, Field(max_length=100_000)]
ShortText = Annotated[str, Field(max_length=255)]


class Settings(HttpSettings):
    """How the store is reached: `url` ends with /rest/notificationstore/v3; what guards it wants its own account."""


class Part(BaseModel):
    """A part of a notification: what the hub writes, and whatever else the store's version takes."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Customer(Part):
    """Whose request it is: without `customer_id` the store may answer « received » and store nothing."""

    customer_id: str = Field(min_length=1, max_length=100)
    connection_id: str | None = Field(default=None, max_length=100)
    id: str | None = Field(default=None, max_length=100)
    email: str | None = Field(default=None, max_length=320)


class Demand(Part):
    """The request, by the names and within the columns of the store."""

    id: str = Field(min_length=1, max_length=100)
    type_id: str = Field(min_length=1, max_length=50)
    subtype_id: str | None = Field(default=None, max_length=50)
    reference: str = Field(min_length=1, max_length=50)
    status_id: int = Field(default=-1, description="10 annulée, 11 en cours, 12 à régler, 13 à compléter, 14, 15 close")
    max_step: int | None = None
    current_step: int | None = None
    customer: Customer


class Dashboard(Part):
    """What the citizen reads on the portal; `data` is ours, it bears the key."""

    status_id: int = -1
    status_text: ShortText
    message: LongText = ""
    subject: ShortText = ""
    sender_name: ShortText = ""


class Backoffice(Part):
    """What agents read."""

    message: LongText = ""
    status_text: ShortText = ""


class Notification(Frozen):
    """What a mapping writes: a notification without its envelope; the store itself sends the e-mail or the SMS."""

    date: int = Field(ge=0, description="Millisecondes depuis 1970.")
    demand: Demand
    mydashboard: Dashboard
    backoffice: Backoffice | None = None
    customer_email: dict[str, Any] | None = None
    sms: dict[str, Any] | None = None
    broadcast_email: list[dict[str, Any]] | None = None


def read_message(message: Outbound) -> Notification:
    """Read what the mapping wrote; raises RefusedError, the exchange naming the fields and never their values."""
    try:
        return Notification.model_validate(message.fields)
    except ValidationError as error:
        places = (".".join(map(str, found["loc"])) for found in error.errors(include_input=False, include_url=False))
        message.exchange.fault = ", ".join(dict.fromkeys(places))
        raise RefusedError("message_invalid") from None


def write_notification(message: Outbound) -> bytes:
    """Write a notification in its envelope, our key in the field `data` of its dashboard, which nobody else reads."""
    said = message.fields
    return orjson.dumps({"notification": {**said, "mydashboard": {**said["mydashboard"], "data": message.key}}})


def write_question(said: Notification) -> str:
    """Write the address that lists what the store has of this request, for this customer."""
    asked = {"idDemand": said.demand.id, "idDemandType": said.demand.type_id}
    return f"{LIST}?{urlencode({**asked, 'customerId': said.demand.customer.customer_id})}"


def read_reserves(answer: Answer, errors: ErrorTable, unavailable: frozenset[int]) -> tuple[str, ...]:
    """Read what the store remarked as it took a notification, by the codes of our table; nothing when all is well.

    Raises what any other answer stands for. The codes of UNSTORED are given too: only the store knows, then,
    whether it kept the notification.
    """
    if answer.status != 201:
        raise_failure(answer, errors, unavailable)
    match parse(answer):
        case {"acknowledge": {"status": "received"}}:
            return ()
        case {"acknowledge": {"status": "warning", "warnings": [*warnings]}} if warnings:
            return tuple(dict.fromkeys(row.code for row in rows_of(warnings, errors)))
        case _:
            raise UncertainError("unreadable")


def rows_of(warnings: list[Any], errors: ErrorTable) -> Iterator[ErrorRow]:
    """Find each warning in our table; one that takes nothing for sure, or that we do not know, is raised."""
    for warning in warnings:
        said = str(warning.get("message", "")) if isinstance(warning, dict) else ""
        row = errors.find(said)
        if row is None or (row.verdict is not Verdict.ACCEPTED and row.code not in UNSTORED):
            raise errors.failure(said, otherwise=Verdict.UNCERTAIN)
        yield row


def raise_failure(answer: Answer, errors: ErrorTable, unavailable: frozenset[int]) -> None:
    """Raise what an answer that is no 201 stands for.

    The store's own JSON is broken when an exception's text has several lines, so its text is searched as it came.
    """
    said = answer.body.decode("utf-8", "replace")
    row = errors.find(said) if answer.status == 400 else None
    if row:
        raise errors.failure(row.code)
    check_status(answer, unavailable=unavailable)
    if 200 <= answer.status < 300:
        check_not_page(answer)
    raise errors.failure(f"http_{answer.status}", otherwise=Verdict.UNCERTAIN)


def read_found(answer: Answer, message: Outbound, said: Notification, unavailable: frozenset[int]) -> Receipt | None:
    """Find our key among what the store has; None when it has none.

    Raises DifferentError when another status stands under our key, UncertainError when the store cannot show
    a notification of the same second: the file of its content may be out of reach.
    """
    check_status(answer, unavailable=unavailable)
    if answer.status != 200:
        raise UncertainError(f"http_{answer.status}")
    match parse(answer):
        case {"notifications": [*found]}:
            pass
        case _:
            raise UncertainError("unreadable")
    for one in found:
        match one:
            case {"mydashboard": {"data": data, "status_text": text}} if data == message.key:
                if text != said.mydashboard.status_text:
                    raise DifferentError("different")
                return Receipt()
            case {"mydashboard": {}}:
                continue
            case {"date": int(date)} if date // 1000 != said.date // 1000:
                continue
            case _:
                raise UncertainError("unreadable")
    return None


def details_of(reserves: tuple[str, ...]) -> Mapping[str, Any]:
    """Keep what the store remarked, when it remarked anything."""
    return {"reserves": list(reserves)} if reserves else {}


def parse(answer: Answer) -> Any:
    """Read a body; raises UncertainError when it is not JSON."""
    try:
        return orjson.loads(check_not_page(answer).body)
    except orjson.JSONDecodeError:
        raise UncertainError("unreadable") from None
