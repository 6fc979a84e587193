"""What a claim becomes before it is sent: its message, written by the mapping its request is pinned to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
import structlog

from hub.book import Book
from hub.claims import POISON_CLAIMS, Claim
from hub.connector import File
from hub.errors import MappingError
from hub.judgement import Ruling
from hub.lifecycle import Event
from hub.manifest import Operation
from hub.model import Effect
from hub.routing import Carried, Route
from hub.settlement import key_of
from hub.target import LiveTarget
from hub.tracing import HEADER, Span

log = structlog.get_logger()

NOTHING_DONE: Final = Operation(title="", effect=Effect.ONCE)
"""What stands for an operation that a target no longer has."""


@dataclass(slots=True)
class Parcel:
    """A claim with its message written, ready to be sent or asked about."""

    claim: Claim
    operation: Operation
    name: str
    body: bytes
    file_ids: Sequence[str] = ()
    files: tuple[File, ...] = ()
    span: Span | None = None
    """As which the attempt is known in its trace."""


def write(book: Book, target: LiveTarget, claim: Claim) -> Parcel | Ruling:
    """Write one message; a mapping that fails, or a payload that keeps killing, goes to a person."""
    if claim.claims > POISON_CLAIMS:
        return given_up(claim, "poison")
    definition = book.known(claim.version)
    mapping = definition.mappings[claim.mapping]
    operation = target.operations.get(mapping.operation)
    if operation is None:
        return given_up(claim, "no_such_operation")
    document = orjson.loads(claim.body)
    document.pop(HEADER, None)  # for the trace, and no mapping's business
    try:
        bindings = bindings_of(claim, definition.route, document)
        body, file_ids = mapping.write(document, bindings), mapping.attachments(document, bindings)
    except Exception as error:  # noqa: BLE001  # whatever a payload does to its mapping is that delivery's alone
        if not isinstance(error, MappingError):
            log.error("mapping failed", mapping=claim.mapping, error=type(error).__name__)  # noqa: TRY400  # its text may hold data
        return given_up(claim, "mapping")
    return Parcel(claim, operation, mapping.operation, body, file_ids)


def given_up(claim: Claim, code: str) -> Ruling:
    """Leave to a person what could not even be tried."""
    return Ruling(Event.GIVEN_UP, code, uncertain=claim.ever_uncertain)


def bindings_of(claim: Claim, route: Route, document: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a mapping may read beside the document: its key, what its step was given, and its item.

    Raises MappingError when a correction has left the step without this item.
    """
    bindings: dict[str, Any] = {"key": key_of(claim.id)}
    answers: Mapping[str, Any] = orjson.loads(claim.answers) if claim.answers else {}
    if answers:
        bindings["answers"] = answers
    if claim.given:
        bindings |= orjson.loads(claim.given)
    step = route.named.get(claim.step)
    if isinstance(step, Carried) and step.for_each is not None:
        items = route.items(step, document, answers)
        if claim.item >= len(items):
            raise MappingError(claim.mapping, ("for_each",))
        bindings["item"] = items[claim.item]
    return bindings
