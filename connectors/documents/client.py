"""Makes the documents: the connector, its settings, its shelf of templates, and the compiler."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson
import typst
from pydantic import Field, ValidationError

from connectors.documents.champs import COMPOSER, MODELES, Composer, Nom
from connectors.documents.wire import Template, TemplateError, names_of
from hub.connector import Deadline, IncomingFile, Outbound, Receipt
from hub.errors import ConfigurationError, TransientError
from hub.manifest import ErrorTable
from hub.model import Frozen

TEMPLATES: Final = Path(__file__).parent / "modeles"
LAYOUT: Final = TEMPLATES / "page.typ"
PAGES: Final = re.compile(rb"<xmpTPg:NPages>(\d+)<")
"""Where a PDF says, in its metadata, how many pages it has."""

UNKNOWN_TEMPLATE: Final = {"union_tag_invalid", "union_tag_not_found"}
"""How a validation says that no template has this name."""


class Settings(Frozen):
    """Whose documents these are."""

    ville: Nom = Field(default="Ville", max_length=100)


class Press:
    """Makes PDF/UA-1 of sheets; each thread that is at work has a compiler to itself."""

    def __init__(self) -> None:
        self._idle: deque[typst.Compiler] = deque()

    def print(self, sheet: Mapping[str, Any]) -> bytes:
        """Compile a sheet; raises TypstError, whose text may name citizens."""
        compiler = self._take()
        try:
            pdf = compiler.compile(
                format="pdf", sys_inputs={"feuille": orjson.dumps(sheet).decode()}, pdf_standards=["ua-1"]
            )
        finally:
            self._idle.append(compiler)
        return pdf if isinstance(pdf, bytes) else b""

    def _take(self) -> typst.Compiler:
        try:
            return self._idle.pop()
        except IndexError:
            return typst.Compiler(input=LAYOUT, root=TEMPLATES, ignore_system_fonts=True)


class Documents:
    """Makes documents of the templates in its folder; it asks nobody and keeps nothing."""

    def __init__(self, settings: Settings, errors: ErrorTable) -> None:
        self._settings, self._errors = settings, errors
        self._shelf = read_shelf()
        self._press = Press()

    async def deliver(self, message: Outbound) -> Receipt:
        """Make one document; the same message makes the same bytes."""
        order = self._read(message)
        city = {"ville": self._settings.ville}
        sheet = self._shelf[order.modele].fill(city | order.champs.model_dump()) | city
        pdf = await self._make(sheet, message.deadline)
        pages = PAGES.search(pdf)
        if pages is None:
            raise self._errors.failure("composition")
        file = IncomingFile(order.nom, "application/pdf", pdf)
        return Receipt(details={"nom": order.nom, "pages": int(pages[1])}, files=(file,))

    async def look_up(self, message: Outbound) -> Receipt | None:  # noqa: ARG002  # the contract's verb
        """Say that nothing is kept here."""
        return None

    async def probe(self, deadline: Deadline) -> None:
        """Make a document of a title alone."""
        await self._make({"titre": "Essai", "ville": self._settings.ville, "blocs": []}, deadline)

    async def close(self) -> None:
        """Nothing is kept open."""

    async def _make(self, sheet: Mapping[str, Any], deadline: Deadline) -> bytes:
        try:
            async with asyncio.timeout(deadline.left):
                return await asyncio.to_thread(self._press.print, sheet)
        except TimeoutError:
            raise TransientError("too_late") from None
        except typst.TypstError:
            raise self._errors.failure("composition") from None

    def _read(self, message: Outbound) -> Composer:
        """Read what to make; of what is refused, the exchange keeps the names at fault, never their values."""
        try:
            return COMPOSER.validate_json(message.body)
        except ValidationError as error:
            found = error.errors(include_input=False, include_context=False, include_url=False)
        known = UNKNOWN_TEMPLATE.isdisjoint(one["type"] for one in found)
        places = sorted({".".join(map(str, one["loc"][1:])) or "message" for one in found})
        code = "champs_invalides" if known else "modele_inconnu"
        message.exchange.read(b"", fault=f"{code}: {', '.join(places)}")
        raise self._errors.failure(code)


def read_shelf() -> dict[str, Template]:
    """Read the template of each sort of document; raises ConfigurationError."""
    return {name: read_template(TEMPLATES / f"{name}.txt", model) for name, model in MODELES.items()}


def read_template(file: Path, model: type[Frozen]) -> Template:
    """Read one template, whose fields are those of `model` and the city's; raises ConfigurationError."""
    try:
        return Template.parse(file.read_text("utf-8-sig"), names_of(model) | {"ville": None})
    except OSError as error:
        raise ConfigurationError(file, str(error)) from None
    except TemplateError as error:
        raise ConfigurationError(file, error.expected, error.line) from None


def connect(settings: Mapping[str, Any], errors: ErrorTable) -> Documents:
    """Make the connector; raises ValidationError for settings it does not know."""
    return Documents(Settings.model_validate(settings), errors)
