"""A replay from end to end: the town, the requests, the people, the account; and where it goes on when it was stopped.

The sandboxes are other people's software: they outlive a replay that is killed, for a while, and the next one
finds them as they were.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from hub.catalogue import Catalogue
from hub.client import HubClient, RefusalError
from hub.demo.city import City, knowing_its_door, ledger_of
from hub.demo.people import People
from hub.demo.tour import let_in
from hub.demo.traffic import Draft, read_samples
from hub.errors import ConfigurationError
from hub.processes import child, run
from hub.replay.account import Account, draw_up
from hub.replay.drafts import Samples, draft
from hub.replay.journal import Frontier, Journal, Town
from hub.replay.memory import Scales
from hub.replay.trouble import Trouble
from hub.replay.volumes import Place, in_order, read_volumes, sampled
from hub.settings import HOME
from hub.throwaway import free_port

CONNECTIONS: Final = 24
MOST_OPEN: Final = 2_000
"""Deliveries under way above which the front end waits."""

LINGER: Final = 900.0
"""Seconds that the sandboxes wait for a replay that was killed to go on."""

BETWEEN_ROUNDS: Final = 0.5
PATIENCE: Final = 120.0
"""Seconds without any change after which what has not ended counts as lost."""

PARTING: Final = 30.0
"""Seconds that the hub of a replay that was killed has to end."""

KEY_REUSED: Final = 422
"""What a request is answered that was accepted before its replay was killed, when it came with files."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Which requests to replay, drawn from which seed, and the folder to go on in."""

    volumes: Path
    years: range
    share: Fraction
    seed: int
    folder: Path | None = None

    def __str__(self) -> str:
        """Say it as the state file does."""
        years = f"{self.years.start}-{self.years.stop - 1}"
        return f"--volumes {self.volumes.resolve()} --years {years} --sample {self.share} --seed {self.seed}"


