"""How a hub says no to a client, filed by what the client may do next.

RefusalError            the hub said no
├── InvalidError        fields to correct: `fields` names them
├── DeniedError         the key does not open this
├── MissingError        there is no such thing, or it is another's
├── ConflictError       what is asked no longer applies
└── BusyError           not now: the same may be asked again
UnreachableError        nobody said anything: the same may be asked again
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson


@dataclass(eq=False)
class RefusalError(Exception):
    """The hub said no: its problem (RFC 9457), as it came, and how many seconds it asks to be left alone."""

    status: int
    problem: Mapping[str, Any] = field(default_factory=dict)
    retry_after: float = 0.0

    def __str__(self) -> str:
        """Say the title, the detail, and each field to correct, a line each."""
        fields = [
            f"  {error.get('pointer', '')}  {error.get('message', '')}" for error in self.problem.get("errors", ())
        ]
        title = f"{self.problem.get('title', 'refused')} ({self.status})"
        return "\n".join([title, *([self.problem["detail"]] if self.problem.get("detail") else []), *fields])

    @property
    def type(self) -> str:
        """The word that tells problems apart: `invalid`, `conflict`…; "" when this is no problem of a hub."""
        return str(self.problem.get("type", "")).rpartition("/")[2]

    @property
    def fields(self) -> dict[str, str]:
        """Where there is something to correct (a JSON pointer) → what is expected, to be shown beside the field."""
        return {str(one.get("pointer")): str(one.get("message", "")) for one in self.problem.get("errors", ())}


class InvalidError(RefusalError):
    """There are fields, or a file, to correct; sent again as it is, it is refused again."""


class DeniedError(RefusalError):
    """The key is unknown, over, or does not cover this: for the operators."""


class MissingError(RefusalError):
    """There is no such thing, or it is another front end's."""


class ConflictError(RefusalError):
    """What is asked no longer applies, or the reference names another request: read it again."""


class BusyError(RefusalError):
    """The hub cannot, for now: nothing is wrong with what was asked."""


@dataclass(eq=False)
class UnreachableError(Exception):
    """No hub answers there, or its answer was lost: what was sent may have been taken."""

    url: str

    def __str__(self) -> str:
        """Say what to try."""
        return f"no hub answers at {self.url}: start one with `hub up --sandboxes`, or set HUB_URL"


BY_TYPE: Final[Mapping[str, type[RefusalError]]] = {"in-progress": BusyError}
BY_STATUS: Final[Mapping[int, type[RefusalError]]] = {
    401: DeniedError,
    403: DeniedError,
    404: MissingError,
    408: BusyError,
    409: ConflictError,
    415: InvalidError,
    422: InvalidError,
    429: BusyError,
    500: BusyError,
    502: BusyError,
    503: BusyError,
    504: BusyError,
}
"""What a refusal means; the word of its type, where there is a row for it, before its status."""


def refusal_of(status: int, content: bytes, retry_after: str) -> RefusalError:
    """Make the error that an answer stands for."""
    said = problem_of(content)
    seconds = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0
    word = str(said.get("type", "")).rpartition("/")[2]
    return (BY_TYPE.get(word) or BY_STATUS.get(status, RefusalError))(status, said, seconds)


def problem_of(content: bytes) -> Mapping[str, Any]:
    """Read a problem; what is no JSON object is a refusal without words."""
    try:
        said = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}
