"""A city's map over real HTTP, by three protocols on three paths; it can be broken in each of their ways."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from aiohttp import web

from connectors._transport.sandbox import COMMON, HttpSandbox
from connectors.sig.servers import CityMap, add_result, answer, complain, report, transaction
from connectors.sig.wire import Protocole
from hub.connector import Fault
from hub.model import Verdict

ACCOUNT: Final = ("hub", "carte")
AUTHORIZATION: Final = "Basic " + b64encode(":".join(ACCOUNT).encode()).decode()
CREATES: Final = ("creer_doleance",)
WITNESS: Final = {"lon": 5.45, "lat": 43.535, "code": "CENTRE"}

MENU: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        **COMMON,
        "inserted_0": Fault(title="says yes, and creates nothing", verdict=Verdict.REFUSED, operations=CREATES),
        "unknown_layer": Fault(title="has no such layer", verdict=Verdict.REFUSED, operations=CREATES),
        "bad_value": Fault(title="refuses a value", verdict=Verdict.REFUSED, operations=CREATES),
        "no_permission": Fault(title="lets us create nothing", verdict=Verdict.TRANSIENT, operations=CREATES),
        "commit_failed": Fault(title="fails in the middle", verdict=Verdict.UNCERTAIN, operations=CREATES),
        "no_reference": Fault(
            title="creates, forgets to say what", verdict=Verdict.UNCERTAIN, taken=True, operations=CREATES
        ),
        "exception": Fault(title="refuses by an exception", verdict=Verdict.REFUSED),
        "exception_after": Fault(
            title="treats the message, answers an exception without a cause", verdict=Verdict.UNCERTAIN, taken=True
        ),
        "half": Fault(title="treats the message, answers half of it", verdict=Verdict.UNCERTAIN, taken=True),
        "unknown_account": Fault(title="does not know the account", verdict=Verdict.TRANSIENT),
    }
)

Refuse = Callable[[], web.Response]
WFS, OGC, ARCGIS = Protocole.WFS, Protocole.OGC_FEATURES, Protocole.ARCGIS

PLAYS: Final[Mapping[str, Mapping[Protocole, Refuse]]] = {
    "inserted_0": {
        WFS: lambda: transaction(0),
        OGC: lambda: complain(422, "UnprocessableContent", "nothing to create"),
        ARCGIS: lambda: answer(add_result(error={"code": 1003, "description": "Operation rolled back."})),
    },
    "unknown_layer": {
        WFS: lambda: transaction(0, message="TypeName 'doleances' unknown"),
        OGC: lambda: complain(404, "NotFound", "Collection not found"),
        ARCGIS: lambda: answer({"error": {"code": 404, "message": "Layer not found", "details": []}}),
    },
    "bad_value": {
        WFS: lambda: transaction(0, message="Property conversion error on layer insert 'doleances'"),
        OGC: lambda: complain(400, "InvalidParameterValue", "a value is not of its type"),
        ARCGIS: lambda: answer(
            add_result(error={"code": -2147217395, "description": "Setting of Value for etat failed."})
        ),
    },
    "no_permission": {
        WFS: lambda: transaction(0, message="No permissions to do WFS inserts on layer 'doleances'"),
        OGC: lambda: complain(400, "InvalidParameterValue", "Collection is not editable"),
        ARCGIS: lambda: answer({"error": {"code": 403, "message": "User does not have permission", "details": []}}),
    },
    "commit_failed": {
        WFS: lambda: transaction(0, message="Error committing inserts: ERROR: 1 feature(s) not added."),
        OGC: lambda: complain(500, "NoApplicableCode", "generic error (check logs)"),
        ARCGIS: lambda: answer({"error": {"code": 500, "message": "Unable to complete operation.", "details": []}}),
    },
    "no_reference": {
        WFS: lambda: transaction(1),
        OGC: lambda: web.Response(status=201),
        ARCGIS: lambda: answer({"addResults": []}),
    },
    "exception": {
        WFS: lambda: report("RequestNotWellFormed", "error occurred while parsing element"),
        OGC: lambda: complain(400, "InvalidParameterValue", "No data found"),
        ARCGIS: lambda: answer({"error": {"code": 400, "message": "Invalid or missing input parameters."}}),
    },
    "exception_after": {
        WFS: lambda: report("NoApplicableCode", "java.lang.NullPointerException", status=200, root="ExceptionReport"),
        OGC: lambda: complain(500, "NoApplicableCode", "generic error (check logs)"),
        ARCGIS: lambda: answer({"error": {"code": 500, "message": "", "details": []}}),
    },
    "unknown_account": dict.fromkeys(Protocole, lambda: web.Response(status=401)),
}
"""How each protocol says it."""

PATHS: Final[Mapping[str, Protocole]] = {"wfs": WFS, "ogc": OGC, "arcgis": ARCGIS}


class Sandbox(HttpSandbox):
    """A map with two layers; `map` has its whims, for a test to choose."""

    menu = MENU

    def __init__(self) -> None:
        super().__init__()
        self.map = CityMap(self.take)

    def settings(self, protocole: Protocole = Protocole.WFS) -> dict[str, Any]:
        """Say how a connector reaches this sandbox by one of the protocols."""
        username, password = ACCOUNT
        path = next(path for path, spoken in PATHS.items() if spoken is protocole)
        layers = {"couche_doleances": "0", "couche_quartiers": "1"} if protocole is ARCGIS else {}
        account = {"username": username, "password": password}
        return {"url": f"{self.url}/{path}", "protocole": protocole.value, "temoin": WITNESS, **account, **layers}

    def sample(self, operation: str) -> dict[str, Any]:
        """Give a complaint, or a position in a district."""
        if operation == "quartier":
            return {"lon": 5.4473, "lat": 43.5298}
        return {
            "lon": 5.4473,
            "lat": 43.5298,
            "categorie": "ÉCLAIRAGE PUBLIC",
            "description": "Le lampadaire est éteint depuis lundi <devant l'école> & clignote.\nDanger le soir.",
            "adresse": "12 rue de l'Opéra 13100 Aix-en-Provence",
            "quartier": "CENTRE",
            "origine": "internet",
            "date_signalement": "2026-11-24",
            "etat": "nouvelle",
        }

    async def is_delivery(self, request: web.Request) -> bool:
        """Tell a creation or the question for a district from a search of our own, or a probe."""
        if request.method == "POST":
            return True
        asked = request.query
        return "bbox" in asked or "geometry" in asked or "Intersects" in asked.get("FILTER", "")

    async def is_finding(self, request: web.Request) -> bool:
        """Tell the question for a complaint by the map's own reference."""
        by_path = request.method == "GET" and "/items/" in request.path
        return by_path or "objectIds" in request.query or "FeatureId" in request.query.get("FILTER", "")

    async def serve(self, request: web.Request) -> web.Response:
        """Answer by the protocol of the path."""
        if request.headers.get("Authorization") != AUTHORIZATION:
            return web.Response(status=401)
        speak = {WFS: self.map.wfs, OGC: self.map.features, ARCGIS: self.map.arcgis}
        return speak[spoken(request)](request, await request.read())

    async def play(self, fault: str, request: web.Request, answer: web.Response | None) -> web.StreamResponse:
        """Play what the protocol of the path says, or what is common to all servers."""
        if fault == "half" and answer is not None:
            whole = answer.body if isinstance(answer.body, bytes) else b""
            return web.Response(status=200, body=whole[: len(whole) // 2], headers={"Content-Type": "text/plain"})
        if fault in PLAYS:
            return PLAYS[fault][spoken(request)]()
        return await super().play(fault, request, answer)


def spoken(request: web.Request) -> Protocole:
    """Tell the protocol of a path."""
    return PATHS[request.path.split("/")[1]]
