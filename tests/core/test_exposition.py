"""The port on which a process without an API shows its metrics."""

import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import httpx
import pytest

from app.core.config import Settings
from app.core.errors import OperatorError
from app.core.exposition import exposed_metrics
from app.core.telemetry import Process, registry_of
from tests.conftest import STUDY
from tests.test_cli import ROOT, environment

SHOWN = registry_of(Process.MLLP)


def test_without_a_port_nothing_listens():
    """It is off unless it is asked for."""
    assert Settings().metrics_port is None
    with exposed_metrics(Settings().metrics_host, None, SHOWN) as port:
        assert port is None


def test_the_metrics_are_there_while_the_process_works():
    """They answer on this machine only, and the port is free again afterwards."""
    assert Settings().metrics_host == "127.0.0.1"
    with exposed_metrics(Settings().metrics_host, 0, SHOWN) as port:
        answer = httpx.get(f"http://127.0.0.1:{port}/metrics")
        assert answer.status_code == 200
        assert "msc_icaht_mllp_connections" in answer.text
        assert "msc_icaht_seal" not in answer.text
        # Another address of this machine: the port is bound to the one that is named.
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://127.0.0.2:{port}/metrics")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/metrics")


def test_a_taken_port_is_one_sentence():
    """Who starts the process is told which setting to change."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(OperatorError, match="METRICS_PORT"),
            exposed_metrics("127.0.0.1", port, SHOWN),
        ):
            pytest.fail("it listens")


@contextmanager
def working(command: list[str], **settings: str):
    """Run a command until it has said that it works; stop it by SIGTERM."""
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", *command],
        cwd=ROOT,
        env=environment(**settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline(), "it did not start"
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors


@pytest.mark.parametrize(
    ("command", "process", "doors"),
    [
        (["seal"], Process.SEALER, set()),
        (["mllp", "--study", STUDY, "--sender", "LIS-01"], Process.MLLP, {"mllp"}),
    ],
)
def test_a_process_shows_what_it_counts_and_nothing_else(
    empty_url, tmp_path, command, process, doors
):
    """No gauge of another process stands at 0 beside its own, and no door that it does not have."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    where = {"DATABASE_URL": empty_url, "DATA_DIR": str(tmp_path)}
    with working(["serve"], PORT="0", **where):
        pass
    with working(command, METRICS_PORT=port, MLLP_PORT="0", **where):
        text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    shown = {
        each.removesuffix("_total") for each in re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)
    }
    own = {each.name for each in registry_of(process).collect()}
    assert shown == own
    assert set(re.findall(r'door="(\w+)"', text)) == doors
