"""Processes that are killed at random while laboratory systems go on sending: loopback, bounded."""

import asyncio
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx

from app.core import embedded_postgres as embedded

START_SECONDS = 30
ANSWER_SECONDS = 5
PAUSE_SECONDS = 0.05
HANG_UP_RATE = 0.05
STUDY = "NCT07212335"
VT, FS, CR = b"\x0b", b"\x1c", b"\r"


def free_port() -> int:
    """Return a port of loopback that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A process of its own group that can be killed with all its children and started again."""

    def __init__(self, name: str, command: Sequence[str], ready: Callable[[], bool], **how) -> None:
        self.name, self.command, self.ready, self.how = name, command, ready, how
        self.kills = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it answers; a start that fails at once is tried again."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                self._process = subprocess.Popen(self.command, start_new_session=True, **self.how)
            if self.ready():
                return
            time.sleep(PAUSE_SECONDS)
        raise AssertionError(f"{self.name} does not start")

    def kill(self) -> None:
        """End it and its children at once, as a power failure would, and wait until it is gone."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def interrupt(self) -> None:
        """Kill it and bring it back."""
        self.kill()
        self.kills += 1
        self.start()


@dataclass
class Stage:
    """A database, the API and an MLLP listener, each a process of its own."""

    folder: Path
    url: str
    http: str
    mllp_port: int
    postgres: Process
    api: Process
    mllp: Process

    @property
    def processes(self) -> tuple[Process, ...]:
        """Give what can be killed."""
        return (self.postgres, self.api, self.mllp)


def _postgres(folder: Path, settings: Sequence[str]) -> tuple[Process, str]:
    """Prepare a PostgreSQL whose socket stays where it is when it is started again."""
    cluster = embedded._Cluster(folder / "cluster", folder / "log")
    cluster._initialise()
    sockets = folder / "s"
    sockets.mkdir()
    embedded._give_away(sockets)
    options = [f"unix_socket_directories={sockets}", *embedded._SETTINGS, *settings]
    command = [embedded._program("postgres"), "-D", str(cluster.data)]
    command += [argument for option in options for argument in ("-c", option)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

    def is_ready() -> bool:
        """Ask whether it takes connections; a server answers before, while it recovers."""
        ask = [embedded._program("pg_isready"), "--host", str(sockets), "--port", "5432"]
        return subprocess.run(ask, check=False, **quiet).returncode == 0

    process = Process("postgres", command, is_ready, **quiet, **embedded._unprivileged())
    return process, f"postgresql://postgres@/postgres?host={quote(str(sockets))}&port=5432"


def _answers(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as answer:
        return answer.status == 200
    return False


def _accepts(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS):
        return True
    return False


@contextmanager
def stage(*settings: str, mllp: Sequence[str] | None = None) -> Iterator[Stage]:
    """Run the three processes; `settings` are PostgreSQL's, `mllp` another listener's command."""
    folder = Path(tempfile.mkdtemp(prefix="msc-chaos-"))
    postgres, url = _postgres(folder, settings)
    port, mllp_port = free_port(), free_port()
    environment = os.environ | {
        "DATABASE_URL": url,
        "DATA_DIR": str(folder / "data"),
        "PORT": str(port),
        "MLLP_PORT": str(mllp_port),
        "LOG_LEVEL": "ERROR",
    }
    how = {"env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    http = f"http://127.0.0.1:{port}"
    listener = mllp or [
        sys.executable,
        "-m",
        "app.cli",
        "mllp",
        "--study",
        STUDY,
        "--sender",
        "LIS-01",
    ]
    api = Process(
        "api", [sys.executable, "-m", "app.cli", "serve"], lambda: _answers(f"{http}/livez"), **how
    )
    listening = Process("mllp", listener, lambda: _accepts(mllp_port), **how)
    made = Stage(folder, url, http, mllp_port, postgres, api, listening)
    try:
        for process in made.processes:
            process.start()
        yield made
    finally:
        for process in reversed(made.processes):
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def token(stage: Stage, role: str) -> str:
    """Return a token of development for a role."""
    command = [sys.executable, "-m", "app.cli", "token", "--role", role]
    environment = os.environ | {"DATA_DIR": str(stage.folder / "data")}
    done = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
    return done.stdout.strip()


@dataclass
class Traffic:
    """What the senders sent and what was acknowledged, by control id.

    `write` returns the message of a control id at its n-th attempt.
    """

    write: Callable[[str, int], bytes]
    sent: dict[str, bytes] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    chance: random.Random = field(default_factory=random.Random)
    attempts: int = 0
    stopping: bool = False

    async def push(self, name: str, send: Callable[[bytes], Awaitable[bytes]]) -> None:
        """Send one message after the other, each until it is acknowledged."""
        number = 0
        while not self.stopping:
            number += 1
            control_id = f"{name}-{number}"
            self.sent[control_id] = b""
            attempt = 0
            while control_id not in self.acknowledged and not self.stopping:
                attempt += 1
                self.attempts += 1
                message = self.write(control_id, attempt)
                self.sent[control_id] = message
                if await self._is_acknowledged(send, message, control_id):
                    self.acknowledged.add(control_id)

    def _patience(self) -> float:
        """Return how long to wait for an answer; now and then a sender hangs up early."""
        hangs_up = self.chance.random() < HANG_UP_RATE
        return self.chance.uniform(0.001, 0.03) if hangs_up else ANSWER_SECONDS

    async def _is_acknowledged(
        self, send: Callable[[bytes], Awaitable[bytes]], message: bytes, control_id: str
    ) -> bool:
        try:
            answer = await asyncio.wait_for(send(message), self._patience())
        except (OSError, EOFError, TimeoutError, httpx.HTTPError):
            await asyncio.sleep(PAUSE_SECONDS)
            return False
        segments = [segment.split(b"|") for segment in answer.split(CR)]
        codes = [segment[1:3] for segment in segments if segment[0] == b"MSA"]
        assert not codes or codes[0][0] == b"AA", answer
        return bool(codes) and codes[0][1].startswith(control_id.encode())


class MllpClient:
    """A sender that keeps one connection and opens it again when it is gone."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, message: bytes) -> bytes:
        """Send one message; return the acknowledgement without its frame."""
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            writer.write(VT + message + FS + CR)
            await writer.drain()
            return (await reader.readuntil(FS + CR))[1:-2]
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the connection up."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def disturb(stage: Stage, seconds: float, seed: int) -> None:
    """Kill each process in turn, in any order and at any moment, and bring it back at once.

    However slow the machine, each is killed twice.
    """
    chance = random.Random(seed)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline or any(each.kills < 2 for each in stage.processes):
        for victim in chance.sample(stage.processes, len(stage.processes)):
            await asyncio.sleep(chance.uniform(0.2, 0.8))
            await asyncio.to_thread(victim.interrupt)


async def bombard(stage: Stage, traffic: Traffic, bearer: str, seconds: float, seed: int) -> None:
    """Let four senders push over MLLP and four over HTTP while processes are killed."""
    headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/hl7-v2"}
    lines = [MllpClient(stage.mllp_port) for _ in range(4)]
    async with httpx.AsyncClient(headers=headers, timeout=ANSWER_SECONDS) as client:

        async def post(message: bytes) -> bytes:
            answer = await client.post(f"{stage.http}/api/v1/lis/hl7v2", content=message)
            return answer.content if answer.status_code == 200 else b""

        ways = [line.send for line in lines] + [post] * 4
        pushing = [
            asyncio.create_task(traffic.push(f"S{index}", way)) for index, way in enumerate(ways)
        ]
        try:
            await disturb(stage, seconds, seed)
            await asyncio.sleep(1)
        finally:
            traffic.stopping = True
            await asyncio.gather(*pushing)
            for line in lines:
                line.close()
