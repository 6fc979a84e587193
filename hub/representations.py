"""What the API answers about requests and kinds, as closed models: stages and statuses, never a target's own words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self

from pydantic import Field
from sqlalchemy import Row

from hub.attachments import Described
from hub.catalogue import Catalogue, Definition
from hub.intake import Acceptance
from hub.lifecycle import State
from hub.model import FINAL_STATUSES, Frozen, Status, show_number
from hub.routing import ACCEPTED, CANCELLED, FINALIZED, INTEGRATION_ERROR, RECEIVED, UNDER_WAY, Await, Named, Notify
from hub.settlement import iso
from hub.texts import fill
from hub.views import Whole

STANDS: Final[Mapping[State, Status]] = {
    State.QUEUED: Status.IN_PROGRESS,
    State.CLAIMED: Status.IN_PROGRESS,
    State.SENDING: Status.IN_PROGRESS,
    State.UNCERTAIN: Status.UNCERTAIN,
    State.ASKING: Status.UNCERTAIN,
    State.WAITING: Status.WAITING,
    State.PARKED: Status.PARKED,
    State.DELIVERED: Status.DONE,
    State.FINALIZED: Status.FINALIZED,
    State.CANCELLED: Status.CANCELLED,
}
"""How a delivery's state reads outside."""


def receipt(acceptance: Acceptance) -> dict[str, Any]:
    """Write down what a front end is told when its request is accepted: a dict, for speed."""
    return {
        "number": f"{acceptance.number:09d}",
        "numero": show_number(acceptance.number),
        "status": acceptance.status,
        "stage": acceptance.stage,
        "final": acceptance.status in FINAL_STATUSES,
        "received_at": iso(acceptance.received_at),
    }


def moment(instant: int | None) -> str | None:
    """Write an instant, if there is one; zero is none."""
    return iso(instant) if instant else None


class Receipt(Frozen):
    """What a front end is told when its request is accepted."""

    number: str = Field(examples=["100000042"])
    numero: str = Field(examples=["100 000 042"])
    status: Status
    stage: str
    final: bool
    received_at: str = Field(json_schema_extra={"format": "date-time"})


class FieldProblem(Frozen):
    """One thing to correct."""

    pointer: str
    field: str
    message: str


class ProblemDocument(Frozen):
    """A refusal, as RFC 9457 writes it; members without a value are left out."""

    type: str
    title: str
    status: int
    detail: str = ""
    errors: tuple[FieldProblem, ...] = ()


class Outcome(Frozen):
    """What became of one request of a batch."""

    index: int
    status: int
    request: Receipt | None = None
    replayed: bool = False
    problem: ProblemDocument | None = None


class BatchOutcome(Frozen):
    """What became of each request of a batch, in its order."""

    accepted: int
    refused: int
    outcomes: list[Outcome]


class Summary(Frozen):
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
    awaiting: str | None = Field(description="L'étape qui attend une décision.")
    received_at: str
    updated_at: str
    ended_at: str | None
    due_at: str | None = Field(description="La fin du délai légal, quand la démarche en a un.")

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Show a request's row."""
        return cls(**summary(row))


def summary(row: Row[Any]) -> dict[str, Any]:
    """Say of a request's row what every representation of it says."""
    return {
        "number": f"{row.number:09d}",
        "numero": show_number(row.number),
        "kind": row.kind,
        "site": row.site,
        "channel": row.channel,
        "external_reference": row.external_reference,
        "stage": row.stage,
        "status": Status(row.status),
        "final": row.status in FINAL_STATUSES,
        "awaiting": row.awaiting or None,
        "received_at": iso(row.received_at),
        "updated_at": iso(row.updated_at),
        "ended_at": moment(row.ended_at),
        "due_at": moment(row.due_at),
    }


class RequestPage(Frozen):
    """A page of requests, the newest first, and the address of the next page."""

    requests: list[Summary]
    next: str | None


class Pressing(Frozen):
    """Requests by the time that the law leaves, the most pressing first."""

    requests: list[Summary]


class Reached(Frozen):
    """A stage a request reached."""

    at: str
    stage: str
    status: Status


