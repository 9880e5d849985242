"""Let dispositions be corrected and retracted: a record with versions and a trail, like the others.

The past of a record is read from the trail, so the dispositions that are here get their first
entries, dated as they were recorded.
"""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLE = "disposition"
# Rows that came back from a downgrade have their entries already.
FILL_TRAIL = """
INSERT INTO change (study_id, operation_id, table_name, record_id, action, new, recorded_at)
SELECT study_id, operation_id, 'disposition', id, 'insert', to_jsonb(d), recorded_at
FROM disposition d
WHERE NOT EXISTS (
    SELECT FROM change
    WHERE change.study_id = d.study_id AND table_name = 'disposition' AND record_id = d.id
)
ORDER BY id
"""
# Without its versions a correction would be gone, and a retracted exit would count again.
CHECK_UNCHANGED = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM disposition WHERE version > 1) THEN
        RAISE EXCEPTION 'dispositions were corrected: records are kept' USING ERRCODE = '55000';
    END IF;
END $$
"""
ROWS = "FOR EACH ROW EXECUTE"
STATEMENT = "FOR EACH STATEMENT EXECUTE"
OF_RECORDS = {
    "count_version": f"BEFORE UPDATE ON {TABLE} {ROWS}",
    "write_inserts": f"AFTER INSERT ON {TABLE} REFERENCING NEW TABLE AS new_rows {STATEMENT}",
    "write_updates": (
        f"AFTER UPDATE ON {TABLE}"
        f" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows {STATEMENT}"
    ),
    "refuse": f"BEFORE DELETE OR TRUNCATE ON {TABLE} {STATEMENT}",
}
OF_FACTS = {"refuse": f"BEFORE UPDATE OR DELETE OR TRUNCATE ON {TABLE} {STATEMENT}"}


def upgrade() -> None:
    drop_triggers(OF_FACTS)
    op.add_column(
        TABLE, sa.Column("retracted", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column(
        TABLE, sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False)
    )
    op.drop_constraint(op.f("uq_disposition_study_id_subject_id_event"), TABLE, type_="unique")
    op.create_index(
        "uq_disposition_event",
        TABLE,
        ["study_id", "subject_id", "event"],
        unique=True,
        postgresql_where=sa.text("NOT retracted"),
    )
    op.execute(FILL_TRAIL)
    create_triggers(OF_RECORDS)


def create_triggers(triggers: dict[str, str]) -> None:
    """Create triggers that fire in every replication role, too."""
    for function, when in triggers.items():
        op.execute(f"CREATE TRIGGER {TABLE}_{function} {when} FUNCTION {function}()")
        op.execute(f"ALTER TABLE {TABLE} ENABLE ALWAYS TRIGGER {TABLE}_{function}")


def drop_triggers(triggers: dict[str, str]) -> None:
    """Drop triggers."""
    for function in triggers:
        op.execute(f"DROP TRIGGER {TABLE}_{function} ON {TABLE}")


def downgrade() -> None:
    op.execute(CHECK_UNCHANGED)
    drop_triggers(OF_RECORDS)
    op.drop_index("uq_disposition_event", table_name=TABLE)
    op.create_unique_constraint(
        op.f("uq_disposition_study_id_subject_id_event"), TABLE, ["study_id", "subject_id", "event"]
    )
    op.drop_column(TABLE, "version")
    op.drop_column(TABLE, "retracted")
    create_triggers(OF_FACTS)
