"""Measures one study's metrics alone and beside other studies, up to millions of results.

Run by `make bench-metrics`. The study is the demonstration's, filled up with laboratory results;
the others are copies of it. A cold reading is the first after a start, a warm one finds nothing
changed, and a touched one comes after one new result.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime
from statistics import median
from typing import NamedTuple

from benchmarks.figures import SERIALS, table
from benchmarks.service import (
    COMMAND,
    STUDY_PATH,
    Postgres,
    Service,
    postgres,
    service,
    serving,
    token,
)

STUDY = "NCT07212335"
FAMILIES = ("enrolment", "safety", "efficacy", "laboratory", "operations")
READER, WRITER = "sponsor", "study_coordinator"
COLUMNS = ("other studies", "other results", "cold", "touched", "warm", "warm PostgreSQL CPU")
_ANALYTES = "{HGB,ANC,PLT,CRP}"
_UNITS = "{g/L,10*9/L,10*9/L,mg/L}"
# What the tables of a study are: whatever the audit guards, and the study itself.
_TABLES = """
SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attname = 'study_id'
  AND c.relname NOT LIKE 'seal%' AND c.relname NOT IN ('study', 'idempotency_record')
ORDER BY 1
"""
_FILL = """
BEGIN;
SET LOCAL session_replication_role = replica;
INSERT INTO operation (study_id, id, actor_name, role, organisation, command, request_id)
SELECT study_id, uuidv7(), 'bench', 'laboratory_system', 'bench', 'fill', 'fill' FROM study;
INSERT INTO lab_result (study_id, id, result_id, subject_id, source, specimen, accession, analyte,
    status, collected_at, stated_at, standing, value, unit, original_value, original_unit,
    operation_id)
SELECT made.study_id, made.id, made.id, made.subject_id, 'bench-fill', 'F-' || n, 'F-' || n,
    ('{analytes}'::text[])[n % 4 + 1], 'final', made.at, made.at, 2,
    n % 100 + 50, ('{units}'::text[])[n % 4 + 1], '100', ('{units}'::text[])[n % 4 + 1],
    made.operation_id
FROM (
    SELECT s.study_id, s.id AS subject_id, o.id AS operation_id, uuidv7() AS id, n,
        s.screening_date + make_interval(hours => n * 4) AS at
    FROM generate_series(1, {results}) n, subject s, operation o
    WHERE o.command = 'fill'
) made;
COMMIT;
"""

_WRITABLE = """
SELECT quote_ident(attname) FROM pg_attribute
WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""


class Seen(NamedTuple):
    """Seconds of a reading of all families: cold, after one new result, and unchanged.

    `database` is PostgreSQL's processor time of an unchanged one.
    """

    cold: float
    touched: float
    warm: float
    database: float


