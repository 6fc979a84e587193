"""Rendering: one environment a language, what every template knows, and the headers of every page."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from starlette.requests import Request
from starlette.responses import HTMLResponse
from yarl import URL

from hub.accounts import Right
from hub.settings import ConsoleSettings
from monitoring.console.door import Person, hub_of, is_fragment
from monitoring.console.formats import Formats
from monitoring.console.texts import LANGUAGES, Catalogue, catalogue, marked, spoken

FOLDER: Final = Path(__file__).parent
STATIC: Final = FOLDER / "static"

NAVIGATION: Final = (
    ("/console/", marked("To handle"), Right.METADATA),
    ("/console/demandes", marked("Requests"), Right.METADATA),
    ("/console/decisions", marked("Decisions"), Right.DECIDE),
    ("/console/lots", marked("Batches"), Right.METADATA),
    ("/console/carte", marked("Map"), Right.METADATA),
    ("/console/statistiques", marked("Statistics"), Right.METADATA),
    ("/console/journal", marked("Journal"), Right.AUDIT),
)
"""The pages that every page leads to: address, name, and who may."""


@cache
def edition() -> str:
    """Name this edition of the console's files, so that browsers may keep them for ever."""
    digest = hashlib.sha256()
    for file in sorted(STATIC.rglob("*")):
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


@cache
def environment(language: str) -> Environment:
    """Make the environment of a language."""
    made = Environment(
        loader=PackageLoader("monitoring.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
    )
    made.install_gettext_translations(catalogue(language), newstyle=True)  # type: ignore[attr-defined]  # the extension's
    made.globals["gettext"] = _plain(made.globals["gettext"], catalogue(language))
    formats = Formats(language)
    made.filters |= {name: getattr(formats, name) for name in ("moment", "age", "number", "numero", "lasting")}
    made.globals |= {"edition": edition(), "languages": LANGUAGES, "Right": Right}
    return made


def _plain(filling: Any, said: Catalogue) -> Any:
    """Fill in only what has something to be filled in: a sentence alone is a text, escaped as any, its % signs kept."""

    @pass_context
    def gettext(context: Context, sentence: str, /, **values: Any) -> Any:
        return filling(context, sentence, **values) if values else said.gettext(sentence)

    return gettext


def policy_of(console: ConsoleSettings) -> str:
    """Write the content policy: everything comes from here, but a map's tiles from where the city says."""
    tiles = f" {URL(console.tiles.replace('{', '').replace('}', '')).origin()}" if console.tiles else ""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; font-src 'self'; "
        f"img-src 'self' data:{tiles}; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def language_of(request: Request, person: Person | None) -> str:
    """Say which language a page is in."""
    return person.language if person else spoken(request.headers.get("accept-language", ""))


def render(
    request: Request,
    person: Person | None,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """Render a template for a person, or for somebody who has not entered.

    Every template knows `person`, `csrf`, `console` (its settings), `here` (the page's path), `fragment` (whether htmx
    asked for a part of the page) and `_`.
    """
    console = hub_of(request).settings.console
    language = language_of(request, person)
    page = environment(language).get_template(template)
    text = page.render(
        person=person,
        csrf=person.csrf if person else "",
        console=console,
        here=request.url.path,
        language=language,
        fragment=is_fragment(request),
        navigation=[item for item in NAVIGATION if person and person.may(item[2])],
        **values,
    )
    guards = {"Content-Security-Policy": policy_of(console), "Referrer-Policy": "same-origin"}
    return HTMLResponse(text, status, {**guards, **(headers or {})})
