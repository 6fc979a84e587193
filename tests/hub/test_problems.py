"""How the door says no: always a problem, in French, and never with what came in."""

import asyncio
import io
import logging
import socket
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Path, Query
from starlette.exceptions import HTTPException

from hub.problems import BY_STATUS, Discreet, Problem, ProblemType, install
from hub.words import FieldError

CANARY = "CANARI-1850513001"


def door():
    """A small application that can be wrong in every way."""
    app = FastAPI()
    install(app)

    @app.get("/numbers/{number}")
    async def number(number: Annotated[int, Path(ge=0, lt=10**9)]):
        return number

    @app.get("/files/{file}")
    async def file(file: UUID):
        return file

    @app.get("/search")
    async def search(limit: Annotated[int, Query(le=100)], kind: Annotated[str, Query(max_length=3)]):
        return limit, kind

    @app.get("/teapot")
    async def teapot():
        raise HTTPException(418, CANARY)

    @app.get("/forbidden")
    async def forbidden():
        raise HTTPException(403, CANARY, {"X-Why": "house"})

    @app.get("/conflict")
    async def conflict():
        raise Problem(
            ProblemType.CONFLICT,
            "Rechargez la page.",
            errors=[FieldError("/etat", "État", "a changé")],
            headers={"Retry-After": "1"},
        )

    @app.get("/bug")
    async def bug():
        try:
            return {}[CANARY]
        except KeyError as error:
            raise ValueError(CANARY) from error

    return app


@pytest.fixture
async def ask():
    transport = httpx.ASGITransport(door(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
        yield client


async def test_a_problem_is_rendered_as_rfc_9457_says(ask):
    answer = await ask.get("/conflict")
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "1"
    assert answer.json() == {
        "type": "/problems/conflict",
        "title": "L'état a changé entre-temps",
        "status": 409,
        "detail": "Rechargez la page.",
        "errors": [{"pointer": "/etat", "field": "État", "message": "a changé"}],
    }


@pytest.mark.parametrize(
    ("path", "status", "slug"),
    [
        (f"/{CANARY}", 404, "not-found"),
        ("/numbers/99999999999999999999", 404, "not-found"),
        (f"/numbers/{CANARY}", 404, "not-found"),
        ("/numbers/..%2f..%2fetc", 404, "not-found"),
        (f"/files/{CANARY}", 404, "not-found"),
        (f"/search?limit={CANARY}&kind={CANARY}", 422, "invalid"),
        ("/forbidden", 403, "forbidden"),
        ("/bug", 500, "internal-error"),
    ],
)
async def test_every_error_is_a_problem_that_does_not_echo(ask, path, status, slug):
    answer = await ask.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"/problems/{slug}"
    assert CANARY not in answer.text


async def test_a_method_that_is_not_there_names_those_that_are(ask):
    answer = await ask.delete("/search")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert answer.json()["type"] == "/problems/method-not-allowed"


async def test_a_status_without_a_type_of_ours_is_about_blank(ask):
    answer = await ask.get("/teapot")
    assert answer.json() == {"type": "about:blank", "title": HTTPStatus(418).phrase, "status": 418}


async def test_parameters_to_correct_are_named_with_what_is_expected(ask):
    answer = await ask.get("/search?limit=1000")
    assert answer.json()["errors"] == [
        {"pointer": "/query/limit", "field": "limit", "message": "au plus 100"},
        {"pointer": "/query/kind", "field": "kind", "message": "ce champ est obligatoire"},
    ]
    answer = await ask.get(f"/search?limit=x&kind={CANARY}")
    assert [error["message"] for error in answer.json()["errors"]] == [
        "un nombre entier est attendu",
        "au plus 3 caractères",
    ]


def test_every_type_has_a_title_of_its_own_and_an_error_status():
    assert len({kind.title for kind in ProblemType}) == len(ProblemType)
    assert all(400 <= kind.status < 600 for kind in ProblemType)
    assert BY_STATUS[409] is ProblemType.CONFLICT
    assert BY_STATUS[422] is ProblemType.INVALID


def test_installing_twice_filters_the_log_once():
    install(FastAPI())
    install(FastAPI())
    filters = logging.getLogger("uvicorn.error").filters
    assert sum(isinstance(known, Discreet) for known in filters) == 1


async def test_the_server_s_log_names_an_unknown_error_and_its_place_but_not_its_text():
    lines = io.StringIO()
    log, handler = logging.getLogger("uvicorn.error"), logging.StreamHandler(lines)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(door(), lifespan="off", log_config=None, access_log=False))
    log.addHandler(handler)
    serving = asyncio.create_task(server.serve([listener]))
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"http://127.0.0.1:{listener.getsockname()[1]}/bug?nom={CANARY}")
    finally:
        server.should_exit = True
        await serving
        log.removeHandler(handler)
    assert answer.status_code == 500
    assert "ValueError at test_problems.py:" in lines.getvalue()
    assert CANARY not in lines.getvalue() + answer.text
