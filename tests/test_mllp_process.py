"""The listener as an operator runs it: a process, what it refuses, and how it ends."""

import json
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest

from app.cli import main
from app.core.config import Settings
from app.core.errors import OperatorError
from app.mllp.process import limits_of, listen
from tests.conftest import STUDY
from tests.interop.hl7v2 import samples
from tests.test_cli import ROOT, count, environment, run, serving

pytestmark = pytest.mark.usefixtures("handlers")
LOCAL = (STUDY, "LIS-01")


@contextmanager
def listening(**settings: str):
    """Listen on a free port; give the address; stop by SIGTERM with status 0."""
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "mllp", "--study", STUDY, "--sender", "LIS-01"],
        cwd=ROOT,
        env=environment(MLLP_PORT="0", **settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        welcome = process.stdout.readline()
        assert welcome.startswith("MLLP is answered at "), "it did not start"
        yield welcome.split()[-1]
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    said = [json.loads(line) for line in errors.splitlines()]
    assert {(each["level"], each["process"]) for each in said} == {("info", "mllp")}
    assert (said[0]["event"], said[-1]["event"]) == ("started", "stopped")


def test_messages_go_in_by_both_doors(empty_url, tmp_path):
    """One service and one listener on one database: the second door knows what the first took."""
    file = tmp_path / "messages.hl7"
    file.write_bytes(samples.batch(samples.generic_cbc("1"), samples.one_result(control_id="2")))
    settings = {"DATABASE_URL": empty_url, "DATA_DIR": str(tmp_path)}
    with listening(**settings) as address, serving(**settings) as (url, _):
        over_mllp = run("replay", str(file), "--mllp", address)
        token = run("token", "--role", "laboratory_system", **settings).stdout.strip()
        over_http = run("replay", str(file), "--url", url, SENDER_KEY=token)
    assert over_mllp.returncode == 0, over_mllp.stdout + over_mllp.stderr
    assert [line.split()[:2] for line in over_mllp.stdout.splitlines()] == [
        ["1", "AA"], ["2", "AA"], ["2", "of"],
    ]  # fmt: skip
    assert over_http.stdout == over_mllp.stdout, "the same bytes get the same answer"
    assert count(empty_url, "inbound_message") == 2


def refused(words: str, local: tuple[str, str] | None = LOCAL, **settings) -> None:
    """Check that a start ends with these words, in one sentence."""
    with pytest.raises(OperatorError, match=words) as failure:
        listen(Settings(**{"mllp_port": 0} | settings), local, pytest.fail)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
def test_without_tls_only_this_machine_is_served(host):
    """Nothing but a loopback address is bound when no certificate says who sends."""
    refused("loopback", mllp_host=host)


def test_a_host_has_to_be_an_address():
    """A name that nobody knows is said before anything is started."""
    refused("is not an address", mllp_host="no such host.invalid")


def test_without_tls_a_sender_is_named():
    """Somebody has to say who everybody on this machine is."""
    refused("give --study and --sender", None)


def test_with_tls_no_sender_is_named(monkeypatch):
    """The certificate says who sends; a name beside it could only contradict."""
    monkeypatch.setattr("app.mllp.process.tls_context", lambda _: object())
    refused("leave out --sender")


def test_a_taken_port_is_one_sentence(empty_url, tmp_path):
    """The port is named with the setting that changes it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = {"DATABASE_URL": empty_url, "DATA_DIR": str(tmp_path), "MLLP_PORT": str(port)}
        ended = run("mllp", "--study", STUDY, "--sender", "LIS-01", **settings)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"Port {port} of 127.0.0.1" in ended.stderr
    assert "MLLP_PORT" in ended.stderr


def test_a_sender_that_is_not_there_is_said_at_the_start(empty_url, tmp_path):
    """A slip in its code shows before the first message does."""
    settings = {"DATABASE_URL": empty_url, "DATA_DIR": str(tmp_path)}
    ended = run("mllp", "--study", STUDY, "--sender", "LIS-99", **settings)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "no such sender" in ended.stderr


def test_study_and_sender_come_together(capsys):
    """One without the other names nobody."""
    assert main(["mllp", "--study", STUDY]) == 1
    assert "--study and --sender together" in capsys.readouterr().err


def test_the_limits_are_settings():
    """Each limit of a connection can be set."""
    limits = limits_of(
        Settings(
            bulk_body_limit_bytes=1_000,
            mllp_message_seconds=2,
            mllp_idle_seconds=3,
            mllp_connections=4,
        )
    )
    assert (limits.message_bytes, limits.message_seconds) == (1_000, 2)
    assert (limits.idle_seconds, limits.connections) == (3, 4)
