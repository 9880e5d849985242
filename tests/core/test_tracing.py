"""What a span may tell, and that nothing is made or loaded while tracing is off."""

import subprocess
import sys

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanKind, StatusCode
from pydantic import ValidationError

from app import main
from app.cli import _misconfigured
from app.core.config import Settings
from app.core.tracing import AllowedOnly, otlp_exporter

SECRET = "Zqouyang"
OFF = """
import sys
from app import server
from app.mllp import process
from app.main import openapi_document
openapi_document()
print([name for name in sys.modules if name.startswith(("opentelemetry.sdk", "google.protobuf"))])
"""


@pytest.fixture
def collected():
    """A provider whose spans are kept as they would leave, and those spans."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(AllowedOnly(kept)))
    yield provider, kept.get_finished_spans
    provider.shutdown()


def test_only_what_is_allowed_leaves(collected):
    """Paths, queries, hosts, events, links, messages and names of one's own stay here."""
    provider, spans = collected
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span(f"select {SECRET}") as inner:
        inner.set_attribute("db.statement", SECRET)
        inner.add_event(SECRET)
        inner.set_status(StatusCode.ERROR, SECRET)
        context = inner.get_span_context()
    attributes = {
        "http.request.method": "GET",
        "http.route": "/subjects/{id}",
        "http.response.status_code": 404,
        "url.path": f"/subjects/{SECRET}",
        "url.query": SECRET,
        "server.address": SECRET,
    }
    with tracer.start_as_current_span(
        f"GET /{SECRET}", kind=SpanKind.SERVER, attributes=attributes,
        links=[Link(context, {"name": SECRET})],
    ):  # fmt: skip
        pass
    inner, server = spans()
    assert (inner.name, dict(inner.attributes), inner.events) == ("step", {}, ())
    assert (inner.status.status_code, inner.status.description) == (StatusCode.ERROR, None)
    assert server.name == "GET /subjects/{id}"
    assert len(server.attributes) == 3
    assert SECRET not in inner.to_json() + server.to_json()


def test_a_request_without_a_route_has_no_name_of_its_own(collected):
    """What was asked for in vain may be a name."""
    provider, spans = collected
    with provider.get_tracer("test").start_as_current_span(SECRET, kind=SpanKind.SERVER):
        pass
    assert [span.name for span in spans()] == ["HTTP unmatched"]


def test_off_loads_nothing():
    """Without an address the service starts without the SDK."""
    said = subprocess.run(
        [sys.executable, "-c", OFF], capture_output=True, text=True, check=True, timeout=120
    )
    assert said.stdout.strip() == "[]"


def test_off_no_setting_of_the_library_turns_it_on(monkeypatch, app):
    """The framework's own switch, and a provider that something else installed, change nothing."""
    assert app.state.traces.provider is None
    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    config = main._telemetry(None)
    assert (config["tracing"], config["metrics"], config["logs"]) == (False, False, False)
    assert config["auto_configure"] is False
    assert not app._native_telemetry.enabled()


@pytest.mark.parametrize(
    "address",
    [
        "collector:4318", "ftp://collector", "http://a b", "http://", "http://:4318",
        "http://collector:99999", "http://collector:0", "http://[::1", "http://collector?to=me",
        f"https://user:{SECRET}@collector",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(address):
    """A mistyped address ends the start with what to write, without what was written."""
    with pytest.raises(ValidationError) as refused:
        Settings(otel_exporter_otlp_endpoint=address)
    (sentence,) = _misconfigured(refused.value)
    assert sentence.startswith("OTEL_EXPORTER_OTLP_ENDPOINT: ")
    assert "such as http://collector:4318" in sentence
    assert SECRET not in sentence


@pytest.mark.parametrize("path", ["", "/", "/v1/traces", "/v1/traces/"])
def test_traces_go_to_the_path_that_is_theirs(path):
    """Whether or not the address names the path already."""
    settings = Settings(otel_exporter_otlp_endpoint=f"http://127.0.0.1:4318/otlp{path}")
    exporter = otlp_exporter(settings.otel_exporter_otlp_endpoint)
    assert exporter._endpoint == "http://127.0.0.1:4318/otlp/v1/traces"
    exporter.shutdown()
