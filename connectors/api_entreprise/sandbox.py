"""API Entreprise's stand-in: its paths, its checks and its words, around invented numbers (contract/cases.json)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from aiohttp import web

from connectors._transport.etat import SAYINGS, Saying, StateSandbox
from connectors._transport.sandbox import COMMON
from connectors.api_entreprise.wire import PROBE, SECRET, SERVICES
from hub.connector import Fault
from hub.model import Verdict

CASES: Final = Path(__file__).parent / "contract" / "cases.json"
PATHS: Final = {
    name: re.compile(re.escape(service.path).replace(re.escape("{}"), "([^/]+)")) for name, service in SERVICES.items()
}
FORMS: Final = {"siren": r"[0-9]{9}", "siret": r"[0-9]{14}", "rna": r"W[0-9A-Z]{9}"}
NOT_TOLD: Final = frozenset({"999000068", "99900006800017"})
"""Numbers that exist, and that INSEE may not tell of; the code that comes with a 451 is not public."""

SAYS: Final[Mapping[str, Saying]] = MappingProxyType(
    {
        **SAYINGS,
        "no_context": Saying(422, "00201", Verdict.REFUSED, parameter="context"),
        "no_object": Saying(422, "00202", Verdict.REFUSED, parameter="object"),
        "unknown_number": Saying(404, "01003", Verdict.ACCEPTED),
        "not_told": Saying(SECRET, "00451", Verdict.ACCEPTED),
        "provider_down": Saying(504, "01001", Verdict.TRANSIENT),
        "provider_slow": Saying(504, "01002", Verdict.TRANSIENT),
        "provider_lost": Saying(504, "01004", Verdict.TRANSIENT),
        "provider_noise": Saying(502, "01999", Verdict.TRANSIENT),
        "broken_file": Saying(502, "21055", Verdict.TRANSIENT),
        "read_by_an_agent": Saying(502, "04501", Verdict.TRANSIENT, retry_in=172_800),
        "perhaps_unknown": Saying(502, "03501", Verdict.UNCERTAIN),
        "not_in_order": Saying(404, "38422", Verdict.REFUSED),
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
        "ban": Fault(
            title="bans the caller: nothing any more", verdict=Verdict.UNCERTAIN, operations=("extrait_kbis",)
        ),
        "no_scope": Fault(title="leaves out what the token does not open", verdict=Verdict.ACCEPTED),
        "no_data": Fault(title="answers 200 without data", verdict=Verdict.UNCERTAIN),
    }
)

PLAYS: Final[Mapping[str, Any]] = {
    "no_scope": {"data": {}, "links": {}, "meta": {}},
    "no_data": {"links": {}, "meta": {}},
}

MALFORMED: Final[Mapping[tuple[str, ...], Saying]] = {
    ("siren",): Saying(422, "00301", Verdict.REFUSED, parameter="siren"),
    ("siret",): Saying(422, "00302", Verdict.REFUSED, parameter="siret"),
    ("siret", "rna"): Saying(422, "00303", Verdict.REFUSED, parameter="id"),
    ("siren", "rna"): Saying(422, "00333", Verdict.REFUSED, parameter="id"),
}
"""The kinds of number an endpoint knows → what it says of a number that is of none."""

KNOWS: Final[Mapping[str, tuple[str, ...]]] = {
    "unite_legale": ("siren",),
    "etablissement": ("siret",),
    "adresse_etablissement": ("siret",),
    "association": ("siren", "rna"),
    "association_rna": ("siret", "rna"),
    "extrait_kbis": ("siren",),
}


class Sandbox(StateSandbox):
    """Knows the companies and associations of its cases, and no other."""

    menu = MENU
    sayings = SAYS
    unknown = MappingProxyType(
        {
            **dict.fromkeys(SERVICES, Saying(404, "01003", Verdict.ACCEPTED)),
            "association": Saying(404, "29003", Verdict.ACCEPTED),
            "association_rna": Saying(404, "21003", Verdict.ACCEPTED),
            "extrait_kbis": Saying(404, "02003", Verdict.ACCEPTED),
        }
    )
    probe_path = PROBE

    def __init__(self) -> None:
        super().__init__(CASES, limit=250, window=60)

    def settings(self) -> dict[str, Any]:
        """Say how a connector reaches this sandbox, and why it usually asks."""
        return {**super().settings(), "context": "Forum des associations", "object": "Inscription au forum"}

    def read(self, request: web.Request) -> tuple[str, dict[str, Any]] | Saying:
        """Read which number a request asks about; a path that it does not have is said to be one, in no envelope."""
        found = {name: path.fullmatch(request.path) for name, path in PATHS.items()}
        name, match = next(((name, match) for name, match in found.items() if match), ("", None))
        if match is None:
            raise web.HTTPNotFound
        for mandatory in ("context", "object"):
            if not request.query.get(mandatory):
                return SAYS[f"no_{mandatory}"]
        number = match[1]
        if number in NOT_TOLD:
            return SAYS["not_told"]
        kind = next((kind for kind in KNOWS[name] if re.fullmatch(FORMS[kind], number)), "")
        return (name, {kind: number}) if kind else MALFORMED[KNOWS[name]]

    async def play(self, fault: str, request: web.Request, answer: web.Response | None) -> web.StreamResponse:
        """Play what only this API does, what both do, or what any server does."""
        if fault in PLAYS:
            return web.json_response(PLAYS[fault])
        return await super().play(fault, request, answer)
