"""Every connector's sandbox in one process, each on a port of its own, and one small API to break them.

`GET /settings` connector → settings · `GET /menu` connector → fault → what it does · `POST /faults`
`{connector, fault, times}` · `DELETE /faults/{connector}` · `GET /taken/{connector}` key → count, of each `?key=`
or of all · `POST /pay/{connector}` `{reference, result, door}` · `GET /mailbox` what the mail server holds ·
`DELETE /` end.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable
from urllib.request import urlopen

import orjson
from aiohttp import web

from hub.connector import LOOPBACK, Sandbox
from hub.packages import find_packages
from hub.settings import HOME, FrontEnd, Settings, TargetSettings

MAIL: Final = "courriel"
"""The connector whose sandbox has a mailbox to look at."""

FRONT_END: Final = "portail"
"""The front end that listens at the sandbox of call-backs."""

TARGET_NAMES: Final[Mapping[str, str]] = {"gru": f"gru_{FRONT_END}"}
"""Connector → the name of its target, where they differ."""

TOLD_WHERE_IT_CAME_FROM: Final = ("hubee",)
"""Connectors whose target holds requests, and is told what becomes of them."""

SECONDS_TO_ANSWER: Final = 10

BRISK: Final[Mapping[str, Any]] = {
    "deadline": "2s",
    "base": "200ms",
    "cap": "2s",
    "breaker_cooldown": "2s",
    "concurrency": 64,
}
"""A policy for targets that answer in milliseconds: what takes real targets hours is seen in seconds."""


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Watch:
    """Whether anybody still speaks to the API."""

    heard: float = field(default_factory=time.monotonic)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def abandoned(self, after: float) -> None:
        """Wait until someone asks for the end, or until nobody has said anything for so many seconds."""
        while (left := self.heard + after - time.monotonic()) > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.over.wait(), left)
                return


@runtime_checkable
class Forgetful(Protocol):
    """A sandbox that need not keep what it was told."""

    def forget(self) -> None:
        """Keep from now on whose messages were taken, and of what they said the latest alone."""
        ...

    def times_taken(self, key: str) -> int:
        """Say how often one of our keys was taken."""
        ...


@dataclass(frozen=True)
class Sandboxes:
    """The sandboxes of this installation, by connector."""

    running: Mapping[str, Sandbox]
    watch: Watch = field(default_factory=Watch)

    @classmethod
    def find(cls, host: str = LOOPBACK, port: int = 0, homes: tuple[Path, ...] = ()) -> Sandboxes:
        """Make the sandbox of every connector that has one, at `host`, on `port` and those after it unless it is 0.

        Those of installed packages are among them, and those of `homes` beside the hub's own.
        """
        packages = sorted(find_packages(HOME, *homes).items())
        found = {name: package.load("sandbox").Sandbox() for name, package in packages if package.has_sandbox}
        for place, sandbox in enumerate(found.values()):
            sandbox.host, sandbox.port = host, port + place if port else 0
        return cls(found)

    async def start(self) -> None:
        """Start them all."""
        for sandbox in self.running.values():
            await sandbox.start()

    async def stop(self) -> None:
        """Stop them all."""
        for sandbox in self.running.values():
            await sandbox.stop()

    def forget(self) -> None:
        """Have those that can keep no more than what was taken: a year is more than a memory holds."""
        for sandbox in self.running.values():
            if isinstance(sandbox, Forgetful):
                sandbox.forget()

    def settings(self) -> dict[str, dict[str, Any]]:
        """Say how a connector reaches each."""
        return {name: sandbox.settings() for name, sandbox in self.running.items()}

    def application(self) -> web.Application:
        """Build the API that breaks and inspects them."""
        application = web.Application(middlewares=[self._listen])
        application.router.add_post("/pay/{connector}", self._pay)
        application.router.add_delete("/", self._end)
        application.router.add_get("/settings", self._settings)
        application.router.add_get("/menu", self._menu)
        application.router.add_post("/faults", self._break)
        application.router.add_delete("/faults/{connector}", self._mend)
        application.router.add_get("/taken/{connector}", self._taken)
        application.router.add_get("/mailbox", self._mailbox)
        return application

    @web.middleware
    async def _listen(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.watch.heard = time.monotonic()
        return await handler(request)

    async def _end(self, _: web.Request) -> web.Response:
        self.watch.over.set()
        return web.Response(status=204)

    async def _pay(self, request: web.Request) -> web.Response:
        """Decide as the payer; `door` is where the hub is to be called, for a sandbox that was not told otherwise."""
        sandbox = self._named(request.match_info["connector"])
        match _read(await request.read()):
            case {"reference": str(reference), **rest} if inspect.iscoroutinefunction(
                pay := getattr(sandbox, "pay", None)
            ):
                if "door" in rest and hasattr(sandbox, "urlnotif"):
                    setattr(sandbox, "urlnotif", rest["door"])  # noqa: B010  # which of them has it is not ours to know
                try:
                    await pay(reference, str(rest.get("result", "P")))
                except ValueError as error:
                    raise web.HTTPConflict(text=f"it cannot be paid: {error}") from None
                return web.Response(status=204)
            case _:
                raise web.HTTPUnprocessableEntity(text="expected a sandbox where one pays, a reference and a result")

    async def _settings(self, _: web.Request) -> web.Response:
        return reply(self.settings())

    async def _menu(self, _: web.Request) -> web.Response:
        return reply({name: _titles(sandbox) for name, sandbox in self.running.items()})

    async def _break(self, request: web.Request) -> web.Response:
        match _read(await request.read()):
            case {"connector": str(name), "fault": str(fault), **rest} if fault in _titles(self._named(name)):
                times = rest.get("times", 1)
                self._named(name).break_with(fault, times if isinstance(times, int) else 1)
                return web.Response(status=204)
            case _:
                raise web.HTTPUnprocessableEntity(text="expected connector, fault (see /menu) and times")

    async def _mend(self, request: web.Request) -> web.Response:
        self._named(request.match_info["connector"]).mend()
        return web.Response(status=204)

    async def _taken(self, request: web.Request) -> web.Response:
        sandbox, wanted = self._named(request.match_info["connector"]), request.query.getall("key", [])
        if wanted and isinstance(sandbox, Forgetful):
            return reply({key: times for key in wanted if (times := sandbox.times_taken(key))})
        taken = sandbox.taken()
        return reply({key: taken[key] for key in wanted if key in taken} if wanted else taken)

    async def _mailbox(self, _: web.Request) -> web.Response:
        return reply([_letter(received) for received in getattr(self._named(MAIL), "mailbox", ())])

    def _named(self, name: str) -> Sandbox:
        try:
            return self.running[name]
        except KeyError:
            raise web.HTTPNotFound(text=f"no sandbox is called so; there are: {', '.join(self.running)}") from None


@asynccontextmanager
async def open_sandboxes(
    host: str = LOOPBACK, port: int = 0, watch: Watch | None = None, homes: tuple[Path, ...] = ()
) -> AsyncIterator[dict[str, Any]]:
    """Run the sandboxes and their API for the length of a block; gives `{control, settings}`.

    The API has `port`, the sandboxes those after it; 0 stands for free ones. With a `watch` they are there for very
    many requests, of which they keep the keys alone.
    """
    sandboxes = Sandboxes.find(host, port + 1 if port else 0, homes)
    if watch:
        sandboxes = replace(sandboxes, watch=watch)
        sandboxes.forget()
    runner = web.AppRunner(sandboxes.application(), access_log=None, shutdown_timeout=1)
    try:
        await sandboxes.start()
        await runner.setup()
        await web.TCPSite(runner, host, port).start()
        yield {"control": f"http://{host}:{runner.addresses[0][1]}", "settings": sandboxes.settings()}
    finally:
        await runner.cleanup()
        await sandboxes.stop()


def aimed_at(settings: Settings, sandboxes: Mapping[str, Mapping[str, Any]]) -> Settings:
    """Point every target of an installation at the sandboxes, and let its call-backs be heard."""
    targets = {
        TARGET_NAMES.get(name, name): TargetSettings(connector=name, settings=said, policy=BRISK)
        for name, said in sandboxes.items()
    }
    front_ends = {FRONT_END: TARGET_NAMES["gru"], **{name: name for name in TOLD_WHERE_IT_CAME_FROM if name in targets}}
    listeners = {name: FrontEnd(callback=target) for name, target in front_ends.items()}
    return settings.model_copy(update={"targets": targets, "front_ends": listeners})


def completed(settings: Settings, control: str) -> Settings:
    """Let the sandboxes that run elsewhere stand for every target and front end that an installation does not name.

    `control`: the URL of their API. Raises OSError when it does not answer.
    """
    with urlopen(f"{control}/settings", timeout=SECONDS_TO_ANSWER) as answer:  # noqa: S310  # an operator's URL
        aimed = aimed_at(settings, orjson.loads(answer.read()))
    named = {"targets": settings.targets, "front_ends": settings.front_ends}
    return aimed.model_copy(update={name: {**getattr(aimed, name), **said} for name, said in named.items()})


def reply(value: Any) -> web.Response:
    """Answer JSON."""
    return web.Response(body=orjson.dumps(value), content_type="application/json")


def _read(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _titles(sandbox: Sandbox) -> dict[str, str]:
    return {name: fault.title for name, fault in sandbox.menu.items()}


def _letter(received: Any) -> dict[str, Any]:
    """Show a message: envelope, subject, text, names of the files."""
    message = received.message
    text = message.get_body(("plain",))
    return {
        "from": received.sender,
        "to": received.recipients,
        "subject": str(message["Subject"]),
        "text": text.get_content() if text else "",
        "files": [part.get_filename() for part in message.iter_attachments()],
    }
