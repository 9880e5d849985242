"""P26: who a patient is reaches no trace, and what says so in a log or metric names no patient."""

from __future__ import annotations

import json

import pytest
from opentelemetry import propagate
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from app.core import tracing
from app.domain.vocabulary import Role
from app.interop.hl7v2.mllp import framed
from app.mllp import intake
from app.services import identifiers
from tests.conftest import API_ROLE, TransactionDatabase, build_app, clients
from tests.factories.messages import laboratory
from tests.factories.mllp import connected, listening
from tests.factories.subjects import register
from tests.interop.hl7v2.samples import PLT, obx
from tests.promises.sinks import holds
from tests.promises.test_P26_no_identity_in_sinks import (
    FAMILY,
    GIVEN,
    IDENTITY,
    MRN,
    PHONE,
    logs,
    push_messages,
    push_people,
    told,
)

__all__ = ["logs"]
# What a caller may say of a trace of its own: an id whose digits are a telephone number.
FOREIGN = f"{PHONE:0>32}"
TOLD = {
    "traceparent": f"00-{FOREIGN}-00f067aa0ba902b7-01",
    "tracestate": f"vendor={MRN}",
    "baggage": f"patient={FAMILY}",
    "User-Agent": GIVEN,
    "Host": f"{FAMILY}.example",
}


@pytest.fixture
def spans(monkeypatch):
    """Trace as an operator configures it; the spans stay in memory as they would leave."""
    kept, before = InMemorySpanExporter(), propagate.get_global_textmap()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr(tracing, "otlp_exporter", lambda endpoint: kept)
    yield kept
    propagate.set_global_textmap(before)


@pytest.fixture
def traced(database, issuer, clock, spans):
    """The application with tracing on; it is shut down with the test."""
    built = build_app(TransactionDatabase(database.connection, API_ROLE), issuer, clock)
    yield built
    built.state.traces.end()


@pytest.fixture
def traced_api(traced, issuer, clock):
    """Clients of the application that is traced."""
    return clients(traced, issuer, clock)


async def push_requests(api, monkeypatch) -> str:
    """Send the words of a patient by path, query, header, body and an error's message."""
    client = api(Role.STUDY_COORDINATOR)
    for path in (f"/subjects/{MRN}", f"/{FAMILY}", f"/subjects?search={GIVEN}", f"/{MRN}?a={MRN}"):
        await client.get(path, headers=TOLD)
    subject_id = await register(api)
    await push_people(client, subject_id)
    await client.post("/subjects", content=f'"{FAMILY}', headers={"Content-Type": FAMILY})

    async def breaks(*_: object, **__: object) -> None:
        raise ValueError(f"{FAMILY} {MRN}")

    with monkeypatch.context() as broken:
        broken.setattr(identifiers, "keep_secret", breaks)
        body = {"kind": "patient", "value": MRN}
        failed = await client.post(f"/subjects/{subject_id}/identifiers", json=body, headers=TOLD)
    assert failed.status_code == 500
    await push_messages(await laboratory(api))
    return subject_id


def lines_in(written: str) -> list[dict]:
    """Return the lines of a log."""
    return [json.loads(line) for line in written.splitlines()]


def requests_in(written: str) -> list[dict]:
    """Return the lines of requests."""
    return [line for line in lines_in(written) if line["event"] == "request"]


def content(app, spans) -> str:
    """Return all that has left, as one text."""
    app.state.traces.provider.force_flush()
    return "\n".join(span.to_json() for span in spans.get_finished_spans())


async def test_identity_reaches_no_trace(traced, traced_api, spans, logs, monkeypatch):
    """Names, numbers and ids of whatever was sent are in no span, line or metric beside it."""
    subject_id = await push_requests(traced_api, monkeypatch)
    left, written = content(traced, spans), logs()
    measured = (await traced_api(Role.AUDITOR).get("http://test/metrics")).text
    assert len(spans.get_finished_spans()) > 100
    assert "/subjects/{subject_id}/identifiers" in left
    for word in (*IDENTITY, FOREIGN, subject_id):
        for place in (left, written, measured):
            assert not holds(place, word), word


async def test_the_search_finds_what_a_careless_exporter_lets_out(
    traced, traced_api, spans, monkeypatch
):
    """The control: without the filter the same requests leave the words of a patient."""
    monkeypatch.setattr(tracing, "allowed", lambda span: span)
    await traced_api(Role.STUDY_COORDINATOR).get(f"/{MRN}?family={GIVEN}", headers=TOLD)
    left = content(traced, spans)
    assert all(holds(left, word) for word in (MRN, FAMILY, GIVEN))


async def test_the_control_of_foreign_traces(database, issuer, clock, spans):
    """The control: with the usual propagation a caller's own trace id would be ours."""
    before = propagate.get_global_textmap()
    built = build_app(TransactionDatabase(database.connection, API_ROLE), issuer, clock)
    propagate.set_global_textmap(before)
    await clients(built, issuer, clock)(Role.AUDITOR).get("/subjects", headers=TOLD)
    assert FOREIGN in content(built, spans)
    built.state.traces.end()


async def test_a_request_is_found_by_its_trace(traced, traced_api, spans, logs):
    """The line of a request names the trace that its span is of; what machines ask has none."""
    await traced_api(Role.AUDITOR).get("/subjects")
    await traced_api(Role.AUDITOR).get("http://test/livez")
    first, second = requests_in(logs())
    content(traced, spans)
    servers = [span for span in spans.get_finished_spans() if span.kind.name == "SERVER"]
    assert [f"{span.context.trace_id:032x}" for span in servers] == [first["trace_id"]]
    assert servers[0].name.startswith("GET ")
    assert servers[0].resource.attributes["service.name"] == "msc-icaht"
    assert "trace_id" not in second


async def test_a_message_over_mllp_is_traced_without_who_it_is_of(
    traced, traced_api, spans, logs, clock, monkeypatch
):
    """Each message has a span, a failed one the kind of its error; the line of the log names it."""
    await register(traced_api)
    await laboratory(traced_api)
    traces = traced.state.traces

    async def breaks(*_: object, **__: object) -> None:
        raise ValueError(f"{FAMILY} {MRN}")

    async with listening(traced.state.database, clock, traces=traces) as address:
        async with connected(address) as line:
            await line.send(told(obx(PLT, "98")))
        monkeypatch.setattr(intake, "receive_er7", breaks)
        async with connected(address) as line:
            await line.put(framed(told(obx(PLT, "98"), control_id="M-2")))
            assert await line.silence() == b""
    left = content(traced, spans)
    stored, failed = [span for span in spans.get_finished_spans() if span.name == "receive_mllp"]
    assert (stored.status.status_code, dict(stored.attributes)) == (StatusCode.UNSET, {})
    assert failed.status.status_code is StatusCode.ERROR
    assert dict(failed.attributes) == {"error.type": "ValueError"}
    written = logs()
    (said,) = [each for each in lines_in(written) if each["event"] == "receive_mllp"]
    assert said["trace_id"] == f"{stored.context.trace_id:032x}"
    for word in IDENTITY:
        assert not holds(left, word), word
        assert not holds(written, word), word


async def test_without_tracing_a_line_names_no_trace(api, logs):
    """Off is off: the field is not there."""
    await api(Role.AUDITOR).get("/subjects")
    (line,) = requests_in(logs())
    assert "trace_id" not in line
