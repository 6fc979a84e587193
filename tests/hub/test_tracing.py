"""Trace context: read as the W3C's grammar says, told to every target, and the same after a restart."""

import asyncio
import re

import httpx
import pytest
from sqlalchemy import select

from connectors.rest.sandbox import Sandbox
from hub import tracing
from hub.api import build_api
from hub.app import open_hub
from hub.tables import DELIVERIES
from hub.tracing import Span, Tracer, begun, heard, read
from hub.views import dossier
from monitoring import telemetry
from tests.hub.conftest import desk_at, submission_of
from tests.monitoring.test_telemetry import Collector

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADER = f"00-{TRACE}-{PARENT}-01"
GRAMMAR = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-0[01]")


class Listening(Sandbox):
    """A target that keeps which trace each call was for."""

    def __init__(self):
        super().__init__()
        self.heard = []

    async def _answer(self, request):
        self.heard.append(request.headers.get("traceparent"))
        return await super()._answer(request)

    @property
    def spans(self):
        """What was heard, as trace and span; every one is by the grammar."""
        found = [GRAMMAR.fullmatch(said or "") for said in self.heard]
        assert all(found), self.heard
        return [one.groups() for one in found]


@pytest.fixture
async def target():
    sandbox = Listening()
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.mark.parametrize(
    ("said", "sampled"),
    [
        (HEADER, True),
        (f"00-{TRACE}-{PARENT}-00", False),
        (f"00-{TRACE}-{PARENT}-ff", True),  # flags that we do not know are passed over
        (f"00-{TRACE}-{PARENT}-fe", False),
        (f"cc-{TRACE}-{PARENT}-01-what-the-future-will-be-like", True),  # a later version may say more
        (f"cc-{TRACE}-{PARENT}-01", True),
    ],
)
def test_a_context_is_read(said, sampled):
    assert read(said) == Span(TRACE, PARENT, sampled=sampled)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "nonsense",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{TRACE}-{PARENT}-01-",
        f"cc-{TRACE}-{PARENT}-01.more",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        HEADER.upper(),
        f"0-{TRACE}-{PARENT}-01",
        f"00-{TRACE[1:]}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}x-01",
        f"00-{TRACE}-{PARENT}-1",
        f" {HEADER}",
        f"{HEADER}\n",
        HEADER.replace("0", "０"),  # digits, but not ASCII's
    ],
)
def test_what_is_not_by_the_grammar_is_as_if_it_had_not_come(said):
    assert read(said) is None


def test_two_contexts_are_none():
    one = (b"traceparent", HEADER.encode())
    assert heard([one]) == Span(TRACE, PARENT)
    assert heard([one, one]) is None
    assert heard([(b"tracestate", b"a=b"), (b"host", b"hub")]) is None
    assert heard([(b"traceparent", b"\xff" * 55)]) is None


def test_what_is_begun_without_a_context_has_one_of_its_own():
    first, second = begun(None), begun(None)
    assert GRAMMAR.fullmatch(first.header)
    assert len({first.trace_id, second.trace_id, first.id, second.id}) == 4


def test_ids_are_the_same_for_whoever_has_the_secret_and_for_nobody_else():
    town, other = Tracer(b"s" * 64), Tracer(b"t" * 64)
    body = '{"number":100000042,"kind":"essai"}'
    spans = [town.attempting(100_000_042, body, 100_000_042_001, fence) for fence in (1, 2)]
    assert spans[0] == Tracer(b"s" * 64).attempting(100_000_042, body, 100_000_042_001, 1)
    assert spans[0].trace_id == spans[1].trace_id
    assert spans[0].id != spans[1].id
    assert spans[0].parent == town.accepting(100_000_042, None).id
    assert other.accepting(100_000_042, None).trace_id != spans[0].trace_id
    assert all(GRAMMAR.fullmatch(span.header) for span in spans)


def test_only_the_head_of_a_body_says_a_context_never_what_a_citizen_wrote():
    tracer = Tracer(b"s" * 64)
    own = tracer.attempting(7, '{"number":7}', 7001, 1)
    forged = f'{{"number":7,"data":{{"number":7,"traceparent":"{HEADER}"}}}}'
    assert tracer.attempting(7, forged, 7001, 1) == own
    assert tracer.attempting(7, f'{{"number":7,"traceparent":"{HEADER}","kind":"e"}}', 7001, 1).trace_id == TRACE


async def test_the_portal_s_context_reaches_the_target_by_an_attempt_of_its_own(portal, target):
    target.break_with("unavailable")
    answer = await portal.post(
        "/v1/requests",
        json=submission_of(),
        headers={"Idempotency-Key": "k", "traceparent": HEADER, "tracestate": "shop=lea"},
    )
    await portal.until(answer.json()["number"], "done")
    (first, tried), (second, again) = target.spans[:2]
    assert first == second == TRACE
    assert len({tried, again, PARENT}) == 3