class StepProgress(Frozen):
    """One step of a request's route: its name, which of its items, where it stands, since when."""

    step: str
    item: int
    status: Status
    at: str


class AttachmentNote(Frozen):
    """A file that came with a request."""

    id: str
    name: str
    media_type: str
    size: int
    sha256: str

    @classmethod
    def of(cls, described: Described) -> Self:
        """Show an attachment."""
        return cls(**{name: getattr(described, name) for name in cls.model_fields})


class Detail(Summary):
    """A request as its front end and its agents read it."""

    title: str = Field(description="L'intitulé de la démarche.")
    message: str = Field(description="Ce que l'usager lit à cette étape.")
    reasons: list[str] = Field(description="Les motifs de refus admis, quand une décision est attendue.")
    attachments: list[AttachmentNote]
    timeline: list[Reached]
    steps: list[StepProgress]

    @classmethod
    def of_whole(cls, catalogue: Catalogue, whole: Whole) -> Self:
        """Show a request with what happened to it; nothing a target said is in it."""
        row, route = whole.row, whole.definition.route
        step = route.named.get(row.awaiting)
        received = Reached(at=iso(row.received_at), stage=RECEIVED, status=Status.IN_PROGRESS)
        return cls(
            **summary(row),
            title=route.title,
            message=fill(catalogue.message(whole.definition, row.stage), row.number, route.title),
            reasons=list(step.reasons) if isinstance(step, Await) else [],
            attachments=[AttachmentNote.of(one) for one in whole.attachments],
            timeline=[received, *(Reached(at=iso(e.at), stage=e.stage, status=e.status) for e in whole.stages)],
            steps=[
                StepProgress(step=one.step, item=one.item, status=STANDS[State(one.state)], at=iso(one.updated_at))
                for one in whole.deliveries
            ],
        )


class KindSummary(Frozen):
    """A kind of request that may be submitted."""

    kind: str
    title: str
    owner: str
    version: str

    @classmethod
    def of(cls, definition: Definition) -> Self:
        """Show a kind's current definition."""
        return cls(**kind_summary(definition))


def kind_summary(definition: Definition) -> dict[str, Any]:
    """Say of a definition what every representation of it says."""
    route = definition.route
    return {"kind": definition.kind, "title": route.title, "owner": route.owner, "version": definition.version}


class RouteStep(Frozen):
    """A step of a kind's route: what is done, with which target, or who is awaited and may refuse why."""

    name: str
    does: str = Field(examples=["deliver", "enrich", "await"])
    target: str | None = None
    reasons: tuple[str, ...] = ()

    @classmethod
    def of(cls, step: Named) -> Self:
        """Show a step."""
        if isinstance(step, Await):
            return cls(name=step.name, does=step.does, reasons=step.reasons)
        return cls(name=step.name, does=step.does, target=step.target)


class StageNote(Frozen):
    """A stage a request may reach, and what the citizen reads there."""

    stage: str
    message: str


class KindDetail(KindSummary):
    """A kind with its route, its stages and the JSON Schema of its data."""

    steps: list[RouteStep]
    stages: list[StageNote]
    data_schema: dict[str, Any] = Field(serialization_alias="schema")

    @classmethod
    def of_kind(cls, catalogue: Catalogue, definition: Definition, failing: Mapping[str, str]) -> Self:
        """Show a kind; `failing` gives each target's own error stage."""
        named = definition.route.named.values()
        return cls(
            **kind_summary(definition),
            steps=[RouteStep.of(step) for step in named],
            stages=[
                StageNote(stage=stage, message=catalogue.message(definition, stage))
                for stage in _stages(definition, failing)
            ],
            data_schema=definition.schema,
        )


def _stages(definition: Definition, failing: Mapping[str, str]) -> list[str]:
    """List the stages that a kind's requests may reach, in the order they usually come."""
    named = definition.route.named.values()
    targets = [step.target for step in named if not isinstance(step, Await | Notify)]
    return list(
        dict.fromkeys(
            [
                *definition.route.stages,
                UNDER_WAY,
                *(failing[target] for target in targets if target in failing),
                INTEGRATION_ERROR,
                ACCEPTED,
                FINALIZED,
                CANCELLED,
            ]
        )
    )
