"""What the API answers to operators, as closed models: deliveries with their codes and exchanges, and targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self

import orjson
from pydantic import Field
from sqlalchemy import Row

from hub.lifecycle import Event, State, allowed
from hub.model import Frozen, show_number
from hub.representations import Summary, moment
from hub.settlement import iso, key_of
from hub.targets import Health
from hub.views import Dossier

ACTIONS: Final[Mapping[Event, str]] = {Event.VERIFIED: "verify", Event.RETRIED: "retry", Event.FINALIZED: "finalize"}


class DeliverySummary(Frozen):
    """A delivery as operators see it in a list."""

    key: str = Field(examples=["100000042-1"])
    number: str
    numero: str
    kind: str
    site: str
    step: str
    item: int
    target: str
    state: State
    code: str
    stage: str
    reference: str
    perhaps_taken: bool = Field(description="Le logiciel l'a peut-être reçu : vérifier avant de reprendre.")
    attempts: int
    questions: int
    actions: list[str] = Field(examples=[["finalize", "retry", "verify"]])
    next_at: str | None
    sent_at: str | None
    created_at: str
    updated_at: str

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Show a delivery's row, joined with its request's kind and site."""
        return cls(**delivery_summary(row))


def delivery_summary(row: Row[Any]) -> dict[str, Any]:
    """Say of a delivery's row what every representation of it says."""
    may = allowed(State(row.state))
    same = ("kind", "site", "step", "item", "target", "state", "code", "stage", "reference", "attempts", "questions")
    return {
        **{name: getattr(row, name) for name in same},
        "key": key_of(row.id),
        "number": f"{row.request:09d}",
        "numero": show_number(row.request),
        "perhaps_taken": row.ever_uncertain,
        "actions": sorted(action for event, action in ACTIONS.items() if event in may),
        "next_at": moment(row.next_at),
        "sent_at": moment(row.sent_at),
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
    }


class DeliveryPage(Frozen):
    """A page of deliveries, the newest first, and the address of the next page."""

    deliveries: list[DeliverySummary]
    next: str | None


class AttemptNote(Frozen):
    """One try, or one question: what was sent and what was answered, for operators alone."""

    kind: str = Field(examples=["send", "ask"])
    outcome: str
    code: str
    late: bool
    http_status: int | None
    fault: str
    sent: str
    answered: str
    sent_sha256: str
    started_at: str
    ended_at: str

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Show an attempt; bytes that are no UTF-8 are replaced."""
        same = ("kind", "outcome", "code", "late", "http_status", "fault", "sent_sha256")
        return cls(
            **{name: getattr(row, name) for name in same},
            sent=row.sent.decode(errors="replace"),
            answered=row.answered.decode(errors="replace"),
            started_at=iso(row.started_at),
            ended_at=iso(row.ended_at),
        )


class AuditLine(Frozen):
    """What happened to a request: a stage reached, or what a person did."""

    at: str
    kind: str
    actor: str
    delivery: str | None
    stage: str
    status: str
    note: str

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Show an event."""
        return cls(
            **{name: getattr(row, name) for name in ("kind", "actor", "stage", "status", "note")},
            at=iso(row.at),
            delivery=key_of(row.delivery) if row.delivery else None,
        )


class DeliveryDetail(DeliverySummary):
    """A delivery with every attempt, its request's data and audit, and what its code calls for."""

    hint: str
    request: Summary
    data: dict[str, Any]
    attempts_made: list[AttemptNote]
    audit: list[AuditLine]

    @classmethod
    def of_dossier(cls, dossier: Dossier, hint: str) -> Self:
        """Show everything that is known of a delivery."""
        return cls(
            **delivery_summary(dossier.row),
            hint=hint,
            request=Summary.of(dossier.request),
            data=orjson.loads(dossier.request.body)["data"],
            attempts_made=[AttemptNote.of(row) for row in dossier.attempts],
            audit=[AuditLine.of(row) for row in dossier.events],
        )


class Cause(Frozen):
    """Why deliveries stand: how many at one target, under one code and stage, in one state."""

    target: str
    code: str
    stage: str
    state: State
    deliveries: int
    oldest_at: str

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Show a counted group."""
        return cls(**{**row._mapping, "oldest_at": iso(row.oldest_at)})  # noqa: SLF001  # its public name


class Causes(Frozen):
    """Every cause, the most frequent first."""

    causes: list[Cause]


class TargetHealth(Frozen):
    """One target now: switch, breaker, what is due and since when, the last success."""

    name: str
    connector: str
    paused: bool
    paused_reason: str
    breaker: str
    fails: int
    backlog: int
    oldest_at: str | None
    last_success_at: str | None

    @classmethod
    def of(cls, health: Health) -> Self:
        """Show how a target is."""
        same = ("name", "connector", "paused", "paused_reason", "breaker", "fails", "backlog")
        return cls(
            **{name: getattr(health, name) for name in same},
            oldest_at=moment(health.oldest_at),
            last_success_at=moment(health.last_success_at),
        )


class Targets(Frozen):
    """Every target of this installation."""

    targets: list[TargetHealth]