async def test_without_a_context_or_with_a_wrong_one_a_request_has_one_of_its_own(portal, target):
    numbers = [await portal.submitted(key="none")]
    wrong = {"Idempotency-Key": "wrong", "traceparent": HEADER.upper()}
    answer = await portal.post("/v1/requests", json=submission_of(), headers=wrong)
    assert answer.status_code == 202
    for number in (*numbers, answer.json()["number"]):
        await portal.until(number, "done")
    traces = [trace for trace, _ in target.spans]
    assert len(set(traces)) == 2
    assert TRACE not in traces


@pytest.mark.parametrize("said", [{}, {"traceparent": HEADER}])
async def test_all_deliveries_of_a_request_are_of_one_trace_after_a_restart_too(settings, target, said):
    async with open_hub(settings) as first, desk_at(first) as desk:
        raw = submission_of("rues", data={"objet": "3", "rues": ["a", "b"]})
        answer = await desk.post("/v1/requests", json=raw, headers={"Idempotency-Key": "k", **said})
        number = answer.json()["number"]
        trace = Tracer(first.secret).accepting(int(number), None).trace_id
        await desk.until(number, "waiting")
    assert target.heard == []
    async with open_hub(settings) as second, desk_at(second) as desk:
        await desk.post(f"/v1/requests/{number}/decision", json={"accept": True})
        async with asyncio.timeout(10):
            while len(target.heard) < 3:
                await asyncio.sleep(0.01)
    assert {trace for trace, _ in target.spans} == {TRACE if said else trace}
    assert len({span for _, span in target.spans}) == len(target.spans)


async def test_a_context_is_kept_with_the_request_and_shown_to_no_mapping(portal, running, target):
    answer = await portal.post(
        "/v1/requests", json=submission_of(), headers={"Idempotency-Key": "k", "traceparent": HEADER}
    )
    shown = await portal.until(answer.json()["number"], "done")
    assert TRACE not in str(shown)
    [delivery] = running.ledger.look(lambda connection: connection.scalars(select(DELIVERIES.c.id)).all())
    found = await running.ledger.read(dossier, running.ledger.book, delivery)
    assert found.body.count("traceparent") == 1
    assert found.attempts
    assert all(one.sent and TRACE.encode() not in one.sent for one in found.attempts)


async def test_a_repeated_submission_is_the_same_whatever_its_context(portal):
    numbers = set()
    for said in ({}, {"traceparent": HEADER}, {"traceparent": HEADER.replace("b7", "c7")}):
        answer = await portal.post("/v1/requests", json=submission_of(), headers={"Idempotency-Key": "k", **said})
        assert answer.status_code == 202
        numbers.add(answer.json()["number"])
    assert len(numbers) == 1


async def test_nothing_is_kept_of_a_context_once_its_call_is_over(running, portal):
    await portal.get("/v1/kinds", headers={"traceparent": HEADER})
    assert tracing.CURRENT.get() is None
    assert tracing.outgoing() == {}


async def test_a_batch_s_requests_share_the_context_it_came_with(portal, target):
    raw = {"requests": [submission_of(external_reference=f"r-{n}") for n in range(3)]}
    said = {"Idempotency-Key": "lot", "traceparent": HEADER}
    answer = (await portal.post("/v1/requests/batch", json=raw, headers=said)).json()
    for outcome in answer["outcomes"]:
        await portal.until(outcome["request"]["number"], "done")
    assert {trace for trace, _ in target.spans} == {TRACE}
    assert len({span for _, span in target.spans}) == 3


async def test_a_door_without_a_context_answers_as_ever(running):
    transport = httpx.ASGITransport(build_api(running))
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
        for said in ({}, {"traceparent": "x" * 5000}, {"traceparent": HEADER}):
            assert (await client.get("/health/live", headers=said)).status_code == 200


async def test_spans_that_are_exported_are_those_that_the_target_was_told(running, portal, target, monkeypatch):
    collector = Collector()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    telemetry.attach(running)
    answer = await portal.post(
        "/v1/requests", json=submission_of(), headers={"Idempotency-Key": "k", "traceparent": HEADER}
    )
    await portal.until(answer.json()["number"], "done")
    exporter = running.announcer._listeners[-1].__self__
    await asyncio.to_thread(exporter.close)
    accepted, sent = sorted(collector.spans, key=lambda span: span.name)
    assert (accepted.trace_id.hex(), accepted.parent_span_id.hex()) == (TRACE, PARENT)
    assert (sent.trace_id.hex(), sent.span_id.hex()) == target.spans[0]
    assert sent.parent_span_id == accepted.span_id
    assert answer.json()["numero"].encode() not in b"".join(collector.raw)
