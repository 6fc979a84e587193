"""The field types of a form generator: what each holds (JSON Schema), how it is shown (JSONata), an invented value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from hub.enclosures import KEYWORD
from hub.forms.model import FormField, plain
from hub.privacy.classes import DataClass

MOST_FILES: Final = 20
"""Files that a request may have."""

MOST_ROWS: Final = 20
"""Rows of a collection that says no more."""

ATTACHMENT: Final = "^[0-9a-f]{32}$"

Schema = dict[str, Any]


def as_is(_field: FormField, path: str) -> str:
    """Show a text as it was written."""
    return path


@dataclass(frozen=True)
class FieldType:
    """What the hub makes of one type of field.

    `schema` says what it holds, `sample` invents a value, different for another number, `shown` writes it for people.
    `compares`: whether a condition may read it.
    """

    name: str
    schema: Callable[[FormField], Schema]
    sample: Callable[[FormField, int], Any]
    shown: Callable[[FormField, str], str] = as_is
    compares: bool = True
    chooses: bool = False
    """Whether it lives by its options."""
    data_class: DataClass = DataClass.FREE_TEXT
    """What it tells of a person, unless the field says it."""

    def data_class_of(self, field: FormField) -> DataClass:
        """Say what a field of this type tells of a person; a choice from a list tells nothing by itself."""
        return field.data_class or (DataClass.NONE if field.options else self.data_class)


def quoted(text: str) -> str:
    """Write a text as JSONata reads it."""
    return orjson.dumps(text).decode()


def _text(longest: int) -> Callable[[FormField], Schema]:
    def schema(field: FormField) -> Schema:
        return {"type": "string", "minLength": max(field.min_length, 1), "maxLength": field.max_length or longest}

    return schema


def _words(field: FormField, number: int) -> str:
    said = f"{field.name}, exemple {number + 1}"[: field.max_length]
    return said.ljust(field.min_length, ".")


def _fixed(**said: Any) -> Callable[[FormField], Schema]:
    return lambda _field: {"type": "string", **said}


def _one_of(*values: Any) -> Callable[[FormField, int], Any]:
    return lambda _field, number: values[number % len(values)]


def _choice(field: FormField) -> Schema:
    one = {"type": "string", "enum": [option.value for option in field.options]}
    labels = {option.value: option.label for option in field.options}
    if not is_list(field):
        return {**one, "x-libelles": labels}
    return {
        "type": "array",
        "items": {"title": field.name, **one},
        "uniqueItems": True,
        "minItems": 1,
        "x-libelles": labels,
    }


def _chosen(field: FormField, number: int) -> Any:
    value = field.options[number % len(field.options)].value
    return [value] if is_list(field) else value


def _labels(field: FormField, path: str) -> str:
    table = orjson.dumps({option.value: option.label for option in field.options}).decode()
    return f'$join({path}.$lookup({table}, $), ", ")' if is_list(field) else f"$lookup({table}, {path})"


def _box(field: FormField) -> Schema:
    if field.options:
        return _choice(field)
    return {"type": "boolean", "const": True} if field.required else {"type": "boolean"}


def _ticked(field: FormField, number: int) -> Any:
    return _chosen(field, number) if field.options else field.required or number % 2 == 0


def _yes_or_no(field: FormField, path: str) -> str:
    return _labels(field, path) if field.options else f'({path} ? "oui" : "non")'


def _file(field: FormField) -> Schema:
    one = {"type": "string", "pattern": ATTACHMENT, KEYWORD: True}
    hint = {"x-format-hint": "l'identifiant d'une pièce jointe de la demande"}
    if not is_list(field):
        return {**one, **hint}
    items = {"title": field.name, **one, **hint}
    most = field.max or MOST_FILES
    return {"type": "array", "items": items, "uniqueItems": True, "minItems": max(field.min, 1), "maxItems": most}


def _files(field: FormField, number: int) -> Any:
    seed = sum(field.code.encode()) + number
    ids = [f"{seed * 7919 + index:032x}" for index in range(max(field.min, 1))]
    return ids if is_list(field) else ids[0]


def _joined(field: FormField, path: str) -> str:
    return f'$string($count({path})) & " pièce(s) jointe(s)"' if is_list(field) else '"voir la pièce jointe"'


def _position(_field: FormField) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["lon", "lat"],
        "properties": {
            "lon": {"title": "Longitude", "type": "number", "minimum": -180, "maximum": 180},
            "lat": {"title": "Latitude", "type": "number", "minimum": -90, "maximum": 90},
        },
    }


def _address(_field: FormField) -> Schema:
    line = {"type": "string", "minLength": 1, "maxLength": 255}
    postcode = {"type": "string", "pattern": "^[0-9]{5}$", "x-format-hint": "cinq chiffres"}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["voie", "code_postal", "commune"],
        "properties": {
            "voie": {"title": "Numéro et voie", **line},
            "complement": {"title": "Complément d'adresse", **line},
            "code_postal": {"title": "Code postal", **postcode},
            "commune": {"title": "Commune", **line},
        },
    }


def _address_lines(_field: FormField, path: str) -> str:
    return f'{path}.$join([voie, complement, code_postal & " " & commune], ", ")'


def is_list(field: FormField) -> bool:
    """Say whether a field holds several values: boxes to tick, a selection of several, several files."""
    match plain(field.type):
        case "case a cocher":
            return bool(field.options)
        case "selection" | "fichier":
            return field.multiple or (field.max or 1) > 1
    return False


HERE: Final = ({"lon": 5.4474, "lat": 43.5297}, {"lon": 5.4535, "lat": 43.5283})
ADDRESSES: Final = (
    {"voie": "3 rue de l'Opéra", "complement": "Escalier C", "code_postal": "13100", "commune": "Aix-en-Provence"},
    {"voie": "17 traverse du Lavoir", "code_postal": "13090", "commune": "Aix-en-Provence"},
)
PHONE: Final = {"pattern": r"^\+?[0-9][0-9 .]{5,18}$", "x-format-hint": "un numéro de téléphone, 06 39 98 12 34"}
IBAN: Final = {
    "pattern": "^[A-Z]{2}[0-9]{2}[0-9A-Z]{11,30}$",
    "format": "iban",
    "x-format-hint": "un IBAN sans espaces, FR7630006000011234567890189",
}
HOUR: Final = {"pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$", "x-format-hint": "une heure, 14:30"}
SIRET: Final = {"pattern": "^[0-9]{14}$", "format": "siret", "x-format-hint": "un SIRET, quatorze chiffres"}

HOLDING: Final = (
    FieldType("Texte", _text(255), _words),
    FieldType("Zone de texte", _text(5000), _words),
    FieldType(
        "Email",
        _fixed(format="email", maxLength=254),
        _one_of("lea.martin@example.org", "noe.petit@example.org"),
        data_class=DataClass.CONTACT,
    ),
    FieldType("Sélection", _choice, _chosen, _labels, chooses=True),
    FieldType("Case à cocher", _box, _ticked, _yes_or_no, data_class=DataClass.NONE),
    FieldType("Bouton radio", _choice, _chosen, _labels, chooses=True),
    FieldType("Fichier", _file, _files, _joined, compares=False, data_class=DataClass.ATTACHMENT),
    FieldType(
        "Géolocalisation",
        _position,
        _one_of(*HERE),
        lambda _field, path: f'{path}.($string(lat) & ", " & $string(lon))',
        compares=False,
        data_class=DataClass.PLACE,
    ),
    FieldType("Adresse", _address, _one_of(*ADDRESSES), _address_lines, compares=False, data_class=DataClass.ADDRESS),
    FieldType("Téléphone", _fixed(**PHONE), _one_of("06 39 98 12 34", "01 99 00 77 70"), data_class=DataClass.CONTACT),
    FieldType(
        "IBAN",
        _fixed(**IBAN),
        _one_of("FR7630006000011234567890189", "DE89370400440532013000"),
        data_class=DataClass.BANK,
    ),
    FieldType(
        "Date",
        _fixed(format="date"),
        _one_of("2026-09-07", "2027-01-15"),
        lambda _field, path: f"$date_fr({path})",
    ),
    FieldType("Heure", _fixed(**HOUR), _one_of("14:30", "08:05")),
    FieldType("SIRET", _fixed(**SIRET), _one_of("21130001500016", "73282932000074"), data_class=DataClass.REFERENCE),
)
"""Those that hold one answer."""

STEP: Final = "Étape"
COLLECTION: Final = "Collection"
COMMENT: Final = "Commentaire"
PASSWORD: Final = "Mot de passe"  # noqa: S105  # the name of a field type

TYPES: Final[Mapping[str, FieldType]] = {plain(one.name): one for one in HOLDING}
NAMES: Final = (STEP, COLLECTION, *(one.name for one in HOLDING), PASSWORD, COMMENT)


def is_a(field: FormField, name: str) -> bool:
    """Say whether a field is of the type of this name."""
    return plain(field.type) == plain(name)


def type_of(field: FormField) -> FieldType | None:
    """Give a field's type; None for what holds no answer of its own, or is unknown."""
    return TYPES.get(plain(field.type))
