"""The hub of the demonstration and its sandboxes: one process, or several on real servers, one of which will die."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from hub.accounts import Account, Right
from hub.connector import LOOPBACK
from hub.database import migrate
from hub.doorkeeper import draw_password, make_account
from hub.locksmith import make_first_keys
from hub.processes import Child, child
from hub.sandboxes import FRONT_END, aimed_at
from hub.servers import Postgres, RabbitMQ
from hub.settings import Settings
from hub.throwaway import free_port

SETTINGS: Final = {
    "sweep_every": "250ms",
    "grace": "5s",
    "console": {"districts": str(Path(__file__).with_name("quartiers.json"))},
}
WORKERS: Final = 2
OPERATOR: Final = "agnes"
"""Who may enter the console."""


@dataclass
class City:
    """A running hub: where it answers, the keys of its three users, where its sandboxes are broken."""

    url: str
    control: str
    keys: Mapping[str, str]
    login: str = ""
    password: str = ""
    """An operator's account in the console."""
    disaster: Callable[[], Awaitable[str]] | None = None
    """What may happen to its processes in the middle of the hour; says what did."""


Opening = Callable[[Path, AsyncExitStack], Awaitable[City]]


async def embedded(home: Path, stack: AsyncExitStack) -> City:
    """Start a hub in one process, with its sandboxes."""
    config = write_settings(home, SETTINGS)
    start = ("up", "--config", config, "--sandboxes", "--port", "0", "--json", "--tied")
    told = (await stack.enter_async_context(child(*start, log=home / "var/hub.log"))).announced
    password = await asyncio.to_thread(make_operator, Settings.read(Path(config)))
    return City(told["url"], told["sandboxes"], told["keys"], OPERATOR, password)


async def apart(home: Path, stack: AsyncExitStack) -> City:
    """Start the sandboxes, then a hub in one process whose door they know: those where one pays call it."""
    sandboxes = await stack.enter_async_context(child("sandboxes", "--json", "--tied", log=home / "var/sandboxes.log"))
    return await knowing_its_door(home, stack, free_port(), sandboxes.announced)


async def knowing_its_door(
    home: Path, stack: AsyncExitStack, port: int, sandboxes: Mapping[str, Any], keys: Mapping[str, str] | None = None
) -> City:
    """Start a hub in one process, on a port that was told to the sandboxes; `keys` are those it has, if any."""
    url = f"http://{LOOPBACK}:{port}"
    aimed = aimed_at(Settings(), with_doors(sandboxes["settings"], url))
    config = write_settings(home, SETTINGS | aimed.model_dump(mode="json", include={"targets", "front_ends"}))
    site = Site(home, config, {"HUB_DATABASE_URL": ledger_of(home)})
    made = keys if keys is not None else await asyncio.to_thread(site.prepare)
    start = ("up", "--config", config, "--port", str(port), "--json", "--tied")
    await stack.enter_async_context(child(*start, log=home / "var/hub.log"))
    return City(url, sandboxes["control"], made)


def ledger_of(home: Path) -> str:
    """Say where the ledger of a hub in one process is."""
    return f"sqlite:///{home.resolve()}/var/hub.db"


def with_doors(said: Mapping[str, Mapping[str, Any]], url: str) -> dict[str, Mapping[str, Any]]:
    """Tell targets that call the hub where its door is."""
    doors = {name: {"urlnotif": door_of(url, name)} for name, settings in said.items() if "urlnotif" in settings}
    return {name: {**settings, **doors.get(name, {})} for name, settings in said.items()}


def door_of(url: str, target: str) -> str:
    """Say where a target calls the hub."""
    return f"{url}/v1/targets/{target}"


async def distributed(home: Path, stack: AsyncExitStack) -> City:
    """Start PostgreSQL and RabbitMQ, then a hub of one API and two workers, with its sandboxes."""
    postgres, broker = Postgres(home / "var"), RabbitMQ(home / "var")
    for server in (postgres, broker):
        await stack.enter_async_context(server)
    sandboxes = await stack.enter_async_context(child("sandboxes", "--json", "--tied", log=home / "var/sandboxes.log"))
    aimed = aimed_at(Settings(), sandboxes.announced["settings"])
    config = write_settings(home, SETTINGS | aimed.model_dump(mode="json", include={"targets", "front_ends"}))
    site = Site(home, config, {"HUB_DATABASE_URL": await postgres.database("city"), "HUB_BROKER_URL": broker.url})
    keys = await asyncio.to_thread(site.prepare)
    crew = Crew(partial(site.start, "worker", stack))
    for _ in range(WORKERS):
        await crew.hire()
    api = await site.start("api", stack)
    password = await asyncio.to_thread(make_operator, site.settings)
    return City(api.announced["url"], sandboxes.announced["control"], keys, OPERATOR, password, crew.lose_one)


OPENINGS: Final[Mapping[str, Opening]] = {"embedded": embedded, "distributed": distributed}


@dataclass(frozen=True)
class Site:
    """Where the processes of a distributed hub live, and the servers they share."""

    home: Path
    config: str
    servers: Mapping[str, str]

    @property
    def settings(self) -> Settings:
        """What its processes go by."""
        return Settings.read(Path(self.config)).model_copy(update={"database": self.servers["HUB_DATABASE_URL"]})

    def prepare(self) -> dict[str, str]:
        """Make the ledger's tables, and a key for each role."""
        migrate(self.settings.database)
        return make_first_keys(self.settings, FRONT_END)

    async def start(self, verb: str, stack: AsyncExitStack) -> Child:
        """Start one of its processes, on a port of its own."""
        arguments = (verb, "--config", self.config, "--port", "0", "--json", "--tied")
        log = self.home / f"var/{verb}.log"
        return await stack.enter_async_context(child(*arguments, log=log, environment=self.servers))


@dataclass
class Crew:
    """The workers, one of whom will be lost."""

    start: Callable[[], Awaitable[Child]]
    workers: list[Child] = field(default_factory=list)

    async def hire(self) -> None:
        """Start one more."""
        self.workers.append(await self.start())

    async def lose_one(self) -> str:
        """Kill the first, as a power cut would, and start another, as a service manager would."""
        lost = self.workers.pop(0)
        lost.process.kill()
        await lost.process.wait()
        await self.hire()
        return f"worker {lost.announced['worker'][:8]} killed (kill -9), another started"


def make_operator(settings: Settings) -> str:
    """Make an account that may do everything, and give its password."""
    password = draw_password()
    make_account(settings, Account(login=OPERATOR, name="Agnès, exploitation", rights=frozenset(Right)), password)
    return password


@asynccontextmanager
async def open_city(mode: str, home: Path) -> AsyncIterator[City]:
    """Run a hub with its sandboxes in a folder for the length of a block."""
    async with AsyncExitStack() as stack:
        yield await OPENINGS[mode](home, stack)


def write_settings(home: Path, said: Mapping[str, Any]) -> str:
    """Write a settings file; gives its name."""
    file = home / "hub.yaml"
    file.write_text(json.dumps(said))
    return str(file)
