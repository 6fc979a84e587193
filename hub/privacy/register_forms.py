"""The register of processing as people are given it: a page, a sheet, or JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from hub.privacy.classes import DataClass
from hub.privacy.register import Entry, Field, Recipient

PAGE: Final = Path(__file__).resolve().parent.parent / "pages"
NOTHING: Final = "Aucune donnée personnelle"
NOT_KEPT: Final = "Rien n'est conservé : la question et sa réponse ne font que passer."

COLUMNS: Final = (
    *("traitement", "finalite", "service", "base_legale", "personnes", "conservation"),
    *("destinataire", "connecteur", "operation", "hotes", "etape", "champ", "intitule", "classe"),
)
"""The columns of the sheet, a line for each field that a recipient receives."""


@dataclass(frozen=True, slots=True)
class Row:
    """A recipient in the page's words."""

    who: str
    what: str
    received: str
    files: str


@dataclass(frozen=True, slots=True)
class Section:
    """An entry in the page's words."""

    name: str
    title: str
    facts: Sequence[tuple[str, str]]
    recipients: Sequence[Row]


def as_html(entries: Sequence[Entry], city: str) -> str:
    """Write the register as one accessible page, in French."""
    from jinja2 import Environment, FileSystemLoader  # noqa: PLC0415  # start-up time

    pages = Environment(loader=FileSystemLoader(PAGE), autoescape=True, trim_blocks=True)
    sections = [_section(entry) for entry in entries]
    return pages.get_template("register.html.j2").render(entries=sections, city=city)


def as_csv(entries: Iterable[Entry]) -> str:
    """Write the register as a sheet, a line for each field that somebody receives."""
    said = io.StringIO()
    sheet = csv.writer(said, delimiter=";", lineterminator="\r\n")
    sheet.writerow(COLUMNS)
    for entry in entries:
        sheet.writerows(_lines(entry))
    return said.getvalue()


def as_json(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """Write the register as values."""
    return [
        {
            "name": entry.name,
            "purpose": entry.purpose,
            "owner": entry.owner,
            "basis": str(entry.privacy.basis),
            "persons": list(entry.privacy.persons),
            "retention": kept(entry),
            "classes": [str(one) for one in entry.classes],
            "unclassed": [one.name for one in entry.fields if not one.said],
            "fields": {one.name: str(one.data_class) for one in entry.fields if one.data_class is not DataClass.NONE},
            "recipients": [_recipient(one) for one in entry.recipients],
        }
        for entry in entries
    ]


def kept(entry: Entry) -> str:
    """Say how long the data of a processing are kept."""
    if entry.retention is None:
        return NOT_KEPT
    terms = entry.retention
    sooner = [f"{one.label.lower()} : {days(lasting)}" for one, lasting in sorted(terms.classes.items())]
    said = f"{days(terms.after_end)} après la fin ; {days(terms.failures)} après le dernier signe de vie d'un échec"
    there = [one for one in sooner if one.partition(" : ")[0] in {known.label.lower() for known in entry.classes}]
    return " ; ".join([said, *there])


def days(lasting: timedelta) -> str:
    """Write a duration in days."""
    return "1 jour" if lasting.days == 1 else f"{lasting.days} jours"


def _section(entry: Entry) -> Section:
    facts = [
        ("Finalité", entry.purpose),
        ("Service", entry.owner),
        ("Base légale", entry.privacy.basis.label),
        ("Personnes concernées", ", ".join(entry.privacy.persons)),
        ("Catégories de données", ", ".join(one.label for one in entry.classes) or NOTHING),
        ("Durée de conservation", kept(entry)),
    ]
    return Section(entry.name, entry.title, [one for one in facts if one[1]], [_row(one) for one in entry.recipients])


def _row(one: Recipient) -> Row:
    hosts = f" ({', '.join(one.hosts)})" if one.hosts else ""
    why = f" — {one.purpose}" if one.purpose else ""
    received = [_grouped(one.fields), *([f"réponses de : {', '.join(one.answers)}"] if one.answers else [])]
    said = " ; ".join(filter(None, received))
    return Row(f"{one.target}{hosts}", f"{one.operation}{why}", said or NOTHING, one.files or "aucune")


def _grouped(received: Sequence[Field]) -> str:
    """Write fields by their classes."""
    classes = list(dict.fromkeys(one.data_class for one in received))
    groups = (
        f"{which.label} : {', '.join(dict.fromkeys(one.title for one in received if one.data_class is which))}"
        for which in classes
    )
    return " ; ".join(groups)


def _lines(entry: Entry) -> Iterator[Sequence[str]]:
    whole = (
        entry.name,
        entry.purpose,
        entry.owner,
        entry.privacy.basis.label,
        ", ".join(entry.privacy.persons),
        kept(entry),
    )
    for one in entry.recipients:
        who = (one.target, one.connector, one.operation, ", ".join(one.hosts), one.step)
        files = [("attachments", one.files, DataClass.ATTACHMENT.label)] if one.files else []
        received = [(field.name, field.title, field.data_class.label) for field in one.fields]
        answers = [(f"$answers.{name}", "Réponse d'une étape", "") for name in one.answers]
        for line in [*received, *answers, *files] or [("", NOTHING, "")]:
            yield (*whole, *who, *line)


def _recipient(one: Recipient) -> dict[str, Any]:
    return {
        "step": one.step,
        "target": one.target,
        "connector": one.connector,
        "operation": one.operation,
        "hosts": list(one.hosts),
        "fields": {field.name: str(field.data_class) for field in one.fields},
        "answers": list(one.answers),
        "files": one.files,
        "purpose": one.purpose,
    }
