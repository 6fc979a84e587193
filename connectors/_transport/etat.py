"""What the State's two APIs of questions share, from both sides: token, envelope, quota, and the silence of a ban.

API Particulier and API Entreprise run on one engine, whose OpenAPI is public: GET and JSON, errors that bear a
code of five digits (two for the provider, three for the kind), RateLimit headers, and for whoever goes on after
a 429 twelve hours without any answer at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Self, TypeVar
from urllib.parse import urlencode

import jsonschema_rs
import orjson
from aiohttp import web
from pydantic import BaseModel, Field, ValidationError, model_validator

from connectors._transport import http
from connectors._transport.http import Answer, check_not_page
from connectors._transport.sandbox import HttpSandbox
from hub.connector import Deadline, Exchange, Outbound, Receipt
from hub.errors import DeliveryError, RefusedError, TransientError, UncertainError
from hub.manifest import ErrorTable
from hub.model import Duration, Verdict

JSON: Final = {"Accept": "application/json"}
UNREADABLE: Final = "unreadable"
INVALID: Final = "message_invalid"
QUOTA: Final = "quota"
BANNED: Final = "banni"
BAN: Final = timedelta(hours=12)
SILENCES: Final = 3
"""How many calls in a row may wait in vain, once a 429 was said, before we hold ourselves for banned."""

WINDOW: Final = timedelta(minutes=1)
"""The longest period over which either API counts; how long to keep still when it does not say."""

LONGEST_RETRY_IN: Final = 30 * 86_400

Question = Sequence[tuple[str, str]]
"""Parameters in the order they are written; a list is its name, several times."""

Model = TypeVar("Model", bound=BaseModel)
Siret = Annotated[str, Field(pattern=r"^[0-9]{14}$")]


class StateSettings(http.HttpSettings):
    """How this town is known to the API: its token, and `recipient`, the SIRET on whose behalf it asks.

    `silence`: a wait that long without an answer is not a slow provider's, whom the API cuts at 10 s, saying so.
    """

    recipient: Siret
    silence: Duration = timedelta(seconds=10)

    @model_validator(mode="after")
    def _bears_a_token(self) -> Self:
        if not (self.bearer or self.bearer_file):
            raise ValueError("bearer_file (or bearer): the API answers to a token only")
        return self


class Hold:
    """When one token may be used again. Known to this object only: another process learns it for itself."""

    def __init__(self, silence: timedelta, clock: Callable[[], float] = time.monotonic) -> None:
        self._silence, self._clock = silence.total_seconds(), clock
        self._code, self._until = "", 0.0
        self._warned, self._silences = False, 0

    def begin(self) -> float:
        """Let a call begin, and give its moment; raises TransientError, with the wait left, while none may."""
        now = self._clock()
        if now < self._until:
            raise TransientError(self._code, retry_after=timedelta(seconds=self._until - now))
        return now

    def heard(self, answer: Answer) -> None:
        """Note that the API speaks to us, and for how long it wants to hear nothing."""
        self._warned, self._silences = answer.status == 429, 0
        if wait := read_wait(answer):
            self._keep_still(QUOTA, wait)

    def unanswered(self, error: DeliveryError, began: float) -> None:
        """Note a call without an answer: a time-out after a 429 may be a ban's, any other failure is not.

        The transport's code says `connect` of a refused connection too: what it was made from tells them apart.
        """
        if not self._warned or not isinstance(error.__context__, TimeoutError):
            return
        if error.code == "timeout" and self._clock() - began < self._silence:
            return
        self._silences += 1
        if self._silences >= SILENCES:
            self._silences = 0
            self._keep_still(BANNED, BAN)

    def _keep_still(self, code: str, wait: timedelta) -> None:
        until = self._clock() + wait.total_seconds()
        if until > self._until:
            self._code, self._until = code, until


class StateApi:
    """Asks one API, one call a question, and keeps still when it must."""

    def __init__(self, settings: StateSettings, errors: ErrorTable) -> None:
        self._http, self._errors, self._unavailable = http.HttpClient(settings), errors, settings.unavailable
        self.hold = Hold(settings.silence)

    async def ask(self, path: str, question: Question, exchange: Exchange, deadline: Deadline) -> Answer:
        """Ask once; raises as the HTTP client does, and TransientError `quota` or `banni` without calling."""
        began = self.hold.begin()
        asked = f"{path}?{urlencode(question)}"
        try:
            answer = await self._http.call("GET", asked, exchange=exchange, deadline=deadline, headers=JSON)
        except DeliveryError as error:
            self.hold.unanswered(error, began)
            raise
        finally:
            exchange.wrote(asked.encode())
        self.hold.heard(answer)
        return answer

    async def probe(self, path: str, question: Question, deadline: Deadline) -> None:
        """Ask what our token opens, which names nobody."""
        exchange = Exchange()
        answer = check_not_page(await self.ask(path, question, exchange, deadline))
        if answer.status != 200:
            raise self.failure(answer, exchange)

    def read(self, answer: Answer, exchange: Exchange, schema: AnswerSchema) -> Receipt:
        """Read an answer: what was found, or that nothing was; raises what anything else means.

        Nothing found is a 404 whose code the table accepts, and no other 404.
        """
        if answer.status == 200:
            return Receipt(details=schema.read(answer))
        row = self._errors.find(Said.read(answer).known(self._errors))
        if answer.status == 404 and row and row.verdict is Verdict.ACCEPTED:
            return Receipt(details={"trouve": False})
        raise self.failure(answer, exchange)

    def failure(self, answer: Answer, exchange: Exchange) -> DeliveryError:
        """Make the error an answer stands for; without the envelope, only its status is believed."""
        said = Said.read(answer)
        exchange.fault = f"{said.code} {said.parameter}".strip()
        if not said.code:
            check_not_page(http.check_status(answer, unavailable=self._unavailable))
        known = said.known(self._errors) or f"http_{answer.status}"
        row = self._errors.find(known)
        if row and row.verdict is Verdict.ACCEPTED:
            return UncertainError(UNREADABLE)
        blames_us = bool(said.code) and answer.status < 500
        error = self._errors.failure(known, Verdict.REFUSED if blames_us else Verdict.UNCERTAIN)
        error.retry_after = said.retry_in or read_wait(answer) or error.retry_after
        return error

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()


class AnswerSchema:
    """The JSON Schema of an operation's details; the properties of its `data` are all that the API may give."""

    def __init__(self, file: Path) -> None:
        schema = orjson.loads(file.read_bytes())
        self._validator = jsonschema_rs.validator_for(schema)
        self._data: Mapping[str, Any] = schema["properties"]["data"]

    def read(self, answer: Answer) -> dict[str, Any]:
        """Read what was found, in the API's own words, and what of it our token does not open.

        Raises UncertainError for what is not as the schema promises.
        """
        body = parse(check_not_page(answer).body)
        data = at(body, "data")
        if not isinstance(data, dict):
            raise UncertainError(UNREADABLE)
        missing = list(missing_from(data, self._data))
        details = {"trouve": True, "absents": missing, "data": data, "meta": at(body, "meta") or {}}
        if cached := answer.headers.get("x-response-cached"):
            details["en_cache"] = cached.strip().lower() == "true"
        if not self._validator.is_valid(details):
            raise UncertainError(UNREADABLE)
        return details


