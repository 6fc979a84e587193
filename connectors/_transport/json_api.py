"""JSON over HTTP by a table of calls: the three verbs of a target that an OpenAPI document describes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson

from connectors._transport.contract import INVALID, KEY, Contract, reference_in
from connectors._transport.contract_api import ContractApi
from connectors._transport.http import NO_HEADERS, Answer, HttpSettings, check_not_page, check_status
from connectors._transport.xml import UNREADABLE
from hub.connector import Deadline, Exchange, Outbound, Receipt
from hub.errors import DeliveryError, UncertainError
from hub.manifest import ErrorTable
from hub.model import Verdict

JSON: Final = {"Content-Type": "application/json", "Accept": "application/json"}
WHOLE: Final = "*"
PLACE: Final = re.compile(r"\{([^}]+)\}")
CODES: Final = ("code", "error", "errorCode", "type", "title")
"""Where an answer may say its error, nearest first; only what the errors table knows counts."""
NOWHERE: Final = frozenset({"", ".", ".."})
"""What no step of a path may be: servers read it as another path."""
UNKNOWN_TO_US: Final = frozenset({401, 403})
PERHAPS_TAKEN: Final = frozenset({408})


@dataclass(frozen=True, slots=True)
class Call:
    """How one operation is called, and which part of its message goes where.

    `body`: the message's member that is the body, `*` for the whole message, "" for none. `reference`: where the answer
    bears the target's own reference, `dossier.numero`. `key`: the field of the message that bears our key.
    """

    method: str
    path: str
    query: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    body: str = ""
    accepted: tuple[int, ...] = (200, 201)
    reference: str = ""
    key: str = ""


class JsonApi(ContractApi):
    """A target that speaks JSON over HTTP."""

    def __init__(
        self,
        settings: HttpSettings,
        errors: ErrorTable,
        contract: Contract,
        calls: Mapping[str, Call],
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        """Speak to the target of these settings; `headers` go with every call."""
        super().__init__(settings, errors, contract, {**JSON, **headers})
        self._calls = calls

    async def deliver(self, message: Outbound) -> Receipt:
        """Call the operation, and take its answer for one only as its contract says it."""
        call = self._calls[message.operation]
        answer = await self._call(message, call, self._contract.fields(message, self._errors, call.key))
        check_status(answer, unavailable=self._unavailable)
        if answer.status not in call.accepted:
            raise read_failure(answer, self._errors)
        if not answer.body and message.operation in self._contract.answers:
            raise UncertainError(UNREADABLE)
        details = self._contract.details(message.operation, read_answer(answer))
        return Receipt(reference_in(details, call.reference), details)

    async def _call(self, message: Outbound, call: Call, fields: Mapping[str, Any]) -> Answer:
        """Call; what has no body is kept by its method and path."""
        if not can_be_written(call, fields):
            raise self._errors.failure(INVALID, Verdict.REFUSED)
        path, exchange = write_path(call, fields), message.exchange
        headers = {**self._headers, KEY: message.key, **write_headers(call, fields)}
        content = write_body(call, fields)
        try:
            return await self._http.call(
                call.method, path, exchange=exchange, deadline=message.deadline, content=content, headers=headers
            )
        finally:
            if not content:
                exchange.wrote(f"{call.method} {path}".encode())

    async def probe(self, deadline: Deadline) -> None:
        """Read its address: any answer will do but a failure, or that it does not know us."""
        answer = await self._http.call("GET", "", exchange=Exchange(), deadline=deadline, headers=self._headers)
        check_status(answer, unavailable=self._unavailable)
        if answer.status in UNKNOWN_TO_US:
            raise read_failure(answer, self._errors)


def can_be_written(call: Call, fields: Mapping[str, Any]) -> bool:
    """Say whether a path and headers hold what a message says: no step up or aside, no line break."""
    steps = [text(fields.get(name, "")) for name in PLACE.findall(call.path)]
    return not NOWHERE.intersection(steps) and all(one.isprintable() for one in write_headers(call, fields).values())


def write_path(call: Call, fields: Mapping[str, Any]) -> str:
    """Write the path of a call, and what is asked after its question mark."""
    path = PLACE.sub(lambda found: quote(text(fields[found[1]]), safe=""), call.path)
    asked = [(name, text(one)) for name in call.query if name in fields for one in listed(fields[name])]
    return f"{path}?{urlencode(asked)}" if asked else path


def write_headers(call: Call, fields: Mapping[str, Any]) -> dict[str, str]:
    """Write the headers of a call that come from its message."""
    return {name: text(fields[name]) for name in call.headers if name in fields}


def write_body(call: Call, fields: Mapping[str, Any]) -> bytes:
    """Write the body of a call."""
    if call.body == WHOLE:
        return orjson.dumps(fields)
    return orjson.dumps(fields[call.body]) if call.body in fields else b""


def read_answer(answer: Answer) -> Any:
    """Parse an answer, None when it is empty; raises UncertainError when it is a page, or no JSON."""
    check_not_page(answer)
    try:
        return orjson.loads(answer.body) if answer.body else None
    except orjson.JSONDecodeError:
        raise UncertainError(UNREADABLE) from None


def read_failure(answer: Answer, errors: ErrorTable) -> DeliveryError:
    """Make the error that an answer stands for: by its own code where the table knows it, else by its status."""
    said = next((code for code in said_in(answer) if errors.find(code)), f"http_{answer.status}")
    is_no = 400 <= answer.status < 500 and answer.status not in PERHAPS_TAKEN
    return errors.failure(said, Verdict.REFUSED if is_no else Verdict.UNCERTAIN)


def said_in(answer: Answer) -> Iterator[str]:
    """Give every word by which an answer may name its error."""
    try:
        said = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return
    for name in CODES if isinstance(said, dict) else ():
        if isinstance(found := said.get(name), str | int):
            yield str(found)


def text(value: Any) -> str:
    """Write a value as it stands in an address or a header."""
    return ("false", "true")[value] if isinstance(value, bool) else str(value)


def listed(value: Any) -> list[Any]:
    """Give the values of a parameter, which may be said several times."""
    return value if isinstance(value, list) else [value]
