"""The examination: every check in turn, whatever became of those before it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from hub.doctor import callers, ledger, machine, surroundings
from hub.doctor.finding import Finding, Level, UnseenError
from hub.doctor.installation import Installation
from hub.problems import origin

Check = Callable[[Installation], Iterable[Finding]]

CHECKS: Final[Mapping[str, Check]] = {
    "program": machine.program,
    "settings": machine.settings,
    "logs": machine.logs,
    "database": ledger.database,
    "tables": ledger.tables,
    "durability": ledger.durability,
    "secrets": machine.secrets,
    "keys": callers.keys,
    "certificate": callers.certificate,
    "clock": ledger.clock,
    "disk": machine.disk,
    "store": surroundings.store,
    "broker": surroundings.broker,
    "port": machine.port,
    "catalogue": surroundings.catalogue,
    "targets": surroundings.configured,
    "target": ledger.standing,
    "contracts": surroundings.drift,
    "balance": ledger.in_balance,
    "causes": ledger.troubles,
    "finalizations": ledger.finalizations,
}
"""What is looked at, in this order: those that read the ledger come after the one that reaches it."""

EXIT_CODES: Final = {Level.FAULT: 2, Level.WARNING: 1}


def examine(case: Installation) -> list[Finding]:
    """Look at everything; the gravest findings come first."""
    try:
        found = [finding for name, check in CHECKS.items() for finding in _looked(name, check, case)]
    finally:
        if case.ledger is not None:
            case.ledger.dispose()
    order = list(Level)
    return sorted(found, key=lambda finding: order.index(finding.level))


def exit_code(found: Sequence[Finding]) -> int:
    """Give 0 when all is well, 1 for warnings, 2 for faults."""
    return max((EXIT_CODES.get(finding.level, 0) for finding in found), default=0)


def _looked(name: str, check: Check, case: Installation) -> Iterator[Finding]:
    """Run one check; what it found before it failed stands."""
    found = None
    try:
        for found in check(case):
            yield found
        if found is None:
            yield Finding(name, Level.WELL, name, "nothing to find fault with")
    except UnseenError as lacking:
        yield Finding(name, Level.UNSEEN, name, f"could not be looked at, for want of {lacking}")
    except Exception as error:  # noqa: BLE001  # an installation may be broken in ways that nobody foresaw
        said = f"could not be looked at: {origin(error)}"
        yield Finding(name, Level.FAULT, name, said, "see to the other findings first; if it stays, report a bug")
