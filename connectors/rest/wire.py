"""A JSON target as its settings describe it: how a call is written, where its answer holds each thing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

import orjson
from pydantic import Field, StringConstraints, model_validator

from connectors._transport.http import Answer, HttpSettings, check_not_page
from hub.connector import DifferentError, Outbound, Receipt
from hub.errors import DeliveryError, UncertainError
from hub.manifest import ErrorRow, ErrorTable, Operation
from hub.model import Effect, Frozen, Verdict

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$")]
Pointer = Annotated[str, StringConstraints(pattern=r"^(/.*)?$")]
"""An RFC 6901 JSON pointer: `/demande/numero`; empty means the whole document."""

MISSING: Final = object()
"""What stands where a pointer leads nowhere."""

JSON: Final = {"Content-Type": "application/json", "Accept": "application/json"}


class Success(Frozen):
    """What an accepted answer says inside, for a target that answers 200 to everything."""

    pointer: Pointer
    equals: str | int | bool


class LookUp(Frozen):
    """How the target is asked for our key, and where its answer is read.

    `found` leads to what is there when the key is known, and is empty (null, [], {}, 0) when it is not;
    where it leads nowhere, the answer is not one we can read. `key` leads to our key when the answer repeats
    it: a target that answers about another one was not asked what we meant. `compare`: our field → theirs.
    """

    method: Method = "GET"
    path: Annotated[str, StringConstraints(pattern=r"\{key\}")]
    accepted: frozenset[int] = frozenset({200})
    absent: frozenset[int] = frozenset({404})
    found: Pointer = ""
    key: Pointer | None = None
    reference: Pointer | None = None
    compare: Mapping[str, Pointer] = Field(default_factory=dict)


class Find(Frozen):
    """How the target is asked for one of its own references, and where its answer is read.

    `pattern`: all that they may look like. `absent`, `found` are as in a look-up; `reference` leads to it when the
    answer repeats it.
    """

    path: Annotated[str, StringConstraints(pattern=r"\{reference\}")]
    pattern: re.Pattern[str] = re.compile("[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
    accepted: frozenset[int] = frozenset({200})
    absent: frozenset[int] = frozenset({404})
    found: Pointer = ""
    reference: Pointer | None = None

    @model_validator(mode="after")
    def _stays_on_its_path(self) -> Find:
        if any(map(self.pattern.fullmatch, ("", ".", ".."))):
            raise ValueError("pattern: takes nothing at all, or dots alone, which lead elsewhere")
        return self


class Service(Operation):
    """One operation of a JSON target, and how it is called.

    Our key travels in the header `key_header`, in the top-level field `key_field`, or in `path` as {key}.
    `accepted`, `exists` (it already has our key) and `refused` are HTTP statuses; any other that the
    errors table does not know is uncertain. `reference` is a pointer, or `header:Location`; `details` names what
    later steps may use of the answer, and where each is.
    """

    method: Method = "POST"
    path: str = ""
    key_header: Name | None = None
    key_field: str | None = None
    headers: Mapping[Name, str] = Field(default_factory=dict)
    accepted: frozenset[int] = frozenset({200, 201})
    exists: frozenset[int] = frozenset()
    refused: frozenset[int] = frozenset({400, 404, 409, 422})
    reference: Annotated[str, StringConstraints(pattern=r"^(header:.+|(/.*)?)$")] | None = None
    details: Mapping[str, Pointer] = Field(default_factory=dict)
    success: Success | None = None
    error_code: Pointer | None = None
    look_up: LookUp | None = None
    find: Find | None = None

    @model_validator(mode="after")
    def _keeps_its_promise(self) -> Service:
        carries_key = self.key_header or self.key_field or "{key}" in self.path
        if self.effect in {Effect.IDEMPOTENT, Effect.LOOKUP} and not carries_key:
            raise ValueError(f"effect {self.effect}: our key must travel (key_header, key_field, {{key}})")
        if self.effect is Effect.LOOKUP and not self.look_up:
            raise ValueError("effect lookup: look_up says how the target is asked")
        if self.exists and not carries_key:
            raise ValueError("exists: a target that never sees our key cannot already have it")
        return self


class Settings(HttpSettings):
    """A JSON target: how it is reached, what it can do, what its own error codes mean."""

    operations: Annotated[Mapping[Name, Service], Field(min_length=1)]
    errors: tuple[ErrorRow, ...] = ()
    probe_path: str = ""

    @model_validator(mode="after")
    def _stays_at_its_target(self) -> Settings:
        asked = [service.look_up.path for service in self.operations.values() if service.look_up]
        sought = [service.find.path for service in self.operations.values() if service.find]
        for path in (*asked, *sought, *(service.path for service in self.operations.values()), self.probe_path):
            self.resolve(path)
        return self


def write_headers(service: Service, message: Outbound) -> dict[str, str]:
    """Write the headers of a delivery."""
    headers = {**JSON, **service.headers}
    if service.key_header:
        headers[service.key_header] = message.key
    return headers


def write_body(service: Service, message: Outbound) -> bytes:
    """Write the body of a delivery: the mapping's own bytes unless our key must be among the fields."""
    if service.key_field is None:
        return message.body
    return orjson.dumps({**message.fields, service.key_field: message.key})


