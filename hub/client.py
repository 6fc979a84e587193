"""A client of the hub's HTTP API, thin for the command line, typed for front ends.

`HubClient` gives answers as the API's own JSON, and asks once. `Portal` gives models, and asks again what may be asked
again. A refusal is raised as what the API said of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlencode, urljoin

import aiohttp
import orjson
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_before_delay, wait_exponential_jitter

from hub.client_events import ForgedError, StageReached, read_event
from hub.client_models import (
    AttachmentNote,
    BatchOutcome,
    Detail,
    KindDetail,
    KindSummary,
    QueryAnswer,
    QueryDetail,
    QuerySummary,
    Receipt,
    Said,
    Submission,
    Summary,
)
from hub.client_refusals import (
    BusyError,
    ConflictError,
    DeniedError,
    InvalidError,
    MissingError,
    RefusalError,
    UnreachableError,
    refusal_of,
)

__all__ = [
    "BusyError",
    "ConflictError",
    "DeniedError",
    "ForgedError",
    "HubClient",
    "InvalidError",
    "MissingError",
    "Portal",
    "RefusalError",
    "StageReached",
    "UnreachableError",
    "read_event",
    "talk",
]

WITHIN: Final = aiohttp.ClientTimeout(total=60)
PATIENCE: Final = timedelta(seconds=30)
"""How long a portal asks again, by default; a submission that failed is to be sent again later, under its key."""

Value = TypeVar("Value")
Model = TypeVar("Model", bound=Said)

LIST_MEMBERS: Final = ("requests", "deliveries", "causes", "targets", "batches", "rows")


class HubClient:
    """One caller of one hub: an async context manager that keeps its connections."""

    def __init__(self, url: str, key: str = "") -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    async def __aenter__(self) -> Self:
        """Open."""
        self._session = aiohttp.ClientSession(headers=self._headers, timeout=WITHIN)
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def submit(self, submission: Mapping[str, Any], key: str) -> Any:
        """Submit a request under an idempotency key; gives its receipt."""
        return await self._call("POST", "/v1/requests", submission, **{"Idempotency-Key": key})

    async def attach(self, name: str, media_type: str, content: bytes) -> str:
        """Upload a file; gives the id under which a request may join it."""
        return str((await self.upload(name, content, media_type))["id"])

    async def upload(self, name: str, content: bytes, media_type: str = "application/octet-stream") -> Any:
        """Upload a file; gives what the hub keeps of it."""
        path = query("/v1/attachments", {"name": name})
        return await self._send("POST", path, data=content, headers={"Content-Type": media_type})

    async def submit_batch(self, batch: Mapping[str, Any], key: str) -> Any:
        """Submit several requests under one key."""
        return await self._call("POST", "/v1/requests/batch", batch, **{"Idempotency-Key": key})

    async def read(self, path: str) -> Any:
        """Read what is at a path."""
        return await self._call("GET", path)

    async def ask(self, name: str, question: Mapping[str, Any]) -> Any:
        """Ask a live question."""
        return await self._call("POST", f"/v1/queries/{name}", question)

    async def request(self, number: str) -> Any:
        """Read a request: stage, status, timeline."""
        return await self._call("GET", f"/v1/requests/{digits(number)}")

    def requests(self, **search: Any) -> AsyncIterator[Any]:
        """List requests, page after page."""
        return self._pages("/v1/requests", search)

    async def decide(self, number: str, *, accept: bool, reason: str = "") -> Any:
        """Accept or refuse a request that awaits a person."""
        decision = {"accept": accept, **({"reason": reason} if reason else {})}
        return await self._call("POST", f"/v1/requests/{digits(number)}/decision", decision)

    async def cancel(self, number: str, reason: str) -> Any:
        """Cancel a request that no target has."""
        return await self._call("POST", f"/v1/requests/{digits(number)}/cancel", {"reason": reason})

    def deliveries(self, **search: Any) -> AsyncIterator[Any]:
        """List deliveries, page after page: parked and uncertain ones unless `state` says otherwise."""
        return self._pages("/v1/operations/deliveries", search)

    async def delivery(self, key: str) -> Any:
        """Read a delivery with its attempts."""
        return await self._call("GET", f"/v1/operations/deliveries/{key}")

    async def retry(
        self, key: str, *, sure: bool = False, data: Mapping[str, Any] | None = None, current: bool = False
    ) -> Any:
        """Try a delivery again, perhaps with corrected data, perhaps by its kind's current version."""
        said = {"sure": sure, **({"data": data} if data is not None else {}), **({"current": True} if current else {})}
        return await self._to(key, "retry", said)

    async def preview(self, key: str) -> Any:
        """See what the current version of its kind would change in a delivery's message."""
        return await self._call("GET", f"/v1/operations/deliveries/{key}/preview")

    async def verify(self, key: str) -> Any:
        """Have the target asked whether it has a delivery."""
        return await self._to(key, "verify")

    async def reroute(self, key: str, target: str) -> Any:
        """Send a delivery to another target of the same connector."""
        return await self._to(key, "reroute", {"target": target})

    async def reject(self, key: str, reason: str) -> Any:
        """End a delivery that no target has, and refuse its request."""
        return await self._to(key, "reject", {"reason": reason})

    async def finalize(self, key: str, reason: str, reference: str, comment: str = "") -> Any:
        """Close a delivery by hand, under the back office's own reference; or propose it, where two must agree."""
        said = {"reason": reason, "reference": reference, **({"comment": comment} if comment else {})}
        return await self._to(key, "finalize", said)

    async def second(self, key: str) -> Any:
        """Agree to what another person proposed to close."""
        return await self._to(key, "second")

    async def reopen(self, key: str, reason: str) -> Any:
        """Take up again what was closed by hand, or withdraw a proposal."""
        return await self._to(key, "reopen", {"reason": reason})

    async def _to(self, key: str, verb: str, said: Mapping[str, Any] | None = None) -> Any:
        return await self._call("POST", f"/v1/operations/deliveries/{key}/{verb}", dict(said or {}))

    async def assign(self, number: str, owner: str) -> Any:
        """Say who sees to a request; nobody, when it is empty."""
        return await self._call("POST", f"/v1/operations/requests/{digits(number)}/assign", {"owner": owner})

    async def note(self, cause: Mapping[str, str], *, owner: str = "", note: str = "") -> Any:
        """Say who sees to a cause (target, code, stage), and what is known of it."""
        said = {**cause, "owner": owner, "note": note}
        return await self._call("POST", "/v1/operations/causes/note", said)

    async def causes(self, **search: Any) -> Sequence[Mapping[str, Any]]:
        """Count deliveries by target, state and cause."""
        answer = await self._call("GET", query("/v1/operations/causes", search))
        return items(answer)

    async def targets(self) -> Sequence[Mapping[str, Any]]:
        """See how every target is."""
        return items(await self._call("GET", "/v1/operations/targets"))

    async def pause(self, name: str, reason: str) -> Any:
        """Stop speaking to a target."""
        return await self._call("POST", f"/v1/operations/targets/{name}/pause", {"reason": reason})

    async def resume(self, name: str) -> Any:
        """Speak to a target again."""
        return await self._call("POST", f"/v1/operations/targets/{name}/resume", {})

    async def plan_batch(self, verb: str, **said: Any) -> Any:
        """Plan a change of many: `deliveries`, `requests` or a `filter`; nothing is changed."""
        return await self._call("POST", "/v1/operations/batches", {"verb": verb, **said})

    async def start_batch(self, batch: int, reason: str) -> Any:
        """Carry a plan out; to start twice is to start once."""
        return await self._call("POST", f"/v1/operations/batches/{batch}/start", {"reason": reason})

    async def steer_batch(self, batch: int, wish: str) -> Any:
        """`pause`, `continue` or `stop` a batch."""
        return await self._call("POST", f"/v1/operations/batches/{batch}/{wish}", {})

    async def batch(self, batch: int) -> Any:
        """Read a batch: what its plan foresaw, and what came of its rows so far."""
        return await self._call("GET", f"/v1/operations/batches/{batch}")

    def batches(self, **search: Any) -> AsyncIterator[Any]:
        """List batches, the newest first."""
        return self._pages("/v1/operations/batches", search)

    def batch_rows(self, batch: int, **search: Any) -> AsyncIterator[Any]:
        """List a batch's rows, page after page."""
        return self._pages(f"/v1/operations/batches/{batch}/rows", search)

    async def batch_csv(self, batch: int) -> str:
        """Give a batch's rows as CSV."""
        return (await self._bytes("GET", f"/v1/operations/batches/{batch}/rows.csv")).decode()

    async def metrics(self) -> str:
        """Read the metrics, in Prometheus's text format."""
        return (await self._bytes("GET", "/metrics")).decode()

    async def _pages(self, path: str, search: Mapping[str, Any]) -> AsyncIterator[Any]:
        following: str | None = query(path, search)
        while following:
            page = await self._call("GET", following)
            for item in items(page):
                yield item
            following = page.get("next")

    async def _call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        if body is None:
            return await self._send(method, path, headers=headers)
        headers["Content-Type"] = "application/json"
        return await self._send(method, path, data=orjson.dumps(body), headers=headers)

    async def _send(self, method: str, path: str, **rest: Any) -> Any:
        content = await self._bytes(method, path, **rest)
        return orjson.loads(content) if content else None

    async def _bytes(self, method: str, path: str, **rest: Any) -> bytes:
        try:
            async with self._session.request(method, urljoin(self._url, path), **rest) as answer:
                content = await answer.read()
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError):
            raise UnreachableError(self._url) from None
        if answer.status >= 400:
            raise refusal_of(answer.status, content, answer.headers.get("Retry-After", ""))
        return content


