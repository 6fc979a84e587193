"""HubEE's stand-in for a recipient: tokens that expire, notifications that stay, files that are scanned."""

from __future__ import annotations

import base64
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import orjson
from aiohttp import web

from connectors._transport.sandbox import COMMON, HttpSandbox
from connectors.hubee.holdings import CITY, Holdings, event_of
from connectors.hubee.settings import BATCH
from connectors.hubee.wire import ALL_STATES, LONGEST_TEXT, STATES, digest_of
from hub.connector import Fault
from hub.model import Verdict

BASE: Final = "/teledossiers/v1"
TOKEN: Final = "/oauth2/token"  # noqa: S105  # an address
HOUR: Final = 3600.0
PROCEDURES: Final = ("EtatCivil", "recensementCitoyen", "CERTDC")
SAMPLE_CASE: Final = "5a1c7e0e-0000-4000-8000-000000000001"
"""A case that is there from the beginning, for events to be added to; nothing notifies it."""

OUR_KEY: Final = re.compile(r"\d{9}-\d+(?= |$)")

MENU: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        **COMMON,
        "token_expired": Fault(title="lets every token expire", verdict=Verdict.ACCEPTED, taken=True),
        "unknown_account": Fault(title="lets tokens expire, knows no account", verdict=Verdict.TRANSIENT),
        "hang_up": Fault(
            title="treats the event, answers 500 « socket hang up »", verdict=Verdict.UNCERTAIN, taken=True
        ),
        "wrong_procedure": Fault(title="answers 403, the account is another's", verdict=Verdict.REFUSED),
        "no_case": Fault(title="answers 404, the case was purged", verdict=Verdict.REFUSED),
        "invalid": Fault(title="answers 400, the event is not conform", verdict=Verdict.REFUSED),
        "not_subscribed": Fault(title="answers 400, the city has no subscription", verdict=Verdict.REFUSED),
        "no_id": Fault(
            title="treats the event, forgets its identifier",
            verdict=Verdict.UNCERTAIN,
            taken=True,
            operations=("changer_etat",),
        ),
        "size_mismatch": Fault(
            title="answers 400, the file has another size",
            verdict=Verdict.REFUSED,
            operations=("deposer_piece",),
        ),
        "patch_blocked": Fault(
            title="answers 405, something blocks PATCH", verdict=Verdict.REFUSED, operations=("deposer_piece",)
        ),
    }
)

SAID: Final[Mapping[str, tuple[int, str]]] = MappingProxyType(
    {
        "hang_up": (500, "socket hang up"),
        "wrong_procedure": (403, "Unauthorized user"),
        "no_case": (404, "Case is not found"),
        "invalid": (400, "Bad Request : Validation failed.\n[ERROR][REQUEST][POST /cases/events @body] not allowed"),
        "not_subscribed": (400, "Case recipient SI-21990001000019-99001 does not suscribed to EtatCivil"),
        "size_mismatch": (400, "Bad Request : the size of the binary is not the declared size"),
        "patch_blocked": (405, "Method not allowed"),
    }
)
"""Faults that are one answer in HubEE's own form."""

ON_ACCOUNTS: Final = frozenset({"token_expired", "unknown_account"})
"""Faults of the tokens' door: nothing is played on a delivery itself."""


