"""What is said to HubEE and what its answers mean, by its public OpenAPI (folder 1.2.7); no I/O.

A city is a recipient (SI) there: it reads cases that were created for it, and adds events to them.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, TypeVar

import orjson
from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, ValidationError

from connectors._transport.http import Answer, check_not_page, check_status
from connectors.hubee.settings import ProcessCode
from hub.connector import Exchange, IncomingFile, Outbound
from hub.errors import RefusedError, UncertainError
from hub.manifest import ErrorTable
from hub.model import DeliveryKey, Frozen

LONGEST_TEXT: Final = 1000
EXPIRED: Final = b"900901"
"""How WSO2, HubEE's gateway, calls a token that has expired."""

EVENT: Final = "evenement"
"""The sort of what comes as an event of a case that we may have already."""

SiState = Literal["SI_RECEIVED", "IN_PROGRESS", "ADD_AWAITING", "DONE", "REFUSED", "SI_INTG_ERROR"]
"""The states a recipient may set; CLOSED is for the operator alone."""

STATES: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "CERTDC": frozenset({"IN_PROGRESS", "DONE", "SI_INTG_ERROR"}),
    }
)
"""The states of the procedures that do not have all of them."""

ALL_STATES: Final = frozenset({"SI_RECEIVED", "IN_PROGRESS", "ADD_AWAITING", "DONE", "REFUSED", "SI_INTG_ERROR"})

ON_RECEIPT: Final[Mapping[str, SiState]] = MappingProxyType({"CERTDC": "IN_PROGRESS"})
"""The state a case must go through once received, where it is not SI_RECEIVED."""

NEW: Final = frozenset({"HUBEE_NOTIFIED", "SENT"})
"""The states of a case that nobody has received yet."""

MOVED_FROM: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {"SI_INTG_ERROR": NEW | {"SI_RECEIVED", "IN_PROGRESS"}}
)
"""From which states a fetched case is moved to one; to the others, from those of NEW."""

UNSCANNED: Final = "PENDING"
UNUSABLE: Final = frozenset({"CORRUPTED", "REJECTED"})
"""What HubEE's antivirus, or its comparison with the announced size, says of a file that it will never give."""

GIVEN: Final = frozenset({"SENT", "RECEIVED"})
"""The states of an event that its reader can see."""

XML: Final = frozenset({"application/xml", "text/xml"})

Model = TypeVar("Model", bound=BaseModel)
Identifier = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]


class Said(BaseModel):
    """What both messages say: which case of which procedure, and words about it.

    `message` is read by whoever sent the case, `comment` by recipients only; our key stands at its beginning.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    process_code: ProcessCode = Field(alias="processCode", description="Code de la démarche.")
    case_id: Identifier = Field(alias="caseId", description="Identifiant technique du dossier.")
    message: str | None = Field(default=None, max_length=LONGEST_TEXT)
    comment: str = Field(default="", max_length=LONGEST_TEXT - 20)
    author: str | None = Field(default=None, min_length=1, max_length=255)


class StatusChange(Said):
    """What a mapping writes for `changer_etat`."""

    new_status: SiState = Field(alias="caseNewStatus")
    partner_attributes: str | None = Field(default=None, alias="partnerAttributes", max_length=1024)


class Document(Frozen):
    """A file that is in the message itself: what another target gave, in base64."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    file_name: str = Field(alias="fileName", min_length=1, max_length=255)
    mime_type: str = Field(alias="mimeType", min_length=1, max_length=255)
    content: Base64Bytes


