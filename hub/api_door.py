"""What every route shares: the hub, the caller, bodies read strictly, acts carried out, and how errors leave."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final, TypeVar

import orjson
from fastapi import Depends, Path, Security
from fastapi.security import HTTPBearer
from pydantic import StringConstraints, ValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request

from hub.access import Principal, Scope, allow, require, same_house
from hub.acts import Act, Cancel, Correct, Decide, Done, MissingError, NotNowError, Retry
from hub.app import Hub
from hub.catalogue import Definition
from hub.errors import ConflictError, MappingError
from hub.gate import LARGEST_BODY, read_body, read_json
from hub.intake import FileTakenError, KeyReusedError, ReferenceTakenError
from hub.model import Frozen
from hub.problems import Problem, ProblemType
from hub.rehearsal import hold, rehearse
from hub.settlement import delivery_of
from hub.stores import StoreError
from hub.views import Found, find
from hub.words import FieldError, Form, explain_model

Model = TypeVar("Model", bound=Frozen)

Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
"""What a person must say, in a few words."""

BEARER: Final = HTTPBearer(auto_error=False, description="La clé d'accès du portail, de l'agent ou de l'exploitant.")
NUMBER: Final = re.compile(r"\d{3} ?\d{3} ?\d{3}", re.ASCII)
AGAIN: Final = {"Retry-After": "5"}

STANDS_OTHERWISE: Final[Mapping[type[Act], str]] = {
    Decide: "Cette demande n'attend pas, ou n'attend plus, de décision.",
    Cancel: "Cette demande ne peut plus être annulée : elle est terminée, ou un logiciel l'a reçue ou peut-être reçue.",
    Correct: "Cette demande est terminée.",
    Retry: "Les données corrigées changent ce qu'un logiciel a déjà reçu, ou une date que le circuit attend.",
}
"""Why an act no longer applies, in the words of whoever asked for it; of deliveries, `hub.verbs` says it."""

MOVED: Final = "L'envoi a changé d'état entre-temps."


def hub_of(request: Request) -> Hub:
    """Give the hub that this application serves."""
    hub: Hub = request.app.state.hub
    return hub


async def _hub(request: Request) -> Hub:
    return hub_of(request)


Here = Annotated[Hub, Depends(_hub)]


def holder_of(scope: Scope) -> Callable[..., Awaitable[Principal]]:
    """Make a dependency that lets pass who holds a key for `scope`; raises Problem 401 or 403."""

    async def authenticated(request: Request, _shown: Annotated[Any, Security(BEARER)]) -> Principal:
        header = request.headers.get("authorization")
        principal = await hub_of(request).callers.authenticate(header, request.scope)
        request.state.caller = principal
        require(principal, scope)
        return principal

    return authenticated


Reader = Annotated[Principal, Depends(holder_of(Scope.READ))]
Submitter = Annotated[Principal, Depends(holder_of(Scope.SUBMIT))]
Decider = Annotated[Principal, Depends(holder_of(Scope.DECIDE))]
Operator = Annotated[Principal, Depends(holder_of(Scope.OPERATE))]


def body_of(model: type[Model], limit: int = LARGEST_BODY) -> Callable[[Request], Awaitable[Model]]:
    """Make a dependency that reads a JSON body as strictly as a submission; raises Problem 400, 413, 415 or 422."""
    form = Form(model.model_json_schema())

    async def read(request: Request) -> Model:
        raw = read_json(await read_body(request, limit))
        try:
            return model.model_validate(raw, strict=True)
        except ValidationError as error:
            found = error.errors(include_input=False, include_url=False)
            raise Problem(ProblemType.INVALID, errors=explain_model(map(dict, found), form)) from None

    return read


async def _number(number: Annotated[str, Path(description="Neuf chiffres, avec ou sans espaces.")]) -> int:
    if not NUMBER.fullmatch(number):
        raise Problem(ProblemType.NOT_FOUND)
    return int(number.replace(" ", ""))


Number = Annotated[int, Depends(_number)]


async def _delivery(delivery: Annotated[str, Path(description="La clé de l'envoi, `100000042-1`.")]) -> int:
    found = delivery_of(delivery)
    if found is None:
        raise Problem(ProblemType.NOT_FOUND)
    return found


DeliveryId = Annotated[int, Depends(_delivery)]


async def find_request(hub: Hub, caller: Principal, number: int) -> Found:
    """Find a request the caller may touch; raises Problem 404 or 403."""
    found = await hub.ledger.read(find, hub.ledger.book, number)
    if found is None:
        raise Problem(ProblemType.NOT_FOUND)
    admit(caller, found.row)
    return found


def admit(caller: Principal, request: Any) -> None:
    """Let pass who may touch this request's row; raises Problem 404 or 403."""
    same_house(caller, request.front_end)
    allow(caller, request.kind, request.site)


