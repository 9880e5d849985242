"""Every metric is documented as it is, and no label can tell who anybody is."""

import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge

from app.core import telemetry
from app.core.telemetry import Process, Reading, exposition, registry_of
from app.domain.inbound import Door
from app.services.ingest_counts import show_doors

REGISTRY = registry_of(*Process)

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(msc_icaht_\w+)` \| (\w+) \|([^|]*)\|", re.MULTILINE)
# What an API process shows once it is put together.
OWN_DOORS = """
from app.domain.inbound import Door
from app.main import openapi_document
from app.core.telemetry import Process, registry_of
openapi_document()
name, shown = "msc_icaht_ingest_messages_total", registry_of(Process.API)
for door in Door:
    if shown.get_sample_value(name, {"door": door, "outcome": "taken"}) is not None:
        print(door)
"""
# Templates, words of the code, and the public registry number of a study.
LABELS = {"method", "route", "status", "door", "outcome", "study"}


def documented(page: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return the table's metrics: type and labels by name."""
    return {
        name: (kind, tuple(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels in ROW.findall(page)
    }


def registered(registry: CollectorRegistry) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return the registry's metrics as they are scraped: type and labels by name."""
    found = {}
    for collector in set(registry._collector_to_names):
        (metric,) = collector.describe()
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        found[name] = (metric.type, tuple(collector._labelnames))
    return found


def test_the_table_and_the_registry_agree():
    """Both ways: no metric without its row, no row without its metric, types and labels alike."""
    assert documented(PAGE) == registered(REGISTRY)
    assert len(registered(REGISTRY)) > 10


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("| `msc_icaht_inbox_open_items` ", "| `msc_icaht_inbox_items` "),
        ("`msc_icaht_requests_total` | counter", "`msc_icaht_requests_total` | gauge"),
        ("| `method`, `route`, `status` |", "| `method`, `route` |"),
    ],
)
def test_a_difference_would_be_seen(old, new):
    """The control: another name, type or label in the table is no longer the registry's."""
    assert old in PAGE
    assert documented(PAGE.replace(old, new)) != registered(REGISTRY)


def test_labels_are_from_a_short_list():
    """No metric has a label that could hold an identifier."""
    used = {label for _, labels in registered(REGISTRY).values() for label in labels}
    assert used == LABELS
    careless = CollectorRegistry()
    Counter("careless", "Control.", ["subject"], registry=careless)
    assert registered(careless) == {"careless_total": ("counter", ("subject",))}


def test_every_expression_of_the_table_names_a_metric_that_is_there():
    """An example alert on a metric that was renamed would never fire."""
    names = set(registered(REGISTRY))
    histograms = {name for name, (kind, _) in registered(REGISTRY).items() if kind == "histogram"}
    shown = names | {f"{name}_bucket" for name in histograms}
    assert set(re.findall(r"msc_icaht_[a-z_]+", PAGE)) - {"msc_icaht_api", "msc_icaht_sealer",
        "msc_icaht_audit", "msc_icaht_vault"} <= shown  # fmt: skip


def names(*processes: Process) -> set[str]:
    """Name what processes of some kinds show."""
    return set(registered(registry_of(*processes)))


def test_no_process_shows_the_numbers_of_another():
    """A gauge that nobody sets would stand at 0, as if all were well."""
    foreign = {
        "msc_icaht_mllp_connections",
        "msc_icaht_inbox_open_items",
        "msc_icaht_requests_total",
    }
    assert names(Process.SEALER) == {
        "msc_icaht_seal_lag_seconds",
        "msc_icaht_sealed_operations_total",
        "msc_icaht_seal_interruptions_total",
    }
    assert "msc_icaht_seal_lag_seconds" not in names(Process.MLLP)
    assert names(Process.MLLP) & foreign == {"msc_icaht_mllp_connections"}
    assert names(Process.API) & foreign == foreign - {"msc_icaht_mllp_connections"}
    assert names(Process.API, Process.SEALER) == names(Process.API) | names(Process.SEALER)


def test_the_page_says_of_which_process_a_metric_is():
    """Whoever looks for it in vain finds in the table where it is shown."""
    for process in (Process.MLLP, Process.SEALER):
        command = {Process.MLLP: "mllp", Process.SEALER: "seal"}[process]
        own = names(process) - names(*(set(Process) - {process}))
        told = set(re.findall(rf"^\| `(msc_icaht_\w+)` .*; of `{command}` \|", PAGE, re.MULTILINE))
        assert told == own


def test_names_and_units_are_those_of_prometheus():
    """Counters end with _total, times are in seconds, and each has a sentence of help."""
    for collector in set(REGISTRY._collector_to_names):
        (metric,) = collector.describe()
        assert re.fullmatch(r"msc_icaht_[a-z_]+(?<!_total)", metric.name)
        assert re.search(r"_(milliseconds|ms|minutes|hours|kb|mb|percent)\b", metric.name) is None
        assert re.fullmatch(r"[A-Z].{10,}\.", metric.documentation), metric.name
        if re.search(r"\b([Tt]ime|Age)\b", metric.documentation):
            assert metric.name.endswith("_seconds")


def test_what_is_shown_has_help_and_no_second_series_for_its_beginning():
    """When a series began is not exposed; the control shows that it would be by default."""
    show_doors(*Door)
    shown = exposition(REGISTRY).decode()
    assert "msc_icaht_ingest_seconds_bucket" in shown
    assert "# HELP msc_icaht_ingest_seconds Time" in shown
    assert "_created" not in shown


def test_every_door_has_the_same_buckets():
    """Times of different doors can be added up and compared."""
    show_doors(*Door)
    (metric,) = telemetry.INGEST_SECONDS.collect()
    buckets = {
        door: [s.labels["le"] for s in metric.samples if s.labels.get("door") == door
               and s.name.endswith("_bucket")]
        for door in Door
    }  # fmt: skip
    assert len({tuple(each) for each in buckets.values()}) == 1
    assert len(buckets[Door.MLLP]) > 10


def test_a_process_shows_its_own_doors_only():
    """An alert on a silent door would never end on a process that does not have it."""
    said = subprocess.run(
        [sys.executable, "-c", OWN_DOORS], capture_output=True, text=True, check=True, timeout=120
    )
    assert set(said.stdout.split()) == {"json", "csv", "hl7v2", "fhir"}


def test_a_reading_is_no_number_before_it_is_made_and_once_it_is_old(monkeypatch):
    """What was true a while ago is not shown as if it were."""
    now = [0.0]
    monkeypatch.setattr(telemetry, "monotonic", lambda: now[0])
    registry = CollectorRegistry()
    reading = Reading(Gauge("read", "Control.", registry=registry), seconds=30)

    def shown() -> float:
        return registry.get_sample_value("read")

    assert math.isnan(shown())
    reading.set(7)
    now[0] = 30
    assert shown() == 7
    now[0] = 31
    assert math.isnan(shown())
    reading.set(0)
    assert shown() == 0
    reading.set(math.nan)
    assert math.isnan(shown())
