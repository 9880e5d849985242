"""Laboratory systems: senders, sealed messages, the inbox, identifiers, and how results stand."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

RECORDS = ("inbox_item", "sender", "sender_key", "subject_identifier")
FACTS = ("inbound_message", "sender_profile")
# The results that are here were stated when they were recorded, one version after the other.
FILL_STANDING = """
UPDATE lab_result SET stated_at = recorded_at,
    weight = CASE status WHEN 'preliminary' THEN 0 WHEN 'final' THEN 1 ELSE 2 END,
    standing = CASE status
    WHEN 'preliminary' THEN 1 WHEN 'final' THEN 2 WHEN 'cancelled' THEN 2
    WHEN 'entered_in_error' THEN 4 ELSE 3 END
"""


def upgrade() -> None:
    op.create_table(
        "sender",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("principal_id", sa.Uuid(), nullable=False),
        sa.Column("sending_application", sa.Text(), nullable=True),
        sa.Column("sending_facility", sa.Text(), nullable=True),
        sa.Column("analytes", sa.ARRAY(sa.Text()), nullable=True),
        sa.Column("networks", sa.ARRAY(sa.Text()), nullable=True),
        sa.Column("certificates", sa.ARRAY(sa.Text()), nullable=True),
        sa.Column("rate_per_minute", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint(
            "rate_per_minute BETWEEN 1 AND 1000000", name=op.f("ck_sender_rate_per_minute")
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "operation_id"],
            ["operation.study_id", "operation.id"],
            name=op.f("fk_sender_study_id_operation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "principal_id"],
            ["principal.study_id", "principal.id"],
            name=op.f("fk_sender_study_id_principal_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "site_id"],
            ["site.study_id", "site.id"],
            name=op.f("fk_sender_study_id_site_id"),
        ),
        sa.ForeignKeyConstraint(["study_id"], ["study.study_id"], name=op.f("fk_sender_study_id")),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_sender")),
        sa.UniqueConstraint("study_id", "code", name=op.f("uq_sender_study_id_code")),
        sa.UniqueConstraint(
            "study_id", "principal_id", name=op.f("uq_sender_study_id_principal_id")
        ),
    )
    op.create_table(
        "inbound_message",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sender_id", sa.Uuid(), nullable=True),
        sa.Column("profile_number", sa.Integer(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "door",
            sa.Enum(
                "hl7v2",
                "mllp",
                "fhir",
                "csv",
                name="door",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("control_id", sa.Text(), nullable=True),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("charset", sa.Text(), nullable=True),
        sa.Column("flags", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.Column("results", sa.Integer(), nullable=False),
        sa.Column("filed", sa.Integer(), nullable=False),
        sa.Column("duplicates", sa.Integer(), nullable=False),
        sa.Column("inbox", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "results = filed + duplicates + inbox + refused",
            name=op.f("ck_inbound_message_balance"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "operation_id"],
            ["operation.study_id", "operation.id"],
            name=op.f("fk_inbound_message_study_id_operation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "sender_id"],
            ["sender.study_id", "sender.id"],
            name=op.f("fk_inbound_message_study_id_sender_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f("fk_inbound_message_study_id")
        ),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_inbound_message")),
    )
    op.create_index(
        op.f("ix_inbound_message_study_id_digest"),
        "inbound_message",
        ["study_id", "digest"],
        unique=False,
    )
    op.create_index(
        op.f("ix_inbound_message_study_id_sender_id_control_id"),
        "inbound_message",
        ["study_id", "sender_id", "control_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_inbound_message_study_id_sender_id_received_at"),
        "inbound_message",
        ["study_id", "sender_id", "received_at"],
        unique=False,
    )
    op.create_table(
        "sender_key",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sender_id", sa.Uuid(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("revoked", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id", "operation_id"],
            ["operation.study_id", "operation.id"],
            name=op.f("fk_sender_key_study_id_operation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "sender_id"],
            ["sender.study_id", "sender.id"],
            name=op.f("fk_sender_key_study_id_sender_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f("fk_sender_key_study_id")
        ),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_sender_key")),
        sa.UniqueConstraint("study_id", "prefix", name=op.f("uq_sender_key_study_id_prefix")),
    )
    op.create_index(op.f("ix_sender_key_prefix"), "sender_key", ["prefix"], unique=False)
    op.create_table(
        "sender_profile",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sender_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("document", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("number >= 1", name=op.f("ck_sender_profile_number")),
        sa.ForeignKeyConstraint(
            ["study_id", "operation_id"],
            ["operation.study_id", "operation.id"],
            name=op.f("fk_sender_profile_study_id_operation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "sender_id"],
            ["sender.study_id", "sender.id"],
            name=op.f("fk_sender_profile_study_id_sender_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f("fk_sender_profile_study_id")
        ),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_sender_profile")),
        sa.UniqueConstraint(
            "study_id",
            "sender_id",
            "number",
            name=op.f("uq_sender_profile_study_id_sender_id_number"),
        ),
    )
    op.create_table(
        "subject_identifier",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "patient",
                "specimen",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("retracted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id", "operation_id"],
            ["operation.study_id", "operation.id"],
            name=op.f("fk_subject_identifier_study_id_operation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "site_id"],
            ["site.study_id", "site.id"],
            name=op.f("fk_subject_identifier_study_id_site_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "subject_id"],
            ["subject.study_id", "subject.id"],
            name=op.f("fk_subject_identifier_study_id_subject_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f("fk_subject_identifier_study_id")
        ),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_subject_identifier")),
    )
    op.create_index(
        op.f("ix_subject_identifier_study_id_subject_id"),
        "subject_identifier",
        ["study_id", "subject_id"],
        unique=False,
    )
    op.create_index(
        "uq_subject_identifier_token",
        "subject_identifier",
        ["study_id", "token"],
        unique=True,
        postgresql_where=sa.text("NOT retracted"),
    )
    op.create_table(
        "inbox_item",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("sender_id", sa.Uuid(), nullable=True),
        sa.Column(
            "kind",
            sa.Enum(
                "result",
                "message",
                "task",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.Column("results", sa.Integer(), nullable=False),
        sa.Column("reasons", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("analyte", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("code_system", sa.Text(), nullable=True),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.Column("tokens", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("specimen", sa.Text(), nullable=True),
        sa.Column("stated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("lab_result_id", sa.Uuid(), nullable=True),
        sa.Column(
            "status",
            sa.Enum(
                "open",
                "filed",
                "duplicate",
                "rejected",
                "done",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint(
            "(kind = 'message') = (position IS NULL)", name=op.f("ck_inbox_item_position")
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "message_id"],
            ["inbound_message.study_id", "inbound_message.id"],
            name=op.f("fk_inbox_item_study_id_message_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "operation_id"],
            ["operation.study_id", "operation.id"],
            name=op.f("fk_inbox_item_study_id_operation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "sender_id"],
            ["sender.study_id", "sender.id"],
            name=op.f("fk_inbox_item_study_id_sender_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "subject_id"],
            ["subject.study_id", "subject.id"],
            name=op.f("fk_inbox_item_study_id_subject_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f("fk_inbox_item_study_id")
        ),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_inbox_item")),
    )
    op.create_index(
        op.f("ix_inbox_item_study_id_sender_id_status"),
        "inbox_item",
        ["study_id", "sender_id", "status"],
        unique=False,
    )
    op.create_index(
        op.f("ix_inbox_item_study_id_status_id"),
        "inbox_item",
        ["study_id", "status", "id"],
        unique=False,
    )
    op.create_index(
        "uq_inbox_item_result",
        "inbox_item",
        ["study_id", "message_id", "position"],
        unique=True,
        postgresql_where=sa.text("kind = 'result'"),
    )
    op.add_column(
        "lab_result",
        sa.Column(
            "collected_precision",
            sa.Enum(
                "day",
                "hour",
                "minute",
                "second",
                name="collected_precision",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            server_default=sa.text("'second'"),
            nullable=False,
        ),
    )
    op.add_column("lab_result", sa.Column("stated_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "lab_result",
        sa.Column("weight", sa.Integer(), server_default=sa.text("2"), nullable=False),
    )
    op.add_column("lab_result", sa.Column("standing", sa.Integer(), nullable=True))
    op.add_column("lab_result", sa.Column("original_code", sa.Text(), nullable=True))
    op.add_column("lab_result", sa.Column("original_range", sa.Text(), nullable=True))
    op.add_column("lab_result", sa.Column("original_flags", sa.Text(), nullable=True))
    op.add_column("lab_result", sa.Column("original_status", sa.Text(), nullable=True))
    op.add_column("lab_result", sa.Column("original_collected", sa.Text(), nullable=True))
    op.add_column("lab_result", sa.Column("message_id", sa.Uuid(), nullable=True))
    op.add_column("lab_result", sa.Column("position", sa.Integer(), nullable=True))
    op.create_index(
        op.f("ix_lab_result_study_id_source_specimen"),
        "lab_result",
        ["study_id", "source", "specimen"],
        unique=False,
    )
    op.create_index(
        op.f("ix_lab_result_study_id_message_id"),
        "lab_result",
        ["study_id", "message_id"],
        unique=False,
        postgresql_where=sa.text("message_id IS NOT NULL"),
    )
    op.create_foreign_key(
        op.f("fk_lab_result_study_id_message_id"),
        "lab_result",
        "inbound_message",
        ["study_id", "message_id"],
        ["study_id", "id"],
        initially="DEFERRED",
        deferrable=True,
    )
    fill_standing()
    for table in RECORDS:
        watch(table, "count_version", "BEFORE UPDATE", "FOR EACH ROW EXECUTE")
        watch(
            table, "write_inserts", "AFTER INSERT",
            "REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE",
        )  # fmt: skip
        watch(
            table, "write_updates", "AFTER UPDATE",
            "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE",
        )  # fmt: skip
        watch(table, "refuse", "BEFORE DELETE OR TRUNCATE", "FOR EACH STATEMENT EXECUTE")
    for table in FACTS:
        watch(table, "refuse", "BEFORE UPDATE OR DELETE OR TRUNCATE", "FOR EACH STATEMENT EXECUTE")


def fill_standing() -> None:
    """Derive the new columns from what the rows say; nothing recorded is changed."""
    op.execute("ALTER TABLE lab_result DISABLE TRIGGER lab_result_refuse")
    op.execute(FILL_STANDING)
    op.execute("ALTER TABLE lab_result ENABLE ALWAYS TRIGGER lab_result_refuse")
    # The deferred foreign key's events have to run before the table's shape changes again.
    op.execute("SET CONSTRAINTS ALL IMMEDIATE")
    op.alter_column("lab_result", "stated_at", nullable=False)
    op.alter_column("lab_result", "standing", nullable=False)


def watch(table: str, function: str, event: str, execute: str) -> None:
    """Create one audit trigger that fires in every replication role, too."""
    name = f"{table}_{function}"
    op.execute(f"CREATE TRIGGER {name} {event} ON {table} {execute} FUNCTION {function}()")
    op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")


def downgrade() -> None:
    op.drop_constraint(op.f("fk_lab_result_study_id_message_id"), "lab_result", type_="foreignkey")
    op.drop_index(op.f("ix_lab_result_study_id_source_specimen"), table_name="lab_result")
    op.drop_index(
        op.f("ix_lab_result_study_id_message_id"),
        table_name="lab_result",
        postgresql_where=sa.text("message_id IS NOT NULL"),
    )
    op.drop_column("lab_result", "position")
    op.drop_column("lab_result", "message_id")
    op.drop_column("lab_result", "original_collected")
    op.drop_column("lab_result", "original_status")
    op.drop_column("lab_result", "original_flags")
    op.drop_column("lab_result", "original_range")
    op.drop_column("lab_result", "original_code")
    op.drop_column("lab_result", "standing")
    op.drop_column("lab_result", "weight")
    op.drop_column("lab_result", "stated_at")
    op.drop_column("lab_result", "collected_precision")
    op.drop_index(
        "uq_inbox_item_result", table_name="inbox_item", postgresql_where=sa.text("kind = 'result'")
    )
    op.drop_index(op.f("ix_inbox_item_study_id_status_id"), table_name="inbox_item")
    op.drop_index(op.f("ix_inbox_item_study_id_sender_id_status"), table_name="inbox_item")
    op.drop_table("inbox_item")
    op.drop_index(
        "uq_subject_identifier_token",
        table_name="subject_identifier",
        postgresql_where=sa.text("NOT retracted"),
    )
    op.drop_index(
        op.f("ix_subject_identifier_study_id_subject_id"), table_name="subject_identifier"
    )
    op.drop_table("subject_identifier")
    op.drop_table("sender_profile")
    op.drop_index(op.f("ix_sender_key_prefix"), table_name="sender_key")
    op.drop_table("sender_key")
    op.drop_index(
        op.f("ix_inbound_message_study_id_sender_id_received_at"), table_name="inbound_message"
    )
    op.drop_index(
        op.f("ix_inbound_message_study_id_sender_id_control_id"), table_name="inbound_message"
    )
    op.drop_index(op.f("ix_inbound_message_study_id_digest"), table_name="inbound_message")
    op.drop_table("inbound_message")
    op.drop_table("sender")