class Deposit(Said):
    """What a mapping writes for `deposer_piece`: the request's files go along, and `document` when there is one.

    `type` says what they are, in the procedure's own words: `ActeEtatCivil-PDF`.
    """

    type: str = Field(min_length=1, max_length=100)
    document: Document | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A file, read whole, as HubEE wants it described and then sent."""

    name: str
    mime_type: str
    content: bytes

    def describe(self, sort: str) -> dict[str, Any]:
        """Write the description that opens a deposit."""
        return {"fileName": self.name, "type": sort, "size": len(self.content), "mimeType": self.mime_type}

    @property
    def digest(self) -> str:
        """Its SHA-256, as the header `digest` bears it."""
        return digest_of(self.content)


def read_message(message: Outbound, model: type[Model]) -> Model:
    """Read what the mapping wrote; raises RefusedError, the exchange naming the fields and never their values."""
    try:
        return model.model_validate(message.fields)
    except ValidationError as error:
        places = (".".join(map(str, found["loc"])) for found in error.errors(include_input=False, include_url=False))
        message.exchange.fault = ", ".join(dict.fromkeys(places))
        raise RefusedError("message_invalid") from None


def check_state(change: StatusChange, errors: ErrorTable) -> None:
    """Refuse a state that the procedure does not have."""
    if change.new_status not in STATES.get(change.process_code, ALL_STATES):
        raise errors.failure("etat_interdit")


def check_pieces(pieces: Sequence[Piece], exchange: Exchange, errors: ErrorTable) -> None:
    """Refuse a deposit of nothing, and files that their descriptions could not tell apart."""
    if not pieces:
        raise errors.failure("sans_piece")
    names = {piece.name for piece in pieces}
    if len(names) < len(pieces) or any(len(name) > 255 for name in names):
        exchange.fault = "fileName"
        raise errors.failure("message_invalid")


def write_status(change: StatusChange, key: DeliveryKey, author: str) -> dict[str, Any]:
    """Write the event that moves a case."""
    event = {**write_event("STATUS_UPDATE", change, key, author), "caseNewStatus": change.new_status}
    if change.partner_attributes is not None:
        event["partnerAttributes"] = change.partner_attributes
    return event


def write_deposit(deposit: Deposit, key: DeliveryKey, author: str, pieces: Sequence[Piece]) -> dict[str, Any]:
    """Write the event that announces files; its reader is told of it once it is SENT."""
    event = write_event("ATTACH_DEPOSIT", deposit, key, author)
    return {**event, "attachments": [piece.describe(deposit.type) for piece in pieces]}


def write_event(action: str, said: Said, key: DeliveryKey, author: str) -> dict[str, Any]:
    """Write what every event of ours has: our key opens its comment, which HubEE gives back with the case."""
    event = {
        "actionType": action,
        "author": said.author or author,
        "notification": True,
        "comment": f"{key} {said.comment}".strip(),
    }
    return event if said.message is None else {**event, "message": said.message}


def write_move(state: SiState, author: str, words: str = "") -> dict[str, Any]:
    """Write the event by which a case is received, or declined with its reason."""
    event: dict[str, Any] = {
        "actionType": "STATUS_UPDATE",
        "author": author,
        "notification": True,
        "caseNewStatus": state,
    }
    return {**event, **({"message": words[:LONGEST_TEXT], "comment": words[:LONGEST_TEXT]} if words else {})}


def write_reply(author: str, words: str) -> dict[str, Any]:
    """Write the message that answers an event which cannot be used."""
    return {
        "actionType": "SENDING_MESSAGE",
        "author": author,
        "notification": True,
        "message": words[:LONGEST_TEXT],
    }


def check(answer: Answer, expected: frozenset[int], errors: ErrorTable, unavailable: frozenset[int]) -> Answer:
    """Let the statuses through that say yes; raises what any other stands for."""
    if answer.status in expected:
        return answer
    if answer.status not in unavailable:
        raise_known(answer, errors)
    check_status(answer, unavailable=unavailable)
    if 400 <= answer.status < 500 and answer.status != 408:
        raise RefusedError(f"http_{answer.status}")
    check_not_page(answer)
    raise UncertainError("unreadable")


def raise_known(answer: Answer, errors: ErrorTable) -> None:
    """Raise what the errors table knows of an answer: its token, then its sentences, then its status."""
    sentences = ("token_refused",) if is_stale(answer) else (*sentences_of(answer.body), f"http_{answer.status}")
    for said in sentences:
        if errors.find(said):
            raise errors.failure(said)


def is_stale(answer: Answer) -> bool:
    """Tell that the gateway does not take our token any more: nothing was treated."""
    return answer.status == 401 or (answer.status >= 400 and EXPIRED in answer.body)


def sentences_of(body: bytes) -> Iterator[str]:
    """List the sentences of an error: `{"errors": [{"code": 400, "message": "…"}]}`."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return
    match said:
        case {"errors": [*found]}:
            yield from (
                one["message"] for one in found if isinstance(one, dict) and isinstance(one.get("message"), str)
            )


def read_json(answer: Answer) -> Any:
    """Read a body; raises UncertainError when it is not JSON."""
    try:
        return orjson.loads(check_not_page(answer).body)
    except orjson.JSONDecodeError:
        raise UncertainError("unreadable") from None


