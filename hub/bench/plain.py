"""The baseline: what a competent team writes first, left as its libraries come.

It stands for a hub on the usual stack: FastAPI with pydantic models; SQLAlchemy on SQLite (WAL,
`synchronous=FULL`, as durable as the hub); one INSERT and commit a request before the 202; one background
task a request, which maps thirty fields, posts them with `httpx.AsyncClient` and commits the outcome.
Database calls run in FastAPI's threads: in the event loop they made it slower, and it lost more.

Nothing is slowed down and nothing is tuned. There is neither retry nor recovery: what httpx gives up after
its own five seconds is lost. Settings come as JSON on standard input.
"""

from __future__ import annotations

import hmac
import sys
import unicodedata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import httpx
import uvicorn
from fastapi import BackgroundTasks, FastAPI, Header, HTTPException, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import Field
from sqlalchemy import JSON, Engine, create_engine, event, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from hub.model import Frozen, Submission

Gender = Literal["female", "male"]
Cog = Annotated[str, Field(pattern=r"^([0-9]{5}|2[AB][0-9]{3})$")]
Phone = Annotated[str, Field(pattern=r"^(\+33 ?|0)[1-9]( ?[0-9]{2}){4}$")]
Name = Annotated[str, Field(min_length=1, max_length=80)]

SEXES: Final = {"female": "F", "male": "M"}
DIETS: Final = {"standard": "STD", "no_pork": "SP", "vegetarian": "VEG"}


class Settings(Frozen):
    """Where the baseline listens, keeps its database, and sends."""

    port: int
    database: Path
    target: str
    key: str


class Child(Frozen):
    """The child to enrol."""

    last_name: Name
    first_name: Name
    gender: Gender
    birth_date: date
    birthplace: Cog


class School(Frozen):
    """Its school."""

    code: Annotated[str, Field(pattern=r"^[0-9]{7}[A-Z]$")]
    level: Literal["PS", "MS", "GS", "CP", "CE1", "CE2", "CM1", "CM2"]
    start_date: date
    end_date: date


class Meals(Frozen):
    """Its meals."""

    diet: Literal["standard", "no_pork", "vegetarian"]
    days: Annotated[list[Literal["lundi", "mardi", "mercredi", "jeudi", "vendredi"]], Field(min_length=1, max_length=5)]
    start_date: date
    end_date: date


class Care(Frozen):
    """When it stays before and after school."""

    morning: bool
    evening: bool
    wednesday: bool
    start_date: date
    end_date: date


class Family(Frozen):
    """What its family's bill depends on."""

    quotient: Annotated[float, Field(ge=0, le=99_999)]
    caf_number: Annotated[str, Field(pattern=r"^[0-9]{7}$")]
    assessed_on: date
    insurer: Name
    insured_until: date


class SecondParent(Frozen):
    """Who else may be called."""

    last_name: Name
    first_name: Name
    phone: Phone


class Health(Frozen):
    """What the staff must know."""

    vaccinated_on: date
    allergies: Annotated[str, Field(min_length=1, max_length=200)]
    doctor_phone: Phone


class Enrolment(Frozen):
    """The thirty fields of `banc.essai`."""

    child: Child
    school: School
    meals: Meals
    care: Care
    family: Family
    second_parent: SecondParent
    health: Health
    signed_on: date


class EnrolmentSubmission(Submission):
    """The hub's own envelope around an enrolment."""

    kind: Literal["banc.essai"]
    data: Enrolment  # type: ignore[assignment]  # narrower than the envelope's dict


class Table(DeclarativeBase):
    """The baseline's tables."""


class StoredRequest(Table):
    """One accepted request."""

    __tablename__ = "request"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    status: Mapped[str] = mapped_column(default="accepted")


