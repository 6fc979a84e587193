"""Checks of what the hub speaks to, and of the files it goes by: catalogue, targets, contracts, store, broker."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from tempfile import TemporaryFile
from typing import Final
from urllib.parse import urlsplit

from kombu.connection import Connection as Broker

from hub.app import connect
from hub.connector import Deadline
from hub.doctor.finding import Finding, Level, UnseenError
from hub.doctor.installation import Installation
from hub.drift.shelf import Shelf
from hub.errors import ConfigurationError, DeliveryError
from hub.processes import run
from hub.proof.admission import admit
from hub.settings import Bucket
from hub.stores import ANSWERS_WITHIN, FOR_A_PERSON, StoreError, answering, place_of
from hub.stores import connect as connect_bucket
from hub.target import LiveTarget

PROBED_WITHIN: Final = timedelta(seconds=10)
BROKER_WITHIN: Final = 4.0
MOST_NAMED: Final = 5


def catalogue(case: Installation) -> Iterator[Finding]:
    """Read and prove the files that a start, or a reload, would take."""
    try:
        admit(case.catalogue, case.settings.places)
    except ConfigurationError as error:
        where = f"{error.file}:{error.line}" if error.line else error.file
        todo = "hub check lists all there is; a hub at work goes on by the files before"
        yield Finding("catalogue", Level.FAULT, where, error.expected, todo)
        return
    lacking = [name for name, kind in case.catalogue.kinds.items() if _missing(case, kind.route.carried)]
    said = f"{len(case.catalogue.kinds) - len(lacking)} kinds offered"
    said += f"; {len(lacking)} not, for want of targets: {', '.join(sorted(lacking)[:MOST_NAMED])}" if lacking else ""
    said += "…" if len(lacking) > MOST_NAMED else ""
    yield Finding("catalogue", Level.WELL, "mappings, routes, kinds", said)


def _missing(case: Installation, steps: object) -> bool:
    wanted = {step.target for step in steps}  # type: ignore[attr-defined]  # the route's own steps
    return bool(wanted - case.targets.keys())


def configured(case: Installation) -> Iterator[Finding]:
    """Make every target from its settings; with `--probe`, ask each whether it is up and knows us."""
    yield from run(_configured(case))


async def _configured(case: Installation) -> list[Finding]:
    found = []
    for name, said in case.targets.items():
        try:
            case.live[name] = connect(case.catalogue, name, said)
        except ConfigurationError as error:
            found.append(Finding("targets", Level.FAULT, name, error.expected, "correct its settings in hub.yaml"))
    try:
        if case.probe:
            found += await asyncio.gather(*(_probed(one) for one in case.live.values()))
        else:
            found.append(Finding("targets", Level.WELL, "hub.yaml", f"{len(case.live)} can be made; --probe asks them"))
    finally:
        for one in case.live.values():
            await one.connector.close()
    return found


async def _probed(target: LiveTarget) -> Finding:
    todo = f"see it with its owner; hub probe {target.name} asks again"
    try:
        async with asyncio.timeout(PROBED_WITHIN.total_seconds() + 1):
            await target.connector.probe(Deadline(PROBED_WITHIN))
    except DeliveryError as error:
        return Finding("probe", Level.FAULT, target.name, f"it is not well: {error.code}", todo)
    except Exception as error:  # noqa: BLE001  # a connector's bug is a finding, and no other target's
        return Finding("probe", Level.FAULT, target.name, f"its probe failed: {type(error).__name__}", todo)
    return Finding("probe", Level.WELL, target.name, "up, and it knows us")


def drift(case: Installation) -> Iterator[Finding]:
    """Read what the last comparison of each target's contract found."""
    shelf = Shelf(case.settings.contracts)
    last = {name: shelf.last(name) for name in case.settings.targets}
    for name, found in last.items():
        if found.get("drift"):
            said = f"the contract it shows is not the one the hub goes by, since {found.get('compared_at', '?')}"
            todo = f"hub drift {name} says which mappings break"
            yield Finding("contracts", Level.WARNING, name, said, todo)
    if not any(found.get("drift") for found in last.values()):
        compared = sum(bool(found) for found in last.values())
        yield Finding("contracts", Level.WELL, str(case.settings.contracts), f"{compared} compared, none has changed")


def store(case: Installation) -> Iterator[Finding]:
    """See whether files can be kept: a folder that takes one, a bucket that answers."""
    said = case.settings.files
    if isinstance(said, Bucket):
        yield run(_bucket(said))
        return
    if not said.exists():
        yield Finding("store", Level.WELL, str(said), "there is none yet: the first start makes it")
        return
    arrivals = said / "arrivals"
    try:
        with TemporaryFile(dir=arrivals if arrivals.is_dir() else said) as file:
            file.write(b"\0")
            file.flush()
    except OSError as error:
        todo = "mount it, make room, or give it to the hub's user"
        yield Finding("store", Level.FAULT, str(said), f"it takes no file: {error.strerror}", todo)
        return
    yield Finding("store", Level.WELL, str(said), "it takes files")


async def _bucket(said: Bucket) -> Finding:
    try:
        bucket = connect_bucket(said)
        with suppress(FileNotFoundError):
            async with answering(ANSWERS_WITHIN):
                await bucket.get_range_async(place_of("0" * 64), start=0, length=1)
    except ConfigurationError as error:
        return Finding("store", Level.FAULT, error.file, f"expected {error.expected}", "put it right, and start again")
    except StoreError as error:
        todo = FOR_A_PERSON.get(error.code)
        return Finding(
            "store", Level.FAULT, said.url, error.code, f"give it {todo}" if todo else "see it with its owner"
        )
    return Finding("store", Level.WELL, said.url, "it answers, and knows us")


def broker(case: Installation) -> Iterator[Finding]:
    """Reach the broker, if there is one."""
    if "broker" in case.wrong or "HUB_BROKER_URL" in case.wrong:
        raise UnseenError("a setting that says where it is")
    if not case.settings.broker:
        yield Finding("broker", Level.WELL, "broker", "none: one process needs none")
        return
    where = _without_password(case.settings.broker)
    try:
        with Broker(case.settings.broker, connect_timeout=BROKER_WITHIN) as connection:  # type: ignore[no-untyped-call]  # kombu has no types
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=BROKER_WITHIN)
    except Exception as error:  # noqa: BLE001  # whatever a broker's client raises, its text may show the password
        said = f"it cannot be reached: {type(error).__name__}"
        todo = "start it, or correct HUB_BROKER_URL; meanwhile workers find what is due by their sweep"
        yield Finding("broker", Level.FAULT, where, said, todo)
        return
    yield Finding("broker", Level.WELL, where, "reached")


def _without_password(url: str) -> str:
    with suppress(ValueError):
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}:{parts.port or 5672}{parts.path}"
    return "broker"
