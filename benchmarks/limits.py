"""What the database itself allows for the same rows: the units that the service is measured in.

B1: pgbench, one INSERT with its audit row for each commit, into a conventional table.
B2: COPY into the same table, with the same audit: primary key, unique key, series index, two
foreign keys, and a statement trigger that keeps every row as JSONB.
B3: COPY into a table with three indexes, without keys and without audit.
"""

from __future__ import annotations

import asyncio
import io
import subprocess
import tempfile
import time
from pathlib import Path

import asyncpg

from app.core.ids import new_id
from benchmarks.figures import Run
from benchmarks.generator import percentile
from benchmarks.panel import COLLECTED_AT, PANEL, REPORTED_AT
from benchmarks.service import SUBJECTS, Postgres, program

DATABASE = "limits"
STUDY_ID = "01930000-0000-7000-8000-000000000000"
# A subject's id is this and two digits, so that pgbench can make one up.
SUBJECT_PREFIX = "01930000-0000-7000-8000-0000000000"
_COLUMNS = """
    id uuid NOT NULL, study_id uuid NOT NULL, subject_id uuid NOT NULL, result_id uuid NOT NULL,
    version integer NOT NULL, source text NOT NULL, specimen text NOT NULL, accession text,
    analyte text NOT NULL, status text NOT NULL, collected_at timestamptz NOT NULL,
    reported_at timestamptz, value numeric, comparator text, unit text, lln numeric, uln numeric,
    finding text, original_value text, original_unit text, original_lln text, original_uln text,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
"""
_SCHEMA = f"""
CREATE TABLE subject (study_id uuid, id uuid, PRIMARY KEY (study_id, id));
CREATE TABLE analyte (key text PRIMARY KEY);
CREATE TABLE change (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, table_name text NOT NULL,
    record_id uuid NOT NULL, actor text NOT NULL, action text NOT NULL, new jsonb NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ON change (table_name, record_id);
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO change (table_name, record_id, actor, action, new)
    SELECT TG_TABLE_NAME, id, current_user, 'insert', to_jsonb(n) FROM new_rows n;
    RETURN NULL;
END $$;
CREATE TABLE conventional ({_COLUMNS},
    PRIMARY KEY (id),
    UNIQUE (study_id, subject_id, source, specimen, analyte, version),
    FOREIGN KEY (study_id, subject_id) REFERENCES subject,
    FOREIGN KEY (analyte) REFERENCES analyte
);
CREATE INDEX ON conventional (study_id, subject_id, analyte, collected_at);
CREATE TRIGGER audit AFTER INSERT ON conventional
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audit();
CREATE TABLE bare ({_COLUMNS});
CREATE INDEX ON bare (id);
CREATE INDEX ON bare (study_id, subject_id, source, specimen, analyte, version);
CREATE INDEX ON bare (study_id, subject_id, analyte, collected_at);
INSERT INTO subject SELECT '{STUDY_ID}', ('{SUBJECT_PREFIX}' || n)::uuid
FROM generate_series(10, {9 + SUBJECTS}) n;
INSERT INTO analyte VALUES {", ".join(f"('{row[0]}')" for row in PANEL)};
"""
_COPIED = (
    "id", "study_id", "subject_id", "result_id", "version", "source", "specimen", "accession",
    "analyte", "status", "collected_at", "reported_at", "value", "unit", "lln", "uln",
    "original_value", "original_unit", "original_lln", "original_uln",
)  # fmt: skip
_INSERT = f"""
\\set subject random(10, {9 + SUBJECTS})
INSERT INTO conventional ({", ".join(_COPIED)})
SELECT id, '{STUDY_ID}', ('{SUBJECT_PREFIX}' || :subject)::uuid, id, 1, 'bench', id::text, id::text,
       'HGB', 'final', '{COLLECTED_AT}', '{REPORTED_AT}', 102, 'g/L', 115, 150,
       '10.2', 'g/dL', '11.5', '15'
FROM (SELECT uuidv7() AS id) made
"""


def make_tables(server: Postgres) -> None:
    """Make the tables that the limits are measured on."""
    server.run_sql(f"CREATE DATABASE {DATABASE}")
    server.run_sql(_SCHEMA, DATABASE)


def b1(server: Postgres, connections: int, seconds: float) -> Run:
    """Insert single rows by pgbench for some seconds."""
    return pgbench(server, DATABASE, _INSERT, connections, seconds)


def pgbench(server: Postgres, database: str, script: str, connections: int, seconds: float) -> Run:
    """Run a script with pgbench, prepared, and read its own account of every transaction."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "script.sql")
        # pgbench takes one command for a line.
        head, _, statement = script.strip().partition("\n")
        file.write_text(f"{head}\n{' '.join(statement.split())}\n", "utf-8")
        command = [
            program("pgbench"), "-n", "-M", "prepared", "-c", str(connections),
            "-j", str(min(connections, 2)), "-T", str(max(int(seconds), 1)), "-f", str(file),
            "-l", "--log-prefix", f"{folder}/log", server.database(database),
        ]  # fmt: skip
        used = server.cpu()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        used = server.cpu() - used
        if done.returncode != 0:
            raise SystemExit(f"pgbench: {done.stderr}")
        rate = float(done.stdout.partition("tps = ")[2].split()[0])
        logs = [line.split() for log in Path(folder).glob("log.*") for line in log.open()]
    times = sorted(int(line[2]) / 1e6 for line in logs)
    return Run(
        rate=rate,
        database_us=used / len(times) * 1e6,
        p50=percentile(times, 0.50),
        p99=percentile(times, 0.99),
    )


def b2(server: Postgres, rows: int, times: int = 1) -> Run:
    """COPY rows into the conventional table, `times` over on one connection."""
    return asyncio.run(_copy(server, "conventional", rows, times))


def b3(server: Postgres, rows: int, times: int = 1) -> Run:
    """COPY rows into the bare table."""
    return asyncio.run(_copy(server, "bare", rows, times))


async def _copy(server: Postgres, table: str, rows: int, times: int) -> Run:
    sources = [io.BytesIO(_lines(rows).encode()) for _ in range(times)]
    connection = await asyncpg.connect(server.database(DATABASE))
    used = server.cpu()
    started = time.perf_counter()
    for source in sources:
        await connection.copy_to_table(table, source=source, columns=_COPIED)
    took = time.perf_counter() - started
    spent = server.cpu() - used
    await connection.close()
    return Run(rate=rows * times / took, database_us=spent / (rows * times) * 1e6)


def _lines(rows: int) -> str:
    """Write rows of the panel as COPY reads them; every twenty are one specimen of a subject."""
    batch = new_id().hex
    lines = []
    for number in range(rows):
        analyte, value, unit, lln, uln = PANEL[number % len(PANEL)]
        specimen_number = number // len(PANEL)
        row_id, specimen = str(new_id()), f"B-{batch}-{specimen_number}"
        subject = f"{SUBJECT_PREFIX}{10 + specimen_number % SUBJECTS}"
        fields = (
            row_id, STUDY_ID, subject, row_id, "1", "bench", specimen, specimen, analyte, "final",
            COLLECTED_AT, REPORTED_AT, value, unit, lln, uln, value, unit, lln, uln,
        )  # fmt: skip
        lines.append("\t".join(fields) + "\n")
    return "".join(lines)
