"""What is sent to whom: requests with results for the service, and the same for the comparison."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks import limits
from benchmarks.generator import Plan
from benchmarks.panel import batch_bodies, single_bodies
from benchmarks.service import STUDY_PATH, SUBJECTS, Postgres, Server, Service, serving

SENDER = "laboratory_system"
# A batch this large is sent for a few subjects only; its body is made before it is sent.
_LARGE, _FEW = 1_000, 3


def lab_plan(to: Service, results: int, role: str = SENDER, with_keys: bool = False) -> Plan:
    """Return requests of so many new results each for the service."""
    return Plan(
        port=to.port,
        method="POST",
        path=f"{STUDY_PATH}/labs",
        headers={"Authorization": f"Bearer {to.tokens[role]}"},
        bodies=_bodies(to.subjects, results),
        connections=8,
        with_keys=with_keys,
    )


def naive_plan(to: Server, results: int) -> Plan:
    """Return the same requests for the naive application."""
    subjects = [f"{limits.SUBJECT_PREFIX}{10 + number}" for number in range(SUBJECTS)]
    return Plan(
        port=to.port,
        method="POST",
        path="/labs" if results == 1 else "/labs/batch",
        headers={},
        bodies=_bodies(subjects, results),
        connections=8,
    )


def _bodies(subjects: list[str], results: int) -> list[str]:
    if results == 1:
        return single_bodies(subjects)
    return batch_bodies(subjects[:_FEW] if results >= _LARGE else subjects, results)


@contextmanager
def naive(server: Postgres) -> Iterator[Server]:
    """Run the naive application on the tables of the limits, which it makes."""
    limits.make_tables(server)
    settings = {"DATABASE_URL": server.database(limits.DATABASE)}
    with serving([sys.executable, "-m", "benchmarks.naive"], "/ready", settings) as (port, pid):
        yield Server(port, pid)


def check_stored(server: Postgres, sent: int) -> None:
    """Stop unless every result that was acknowledged is in the service's table, once."""
    query = "SELECT count(*) FROM lab_result WHERE accession LIKE 'B-%'"
    stored = int(server.run_sql(query, "service"))
    if stored != sent:
        raise SystemExit(f"{sent} results were acknowledged, {stored} are stored")
