"""A connector whose contract was derived from its target's: what each operation takes and answers, in its folder.

`contract/<operation>.json` and the answers' schemas are JSON Schemas; `contract/exchanges.json` has one exchange of
each operation, by which its sandbox answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import orjson

from connectors._transport.xml import UNREADABLE
from hub.connector import Outbound
from hub.errors import UncertainError
from hub.manifest import ErrorTable, Manifest
from hub.model import Effect, Verdict

KEY: Final = "Idempotency-Key"
"""The header that bears our key to every target: what it does with it, its contract or its vendor must say."""

INVALID: Final = "message_invalid"
"""The code of a message that breaks its contract, and is therefore not sent."""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """One exchange: what was asked and answered, and how the target may refuse it instead."""

    asked: Mapping[str, Any]
    answered: Any = None
    status: int = 200
    refusals: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contract:
    """What a connector's operations take and answer."""

    folder: Path
    effects: Mapping[str, Effect]
    takes: Mapping[str, jsonschema_rs.Validator]
    answers: Mapping[str, jsonschema_rs.Validator]
    asked: Mapping[str, Mapping[str, Any]]
    answered: Mapping[str, Mapping[str, Any]]
    """The schemas themselves, for what has to be read by them."""
    exchanges: Mapping[str, Exchanged] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Contract:
        """Read a connector's folder: its manifest, the schemas that it names, its exchanges."""
        operations = Manifest.read(folder).operations
        said = orjson.loads((folder / "contract/exchanges.json").read_bytes())
        takes = {name: _load(folder / one.contract) for name, one in operations.items()}
        answers = {name: _load(folder / one.answer) for name, one in operations.items() if one.answer}
        return cls(
            folder,
            {name: one.effect for name, one in operations.items()},
            {name: _validator(schema) for name, schema in takes.items()},
            {name: _validator(schema) for name, schema in answers.items()},
            takes,
            answers,
            {name: _exchanged(one) for name, one in said.items()},
        )

    def fields(self, message: Outbound, errors: ErrorTable, key: str = "") -> dict[str, Any]:
        """Give a message's fields, with our key where it travels; raises RefusedError for one that breaks its contract.

        `key`: where, as `entete.reference`; the exchange names the fields at fault, never what they hold.
        """
        fields = put(message.fields, key, message.key) if key else message.fields
        wrong = sorted({".".join(map(str, place)) for place in self._wrong(message.operation, fields)})
        if wrong:
            message.exchange.fault = ", ".join(wrong)
            raise errors.failure(INVALID, Verdict.REFUSED)
        return fields

    def _wrong(self, operation: str, fields: Any) -> Iterator[list[str | int]]:
        return (error.instance_path for error in self.takes[operation].iter_errors(fields))

    def details(self, operation: str, said: Any) -> dict[str, Any]:
        """Give what was answered, as `value` when it is no object; raises UncertainError for what is not as agreed."""
        if operation not in self.answers:
            return {}
        for details in (said, {"value": said}):
            if isinstance(details, dict) and self.answers[operation].is_valid(details):
                return details
        raise UncertainError(UNREADABLE)


def put(fields: Mapping[str, Any], path: str, value: str) -> dict[str, Any]:
    """Give fields with a value at a path, `entete.reference`."""
    first, _, rest = path.partition(".")
    within = fields.get(first)
    return {**fields, first: put(within if isinstance(within, dict) else {}, rest, value) if rest else value}


def at(fields: Any, path: str) -> Any:
    """Find what stands at a path; None when nothing does."""
    for part in path.split(".") if path else ():
        fields = fields.get(part) if isinstance(fields, dict) else None
    return fields


def reference_in(details: Mapping[str, Any], path: str) -> str:
    """Read the target's own reference where it must be; raises UncertainError where it is not."""
    if not path:
        return ""
    found = at(details, path)
    if isinstance(found, str | int) and found != "":
        return str(found)
    raise UncertainError(UNREADABLE)


def _load(file: Path) -> dict[str, Any]:
    return orjson.loads(file.read_bytes())  # type: ignore[no-any-return]  # a JSON Schema is an object


def _validator(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(schema, validate_formats=True)


def _exchanged(said: Mapping[str, Any]) -> Exchanged:
    return Exchanged(**{**said, "refusals": tuple(said.get("refusals", ()))})
