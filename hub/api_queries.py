"""The routes of live questions: which may be asked, and their answers while the caller waits."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path
from pydantic import Field

from hub.api_door import Here, Reader, Submitter, body_of
from hub.api_schema import STRICT_BODY, json_body, refusals
from hub.inquiry import Standing
from hub.model import Code, Frozen
from hub.problems import ProblemType
from hub.query import Query

router = APIRouter(prefix="/v1/queries", tags=["Questions"])

Name = Annotated[str, Path(examples=["rendez_vous.creneaux"])]


class Question(Frozen):
    """What is asked, and for which site."""

    data: dict[str, Any] = Field(title="Données de la question")
    site: Code = Field(default="ville", title="Site")


class QuerySummary(Frozen):
    """A question that may be asked."""

    query: str
    title: str
    within: float = Field(description="Secondes au bout desquelles la réponse est « inconnue pour le moment ».")


class QueryDetail(QuerySummary):
    """A question, with the JSON Schemas of what it takes and of what it gives."""

    data_schema: dict[str, Any] = Field(serialization_alias="schema")
    answer_schema: dict[str, Any]


class QueryAnswer(Frozen):
    """What the target says: `answered` with an answer; `refused` or `unknown` with the reason's code."""

    status: Standing
    answer: Any = None
    code: str = ""
    message: str = Field(default="", description="Ce que l'usager peut lire quand il n'y a pas de réponse.")
    age: float = Field(default=0.0, description="Secondes depuis que le logiciel l'a dit.")


MESSAGES: Final = {
    Standing.ANSWERED: "",
    Standing.REFUSED: "Le service ne peut pas répondre à cette question telle qu'elle est posée.",
    Standing.UNKNOWN: "Cette information n'est pas disponible pour le moment. Vous pouvez continuer, "
    "ou réessayer plus tard.",
}


@router.get("", summary="Lister les questions", description="Celles que la clé d'accès couvre.", responses=refusals())
async def list_queries(hub: Here, caller: Reader) -> list[QuerySummary]:
    """List the questions that the caller's key covers."""
    queries = hub.inquirer.queries.values()
    return [QuerySummary(**_summary(query)) for query in queries if not caller.kinds or query.name in caller.kinds]


@router.get(
    "/{name}",
    summary="Lire une question",
    description="Les schémas de ce qu'elle demande et de ce qu'elle répond.",
    responses=refusals(ProblemType.NOT_FOUND),
)
async def read_query(hub: Here, caller: Reader, name: Name) -> QueryDetail:
    """Show a question."""
    query = hub.inquirer.find(caller, name)
    return QueryDetail(**_summary(query), data_schema=dict(query.schema), answer_schema=dict(query.answer_schema))


@router.post(
    "/{name}",
    summary="Poser une question",
    description="Répond pendant que l'usager attend, dans le délai de la question. Quand le logiciel ne répond pas, "
    "l'état est `unknown` : jamais une page d'erreur.",
    responses=refusals(*STRICT_BODY, ProblemType.NOT_FOUND),
    openapi_extra=json_body(Question, data={}),
)
async def ask(
    hub: Here, caller: Submitter, name: Name, question: Annotated[Question, Depends(body_of(Question))]
) -> QueryAnswer:
    """Answer a question."""
    said = await hub.inquirer.ask(caller, name, question.data, question.site)
    return QueryAnswer(
        status=said.status, answer=said.answer, code=said.code, message=MESSAGES[said.status], age=said.age
    )


def _summary(query: Query) -> dict[str, Any]:
    return {"query": query.name, "title": query.said.title, "within": query.said.within.total_seconds()}
