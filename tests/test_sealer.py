"""The sealer as an operator runs it: a process, beside the API, and what it refuses."""

import asyncio
import json
import math
import signal
import subprocess
import sys
import time

import pytest
from sqlalchemy import text

from app.core.config import Environment, Settings
from app.core.errors import OperatorError
from app.core.seal_key import KEY_FILE, local_seal_key, read_seal_key
from app.core.telemetry import SEAL_LAG_READING, Process, registry_of
from app.core.witnesses import Witness
from app.domain.seal_note import is_rollback, parse_note
from app.sealer import Sealer, one_line, sealer_of
from app.services.seal_state import look_at_lag
from tests.factories.seal import seal
from tests.test_cli import ROOT, count, environment, run, serving

pytestmark = pytest.mark.usefixtures("handlers")
PRODUCTION = {
    "environment": Environment.PRODUCTION,
    "database_url": "postgresql://unused",
    "token_issuer": "https://id.hospital.example",
    "token_jwks": "keys.json",
    "identity_key": "01" * 32,
}


def wait_for(witness, notes=1):
    """Wait until so many notes are published."""
    for _ in range(100):
        if len(witness.notes()) >= notes:
            return
        time.sleep(0.1)
    pytest.fail("nothing was published")


def test_the_service_of_development_seals_beside(empty_url, tmp_path):
    """Study and grants are sealed soon after the start; the key and the notes are in its folder."""
    settings = {"DATABASE_URL": empty_url, "DATA_DIR": str(tmp_path)}
    witness = Witness(tmp_path / "checkpoints")
    with serving(**settings):
        wait_for(witness)
        taken = run("seal", "--once", **settings)
        assert taken.returncode == 1
        assert "Another sealer" in taken.stderr
    assert count(empty_url, "seal_leaf") == count(empty_url, "operation")
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o077 == 0
    once = run("seal", "--once", **settings)
    assert (once.returncode, once.stdout) == (0, "Sealed 0 operations.\n"), once.stderr


def test_a_process_of_its_own_seals_until_it_is_told_to_stop(committing_url, tmp_path):
    """SIGTERM ends it with status 0 after the batch that is under way."""
    settings = {"DATABASE_URL": committing_url, "DATA_DIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "seal"],
        cwd=ROOT,
        env=environment(**settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline().startswith("Sealing every second")
        wait_for(Witness(tmp_path / "checkpoints"))
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    said = [json.loads(line) for line in errors.splitlines()]
    assert [each["event"] for each in said] == ["started", "stopped"]
    assert {each["process"] for each in said} == {"sealer"}


def test_a_restore_is_acknowledged_by_command(committing_url, empty_url, tmp_path):
    """Where the folder knows more than the database, the command states why, and only then."""
    first = {"DATABASE_URL": committing_url, "DATA_DIR": str(tmp_path)}
    assert run("seal", "--once", **first).returncode == 0
    refused = run("seal", "--acknowledge-rollback", "No restore.", **first)
    assert refused.returncode == 1
    assert "nothing to acknowledge" in refused.stderr
    other = first | {"DATABASE_URL": empty_url}
    assert run("seal", "--once", **other).returncode == 1
    assert run("migrate", **other).returncode == 0
    stopped = run("seal", **other)
    assert stopped.returncode == 1
    assert "another log" in stopped.stderr
    stated = run("seal", "--acknowledge-rollback", "A new database.", **other)
    assert stated.returncode == 0, stated.stderr
    last = Witness(tmp_path / "checkpoints").last()
    assert is_rollback(parse_note(last).text)
    assert stated.stdout == f"{last}\n"
    assert run("seal", "--once", **other).stdout == "Sealed 0 operations.\n"


def test_production_names_its_key_and_its_witnesses():
    """Nothing is made up where it matters."""
    with pytest.raises(OperatorError, match="SEAL_KEY_FILE and CHECKPOINT_DIRS"):
        sealer_of(Settings(**PRODUCTION), None)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    """A disk that is not mounted must not look like an empty one."""
    present, absent = tmp_path / "present", tmp_path / "absent"
    present.mkdir()
    settings = Settings(data_dir=tmp_path, checkpoint_dirs=f"{present}:{absent}")
    assert settings.checkpoint_dirs == (present, absent)
    with pytest.raises(OperatorError, match=f"no folder: {absent}"):
        sealer_of(settings, None)


def test_only_an_ed25519_key_seals(tmp_path):
    """A file without a key, or with a key of another kind, is refused with its name."""
    path = tmp_path / "key"
    made = local_seal_key(path)
    assert read_seal_key(path).verifier("name") == made.verifier("name")
    assert local_seal_key(path).verifier("name") == made.verifier("name")
    path.write_text("no key", encoding="utf-8")
    with pytest.raises(OperatorError, match="cannot be read"):
        read_seal_key(path)
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path],
                   check=True)  # fmt: skip
    with pytest.raises(OperatorError, match="no private Ed25519"):
        read_seal_key(path)


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines", "a\tb"])
def test_a_reason_is_one_line(reason):
    """A statement has a line for it."""
    with pytest.raises(OperatorError, match="one line"):
        one_line(reason)


LONG_AGO = """
INSERT INTO operation
    (study_id, id, actor_name, role, organisation, command, request_id, recorded_at)
SELECT study_id, gen_random_uuid(), 'Test', 'administrator', 'Test', 'test', 'test',
       now() - interval '2 minutes' FROM study
"""


class Log:
    """Keeps what was said as an error."""

    def __init__(self):
        self.said = []

    def error(self, event, **values):
        """Note an error."""
        self.said.append((event, values))


async def test_a_seal_that_lags_is_an_error_in_the_log(
    committing_url, committing_database, tmp_path, monkeypatch
):
    """An operation that waits for more than a minute is reported with its seconds."""
    log = Log()
    monkeypatch.setattr("app.services.seal_state.log", log)
    await seal(committing_url, tmp_path)
    async with committing_database.session() as session:
        await look_at_lag(session)
        assert log.said == []
        await session.execute(text(LONG_AGO))
        await session.commit()
        await look_at_lag(session)
    ((event, values),) = log.said
    assert (event, values["limit"]) == ("seal_lags", 60)
    assert 110 < values["seconds"] < 180


class Away:
    """A database that is not there."""

    def __init__(self) -> None:
        self.engine = self

    def connect(self):
        """Find nobody."""
        raise ConnectionRefusedError


async def test_an_interrupted_sealer_shows_no_lag_of_before(tmp_path):
    """While it cannot look, the lag is not a number, and the interruption is counted."""
    shown, interruptions = registry_of(Process.SEALER), "msc_icaht_seal_interruptions_total"
    SEAL_LAG_READING.set(0)
    before = shown.get_sample_value(interruptions)
    sealer = Sealer(Away(), local_seal_key(tmp_path / KEY_FILE), [])
    running = asyncio.create_task(sealer.run())
    await asyncio.sleep(0.1)
    assert math.isnan(shown.get_sample_value("msc_icaht_seal_lag_seconds"))
    assert shown.get_sample_value(interruptions) == before + 1
    sealer.stop()
    await running
