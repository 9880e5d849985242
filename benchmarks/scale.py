"""Measures whether panels are stored as quickly beside many rows as into an empty table.

Run by `make bench-scale`.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

from benchmarks.figures import measure, middle, table
from benchmarks.panel import PANEL
from benchmarks.plans import lab_plan
from benchmarks.service import Postgres, postgres, service

# Other specimens of the same subjects; the foreign keys are right and need no check.
_FILL = """
BEGIN;
SET LOCAL session_replication_role = replica;
INSERT INTO operation (study_id, id, actor_name, role, organisation, command, request_id)
SELECT study_id, uuidv7(), 'bench', 'laboratory_system', 'bench', 'fill', 'fill' FROM study;
INSERT INTO lab_result (study_id, id, result_id, subject_id, source, specimen, accession, analyte,
    status, collected_at, stated_at, standing, value, unit, original_value, original_unit,
    operation_id)
SELECT made.study_id, made.id, made.id, made.subject_id, 'bench-fill', 'F-' || made.n,
    'F-' || made.n, 'HGB', 'final', '2025-11-01'::timestamptz, '2025-11-01'::timestamptz, 2,
    made.n % 100 + 50, 'g/L', '100', 'g/L', made.operation_id
FROM (
    SELECT s.study_id, s.id AS subject_id, o.id AS operation_id, uuidv7() AS id, n
    FROM generate_series(1, {rows} / {subjects}) n, subject s, operation o
    WHERE o.command = 'fill'
) made;
COMMIT;
ANALYZE lab_result;
CHECKPOINT;
"""


def main() -> None:
    """Measure, fill the table, measure again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=500_000, help="already there (500,000)")
    parser.add_argument("--seconds", type=float, default=3, help="of each measurement (3)")
    parser.add_argument("--rounds", type=int, default=3, choices=range(1, 21), metavar="ROUNDS")
    wanted = parser.parse_args()
    with postgres() as server, service(server) as ours:
        plan = replace(lab_plan(ours, len(PANEL)), seconds=wanted.seconds)
        measure(ours, server, replace(plan, seconds=1))
        empty = middle([measure(ours, server, plan) for _ in range(wanted.rounds)])
        fill(server, wanted.rows, len(ours.subjects))
        measure(ours, server, replace(plan, seconds=1))
        full = middle([measure(ours, server, plan) for _ in range(wanted.rounds)])
    print(f"panels beside {wanted.rows} rows, as multiples of the same into an empty table")
    rate, cpu = full.rate / empty.rate, full.database_us / empty.database_us
    table(("rate", "PostgreSQL's CPU"), [(f"{rate:.2f}", f"{cpu:.2f}")])


def fill(server: Postgres, rows: int, subjects: int) -> None:
    """Put rows into the service's table."""
    server.run_sql(_FILL.format(rows=rows, subjects=subjects), "service")


if __name__ == "__main__":
    main()