def ascii_only(text: str) -> str:
    """Write without accents."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def date_fr(day: date) -> str:
    """Write JJ/MM/AAAA."""
    return day.strftime("%d/%m/%Y")


def phone_fr(number: str) -> str:
    """Write ten digits."""
    return number.replace(" ", "").replace("+33", "0")


def yes_no(chosen: bool) -> str:  # noqa: FBT001  # a value to write, not an option
    """Write O or N."""
    return "O" if chosen else "N"


def write_message(said: Enrolment) -> dict[str, Any]:
    """Map an enrolment to the target's thirty fields, as assets/mappings/rest/banc_essai.yaml does."""
    child, school, meals, care, family = said.child, said.school, said.meals, said.care, said.family
    parent, health = said.second_parent, said.health
    return {
        "nom": ascii_only(child.last_name).upper(),
        "prenom": ascii_only(child.first_name),
        "sexe": SEXES[child.gender],
        "date_naissance": date_fr(child.birth_date),
        "commune_naissance": child.birthplace,
        "etablissement": school.code,
        "niveau": school.level,
        "scolarite_debut": date_fr(school.start_date),
        "scolarite_fin": date_fr(school.end_date),
        "regime": DIETS[meals.diet],
        "jours": ",".join(meals.days),
        "repas_debut": date_fr(meals.start_date),
        "repas_fin": date_fr(meals.end_date),
        "accueil_matin": yes_no(care.morning),
        "accueil_soir": yes_no(care.evening),
        "accueil_mercredi": yes_no(care.wednesday),
        "accueil_debut": date_fr(care.start_date),
        "accueil_fin": date_fr(care.end_date),
        "quotient": round(family.quotient * 100),
        "allocataire": family.caf_number,
        "quotient_date": date_fr(family.assessed_on),
        "assureur": family.insurer.upper(),
        "assurance_fin": date_fr(family.insured_until),
        "parent_nom": ascii_only(parent.last_name).upper(),
        "parent_prenom": ascii_only(parent.first_name),
        "parent_telephone": phone_fr(parent.phone),
        "vaccination": date_fr(health.vaccinated_on),
        "allergies": health.allergies,
        "medecin_telephone": phone_fr(health.doctor_phone),
        "signature": said.signed_on.isoformat(),
    }


def open_database(file: Path) -> Engine:
    """Open the database, as durable as the hub's own."""
    engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": 60})

    @event.listens_for(engine, "connect")
    def durable(connection: Any, _: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    Table.metadata.create_all(engine)
    return engine


class Deliveries:
    """What happens to a request once it is stored."""

    def __init__(self, engine: Engine, target: str) -> None:
        self._engine, self._target = engine, target
        self.http = httpx.AsyncClient()

    async def deliver(self, number: int, key: str, said: Enrolment) -> None:
        """Map, send, and keep the outcome."""
        try:
            answer = await self.http.post(self._target, json=write_message(said), headers={"Idempotency-Key": key})
        except httpx.HTTPError:
            status = "failed"
        else:
            status = "delivered" if answer.is_success else "failed"
        await run_in_threadpool(self._record, number, status)

    def _record(self, number: int, status: str) -> None:
        with Session(self._engine) as session, session.begin():
            session.execute(update(StoredRequest).where(StoredRequest.id == number).values(status=status))


def store(engine: Engine, key: str, submission: EnrolmentSubmission) -> int:
    """Insert one request and commit; 409 when its key is known."""
    stored = StoredRequest(key=key, body=submission.model_dump(mode="json"))
    try:
        with Session(engine, expire_on_commit=False) as session, session.begin():
            session.add(stored)
    except IntegrityError:
        raise HTTPException(409) from None
    return stored.id


def application(settings: Settings) -> FastAPI:
    """Build the server: the hub's route for submitting, and its readiness."""
    engine = open_database(settings.database)
    deliveries = Deliveries(engine, settings.target)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with deliveries.http:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/health/ready")
    def ready() -> dict[str, str]:
        return {"status": "ready"}

    @app.post("/v1/requests", status_code=202)
    def submit(
        submission: EnrolmentSubmission,
        tasks: BackgroundTasks,
        response: Response,
        idempotency_key: Annotated[str, Header()],
        authorization: Annotated[str, Header()],
    ) -> dict[str, Any]:
        if not hmac.compare_digest(authorization, f"Bearer {settings.key}"):
            raise HTTPException(401)
        number = store(engine, idempotency_key, submission)
        tasks.add_task(deliveries.deliver, number, idempotency_key, submission.data)
        response.headers["Location"] = f"/v1/requests/{number}"
        return {"number": number, "status": "in_progress"}

    return app


def main() -> None:
    """Read settings from standard input, then serve on the loopback address."""
    settings = Settings.model_validate_json(sys.stdin.buffer.read())
    uvicorn.run(application(settings), host="127.0.0.1", port=settings.port, access_log=False)


if __name__ == "__main__":
    main()
