"""What is asked of a ledger all day: by the engine, by the sweep, by people and by their monitors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection

from hub import balance, claims, targets, views
from hub.access import EVERY_HOUSE, Principal, Role
from hub.bench.filling import OLD_FRONT_END, OLD_KIND, person_index, target_name
from hub.book import Book
from hub.claims import Order
from hub.intake import FIRST_NUMBER
from hub.policy import Policy
from hub.settlement import ROOM
from hub.views import Search, Trouble

ME: Final = "0" * 32
OPERATOR: Final = Principal(prefix="", front_end=EVERY_HOUSE, role=Role.OPERATOR)
PORTAL: Final = Principal(prefix="", front_end="portail", role=Role.FRONT_END)
OLD_PORTAL: Final = Principal(prefix="", front_end=OLD_FRONT_END, role=Role.FRONT_END)


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom and about how much: the book, and how many requests the ledger holds."""

    book: Book
    size: int

    @property
    def middle(self) -> int:
        """The number of a request in the middle."""
        return FIRST_NUMBER + self.size // 2


Question = Callable[[Connection, Asked], Any]


def claim(connection: Connection, asked: Asked) -> Any:
    """Claim a batch of one target."""
    return claims.claim(asked.book, connection, [Order(target_name(0), ME, 64, Policy(concurrency=256))])


def page(caller: Principal = OPERATOR, **said: Any) -> Question:
    """Show a page of requests."""
    search = Search.model_validate(said)
    return lambda connection, _: views.page(connection, caller, search, "")


def deep_page(connection: Connection, asked: Asked) -> Any:
    """Show the page in the middle of all requests."""
    return views.page(connection, OPERATOR, Search(after=f"{asked.middle:x}"), "")


def by_number(connection: Connection, asked: Asked) -> Any:
    """Look for a request by its number."""
    return views.page(connection, OPERATOR, Search(q=str(asked.middle)), "")


def by_name(connection: Connection, asked: Asked) -> Any:
    """Look for the requests of a person."""
    return views.page(connection, OPERATOR, Search(q="Lefèvre"), person_index("n", asked.size // 6))


def by_reference(connection: Connection, asked: Asked) -> Any:
    """Look for a request by its front end's reference."""
    return views.page(connection, OPERATOR, Search(external_reference=f"REF_{asked.size // 2}"), "")


def deliveries(**said: Any) -> Question:
    """Show a page of deliveries that need a person."""
    trouble = Trouble.model_validate(said)
    return lambda connection, _: views.deliveries(connection, OPERATOR, trouble)


def deep_deliveries(connection: Connection, asked: Asked) -> Any:
    """Show the page in the middle of those that need a person."""
    return views.deliveries(connection, OPERATOR, Trouble(after=f"{asked.middle * ROOM:x}"))


def causes(connection: Connection, _: Asked) -> Any:
    """Count what needs a person by cause."""
    return views.causes(connection, OPERATOR, Trouble())


QUESTIONS: Final[Mapping[str, Question]] = MappingProxyType(
    {
        "claim a batch": claim,
        "which targets are due": lambda connection, asked: targets.due(connection, asked.book.now()),
        "what is held": lambda connection, asked: claims.held(connection, ME, asked.book.now()),
        "requests": page(),
        "requests, deep page": deep_page,
        "requests of a kind": page(kind="demarche_3"),
        "requests of a kind long out of use": page(kind=OLD_KIND),
        "requests in progress": page(status="in_progress"),
        "requests finalized": page(status="finalized"),
        "requests at a stage": page(stage="Étape_3"),
        "requests at a stage that none reached": page(stage="Étape_999"),
        "requests of a site that has none": page(site="site_999"),
        "requests parked, of a kind": page(status="parked", kind="demarche_3"),
        "requests of a portal": page(PORTAL),
        "requests of a portal long out of use": page(OLD_PORTAL),
        "search by number": by_number,
        "search by name": by_name,
        "search by reference": by_reference,
        "one request": lambda connection, asked: views.whole(connection, asked.book, asked.middle),
        "deliveries": deliveries(),
        "deliveries, deep page": deep_deliveries,
        "deliveries to a target": deliveries(target=target_name(2)),
        "deliveries with a code": deliveries(code="CODE_3"),
        "deliveries of a kind": deliveries(kind="demarche_3"),
        "one delivery": lambda connection, asked: views.dossier(connection, asked.book, asked.middle * ROOM + 1),
        "causes": causes,
        "targets": lambda connection, asked: targets.health(connection, asked.book.now()),
        "balance": lambda connection, _: balance.balance(connection),
    }
)
