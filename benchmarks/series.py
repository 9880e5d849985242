"""Measures reading fifty results of one analyte beside pgbench building the same JSON.

Run by `make bench-series`.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

from benchmarks.figures import measure, middle, table
from benchmarks.generator import Plan
from benchmarks.limits import pgbench
from benchmarks.plans import lab_plan
from benchmarks.service import STUDY_PATH, Service, postgres, service

RESULTS = 50
READER = "study_coordinator"
COLUMNS = ("what", "rate", "CPU", "p50 ms", "p99 ms", "CPU us", "PostgreSQL us")
_QUERY = """
\\set subject random(1, {subjects})
SELECT json_agg(json_build_object(
    'id', id, 'result_id', result_id, 'result_version', result_version, 'subject_id', subject_id,
    'source', source, 'accession', accession, 'analyte', analyte, 'status', status,
    'collected_at', collected_at, 'reported_at', reported_at, 'value', value,
    'comparator', comparator, 'unit', unit, 'lln', lln, 'uln', uln, 'finding', finding,
    'original', json_build_object('value', original_value, 'unit', original_unit,
        'lln', original_lln, 'uln', original_uln),
    'reason', reason, 'recorded_at', recorded_at) ORDER BY id)
FROM lab_result
WHERE study_id = (SELECT study_id FROM study) AND analyte = 'HGB'
  AND subject_id = (SELECT id FROM subject WHERE number = 'S-' || lpad(:subject::text, 3, '0'))
"""


def main() -> None:
    """Store the series, then read them both ways."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=8, help="(8)")
    parser.add_argument("--seconds", type=float, default=3, help="of each measurement (3)")
    parser.add_argument("--rounds", type=int, default=3, choices=range(1, 21), metavar="ROUNDS")
    wanted = parser.parse_args()
    with postgres() as server, service(server) as ours:
        subjects = len(ours.subjects)
        sent = replace(lab_plan(ours, 1), requests=RESULTS * subjects, seconds=60)
        measure(ours, server, sent)
        server.run_sql("ANALYZE", "service")  # as the database does by itself, only later
        query = _QUERY.format(subjects=subjects)
        read = replace(series_plan(ours), connections=wanted.connections, seconds=wanted.seconds)
        runs = [
            (
                pgbench(server, "service", query, wanted.connections, wanted.seconds),
                measure(ours, server, read),
            )
            for _ in range(wanted.rounds)
        ]
    unit, run = (middle(each) for each in zip(*runs, strict=True))
    print(f"{RESULTS} results of one analyte; as multiples of pgbench building the same JSON")
    shown = (("pgbench", unit), ("service", run))
    rows = [
        (
            name,
            f"{each.rate / unit.rate:.2f}",
            f"{each.us / unit.us:.2f}",
            f"{each.p50 * 1e3:.2f}",
            f"{each.p99 * 1e3:.2f}",
            f"{each.us:.0f}",
            f"{each.database_us:.0f}",
        )
        for name, each in shown
    ]
    table(COLUMNS, rows)


def series_plan(ours: Service) -> Plan:
    """Return reads of the hemoglobin of the first subject, with grades, as a person sees it."""
    query = f"subject={ours.subjects[0]}&analyte=HGB&limit={RESULTS}"
    return Plan(
        port=ours.port,
        method="GET",
        path=f"{STUDY_PATH}/labs?{query}",
        headers={"Authorization": f"Bearer {ours.tokens[READER]}"},
        bodies=[""],
        connections=8,
    )


if __name__ == "__main__":
    main()