class Sandbox(Holdings, HttpSandbox):
    """A HubEE of three procedures, each with its account.

    `token_ttl`: seconds a token holds; `tokens_given` counts them. `patch_blocked`: PATCH does not pass.
    """

    menu = MENU

    def __init__(self) -> None:
        super().__init__()
        self.token_ttl, self.tokens_given = HOUR, 0
        self.patch_blocked = self.knows_nobody = False
        self._tokens: dict[str, tuple[str, float]] = {}
        self.put_case("EtatCivil", case_id=SAMPLE_CASE, notified=False)

    def settings(self) -> dict[str, Any]:
        """Say how a connector reaches it, with an account for each procedure."""
        accounts = {code: {"client_id": code, "client_secret": secret_of(code)} for code in PROCEDURES}
        return {"url": f"{self.url}{BASE}", "token_url": f"{self.url}{TOKEN}", "procedures": accounts}

    def sample(self, operation: str) -> dict[str, Any]:
        """Give a move, or a deposit with its document inside."""
        said = {"processCode": "EtatCivil", "caseId": SAMPLE_CASE, "author": "Service de l'état civil"}
        if operation == "changer_etat":
            return {**said, "caseNewStatus": "DONE", "message": "Votre acte vous a été envoyé par la poste."}
        content = base64.b64encode(b"%PDF-1.7 copie").decode()
        document = {"fileName": "copie_integrale.pdf", "mimeType": "application/pdf", "content": content}
        return {**said, "type": "ActeEtatCivil-PDF", "document": document}

    def expire_tokens(self) -> None:
        """Let every token expire at once."""
        self._tokens.clear()

    def break_with(self, fault: str, times: int = 1) -> None:
        """Play `fault`; those of accounts begin at once."""
        if fault in ON_ACCOUNTS:
            self.expire_tokens()
            self.knows_nobody = fault == "unknown_account"
            return
        super().break_with(fault, times)

    def mend(self) -> None:
        """Play no fault any more."""
        super().mend()
        self.knows_nobody = False

    async def is_delivery(self, request: web.Request) -> bool:
        """Tell what hands something over: a move of a case, and what makes a deposit seen."""
        if self._fault == "size_mismatch":
            return request.method == "PUT"
        match read_object(await request.read()):
            case {"actionType": "STATUS_UPDATE"}:
                return True
            case {"status": "SENT"}:
                return "/events/" in request.path
            case _:
                return False

    async def serve(self, request: web.Request) -> web.Response:
        """Answer one request: the tokens' door, or an API that wants a token."""
        if request.path == TOKEN:
            return self._give_token(request)
        procedure = self._procedure_of(request)
        if procedure is None:
            return reply(401, {"fault": {"code": 900901, "message": "Invalid Credentials"}})
        method = request.headers.get("X-HTTP-Method-Override", request.method)
        if self.patch_blocked and request.method == "PATCH":
            return failed(405, "Method not allowed")
        for verb, path, answer in ROUTES:
            found = re.fullmatch(BASE + path, request.path)
            if found and verb == method:
                return await answer(self, Asked(request, procedure, found.groupdict()))
        return failed(404, "Not found")

    async def play(self, fault: str, request: web.Request, answer: web.Response | None) -> web.StreamResponse:
        """Play an answer in HubEE's own form, an event without its name, or what any server may do."""
        if fault in SAID:
            return failed(*SAID[fault])
        if fault == "no_id":
            return reply(201, {})
        return await super().play(fault, request, answer)

    async def list_notifications(self, asked: Asked) -> web.Response:
        """Give a batch of those of the account's procedure."""
        most = asked.request.query.get("maxResult", str(BATCH))
        if not most.isdigit():
            return failed(400, "Bad Request : Validation failed.\n@query.maxResult Instance type (string)")
        if asked.request.query.get("processCode", asked.procedure) != asked.procedure:
            return failed(403, "Unauthorized user")
        theirs = [one for one in self.notifications if one["processCode"] == asked.procedure]
        return reply(200, theirs[: min(int(most), BATCH)])

    async def delete_notification(self, asked: Asked) -> web.Response:
        """Let go of a notification."""
        found = next((one for one in self.notifications if one["id"] == asked.parts["id"]), None)
        if found is None:
            return failed(404, "Notification is not found")
        if found["processCode"] != asked.procedure:
            return failed(403, "Unauthorized user")
        self.notifications.remove(found)
        return web.Response(status=204)

    async def give_case(self, asked: Asked) -> web.Response:
        """Give a case; a lighter one has neither files nor events."""
        case = self._case(asked)
        if isinstance(case, web.Response):
            return case
        if asked.request.query.get("lite") == "true":
            return reply(200, {name: part for name, part in case.items() if name not in {"attachments", "events"}})
        return reply(200, case)

    async def give_file(self, asked: Asked) -> web.Response:
        """Give a file of a case or of an event, with its digest."""
        case = self._case(asked)
        if isinstance(case, web.Response):
            return case
        content = self.contents.get(asked.parts["file"])
        if content is None:
            return failed(404, "File is not found")
        headers = {"Content-Type": "application/octet-stream", "digest": self.digests[asked.parts["file"]]}
        return web.Response(status=200, body=content, headers=headers)

    async def add_event(self, asked: Asked) -> web.Response:
        """Take an event of the city's."""
        case, said = self._case(asked), read_object(await asked.request.read())
        if isinstance(case, web.Response):
            return case
        if wrong := what_is_wrong(said, case):
            return failed(400, f"Bad Request : Validation failed.\n[ERROR][REQUEST][POST /cases @body] {wrong}")
        event = event_of(said, CITY)
        case["events"].append(event)
        if event["status"] == "SENT":
            self._see(event, case)
        return reply(201, event)

    async def give_event(self, asked: Asked) -> web.Response:
        """Give an event."""
        event = self._found_event(asked)
        return event if isinstance(event, web.Response) else reply(200, event)

    async def patch_event(self, asked: Asked) -> web.Response:
        """Take a status: a deposit that is SENT needs all of its files."""
        event, said = self._found_event(asked), read_object(await asked.request.read())
        if isinstance(event, web.Response):
            return event
        if said.get("status") not in {"SENT", "RECEIVED"}:
            return failed(400, "Bad Request : Validation failed.\n[ERROR][REQUEST][PATCH /events @body] status")
        if said["status"] == "SENT" and any(file["status"] == "PENDING" for file in event["attachments"]):
            return failed(400, "Bad request")
        if said["status"] == "SENT" and event["status"] == "IN_PROGRESS":
            self._see(event, self.cases[asked.parts["case"]])
        event["status"] = said["status"]
        return web.Response(status=204)

    async def delete_event(self, asked: Asked) -> web.Response:
        """Remove a deposit that was not sent."""
        event = self._found_event(asked)
        if isinstance(event, web.Response):
            return event
        if (event["actionType"], event["status"]) != ("ATTACH_DEPOSIT", "IN_PROGRESS"):
            return failed(400, "Bad Request")
        self.cases[asked.parts["case"]]["events"].remove(event)
        return web.Response(status=204)

    async def take_file(self, asked: Asked) -> web.Response:
        """Take a file of a deposit: of the size announced, and of the digest that came with it."""
        event = self._found_event(asked)
        if isinstance(event, web.Response):
            return event
        file = next((one for one in event["attachments"] if one["id"] == asked.parts["file"]), None)
        content = await asked.request.read()
        if file is None:
            return failed(404, "Binary meta-data is not found")
        if len(content) != file["size"]:
            return failed(*SAID["size_mismatch"])
        self.contents[file["id"]], self.digests[file["id"]] = content, digest_of(content)
        digest = asked.request.headers.get("digest", "")
        file["status"] = "RECEIVED" if digest in {"", digest_of(content)} else "REJECTED"
        return web.Response(status=204)

    def _give_token(self, request: web.Request) -> web.Response:
        pairs = {basic(code): code for code in PROCEDURES}
        procedure = pairs.get(request.headers.get("Authorization", ""))
        if procedure is None or self.knows_nobody:
            return reply(401, {"error": "invalid_client"})
        token = uuid.uuid4().hex
        self.tokens_given += 1
        self._tokens[token] = (procedure, time.monotonic() + self.token_ttl)
        return reply(
            200, {"access_token": token, "scope": "SI", "token_type": "Bearer", "expires_in": int(self.token_ttl)}
        )

    def _procedure_of(self, request: web.Request) -> str | None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        procedure, until = self._tokens.get(token, (None, 0.0))
        return procedure if time.monotonic() < until else None

    def _case(self, asked: Asked) -> dict[str, Any] | web.Response:
        case = self.cases.get(asked.parts["case"])
        if case is None:
            return failed(404, "Case is not found")
        return case if case["processCode"] == asked.procedure else failed(403, "Unauthorized user")

    def _found_event(self, asked: Asked) -> dict[str, Any] | web.Response:
        case = self._case(asked)
        if isinstance(case, web.Response):
            return case
        found: dict[str, Any] | None = next((one for one in case["events"] if one["id"] == asked.parts["event"]), None)
        return failed(404, "event is not found") if found is None else found

    def _see(self, event: Mapping[str, Any], case: dict[str, Any]) -> None:
        """Let an event of the city's have its effect, and count it when it bears a key of ours."""
        case["status"] = event.get("caseNewStatus") or case["status"]
        if found := OUR_KEY.match(event.get("comment") or ""):
            self.take(found[0])


