"""A kind to begin with: its schema, its way, its words, three samples."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from hub.errors import ConfigurationError
from hub.privacy.classes import KEYWORD, DataClass
from hub.scaffold.sheets import as_json, sheet

NAME: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
FIELD: Final = re.compile(r"([a-z][a-z0-9_]*)(?::([a-z]+))?(\?)?")

SORTS: Final[dict[str, tuple[dict[str, Any], tuple[Any, Any, Any]]]] = {
    "text": ({"type": "string", "minLength": 1, "maxLength": 200}, ("Exemple", "Un deuxième exemple", "Œuvre d’été")),
    "date": ({"type": "string", "format": "date"}, ("2026-09-07", "2026-12-31", "2028-02-29")),
    "integer": ({"type": "integer", "minimum": 0, "maximum": 1_000_000}, (1, 0, 42)),
    "number": ({"type": "number", "minimum": 0, "maximum": 1_000_000}, (12.5, 0, 1000)),
    "boolean": ({"type": "boolean"}, (True, False, True)),
    "email": ({"type": "string", "format": "email", "maxLength": 254}, ("lea.martin@example.org",) * 3),
    "list": (
        {
            "type": "array",
            "minItems": 1,
            "maxItems": 10,
            "items": {
                "title": "Élément",
                "description": "Un élément de la liste.",
                "type": "string",
                "minLength": 1,
                "maxLength": 200,
            },
        },
        (["Premier"], ["Premier", "Deuxième"], ["Un seul"]),
    ),
}
"""What a field may be: its schema, and a value of it for each sample."""

CLASSES: Final = {
    "boolean": DataClass.NONE,
    "integer": DataClass.NONE,
    "number": DataClass.NONE,
    "email": DataClass.CONTACT,
}
"""What a field tells of a person, to begin with; the others are free text until somebody says better."""

SAMPLES: Final = ("simple", "complet", "au_guichet")
USUAL: Final = ("objet:text", "description:text?")

APPLICANTS: Final = (
    {"identity": {"family_name": "Martin", "given_name": "Léa"}, "contact": {"email": "lea.martin@example.org"}},
    {"identity": {"family_name": "Petit", "given_name": "Noé"}, "contact": {"phone": "+33 6 39 98 12 34"}},
    {"identity": {"family_name": "Nguyễn", "given_name": "An"}},
)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a form: `date_de_visite:date?` may be left out."""

    name: str
    sort: str
    required: bool

    @classmethod
    def read(cls, said: str) -> Field:
        """Read `name`, `name:sort` or `name:sort?`; raises ConfigurationError."""
        found = FIELD.fullmatch(said)
        if found is None or (found[2] or "text") not in SORTS:
            raise ConfigurationError(said, f"a field as name:sort, with ? when it may be left out: {', '.join(SORTS)}")
        return cls(found[1], found[2] or "text", required=not found[3])

    @property
    def title(self) -> str:
        """What the form calls it."""
        return self.name.replace("_", " ").capitalize()

    @property
    def schema(self) -> dict[str, Any]:
        """Its JSON Schema."""
        said = "À dire." if self.required else "Facultatif."
        data_class = CLASSES.get(self.sort, DataClass.FREE_TEXT)
        return {"title": self.title, "description": said, KEYWORD: data_class, **SORTS[self.sort][0]}


def kind_files(name: str, title: str = "", fields: tuple[str, ...] = ()) -> dict[str, str]:
    """Give the files of a kind; raises ConfigurationError for a name or a field that cannot be."""
    if not NAME.fullmatch(name):
        raise ConfigurationError(name, "a kind's name: voirie.signalement, in lower case, digits and underscores")
    listed = [Field.read(said) for said in fields or USUAL]
    title = title or name.rpartition(".")[2].replace("_", " ").capitalize()
    folder = f"routes/{name.replace('.', '_')}"
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "description": f"Ce que dit une demande de type « {title} ».",
        "type": "object",
        "additionalProperties": False,
        "required": [one.name for one in listed if one.required],
        "properties": {one.name: one.schema for one in listed},
    }
    files = {
        f"{folder}/schema.json": as_json(schema),
        f"{folder}/route.yaml": sheet("route.yaml", name=name, title=title),
        f"{folder}/texts.yaml": sheet("texts.yaml", title=title),
    }
    for place, sample in enumerate(SAMPLES):
        files[f"{folder}/samples/{sample}.json"] = as_json(sample_of(name, listed, place))
    return files


def sample_of(name: str, fields: list[Field], place: int) -> dict[str, Any]:
    """Give the sample at a place: the first without what may be left out."""
    data = {one.name: SORTS[one.sort][1][place] for one in fields if one.required or place}
    channel = {} if place < 2 else {"channel": "guichet"}
    return {"kind": name, **channel, "applicant": APPLICANTS[place], "data": data}
