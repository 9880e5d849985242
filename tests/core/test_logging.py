"""Every line says which process of which release wrote it."""

import io
import json
import logging
import sys

import pytest
import structlog

from app.core.logging import configure_logging, log
from app.core.release import release

NAME = "Zhang Wei"


@pytest.fixture
def written(monkeypatch):
    """Log as a process does; give what was written."""
    handlers, level, said = logging.root.handlers[:], logging.root.level, io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    configure_logging("INFO", "mllp")
    yield said.getvalue
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def test_each_line_names_its_process_and_release(written):
    """The service's own events and those of libraries are told apart by process."""
    log.info("started", port=1)
    logging.getLogger("library").warning("trouble with %s", NAME)
    first, second = (json.loads(line) for line in written().splitlines())
    assert (first["event"], first["process"], first["release"]) == ("started", "mllp", release())
    assert (second["event"], second["process"]) == ("trouble with ...", "mllp")
    assert release() != "unknown"


@pytest.mark.parametrize(
    ("message", "arguments", "event"),
    [
        ("%s failed after %d of %5.1f%%", (NAME, 3, 71.3), "... failed after ... of ...%"),
        ("%(who)s is late", ({"who": NAME},), "... is late"),
        ("%-10s %*d %r", (NAME, 5, 3, NAME), "... ... ..."),
        ("Nothing of it\nbut %s", (NAME,), "Nothing of it"),
        (f"Exception in callback f('{NAME}')", (), "Exception in callback f ..."),
        (f"Refused: {NAME}", (), "Refused ..."),
        (f"Row 7 of {NAME}", (), "Row ..."),
        ("100 %s", (), "..."),
        (ValueError(NAME), (), "ValueError"),
        ("Shutting down", (), "Shutting down"),
    ],
)
def test_no_argument_of_a_library_is_logged(written, message, arguments, event):
    """What goes into a sentence may be a patient's; the sentence stays, its gaps are seen."""
    logging.getLogger("library").error(message, *arguments)
    (line,) = written().splitlines()
    assert json.loads(line)["event"] == event
    assert "Zhang" not in line
    assert "%s" not in line


def test_a_collector_that_is_away_does_not_fill_the_log(written, monkeypatch):
    """Each warning of the exporter comes once in ten minutes; other libraries say all."""
    now = [0.0]
    monkeypatch.setattr("app.core.logging.monotonic", lambda: now[0])
    exporter, other = logging.getLogger("opentelemetry.exporter.http"), logging.getLogger("other")
    for second in range(601):
        now[0] = second
        exporter.warning("Transient error %s encountered", second)
        exporter.error("Failed to export span batch code: %s", second)
    assert len(written().splitlines()) == 2 * 2
    for _ in range(3):
        other.warning("Transient error %s encountered", 1)
    assert len(written().splitlines()) == 2 * 2 + 3
