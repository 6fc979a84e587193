"""The inbox: what a front end submits becomes a request on disk, or a refusal that names the field."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import orjson

from hub import business_keys
from hub.access import Principal, Scope, allow, blind, require
from hub.attachments import Attachments
from hub.calendar import PARIS
from hub.catalogue import Definition
from hub.errors import MappingError
from hub.events import Accepted, Announcer
from hub.gate import validate_envelope
from hub.intake import Acceptance, Arrival, replayed
from hub.ledger import Ledger
from hub.model import Submission
from hub.problems import Problem, ProblemType
from hub.rehearsal import hold, rehearse
from hub.settlement import delivery_id
from hub.tracing import HEADER, calling
from hub.words import FieldError

LONGEST_KEY: Final = 255

Wake = Callable[[Mapping[str, Collection[int]]], None]
"""Hears which deliveries of which targets are due; none named means whatever is."""


class Inbox:
    """Takes submissions in: valid, numbered, routed, and durable before anybody is told so."""

    def __init__(
        self,
        ledger: Ledger,
        attachments: Attachments,
        announce: Announcer,
        *,
        wake: Wake,
        secret: bytes,
    ) -> None:
        self._ledger, self._attachments = ledger, attachments
        self._announce, self._wake, self._secret = announce, wake, secret

    async def submit(self, principal: Principal, key: str, raw: Any) -> Acceptance:
        """Accept one request.

        Raises Problem 403, 422 and, through the ledger, KeyReusedError, ReferenceTakenError or SQLAlchemyError
        (nothing was stored).
        """
        require(principal, Scope.SUBMIT)
        submission = validate_envelope(raw)
        allow(principal, submission.kind, submission.site)
        try:
            definition = self._admitted(submission, raw["data"])
        except Problem:
            if (said_before := await self._said_before(principal, key, raw)) is not None:
                return said_before  # it was admitted once, whatever the kind asks for now
            raise
        if submission.attachments:
            if (said_before := await self._said_before(principal, key, raw)) is not None:
                return said_before
            await self._check_attachments(principal, submission.attachments)
        arrival = await self._arrival(principal, key, raw, submission, definition)
        began = time.perf_counter()
        acceptance = await self._ledger.accept(arrival)
        said = (acceptance.replayed, time.perf_counter() - began, acceptance.number, calling())
        self._announce(Accepted(arrival.kind, *said))
        if not acceptance.replayed:
            self._wake(due(arrival))
        return acceptance

    def _admitted(self, submission: Submission, data: Any) -> Definition:
        """Hold a submission to its kind as it is now; raises Problem 404 or 422."""
        definition = self.definition(submission.kind)
        hold(definition, data, submission.attachments)
        return definition

    async def _said_before(self, principal: Principal, key: str, raw: Any) -> Acceptance | None:
        """Find what the same submission was answered before."""
        said = await self._ledger.read(replayed, principal.front_end, key, fingerprint(raw))
        if said is not None:
            self._announce(Accepted(raw["kind"], replayed=True))
        return said

    def definition(self, kind: str) -> Definition:
        """Give the current definition of a kind; raises Problem 422 that names the field, 404 when it was retired."""
        book = self._ledger.book
        try:
            return book.catalogue.kinds[kind]
        except KeyError:
            if kind in book.retired:
                raise Problem(ProblemType.NOT_FOUND, book.retired[kind]) from None
            unknown = FieldError("/kind", "Type de démarche", "ce type de démarche n'existe pas")
            raise Problem(ProblemType.INVALID, errors=[unknown]) from None

    async def _check_attachments(self, principal: Principal, ids: list[str]) -> None:
        """Refuse files that are not there, not this front end's, or already another request's."""
        found = {
            one.id
            for one in await self._attachments.find(ids)
            if one.front_end == principal.front_end and one.request is None
        }
        errors = [
            FieldError(f"/attachments/{index}", "Pièces jointes", "cette pièce jointe n'existe pas ou a déjà servi")
            for index, wanted in enumerate(ids)
            if wanted not in found
        ]
        if errors:
            raise Problem(ProblemType.INVALID, errors=errors)

    async def _arrival(
        self, principal: Principal, key: str, raw: Any, submission: Submission, definition: Definition
    ) -> Arrival:
        now = self._ledger.book.now()
        number = await self._ledger.number()
        document = document_of(number, now, submission, raw["data"])
        try:
            progress = definition.route.progress(document, (), {})
            due_at = definition.route.due(document)
            if definition.route.has_expressions:
                rehearse(definition.route, document)
        except MappingError:
            flaw = FieldError("/data", "Données de la démarche", "le circuit de la démarche ne sait pas les lire")
            raise Problem(ProblemType.INVALID, errors=[flaw]) from None
        applicant = submission.applicant
        return Arrival(
            number=number,
            front_end=principal.front_end,
            site=submission.site,
            kind=submission.kind,
            channel=submission.channel,
            external_reference=submission.external_reference,
            idempotency_key=key,
            fingerprint=fingerprint(raw),
            version=definition.version,
            body=orjson.dumps(traced(document)).decode(),
            progress=replace(progress, planned=tuple(self._ledger.book.placed(progress.planned, submission.site))),
            name_index=blind(self._secret, applicant.identity.family_name),
            email_index=self._index(applicant.contact.email),
            phone_index=self._index(applicant.contact.phone),
            received_at=now,
            attachments=tuple(submission.attachments),
            due_at=due_at,
            keys=business_keys.read(definition.route, document, self._secret) if definition.route.keys else (),
        )

    def _index(self, value: str | None) -> str | None:
        return blind(self._secret, value) if value else None


def due(arrival: Arrival) -> dict[str, list[int]]:
    """List the deliveries a request begins with, by target."""
    found: dict[str, list[int]] = {}
    for ordinal, plan in enumerate(arrival.progress.planned, 1):
        found.setdefault(plan.target, []).append(delivery_id(arrival.number, ordinal))
    return found


def document_of(number: int, now: int, submission: Submission, data: Mapping[str, Any]) -> dict[str, Any]:
    """Make the document that routes and mappings read: the envelope, the number, and the kind's own data."""
    received = (submission.received_at or datetime.fromtimestamp(now / 1000, PARIS)).astimezone(PARIS)
    envelope = submission.model_dump(mode="json", exclude={"data", "received_at"}, exclude_none=True)
    return {"number": number, **envelope, "data": data, "received_at": received.isoformat(timespec="seconds")}


def traced(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Add the context that a request came with, if it did, where `hub.tracing` looks for it."""
    caller = calling()
    return {"number": document["number"], HEADER: caller.header, **document} if caller else document


def fingerprint(raw: Any) -> str:
    """Tell one submission from another: the SHA-256 of its canonical JSON."""
    return hashlib.sha256(orjson.dumps(raw, option=orjson.OPT_SORT_KEYS)).hexdigest()


def read_key(header: str | None) -> str:
    """Read an Idempotency-Key header, a structured string with or without its quotes; raises Problem 400."""
    key = (header or "").strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not key or len(key) > LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise Problem(
            ProblemType.IDEMPOTENCY_KEY_REQUIRED,
            f"L'en-tête Idempotency-Key est requis : 1 à {LONGEST_KEY} caractères ASCII imprimables.",
        )
    return key
