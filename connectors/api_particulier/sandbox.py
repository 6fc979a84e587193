"""API Particulier's stand-in: its paths, its checks and its words, around invented families (contract/cases.json)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from aiohttp import web

from connectors._transport.etat import SAYINGS, Saying, StateSandbox
from connectors._transport.sandbox import COMMON
from connectors.api_particulier.wire import LISTS, PROBE, SERVICES
from hub.connector import Fault
from hub.model import Verdict

CASES: Final = Path(__file__).parent / "contract" / "cases.json"
PATHS: Final = {service.path: name for name, service in SERVICES.items()}
NEEDED: Final = frozenset({"nomNaissance", "prenoms"})
NUMBERS: Final = frozenset({"anneeDateNaissance", "moisDateNaissance", "jourDateNaissance", "annee", "mois"})

SAYS: Final[Mapping[str, Saying]] = MappingProxyType(
    {
        **SAYINGS,
        "malformed": Saying(422, "00366", Verdict.REFUSED),
        "two_places": Saying(422, "00419", Verdict.REFUSED),
        "unknown_person": Saying(404, "35003", Verdict.ACCEPTED, "Allocataire non référencé"),
        "breakdown": Saying(404, "35003", Verdict.TRANSIENT, "Erreur inattendue"),
        "provider_down": Saying(504, "37001", Verdict.TRANSIENT),
        "provider_slow": Saying(504, "37002", Verdict.TRANSIENT),
        "provider_lost": Saying(504, "37004", Verdict.TRANSIENT),
        "provider_busy": Saying(504, "37008", Verdict.TRANSIENT),
        "provider_noise": Saying(502, "37999", Verdict.TRANSIENT),
        "provider_two_days": Saying(502, "37999", Verdict.TRANSIENT, retry_in=172_800),
        "new_code": Saying(502, "99998", Verdict.UNCERTAIN),
    }
)

MENU: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        **COMMON,
        **{
            name: Fault(title=f"says {said.code} with a {said.status}", verdict=said.verdict)
            for name, said in SAYS.items()
        },
        "ban": Fault(title="bans the caller: nothing any more", verdict=Verdict.UNCERTAIN, operations=("scolarites",)),
        "no_scope": Fault(title="leaves out what the token does not open", verdict=Verdict.ACCEPTED),
        "no_data": Fault(title="answers 200 without data", verdict=Verdict.UNCERTAIN),
        "old_version": Fault(title="answers as its version 2 did", verdict=Verdict.REFUSED),
    }
)

PLAYS: Final[Mapping[str, tuple[int, Any]]] = {
    "no_scope": (200, {"data": {}, "links": {}, "meta": {}}),
    "no_data": (200, {"links": {}, "meta": {}}),
    "old_version": (404, {"error": "not_found", "reason": "Dossier introuvable", "message": "Dossier introuvable"}),
}


class Sandbox(StateSandbox):
    """Knows the families of its cases by every one of their parameters, and nobody else."""

    menu = MENU
    sayings = SAYS
    unknown = MappingProxyType(
        {
            **dict.fromkeys(SERVICES, Saying(404, "23003", Verdict.ACCEPTED, "Dossier allocataire absent CNAF")),
            "complementaire_sante_solidaire": Saying(
                404, "40003", Verdict.ACCEPTED, "Dossier allocataire absent RNCPS"
            ),
            "participation_familiale_eaje": Saying(404, "37003", Verdict.ACCEPTED, "Entité non trouvée"),
            "etudiant_boursier": Saying(404, "26003", Verdict.ACCEPTED, "Entité non trouvée"),
            "statut_etudiant": Saying(404, "25003", Verdict.ACCEPTED, "Entité non trouvée"),
            "scolarites": Saying(404, "30003", Verdict.ACCEPTED, "Entité non trouvée"),
        }
    )
    probe_path = PROBE

    def __init__(self) -> None:
        super().__init__(CASES, limit=20, window=1)

    def read(self, request: web.Request) -> tuple[str, dict[str, Any]] | Saying:
        """Read whom a request asks about; a path that it does not have is said to be one, in no envelope."""
        if request.path not in PATHS:
            raise web.HTTPNotFound
        asked = {name.removesuffix("[]"): read_value(name, request) for name in request.query if name != "recipient"}
        if not asked.keys() >= NEEDED:
            return SAYS["malformed"]
        if "codeEtablissement" in asked and asked.keys() & {"codesBcnDepartements", "codesBcnRegions"}:
            return SAYS["two_places"]
        return PATHS[request.path], asked

    async def play(self, fault: str, request: web.Request, answer: web.Response | None) -> web.StreamResponse:
        """Play what only this API does, what both do, or what any server does."""
        if fault in PLAYS:
            status, body = PLAYS[fault]
            return web.json_response(body, status=status)
        return await super().play(fault, request, answer)


def read_value(name: str, request: web.Request) -> Any:
    """Read one parameter as it was meant: a list, a number or a text."""
    bare = name.removesuffix("[]")
    if bare in LISTS:
        return request.query.getall(name) if name != bare else []
    return int(request.query[name]) if bare in NUMBERS else request.query[name]