class Portal:
    """A front end's typed client: an async context manager that keeps its connections.

    What changes nothing, or bears an idempotency key, is asked again for `patience` when the hub is busy or away,
    under the same key. Raises RefusalError, by what may be done next, and UnreachableError.
    """

    def __init__(self, url: str, key: str, *, patience: timedelta = PATIENCE) -> None:
        self._hub = HubClient(url, key)
        self._retrying = AsyncRetrying(
            retry=retry_if_exception_type((BusyError, UnreachableError)),
            wait=_wait,
            stop=stop_before_delay(patience),
            reraise=True,
        )

    async def __aenter__(self) -> Self:
        """Open."""
        await self._hub.__aenter__()
        return self

    async def __aexit__(self, *left: object) -> None:
        """Close the connections."""
        await self._hub.close()

    async def submit(self, submission: Submission, key: str) -> Receipt:
        """Submit a request under a key that was stored with it before: once this is back, it is on disk."""
        return Receipt.model_validate(await self._again(self._hub.submit, written(submission), key))

    async def submit_many(self, submissions: Sequence[Submission], key: str) -> BatchOutcome:
        """Submit up to 500 requests, each accepted or refused for itself."""
        batch = {"requests": [written(one) for one in submissions]}
        return BatchOutcome.model_validate(await self._again(self._hub.submit_batch, batch, key))

    async def attach(self, name: str, content: bytes) -> AttachmentNote:
        """Upload a jpg, png or pdf; its id goes into `attachments` of one submission. It is not tried again."""
        return AttachmentNote.model_validate(await self._hub.upload(name, content))

    async def request(self, number: str) -> Detail:
        """Read a request with its timeline."""
        return Detail.model_validate(await self._again(self._hub.request, number))

    async def requests(self, **search: Any) -> AsyncIterator[Summary]:
        """Find requests, the newest first, page after page."""
        async for one in self._hub.requests(**search):
            yield Summary.model_validate(one)

    async def decide(self, number: str, *, accept: bool, reason: str = "") -> Detail:
        """Say what an agent decided of a request that awaits it. It is not tried again."""
        return Detail.model_validate(await self._hub.decide(number, accept=accept, reason=reason))

    async def cancel(self, number: str, reason: str) -> Detail:
        """Withdraw a request, or have it taken back. It is not tried again."""
        return Detail.model_validate(await self._hub.cancel(number, reason))

    async def kinds(self) -> list[KindSummary]:
        """List the kinds of request that the key covers."""
        return await self._list("/v1/kinds", KindSummary)

    async def kind(self, name: str) -> KindDetail:
        """Read a kind: its route, its stages, the schema of its data."""
        return KindDetail.model_validate(await self._again(self._hub.read, f"/v1/kinds/{name}"))

    async def queries(self) -> list[QuerySummary]:
        """List the questions that the key covers."""
        return await self._list("/v1/queries", QuerySummary)

    async def query(self, name: str) -> QueryDetail:
        """Read a question: the schemas of what it takes and of what it answers."""
        return QueryDetail.model_validate(await self._again(self._hub.read, f"/v1/queries/{name}"))

    async def ask(self, name: str, data: Mapping[str, Any], site: str = "ville") -> QueryAnswer:
        """Ask while a citizen waits. It is not tried again: go on without the answer."""
        return QueryAnswer.model_validate(await self._hub.ask(name, {"data": data, "site": site}))

    async def _list(self, path: str, model: type[Model]) -> list[Model]:
        listed: list[Any] = await self._again(self._hub.read, path)
        return [model.model_validate(one) for one in listed]

    async def _again(self, call: Callable[..., Awaitable[Any]], *said: Any) -> Any:
        """Ask, and ask the same again as long as the hub is busy or away."""
        return await self._retrying.copy()(call, *said)


