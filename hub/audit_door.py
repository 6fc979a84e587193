"""What the door's answers are in the audit: refusals, counted together, and contents shown to agents and operators.

It reads what the routes left in the request's scope: who spoke, and which route it was. What a front end submits, and
reads of its own requests, is not told: the ledger has it, a hundred times more of it, and it is theirs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from types import MappingProxyType
from typing import Any, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from hub.access import CREDENTIAL, Principal, Role
from hub.api_door import AGAIN, actor_of
from hub.app import Hub
from hub.audit import Entry, Outcome, tell
from hub.denials import Denial
from hub.errors import HubError
from hub.problems import Problem, ProblemType
from hub.reload_door import PLACE as RELOAD

REFUSED: Final = frozenset({401, 403, 404, 429})
"""Statuses that refuse; 404 only to somebody known, who may be a stranger to what they asked for."""

SHOWN: Final[Mapping[tuple[str, str], tuple[str, str, str]]] = MappingProxyType(
    {
        ("GET", "/v1/attachments/{attachment}"): ("reveal", "file", "attachment"),
        ("GET", "/v1/operations/deliveries/{delivery}"): ("reveal", "delivery", "delivery"),
        ("GET", "/v1/operations/deliveries/{delivery}/preview"): ("reveal", "delivery", "delivery"),
        ("POST", RELOAD): ("reload", "", ""),
    }
)
"""Routes that show contents, or have no act that tells what they do → action, kind of thing, and its parameter."""

PLAIN: Final = frozenset({"/v1/requests", RELOAD})
"""Paths that pass beside the framework's routes."""

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OURS: Final = re.compile(r"[0-9][0-9 -]{0,19}|[0-9a-f]{32}")
"""Numbers and names that the hub gives: anything else in an address may be somebody's."""

NETWORK: Final = {4: 32, 6: 64}
"""Bits of an address that are one caller's."""


UNTOLD: Final = "Cet appel n'a pas pu être inscrit au journal d'audit, et rien n'en est montré ; répétez-le."
"""What is answered instead of what cannot be told."""

log = structlog.get_logger()


async def heed(hub: Hub, scope: Any, status: int) -> None:
    """Take note of an answer before it leaves; raises Problem 503 when what it shows cannot be told first."""
    if status in REFUSED:
        _refused(hub, scope, status)
    elif 200 <= status < 300 and (shown := SHOWN.get((scope["method"], _template(scope)))):
        caller = _caller(scope)
        if isinstance(caller, Principal) and caller.role is not Role.FRONT_END:
            action, kind, parameter = shown
            about = f"{kind} {_thing(scope, parameter)}".strip()
            outcome = Outcome.ALLOW if kind else Outcome.DONE
            await _tell_first(hub, Entry(actor_of(caller), action, about, outcome))


async def _tell_first(hub: Hub, entry: Entry) -> None:
    """Write an entry down; raises Problem 503 when that fails, whatever the ledger suffers from."""
    try:
        await hub.ledger.write(tell, entry)
    except (SQLAlchemyError, HubError) as error:
        log.error("an answer is withheld that the audit cannot tell", error=type(error).__name__)  # noqa: TRY400  # texts may hold data
        raise Problem(ProblemType.UNAVAILABLE, UNTOLD, headers=AGAIN) from None


def _refused(hub: Hub, scope: Any, status: int) -> None:
    """Count a refusal; an address that leads nowhere, asked for by nobody we know, is none."""
    caller = _caller(scope)
    template = _template(scope)
    if status == 404 and (caller is None or not template):
        return
    method = scope["method"] if scope["method"] in METHODS else "other"
    detail = {} if caller else _claimed(scope)
    denial = Denial(_name(hub, scope, caller), f"{method} {template or 'elsewhere'}", str(status))
    if hub.keeper.denials.count(denial, hub.ledger.book.now(), _first_thing(scope), **detail):
        hub.keeper.wake()


def _caller(scope: Any) -> Any:
    """Give who spoke: a key's principal, or a person in the console; None when nobody was known."""
    state = scope.get("state") or {}
    return state.get("caller") or state.get("person")


def _name(hub: Hub, scope: Any, caller: Any) -> str:
    if caller is None:
        return f"address {hub.keeper.digest(_network(scope))[:16]}"
    return actor_of(caller) if isinstance(caller, Principal) else str(caller.actor)


def _network(scope: Any) -> str:
    """Give where a caller comes from, as far as it is theirs."""
    client = scope.get("client")
    try:
        address = ip_address(client[0])
    except (TypeError, ValueError):  # a socket of this machine has none
        return ""
    return str(ip_network(f"{address}/{NETWORK[address.version]}", strict=False))


def _claimed(scope: Any) -> dict[str, str]:
    """Name the key that was shown, if it looks like one of ours: it may have expired."""
    headers = dict(scope["headers"])
    found = CREDENTIAL.fullmatch(headers.get(b"authorization", b"").decode("latin-1"))
    return {"key": found[2]} if found else {}


def _template(scope: Any) -> str:
    """Give the route as it is declared, never the address as it was asked for."""
    if scope["path"] in PLAIN:
        return str(scope["path"])
    whole = scope.get("fastapi", {}).get("effective_route_context")  # a route of a router within a router
    path = getattr(whole or scope.get("route"), "path", "")
    return f"{scope.get('root_path', '')}{path}" if path else ""


def _thing(scope: Any, parameter: str) -> str:
    said = str(scope.get("path_params", {}).get(parameter, ""))
    return said if OURS.fullmatch(said) else ""


def _first_thing(scope: Any) -> str:
    """Name what was asked for, if the hub gave its name."""
    return next((found for name in scope.get("path_params", {}) if (found := _thing(scope, name))), "")
