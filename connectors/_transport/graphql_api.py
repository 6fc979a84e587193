"""GraphQL over HTTP by the documents of a connector's folder: the three verbs of a target that a schema describes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from connectors._transport.contract import KEY, Contract, reference_in
from connectors._transport.contract_api import ContractApi
from connectors._transport.http import NO_HEADERS, Answer, HttpSettings, check_not_page, check_status
from connectors._transport.json_api import JSON, read_failure
from connectors._transport.xml import UNREADABLE
from hub.connector import Deadline, Exchange, Outbound, Receipt
from hub.errors import UncertainError
from hub.manifest import ErrorTable
from hub.model import Verdict

PROBE: Final = orjson.dumps({"query": "{ __typename }"})


@dataclass(frozen=True, slots=True)
class Ask:
    """How one operation is asked: the field that answers, and where its answer and its message bear references."""

    field: str
    reference: str = ""
    key: str = ""


class GraphqlApi(ContractApi):
    """A target that speaks GraphQL; what each operation asks is `contract/<operation>.graphql`."""

    def __init__(
        self,
        settings: HttpSettings,
        errors: ErrorTable,
        contract: Contract,
        asks: Mapping[str, Ask],
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        """Speak to the target of these settings; `headers` go with every call."""
        super().__init__(settings, errors, contract, {**JSON, **headers})
        self._asks = asks
        self._documents = {name: (contract.folder / f"contract/{name}.graphql").read_text("utf-8") for name in asks}

    async def deliver(self, message: Outbound) -> Receipt:
        """Ask the operation's document, with the message as its variables."""
        ask = self._asks[message.operation]
        variables = self._contract.fields(message, self._errors, ask.key)
        said = {"query": self._documents[message.operation], "variables": variables}
        answer = await self._post(orjson.dumps(said), message.exchange, message.deadline, {KEY: message.key})
        details = self._contract.details(message.operation, read_data(answer, self._errors).get(ask.field))
        return Receipt(reference_in(details, ask.reference), details)

    async def probe(self, deadline: Deadline) -> None:
        """Ask what its root is called, which every server knows."""
        read_data(await self._post(PROBE, Exchange(), deadline), self._errors)

    async def _post(
        self, content: bytes, exchange: Exchange, deadline: Deadline, headers: Mapping[str, str] = NO_HEADERS
    ) -> Answer:
        said = {**self._headers, **headers}
        answer = await self._http.call("POST", "", exchange=exchange, deadline=deadline, content=content, headers=said)
        return check_status(answer, unavailable=self._unavailable)


def read_data(answer: Answer, errors: ErrorTable) -> Mapping[str, Any]:
    """Read an answer's data; raises what its errors mean.

    Without `data` nothing was begun, says the specification: an error that the table does not know then refuses. Beside
    data, even null, it leaves a doubt.
    """
    check_not_page(answer)
    try:
        said = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        if answer.status >= 400:
            raise read_failure(answer, errors) from None
        raise UncertainError(UNREADABLE) from None
    match said:
        case {"errors": [*told]} if told:
            code = next((one for one in codes(told) if errors.find(one)), "")
            if may_be_done(said.get("data"), told):
                raise UncertainError(code or UNREADABLE)
            raise errors.failure(code, Verdict.UNCERTAIN if "data" in said else Verdict.REFUSED)
        case {"data": dict(data)} if answer.status == 200:
            return data
        case _ if answer.status >= 400:
            raise read_failure(answer, errors)
    raise UncertainError(UNREADABLE)


def may_be_done(data: Any, told: list[Any]) -> bool:
    """Say whether what was asked may be done, and only part of its answer failed: nothing is sure then."""
    paths = [one.get("path") for one in told if isinstance(one, dict)]
    inside = any(isinstance(path, list) and len(path) > 1 for path in paths)
    return inside or (isinstance(data, dict) and any(value is not None for value in data.values()))


def codes(told: list[Any]) -> Iterator[str]:
    """Give all by which errors may be known: their codes, then their sentences."""
    for error in told:
        match error:
            case {"extensions": {"code": str(code)}}:
                yield code
    for error in told:
        match error:
            case {"message": str(sentence)}:
                yield sentence