def check_correction(found: Found, data: Mapping[str, Any] | None, definition: Definition | None = None) -> None:
    """Hold corrected data to the schema and to the route their request goes by, or will; raises Problem 422."""
    if data is None:
        return
    definition = definition or found.definition
    body = orjson.loads(found.body)
    hold(definition, data, body.get("attachments", []))
    try:
        rehearse(definition.route, {**body, "data": data})
    except MappingError as error:
        raise problem_of(error) from None


async def perform(hub: Hub, wanted: Act, *targets: str) -> Done:
    """Carry out what a person asked, announce the stages reached, and wake `targets` and those with new work.

    Raises Problem 404, 409 or 422.
    """
    try:
        done = await hub.ledger.act(wanted)
    except MissingError:
        raise Problem(ProblemType.NOT_FOUND) from None
    except NotNowError as error:
        raise Problem(ProblemType.CONFLICT, error.why.sentence) from None
    except ConflictError:
        raise Problem(ProblemType.CONFLICT, STANDS_OTHERWISE.get(type(wanted), MOVED)) from None
    for change in done.settled.stages:
        hub.announcer(change)
    hub.wake({**dict.fromkeys(targets, ()), **done.settled.due})
    return done


def actor_of(caller: Principal) -> str:
    """Name a caller in the audit: the house, and which of its keys or clients; at most 80 characters."""
    return f"{caller.front_end[: 79 - len(caller.prefix)]}/{caller.prefix}"


def next_page(request: Request, last: int) -> str:
    """Write the address of the page that follows the row `last`."""
    url = request.url.include_query_params(after=f"{last:x}")
    return f"{url.path}?{url.query}"


def problem_of(error: Exception) -> Problem:
    """Turn what the core raises into what the door answers."""
    if isinstance(error, Problem):
        return error
    return next(make() for known, make in MEANINGS.items() if isinstance(error, known))


MEANINGS: Final[Mapping[type[Exception], Callable[[], Problem]]] = {
    KeyReusedError: lambda: Problem(
        ProblemType.IDEMPOTENCY_KEY_REUSED, "Cette clé d'idempotence a déjà servi pour une autre demande."
    ),
    ReferenceTakenError: lambda: Problem(
        ProblemType.REFERENCE_TAKEN,
        "Cette référence du portail désigne déjà une autre demande.",
        errors=[FieldError("/external_reference", "Référence du portail", "déjà employée")],
    ),
    FileTakenError: lambda: Problem(
        ProblemType.INVALID,
        errors=[FieldError("/attachments", "Pièces jointes", "une pièce jointe a servi entre-temps")],
    ),
    ConflictError: lambda: Problem(ProblemType.CONFLICT),
    MappingError: lambda: Problem(
        ProblemType.INVALID,
        errors=[FieldError("/data", "Données de la démarche", "le circuit de la démarche ne sait pas les lire")],
    ),
    StoreError: lambda: Problem(
        ProblemType.UNAVAILABLE,
        "Les pièces jointes sont inaccessibles pour le moment ; répétez l'appel.",
        headers=AGAIN,
    ),
    SQLAlchemyError: lambda: Problem(
        ProblemType.UNAVAILABLE, "Rien n'est confirmé ; répétez l'appel, avec la même clé.", headers=AGAIN
    ),
}
"""What the core raises, the nearest class first, and what the door makes of it."""

KNOWN: Final[tuple[type[Exception], ...]] = (Problem, *MEANINGS)