@dataclass
class Replay:
    """A replay under way."""

    plan: Plan
    journal: Journal
    folder: Path
    people: People
    trouble: Trouble
    places: Iterator[Place]
    samples: Samples
    progress: Progress
    scales: Scales
    frontier: Frontier = field(default_factory=Frontier)
    began: float = field(default_factory=time.monotonic)
    under_way: int = 0
    submitted: asyncio.Event = field(default_factory=asyncio.Event)
    may_submit: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def seconds(self) -> float:
        """How long it took so far."""
        return self.journal.seconds + time.monotonic() - self.began

    async def go(self) -> None:
        """Submit everything, and have everybody do their part until all has ended."""
        self.frontier.reached = self.journal.done
        self.may_submit.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look_after())
            await self._submit_all()
            self.submitted.set()

    async def _submit_all(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(CONNECTIONS):
                group.create_task(self._submit_in_turn())

    async def _submit_in_turn(self) -> None:
        for place in self.places:
            await self.may_submit.wait()
            await self.trouble.come(place.index)
            await submit(self.people.front_end, draft(self.samples, place, self.plan.seed))
            self.frontier.accept(place.index)

    async def _look_after(self) -> None:
        """Let people do their part, round after round, and write down how far it came."""
        task = self.progress.add_task("requests", total=None)
        total = self.scales.total
        changed, seen = time.monotonic(), (-1, -1)
        while not (self.submitted.is_set() and not self.under_way):
            await self.people.do_their_part()
            self.under_way = await self.people.count_open()
            self.write_down()
            self.scales.weigh(self.frontier.reached)
            description = f"requests, {self.under_way} deliveries under way"
            self.progress.update(task, total=total, completed=self.frontier.reached, description=description)
            self.may_submit.set() if self.under_way < MOST_OPEN else self.may_submit.clear()
            if (now := (self.frontier.reached, self.under_way)) != seen:
                changed, seen = time.monotonic(), now
            elif time.monotonic() - changed > PATIENCE:
                return
            await asyncio.sleep(BETWEEN_ROUNDS)

    def write_down(self) -> None:
        """Write how far it came."""
        said = {"done": self.frontier.reached, "seconds": self.seconds}
        self.journal.model_copy(update=said).write(self.folder)


def run_replay(plan: Plan) -> Account:
    """Replay, and give the account; raises ConfigurationError."""
    return run(replay(plan))


async def replay(plan: Plan) -> Account:
    """Replay in the plan's folder, or in one that is gone afterwards."""
    if plan.folder:
        plan.folder.mkdir(parents=True, exist_ok=True)
        return await _replay_in(plan.folder, plan)
    with TemporaryDirectory(prefix="hub-replay-") as folder:
        return await _replay_in(Path(folder), plan)


async def _replay_in(folder: Path, plan: Plan) -> Account:
    catalogue, samples = Catalogue.read(HOME), read_samples(HOME)
    planned = sum(1 for _ in _places(plan, samples))
    async with AsyncExitStack() as stack:
        journal, city = await _open_town(folder, Journal.read(folder, str(plan)), stack)
        people = await stack.enter_async_context(let_in(city, plan.seed))
        places = islice(_places(plan), journal.done, None)
        trouble = Trouble(people.control, await people.control.menu(), plan.seed)
        with _progress() as progress:
            scales = Scales(_ports(city), planned)
            going = Replay(plan, journal, folder, people, trouble, places, samples, progress, scales)
            await going.go()
        account = await draw_up(people, ledger_of(folder), catalogue, planned)
        account.seconds, account.faults, account.memory = going.seconds, trouble.played, scales.as_json()
        await people.control.end()
    return account


def _ports(city: City) -> dict[str, int]:
    """Say where the processes that are weighed listen."""
    return {name: urlsplit(url).port or 0 for name, url in (("hub", city.url), ("sandboxes", city.control))}


def _places(plan: Plan, samples: Samples | None = None) -> Iterator[Place]:
    """Give every request's place; raises ConfigurationError when the volumes name what has no sample."""
    volumes = read_volumes(plan.volumes)
    unknown = sorted(volumes.keys() - samples.keys()) if samples is not None else []
    if unknown:
        raise ConfigurationError(plan.volumes, f"kinds that have samples, not {', '.join(unknown)}")
    return in_order(sampled(volumes, plan.years, plan.share), plan.seed)


async def _open_town(folder: Path, journal: Journal, stack: AsyncExitStack) -> tuple[Journal, City]:
    """Start the sandboxes and a hub, or find those of a replay that was stopped."""
    if journal.town is None:
        start = ("sandboxes", "--json", "--linger", str(LINGER))
        sandboxes = (await stack.enter_async_context(child(*start, log=folder / "var/sandboxes.log"))).announced
        port, keys = free_port(), None
    else:
        sandboxes = {"control": journal.town.control, "settings": await _found_again(folder, journal.town)}
        port, keys = journal.town.port, journal.town.keys
        await _left(port)
    city = await knowing_its_door(folder, stack, port, sandboxes, keys)
    journal = journal.model_copy(update={"town": Town(port=port, control=city.control, keys=city.keys)})
    journal.write(folder)
    return journal, city


async def _found_again(folder: Path, town: Town) -> dict[str, Any]:
    """Find the sandboxes where they were; raises ConfigurationError when they are gone, with all that they took."""
    try:
        async with aiohttp.ClientSession(town.control) as session, session.get("/settings") as answer:
            settings: dict[str, Any] = await answer.json()
            return settings
    except aiohttp.ClientConnectionError:
        gone = "a replay whose sandboxes still run: they are gone, and what they took with them; begin in a new folder"
        raise ConfigurationError(folder, gone) from None


async def _left(port: int) -> None:
    """Wait until the hub of the replay that was killed has let go of its port."""
    until = time.monotonic() + PARTING
    while time.monotonic() < until:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return
        writer.close()
        await asyncio.sleep(BETWEEN_ROUNDS)


async def submit(front_end: HubClient, one: Draft) -> None:
    """Submit a request with its files; one that was accepted before is as good."""
    files = [await front_end.attach(paper.name, paper.media_type, paper.content) for paper in one.papers]
    try:
        await front_end.submit({**one.submission, "attachments": files}, one.key)
    except RefusalError as error:
        if error.status != KEY_REUSED or "idempotency-key-reused" not in error.problem.get("type", ""):
            raise


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
