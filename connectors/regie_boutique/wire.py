"""What is said to the shop, and what its answers mean; no I/O but the reading of our own contract."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import orjson
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from connectors._transport.http import Answer, check_not_page, check_status
from connectors.regie_boutique.schemas import answer_in
from connectors.regie_boutique.settings import Settings
from hub.connector import Call, IncomingFile, Outbound, Receipt
from hub.errors import RefusedError, UncertainError
from hub.manifest import ErrorTable
from hub.model import Verdict

REFUSING: Final = frozenset({400, 404, 409, 410, 422})
"""Statuses by which the shop says no, whatever its code."""


NUMBER: Final = re.compile("[A-Z0-9-]{1,40}")
"""How the shop may number an order, by the contract of every operation that names one."""

UNKNOWN: Final = "commande_inconnue"


@dataclass(frozen=True, slots=True)
class Service:
    """How an operation is called; `names`: the field that is its reference. A POST also bears our key."""

    method: str
    path: str
    names: str = "commande"


SERVICES: Final[Mapping[str, Service]] = MappingProxyType(
    {
        "creer_commande": Service("POST", "commandes"),
        "ouvrir_paiement": Service("POST", "commandes/{commande}/paiement"),
        "suivre_commande": Service("GET", "commandes/{commande}"),
        "facture": Service("GET", "commandes/{commande}/facture"),
        "annuler_commande": Service("POST", "commandes/{commande}/annulation"),
        "reserver_stand": Service("POST", "stands/reservations", "reservation"),
        "liberer_stand": Service("POST", "stands/reservations/{reservation}/liberation", "reservation"),
    }
)


def write_body(message: Outbound, settings: Settings) -> bytes:
    """Write the body of a call; what its path names is not repeated, and a question has none."""
    service = SERVICES[message.operation]
    if service.method == "GET":
        return b""
    fields = {name: value for name, value in message.fields.items() if f"{{{name}}}" not in service.path}
    if message.operation == "ouvrir_paiement" and settings.url_retour:
        fields.setdefault("url_retour", str(settings.url_retour))
    return orjson.dumps({**fields, "reference_externe": message.key})


def write_path(message: Outbound) -> str:
    """Write where an operation is called, its numbers being those that the contract allows in a path."""
    return SERVICES[message.operation].path.format_map(message.fields)


def read_receipt(message: Outbound, answer: Answer, settings: Settings, errors: ErrorTable) -> Receipt:
    """Read an answer: its reference, the details that the operation declares, and an invoice's document.

    Raises UncertainError when it is about another order than ours, or lacks a part of what it promises.
    """
    said = read_success(answer, settings, errors)
    details = answer_in(message.operation, said)
    if details is None:
        raise UncertainError("unreadable")
    name = SERVICES[message.operation].names
    reference: str = details[name]
    if message.fields.get(name, reference) != reference:
        raise UncertainError("another_order")
    files = (read_invoice(reference, said),) if message.operation == "facture" else ()
    return Receipt(reference, details, files)


def read_exists(number: str, answer: Answer, settings: Settings, errors: ErrorTable) -> bool:
    """Read whether there is an order, of which it was asked how it stands; only the shop's own code says that none is.

    Raises UncertainError when it is about another, or lacks a part of what it promises.
    """
    try:
        said = read_success(answer, settings, errors)
    except RefusedError as error:
        if error.code == UNKNOWN:
            return False
        raise
    details = answer_in("suivre_commande", said)
    if details is None:
        raise UncertainError("unreadable")
    if details["commande"] != number:
        raise UncertainError("another_order")
    return True


def read_invoice(number: str, said: Mapping[str, Any]) -> IncomingFile:
    """Read the document of an order's invoice, in base64; raises UncertainError when it is no PDF."""
    try:
        content = base64.b64decode(said.get("pdf") or "", validate=True)
    except (TypeError, ValueError):
        content = b""
    if not content.startswith(b"%PDF-"):
        raise UncertainError("unreadable")
    return IncomingFile(f"facture-{number}.pdf", "application/pdf", content)


def read_success(answer: Answer, settings: Settings, errors: ErrorTable) -> Any:
    """Read a success; raises what an error's code means, when our table knows it, or else what its status does."""
    said = read_json(answer.body)
    code = code_of(said)
    if answer.status >= 400 and errors.find(code):
        raise errors.failure(code)
    check_status(answer, unavailable=settings.unavailable)
    if answer.status not in {200, 201}:
        otherwise = Verdict.REFUSED if answer.status in REFUSING else Verdict.UNCERTAIN
        raise errors.failure(f"http_{answer.status}", otherwise)
    check_not_page(answer)
    return said


def read_json(text: bytes) -> Any:
    """Parse JSON; None when it is not."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def code_of(said: Any) -> str:
    """Read the code of an error; empty when there is none."""
    match said:
        case {"erreur": {"code": str(code)}}:
            return code
        case _:
            return ""


def is_genuine(call: Call, webhooks: Sequence[Webhook]) -> bool:
    """Say whether the shop signed this call, less than five minutes ago, with one of the secrets."""
    return any(verifies(webhook, call) for webhook in webhooks)


def verifies(webhook: Webhook, call: Call) -> bool:
    """Say whether one secret verifies a call; whatever it cannot even read was not signed."""
    try:
        webhook.verify(call.body, dict(call.headers), json_parse=False)
    except (WebhookVerificationError, ValueError):
        return False
    return True


def read_notification(call: Call) -> str:
    """Find the number of the order that has moved; empty without one."""
    match read_json(call.body):
        case {"data": {"commande": str(number)}}:
            return number
        case _:
            return ""
