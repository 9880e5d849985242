"""Let laboratory systems have clients that sign with keys of their own, each assertion once."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

DOOR = """
CREATE FUNCTION enter_by_client(the_client uuid) RETURNS uuid[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN enter((SELECT array_agg(study_id) FROM machine_client WHERE id = the_client));
END $$
"""
# Who comes second with the same assertion waits for the first one's end, and then gets nothing.
# What expired a while ago is refused by every process's clock.
SPEND = """
CREATE FUNCTION spend_assertion(
    the_client uuid, the_token text, the_end timestamptz, the_moment timestamptz
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM client_assertion WHERE expires_at < the_moment - interval '1 hour';
    INSERT INTO client_assertion (client_id, token_id, expires_at)
    VALUES (the_client, the_token, the_end) ON CONFLICT DO NOTHING;
    RETURN FOUND;
END $$
"""
FUNCTIONS = (
    "enter_by_client(uuid)",
    "spend_assertion(uuid, text, timestamptz, timestamptz)",
)


def upgrade() -> None:
    op.create_table(
        "machine_client",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sender_id", sa.Uuid(), nullable=False),
        sa.Column("jwks", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
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
        sa.CheckConstraint("cardinality(scopes) > 0", name=op.f("ck_machine_client_scopes")),
        sa.CheckConstraint(
            "jsonb_array_length(jwks -> 'keys') > 0", name=op.f("ck_machine_client_jwks")
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "operation_id"],
            ["operation.study_id", "operation.id"],
            name=op.f("fk_machine_client_study_id_operation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "sender_id"],
            ["sender.study_id", "sender.id"],
            name=op.f("fk_machine_client_study_id_sender_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f("fk_machine_client_study_id")
        ),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_machine_client")),
        sa.UniqueConstraint("id", name=op.f("uq_machine_client_id")),
    )
    op.create_index(
        op.f("ix_machine_client_study_id_sender_id"), "machine_client", ["study_id", "sender_id"]
    )
    op.execute("SELECT guard('machine_client', 'record')")
    op.execute("SELECT wall_sites('machine_client', 'sender_id IN (SELECT id FROM sender)')")
    op.create_table(
        "client_assertion",
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("token_id", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("client_id", "token_id", name=op.f("pk_client_assertion")),
    )
    op.create_index(op.f("ix_client_assertion_expires_at"), "client_assertion", ["expires_at"])
    op.execute(DOOR)
    op.execute(SPEND)
    for function in FUNCTIONS:
        op.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO msc_icaht_api")


def downgrade() -> None:
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    op.drop_table("client_assertion")
    op.drop_table("machine_client")
