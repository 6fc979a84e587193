"""The services at which Technocarte polls the hub: it fetches requests, says which it has, and what became of one.

Document/literal SOAP 1.1, by the names of LibreDémat's public services (contract/services.wsdl). Nothing here speaks
to a network: a call and a desk come in, a reply goes out.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from lxml import etree
from pydantic import TypeAdapter, ValidationError

from connectors._transport.soap import CONTENT_TYPE, ENVELOPE, first_in_body
from connectors._transport.xml import Element
from connectors.technocarte.demande import DEMANDES
from connectors.technocarte.wire import DOCUMENTS, element, write_document
from hub.connector import Call, Desk, Reply
from hub.errors import HubError
from hub.model import DeliveryKey, Verdict

CONTRACT: Final = Path(__file__).parent / "contract"
WSDL: Final = CONTRACT / "services.wsdl"
SCHEMAS: Final = frozenset({CONTRACT / "services.xsd", CONTRACT / "services_rin.xsd"})
LIBREDEMAT: Final = "http://www.libredemat.org"
RIN: Final = f"{LIBREDEMAT}/rin"
SCHEMA: Final = etree.XMLSchema(file=str(CONTRACT / "services_rin.xsd"))

HERE: Final = ZoneInfo("Europe/Paris")
"""What a time without a zone is in."""

AS_FAR_BACK: Final = timedelta(days=31)
"""How far back a question without a first day looks; one for a single request looks twelve times as far."""

MOST: Final = 1000
"""How many requests one answer holds; beyond, narrower days are asked for."""

VALIDATED: Final = "Validated"
ERRONEOUS: Final = "declared_erroneous"

ENDS: Final[Mapping[str, tuple[Verdict, str]]] = {
    VALIDATED: (Verdict.ACCEPTED, ""),
    "Notified": (Verdict.ACCEPTED, ""),
    "Active": (Verdict.ACCEPTED, ""),
    "Closed": (Verdict.ACCEPTED, ""),
    "Archived": (Verdict.ACCEPTED, ""),
    "Rejected": (Verdict.REFUSED, "resulting_rejected"),
    "Cancelled": (Verdict.REFUSED, "resulting_cancelled"),
}
"""States that settle a request; the others are heard, and change nothing."""

LABELS: Final = frozenset(label for _, label, _ in DOCUMENTS.values())

TIME: Final = TypeAdapter(datetime)


def is_proved(call: Call, username: str, password: str) -> bool:
    """Tell whether a call bears our HTTP Basic account; nothing of a wrong one is learnt from the time it takes."""
    scheme, _, given = call.headers.get("authorization", "").partition(" ")
    expected = b64encode(f"{username}:{password}".encode())
    return compare_digest(given.strip().encode("utf-8", "replace"), expected) and scheme.lower() == "basic"


async def answer(call: Call, desk: Desk) -> Reply:
    """Answer a call that is proved: the WSDL, and the schemas it names, to a GET; a service to a POST."""
    if call.method == "GET":
        file = CONTRACT / call.path.rpartition("/")[2]
        return Reply(200, CONTENT_TYPE, (file if file in SCHEMAS else WSDL).read_bytes())
    if call.method != "POST":
        return Reply(405)
    asked = first_in_body(call.body)
    if asked is None or asked.tag not in SERVICES or not SCHEMA.validate(asked):
        return blame("Client", "unreadable")
    try:
        return reply(await SERVICES[asked.tag](asked, desk))
    except HubError:
        return blame("Server", "unavailable")


async def give_requests(asked: Element, desk: Desk) -> Element:
    """Give the requests of the days, the label or the identifier asked for; only validated ones are ever sent."""
    key, label = said(asked, "Id"), said(asked, "RequestTypeLabel")
    if label and label not in LABELS:
        return fetched(element(f"{{{LIBREDEMAT}}}Error", "unknown RequestTypeLabel"))
    if said(asked, "State", VALIDATED) != VALIDATED:
        return fetched()
    until = moment(said(asked, "DateTo")) or datetime.now(UTC)
    since = moment(said(asked, "DateFrom")) or until - AS_FAR_BACK * (12 if key else 1)
    documents = [
        document
        for operation in DEMANDES
        for message in await desk.sent(operation, since, until)
        if key in {"", message.key} and (document := written(message.key, operation, message.body)) is not None
    ]
    wanted = [one for one in documents if label in {"", one.findtext("RequestTypeLabel")}]
    if len(wanted) > MOST:
        return fetched(element(f"{{{LIBREDEMAT}}}Error", "too many requests: narrow DateFrom and DateTo"))
    return fetched(*(element(f"{{{LIBREDEMAT}}}Request", one) for one in wanted))


async def take_acknowledgements(asked: Element, desk: Desk) -> Element:
    """Conclude each request that is acknowledged, refused when it is called erroneous; done when all are known."""
    heard = [
        await desk.conclude(DeliveryKey(said(one, "RequestId")), *acknowledged(said(one, "Erroneous"))) for one in asked
    ]
    return done(LIBREDEMAT, "AckRequestsResponse", all(heard))


async def take_state(asked: Element, desk: Desk) -> Element:
    """Conclude a request whose state settles it; what `BusinessData` says is not ours to change."""
    end = ENDS.get(said(asked, "ResultingState") or VALIDATED)
    is_done = end is None or await desk.conclude(DeliveryKey(said(asked, "RequestId")), *end)
    return done(RIN, "NotifiyResultingStateResponse", is_done)


Service = Callable[[Element, Desk], Awaitable[Element]]

SERVICES: Final[Mapping[str, Service]] = {
    f"{{{LIBREDEMAT}}}GetRequestsRequest": give_requests,
    f"{{{LIBREDEMAT}}}AckRequestsRequest": take_acknowledgements,
    f"{{{RIN}}}NotifiyResultingStateRequest": take_state,
}
"""What is asked → who answers."""


def acknowledged(erroneous: str) -> tuple[Verdict, str]:
    """Say what an acknowledgement means."""
    return (Verdict.REFUSED, ERRONEOUS) if erroneous in {"true", "1"} else (Verdict.ACCEPTED, "")


def written(key: DeliveryKey, operation: str, body: bytes) -> Element | None:
    """Write a request's document again; None for one that was written for another contract than today's."""
    try:
        return write_document(key, operation, body)
    except ValidationError:
        return None


def said(parent: Element, name: str, otherwise: str = "") -> str:
    """Read a child's text."""
    return (parent.findtext(f"{{*}}{name}") or otherwise).strip()


