"""What the ledger's statements must know beside the rows: definitions by version, and who is called back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final, NamedTuple

from sqlalchemy import Connection, select

from hub.catalogue import Catalogue, Definition
from hub.clock import Clock, system_clock
from hub.errors import ConfigurationError
from hub.manifest import Operation
from hub.model import Effect
from hub.routing import Planned
from hub.statements import upsert
from hub.tables import DEFINITIONS
from hub.vault import Vault

NOWHERE: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType({})
NOTHING_FOUND: Final[Mapping[str, Collection[str]]] = MappingProxyType({})


class Callback(NamedTuple):
    """How a front end is called back."""

    target: str
    mapping: str


class Book:
    """The catalogue of this installation, and every older definition that some request still needs."""

    def __init__(  # noqa: PLR0913  # the composition root hands it everything that statements must know
        self,
        catalogue: Catalogue,
        callbacks: Mapping[str, Callback] | None = None,
        operations: Mapping[str, Mapping[str, Operation]] | None = None,
        clock: Clock = system_clock,
        sites: Mapping[str, Mapping[str, str]] = NOWHERE,
        *,
        finds: Mapping[str, Collection[str]] = NOTHING_FOUND,
        vault: Vault | None = None,
    ) -> None:
        self.catalogue, self.now = catalogue, clock
        self.vault = vault or Vault()
        """What seals and opens what citizens wrote; without keys nothing is sealed."""
        self.retired: Mapping[str, str] = MappingProxyType({})
        """Kinds that are offered no more, each with the sentence for whoever still asks for it."""
        self.edition = 0
        """How often the catalogue was replaced."""
        self.callbacks = dict(callbacks or {})
        """Front end → the target that calls it back, and the mapping that writes for it."""
        self._sites = sites
        self._operations = dict(operations or {})
        self._finds = finds
        self._definitions = {definition.version: definition for definition in catalogue.kinds.values()}

    def take(self, catalogue: Catalogue, retired: Mapping[str, str]) -> None:
        """Go by another catalogue from now on; the definitions of requests accepted before stay at hand."""
        new = {definition.version: definition for definition in catalogue.kinds.values()}
        self._definitions = new | self._definitions
        self.retired, self.catalogue = retired, catalogue
        self.edition += 1

    def definition(self, connection: Connection, version: str) -> Definition:
        """Give the definition a request is pinned to; raises ConfigurationError when the ledger lost it."""
        if version not in self._definitions:
            source = connection.scalar(select(DEFINITIONS.c.source).where(DEFINITIONS.c.version == version))
            if source is None:
                raise ConfigurationError("the ledger", f"no definition has the version {version}")
            self._definitions[version] = Definition.compile(source)
        return self._definitions[version]

    def can_read(self, connection: Connection, version: str) -> bool:
        """Say whether a definition can still be compiled."""
        try:
            self.definition(connection, version)
        except (ConfigurationError, LookupError, TypeError, ValueError):  # damaged, or another version's
            return False
        return True

    def effect(self, connection: Connection, version: str, mapping: str, target: str) -> Effect:
        """Say what a delivery does to its target; one whose operation is gone can only be left to a person."""
        operation = self.offered(target, self.definition(connection, version).mappings[mapping].operation)
        return operation.effect if operation else Effect.ONCE

    def offered(self, target: str, operation: str) -> Operation | None:
        """Give what a target of this installation offers under this name."""
        return self._operations.get(target, {}).get(operation)

    def can_find(self, target: str, operation: str) -> bool:
        """Say whether a target can be asked for a reference of its own, given for this operation."""
        return operation in self._finds.get(target, ())

    def target_at(self, target: str, site: str) -> str:
        """Name the target that a site has for this one."""
        return self._sites.get(site, {}).get(target, target)

    def placed(self, planned: Sequence[Planned], site: str) -> list[Planned]:
        """Give each delivery the target that its request's site has for it."""
        if site not in self._sites:
            return list(planned)
        return [replace(plan, target=self.target_at(plan.target, site)) for plan in planned]

    def reads_answers(self, version: str) -> bool:
        """Say whether a definition's mappings read what earlier steps were answered."""
        return self.known(version).reads_answers

    def known(self, version: str) -> Definition:
        """Give a definition that `definition` has given before."""
        return self._definitions[version]


def keep(book: Book, connection: Connection, catalogues: Sequence[Catalogue]) -> list[None]:
    """Write down every definition that a request may be pinned to, before the first one is."""
    rows = [
        {"version": one.version, "kind": one.kind, "source": one.source, "created_at": book.now()}
        for catalogue in catalogues
        for one in catalogue.kinds.values()
    ]
    for row in rows:
        connection.execute(upsert(DEFINITIONS).on_conflict_do_nothing(), row)
    return [None] * len(catalogues)
