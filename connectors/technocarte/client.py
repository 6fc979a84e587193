"""Hands requests to Technocarte: the connector and its settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import Field, FilePath, SecretStr, TypeAdapter, ValidationError

from connectors._transport.http import Answer, HttpClient, HttpSettings, secret
from connectors._transport.messages import places
from connectors._transport.soap import CONTENT_TYPE, FAULT, first_in_body, read_body
from connectors.technocarte import lecture, services
from connectors.technocarte.question import (
    Paiement,
    QuestionActivites,
    QuestionDetail,
    QuestionEcoles,
    QuestionFactures,
    QuestionFamille,
    write_activities,
    write_detail,
    write_family,
    write_invoices,
    write_payment,
    write_schools,
)
from connectors.technocarte.wire import read_receipt, read_return, read_schools, write_call, write_request
from hub.connector import Call, Deadline, Desk, Exchange, Outbound, Receipt, Reply
from hub.errors import DeliveryError, UncertainError
from hub.manifest import ErrorTable
from hub.model import Frozen

HEADERS: Final = {"Content-Type": CONTENT_TYPE, "SOAPAction": '""'}
PAYMENT: Final = "payer_factures"

Parameters = Mapping[str, str]


class Settings(HttpSettings):
    """How this town reaches its Technocarte: the PHP page at `url`, and the label it knows us by.

    `code_postal` is only for the probe, which asks for the town's schools. `caller_…` is the account under which
    Technocarte calls the hub's services; without its password nobody is let in.
    """

    code_appli: str = Field(min_length=1, max_length=40)
    code_postal: str = Field(pattern=r"^\d{5}$")
    caller_username: str = Field(default="technocarte", min_length=1, pattern=r"^[^:]+$")
    caller_password: SecretStr | None = None
    caller_password_file: FilePath | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of one method: what it takes, how that is said, how the answer is read."""

    method: str
    takes: TypeAdapter[Any]
    write: Callable[[Any, str], Parameters]
    read: Callable[[str, ErrorTable], Frozen]


QUESTIONS: Final[Mapping[str, Question]] = {
    "famille": Question("DetailFamille", TypeAdapter(QuestionFamille), write_family, lecture.read_family),
    "factures": Question("CallListFactureCap", TypeAdapter(QuestionFactures), write_invoices, lecture.read_invoices),
    "detail_facture": Question(
        "CallListFactureDetailCap", TypeAdapter(QuestionDetail), write_detail, lecture.read_detail
    ),
    "ecoles": Question("ListeEcoles", TypeAdapter(QuestionEcoles), write_schools, lecture.read_schools),
    "activites": Question("DetailActivites", TypeAdapter(QuestionActivites), write_activities, lecture.read_activities),
}
"""The operations that change nothing."""

PAID: Final[TypeAdapter[Paiement]] = TypeAdapter(Paiement)