def read_receipt(service: Service, answer: Answer, errors: ErrorTable) -> Receipt:
    """Read what the target says of a delivery; nothing is parsed unless the settings point into it."""
    if answer.status in service.exists:
        return Receipt(read_reference(service, answer, required=False))
    if answer.status not in service.accepted:
        return read_failure(service, answer, errors)
    check_not_page(answer)
    if service.success and at(parse(answer), service.success.pointer) != service.success.equals:
        return read_failure(service, answer, errors)
    return Receipt(read_reference(service, answer), read_details(service, answer))


def read_details(service: Service, answer: Answer) -> dict[str, Any]:
    """Read what later steps may use; what is not there is left out."""
    if not service.details:
        return {}
    document = parse(answer)
    found = {name: at(document, pointer) for name, pointer in service.details.items()}
    return {name: value for name, value in found.items() if value is not MISSING}


def read_failure(service: Service, answer: Answer, errors: ErrorTable) -> Receipt:
    """Raise what the target's error means; a Receipt when the table says that it is no error."""
    said = read_error_code(service, answer)
    row = errors.find(said)
    if row and row.verdict is Verdict.ACCEPTED:
        return Receipt(read_reference(service, answer, required=False))
    raise failure(service, answer, errors, said)


def failure(service: Service, answer: Answer, errors: ErrorTable, said: str) -> DeliveryError:
    """Make the error a target's answer stands for: by its code, by its status, by the settings."""
    if answer.status in service.accepted:
        return errors.failure(said) if said else UncertainError("unreadable")
    known = said if errors.find(said) else f"http_{answer.status}"
    otherwise = Verdict.REFUSED if answer.status in service.refused else Verdict.UNCERTAIN
    return errors.failure(known, otherwise)


def read_error_code(service: Service, answer: Answer) -> str:
    """Read the target's own error code; empty when there is none, or nothing says where."""
    if service.error_code is None:
        return ""
    try:
        code = at(parse(answer), service.error_code)
    except UncertainError:
        return ""
    return str(code) if isinstance(code, str | int) else ""


def read_reference(service: Service, answer: Answer, *, required: bool = True) -> str:
    """Read the target's own reference; raises UncertainError where it must be and is not."""
    where = service.reference
    if where is None:
        return ""
    try:
        if where.startswith("header:"):
            return text(answer.headers.get(where[7:].lower(), MISSING))
        return text(at(parse(answer), where))
    except UncertainError:
        if required:
            raise
        return ""


def read_look_up(look_up: LookUp, answer: Answer, message: Outbound) -> Receipt | None:
    """Read whether the target has our key; None when it has not.

    Raises UncertainError when it does not say so, DifferentError when one of `compare` differs.
    """
    check_not_page(answer)
    if answer.status in look_up.absent:
        return None
    if answer.status not in look_up.accepted:
        raise UncertainError(f"http_{answer.status}")
    document = parse(answer)
    found = at(document, look_up.found)
    if found is MISSING:
        raise UncertainError("unreadable")
    if not found:
        return None
    if look_up.key is not None and at(document, look_up.key) != message.key:
        raise UncertainError("another_key")
    for ours, theirs in look_up.compare.items():
        if str(message.fields.get(ours)) != str(at(document, theirs)):
            raise DifferentError("different")
    return Receipt("" if look_up.reference is None else text(at(document, look_up.reference)))


def write_find(find: Find, reference: str) -> str:
    """Write where one of the target's own references is asked for."""
    return find.path.replace("{reference}", quote(reference, safe=""))


def read_find(find: Find, answer: Answer, reference: str, errors: ErrorTable) -> bool:
    """Read whether the target has one of its own references; raises what any other answer stands for."""
    check_not_page(answer)
    if answer.status in find.absent:
        return False
    if answer.status not in find.accepted:
        raise errors.failure(f"http_{answer.status}", Verdict.UNCERTAIN)
    document = parse(answer)
    found = at(document, find.found)
    if found is MISSING:
        raise UncertainError("unreadable")
    if found and find.reference is not None and text(at(document, find.reference)) != reference:
        raise UncertainError("another_reference")
    return bool(found)


def parse(answer: Answer) -> Any:
    """Parse an answer's JSON; raises UncertainError when it is not."""
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        raise UncertainError("unreadable") from None


def text(value: Any) -> str:
    """Read a reference: a text that says something, or a number."""
    if isinstance(value, str | int) and value != "":
        return str(value)
    raise UncertainError("unreadable")


def at(document: Any, pointer: str) -> Any:
    """Follow a JSON pointer; MISSING when it leads nowhere."""
    for part in parts(pointer):
        match document:
            case dict() if part in document:
                document = document[part]
            case list() if part.isdecimal() and int(part) < len(document):
                document = document[int(part)]
            case _:
                return MISSING
    return document


@cache
def parts(pointer: str) -> tuple[str, ...]:
    """Split a JSON pointer, once for each that the settings hold."""
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])
