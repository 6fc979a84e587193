"""What a form says: steps of fields, the service that receives it, what is read when it cannot be delivered."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, ValidationError

from hub.model import Frozen
from hub.privacy.classes import DataClass

CODE: Final = r"^[a-z][a-z0-9_]{0,39}$"


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason why a form cannot work: the field by its path and its title, what is wrong, what to do."""

    field: str
    title: str
    message: str
    advice: str

    def __str__(self) -> str:
        """Write it on one line."""
        named = f"« {self.title} »" if self.title else "the form"
        return f"{named} ({self.field or '/'}): {self.message}: {self.advice}"


class FormError(Exception):
    """A form cannot become a kind; `findings` say why."""

    def __init__(self, findings: list[Finding]) -> None:
        self.findings = findings
        super().__init__("; ".join(map(str, findings)))


class Option(Frozen):
    """One choice: what is submitted, and what people read."""

    value: str = Field(min_length=1, max_length=100)
    title: str = ""

    @property
    def label(self) -> str:
        """What people read."""
        return self.title or self.value


class Condition(Frozen):
    """Shown only if an earlier field has this value, or one of these."""

    field: str
    equals: str | bool | list[str | bool]

    @property
    def values(self) -> list[str | bool]:
        """The values that show it."""
        return self.equals if isinstance(self.equals, list) else [self.equals]


def _read_option(said: Any) -> Any:
    return {"value": said} if isinstance(said, str) else said


class FormField(Frozen):
    """One field of a form; which members matter depends on its type.

    `min`, `max`: how many, of a collection or of files. `fields`: those of a collection. `data_class`: what it tells
    of a person, where its type does not say it.
    """

    type: str
    code: str = ""
    title: str = Field(default="", max_length=200)
    help: str = Field(default="", max_length=2000)
    required: bool = False
    options: tuple[Annotated[Option, BeforeValidator(_read_option)], ...] = ()
    multiple: bool = False
    min: int = Field(default=0, ge=0)
    max: int | None = Field(default=None, ge=1)
    min_length: int = Field(default=0, ge=0, le=20_000)
    max_length: int | None = Field(default=None, ge=1, le=20_000)
    visible_if: Condition | None = None
    data_class: DataClass | None = None
    fields: tuple[FormField, ...] = ()

    @property
    def name(self) -> str:
        """By which people know it."""
        return self.title or self.code or self.type


class FormStep(Frozen):
    """One page of a form."""

    type: str = "Étape"
    code: str = ""
    title: str = Field(default="", max_length=200)
    help: str = Field(default="", max_length=2000)
    visible_if: Condition | None = None
    fields: tuple[FormField, ...] = ()


class Service(Frozen):
    """Who receives what is submitted."""

    title: str = Field(min_length=1, max_length=100)
    email: str = ""


class ErrorStep(Frozen):
    """The step at which a request stands that could not be delivered, and what the citizen reads then."""

    title: str = ""
    message: str = Field(default="", max_length=1000)


class Form(Frozen):
    """A form as its generator gives it."""

    code: str = Field(pattern=CODE)
    title: str = Field(min_length=1, max_length=120)
    description: str = Field(default="", max_length=2000)
    service: Service
    error: ErrorStep = ErrorStep()
    accepted: str = Field(default="", max_length=1000)
    signature: str = Field(default="La mairie", max_length=100)
    steps: tuple[FormStep, ...] = Field(min_length=1)


def read_form(said: Any) -> Form:
    """Read a form's JSON; raises FormError that names what is not of this format."""
    try:
        return Form.model_validate(said)
    except ValidationError as error:
        raise FormError(
            [_explained(one, said) for one in error.errors(include_input=False, include_url=False)]
        ) from None


def plain(word: str) -> str:
    """Write a type's name as it is compared: `Case à cocher` and `CASE A COCHER` are the same."""
    letters = unicodedata.normalize("NFKD", word)
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return " ".join(bare.replace("_", " ").casefold().split())


def walk(form: Form) -> Iterator[tuple[str, FormField]]:
    """Give every field with its path, those of collections after theirs."""
    for index, step in enumerate(form.steps):
        yield from _walk(step.fields, f"/steps/{index}/fields")


def _walk(fields: tuple[FormField, ...], above: str) -> Iterator[tuple[str, FormField]]:
    for index, field in enumerate(fields):
        yield f"{above}/{index}", field
        yield from _walk(field.fields, f"{above}/{index}/fields")


ADVICE: Final[Mapping[str, str]] = {
    "missing": "give it",
    "extra_forbidden": "take it out, or see which members there are in docs/forms.md",
    "string_pattern_mismatch": "begin with a small letter, then small letters, digits and underscores, 40 at most",
}


def _explained(error: Mapping[str, Any], said: Any) -> Finding:
    """Say what the model refuses, with the title of the nearest thing that has one."""
    place, title = said, ""
    for part in error["loc"]:
        try:
            place = place[part]
        except (KeyError, IndexError, TypeError):
            break
        title = str(place["title"]) if isinstance(place, Mapping) and place.get("title") else title
    path = "".join(f"/{part}" for part in error["loc"])
    return Finding(path, title, error["msg"], ADVICE.get(error["type"], "correct it as docs/forms.md says"))