def missing_from(data: Mapping[str, Any], shape: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """List the keys that an answer lacks, dotted: a token without a scope gets answers without its keys."""
    for name, part in shape.get("properties", {}).items():
        if name not in data:
            yield above + name
        elif isinstance(data[name], dict):
            yield from missing_from(data[name], part, f"{above}{name}.")


@dataclass(frozen=True, slots=True)
class Said:
    """The first error of the API's envelope; all empty when the answer is not its envelope."""

    code: str = ""
    title: str = ""
    parameter: str = ""
    retry_in: timedelta | None = None

    @classmethod
    def read(cls, answer: Answer) -> Said:
        """Read `{"errors": [{code, title, source: {parameter}, meta: {retry_in}}]}`; two days of seconds are usual."""
        match parse(answer.body):
            case {"errors": [{"code": str(code)} as first, *_]}:
                wait = at(first, "meta", "retry_in")
                return cls(
                    code,
                    str(first.get("title")),
                    str(at(first, "source", "parameter") or ""),
                    timedelta(seconds=wait) if isinstance(wait, int) and 0 < wait <= LONGEST_RETRY_IN else None,
                )
            case _:
                return cls()

    def known(self, errors: ErrorTable) -> str:
        """Say by what the table knows it: its title first, for a code of the API may mean two things; else ""."""
        return next(filter(errors.find, (self.title, self.code)), "")


def read_question(model: type[Model], message: Outbound) -> Model:
    """Read what the mapping wrote; raises RefusedError, the names of the fields at fault kept in the exchange."""
    try:
        return model.model_validate_json(message.body, strict=True)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        message.exchange.fault = ", ".join(".".join(map(str, fault["loc"])) or fault["msg"] for fault in faults)
        raise RefusedError(INVALID) from None


def parse(body: bytes) -> Any:
    """Parse JSON; None when it is not."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def at(value: Any, *names: str) -> Any:
    """Follow names into nested objects; None when they lead nowhere."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def read_wait(answer: Answer) -> timedelta | None:
    """Read how long the API wants to hear nothing of us: after a 429, or once nothing remains of its quota."""
    if answer.status == 429:
        return http.read_retry_after(answer.headers.get("retry-after", "")) or read_reset(answer) or WINDOW
    if answer.headers.get("ratelimit-remaining", "").strip() == "0":
        return read_reset(answer)
    return None


def read_reset(answer: Answer) -> timedelta | None:
    """Read RateLimit-Reset, an epoch, by the clock it was written with; never more than an hour, for no window is."""
    reset = answer.headers.get("ratelimit-reset", "").strip()
    if not reset.isdecimal():
        return WINDOW
    try:
        now = parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
    except ValueError:
        now = datetime.now(UTC).timestamp()
    left = int(reset) - now
    return timedelta(seconds=min(left, 3600.0)) if left > 0 else None


TOKEN: Final = "jeton-du-bac-a-sable"  # noqa: S105  # the sandbox's own, worth nothing elsewhere


@dataclass(frozen=True, slots=True)
class Saying:
    """An error that a sandbox may say: its status and code, and what it really means."""

    status: int
    code: str
    verdict: Verdict
    title: str = "Erreur"
    parameter: str = ""
    retry_in: int = 0

    @property
    def response(self) -> web.Response:
        """It, in the API's envelope."""
        source = {"parameter": self.parameter} if self.parameter else None
        meta = {"retry_in": self.retry_in} if self.retry_in else {}
        error = {"code": self.code, "title": self.title, "detail": "…", "source": source, "meta": meta}
        return web.json_response({"errors": [error]}, status=self.status)


SAYINGS: Final[Mapping[str, Saying]] = {
    "unknown_token": Saying(401, "00101", Verdict.TRANSIENT, parameter="token"),
    "expired_token": Saying(401, "00103", Verdict.TRANSIENT, parameter="token"),
    "blacklisted_token": Saying(401, "00105", Verdict.TRANSIENT, parameter="token"),
    "no_privilege": Saying(403, "00100", Verdict.REFUSED, parameter="token"),
    "in_progress": Saying(409, "00015", Verdict.TRANSIENT),
    "no_recipient": Saying(422, "00203", Verdict.REFUSED, parameter="recipient"),
    "network": Saying(504, "00501", Verdict.TRANSIENT, retry_in=10),
}
"""What either API may say whatever is asked."""


class StateSandbox(HttpSandbox):
    """The API's other side: it counts calls, bans whoever goes on after a 429, and knows a few invented cases.

    `limit` calls in `window` seconds, and `patience` more before the ban; `calls`: how many it has seen; `scopes`:
    the keys of `data` that the token opens, None for all. A subclass says what a request asks, and for each
    operation what it says when nothing is known.
    """

    sayings: Mapping[str, Saying] = SAYINGS
    unknown: Mapping[str, Saying] = MappingProxyType({})
    probe_path = ""

    def __init__(self, cases: Path, *, limit: int, window: float) -> None:
        super().__init__()
        self.limit, self.window, self.patience = limit, window, 20
        self.calls, self.banned = 0, False
        self.scopes: frozenset[str] | None = None
        self._cases: Mapping[str, list[dict[str, Any]]] = orjson.loads(cases.read_bytes())
        self._spent, self._reset = 0, 0
        self._asked: set[str] = set()

    def settings(self) -> dict[str, Any]:
        """Say how a connector reaches this sandbox, with the token it knows."""
        return {"url": self.url, "bearer": TOKEN, "recipient": "21990001100014"}

    def sample(self, operation: str) -> dict[str, Any]:
        """Give the question of the operation's first case."""
        question: dict[str, Any] = self._cases[operation][0]["params"]
        return question

    async def is_delivery(self, request: web.Request) -> bool:
        """Tell a question from a probe: both are a GET."""
        return request.path != self.probe_path

    async def serve(self, request: web.Request) -> web.Response:
        """Answer one call, unless its caller is banned: then never."""
        self.calls += 1
        if time.time() >= self._reset:
            self._spent, self._reset = 0, int(time.time() + self.window) + 1
        self._spent += 1
        self.banned = self.banned or self._spent > self.limit + self.patience
        if self.banned:
            await self._stopping.wait()
            return web.Response(status=503)
        if self._spent > self.limit:
            answer = Saying(429, "00429", Verdict.TRANSIENT).response
            answer.headers["Retry-After"] = str(max(1, self._reset - int(time.time())))
        else:
            answer = self._answer_to(request)
        answer.headers["RateLimit-Limit"] = str(self.limit)
        answer.headers["RateLimit-Remaining"] = str(max(0, self.limit - self._spent))
        answer.headers["RateLimit-Reset"] = str(self._reset)
        return answer

    async def play(self, fault: str, request: web.Request, answer: web.Response | None) -> web.StreamResponse:
        """Play an error of the API, or a fault that any server may have."""
        if fault == "ban":
            return await self._hold_back(request)
        if fault in self.sayings:
            return self.sayings[fault].response
        return await super().play(fault, request, answer)

    def read(self, request: web.Request) -> tuple[str, dict[str, Any]] | Saying:
        """Read which operation a request asks, and what of it; or what is wrong with it."""
        raise NotImplementedError

    def _answer_to(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.sayings["unknown_token"].response
        if request.path == self.probe_path:
            return web.json_response({"data": {"scopes": sorted(self.scopes or ())}})
        read = self.read(request) if request.query.get("recipient") else self.sayings["no_recipient"]
        if isinstance(read, Saying):
            return read.response
        operation, asked = read
        case = next((case for case in self._cases[operation] if case["params"] == asked), None)
        if case is None:
            return self.unknown[operation].response
        opened = {name: part for name, part in case["data"].items() if self.scopes is None or name in self.scopes}
        answer = web.json_response({"data": opened, "links": {}, "meta": case.get("meta", {})})
        answer.headers["X-Response-Cached"] = str(request.path_qs in self._asked).lower()
        self._asked.add(request.path_qs)
        return answer