class Asked:
    """One request of an account, and what its path names."""

    def __init__(self, request: web.Request, procedure: str, parts: Mapping[str, str]) -> None:
        self.request, self.procedure, self.parts = request, procedure, parts


CASE: Final = r"/cases/(?P<case>[^/]+)"
ONE_EVENT: Final = rf"{CASE}/events/(?P<event>[^/]+)"
FILE: Final = r"/attachments/(?P<file>[^/]+)"

ROUTES: Final[tuple[tuple[str, str, Callable[[Sandbox, Asked], Awaitable[web.Response]]], ...]] = (
    ("GET", "/notifications", Sandbox.list_notifications),
    ("DELETE", r"/notifications/(?P<id>[^/]+)", Sandbox.delete_notification),
    ("GET", CASE, Sandbox.give_case),
    ("GET", CASE + FILE, Sandbox.give_file),
    ("POST", rf"{CASE}/events", Sandbox.add_event),
    ("GET", ONE_EVENT, Sandbox.give_event),
    ("PATCH", ONE_EVENT, Sandbox.patch_event),
    ("DELETE", ONE_EVENT, Sandbox.delete_event),
    ("GET", ONE_EVENT + FILE, Sandbox.give_file),
    ("PUT", ONE_EVENT + FILE, Sandbox.take_file),
)

