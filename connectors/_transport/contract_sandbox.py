"""Stand-ins that answer by a derived contract: what breaks it is refused, what it allows is taken and answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from connectors._transport.contract import KEY, Contract
from connectors._transport.sandbox import COMMON, HttpSandbox
from hub.connector import Fault
from hub.model import Effect, Verdict

UNKNOWN_ACCOUNT: Final = "unknown_account"
REFUSED: Final = "refused_"
"""What the faults are called by which a target refuses as its contract declares."""


class ContractSandbox(HttpSandbox):
    """Takes what a connector's contract allows, and answers one exchange of each operation.

    A subclass says which `folder` is the connector's. A key that comes again is not taken again by an operation whose
    effect is `idempotent`.
    """

    folder: Path

    def __init__(self) -> None:
        super().__init__()
        self.contract = Contract.read(self.folder)
        self.menu = dict(self.faults())

    def sample(self, operation: str) -> dict[str, Any]:
        """Give the message of the operation's exchange."""
        return deepcopy(dict(self.contract.exchanges[operation].asked))

    def faults(self) -> Iterator[tuple[str, Fault]]:
        """Give the common faults, then the refusals that the contract declares."""
        for name, fault in COMMON.items():
            befalls = self.told_by_an_empty_answer() if name == "empty" else tuple(self.contract.effects)
            if befalls:
                every = len(befalls) == len(self.contract.effects)
                yield name, fault if every else fault.model_copy(update={"operations": befalls})
        yield UNKNOWN_ACCOUNT, Fault(title="answers 401", verdict=Verdict.TRANSIENT)
        exchanges = self.contract.exchanges.items()
        for code in dict.fromkeys(code for _, one in exchanges for code in one.refusals):
            befalls = tuple(name for name, one in exchanges if code in one.refusals)
            yield refusal(code), Fault(title=f"refuses: {code}", verdict=Verdict.REFUSED, operations=befalls)

    def told_by_an_empty_answer(self) -> tuple[str, ...]:
        """Name the operations of which an empty answer tells nothing: those that are answered."""
        return tuple(self.contract.answers)

    def accept(self, operation: str, request: web.Request) -> None:
        """Count a message under our key."""
        key, effect = request.headers.get(KEY, ""), self.contract.effects[operation]
        known = effect is Effect.IDEMPOTENT and self.times_taken(key)
        if effect is not Effect.SAFE and not known:
            self.take(key)

    def allows(self, operation: str, fields: Mapping[str, Any]) -> bool:
        """Tell whether a message is as the contract says."""
        return self.contract.takes[operation].is_valid(fields)

    async def play(self, fault: str, request: web.Request, answer: web.Response | None) -> web.StreamResponse:
        """Play what a contract adds to the common menu."""
        if fault == UNKNOWN_ACCOUNT:
            return web.Response(status=401)
        for exchanged in self.contract.exchanges.values():
            for code in exchanged.refusals:
                if refusal(code) == fault:
                    return self.refuse(code)
        return await super().play(fault, request, answer)

    def refuse(self, code: str) -> web.Response:
        """Refuse as the contract declares."""
        raise NotImplementedError(code)


def refusal(code: str) -> str:
    """Give the name of the fault by which a target refuses with a code."""
    return REFUSED + "".join(letter if letter.isalnum() else "_" for letter in code.lower())
