"""What the hub publishes of itself: OpenAPI of what front ends ask, AsyncAPI of what they are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from starlette.routing import BaseRoute

from hub.api import build_api
from hub.api_schema import TITLE
from hub.catalogue import CALLBACK_MAPPING, Catalogue
from hub.contracts import read_contract
from hub.errors import ConfigurationError
from hub.mapping import CompiledMapping
from hub.model import Status
from hub.settings import HOME

if TYPE_CHECKING:
    from hub.app import Hub

CALLS_BACK: Final = "gru"
"""The connector that tells front ends, as Standard Webhooks say."""

DESCRIPTION: Final = (
    "À chaque étape d'une demande, le hub l'annonce à l'adresse que le portail a donnée, comme le veut Standard "
    "Webhooks 1.0 (https://www.standardwebhooks.com). Répondre 2xx en moins de 15 secondes ; le même `webhook-id` peut "
    "revenir : ne le traiter qu'une fois. 429, 5xx, délai dépassé : il revient, de plus en plus tard, pendant trois "
    "jours."
)

HEADERS: Final[Mapping[str, Any]] = {
    "type": "object",
    "required": ["webhook-id", "webhook-timestamp", "webhook-signature"],
    "properties": {
        "webhook-id": {
            "type": "string",
            "description": "Le même à chaque essai d'un même rappel.",
            "pattern": r"^[0-9]{9}-[0-9]+$",
        },
        "webhook-timestamp": {
            "type": "string",
            "description": "Secondes depuis 1970 ; refuser ce qui s'écarte de plus de cinq minutes.",
            "pattern": r"^[0-9]+$",
        },
        "webhook-signature": {
            "type": "string",
            "description": "`v1,` et HMAC-SHA-256 de `id.timestamp.corps` en base64, une par secret en usage.",
            "pattern": r"^v1,[A-Za-z0-9+/]{43}=( v1,[A-Za-z0-9+/]{43}=)*$",
        },
    },
}
"""What a call-back bears; tests hold it to what the connector writes."""


@dataclass(frozen=True)
class Described:
    """As much of a hub as its API's description is made of."""

    catalogue: Catalogue
    routes: list[BaseRoute] = field(default_factory=list)


def openapi(catalogue: Catalogue) -> dict[str, Any]:
    """Describe the API, with a sample of each kind that the files know; no target is connected."""
    return build_api(cast("Hub", Described(catalogue))).openapi()


def asyncapi(catalogue: Catalogue) -> dict[str, Any]:
    """Describe the call-backs to front ends, by the contract that their mapping is written for."""
    mapping = _mapping()
    name = mapping.operation
    return {
        "asyncapi": "3.0.0",
        "info": {"title": f"{TITLE} : rappels vers les portails", "version": "1", "description": DESCRIPTION},
        "defaultContentType": "application/json",
        "channels": {
            name: {
                "address": None,
                "title": "L'adresse de rappel du portail",
                "messages": {name: {"$ref": f"#/components/messages/{name}"}},
            }
        },
        "operations": {
            name: {
                "action": "send",
                "title": catalogue.manifests[CALLS_BACK].operations[name].title,
                "channel": {"$ref": f"#/channels/{name}"},
                "messages": [{"$ref": f"#/channels/{name}/messages/{name}"}],
                "bindings": {"http": {"method": "POST", "bindingVersion": "0.3.0"}},
            }
        },
        "components": {
            "messages": {
                name: {
                    "name": name,
                    "contentType": "application/json",
                    "headers": dict(HEADERS),
                    "payload": {"$ref": f"#/components/schemas/{name}"},
                    "examples": [
                        {"name": f"exemple_{rank}", "payload": example.expect}
                        for rank, example in enumerate(mapping.examples, 1)
                    ],
                }
            },
            "schemas": {name: _payload(catalogue, name)},
        },
    }


def _mapping() -> CompiledMapping:
    """Read the mapping that writes the call-backs."""
    file = HOME / f"mappings/{CALLS_BACK}/{CALLBACK_MAPPING}.yaml"
    return CompiledMapping.read(file, file.read_text("utf-8"))


def _payload(catalogue: Catalogue, operation: str) -> dict[str, Any]:
    """Give the contract that the mapping of call-backs is held to; its statuses are the hub's."""
    folder = catalogue.packages[CALLS_BACK].folder
    contract = read_contract(folder, catalogue.manifests[CALLS_BACK], operation)
    if contract is None or "properties" not in contract.schema:
        raise ConfigurationError(folder / "connector.toml", f"operations.{operation}.contract: a JSON Schema")
    schema = {name: said for name, said in contract.schema.items() if name != "$schema"}
    statuses = {**schema["properties"]["statut"], "enum": [str(status) for status in Status]}
    return {**schema, "properties": {**schema["properties"], "statut": statuses}}