def read_case(answer: Answer) -> dict[str, Any]:
    """Read a case: what we rely on is there, whatever else is."""
    match read_json(answer):
        case {"id": str(), "status": str(), "processCode": str()} as case:
            return {**case, "attachments": attachments_of(case), "events": events_of(case)}
        case _:
            raise UncertainError("unreadable")


def read_event(answer: Answer) -> dict[str, Any]:
    """Read an event."""
    match read_json(answer):
        case {"id": str()} as event:
            return {**event, "attachments": attachments_of(event)}
        case _:
            raise UncertainError("unreadable")


def attachments_of(owner: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the files of a case or of an event; raises UncertainError when one is not described."""
    found = list_in(owner, "attachments")
    if not all(isinstance(one, dict) and {"id", "fileName", "mimeType", "status"} <= one.keys() for one in found):
        raise UncertainError("unreadable")
    return found


def events_of(case: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the events of a case; raises UncertainError when one has no name."""
    found = list_in(case, "events")
    if not all(isinstance(one, dict) and isinstance(one.get("id"), str) for one in found):
        raise UncertainError("unreadable")
    return found


def list_in(owner: Mapping[str, Any], name: str) -> list[Any]:
    """Read a list that may be missing; raises UncertainError for anything else in its place."""
    found = owner.get(name) or []
    if not isinstance(found, list):
        raise UncertainError("unreadable")
    return found


def read_notifications(answer: Answer) -> list[dict[str, Any]]:
    """Read a batch of notifications, oldest first; one that is about no case is nothing for a recipient."""
    match read_json(answer):
        case [*found]:
            ours = [one for one in found if is_about_a_case(one)]
            return sorted(ours, key=lambda one: str(one.get("dateTime") or ""))
        case _:
            raise UncertainError("unreadable")


def is_about_a_case(found: Any) -> bool:
    """Tell whether a notification says which case, and of which procedure."""
    match found:
        case {"id": str(), "caseId": str(), "processCode": str()}:
            return True
        case _:
            return False


def read_token(answer: Answer) -> tuple[str, float]:
    """Read a token and how many seconds it holds; raises UncertainError when there is none."""
    match read_json(answer):
        case {"access_token": str(token), "expires_in": int() | float() as seconds} if token:
            return token, float(seconds)
        case _:
            raise UncertainError("unreadable")


def find_ours(case: Mapping[str, Any], key: DeliveryKey) -> dict[str, Any] | None:
    """Find our event among a case's: its comment begins with our key."""
    ours = (event for event in case["events"] if str(event.get("comment") or "").partition(" ")[0] == key)
    return next(ours, None)


def is_move_of(event: Mapping[str, Any], change: StatusChange) -> bool:
    """Tell whether an event of ours moved the case as this message does."""
    return (event.get("actionType"), event.get("caseNewStatus")) == ("STATUS_UPDATE", change.new_status)


def is_deposit_of(event: Mapping[str, Any], pieces: Sequence[Piece]) -> bool:
    """Tell whether an event of ours deposited these very files, by their names and sizes."""
    there = {(found.get("fileName"), found.get("size")) for found in event.get("attachments") or []}
    return event.get("actionType") == "ATTACH_DEPOSIT" and there == {(one.name, len(one.content)) for one in pieces}


def places_of(event: Mapping[str, Any], pieces: Sequence[Piece]) -> Iterator[tuple[str, Piece]]:
    """Pair each file with the identifier that HubEE gave it; raises UncertainError when one has none."""
    identifiers = {found.get("fileName"): found.get("id") for found in event["attachments"]}
    for piece in pieces:
        identifier = identifiers.get(piece.name)
        if not isinstance(identifier, str):
            raise UncertainError("unreadable")
        yield identifier, piece


def sort_of(process_code: str) -> str:
    """Write a procedure's code as a sort: `recensementCitoyen` → `recensement_citoyen`."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", process_code)
    return re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_")


def is_business(file: IncomingFile) -> bool:
    """Tell the document that says the request from the papers beside it."""
    return file.media_type in XML or file.name.lower().endswith(".xml")


def is_whole(answer: Answer, attachment: Mapping[str, Any]) -> bool:
    """Compare a file that came with the size announced, and with its digest when HubEE gives it."""
    digest = answer.headers.get("digest", "").rpartition("SHA-256=")[2]
    size = attachment.get("size", len(answer.body))
    return len(answer.body) == size and digest in {"", digest_of(answer.body)}


def digest_of(content: bytes) -> str:
    """Write a SHA-256 in base64."""
    return base64.b64encode(hashlib.sha256(content).digest()).decode()
