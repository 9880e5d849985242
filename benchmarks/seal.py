"""Measures how fast operations are sealed, and what sealing beside them costs those who write.

Run by `make bench-seal`.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from app.sealer import SEALING
from benchmarks.figures import measure, middle, table
from benchmarks.panel import PANEL
from benchmarks.plans import lab_plan
from benchmarks.service import Postgres, postgres, program, service

_DATABASE = "service"
_END_SEALER = f"""
SELECT pg_terminate_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND granted AND objid = {SEALING}
"""
_HOLDERS = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {SEALING}"
_SEALED = "SELECT coalesce(max(index) + 1, 0) FROM seal_leaf"
_TOTAL = "SELECT count(*) FROM operation"


def main() -> None:
    """Measure panels without and with a sealer beside, then how fast it works off what is left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="of each measurement (3)")
    parser.add_argument("--rounds", type=int, default=3, choices=range(1, 21), metavar="ROUNDS")
    wanted = parser.parse_args()
    with postgres() as server, service(server) as ours:
        plan = replace(lab_plan(ours, len(PANEL)), seconds=wanted.seconds)
        measure(ours, server, replace(plan, seconds=1))
        beside = middle([measure(ours, server, plan) for _ in range(wanted.rounds)])
        with unsealed(server):
            alone = middle([measure(ours, server, plan) for _ in range(wanted.rounds)])
        operations, seconds = seal_rest(server)
    print(f"panels of {len(PANEL)} results, one operation each, with the sealer in the service")
    ratios = (f"{beside.rate / alone.rate:.2f}", f"{beside.us / alone.us:.2f}")
    table(("", "rate", "CPU"), [("as multiples of none", *ratios)])
    print(f"{operations} operations that had waited: {operations / seconds:.0f} sealed a second")


@contextmanager
def unsealed(server: Postgres) -> Iterator[None]:
    """Keep the service's own sealer waiting, as it does while another one works."""
    command = [program("psql"), "-XAtq", "-d", server.database(_DATABASE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as holder:
        assert holder.stdin is not None
        holder.stdin.write(f"SELECT pg_advisory_lock({SEALING});\n")
        holder.stdin.flush()
        while server.run_sql(_HOLDERS) != "2":
            time.sleep(0.1)
        server.run_sql(_END_SEALER, _DATABASE)
        yield
        holder.stdin.close()


def seal_rest(server: Postgres) -> tuple[int, float]:
    """Watch the service's sealer work off what waits; return how many operations, and seconds."""
    total, sealed = int(server.run_sql(_TOTAL, _DATABASE)), int(server.run_sql(_SEALED, _DATABASE))
    first = sealed
    while sealed == first:
        time.sleep(0.02)
        sealed = int(server.run_sql(_SEALED, _DATABASE))
    first, started = sealed, time.perf_counter()
    while sealed < total:
        time.sleep(0.02)
        sealed = int(server.run_sql(_SEALED, _DATABASE))
    return total - first, time.perf_counter() - started


if __name__ == "__main__":
    main()
