"""How the API describes itself: refusals with their examples, bodies, headers, and the route FastAPI does not see."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import orjson
from fastapi import FastAPI

from hub.catalogue import Catalogue
from hub.model import Frozen, Submission
from hub.problems import MEDIA_TYPE, Problem, ProblemType
from hub.words import FieldError

TITLE: Final = "Hub des démarches"
DESCRIPTION: Final = (
    "Le hub reçoit les demandes des portails et les porte dans les logiciels de la ville. Une réponse 202 veut dire "
    "que la demande est sur disque : elle ne se perd plus. Tout refus est un problème au sens de la RFC 9457, en "
    "français, qui nomme les champs à corriger et ne répète jamais ce qui a été envoyé."
)

ALWAYS: Final = (
    ProblemType.UNAUTHENTICATED,
    ProblemType.FORBIDDEN,
    ProblemType.TOO_MANY_REQUESTS,
    ProblemType.UNAVAILABLE,
)
STRICT_BODY: Final = (
    ProblemType.UNREADABLE,
    ProblemType.TOO_LARGE,
    ProblemType.UNSUPPORTED_MEDIA_TYPE,
    ProblemType.INVALID,
)
"""What a JSON body may be refused for."""

FIELD_EXAMPLE: Final = FieldError("/data/titulaire/nom", "Nom de naissance", "ce champ est obligatoire")
PROBLEM_SCHEMA: Final = {"$ref": "#/components/schemas/ProblemDocument"}

IDEMPOTENCY: Final[Mapping[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "Choisie par le portail, propre à la demande : la répéter rend la même réponse.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
}


def refusals(*kinds: ProblemType) -> dict[int | str, dict[str, Any]]:
    """Document the problems a route may answer, beside those that any may."""
    by_status: dict[int, list[ProblemType]] = defaultdict(list)
    for kind in dict.fromkeys((*kinds, *ALWAYS)):
        by_status[kind.status].append(kind)
    return {
        status: {
            "description": " ; ".join(kind.title for kind in several),
            "content": {
                MEDIA_TYPE: {"schema": PROBLEM_SCHEMA, "examples": {kind.slug: _example(kind) for kind in several}}
            },
        }
        for status, several in sorted(by_status.items())
    }


def json_body(model: type[Frozen], **example: Any) -> dict[str, Any]:
    """Document a JSON body that is read strictly, outside FastAPI."""
    schema = {**model.model_json_schema(), "example": example}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def describer(app: FastAPI, catalogue: Catalogue) -> Callable[[], dict[str, Any]]:
    """Make the function that describes `app`, the submission included; it does its work once."""
    plain = app.openapi

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = plain()
            submission = Submission.model_json_schema(ref_template="#/components/schemas/{model}")
            known = schema["components"]["schemas"]
            known |= submission.pop("$defs") | {"Submission": submission}
            _forget_what_is_never_answered(schema)
            path = schema["paths"].setdefault("/v1/requests", {})
            schema["paths"]["/v1/requests"] = {"post": _submission(catalogue), **path}
            app.openapi_schema = schema
        return app.openapi_schema

    return describe


def _forget_what_is_never_answered(schema: Mapping[str, Any]) -> None:
    """Take FastAPI's own 422 out: a path that cannot be is not found, and every other refusal is a problem."""
    operations = (operation for path in schema["paths"].values() for operation in path.values())
    for responses in (operation["responses"] for operation in operations):
        if "application/json" in responses.get("422", {}).get("content", {}):
            del responses["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        schema["components"]["schemas"].pop(name, None)


def _submission(catalogue: Catalogue) -> dict[str, Any]:
    """Describe the submission of one request, with a sample of each kind."""
    headers = {
        "Location": {"description": "L'adresse de la demande.", "schema": {"type": "string"}},
        "Idempotency-Replayed": {"description": "`true` pour une répétition.", "schema": {"type": "string"}},
    }
    kinds = (ProblemType.IDEMPOTENCY_KEY_REQUIRED, *STRICT_BODY, ProblemType.IDEMPOTENCY_KEY_REUSED)
    return {
        "tags": ["Demandes"],
        "summary": "Déposer une demande",
        "description": "202 : la demande est sur disque et porte son numéro. Le même dépôt répété, avec la même clé, "
        "rend la même réponse ; `external_reference` est unique par portail. Un message compte au plus 2 Mo.",
        "operationId": "submit",
        "security": [{"HTTPBearer": []}],
        "parameters": [IDEMPOTENCY],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"$ref": "#/components/schemas/Submission"},
                    "examples": dict(_samples({kind: catalogue.folders[kind] for kind in catalogue.kinds})),
                }
            },
        },
        "responses": {
            "202": {
                "description": "Demande reçue",
                "headers": headers,
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Receipt"}}},
            },
            **{str(status): said for status, said in refusals(*kinds, ProblemType.CONFLICT).items()},
        },
    }


def _samples(folders: Mapping[str, Path]) -> Iterator[tuple[str, Any]]:
    """Give the first sample of each kind."""
    for kind, folder in folders.items():
        file = min(folder.glob("samples/*.json"), default=None)
        if file is not None:
            summary = f"{kind} : {file.stem.replace('_', ' ')}"
            yield kind, {"summary": summary, "value": orjson.loads(file.read_bytes())}


def _example(kind: ProblemType) -> dict[str, Any]:
    problem = Problem(kind, errors=[FIELD_EXAMPLE] if kind is ProblemType.INVALID else [])
    return {"summary": kind.title, "value": orjson.loads(bytes(problem.response().body))}
