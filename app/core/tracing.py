"""Traces by OpenTelemetry: what a span may tell, and to whom.

The framework's spans hold paths, queries and the host that was asked for. Nothing leaves this
process but what is listed here: templates, words of the code, numbers of the protocol HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry import propagate
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagators import textmap
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, Status

from app.core.release import release

METHOD, ROUTE = "http.request.method", "http.route"
ALLOWED = frozenset(
    {METHOD, ROUTE, "http.response.status_code", "error.type", "code.function.name"}
)
# The framework's steps of a request, and what is done with a message; any other name is lost.
STEPS = frozenset(
    {
        "fastapi.dependencies",
        "fastapi.endpoint",
        "fastapi.serialization",
        "fastapi.background_task",
        "receive_mllp",
        "keep_mllp_bytes",
    }
)
# For one attempt; a stop of the service waits for one at most.
EXPORT_SECONDS = 5


class AllowedOnly(SpanExporter):
    """Hands spans on with what is allowed of them, and nothing else."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export what may leave."""
        return self._exporter.export([allowed(span) for span in spans])

    def shutdown(self) -> None:
        """End the exporter behind."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Let the exporter behind send what it holds."""
        return self._exporter.force_flush(timeout_millis)


def allowed(span: ReadableSpan) -> ReadableSpan:
    """Return a span without events, links, descriptions and attributes that are not listed."""
    attributes = {name: v for name, v in (span.attributes or {}).items() if name in ALLOWED}
    if span.kind is SpanKind.SERVER:
        name = f"{attributes.get(METHOD, 'HTTP')} {attributes.get(ROUTE, 'unmatched')}"
    else:
        name = span.name if span.name in STEPS else "step"
    return ReadableSpan(
        name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


class Deaf(textmap.TextMapPropagator):
    """Takes nothing over from a caller's trace, and tells nobody of ours.

    What a caller says of a trace is free text, and would leave with our spans.
    """

    def extract(
        self,
        carrier: textmap.CarrierT,
        context: Context | None = None,
        getter: textmap.Getter[textmap.CarrierT] = textmap.default_getter,
    ) -> Context:
        """Return the context as it is."""
        return context or Context()

    def inject(
        self,
        carrier: textmap.CarrierT,
        context: Context | None = None,
        setter: textmap.Setter[textmap.CarrierT] = textmap.default_setter,
    ) -> None:
        """Say nothing."""

    @property
    def fields(self) -> set[str]:
        """Name no header."""
        return set()


def otlp_exporter(endpoint: str) -> SpanExporter:
    """Return what sends to a collector by OTLP over HTTP; OTEL_EXPORTER_OTLP_HEADERS go along."""
    return OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_SECONDS)


def tracer_provider(endpoint: str) -> TracerProvider:
    """Return the provider whose spans go to a collector; its `shutdown` sends the last ones."""
    propagate.set_global_textmap(Deaf())
    resource = Resource.create({"service.name": "msc-icaht", "service.version": release()})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(AllowedOnly(otlp_exporter(endpoint))))
    return provider
