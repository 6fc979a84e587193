"""The systems under test, each of processes of its own on free loopback ports."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any, Final

import orjson

from hub.bench.launch import Command, Process, launched, module, output_of
from hub.servers import Postgres, RabbitMQ
from hub.throwaway import Server, free_port

ASSETS: Final = Path(__file__).parent / "assets"
HUB: Final = (sys.executable, "-m", "hub")
WORKERS: Final = 2


@dataclass(frozen=True)
class System:
    """A system that is ready: where it listens, what a front end sends it, and its own processes."""

    url: str
    headers: Mapping[str, str]
    processes: Sequence[Process]

    @property
    def pids(self) -> list[int]:
        """Its processes, without their children."""
        return [process.popen.pid for process in self.processes]


@dataclass(frozen=True)
class Site:
    """Where a system is started: its folder, its target, and its servers if it has any."""

    folder: Path
    sink: str
    database: str = ""
    broker: str = ""


@dataclass(frozen=True)
class Contender:
    """One row of the report: how to start it, and how many seconds its target takes to answer."""

    mode: str
    start: Callable[[Site], AbstractContextManager[System]] = field(repr=False)
    latency: float = 0.0
    served: bool = False
    """Whether it runs on PostgreSQL and RabbitMQ."""


@contextmanager
def hub_embedded(site: Site) -> Iterator[System]:
    """Start the hub as one process."""
    headers = _prepare_hub(site, {})
    with _hub("up", site, {}) as (process, told):
        yield System(told["url"], headers, [process])


@contextmanager
def hub_distributed(site: Site) -> Iterator[System]:
    """Start the hub as one API and two workers."""
    servers = {"HUB_DATABASE_URL": site.database, "HUB_BROKER_URL": site.broker}
    headers = _prepare_hub(site, servers)
    with ExitStack() as stack:
        workers = [stack.enter_context(_hub("worker", site, servers)) for _ in range(WORKERS)]
        api, told = stack.enter_context(_hub("api", site, servers))
        yield System(told["url"], headers, [api, *(process for process, _ in workers)])


@contextmanager
def plain_stack(site: Site) -> Iterator[System]:
    """Start the baseline of one process."""
    key, port = secrets.token_hex(16), free_port()
    settings = {"port": port, "database": str(site.folder / "plain.db"), "target": _target(site), "key": key}
    with launched(Command(module("plain"), site.folder / "plain.log", settings)) as process:
        url = f"http://127.0.0.1:{port}"
        process.wait_until_ready(url)
        yield System(url, _bearing(key), [process])


@contextmanager
def plain_celery(site: Site) -> Iterator[System]:
    """Start the baseline on servers: one API, and a Celery worker with its children."""
    key, port = secrets.token_hex(16), free_port()
    settings = {"port": port, "database": site.database, "broker": site.broker, "target": _target(site), "key": key}
    with ExitStack() as stack:
        words, folder = module("plain_celery"), site.folder
        commands = (
            Command(words, folder / "api.log", {"role": "api", **settings}),
            Command(words, folder / "worker.log", {"role": "worker", **settings}, announces=True),
        )
        api, worker = (stack.enter_context(launched(command)) for command in commands)
        url = f"http://127.0.0.1:{port}"
        api.wait_until_ready(url)
        worker.announcement()
        yield System(url, _bearing(key), [api, worker])


@contextmanager
def sink(latency: float, folder: Path) -> Iterator[System]:
    """Start the target."""
    port = free_port()
    with launched(Command(module("sink"), folder / "sink.log", {"port": port, "latency": latency})) as process:
        url = f"http://127.0.0.1:{port}"
        process.wait_until_ready(url, "/count")
        yield System(url, {}, [process])


@contextmanager
def servers(folder: Path) -> Iterator[Sequence[Server]]:
    """Start a PostgreSQL and a RabbitMQ with nothing in them."""
    started = Postgres(folder), RabbitMQ(folder)
    with asyncio.Runner() as loop:
        try:
            for server in started:
                loop.run(server.start())
            yield started
        finally:
            for server in started:
                loop.run(server.end())


CONTENDERS: Final[Mapping[str, Contender]] = {
    "hub": Contender("embedded", hub_embedded),
    "plain-stack": Contender("one task a request", plain_stack),
    "hub-slow-target": Contender("embedded, target answers in 50 ms", hub_embedded, latency=0.05),
    "hub-distributed": Contender("distributed", hub_distributed, served=True),
    "plain-celery": Contender("distributed", plain_celery, served=True),
    "hub-distributed-slow-target": Contender("distributed", hub_distributed, latency=0.05, served=True),
}


def _prepare_hub(site: Site, environment: Mapping[str, str]) -> dict[str, str]:
    """Write the settings of a hub with one plain JSON target, the sink, and one kind; make a front end's key."""
    config = _config(site)
    shutil.copytree(ASSETS, site.folder, dirs_exist_ok=True)
    config.write_text(Template(config.read_text("utf-8")).substitute(sink=site.sink), "utf-8")
    if environment:
        output_of([*HUB, "migrate", "--config", str(config)], environment=environment)
    made = output_of([*HUB, "keys", "create", "banc", "--config", str(config), "--json"], environment=environment)
    return _bearing(orjson.loads(made)["key"])


@contextmanager
def _hub(verb: str, site: Site, environment: Mapping[str, str]) -> Iterator[tuple[Process, dict[str, Any]]]:
    """Run one of the hub's processes, tied to this one; gives what it announces too."""
    log = site.folder / f"{verb}-{secrets.token_hex(4)}.log"
    words = [*HUB, verb, "--config", str(_config(site)), "--port", "0", "--json", "--tied"]
    with launched(Command(words, log, environment=environment, announces=True)) as process:
        yield process, process.announcement()


def _config(site: Site) -> Path:
    return site.folder / "hub.yaml"


def _target(site: Site) -> str:
    return f"{site.sink}/inscriptions"


def _bearing(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