def moment(written_so: str) -> datetime | None:
    """Read an xs:dateTime that the schema has let through; one without a zone is of here."""
    if not written_so:
        return None
    read = TIME.validate_python(written_so)
    return read if read.tzinfo else read.replace(tzinfo=HERE)


def fetched(*parts: Element) -> Element:
    """Write an answer of `GetRequests`."""
    return element(f"{{{LIBREDEMAT}}}GetRequestsResponse", *parts)


def done(namespace: str, tag: str, is_done: bool) -> Element:  # noqa: FBT001  # the answer's one word
    """Write the answer to an acknowledgement."""
    return element(f"{{{namespace}}}{tag}", element(f"{{{namespace}}}Accomplished", is_done))


def reply(body: Element) -> Reply:
    """Put an element in an envelope."""
    return Reply(200, CONTENT_TYPE, envelope(body))


def blame(party: str, text: str) -> Reply:
    """Answer a SOAP fault, which travels as a 500; its text repeats nothing of what was said."""
    fault = element(f"{{{ENVELOPE}}}Fault", element("faultcode", f"soap:{party}"), element("faultstring", text))
    return Reply(500, CONTENT_TYPE, envelope(fault))


def envelope(body: Element) -> bytes:
    """Write a SOAP envelope."""
    root = etree.Element(f"{{{ENVELOPE}}}Envelope", nsmap={"soap": ENVELOPE})
    etree.SubElement(root, f"{{{ENVELOPE}}}Body").append(body)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)
