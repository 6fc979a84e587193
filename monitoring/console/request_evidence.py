"""One attempt side by side: request, mapped message, what was sent, what was answered, and what that means."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from hub.app import Hub
from hub.book import Book
from hub.claims import Claim
from hub.connector import KEEP_BYTES
from hub.dossiers import Evidence
from hub.errors import MappingError
from hub.mapping import CompiledMapping, Expression
from hub.parcel import bindings_of
from hub.tracing import HEADER
from hub.trials.mask import TRUTH, masked
from monitoring.console.masking import shown_wire

Shown = Callable[[Any], Any]

HIDDEN: Final = "…"
"""What stands for a truth that is masked."""

MOST_ROWS: Final = 1_000
"""Lines of one pane: a larger document is told by its beginning."""

PUBLIC: Final = frozenset({"number", "kind", "site", "channel", "external_reference", "received_at"})
"""What the envelope says of a request that its page says too: never masked."""

NOBODYS: Final = frozenset({"key"})
"""What a mapping may read that is nobody's: shown as it is."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a pane: a name, where it stands, how deep, its value; `sources`: the paths it was written from."""

    label: str
    path: str
    depth: int
    text: str
    sources: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Panes:
    """What the page shows of one attempt, masked unless `revealed`."""

    revealed: bool
    attempt: Any
    document: Sequence[Row]
    message: Sequence[Row]
    mapping: str
    failing: tuple[str, ...]
    sent: str
    answered: str
    fault: str
    cut: bool
    hint: str


def panes_of(hub: Hub, evidence: Evidence, *, revealed: bool) -> Panes | None:
    """Lay out an attempt, or what would be sent where nothing was tried yet; None when nobody can read it."""
    claim, attempt = evidence.claim, evidence.attempt
    if claim is None:
        return None
    shown: Shown = _as_it_is if revealed else masked
    document, message, failing = _written(hub.ledger.book, claim, shown)
    sent = attempt.sent if attempt is not None else b""
    answered = attempt.answered if attempt is not None else b""
    return Panes(
        revealed=revealed,
        attempt=attempt,
        document=document,
        message=message,
        mapping=claim.mapping,
        failing=failing,
        sent=shown_wire(sent, revealed=revealed),
        answered=shown_wire(answered, revealed=revealed),
        fault=str(shown(attempt.fault)) if attempt is not None else "",
        cut=KEEP_BYTES in {len(sent), len(answered)},
        hint=hint_of(hub, claim.target, attempt.code if attempt is not None else ""),
    )


def hint_of(hub: Hub, target: str, code: str) -> str:
    """Give what the connector's errors table advises about a code."""
    live = hub.targets.get(target)
    table = hub.catalogue.errors.get(live.connector_name) if live else None
    return next((row.hint for row in table.error if row.code == code), "") if table and code else ""


def _as_it_is(value: Any) -> Any:
    return value


def _written(book: Book, claim: Claim, shown: Shown) -> tuple[Sequence[Row], Sequence[Row], tuple[str, ...]]:
    """Write a delivery's message again from its request, with the paths that each element was written from."""
    definition = book.known(claim.version)
    mapping = definition.mappings.get(claim.mapping)
    document = orjson.loads(claim.body)
    document.pop(HEADER, None)
    bindings: Mapping[str, Any] = {}
    message: list[Row] = []
    failing: tuple[str, ...] = ()
    try:
        bindings = bindings_of(claim, definition.route, document)
        if mapping is not None:
            body = orjson.loads(mapping.write(document, bindings))
            message = _limited(_rows(shown(body), _Sources(mapping, document, bindings)))
    except MappingError as error:
        failing = error.fields
    given = {f"${name}": value if name in NOBODYS else shown(value) for name, value in bindings.items()}
    plain = {name: value for name, value in document.items() if name in PUBLIC}
    return _limited(_rows({**shown(document), **plain, **given})), message, failing


class _Sources:
    """Says of each element of a message what it was written from, and which way its expression took."""

    def __init__(self, mapping: CompiledMapping, document: Mapping[str, Any], bindings: Mapping[str, Any]) -> None:
        self._known = {
            element: (tuple(part.sources()), part.trace(document, bindings).choices if _chooses(part) else ())
            for element, part in mapping.parts.items()
        }

    def of(self, path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Give the sources and the choices of the element at a path, or of the one above it that has any."""
        if "expression" in self._known:
            return self._known["expression"]
        above = [name for name in self._known if path == name or path.startswith(f"{name}.")]
        return self._known[max(above, key=len)] if above else ((), ())


def _chooses(part: Expression) -> bool:
    """Say whether an expression may go more than one way; to follow one that cannot is time lost."""
    return "?" in part.source or "[" in part.source


def _rows(value: Any, sources: _Sources | None = None, path: str = "", depth: int = 0) -> Iterator[Row]:
    """Write a value line by line; items of a list stand under the list's own path."""
    named = value.items() if isinstance(value, dict) else ((f"[{index}]", one) for index, one in enumerate(value))
    for name, member in named:
        below = path if isinstance(value, list) else f"{path}.{name}" if path else str(name)
        nested = isinstance(member, dict | list) and bool(member)
        said, choices = sources.of(below) if sources and not nested else ((), ())
        yield Row(str(name), below, depth, "" if nested else _text(member), said, choices)
        if nested:
            yield from _rows(member, sources, below, depth + 1)


def _limited(rows: Iterator[Row]) -> list[Row]:
    return [row for _, row in zip(range(MOST_ROWS), rows, strict=False)]


def _text(value: Any) -> str:
    if value == TRUTH:
        return HIDDEN
    return value if isinstance(value, str) else orjson.dumps(value).decode()
