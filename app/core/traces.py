"""Traces where an address for them is set; without one nothing of the library's SDK is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.trace import (
    NoOpTracerProvider,
    SpanKind,
    StatusCode,
    TracerProvider,
    format_trace_id,
    get_current_span,
)


class Traces:
    """What makes the spans of a process and sends them; `provider` is None while it is off."""

    def __init__(self, endpoint: str | None) -> None:
        self.provider: Any = None
        if endpoint is not None:
            # It loads some ten megabytes that most services have no use for.
            from app.core.tracing import tracer_provider  # noqa: PLC0415

            self.provider = tracer_provider(endpoint)
        made: TracerProvider = self.provider or NoOpTracerProvider()
        self._tracer = made.get_tracer("msc-icaht")

    @contextmanager
    def message(self, command: str) -> Iterator[None]:
        """Trace how one message is taken in; of what fails, the kind of the error is told."""
        with self._tracer.start_as_current_span(
            command, kind=SpanKind.CONSUMER, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except BaseException as error:
                span.set_status(StatusCode.ERROR)
                span.set_attribute("error.type", type(error).__name__)
                raise

    def end(self) -> None:
        """Send what is left; waits for the collector, a few seconds at most."""
        if self.provider is not None:
            self.provider.shutdown()


def current_trace() -> dict[str, str]:
    """Name the trace that the work is in, for its line of the log; nothing while it is off."""
    context = get_current_span().get_span_context()
    return {"trace_id": format_trace_id(context.trace_id)} if context.is_valid else {}
