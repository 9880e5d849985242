"""The load: keep-alive connections that send prepared requests, each after the answer before.

A process of its own, so that its work is nobody else's: it reads one plan as JSON from its
standard input and prints what it saw as JSON. It speaks just enough HTTP for answers that tell
their length.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import uvloop

from benchmarks.panel import SERIAL
from benchmarks.service import ROOT

MLLP = "MLLP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to send, by a method of HTTP or as MLLP; `seconds` or `requests` ends it.

    Each request gets the next serial number from `first_serial` on, in its body and, if wanted, as
    its Idempotency-Key.
    """

    port: int
    method: str
    path: str
    headers: dict[str, str]
    bodies: list[str]
    connections: int
    seconds: float = 20.0
    requests: int = 1_000_000
    first_serial: int = 0
    with_keys: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What came back; times in seconds."""

    answers: int
    seconds: float
    p50: float
    p99: float
    refused: int
    first_refusal: str


def generate(plan: Plan) -> Seen:
    """Run a plan in another process; stop the benchmark when anything was refused."""
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks.generator"],
        cwd=ROOT,
        input=json.dumps(asdict(plan)),
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode != 0:
        raise SystemExit(answer.stderr)
    seen = Seen(**json.loads(answer.stdout))
    if seen.refused:
        raise SystemExit(f"{seen.refused} requests were refused, first: {seen.first_refusal}")
    return seen


class _Load:
    """What the connections share: the prepared requests, the clock and the answers."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.wire = _Mllp if plan.method == MLLP else _Http
        self.templates = [self.wire.write(plan, body) for body in plan.bodies]
        self.serial = plan.first_serial
        self.last_serial = plan.first_serial + plan.requests
        self.times: list[float] = []
        self.refusals: list[bytes] = []
        self.deadline = 0.0

    def next(self) -> bytes | None:
        """Return the next request, None at the end."""
        if self.serial >= self.last_serial or time.perf_counter() > self.deadline:
            return None
        self.serial += 1
        template = self.templates[self.serial % len(self.templates)]
        return template.replace(SERIAL.encode(), b"%012d" % self.serial)

    async def run(self) -> Seen:
        """Open the connections, keep them busy, count."""
        loop = asyncio.get_running_loop()
        started = time.perf_counter()
        self.deadline = started + self.plan.seconds
        made = [
            await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self.plan.port)
            for _ in range(self.plan.connections)
        ]
        await asyncio.gather(*(connection.done for _, connection in made))
        seconds = time.perf_counter() - started
        ordered = sorted(self.times)
        return Seen(
            answers=len(ordered),
            seconds=seconds,
            p50=percentile(ordered, 0.50),
            p99=percentile(ordered, 0.99),
            refused=len(self.refusals),
            first_refusal=self.refusals[0][:500].decode() if self.refusals else "",
        )


class _Connection(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, load: _Load) -> None:
        self.load = load
        self.done = asyncio.get_running_loop().create_future()
        self.received = b""
        self.sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = transport
        self.send_next()

    def send_next(self) -> None:
        """Send the next request, or close at the end."""
        request = self.load.next()
        if request is None:
            self.transport.close()
            return
        self.sent = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Collect an answer until it is whole."""
        self.received += data
        accepted = self.load.wire.read(self.received)
        if accepted is None:
            return
        self.load.times.append(time.perf_counter() - self.sent)
        if not accepted:
            self.load.refusals.append(self.received)
        self.received = b""
        self.send_next()

    def connection_lost(self, error: Exception | None) -> None:
        """End; a connection that breaks while an answer is due counts as refused."""
        if error is not None:
            self.load.refusals.append(repr(error).encode())
        self.done.set_result(None)


class _Http:
    """HTTP/1.1, of answers that tell their length."""

    @staticmethod
    def write(plan: Plan, body: str) -> bytes:
        """Return a whole request."""
        headers = {"Host": "127.0.0.1", **plan.headers}
        if plan.with_keys:
            headers["Idempotency-Key"] = f"bench-{SERIAL}"
        if body:
            headers = {"Content-Type": "application/json", **headers}
            headers["Content-Length"] = str(len(body))
        lines = [f"{plan.method} {plan.path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    @staticmethod
    def read(received: bytes) -> bool | None:
        """Tell whether an answer accepts the request; None while it is not whole."""
        head, found, body = received.partition(b"\r\n\r\n")
        if not found:
            return None
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        return head.startswith(b"HTTP/1.1 20") if len(body) >= int(length) else None


class _Mllp:
    """HL7 v2 messages between a start and an end block."""

    @staticmethod
    def write(plan: Plan, body: str) -> bytes:
        """Return a framed message."""
        return b"\x0b" + body.encode() + b"\x1c\r"

    @staticmethod
    def read(received: bytes) -> bool | None:
        """Tell whether an acknowledgement accepts the message; None while it is not whole."""
        return b"|AA|" in received if received.endswith(b"\x1c\r") else None


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which a share of the ordered values lie."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(_Load(Plan(**json.load(sys.stdin))).run()))))
