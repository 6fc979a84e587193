"""Spans reach a collector by OTLP: the ids that logs and targets were told, and nothing of a person nor a number."""

import gzip
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Sent
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from hub.errors import ConfigurationError
from hub.events import Accepted, Announcer, Attempted, Staged
from hub.lifecycle import Event
from hub.tracing import Span, Tracer, read
from monitoring import telemetry
from monitoring.telemetry import ATTRIBUTES, Exporter

NUMBER = 100_000_042
SECRET = b"s" * 64
CALLER = read("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


class Collector:
    """A real OTLP receiver over HTTP, that keeps what it is sent."""

    def __init__(self):
        self.paths, self.raw = [], []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):  # the library's name
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.raw.append(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
                collector.paths.append(self.path)
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    @property
    def resources(self):
        return [one for raw in self.raw for one in ExportTraceServiceRequest.FromString(raw).resource_spans]

    @property
    def spans(self):
        return [span for one in self.resources for scope in one.scope_spans for span in scope.spans]


@pytest.fixture
def collector(monkeypatch):
    found = Collector()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.url)
    yield found
    found.server.shutdown()
    found.server.server_close()


class Town:
    """What `attach` is handed of a hub."""

    def __init__(self):
        self.announcer, self.secret = Announcer(), SECRET


def attempt(span, *, outcome=Event.ACCEPTED, code="", asked=False, seconds=0.25):
    return Attempted("cible", "deposer", asked, outcome, code, seconds, 0.001, late=False, span=span)


def values(span):
    return {
        one.key: one.value.WhichOneof("value") and getattr(one.value, one.value.WhichOneof("value"))
        for one in span.attributes
    }


@pytest.fixture
def exporter(collector):
    opened = Exporter(Tracer(SECRET))
    yield opened
    opened.close()


def test_an_acceptance_and_its_attempts_are_one_trace(collector, exporter):
    tracer = Tracer(SECRET)
    body = f'{{"number":{NUMBER},"kind":"essai"}}'
    spans = [tracer.attempting(NUMBER, body, NUMBER * 1000 + 1, fence) for fence in (1, 2)]
    exporter.record(Accepted("essai", replayed=False, seconds=0.01, number=NUMBER))
    exporter.record(attempt(spans[0], outcome=Event.LOST, code="timeout"))
    exporter.record(attempt(spans[1], asked=True, outcome=Event.FOUND))
    exporter.flush()
    accepted, lost, found = collector.spans
    assert {one.trace_id.hex() for one in collector.spans} == {spans[0].trace_id}
    assert accepted.parent_span_id == b""
    assert lost.parent_span_id == found.parent_span_id == accepted.span_id
    assert [lost.span_id.hex(), found.span_id.hex()] == [span.id for span in spans]
    assert (accepted.name, lost.name) == ("accept", "cible deposer")
    assert (accepted.kind, lost.kind) == (Sent.SPAN_KIND_SERVER, Sent.SPAN_KIND_CLIENT)
    assert (lost.status.code, lost.status.message) == (Status.STATUS_CODE_ERROR, "timeout")
    assert found.status.code == Status.STATUS_CODE_UNSET
    assert lost.end_time_unix_nano - lost.start_time_unix_nano == 250_000_000
    assert values(lost) == {
        "hub.target": "cible",
        "hub.operation": "deposer",
        "hub.verb": "send",
        "hub.outcome": "lost",
        "hub.code": "timeout",
        "hub.late": False,
    }
    assert set(collector.paths) == {"/v1/traces"}


def test_a_portal_s_trace_goes_on_below_its_span(collector, exporter):
    exporter.record(Accepted("essai", replayed=False, seconds=0.01, number=NUMBER, caller=CALLER))
    exporter.flush()
    (span,) = collector.spans
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (CALLER.trace_id, CALLER.id)


def test_what_the_portal_does_not_record_is_not_recorded(collector, exporter):
    unrecorded = Span(CALLER.trace_id, CALLER.id, sampled=False)
    exporter.record(Accepted("essai", replayed=False, seconds=0.01, number=NUMBER, caller=unrecorded))
    exporter.flush()
    assert collector.spans == []


def test_only_listed_attributes_leave_and_no_number_in_any_form(collector, exporter):
    body = f'{{"number":{NUMBER}}}'
    exporter.record(Accepted("essai", replayed=False, seconds=0.01, number=NUMBER))
    exporter.record(attempt(Tracer(SECRET).attempting(NUMBER, body, NUMBER * 1000 + 1, 1)))
    exporter.flush()
    assert {name for span in collector.spans for name in values(span)} <= ATTRIBUTES
    assert str(NUMBER).encode() not in b"".join(collector.raw)


def test_what_no_trace_is_made_of_is_passed_over(collector, exporter):
    for event in (
        Accepted("essai", replayed=True, number=NUMBER),
        Staged("essai", "Accepté"),
        attempt(None),
        attempt(Span("a" * 32, "b" * 16, "c" * 16), seconds=None),
    ):
        exporter.record(event)
    exporter.flush()
    assert collector.spans == []


def test_what_waits_is_no_failure(collector, exporter):
    span = Tracer(SECRET).attempting(NUMBER, "{}", NUMBER * 1000 + 1, 1)
    exporter.record(attempt(span, outcome=Event.DEFERRED, code="pending"))
    exporter.flush()
    assert collector.spans[0].status.code == Status.STATUS_CODE_UNSET


def test_the_service_is_named_by_the_environment_or_by_us(collector, monkeypatch):
    for name in ("", "hub-de-ville"):
        monkeypatch.setenv("OTEL_SERVICE_NAME", name)
        opened = Exporter(Tracer(SECRET))
        opened.record(Accepted("essai", replayed=False, seconds=0.01, number=NUMBER))
        opened.close()
    names = [
        one.value.string_value
        for found in collector.resources
        for one in found.resource.attributes
        if one.key == "service.name"
    ]
    assert names == ["city-hub", "hub-de-ville"]


@pytest.mark.parametrize(
    "said", [{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"}]
)
def test_nothing_is_heard_unless_the_environment_says_where_to(monkeypatch, said):
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    town = Town()
    telemetry.attach(town)
    assert town.announcer._listeners == []


def test_neither_sdk_nor_exporter_is_imported_for_who_did_not_ask():
    program = (
        "import sys; from monitoring import telemetry; telemetry.attach(None);"
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PATH": ""})
    assert said.stdout.strip() == "[]"


def test_packages_that_are_missing_are_named(monkeypatch, collector):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(ConfigurationError, match=r"city-hub\[otel\]"):
        telemetry.attach(Town())


def test_a_hub_s_events_are_exported(collector):
    town = Town()
    telemetry.attach(town)
    town.announcer(Accepted("essai", replayed=False, seconds=0.01, number=NUMBER))
    (listener,) = town.announcer._listeners
    listener.__self__.close()
    assert [span.name for span in collector.spans] == ["accept"]


def test_a_process_whose_collector_is_gone_still_ends(monkeypatch):
    program = (
        "from monitoring.telemetry import Exporter; from hub.tracing import Tracer; from hub.events import Accepted;"
        "Exporter(Tracer(b's')).record(Accepted('essai', replayed=False, number=1))"
    )
    environment = {"PATH": "", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, timeout=60, capture_output=True)
