"""What a mapping that has changed would write for the requests of years: grouped by element and cause, nothing sent.

The same ledger, mapping and approvals give the same report, word for word, however many processes share the work.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from hub.claims import Claim
from hub.errors import MappingError
from hub.mapping import CompiledMapping
from hub.parcel import bindings_of
from hub.routing import Carried, Route
from hub.trials.difference import Cause, Difference, differences
from hub.trials.stored import Choice, bare_book, ends, messages, opened, reading
from hub.vault import Vault

SPAN: Final = 500
"""How many numbers of requests are read at a time."""

EXAMPLES: Final = 3
FILES: Final = "(files)"
"""What stands for the choice of attachments where elements are named."""


@dataclass(frozen=True)
class Job:
    """What is compared with what: the mapping's new text, and the messages of the ledger."""

    database: str
    file: str
    text: str
    choice: Choice
    reveals: bool = False
    vault: Callable[[], Vault] = Vault
    """Opens what is sealed, in whichever process: it is carried there by its name and its arguments."""


@dataclass(slots=True)
class Group:
    """One kind of change to one element: how often, and the first few requests."""

    messages: int = 0
    requests: int = 0
    examples: list[tuple[int, Any, Any]] = field(default_factory=list)
    last: int = field(default=0, compare=False)
    """The request counted last: its further messages are no further request."""

    def add(self, other: Group) -> None:
        """Count what another process has found."""
        self.messages += other.messages
        self.requests += other.requests
        self.examples = sorted([*self.examples, *other.examples], key=lambda one: one[0])[:EXAMPLES]


@dataclass(slots=True)
class Tally:
    """What comparing came to."""

    messages: int = 0
    requests: int = 0
    same: int = 0
    skipped: int = 0
    """Messages that nothing can be said of: their definition, or their item, cannot be read any more."""
    groups: dict[tuple[str, Cause], Group] = field(default_factory=dict)

    def add(self, other: Tally) -> None:
        """Count what another process has found."""
        self.messages += other.messages
        self.requests += other.requests
        self.same += other.same
        self.skipped += other.skipped
        for key, group in other.groups.items():
            self.groups.setdefault(key, Group()).add(group)


def compare(job: Job, jobs: int = 0, advance: Callable[[int, int], None] = lambda _done, _all: None) -> Tally:
    """Map every message again, by the mapping its request is pinned to and by the new one.

    `advance` hears how many spans of numbers are done, of how many. Raises ConfigurationError.
    """
    with opened(job.database) as engine, reading(engine) as connection:
        found = ends(connection)
    spans = [range(at, at + SPAN) for at in range(found[0], found[1] + 1, SPAN)] if found else []
    total = Tally()
    for done, part in enumerate(_parts(job, spans, jobs or len(os.sched_getaffinity(0))), 1):
        total.add(part)
        advance(done, len(spans))
    return total


def group_id(mapping: CompiledMapping, path: str, cause: Cause) -> str:
    """Name a group by what was changed and how: the element's new expression too, so that another change is another."""
    expression = mapping.files.source if path == FILES and mapping.files else mapping.part_of(path)
    said = orjson.dumps([mapping.name, path, cause, expression])
    return hashlib.sha256(said).hexdigest()[:10]


def _parts(job: Job, spans: Sequence[range], jobs: int) -> Iterator[Tally]:
    """Share the spans among processes, or keep them when they are few."""
    if jobs == 1 or len(spans) <= jobs:
        with ExitStack() as stack:
            read = Comparison(job, stack)
            yield from map(read.span, spans)
        return
    fresh = multiprocessing.get_context("spawn")  # a fork would share the ledger's connections
    with fresh.Pool(min(jobs, len(spans)), _begin, (job,)) as pool:
        yield from pool.imap_unordered(_work, spans, chunksize=2)


WORKER: list[Comparison] = []
"""What a process of the pool works with."""


def _begin(job: Job) -> None:
    WORKER.append(Comparison(job, ExitStack()))


def _work(span: range) -> Tally:
    return WORKER[0].span(span)


class Comparison:
    """One process's share: a connection of its own, the new mapping, and the definitions it has met."""

    def __init__(self, job: Job, stack: ExitStack) -> None:
        self._choice, self._reveals = job.choice, job.reveals
        self._mapping = CompiledMapping.read(job.file, job.text)
        self._book = bare_book(job.vault())
        self._engine = stack.enter_context(opened(job.database))

    def span(self, numbers: range) -> Tally:
        """Compare the messages of these requests."""
        tally, last = Tally(), 0
        with reading(self._engine) as connection:
            claims, tally.skipped = messages(self._book, connection, self._choice, numbers)
        for claim in claims:
            try:
                bindings = _bindings(claim, self._book.known(claim.version).route)
            except MappingError:
                tally.skipped += 1
                continue
            fresh = claim.request != last
            last = claim.request
            tally.messages += 1
            tally.requests += fresh
            found = {(one.path, one.cause): one for one in self._differences(claim, bindings)}
            tally.same += not found
            for key, one in found.items():
                self._count(tally.groups.setdefault(key, Group()), claim, one)
        return tally

    def _count(self, group: Group, claim: Claim, found: Difference) -> None:
        group.messages += 1
        if claim.request == group.last:
            return
        group.last = claim.request
        group.requests += 1
        if len(group.examples) < EXAMPLES:
            shown = (found.before, found.after) if self._reveals else (None, None)
            group.examples.append((claim.request, *map(_spoken, shown)))

    def _differences(self, claim: Claim, bindings: Mapping[str, Any]) -> Iterable[Difference]:
        pinned = self._book.known(claim.version).mappings[claim.mapping]
        before, after = (_write(mapping, claim, bindings) for mapping in (pinned, self._mapping))
        return [] if before == after else _between(before, after)


Written = tuple["str | tuple[str, ...]", "list[str] | None"]
"""A message in JSON, or the elements that fail; and the files chosen, None where all go."""


def _write(mapping: CompiledMapping, claim: Claim, bindings: Mapping[str, Any]) -> Written:
    said = mapping.rewrite(claim.body, bindings, now=claim.created_at, seed=claim.id)
    if mapping.files is None:
        return said, None
    try:
        return said, mapping.attachments(orjson.loads(claim.body), bindings)
    except MappingError:
        return (FILES,) if isinstance(said, str) else (*said, FILES), None


def _between(before: Written, after: Written) -> Iterator[Difference]:
    (was, files_were), (now, files_are) = before, after
    failed = was if isinstance(was, tuple) else ()
    fails = now if isinstance(now, tuple) else ()
    yield from (Difference(path, Cause.FAILS_NOW) for path in fails if path not in failed)
    yield from (Difference(path, Cause.WORKS_NOW) for path in failed if path not in fails)
    if isinstance(was, str) and isinstance(now, str):
        yield from differences(orjson.loads(was), orjson.loads(now))
        if files_were != files_are:
            yield Difference(FILES, Cause.VALUE, files_were, files_are)


def _bindings(claim: Claim, route: Route) -> dict[str, Any]:
    """Give what the mapping reads beside the document, which is parsed only where its items are wanted."""
    step = route.named.get(claim.step)
    listed = isinstance(step, Carried) and step.for_each is not None
    return bindings_of(claim, route, orjson.loads(claim.body) if listed else {})


def _spoken(value: Any) -> Any:
    """Give a value that JSON has a word for: nothing for what is not there."""
    try:
        orjson.dumps(value)
    except TypeError:
        return None
    return value
