"""The seal: a Merkle tree over the operations, written by the sealer's role and kept by no other.

An operation names its transaction, so that the sealer can follow the oldest one that still runs.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

OF_STUDIES = ("seal_entry", "seal_commitment")
OF_ALL = (
    "seal_checkpoint",
    "seal_leaf",
    "seal_node",
    "seal_rollback",
    "seal_shape",
    "seal_state",
)
# What the API states of an operation; its transaction is the database's word alone.
STATED = (
    "study_id, id, actor_id, actor_name, role, organisation, command, reason, request_id,"
    " recorded_at"
)
# Facts that come in numbers. Their operations are in order of time, so a summary of each range of
# blocks finds the rows of one without a place for every row in an index.
MANY = ("inbound_message", "lab_result")
PROGRESS = "horizon, epoch, alive_at, verifier_key"
# The age in seconds of the oldest operation without a seal, over all studies; it tells no more.
SEAL_LAG = """
CREATE FUNCTION seal_lag() RETURNS numeric LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
    SELECT coalesce((
        SELECT greatest(extract(epoch FROM clock_timestamp() - o.recorded_at), 0)
        FROM operation o
        WHERE o.transaction >= (SELECT horizon FROM seal_state)
          AND NOT EXISTS (SELECT FROM seal_entry e WHERE e.operation_id = o.id)
        ORDER BY o.transaction, o.id LIMIT 1
    ), 0)
$$
"""
# The places of the log that no operation accounts for: without a leaf, or without the header that
# the leaf is the hash of. It tells of no study whose.
SEAL_HOLES = """
CREATE FUNCTION seal_holes() RETURNS SETOF bigint LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
    SELECT place.index
    FROM generate_series(0, (SELECT max(index) FROM seal_leaf)) AS place (index)
    LEFT JOIN seal_leaf l ON l.index = place.index
    LEFT JOIN seal_entry e ON e.index = place.index
    WHERE l.hash IS DISTINCT FROM sha256('\\x00'::bytea || convert_to(e.header, 'UTF8'))
       OR strpos(e.header, '"study_id":"' || e.study_id || '"') = 0
    ORDER BY place.index
$$
"""
# Nodes are a cache of what follows from the leaves: whoever calls this can only make them right.
REBUILD_NODES = """
CREATE FUNCTION rebuild_nodes() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    height int := 0;
    mended bigint;
    total bigint := 0;
BEGIN
    WHILE (SELECT max(index) FROM seal_leaf) + 1 >= 2::bigint ^ (height + 1) LOOP
        WITH below AS (
            SELECT index, hash FROM seal_leaf WHERE height = 0
            UNION ALL SELECT index, hash FROM seal_node WHERE level = height AND height > 0
        )
        INSERT INTO seal_node (level, index, hash)
        SELECT height + 1, l.index / 2, sha256('\\x01'::bytea || l.hash || r.hash)
        FROM below l JOIN below r ON r.index = l.index + 1 WHERE l.index % 2 = 0
        ON CONFLICT (level, index) DO UPDATE SET hash = excluded.hash
        WHERE seal_node.hash <> excluded.hash;
        GET DIAGNOSTICS mended = ROW_COUNT;
        total := total + mended;
        height := height + 1;
    END LOOP;
    RETURN total;
