"""The embedded PostgreSQL: started on any folder, shared, taken over, and never left running."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from app.core.database import Database
from app.core.embedded_postgres import embedded_postgres
from app.core.errors import OperatorError

HOLD = """
import sys
from pathlib import Path
from app.core.embedded_postgres import embedded_postgres
with embedded_postgres(Path(sys.argv[1])) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with spaces, much deeper than a socket's path may be, already made."""
    folder = tmp_path_factory.mktemp("deep")
    for _ in range(20):
        folder /= "a folder's name"
    with embedded_postgres(folder) as url:
        query(url, "CREATE TABLE kept AS SELECT 42 AS value")
    return folder


def query(url: str, statement: str):
    """Run one statement and return its first value, if it gives any."""

    async def run():
        database = Database(url, pool_size=1, role=None)
        try:
            async with database.engine.begin() as connection:
                result = await connection.execute(text(statement))
                return result.scalar() if result.returns_rows else None
        finally:
            await database.close()

    return asyncio.run(run())


def server_pid(folder: Path) -> int:
    """Return the process number that PostgreSQL notes in its data directory."""
    return int((folder / "cluster" / "postmaster.pid").read_text().splitlines()[0])


def is_alive(pid: int) -> bool:
    """Tell whether a process exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def hold(folder: Path) -> subprocess.Popen:
    """Start another process that uses the folder's server until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().startswith("postgresql://")
    return process


def release(process: subprocess.Popen) -> None:
    """Let such a process leave."""
    process.communicate("")
    assert process.returncode == 0


def kill(process: subprocess.Popen) -> None:
    """Kill such a process so that it cleans up nothing."""
    process.kill()
    process.communicate()


def test_data_outlive_the_server_and_the_server_does_not_outlive_the_context(folder):
    """What was written before a stop is there after the next start; the process is gone after."""
    with embedded_postgres(folder) as url:
        pid = server_pid(folder)
        assert query(url, "SELECT value FROM kept") == 42
    assert not is_alive(pid)


def test_a_write_is_on_disk_before_it_is_acknowledged(folder):
    """The embedded server keeps the settings without which the service is not ready."""
    with embedded_postgres(folder) as url:
        assert query(url, "SHOW fsync") == "on"
        assert query(url, "SHOW synchronous_commit") == "on"


def test_no_statement_and_no_value_reaches_the_log(folder):
    """A refused value is not repeated in the server's log."""
    with embedded_postgres(folder) as url, pytest.raises(Exception, match="kept"):
        query(
            url, "INSERT INTO kept SELECT 'planted' WHERE (SELECT 'planted' FROM kept) = 'x'::int"
        )
    assert "planted" not in (folder / "log").read_text()


def test_the_last_user_stops_the_server(folder):
    """Two processes share one server; the first to leave does not stop it."""
    other = hold(folder)
    with embedded_postgres(folder) as url:
        pid = server_pid(folder)
        release(other)
        assert query(url, "SELECT 1") == 1
    assert not is_alive(pid)


def test_a_killed_users_server_is_taken_over(folder):
    """A server left behind by a killed process is used and stopped by the next one."""
    kill(hold(folder))
    pid = server_pid(folder)
    assert is_alive(pid)
    with embedded_postgres(folder) as url:
        assert server_pid(folder) == pid
        assert query(url, "SELECT value FROM kept") == 42
    assert not is_alive(pid)


def test_a_killed_server_recovers(folder):
    """After a crash of both, the next start recovers the data and removes the old socket."""
    other = hold(folder)
    sockets = Path((folder / "cluster" / "postmaster.pid").read_text().splitlines()[4])
    os.kill(server_pid(folder), signal.SIGKILL)
    kill(other)
    with embedded_postgres(folder) as url:
        assert query(url, "SELECT value FROM kept") == 42
    assert not sockets.exists()


def test_a_folder_that_is_no_cluster_is_explained(tmp_path):
    """A start that fails says what PostgreSQL said and where to read on."""
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "PG_VERSION").write_text("7\n")
    with (
        pytest.raises(OperatorError, match="PostgreSQL did not start") as failure,
        embedded_postgres(tmp_path),
    ):
        pytest.fail("it must not start")
    assert str(tmp_path / "log") in str(failure.value)
