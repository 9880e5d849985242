"""A PostgreSQL that archives its log, its base backup, and what is restored from both."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import asyncpg

from app.core import embedded_postgres as embedded
from tests.promises.chaos import PAUSE_SECONDS, START_SECONDS, Process, _postgres

_QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def _url(sockets: Path) -> str:
    return f"postgresql://postgres@/postgres?host={quote(str(sockets))}&port=5432"


@dataclass
class Archive:
    """A server, the folder that its log is archived in, and what was started beside it."""

    folder: Path
    server: Process
    url: str
    started: list[Process] = field(default_factory=list)

    @property
    def log(self) -> Path:
        """The folder of the archived log."""
        return self.folder / "wal"

    def back_up(self) -> Path:
        """Copy the running server; return the folder of the copy."""
        base = self.folder / "base"
        base.mkdir(mode=0o700)  # PostgreSQL refuses one that others can read
        embedded._give_away(base)
        command = ["pg_basebackup", "--host", str(self.folder / "s"), "--username=postgres"]
        done = self.run(*command, f"--pgdata={base}", "--wal-method=none", "--checkpoint=fast")
        assert done.returncode == 0, done.stderr
        return base

    def is_whole(self, base: Path) -> bool:
        """Hold a copy against its own list of files and digests."""
        return self.run("pg_verifybackup", "--no-parse-wal", str(base)).returncode == 0

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a program of PostgreSQL to its end, as the account that owns the files."""
        return subprocess.run(
            [embedded._program(program), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            **embedded._unprivileged(),
        )

    async def name_this_point(self, name: str) -> None:
        """Give the present end of the log a name."""
        await self._ask(f"SELECT pg_create_restore_point('{name}')")

    async def finish(self) -> None:
        """Wait until all of the log is archived, and end the server as a failing machine would."""
        segment = await self._ask("SELECT pg_walfile_name(pg_switch_wal())")
        deadline = time.monotonic() + START_SECONDS
        while not (self.log / segment).exists():
            assert time.monotonic() < deadline, "the log is not archived"
            await asyncio.sleep(PAUSE_SECONDS)
        self.server.kill()

    async def _ask(self, query: str) -> str:
        connection = await asyncpg.connect(self.url)
        try:
            return str(await connection.fetchval(query))
        finally:
            await connection.close()

    def restore(self, base: Path, point: str) -> str:
        """Start a copy and bring it to a named point of the log; return its URL.

        Raises AssertionError when it does not come up, as when the log does not reach the point.
        """
        sockets = self.folder / "r"
        sockets.mkdir(exist_ok=True)
        embedded._give_away(sockets)
        (base / "recovery.signal").touch()
        shutil.chown(base / "recovery.signal", *_owner(base))
        options = [
            f"unix_socket_directories={sockets}",
            f"restore_command=cp {self.log}/%f %p",
            f"recovery_target_name={point}",
            "recovery_target_action=promote",
            *embedded._SETTINGS,
        ]
        arguments = [argument for option in options for argument in ("-c", option)]
        command = [embedded._program("postgres"), "-D", str(base), *arguments]
        how = {**_QUIET, **embedded._unprivileged()}
        restored = Process("restored", command, lambda: self._serves(_url(sockets)), **how)
        self.started.append(restored)
        restored.start()
        return _url(sockets)

    def _serves(self, url: str) -> bool:
        """Tell whether a server answers and takes writes."""
        query = "SELECT NOT pg_is_in_recovery()"
        done = self.run("psql", url, "--no-psqlrc", "--tuples-only", "--command", query)
        return done.returncode == 0 and done.stdout.strip() == "t"


def _owner(path: Path) -> tuple[int, int]:
    return path.stat().st_uid, path.stat().st_gid


@contextmanager
def archiving() -> Iterator[Archive]:
    """Run a server whose log is archived; stop all that was started and remove the folder."""
    folder = Path(tempfile.mkdtemp(prefix="msc-backup-"))
    (folder / "wal").mkdir()
    embedded._give_away(folder / "wal")
    settings = ("archive_mode=on", f"archive_command=cp %p {folder}/wal/%f", "wal_level=replica")
    server, url = _postgres(folder, settings)
    archive = Archive(folder, server, url)
    try:
        server.start()
        yield archive
    finally:
        for process in (server, *archive.started):
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)
