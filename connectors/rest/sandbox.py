"""An invented JSON target, a records office (bureau d'ordre): it shows what settings of `rest` can say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from aiohttp import web

from connectors._transport.sandbox import COMMON, HttpSandbox
from hub.connector import Fault
from hub.model import Verdict

ANSWER: Final[dict[str, Any]] = {
    "reference": "/numero",
    "success": {"pointer": "/statut", "equals": "ok"},
    "error_code": "/erreur",
}

OPERATIONS: Final[dict[str, Any]] = {
    "deposer": {
        "title": "Déposer une demande",
        "effect": "idempotent",
        "path": "/demandes",
        "key_header": "Idempotency-Key",
        **ANSWER,
    },
    "enregistrer": {
        "title": "Enregistrer un dossier, qu'on peut retrouver par notre clé",
        "effect": "lookup",
        "visible_after": "1s",
        "path": "/dossiers",
        "key_field": "reference_externe",
        "exists": [409],
        **ANSWER,
        "look_up": {
            "path": "/dossiers?reference_externe={key}",
            "found": "/dossiers",
            "key": "/dossiers/0/reference_externe",
            "reference": "/dossiers/0/numero",
            "compare": {"objet": "/dossiers/0/objet"},
        },
        "find": {
            "path": "/dossiers/{reference}",
            "pattern": "BO-[0-9]{6}",
            "found": "/numero",
            "reference": "/numero",
        },
    },
    "signaler": {
        "title": "Signaler, sans qu'on puisse le retrouver",
        "effect": "once",
        "path": "/signalements",
        "key_field": "remarque",
        **ANSWER,
    },
    "consulter": {
        "title": "Demander où en est un dossier",
        "effect": "safe",
        "path": "/consultations",
        "answer": "contract/consultation.json",
        "details": {"etat": "/etat"},
        **ANSWER,
    },
}

ERRORS: Final = [{"code": "OBJET_INCONNU", "verdict": "refused", "stage": "Refusé"}]
REFUSAL: Final = {"statut": "ko", "erreur": "OBJET_INCONNU", "message": "Objet inconnu au plan de classement"}


class Sandbox(HttpSandbox):
    """Takes requests under our key; recognises the header, never the field `remarque`."""

    menu: Mapping[str, Fault] = {
        **COMMON,
        "unavailable": Fault(title="answers 503 before treating anything", verdict=Verdict.TRANSIENT),
        "refused": Fault(title="answers 422 with its own code", verdict=Verdict.REFUSED),
        "error_inside": Fault(title="answers 200 with an error inside", verdict=Verdict.REFUSED),
        "no_reference": Fault(title="treats the message, gives no reference", verdict=Verdict.UNCERTAIN, taken=True),
        "unknown_account": Fault(title="answers 401", verdict=Verdict.TRANSIENT),
    }

    def __init__(self) -> None:
        super().__init__()
        self._records: dict[str, dict[str, Any]] = {}
        self.state = "en_cours"
        """What every file is said to be at."""

    def settings(self) -> dict[str, Any]:
        """Describe this target in settings alone."""
        return {"url": self.url, "unavailable": [503], "operations": OPERATIONS, "errors": ERRORS}

    def sample(self, operation: str) -> dict[str, Any]:
        """Give a request for any of its operations."""
        return {
            "objet": "Certificat d'adresse",
            "operation": operation,
            "demandeur": {"nom": "Lefèvre", "prenom": "Léa", "courriel": "lea.lefevre@exemple.fr"},
        }

    async def is_finding(self, request: web.Request) -> bool:
        """Tell the question for a file by its number."""
        return request.method == "GET" and request.path.startswith("/dossiers/")

    async def serve(self, request: web.Request) -> web.Response:
        """Take a request, list those under one key, or show one by its number."""
        if await self.is_finding(request):
            return self._show(request.path.rpartition("/")[2])
        if request.method == "GET":
            found = self._records.get(request.query.get("reference_externe", ""))
            return web.json_response({"dossiers": [found] if found else []})
        record = orjson.loads(await request.read())
        if request.path == "/consultations":
            return web.json_response({"statut": "ok", "numero": "BO-000000", "etat": self.state})
        key = request.headers.get("Idempotency-Key") or record.get("reference_externe") or record["remarque"]
        if key in self._records and "remarque" not in record:
            status = 409 if "reference_externe" in record else 200
            return self._accept(key, status)
        self.take(key)
        self._records[key] = {**record, "numero": f"BO-{len(self._records) + 1:06d}"}
        return self._accept(key, 201)

    def _show(self, number: str) -> web.Response:
        found = next((record for record in self._records.values() if record["numero"] == number), None)
        return web.json_response(found or {"statut": "ko", "erreur": "DOSSIER_INCONNU"}, status=200 if found else 404)

    def _accept(self, key: str, status: int) -> web.Response:
        body = orjson.dumps({"statut": "ok", "numero": self._records[key]["numero"]})
        return web.Response(status=status, body=body, content_type="application/json")

    async def play(self, fault: str, request: web.Request, answer: web.Response | None) -> web.StreamResponse:
        """Play what this target adds to the common menu."""
        match fault:
            case "refused":
                return web.json_response(REFUSAL, status=422)
            case "error_inside":
                return web.json_response(REFUSAL)
            case "no_reference":
                return web.json_response({"statut": "ok"})
            case "unknown_account":
                return web.json_response({}, status=401)
            case _:
                return await super().play(fault, request, answer)