class Technocarte:
    """Reserves meals, enrols children, renews, tells of payments; answers families; serves its vendor's polling.

    Its silence means yes to a request, and nothing but a payment can be asked about again.
    """

    def __init__(self, settings: Settings, errors: ErrorTable) -> None:
        self._settings, self._errors = settings, errors
        self._http = HttpClient(settings)
        self._caller_password = secret(settings.caller_password, settings.caller_password_file)

    async def deliver(self, message: Outbound) -> Receipt:
        """Hand a request or a payment over, or ask a question.

        The receipt of what is handed over is our own key, for Technocarte gives none back.
        """
        if message.operation in QUESTIONS:
            return await self._ask(QUESTIONS[message.operation], message)
        if message.operation == PAYMENT:
            return await self._pay(message)
        fields = {"var": self._write(message), "code_appli": self._settings.code_appli}
        said = await self._call("ReceptionLibredemat", fields, message.exchange, message.deadline)
        return read_receipt(message.key, said, self._errors)

    async def look_up(self, message: Outbound) -> Receipt | None:
        """Read whether the invoices of a payment are paid; of anything else Technocarte cannot be asked."""
        if message.operation != PAYMENT:
            raise UncertainError("not_askable")
        return await self._find_paid(message, self._read(PAID, message), message.exchange)

    async def serve(self, call: Call, desk: Desk) -> Reply:
        """Answer one call of Technocarte's, proved by HTTP Basic; without a secret of ours nobody is let in."""
        if not self._caller_password:
            return Reply(403)
        if not services.is_proved(call, self._settings.caller_username, self._caller_password):
            return Reply(401)
        return await services.answer(call, desk)

    async def probe(self, deadline: Deadline) -> None:
        """Ask for the schools of the town, which takes the same page and the same label."""
        fields = {
            "idenfantexterne": "",
            "nrue": "",
            "rivoli": "",
            "cp": self._settings.code_postal,
            "codeappli": self._settings.code_appli,
        }
        read_schools(await self._call("ListeEcoles", fields, Exchange(), deadline), self._errors)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _ask(self, question: Question, message: Outbound) -> Receipt:
        fields = question.write(self._read(question.takes, message), self._settings.code_appli)
        said = await self._call(question.method, fields, message.exchange, message.deadline)
        return Receipt(details=question.read(said, self._errors).model_dump(mode="json"))

    async def _pay(self, message: Outbound) -> Receipt:
        """Tell of a payment, then read the invoices: whatever was answered, only they say whether it was taken."""
        payment = self._read(PAID, message)
        fields = write_payment(payment, message.key, self._settings.code_appli)
        answer = await self._send("PaiementFactureCap", fields, message.exchange, message.deadline)
        said = None if is_fault(answer) else self._heard("PaiementFactureCap", answer)
        failure = lecture.judge_payment(said, self._errors)
        if failure.code == lecture.ALREADY_PAID:
            raise failure
        reading = Exchange()
        try:
            found = await self._find_paid(message, payment, reading)
        except DeliveryError as error:
            raise (failure if lecture.agree(failure, error) else UncertainError(error.code)) from None
        finally:
            message.exchange.answered += reading.answered
        if found is None:
            raise failure
        return found

    async def _find_paid(self, message: Outbound, payment: Paiement, exchange: Exchange) -> Receipt | None:
        fields = write_invoices(payment, self._settings.code_appli)
        said = await self._call("CallListFactureCap", fields, exchange, message.deadline)
        return lecture.read_paid(message.key, payment, lecture.read_invoices(said, self._errors))

    def _write(self, message: Outbound) -> str:
        try:
            return write_request(message.key, message.operation, message.body)
        except ValidationError as error:
            message.exchange.fault = places(error)
            raise self._errors.failure("message_invalid") from None

    def _read(self, takes: TypeAdapter[Any], message: Outbound) -> Any:
        try:
            return takes.validate_json(message.body, strict=True)
        except ValidationError as error:
            message.exchange.fault = places(error)
            raise self._errors.failure("message_invalid") from None

    async def _call(self, method: str, fields: Parameters, exchange: Exchange, deadline: Deadline) -> str:
        return self._heard(method, await self._send(method, fields, exchange, deadline))

    def _heard(self, method: str, answer: Answer) -> str:
        return read_return(method, read_body(answer, self._errors, unavailable=self._settings.unavailable))

    async def _send(self, method: str, fields: Parameters, exchange: Exchange, deadline: Deadline) -> Answer:
        return await self._http.call(
            "POST",
            "",
            exchange=exchange,
            deadline=deadline,
            content=write_call(method, fields),
            headers=HEADERS,
        )


def is_fault(answer: Answer) -> bool:
    """Tell a SOAP fault."""
    body = first_in_body(answer.body)
    return body is not None and body.tag == FAULT


def connect(settings: Mapping[str, Any], errors: ErrorTable) -> Technocarte:
    """Make the connector; raises ValidationError for settings it does not know."""
    return Technocarte(Settings.model_validate(settings), errors)
