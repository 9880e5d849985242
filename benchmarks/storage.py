"""Measures what a result takes: bytes on disk, indexes and audit included, and bytes of WAL.

Run by `make bench-storage`.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

from benchmarks import limits
from benchmarks.figures import measure, table
from benchmarks.messages import lift_rate, message_plan
from benchmarks.panel import PANEL
from benchmarks.plans import lab_plan
from benchmarks.service import Postgres, postgres, service

_SIZES = """
SELECT sum(pg_total_relation_size(oid)), pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')
FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""


def main() -> None:
    """Store results in requests of several sizes and look at what grew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=int, default=10_000, help="of each size (10,000)")
    wanted = parser.parse_args()
    rows = []
    with postgres() as server, service(server) as ours:
        lift_rate(ours)
        limits.make_tables(server)
        for name, plan, each in (
            ("single results", lab_plan(ours, 1), 1),
            ("panels", lab_plan(ours, len(PANEL)), len(PANEL)),
            ("batches of 2,000", lab_plan(ours, 2_000), 2_000),
            ("HL7 v2 messages of 20", message_plan(ours), len(PANEL)),
        ):
            requests = max(wanted.results // each, 1)
            before = sizes(server, "service")
            run = measure(ours, server, replace(plan, requests=requests, seconds=60))
            rows.append(row(name, before, sizes(server, "service"), run.units * each))
        before = sizes(server, limits.DATABASE)
        limits.b2(server, wanted.results)
        rows.append(row("B2", before, sizes(server, limits.DATABASE), wanted.results))
    table(("what", "results", "disk bytes", "WAL bytes"), rows)


def sizes(server: Postgres, database: str) -> tuple[int, int]:
    """Return the bytes of all tables with their indexes, and the position in the WAL."""
    disk, wal = server.run_sql(_SIZES, database).split("|")
    return int(disk), int(wal)


def row(
    name: str, before: tuple[int, int], after: tuple[int, int], results: int
) -> tuple[str, ...]:
    """Show what a result took."""
    disk, wal = ((end - start) / results for start, end in zip(before, after, strict=True))
    return name, str(results), f"{disk:.0f}", f"{wal:.0f}"


if __name__ == "__main__":
    main()
