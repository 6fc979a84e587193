"""What the API answers to operators, as closed models: deliveries with their codes and exchanges, and targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import orjson
from pydantic import Field
from sqlalchemy import Row

from hub.finalization import NEVER
from hub.lifecycle import FINAL, State
from hub.model import Frozen, show_number
from hub.prospects import Prospects
from hub.representations import Summary, moment
from hub.settlement import iso, key_of
from hub.tables_operations import Proof
from hub.targets import Health
from hub.verbs import Standing, Verb, Why, verbs
from hub.views import Dossier


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
    actions: list[Verb] = Field(
        examples=[["correct", "finalize", "reject", "retry"]],
        description="Ce qu'on peut faire maintenant ; dans une liste, sans `retry_current`, que le détail examine.",
    )
    next_at: str | None
    sent_at: str | None
    created_at: str
    updated_at: str

    @classmethod
    def of(cls, row: Row[Any], standing: Standing) -> Self:
        """Show a delivery's row, joined with its request's kind and site."""
        return cls(**delivery_summary(row, {**verbs(standing), Verb.RETRY_CURRENT: Why.ALREADY_CURRENT}))


def delivery_summary(row: Row[Any], said: Mapping[Verb, Why | None]) -> dict[str, Any]:
    """Say of a delivery's row what every representation of it says."""
    same = ("kind", "site", "step", "item", "target", "state", "code", "stage", "reference", "attempts", "questions")
    return {
        **{name: getattr(row, name) for name in same},
        "key": key_of(row.id),
        "number": f"{row.request:09d}",
        "numero": show_number(row.request),
        "perhaps_taken": bool(row.ever_uncertain) and row.state not in FINAL,
        "actions": sorted(verb for verb, why in said.items() if why is None),
        "next_at": moment(row.next_at) if row.next_at < NEVER else None,
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


class VerbNote(Frozen):
    """One thing that a person may do to a delivery, or why not."""

    verb: Verb
    legal: bool
    why: Why | None = Field(description="Le code de la raison, quand ce n'est pas possible.")
    sentence: str

    @classmethod
    def of(cls, verb: Verb, why: Why | None) -> Self:
        """Show a verb."""
        return cls(verb=verb, legal=why is None, why=why, sentence=why.sentence if why else "")


class FinalizationNote(Frozen):
    """The last time that somebody closed a delivery by hand, or proposed to, and whether it is proved."""

    state: Proof
    reference: str
    reason: str
    comment: str
    actor: str
    seconded_by: str
    questions: int = Field(description="Combien de fois la référence a été demandée au logiciel.")
    code: str
    next_at: str | None
    created_at: str
    settled_at: str | None

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Show a finalization."""
        same = ("state", "reference", "reason", "comment", "actor", "seconded_by", "questions", "code")
        return cls(
            **{name: getattr(row, name) for name in same},
            next_at=moment(row.next_at) if row.state == Proof.PENDING else None,
            created_at=iso(row.created_at),
            settled_at=moment(row.settled_at),
        )


class DeliveryDetail(DeliverySummary):
    """A delivery with every attempt, its request's data and audit, and what its code calls for."""

    hint: str
    verbs: list[VerbNote]
    candidates: list[str] = Field(description="Les autres logiciels vers lesquels le réorienter.")
    finalization: FinalizationNote | None
    request: Summary
    data: dict[str, Any]
    attempts_made: list[AttemptNote]
    audit: list[AuditLine]

    @classmethod
    def of_dossier(cls, dossier: Dossier, seen: Prospects, hint: str, actor: str) -> Self:
        """Show everything that is known of a delivery, and what `actor` may do."""
        said = verbs(seen.standing, actor)
        return cls(
            **delivery_summary(dossier.row, said),
            hint=hint,
            verbs=[VerbNote.of(verb, why) for verb, why in said.items()],
            candidates=list(seen.standing.candidates),
            finalization=FinalizationNote.of(seen.finalization) if seen.finalization else None,
            request=Summary.of(dossier.request),
            data=orjson.loads(dossier.body)["data"],
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


class CauseNote(Frozen):
    """Who sees to a cause of failures, and what is known of it."""

    target: str
    code: str
    stage: str
    owner: str
    note: str


class Assigned(Frozen):
    """Who sees to a request."""

    number: str
    owner: str


class ElementChange(Frozen):
    """One element of a message that the current version writes otherwise."""

    element: str
    cause: str
    before: Any = None
    after: Any = None


class Preview(Frozen):
    """What trying a delivery again under the current version of its kind would change."""

    key: str
    legal: bool
    why: Why | None
    sentence: str
    version: str
    current: str | None
    before: Any = Field(description="Le message que la version de la demande écrit.")
    after: Any = Field(description="Le message que la version courante écrirait.")
    differences: list[ElementChange]


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
