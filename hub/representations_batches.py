"""What the API answers about batches, as closed models, and a batch's rows as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any, Final, Self

from pydantic import Field
from sqlalchemy import Row

from hub.batch import Change, Progress, Verb, subject_named
from hub.batch_words import sentence_of
from hub.model import Frozen
from hub.representations import moment
from hub.settlement import iso
from hub.tables_operations import BatchState, Outlook, RowOutcome

COLUMNS: Final = ("request", "delivery", "outcome", "detail", "at")
"""Of a batch's rows as CSV."""

FORMULA: Final = tuple("=+-@\t\r")
"""What a spreadsheet takes for a formula at the start of a cell."""


class Counted(Frozen):
    """How many rows one note stands for."""

    note: str
    said: str
    rows: int

    @classmethod
    def of(cls, counted: Mapping[str, Any]) -> Self:
        """Show a count of a plan's figures."""
        return cls(note=counted["note"], said=sentence_of(counted["note"]), rows=counted["rows"])


class ForTarget(Frozen):
    """How many rows of a plan go to one target, and how long that takes at its rate."""

    name: str
    rows: int
    seconds: int


class PlanFigures(Frozen):
    """What a plan foresees."""

    outlooks: dict[Outlook, int]
    notes: list[Counted] = Field(description="Pourquoi rien ne sera fait, par raison.")
    differences: list[Counted] = Field(description="Ce que la version courante écrit autrement.")
    targets: list[ForTarget]
    seconds: int
    deadlines: int = Field(description="Délais légaux qui tombent avant la fin du lot.")
    overdue: int
    left: int = Field(description="Ce qui correspond au-delà de la taille d'un lot, et n'en fait pas partie.")
    more: bool = Field(description="Il peut y en avoir davantage encore.")
    unknown: int = Field(description="Ce qui a été nommé et n'existe pas, ou n'est pas de votre ressort.")

    @classmethod
    def of(cls, figures: Mapping[str, Any]) -> Self:
        """Show the figures that a plan was kept with."""
        counted = {name: [Counted.of(one) for one in figures[name]] for name in ("notes", "differences")}
        return cls(**{**figures, **counted})


class BatchSummary(Frozen):
    """One batch: what is done, why, by whom, and how far it is."""

    id: int
    verb: Verb
    owner: str
    accepted: bool
    row_reason: str = Field(description="Le motif donné pour chaque ligne.")
    reason: str
    criteria: str
    actor: str
    state: BatchState
    detail: str
    total: int
    outcomes: dict[RowOutcome, int] = Field(description="Leur somme est toujours `total`.")
    created_at: str
    started_at: str | None
    ended_at: str | None

    @classmethod
    def of(cls, progress: Progress) -> Self:
        """Show a batch."""
        return cls(**batch_summary(progress))


def batch_summary(progress: Progress) -> dict[str, Any]:
    """Say of a batch what every representation of it says."""
    row, change = progress.row, Change.of(progress.row)
    same = ("id", "reason", "criteria", "actor", "state", "detail", "total")
    return {
        **{name: getattr(row, name) for name in same},
        "verb": change.verb,
        "owner": change.owner,
        "accepted": change.accepted,
        "row_reason": change.reason,
        "outcomes": dict(progress.outcomes),
        "created_at": iso(row.created_at),
        "started_at": moment(row.started_at),
        "ended_at": moment(row.ended_at),
    }


class BatchDetail(BatchSummary):
    """One batch with what its plan foresaw."""

    plan: PlanFigures

    @classmethod
    def of(cls, progress: Progress) -> Self:
        """Show a batch with its plan."""
        return cls(**batch_summary(progress), plan=PlanFigures.of(progress.row.figures))


class BatchPage(Frozen):
    """A page of batches, the newest first, and the address of the next page."""

    batches: list[BatchSummary]
    next: str | None


class BatchLine(Frozen):
    """One row of a batch: what was foreseen, what came of it, and where its delivery stands now."""

    request: str
    delivery: str
    outlook: Outlook
    note: str
    outcome: RowOutcome
    detail: str
    said: str = Field(description="Le détail, ou à défaut ce que prévoyait le plan, en toutes lettres.")
    target: str
    state: str
    at: str

    @classmethod
    def of(cls, row: Row[Any], *, of_deliveries: bool) -> Self:
        """Show a row."""
        request, delivery = subject_named(row, of_deliveries=of_deliveries)
        same = ("outlook", "note", "outcome", "detail")
        return cls(
            **{name: getattr(row, name) for name in same},
            request=request,
            delivery=delivery,
            said=sentence_of(row.detail or row.note),
            target=row.target or "",
            state=row.state or "",
            at=iso(row.at),
        )


class BatchRows(Frozen):
    """A page of a batch's rows, in their order, and the address of the next page."""

    rows: list[BatchLine]
    next: str | None


def as_csv(lines: Iterable[BatchLine]) -> str:
    """Write rows as CSV; nothing in it is a formula to a spreadsheet."""
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\r\n")
    table.writerow(COLUMNS)
    for line in lines:
        table.writerow([_harmless(str(getattr(line, name))) for name in COLUMNS])
    return written.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA) else cell