LIMITS: Final[Mapping[str, int]] = {
    "message": LONGEST_TEXT,
    "comment": LONGEST_TEXT,
    "author": 255,
    "partnerAttributes": 1024,
}
DESCRIPTION: Final = frozenset({"fileName", "type", "size", "mimeType"})


def what_is_wrong(said: Mapping[str, Any], case: Mapping[str, Any]) -> str:
    """Say what HubEE would not take of an event; empty when it takes it."""
    if "actionType" not in said or "notification" not in said:
        return "Object has missing required properties"
    if any(len(said.get(name) or "") > longest for name, longest in LIMITS.items()):
        return "String is too long"
    if any(not file.keys() >= DESCRIPTION for file in said.get("attachments", ())):
        return "Object has missing required properties"
    states = STATES.get(case["processCode"], ALL_STATES)
    if said["actionType"] == "STATUS_UPDATE" and said.get("caseNewStatus") not in states:
        return "Instance value not found in enum"
    return ""


def secret_of(procedure: str) -> str:
    """Say the secret of a procedure's account."""
    return f"secret-{procedure}"


def basic(procedure: str) -> str:
    """Write how a procedure's account names itself at the tokens' door."""
    return f"Basic {base64.b64encode(f'{procedure}:{secret_of(procedure)}'.encode()).decode()}"


def read_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object; an empty one for anything else."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def reply(status: int, content: Any) -> web.Response:
    """Answer JSON."""
    return web.Response(status=status, body=orjson.dumps(content), content_type="application/json")


def failed(status: int, message: str) -> web.Response:
    """Answer an error in HubEE's form."""
    return reply(status, {"errors": [{"code": status, "message": message}]})
