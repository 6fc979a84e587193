"""What a front end writes to the hub, and what it is answered, as the published OpenAPI has it.

What is written is closed; what is read lets pass what it does not know, so that a hub may say more one day.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from hub.model import Address, Applicant, Channel, Contact, Gender, PivotIdentity, Status, Submission


class Said(BaseModel):
    """Something the hub said: never changed once read."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Receipt(Said):
    """A request is on disk, under this number."""

    number: str
    numero: str
    status: Status
    stage: str
    final: bool
    received_at: AwareDatetime


class FieldProblem(Said):
    """One field to correct: where (a JSON pointer), as the form calls it, and what is expected."""

    pointer: str
    field: str
    message: str


class ProblemDocument(Said):
    """A refusal (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str = ""
    errors: tuple[FieldProblem, ...] = ()

    @property
    def slug(self) -> str:
        """The word that tells problems apart: the last part of `type`."""
        return self.type.rpartition("/")[2]


class Outcome(Said):
    """What became of one request of a batch."""

    index: int
    status: int
    request: Receipt | None = None
    replayed: bool = False
    problem: ProblemDocument | None = None


class BatchOutcome(Said):
    """What became of each request of a batch, in its order."""

    accepted: int
    refused: int
    outcomes: list[Outcome]


class Summary(Said):
    """A request in a list."""

    number: str
    numero: str
    kind: str
    site: str
    channel: str
    external_reference: str | None
    stage: str
    status: Status
    final: bool
    awaiting: str | None
    received_at: AwareDatetime
    updated_at: AwareDatetime
    ended_at: AwareDatetime | None
    due_at: AwareDatetime | None


class Reached(Said):
    """A stage that a request reached."""

    at: AwareDatetime
    stage: str
    status: Status


class StepProgress(Said):
    """One step of a request's route, for one of its items: where it stands, since when."""

    step: str
    item: int
    status: Status
    at: AwareDatetime


class AttachmentNote(Said):
    """A file that the hub keeps."""

    id: str
    name: str
    media_type: str
    size: int
    sha256: str


class Detail(Summary):
    """A request whole: `message` for citizens, `stage` for agents, and its timeline."""

    title: str
    message: str
    reasons: list[str]
    attachments: list[AttachmentNote]
    timeline: list[Reached]
    steps: list[StepProgress]


class KindSummary(Said):
    """A kind of request that may be submitted."""

    kind: str
    title: str
    owner: str
    version: str


class RouteStep(Said):
    """A step of a kind's route."""

    name: str
    does: str
    target: str | None = None
    reasons: tuple[str, ...] = ()


class StageNote(Said):
    """A stage that a request may reach, and what the citizen reads there."""

    stage: str
    message: str


class KindDetail(KindSummary):
    """A kind with its route, its stages, and the JSON Schema of its data."""

    steps: list[RouteStep]
    stages: list[StageNote]
    data_schema: dict[str, Any] = Field(alias="schema")


class QuerySummary(Said):
    """A question that may be asked, and how many seconds its answer takes at most."""

    query: str
    title: str
    within: float


class QueryDetail(QuerySummary):
    """A question, with the JSON Schemas of what it takes and of what it answers."""

    data_schema: dict[str, Any] = Field(alias="schema")
    answer_schema: dict[str, Any]


class QueryAnswer(Said):
    """What the city's software says: an answer only when `answered`; `message` is for the citizen otherwise."""

    status: Literal["answered", "refused", "unknown"]
    answer: Any = None
    code: str = ""
    message: str = ""
    age: float = 0.0


__all__ = [
    "Address",
    "Applicant",
    "AttachmentNote",
    "BatchOutcome",
    "Channel",
    "Contact",
    "Detail",
    "FieldProblem",
    "Gender",
    "KindDetail",
    "KindSummary",
    "Outcome",
    "PivotIdentity",
    "ProblemDocument",
    "QueryAnswer",
    "QueryDetail",
    "QuerySummary",
    "Reached",
    "Receipt",
    "RouteStep",
    "StageNote",
    "Status",
    "StepProgress",
    "Submission",
    "Summary",
]
