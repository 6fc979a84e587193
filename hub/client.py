"""A thin client of the hub's HTTP API: what the command line and the demonstration speak through.

Answers are given as the API's own JSON; a refusal is raised as what the API said of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlencode, urljoin

import aiohttp
import orjson

WITHIN: Final = aiohttp.ClientTimeout(total=60)
LIST_MEMBERS: Final = ("requests", "deliveries", "causes", "targets")


@dataclass(frozen=True)
class RefusalError(Exception):
    """The hub said no: its problem (RFC 9457), as it came."""

    status: int
    problem: Mapping[str, Any]

    def __str__(self) -> str:
        """Say the title, the detail, and each field to correct, a line each."""
        fields = [
            f"  {error.get('pointer', '')}  {error.get('message', '')}" for error in self.problem.get("errors", ())
        ]
        title = f"{self.problem.get('title', 'refused')} ({self.status})"
        return "\n".join([title, *([self.problem["detail"]] if self.problem.get("detail") else []), *fields])


@dataclass(frozen=True)
class UnreachableError(Exception):
    """No hub answers there."""

    url: str

    def __str__(self) -> str:
        """Say what to try."""
        return f"no hub answers at {self.url}: start one with `hub up --sandboxes`, or set HUB_URL"


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
        await self._session.close()

    async def submit(self, submission: Mapping[str, Any], key: str) -> Any:
        """Submit a request under an idempotency key; gives its receipt."""
        return await self._call("POST", "/v1/requests", submission, **{"Idempotency-Key": key})

    async def attach(self, name: str, media_type: str, content: bytes) -> str:
        """Upload a file; gives the id under which a request may join it."""
        form = aiohttp.FormData()
        form.add_field("file", content, filename=name, content_type=media_type)
        answer = await self._send("POST", "/v1/attachments", data=form)
        return str(answer["id"])

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

    async def retry(self, key: str, *, sure: bool = False, data: Mapping[str, Any] | None = None) -> Any:
        """Try a delivery again, perhaps with corrected `data`; `sure` that the target did not take it."""
        said = {"sure": sure} | ({} if data is None else {"data": data})
        return await self._call("POST", f"/v1/operations/deliveries/{key}/retry", said)

    async def verify(self, key: str) -> Any:
        """Have the target asked whether it has a delivery."""
        return await self._call("POST", f"/v1/operations/deliveries/{key}/verify", {})

    async def finalize(self, key: str, reason: str, reference: str) -> Any:
        """Close a delivery by hand, under the back office's own reference."""
        said = {"reason": reason, "reference": reference}
        return await self._call("POST", f"/v1/operations/deliveries/{key}/finalize", said)

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
        except aiohttp.ClientConnectionError:
            raise UnreachableError(self._url) from None
        if answer.status >= 400:
            raise RefusalError(answer.status, problem_of(content))
        return content


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


def problem_of(content: bytes) -> Mapping[str, Any]:
    """Read a problem; what is no JSON object is a refusal without words."""
    try:
        said = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}
