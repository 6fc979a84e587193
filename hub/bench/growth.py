"""How cost grows: the same questions of ledgers of ten thousand, a hundred thousand and a million requests.

Each question is asked of every ledger in turn, again and again, so that whatever else the machine does falls on all
of them. Two more ledgers of the largest size show the worst: every delivery parked, and every delivery queued.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal

from pydantic import Field
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, text

from hub.bench.filling import ALL_PARKED, ALL_QUEUED, USUAL, Wanted, fill
from hub.bench.plans import plans
from hub.bench.questions import QUESTIONS, Asked, Question
from hub.bench.report import show
from hub.bench.systems import ASSETS
from hub.book import Book
from hub.catalogue import Catalogue
from hub.database import open_database, upgrade
from hub.model import Frozen
from hub.servers import Postgres

CONSOLE: Final = Console(stderr=True)

LONGEST: Final = 20.0
"""Seconds after which a question that takes long has been asked often enough."""

Database = Literal["postgresql", "sqlite"]
MakeDatabase = Callable[[str], AbstractContextManager[str]]
"""Makes an empty database of a name, and gives its URL; it goes with the block."""


class Options(Frozen):
    """What to measure: the largest ledger, beside two of a tenth and of a hundredth of it."""

    requests: int = Field(default=1_000_000, ge=1000, le=100_000_000)
    database: Database = "postgresql"
    repeat: int = Field(default=25, ge=1, le=1000)
    plans: bool = False
    folder: Path = Path("var")

    @property
    def ledgers(self) -> list[Wanted]:
        """What is compared."""
        return [Wanted(self.requests // part, USUAL) for part in (100, 10, 1)]


class Row(Frozen):
    """One question: the milliseconds it took of each ledger, and how many times as long of the largest."""

    question: str
    ms: dict[str, float]
    times: float
    plan: tuple[str, ...] | None = None


class Growth(Frozen):
    """How long each question takes, at the median."""

    database: Database
    rows: tuple[Row, ...]

    def as_json(self) -> str:
        """Write the report for machines."""
        return self.model_dump_json(indent=2, exclude_none=True)

    def as_table(self) -> Table:
        """Draw the report for people."""
        ledgers = list(self.rows[0].ms)
        table = Table(title=f"Milliseconds on {self.database}", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        for title in ("question", *ledgers, "times"):
            table.add_column(title, justify="left" if title == "question" else "right")
        for row in self.rows:
            table.add_row(row.question, *(show(row.ms[ledger]) for ledger in ledgers), show(row.times))
        return table


@dataclass(frozen=True)
class Ledger:
    """A ledger that is full: its name, what may be asked of it, and a connection."""

    name: str
    asked: Asked
    connection: Connection

    def ask(self, question: Question) -> float:
        """Ask once, leaving everything as it was; gives milliseconds."""
        with self.connection.begin() as transaction:
            began = time.perf_counter()
            question(self.connection, self.asked)
            took = time.perf_counter() - began
            transaction.rollback()
        return took * 1000

    def plans(self, question: Question) -> tuple[str, ...]:
        """Ask once more for the database to tell how it answers."""
        with plans(self.connection) as found:
            self.ask(question)
        return tuple(found)


def measure(options: Options) -> Growth:
    """Fill ledgers, and ask; progress goes to standard error."""
    options.folder.mkdir(parents=True, exist_ok=True)
    with MAKING[options.database](options.folder) as make:
        with ExitStack() as stack:
            ledgers = [stack.enter_context(full(make, wanted)) for wanted in options.ledgers]
            took = _ask(ledgers, options.repeat)
            told = {name: ledgers[-1].plans(question) for name, question in QUESTIONS.items()} if options.plans else {}
        for mix in (ALL_PARKED, ALL_QUEUED):
            with full(make, Wanted(options.requests, mix)) as ledger:
                alone = _ask([ledger], options.repeat)
            took = {name: took[name] | alone[name] for name in took}
    first, last = (str(wanted) for wanted in (options.ledgers[0], options.ledgers[-1]))
    rows = [
        Row(question=name, ms=ms, times=round(ms[last] / ms[first], 2), plan=told.get(name))
        for name, ms in took.items()
    ]
    return Growth(database=options.database, rows=tuple(rows))


def _ask(ledgers: Sequence[Ledger], repeat: int) -> dict[str, dict[str, float]]:
    """Ask each question of every ledger in turn; gives medians."""
    medians = {}
    for name, question in QUESTIONS.items():
        with CONSOLE.status(name):
            medians[name] = _ask_one(question, ledgers, repeat)
    return medians


def _ask_one(question: Question, ledgers: Sequence[Ledger], repeat: int) -> dict[str, float]:
    until = time.monotonic() + LONGEST
    for ledger in ledgers:
        ledger.ask(question)  # what comes first reads from the disk
    rounds: list[list[float]] = []
    while len(rounds) < repeat and (time.monotonic() < until or not rounds):
        rounds.append([ledger.ask(question) for ledger in ledgers])
    return {
        ledger.name: round(median(taken), 3) for ledger, taken in zip(ledgers, zip(*rounds, strict=True), strict=True)
    }


@contextmanager
def full(make: MakeDatabase, wanted: Wanted) -> Iterator[Ledger]:
    """Make a ledger and fill it."""
    book = Book(Catalogue.read(ASSETS))
    with make(f"ledger_{wanted.size}_{wanted.mix.name}") as url:
        engine = open_database(url)
        began = time.monotonic()
        with CONSOLE.status(f"filling a ledger: {wanted}"), engine.connect() as connection:
            upgrade(engine)
            _fill(book, connection, wanted)
        CONSOLE.print(f"filled a ledger in {time.monotonic() - began:.0f} s: {wanted}")
        with engine.connect() as connection:
            yield Ledger(str(wanted), Asked(book, wanted.size), connection)
        engine.dispose()


def _fill(book: Book, connection: Connection, wanted: Wanted) -> None:
    """Fill a ledger and, on a server, do at once what it does by itself in time."""
    server = connection.dialect.name == "postgresql"
    with connection.begin():
        if server:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
        fill(book, connection, wanted)
    if server:
        driver: Any = connection.connection.driver_connection
        driver.autocommit = True
        driver.execute("SET statement_timeout = 0")
        driver.execute("VACUUM ANALYZE")
        connection.invalidate()


@contextmanager
def _on_server(folder: Path) -> Iterator[MakeDatabase]:
    with TemporaryDirectory(prefix="bench-", dir=folder) as logs, asyncio.Runner() as loop:
        server = Postgres(Path(logs))

        @contextmanager
        def make(name: str) -> Iterator[str]:
            yield loop.run(server.database(name))
            engine = open_database(server.url).execution_options(isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                connection.execute(text(f'DROP DATABASE "{name}"'))

        try:
            loop.run(server.start())
            yield make
        finally:
            loop.run(server.end())


@contextmanager
def _in_folder(folder: Path) -> Iterator[MakeDatabase]:
    @contextmanager
    def make(name: str) -> Iterator[str]:
        with TemporaryDirectory(prefix="bench-", dir=folder) as place:
            yield f"sqlite:///{Path(place).resolve() / name}.db"

    yield make


MAKING: Final[Mapping[Database, Callable[[Path], AbstractContextManager[MakeDatabase]]]] = {
    "postgresql": _on_server,
    "sqlite": _in_folder,
}
