"""What is asked of an address server and what its answers mean; no I/O.

Names are those of addok, which the BAN and the Géoplateforme speak: `label`, `citycode`, `housenumber`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import jsonschema_rs
import orjson

from connectors._transport.http import Answer, check_not_page, check_status
from hub.connector import Outbound, Receipt
from hub.errors import UncertainError
from hub.manifest import ErrorTable
from hub.model import Verdict

CONTRACT: Final = Path(__file__).parent / "contract"
MESSAGES: Final = {
    operation: jsonschema_rs.validator_for(orjson.loads((CONTRACT / f"{operation}.json").read_bytes()))
    for operation in ("rechercher", "inverse")
}

UNREADABLE: Final = "unreadable"
PROBE: Final = "mairie"
"""What the probe looks for: any answer will do."""

KEPT: Final = (
    "label",
    "score",
    "id",
    "type",
    "housenumber",
    "street",
    "name",
    "postcode",
    "citycode",
    "city",
    "distance",
)
"""What is kept of a feature's properties; null for one that it lacks."""

NOTHING: Final[Mapping[str, Any]] = dict.fromkeys((*KEPT, "lon", "lat"))


def faults_in(message: Outbound) -> tuple[str, ...]:
    """Name the fields that break the contract, never what they hold."""
    found = MESSAGES[message.operation].iter_errors(message.fields)
    return tuple(sorted({".".join(map(str, error.instance_path)) or "message" for error in found}))


def write_search(fields: Mapping[str, Any], limit: int) -> str:
    """Write the parameters of a search: whole words (nobody is typing), best first."""
    optional = {name: fields.get(name) for name in ("postcode", "citycode", "lon", "lat")}
    asked = {"q": fields["texte"].strip(), "limit": limit, "autocomplete": 0, **optional}
    return urlencode({name: value for name, value in asked.items() if value is not None})


def write_reverse(fields: Mapping[str, Any]) -> str:
    """Write the parameters of the question what is at a position."""
    return urlencode({"lon": fields["lon"], "lat": fields["lat"], "limit": 1})


def read_addresses(answer: Answer, errors: ErrorTable, *, unavailable: frozenset[int]) -> list[dict[str, Any]]:
    """Read the addresses of an answer, best first: none is an answer too.

    A 4xx is a refusal, except 429 (the server's limit) and 408 (a proxy's doubt).
    """
    check_status(answer, unavailable=unavailable)
    if answer.status != 200:
        blamed = 400 <= answer.status < 500 and answer.status != 408
        raise errors.failure(f"http_{answer.status}", Verdict.REFUSED if blamed else Verdict.UNCERTAIN)
    check_not_page(answer)
    try:
        document = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        raise UncertainError(UNREADABLE) from None
    match document:
        case {"type": "FeatureCollection", "features": list(features)}:
            return sorted(map(read_address, features), key=lambda address: -address["score"])
        case _:
            raise UncertainError(UNREADABLE)


def read_address(feature: Any) -> dict[str, Any]:
    """Read one feature; without label, score or position it is not an address."""
    match feature:
        case {
            "geometry": {"type": "Point", "coordinates": [int() | float() as lon, int() | float() as lat]},
            "properties": {"label": str(), "score": int() | float()} as known,
        }:
            return {**{name: known.get(name) for name in KEPT}, "lon": lon, "lat": lat}
        case _:
            raise UncertainError(UNREADABLE)


def choose(addresses: list[dict[str, Any]], least: float) -> Receipt:
    """Choose the best address, unless its score is below `least`: then it is for a person, among the candidates."""
    found = bool(addresses) and addresses[0]["score"] >= least
    best = addresses[0] if found else NOTHING
    return Receipt(str(best["id"] or ""), {"trouve": found, **best, "candidats": addresses})