END $$
"""
FUNCTIONS = {
    "seal_lag()": SEAL_LAG,
    "seal_holes()": SEAL_HOLES,
    "rebuild_nodes()": REBUILD_NODES,
}


def upgrade() -> None:
    op.add_column(
        "operation",
        sa.Column(
            "transaction",
            sa.BigInteger(),
            server_default=sa.text("((pg_current_xact_id())::text)::bigint"),
            nullable=False,
        ),
    )
    op.create_index(op.f("ix_operation_transaction_id"), "operation", ["transaction", "id"])
    op.execute("REVOKE INSERT ON operation FROM msc_icaht_api")
    op.execute(f"GRANT INSERT ({STATED}) ON operation TO msc_icaht_api")
    for table in MANY:
        op.create_index(
            op.f(f"ix_{table}_operation_id"),
            table,
            ["operation_id"],
            postgresql_using="brin",
            postgresql_with={"pages_per_range": 32, "autosummarize": True},
        )
    create_tables()
    op.execute("INSERT INTO seal_state DEFAULT VALUES")
    op.execute("GRANT CREATE ON SCHEMA public TO msc_icaht_audit")
    for table in (*OF_STUDIES, *OF_ALL):
        guard(table)
    for signature, body in FUNCTIONS.items():
        op.execute(body)
        op.execute(f"ALTER FUNCTION {signature} OWNER TO msc_icaht_audit")
    op.execute("REVOKE EXECUTE ON FUNCTION rebuild_nodes() FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION rebuild_nodes() TO msc_icaht_sealer")
    op.execute("REVOKE CREATE ON SCHEMA public FROM msc_icaht_audit")


def guard(table: str) -> None:
    """Let the sealer add, the API read its studies, and nobody take away."""
    changes = "" if table == "seal_state" else "UPDATE OR "
    op.execute(
        f"CREATE TRIGGER {table}_refuse BEFORE {changes}DELETE OR TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse()"
    )
    op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_refuse")
    op.execute(f"GRANT SELECT ON {table} TO msc_icaht_api, msc_icaht_sealer")
    if table == "seal_state":
        op.execute(f"GRANT UPDATE ({PROGRESS}) ON seal_state TO msc_icaht_sealer")
    else:
        op.execute(f"GRANT INSERT ON {table} TO msc_icaht_sealer")
    if table in OF_STUDIES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY own_study ON {table} FOR SELECT TO msc_icaht_api"
            " USING (study_id = ANY ((SELECT current_studies())::uuid[]))"
        )
        op.execute(f"CREATE POLICY every_study ON {table} TO msc_icaht_sealer USING (true)")
    op.execute(f"ALTER TABLE {table} OWNER TO msc_icaht_audit")


def create_tables() -> None:
    op.create_table(
        "seal_leaf",
        sa.Column("index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("index", name=op.f("pk_seal_leaf")),
    )
    op.create_table(
        "seal_entry",
        sa.Column("index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("operation_id", sa.Uuid(), nullable=False),
        sa.Column("header", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("index", name=op.f("pk_seal_entry")),
        sa.UniqueConstraint("operation_id", name=op.f("uq_seal_entry_operation_id")),
    )
    op.create_table(
        "seal_commitment",
        sa.Column("index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=True),
        sa.Column("commit", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("index", "position", name=op.f("pk_seal_commitment")),
    )
    op.create_table(
        "seal_node",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "index", name=op.f("pk_seal_node")),
    )
    op.create_table(
        "seal_shape",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("columns", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_seal_shape")),
    )
    op.create_table(
        "seal_checkpoint",
        sa.Column("epoch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("epoch", "size", name=op.f("pk_seal_checkpoint")),
    )
    op.create_table(
        "seal_rollback",
        sa.Column("epoch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("epoch", name=op.f("pk_seal_rollback")),
    )
    op.create_table(
        "seal_state",
        sa.Column("single", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("log_id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("horizon", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("epoch", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("alive_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verifier_key", sa.Text(), nullable=True),
        sa.CheckConstraint("single", name=op.f("ck_seal_state_single")),
        sa.PrimaryKeyConstraint("single", name=op.f("pk_seal_state")),
    )


def downgrade() -> None:
    for signature in FUNCTIONS:
        op.execute(f"DROP FUNCTION {signature}")
    for table in (*OF_ALL, *OF_STUDIES):
        op.drop_table(table)
    for table in MANY:
        op.drop_index(op.f(f"ix_{table}_operation_id"), table)
    op.execute(f"REVOKE INSERT ({STATED}) ON operation FROM msc_icaht_api")
    op.execute("GRANT INSERT ON operation TO msc_icaht_api")
    op.drop_index(op.f("ix_operation_transaction_id"), "operation")
    op.drop_column("operation", "transaction")