def talk(
    url: str, key: str, say_what: Callable[[Portal], Awaitable[Value]], *, patience: timedelta = PATIENCE
) -> Value:
    """Talk to a hub from a program without an event loop: `talk(url, key, lambda hub: hub.request("100000042"))`."""

    async def conversation() -> Value:
        async with Portal(url, key, patience=patience) as portal:
            return await say_what(portal)

    return asyncio.run(conversation())


_back_off = wait_exponential_jitter(multiplier=0.2, max=5, jitter=0.3)


def _wait(state: RetryCallState) -> float:
    """Wait longer each time, and at least as long as the hub asks."""
    error = state.outcome.exception() if state.outcome else None
    return max(_back_off(state), error.retry_after if isinstance(error, BusyError) else 0.0)


def written(submission: Submission) -> dict[str, Any]:
    """Write a submission down, without what it does not say."""
    return submission.model_dump(mode="json", exclude_unset=True)


def items(answer: Any) -> list[Any]:
    """Give what a listing lists."""
    if isinstance(answer, list):
        return answer
    return next((answer[name] for name in LIST_MEMBERS if name in answer), [])


def query(path: str, search: Mapping[str, Any]) -> str:
    """Write a path with what is looked for; what is None or empty is left out, a list is repeated."""
    pairs = [
        (name, str(one))
        for name, value in search.items()
        for one in (value if isinstance(value, list | tuple) else [value])
        if one not in {None, ""}
    ]
    return f"{path}?{urlencode(pairs)}" if pairs else path


def digits(number: str) -> str:
    """Read a request's number as people write it, with or without its spaces."""
    return "".join(number.split())
