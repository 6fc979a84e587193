"""What a connector is asked whose target can be asked for its own references; any other is asked nothing here."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from hub.connector import Deadline, Fault, Findable, Finder, Outbound, Receipt
from hub.errors import DeliveryError, RefusedError, TransientError, UncertainError
from hub.exam.candidate import SOON, Candidate, Subject, demand, demand_discretion, patience_with, within
from hub.model import Verdict, delivery_key

NOBODYS: Final = "../?\n"
"""What no target calls anything."""

ANSWERS: Final = {Verdict.TRANSIENT: TransientError, Verdict.UNCERTAIN: UncertainError, Verdict.REFUSED: UncertainError}
"""What a fault makes of the question; one that is refused says nothing of the reference."""


async def find_references(subject: Subject) -> None:
    """Ask for what was made, for what nobody made, and for what cannot be; nothing changes by it."""
    async with subject.facing() as candidate:
        for operation, reference in (await made(candidate)).items():
            message, before = question(operation), candidate.taken
            found = await find(candidate, message, reference)
            demand(found is True, f"{operation}: what was made: {found!r}")
            demand(message.exchange.sent and message.exchange.answered, f"{operation}: the exchange does not keep it")
            other = await find(candidate, question(operation), made_up(reference))
            demand(other is False or isinstance(other, UncertainError), f"{operation}: what nobody made: {other!r}")
            for nonsense in (NOBODYS, ""):
                said = await find(candidate, question(operation), nonsense)
                demand(isinstance(said, RefusedError), f"{operation}: what is no reference: {said!r}")
            demand(candidate.taken == before, f"{operation}: finding leaves something at the target")


async def doubt_references(subject: Subject) -> None:
    """Ask a target that is down, and one that plays each fault that may befall a question."""
    async with subject.facing() as candidate:
        for operation, reference in (await made(candidate)).items():
            for name, fault in candidate.sandbox.menu.items():
                if not fault.operations:
                    await doubt(candidate, operation, reference, name, fault)
    async with subject.facing() as candidate:
        references = await made(candidate)
        await candidate.sandbox.stop()
        for operation, reference in references.items():
            found = await find(candidate, question(operation), reference)
            demand(isinstance(found, TransientError | UncertainError), f"{operation}: a target that is down: {found!r}")


async def doubt(candidate: Candidate, operation: str, reference: str, name: str, fault: Fault) -> None:
    """Ask while the sandbox plays one fault: what is there is found, or in doubt."""
    demand(isinstance(candidate.sandbox, Findable), "its sandbox cannot break this question: break_finding")
    if isinstance(candidate.sandbox, Findable):
        candidate.sandbox.break_finding(name)
    found = await within(find(candidate, question(operation, patience_with(name)), reference))
    if fault.verdict is Verdict.ACCEPTED:
        demand(found is True, f"{operation}: {name}: {found!r}, where the menu says accepted")
        return
    demand(isinstance(found, ANSWERS[fault.verdict]), f"{operation}: {name}: {found!r}")


async def made(candidate: Candidate) -> dict[str, str]:
    """Deliver the sample of each operation whose references can be asked for; none for most connectors."""
    finds = candidate.connector.finds if isinstance(candidate.connector, Finder) else frozenset()
    unknown = finds - candidate.operations.keys()
    demand(not unknown, f"finds: no such operation: {', '.join(sorted(unknown))}")
    references = {}
    for place, operation in enumerate(sorted(finds)):
        receipt = await candidate.deliver(operation, key=delivery_key(200_000_000 + place, 1))
        demand(isinstance(receipt, Receipt) and receipt.reference, f"{operation}: {receipt!r}, without a reference")
        references[operation] = receipt.reference if isinstance(receipt, Receipt) else ""
    return references


async def find(candidate: Candidate, message: Outbound, reference: str) -> bool | DeliveryError | None:
    """Ask, and give what came of it as a value, which must not show what somebody typed."""
    if not isinstance(candidate.connector, Finder):
        return None
    try:
        return await candidate.connector.find(message, reference)
    except DeliveryError as error:
        demand_discretion(error, {"reference": reference})
        return error


def question(operation: str, seconds: float = SOON) -> Outbound:
    """Write the message that a reference is asked for by: its body is empty."""
    return Outbound(delivery_key(200_000_000, 1), operation, b"", Deadline(timedelta(seconds=seconds)))


def made_up(reference: str) -> str:
    """Make up a reference that looks like another."""
    made = re.sub("[0-9]", "9", reference)
    return made if made != reference else f"{reference}9"
