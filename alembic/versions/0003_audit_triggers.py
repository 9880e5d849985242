"""Put the audit triggers on every table: changes are written, history is refused to change."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Tables whose rows may change: every change goes to the trail, no row is ever removed.
RECORDS = (
    "adverse_event",
    "assessment",
    "concomitant_medication",
    "infusion",
    "product_bag",
    "product_lot",
    "subject",
    "transfusion",
)
# Tables whose rows never change: each row is its own audit record.
FACTS = (
    "attestation",
    "change",
    "cohort",
    "decision_verdict",
    "disposition",
    "dlt_adjudication",
    "enrolment",
    "escalation_decision",
    "lab_result",
    "operation",
    "principal",
    "protocol_activation",
    "protocol_version",
    "role_grant",
    "site",
    "study",
)


def upgrade() -> None:
    for table in RECORDS:
        create(table, "count_version", "BEFORE UPDATE", "FOR EACH ROW EXECUTE")
        create(
            table, "write_inserts", "AFTER INSERT",
            "REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE",
        )  # fmt: skip
        create(
            table, "write_updates", "AFTER UPDATE",
            "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE",
        )  # fmt: skip
        create(table, "refuse", "BEFORE DELETE OR TRUNCATE", "FOR EACH STATEMENT EXECUTE")
    for table in FACTS:
        create(table, "refuse", "BEFORE UPDATE OR DELETE OR TRUNCATE", "FOR EACH STATEMENT EXECUTE")


def create(table: str, function: str, event: str, execute: str) -> None:
    """Create one trigger that fires in every replication role, too."""
    name = f"{table}_{function}"
    op.execute(f"CREATE TRIGGER {name} {event} ON {table} {execute} FUNCTION {function}()")
    op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")


def downgrade() -> None:
    functions = dict.fromkeys(FACTS, ("refuse",))
    functions |= dict.fromkeys(
        RECORDS, ("refuse", "write_updates", "write_inserts", "count_version")
    )
    for table, names in functions.items():
        for name in names:
            op.execute(f"DROP TRIGGER {table}_{name} ON {table}")
