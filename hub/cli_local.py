"""The verbs that need no running hub: they start one, prepare one, prove its files, show it, or measure it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from hub.terminal import Json, note, own_name, say, say_drawing, say_json, say_table

START: Final = "Start"
INSTALLATION: Final = "Installation"

local = typer.Typer()


class Mode(StrEnum):
    """How a hub of our own is laid out."""

    EMBEDDED = "embedded"
    DISTRIBUTED = "distributed"


Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="The settings file; hub.yaml of this folder if there is one.")
]
Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; 0 for a free one.")]
Tied = Annotated[bool, typer.Option("--tied", hidden=True)]


@local.command(rich_help_panel=START)
def up(  # noqa: PLR0913  # its options are its parameters
    config: Config = None,
    *,
    sandboxes: Annotated[
        bool, typer.Option("--sandboxes", help="Start the sandboxes too, and point every target at them.")
    ] = False,
    host: Host = None,
    port: Port = None,
    tied: Tied = False,
    as_json: Json = False,
) -> None:
    """Serve the API and the engine, in one process, until Ctrl-C.

    Example: hub up --sandboxes --port 0
    """
    from hub.logs import log_to_stderr
    from hub.processes import run

    log_to_stderr()
    settings = _at(read_installation(config), host, port)
    raise typer.Exit(run(_up(settings, as_json=as_json, sandboxes=sandboxes, tied=tied)))


@local.command(rich_help_panel=INSTALLATION)
def migrate(config: Config = None) -> None:
    """Bring the ledger's tables to this version of the hub; those that run meanwhile go on.

    Example: hub migrate -c hub.yaml
    """
    from hub import database

    database.migrate(read_settings(config).database)
    note("the ledger's tables are those of this version")


@local.command(rich_help_panel=START)
def api(
    config: Config = None,
    *,
    host: Host = None,
    port: Port = None,
    tied: Tied = False,
    as_json: Json = False,
) -> None:
    """Take requests in, and leave it to workers to carry them; any number may run, on any machines.

    Example: hub api --port 8080
    """
    from hub.serve import API

    _serve_part(_at(read_installation(config), host, port), API, tied=tied, as_json=as_json)


@local.command(rich_help_panel=START)
def worker(  # noqa: PLR0913  # its options are its parameters
    config: Config = None,
    *,
    targets: Annotated[str | None, typer.Option(help="Carry only what is for these, with commas between.")] = None,
    host: Host = None,
    port: Annotated[int, typer.Option(help="Port of its /health and /metrics; 0 for a free one.")] = 0,
    tied: Tied = False,
    as_json: Json = False,
) -> None:
    """Carry requests to their targets; any number may run, on any machines.

    Example: hub worker --targets logitud,technocarte --port 9100
    """
    from hub.serve import Part

    part = Part(takes=False, targets=frozenset(targets.split(",")) if targets else None)
    _serve_part(_at(read_installation(config), host, port), part, tied=tied, as_json=as_json)


def _serve_part(settings: Any, part: Any, *, tied: bool, as_json: bool) -> None:
    """Run one of the processes that share a ledger."""
    from hub.logs import log_to_stderr
    from hub.processes import closed_stdin, run
    from hub.serve import serve

    def announce(url: str, name: str) -> None:
        if as_json:
            say_json({"url": url, "worker": name} if part.carries else {"url": url})
        else:
            say(f"worker     {name[:8]}   ({url}/health/ready · {url}/metrics)" if part.carries else f"api  {url}")

    async def serve_it() -> int:
        return await serve(settings, announce, asyncio.ensure_future(closed_stdin()) if tied else None, part)

    log_to_stderr()
    raise typer.Exit(run(serve_it()))


def _at(settings: Any, host: str | None, port: int | None) -> Any:
    """Lay what the command line says over where the settings listen."""
    over = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    return settings.model_copy(update=over)


async def _up(settings: Any, *, as_json: bool, sandboxes: bool, tied: bool) -> int:
    from hub.processes import child, closed_stdin
    from hub.sandboxes import aimed_at
    from hub.serve import serve

    told: dict[str, Any] = {}
    async with AsyncExitStack() as stack:
        if sandboxes:
            log = settings.secret_file.parent / "sandboxes.log"
            running = await stack.enter_async_context(child("sandboxes", "--json", "--tied", log=log))
            settings = aimed_at(settings, running.announced["settings"])
            told = {"sandboxes": running.announced["control"], "keys": _first_keys(settings)}
        ending = asyncio.ensure_future(closed_stdin()) if tied else None
        return await serve(settings, _teller(told, as_json=as_json), ending)


def _first_keys(settings: Any) -> Mapping[str, str]:
    """Make a key for each role at the first start, told by the secret that is not there yet."""
    from hub.locksmith import make_first_keys
    from hub.sandboxes import FRONT_END

    return {} if settings.secret_file.exists() else make_first_keys(settings, FRONT_END)


def _teller(told: Mapping[str, Any], *, as_json: bool) -> Callable[[str, str], None]:
    def tell(url: str, _name: str) -> None:
        if as_json:
            say_json({"url": url, **told})
        else:
            _welcome(url, told)

    return tell


def _welcome(url: str, told: Mapping[str, Any]) -> None:
    from hub.settings import HOME

    say(f"hub        {url}   ({url}/docs · {url}/metrics)")
    if control := told.get("sandboxes"):
        say(f"sandboxes  {control}   ({control}/menu · {control}/mailbox)")
    made = told.get("keys", {})
    for name, key in made.items():
        say(f"{name.replace('_', ' ')} key, shown this once: {key}")
    if not made:
        say(f"keys: those made before, or `{own_name()} keys create`")
        return
    sample = HOME / "routes/etat_civil_naissance/samples/copie_pour_un_mariage.json"
    say("\nA first request, as it stands:\n")
    say(f"curl -sS {url}/v1/requests -H 'Authorization: Bearer {made['front_end']}' \\")
    say(f"  -H 'Content-Type: application/json' -H 'Idempotency-Key: premier-essai' -d '@{sample}'")
    say(f"\nAnd from another terminal: HUB_URL={url} HUB_KEY={made['operator']} {own_name()} list")


@local.command(rich_help_panel=START)
def sandboxes(  # noqa: PLR0913  # its options are its parameters
    port: Annotated[
        int, typer.Option(help="Port of the control API, the sandboxes have those after it; 0 for free ones.")
    ] = 0,
    *,
    host: Annotated[str, typer.Option(help="The name or address by which they are reached.")] = "127.0.0.1",
    config: Config = None,
    linger: Annotated[float | None, typer.Option(hidden=True)] = None,
    tied: Tied = False,
    as_json: Json = False,
) -> None:
    """Run every connector's sandbox, with a small API to break them, until Ctrl-C.

    Example: curl -X POST $CONTROL/faults -d '{"connector": "technocarte", "fault": "slow", "times": 5}'
    """
    from hub.logs import log_to_stderr
    from hub.processes import run
    from hub.sandboxes import open_sandboxes

    log_to_stderr()
    homes = read_settings(config).homes
    run(_sandboxes(partial(open_sandboxes, host, port, homes=homes), linger, tied=tied, as_json=as_json))


async def _sandboxes(opening: Callable[..., Any], linger: float | None, *, tied: bool, as_json: bool) -> None:
    """Run them until a signal, or until whoever started them is gone, or nobody has spoken to them for `linger` s."""
    from hub.processes import closed_stdin, signalled
    from hub.sandboxes import Watch

    watch = None if linger is None else Watch()
    async with opening(watch=watch) as opened:
        if as_json:
            say_json(opened)
        else:
            say(f"control  {opened['control']}   (/settings · /menu · /mailbox · /taken/CONNECTOR · POST /faults)")
            say_table("sandboxes", [{"connector": name} | said for name, said in opened["settings"].items()], SHOWN)
        ends = [closed_stdin() if tied else signalled(), *([watch.abandoned(linger or 0)] if watch else [])]
        _, others = await asyncio.wait(map(asyncio.ensure_future, ends), return_when=asyncio.FIRST_COMPLETED)
        for other in others:
            other.cancel()


SHOWN: Final = ("connector", "url", "host", "port", "username", "password")


@local.command(rich_help_panel=START)
def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="End by itself, with exit code 0 if all is well.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Visit every kind once, and say where each ended.")] = False,
    requests: Annotated[int, typer.Option(min=1, max=20_000, help="How many requests the hour brings.")] = 500,
    seed: Annotated[int, typer.Option(help="The same seed gives the same hour.")] = 2026,
    mode: Annotated[Mode, typer.Option(help="One process, or several on PostgreSQL and RabbitMQ.")] = Mode.EMBEDDED,
) -> None:
    """Show a September hour: real requests, failing targets, people who finish what machines must not.

    Example: hub demo --once --requests 200
    """
    if every:
        from hub.demo.tour import run_tour

        raise typer.Exit(run_tour(seed))
    from hub.demo.hour import Plan, run_demo

    raise typer.Exit(run_demo(Plan(requests, seed, once, mode)))


@local.command(rich_help_panel=INSTALLATION)
def probe(name: str, config: Config = None, *, as_json: Json = False) -> None:
    """Find out whether a target of the settings is up and knows us, changing nothing there.

    Example: hub probe logitud -c hub.yaml
    """
    from hub.processes import run

    code = run(_probe(name, read_installation(config)))
    if as_json:
        say_json({"target": name, "up": not code, "code": code})
    else:
        say(f"{name}: {code or 'up, and it knows us'}")
    raise typer.Exit(bool(code))


async def _probe(name: str, settings: Any) -> str:
    """Give the code of what is wrong with a target, "" when all is well."""
    from datetime import timedelta

    from hub.app import connect
    from hub.catalogue import Catalogue
    from hub.connector import Deadline
    from hub.errors import DeliveryError
    from hub.settings import HOME

    if name not in settings.targets:
        raise typer.BadParameter(f"the settings name these targets: {', '.join(settings.targets) or 'none'}")
    target = connect(Catalogue.read(HOME, *settings.homes), name, settings.targets[name])
    try:
        await target.connector.probe(Deadline(timedelta(seconds=10)))
    except DeliveryError as error:
        return error.code
    finally:
        await target.connector.close()
    return ""


@local.command(rich_help_panel=INSTALLATION)
def bench(  # noqa: PLR0913  # its options are its parameters
    *,
    mode: Annotated[
        Literal["embedded", "distributed", "scale"],
        typer.Option(
            help="One process; an API and workers on servers of their own; or how cost grows with the ledger."
        ),
    ] = "embedded",
    requests: Annotated[
        int | None,
        typer.Option(
            min=1, help="How many requests each system gets, 10 000 if not said; or the largest ledger holds."
        ),
    ] = None,
    repeat: Annotated[int, typer.Option(min=1, max=20, help="How often; the middle run's figures are given.")] = 1,
    url: Annotated[str | None, typer.Option(help="Measure only the door of a hub that runs there.")] = None,
    key: Annotated[str, typer.Option(envvar="HUB_KEY", help="A front end's key for --url.", show_default=False)] = "",
    file: Annotated[
        Path | None, typer.Option(help="What to submit with --url; a birth certificate if not said.")
    ] = None,
    database: Annotated[
        Literal["postgresql", "sqlite"], typer.Option(help="Where the ledgers of --mode scale are.")
    ] = "postgresql",
    plans: Annotated[bool, typer.Option("--plans", help="With --mode scale --json: how the database answers.")] = False,
    as_json: Json = False,
) -> None:
    """Measure the hub beside a plain stack, under the same load; or what a full ledger costs.

    Example: hub bench --mode distributed --repeat 3 --json
    """
    from hub.bench import grow, run
    from hub.bench.growth import Options as Scale
    from hub.bench.report import Options
    from hub.settings import HOME

    wanted: dict[str, Any] = {"requests": requests} if requests else {}
    if url:
        sample = file or HOME / "routes/etat_civil_naissance/samples/copie_pour_un_mariage.json"
        headers = {"Authorization": f"Bearer {key}"}
        wanted |= {"url": url, "headers": headers, "submission": json.loads(sample.read_text("utf-8"))}
    if mode == "scale":
        report: Any = grow(Scale(database=database, plans=plans, **wanted))
    else:
        report = run(Options(mode=mode, repeat=repeat, **wanted))
    if as_json:
        say(report.as_json())
    else:
        say_drawing(report.as_table())


def read_settings(config: Path | None) -> Any:
    """Read the settings file, hub.yaml of this folder, or the defaults; raises ConfigurationError."""
    from hub.settings import Settings

    return Settings.read(config or next((file for file in [Path("hub.yaml")] if file.exists()), None))


def read_installation(config: Path | None) -> Any:
    """Read the settings; sandboxes whose API is at HUB_SANDBOXES stand for the targets that these do not name."""
    from hub.sandboxes import completed

    settings, control = read_settings(config), os.environ.get("HUB_SANDBOXES")
    return completed(settings, control) if control else settings
