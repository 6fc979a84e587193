"""A front end that listens: it checks each signature with the reference package and drops what it has seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from connectors._transport.sandbox import COMMON, HttpSandbox
from connectors._transport.tally import Latest
from hub.connector import Fault
from hub.model import Verdict

SECRET: Final = "whsec_bGEgbWFpcmllIGRlIGRlbW9uc3RyYXRpb24u"  # noqa: S105  # the sandbox's own
STATUSES: Final[Mapping[str, int]] = {"unreadable": 400, "bad_signature": 401, "gone": 410, "early": 425}


class Sandbox(HttpSandbox):
    """A front end; `received` holds the latest call-back under each webhook-id."""

    menu: Mapping[str, Fault] = {
        **COMMON,
        "garbage": Fault(title="takes the call-back, answers noise", verdict=Verdict.ACCEPTED, taken=True),
        "empty": Fault(title="takes the call-back, answers nothing", verdict=Verdict.ACCEPTED, taken=True),
        "unreadable": Fault(title="answers 400", verdict=Verdict.REFUSED),
        "bad_signature": Fault(title="answers 401", verdict=Verdict.TRANSIENT),
        "gone": Fault(title="answers 410, the subscription has ended", verdict=Verdict.REFUSED),
        "early": Fault(title="answers a status nobody expects", verdict=Verdict.UNCERTAIN),
    }

    def __init__(self) -> None:
        super().__init__()
        self.received: dict[str, dict[str, Any]] = {}
        self._webhook = Webhook(SECRET)

    def settings(self) -> dict[str, Any]:
        """Say where it listens and which secret it checks."""
        return {"url": f"{self.url}/rappels", "secrets": [SECRET]}

    def sample(self, operation: str) -> dict[str, Any]:
        """Give a change of stage."""
        del operation
        return {
            "type": "demande.etape",
            "numero": "167 046 020",
            "reference": "PORTAIL-2026-000123",
            "kind": "courrier.maire",
            "etape": "Accepté",
            "statut": "done",
            "final": True,
            "sequence": 2,
            "date": "2026-09-01T08:30:00+02:00",
            "message": "Votre demande N° 167 046 020 vient d'être validée.",
        }

    def forget(self) -> None:
        """Keep the latest call-backs."""
        super().forget()
        self.received = Latest(self.received)

    async def serve(self, request: web.Request) -> web.Response:
        """Take a call-back whose signature holds; one already taken is only thanked for."""
        if request.method == "HEAD":
            return web.Response(status=405)
        try:
            body = self._webhook.verify(await request.read(), dict(request.headers))
        except WebhookVerificationError:
            return web.Response(status=401)
        key = request.headers["webhook-id"]
        if not self.times_taken(key):
            self.take(key)
        self.received[key] = body
        return web.Response(status=204)

    async def play(self, fault: str, request: web.Request, answer: web.Response | None) -> web.StreamResponse:
        """Play what a listening front end adds to the common menu."""
        if fault in STATUSES:
            return web.Response(status=STATUSES[fault])
        return await super().play(fault, request, answer)
