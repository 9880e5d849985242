"""Measures a start: seconds from nothing to the first 200, and the memory of the idle process.

Each round starts the service as `make run` does, PostgreSQL included, on a database that exists.
Run it with `make bench`, on a machine that does nothing else; see README.md in this folder.
"""

import argparse
import http.client
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMAND = Path(sys.executable).with_name("msc-icaht")
START_LIMIT_SECONDS = 120
IDLE_SECONDS = 2


def main() -> None:
    """Measure a first start and several more, and print each with the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, choices=range(1, 51), metavar="ROUNDS")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        first, _, _ = measure(Path(folder, "data"))
        print(f"first start, database made: {first:.2f} s")
        measured = [measure(Path(folder, "data")) for _ in range(rounds)]
    for number, (start, stop, memory) in enumerate(measured, 1):
        print(f"round {number}: start {start:.2f} s, stop {stop:.2f} s, idle {memory:.0f} MB")
    start, stop, memory = (statistics.median(values) for values in zip(*measured, strict=True))
    print(f"median of {rounds}: start {start:.2f} s, stop {stop:.2f} s, idle {memory:.0f} MB")


def measure(data: Path) -> tuple[float, float, float]:
    """Start and stop the service once; return seconds to the first 200 and to the end, and MB."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # What an environment says about byte code would make every start compile the service anew.
    others = {"DATABASE_URL", "PYTHONDONTWRITEBYTECODE"}
    settings = {k: v for k, v in os.environ.items() if k not in others}
    settings |= {"DATA_DIR": str(data), "HOST": "127.0.0.1", "PORT": str(port)}
    started = time.perf_counter()
    process = subprocess.Popen(
        [COMMAND, "serve"], env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        await_readiness(process, port, started)
        ready = time.perf_counter()
        time.sleep(IDLE_SECONDS)
        memory = resident_megabytes(process.pid)
    finally:
        stopping = time.perf_counter()
        process.send_signal(signal.SIGTERM)
        process.wait(START_LIMIT_SECONDS)
    return ready - started, time.perf_counter() - stopping, memory


def await_readiness(process: subprocess.Popen, port: int, started: float) -> None:
    """Ask until the service, with its database, says 200."""
    while time.perf_counter() - started < START_LIMIT_SECONDS:
        if process.poll() is not None:
            raise SystemExit(f"the service ended with status {process.returncode}")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_LIMIT_SECONDS)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.01)
        finally:
            connection.close()
    raise SystemExit(f"no answer within {START_LIMIT_SECONDS} s")


def resident_megabytes(pid: int) -> float:
    """Return the resident memory of a process, in MB of a million bytes."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    main()
