"""Traces for whoever collects them: what the hub announces becomes OpenTelemetry spans, sent out by OTLP over HTTP.

Neither SDK nor exporter is imported unless `OTEL_EXPORTER_OTLP_ENDPOINT`, or the one for traces, says where to. A span
bears names and codes from our own tables, and neither a request's number nor a hash of it: nine digits are found again
by trying them all. Its trace id stands for the request; only the hub's own log says which number that is.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from hub.app import Hub
from hub.errors import ConfigurationError
from hub.events import Accepted, Attempted, HubEvent
from hub.lifecycle import Event
from hub.routing import PENDING
from hub.tracing import Span, Tracer

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
DISABLED: Final = "OTEL_SDK_DISABLED"

ATTRIBUTES: Final = frozenset(
    {"hub.kind", "hub.target", "hub.operation", "hub.verb", "hub.outcome", "hub.code", "hub.late"}
)
"""Every attribute that a span may have: names and codes of ours, as in metrics."""

WELL: Final = frozenset({Event.ACCEPTED, Event.FOUND, Event.ABSENT})
"""Outcomes after which nothing went wrong with the attempt."""

OURS: Final = "city-hub"


def attach(hub: Hub) -> None:
    """Export spans of a hub, where the environment says where to; raises ConfigurationError without the packages."""
    wanted = any(os.environ.get(name) for name in ENDPOINTS)
    if not wanted or os.environ.get(DISABLED, "").lower() == "true":
        return
    hub.announcer.listen(Exporter(Tracer(hub.secret)).record)


class Exporter:
    """Turns events into spans whose ids are those that targets and logs were told."""

    def __init__(self, tracer: Tracer) -> None:
        """Open the exporter that the standard variables describe; what waits is sent when the process ends."""
        try:
            from opentelemetry import trace  # noqa: PLC0415  # imported by those alone who asked for it
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
            from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
            from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        except ImportError:
            raise ConfigurationError(
                ENDPOINTS[1], "the packages of the extra `otel`: pip install 'city-hub[otel]'"
            ) from None
        self._api, self._ids, self._tracer = trace, Chosen(), tracer
        name = os.environ.get("OTEL_SERVICE_NAME") or OURS
        self._provider = TracerProvider(resource=Resource.create({"service.name": name}), id_generator=self._ids)  # type: ignore[arg-type]  # it has its two methods
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._spans = self._provider.get_tracer(OURS)

    def record(self, event: HubEvent) -> None:
        """Make a span of what a trace is made of: an acceptance, or an attempt at a target."""
        match event:
            case Accepted(kind=kind, replayed=False, number=number, caller=caller) if number:
                span = self._tracer.accepting(number, caller)
                self._export("accept", span, event.seconds, {"hub.kind": kind})
            case Attempted(span=Span() as span, seconds=seconds) if seconds is not None:
                said = {
                    "hub.target": event.target,
                    "hub.operation": event.operation,
                    "hub.verb": "ask" if event.asked else "send",
                    "hub.outcome": str(event.outcome),
                    "hub.code": event.code,
                    "hub.late": event.late,
                }
                self._export(f"{event.target} {event.operation}", span, seconds, said)
            case _:
                pass

    def flush(self) -> None:
        """Send what waits."""
        self._provider.force_flush()

    def close(self) -> None:
        """Send what waits, and stop."""
        self._provider.shutdown()

    def _export(self, name: str, span: Span, seconds: float | None, said: Mapping[str, Any]) -> None:
        """Export one span that has just ended."""
        self._ids.next = span
        ended = time.time_ns()
        kind = self._api.SpanKind.CLIENT if span.delivery else self._api.SpanKind.SERVER
        started = self._spans.start_span(
            name,
            context=self._api.set_span_in_context(self._api.NonRecordingSpan(self._parent(span)))
            if span.parent
            else None,
            kind=kind,
            attributes={field: value for field, value in said.items() if field in ATTRIBUTES},
            start_time=ended - int((seconds or 0) * 1e9),
        )
        if said.get("hub.outcome", Event.ACCEPTED) not in WELL and said["hub.code"] != PENDING:
            started.set_status(self._api.StatusCode.ERROR, said["hub.code"])
        started.end(ended)

    def _parent(self, span: Span) -> SpanContext:
        flags = self._api.TraceFlags(self._api.TraceFlags.SAMPLED if span.sampled else self._api.TraceFlags.DEFAULT)
        return self._api.SpanContext(int(span.trace_id, 16), int(span.parent, 16), is_remote=True, trace_flags=flags)


class Chosen:
    """Gives a span the ids that the hub has chosen, where OpenTelemetry would draw some; on one event loop."""

    next: Span

    def generate_trace_id(self) -> int:
        """Give the trace's id."""
        return int(self.next.trace_id, 16)

    def generate_span_id(self) -> int:
        """Give the span's own id."""
        return int(self.next.id, 16)

    def is_trace_id_random(self) -> bool:
        """Say that half of the ids are made from numbers: the flag of randomness is not set."""
        return False
