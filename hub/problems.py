"""What the HTTP door answers when it says no: RFC 9457 problems, in French, that never say back what came in."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from enum import Enum
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from hub.words import FieldError, explain_model

MEDIA_TYPE: Final = "application/problem+json"


class ProblemType(Enum):
    """Every kind of no: its HTTP status and its title; the name, in lower case, is the last part of its URI."""

    UNREADABLE = (400, "Message illisible")
    IDEMPOTENCY_KEY_REQUIRED = (400, "Clé d'idempotence absente ou mal formée")
    UNAUTHENTICATED = (401, "Clé d'accès absente ou refusée")
    FORBIDDEN = (403, "Accès refusé")
    NOT_FOUND = (404, "Introuvable")
    METHOD_NOT_ALLOWED = (405, "Méthode non admise")
    REQUEST_TIMED_OUT = (408, "Message trop lent à venir")
    CONFLICT = (409, "L'état a changé entre-temps")
    REFERENCE_TAKEN = (409, "Référence déjà employée")
    IN_PROGRESS = (409, "Une demande identique est en cours de réception")
    TOO_LARGE = (413, "Message trop volumineux")
    URL_TOO_LONG = (414, "Adresse trop longue")
    UNSUPPORTED_MEDIA_TYPE = (415, "Type de contenu non admis")
    INVALID = (422, "Champs à corriger")
    FILE_REFUSED = (422, "Fichier refusé")
    IDEMPOTENCY_KEY_REUSED = (422, "Clé d'idempotence déjà employée pour un autre contenu")
    TOO_MANY_REQUESTS = (429, "Trop de demandes")
    HEAD_TOO_LARGE = (431, "En-têtes trop volumineux")
    INTERNAL_ERROR = (500, "Erreur interne")
    TARGET_FAILED = (502, "Le logiciel interrogé n'a pas su répondre")
    UNAVAILABLE = (503, "Service momentanément indisponible")
    TARGET_TIMED_OUT = (504, "Le logiciel interrogé n'a pas répondu à temps")

    def __init__(self, status: int, title: str) -> None:
        self.status, self.title = status, title

    @property
    def slug(self) -> str:
        """The last part of the problem's URI."""
        return self.name.lower().replace("_", "-")


BY_STATUS: Final[Mapping[int, ProblemType]] = {
    kind.status: kind
    for kind in reversed(ProblemType)  # the first of a status speaks for it
}


class Problem(Exception):  # noqa: N818  # RFC 9457 calls it a problem, and so do callers
    """The door says no: which no, why, and which fields to correct; nothing here may come from the caller."""

    def __init__(
        self,
        kind: ProblemType,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.kind, self.detail = kind, detail
        self.errors, self.headers = tuple(errors), dict(headers or {})
        super().__init__(kind.slug)

    def response(self, instance: str = "") -> Response:
        """Render as application/problem+json; members without a value are left out."""
        members = {
            "type": f"/problems/{self.kind.slug}",
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            "instance": instance,
            "errors": [asdict(error) for error in self.errors],
        }
        return _render({name: value for name, value in members.items() if value}, self.headers)


def install(app: Starlette) -> None:
    """Make every error of `app` leave as a problem, and keep what unknown errors say out of the server's log."""
    for error, answer in ANSWERS.items():
        app.add_exception_handler(error, answer)
    log = logging.getLogger("uvicorn.error")
    if not any(isinstance(known, Discreet) for known in log.filters):
        log.addFilter(Discreet())


class Discreet(logging.Filter):
    """Logs an exception by its class and the place it came from: its text may hold personal data."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace the traceback by one line; keep every record."""
        if isinstance(record.exc_info, tuple) and record.exc_info[1]:
            error = record.__dict__["error"] = record.exc_info[1]  # for `hub.logs`, which tells class and place
            record.msg, record.args = f"{record.getMessage().strip()}: {origin(error)}", ()
            record.exc_info = record.exc_text = None
        return True


def origin(error: BaseException) -> str:
    """Say which exception was raised and where, without its text: `KeyError at inbox.py:41`."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


async def _on_problem(_request: Request, error: Problem) -> Response:
    return error.response()


async def _on_http_exception(_request: Request, error: HTTPException) -> Response:
    """Answer a framework's own refusal by its status alone: its detail is English, or an echo."""
    if kind := BY_STATUS.get(error.status_code):
        return Problem(kind, headers=error.headers).response()
    title = HTTPStatus(error.status_code).phrase
    return _render({"type": "about:blank", "title": title, "status": error.status_code}, error.headers)


async def _on_invalid_parameters(_request: Request, error: RequestValidationError) -> Response:
    """Name the parameters to correct; what no path can hold is simply not found."""
    found = error.errors()
    if found and all(each["loc"][0] == "path" for each in found):
        return Problem(ProblemType.NOT_FOUND).response()
    return Problem(ProblemType.INVALID, errors=explain_model(found)).response()


async def on_unknown(_request: Request, _error: Exception) -> Response:
    """Answer an error nobody foresaw, saying nothing of it."""
    return Problem(ProblemType.INTERNAL_ERROR).response()


ANSWERS: Final[Mapping[type[Exception], Callable[[Request, Any], Awaitable[Response]]]] = {
    Problem: _on_problem,
    HTTPException: _on_http_exception,
    RequestValidationError: _on_invalid_parameters,
    Exception: on_unknown,
}


def _render(members: Mapping[str, Any], headers: Mapping[str, str] | None) -> Response:
    return Response(orjson.dumps(members), members["status"], dict(headers or {}), MEDIA_TYPE)