def main() -> None:
    """Read one study's metrics beside more and more others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=int, default=1_000, help="of each subject (1,000)")
    parser.add_argument(
        "--subjects", type=int, nargs="+", default=[100, 1_000, 10_000], help="of other studies"
    )
    parser.add_argument("--rounds", type=int, default=10, help="of each measurement (10)")
    wanted = parser.parse_args()
    with postgres() as server, service(server, subjects=0) as ours:
        own = prepare(server, ours, wanted.results)
        rows = [(0, observe(server, own, wanted.rounds))]
        for subjects in wanted.subjects:
            studies = round(subjects / len(own.subjects))
            copy(server, rows[-1][0], studies)
            rows.append((studies, observe(server, own, wanted.rounds)))
    print(
        f"all metrics of a study of {len(own.subjects)} subjects with {wanted.results} results"
        " each, beside copies of it; as multiples of the same alone"
    )
    show(rows, len(own.subjects) * wanted.results)


def prepare(server: Postgres, ours: Service, results: int) -> Service:
    """Play the demonstration and fill its subjects up with results."""
    settings = {"PORT": str(ours.port), "DATA_DIR": ours.folder, "HOST": "127.0.0.1"}
    subprocess.run(
        [str(COMMAND), "demo"], env=os.environ | settings, check=True, stdout=subprocess.DEVNULL
    )
    fill = _FILL.format(results=results, analytes=_ANALYTES, units=_UNITS)
    server.run_sql(fill + "VACUUM ANALYZE;", "service")
    ids = server.run_sql("SELECT id FROM subject ORDER BY number", "service").split()
    return replace(ours, subjects=ids)


def copy(server: Postgres, first: int, last: int) -> None:
    """Copy the study, with all its rows, under other keys."""
    names = ["study", *server.run_sql(_TABLES, "service").split()]
    columns = {name: server.run_sql(_WRITABLE.format(table=name), "service") for name in names}
    for number in range(first, last):
        statements = [_copying(name, found.split(), number) for name, found in columns.items()]
        server.run_sql(
            "BEGIN; SET LOCAL session_replication_role = replica;"
            " SELECT set_config('app.operation_id', id::text, true) FROM operation LIMIT 1;"
            + "".join(statements)
            + "COMMIT;",
            "service",
        )
    server.run_sql("VACUUM ANALYZE", "service")
    server.run_sql("CHECKPOINT", "service")


def _copying(name: str, columns: list[str], number: int) -> str:
    """Return the statement that copies the rows of a table into a study."""
    others = {"study_id": f"md5('bench {number}')::uuid"}
    if name == "study":
        others["key"] = f"'BENCH-{number}'"
    values = ", ".join(others.get(each, each) for each in columns)
    return (
        f"INSERT INTO {name} ({', '.join(columns)}) OVERRIDING SYSTEM VALUE"
        f" SELECT {values} FROM {name}"
        f" WHERE study_id = (SELECT study_id FROM study WHERE key = '{STUDY}');"
    )


def observe(server: Postgres, own: Service, rounds: int) -> Seen:
    """Measure a start's first reading, unchanged ones, and those after one new result."""
    settings = {"DATABASE_URL": server.database("service"), "DATA_DIR": own.folder}
    tokens = {role: token(role, own.folder) for role in (READER, WRITER)}
    with serving([str(COMMAND), "serve"], "/readyz", settings) as (port, pid):
        ours = replace(own, port=port, pid=pid, tokens=tokens)
        cold = timed(ours)
        timed(ours)
        before = server.cpu()
        warm = median(timed(ours) for _ in range(rounds))
        database = (server.cpu() - before) / rounds
        touched = []
        for _ in range(rounds):
            record(ours)
            touched.append(timed(ours))
    return Seen(cold, median(touched), warm, database)


def timed(ours: Service) -> float:
    """Read all families once; return the seconds that it took."""
    started = time.perf_counter()
    for family in FAMILIES:
        ours.call(READER, "GET", f"{STUDY_PATH}/metrics/{family}")
    return time.perf_counter() - started


def record(ours: Service) -> None:
    """Record one new result of the first subject."""
    body = {
        "subject_id": ours.subjects[0],
        "analyte": "HGB",
        "value": 90,
        "unit": "g/L",
        "accession": f"bench-{next(SERIALS)}",
        "collected_at": datetime.now(UTC).isoformat(),
    }
    ours.call(WRITER, "POST", f"{STUDY_PATH}/labs", body)


def show(rows: list[tuple[int, Seen]], results: int) -> None:
    """Print each measurement as multiples of the first, which is shown in milliseconds."""
    alone = rows[0][1]
    shown = [
        (
            str(studies),
            str(studies * results),
            *(f"{a / b:.2f}" for a, b in zip(seen, alone, strict=True)),
        )
        for studies, seen in rows
    ]
    table(COLUMNS, shown)
    table(("alone", *COLUMNS[2:]), [("ms", *(f"{each * 1e3:.1f}" for each in alone))])


if __name__ == "__main__":
    main()
