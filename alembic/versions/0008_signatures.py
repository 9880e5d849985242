"""Add e-signatures, bound to the bytes of what was signed, and the log of the power to sign."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

MEANINGS = ("authored", "reviewed", "approved", "responsible")
ROLES = (
    "principal_investigator", "sub_investigator", "study_coordinator", "data_manager", "monitor",
    "cell_laboratory", "laboratory_system", "sponsor", "safety_committee", "auditor",
    "administrator",
)  # fmt: skip
EVENTS = (
    "wrong_secret", "secret_proved", "signing_locked", "signing_unlocked", "refused_while_locked",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "signature",
        *keys(),
        sa.Column("record_type", sa.Text(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("record_version", sa.Integer(), nullable=True),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("meaning", word("meaning", MEANINGS), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("signer_id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("printed_name", sa.Text(), nullable=False),
        sa.Column("role", word("role", ROLES), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("auth_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acr", sa.Text(), nullable=False),
        *origin(),
        sa.CheckConstraint(
            "digest = encode(sha256(convert_to(document, 'UTF8')), 'hex')",
            name=op.f("ck_signature_digest"),
        ),
        sa.CheckConstraint(
            "document::jsonb ->> 'record_type' = record_type"
            " AND document::jsonb ->> 'record_id' = record_id::text",
            name=op.f("ck_signature_document"),
        ),
        *references("signature", "signer_id"),
        sa.ForeignKeyConstraint(
            ["study_id", "subject_id"],
            ["subject.study_id", "subject.id"],
            name=op.f("fk_signature_study_id_subject_id"),
        ),
    )
    op.create_index(
        op.f("ix_signature_study_id_record_type_record_id"),
        "signature",
        ["study_id", "record_type", "record_id"],
    )
    op.create_index(op.f("ix_signature_study_id_signer_id"), "signature", ["study_id", "signer_id"])
    op.create_index(
        op.f("ix_signature_study_id_subject_id"), "signature", ["study_id", "subject_id"]
    )
    op.create_table(
        "security_event",
        *keys(),
        sa.Column("principal_id", sa.Uuid(), nullable=False),
        sa.Column("kind", word("kind", EVENTS), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        *origin(),
        *references("security_event", "principal_id"),
    )
    op.create_index(
        op.f("ix_security_event_study_id_principal_id_id"),
        "security_event",
        ["study_id", "principal_id", "id"],
    )
    for table in ("signature", "security_event"):
        op.execute(f"SELECT guard('{table}', 'fact')")
    op.execute(
        "SELECT wall_sites('signature',"
        " 'subject_id IS NULL OR subject_id IN (SELECT id FROM subject)')"
    )


def keys() -> tuple[sa.Column[Any], ...]:
    """Return the columns that every table of a study is found by."""
    return (
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
    )


def origin() -> tuple[sa.Column[Any], ...]:
    """Return the columns that say which operation wrote a row, and when."""
    return (
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
    )


def word(name: str, words: tuple[str, ...]) -> sa.Enum:
    """Return the column type of a vocabulary word."""
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)


def references(table: str, person: str) -> tuple[sa.Constraint, ...]:
    """Return the keys of a table, each reference within its own study."""
    return (
        sa.ForeignKeyConstraint(
            ["study_id", "operation_id"],
            ["operation.study_id", "operation.id"],
            name=op.f(f"fk_{table}_study_id_operation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", person],
            ["principal.study_id", "principal.id"],
            name=op.f(f"fk_{table}_study_id_{person}"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f(f"fk_{table}_study_id")
        ),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f(f"pk_{table}")),
    )


def downgrade() -> None:
    op.drop_table("security_event")
    op.drop_table("signature")
