"""The functions of the audit trail: no actor no write, no reason no change, nothing removed."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# After a transaction-local set_config the setting is '' on a pooled connection, not NULL.
CURRENT_OPERATION = """
CREATE FUNCTION current_operation() RETURNS uuid LANGUAGE plpgsql STABLE AS $$
DECLARE
    operation_id uuid := nullif(current_setting('app.operation_id', true), '')::uuid;
BEGIN
    IF operation_id IS NULL THEN
        RAISE EXCEPTION 'no actor: a write needs an operation' USING ERRCODE = '28000';
    END IF;
    RETURN operation_id;
END $$
"""

WRITE_INSERTS = """
CREATE FUNCTION write_inserts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO change (study_id, operation_id, table_name, record_id, action, new, recorded_at)
    SELECT study_id, current_operation(), TG_TABLE_NAME, id, 'insert', to_jsonb(n),
           n.recorded_at
    FROM new_rows n;
    RETURN NULL;
END $$
"""

WRITE_UPDATES = """
CREATE FUNCTION write_updates() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM new_rows) AND NOT EXISTS (
        SELECT FROM operation WHERE id = current_operation() AND btrim(reason) <> ''
    ) THEN
        RAISE EXCEPTION 'no reason: a change to existing data needs one'
            USING ERRCODE = '23514', CONSTRAINT = 'change_needs_reason';
    END IF;
    INSERT INTO change
        (study_id, operation_id, table_name, record_id, action, old, new, recorded_at)
    SELECT n.study_id, current_operation(), TG_TABLE_NAME, n.id, 'update', to_jsonb(o),
           to_jsonb(n), clock_timestamp()
    FROM new_rows n JOIN old_rows o USING (study_id, id);
    RETURN NULL;
END $$
"""

COUNT_VERSION = """
CREATE FUNCTION count_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.study_id, NEW.id, NEW.operation_id, NEW.recorded_at)
        IS DISTINCT FROM (OLD.study_id, OLD.id, OLD.operation_id, OLD.recorded_at)
    THEN
        RAISE EXCEPTION 'the key and the origin of a row never change' USING ERRCODE = '55000';
    END IF;
    NEW.version := OLD.version + 1;
    RETURN NEW;
END $$
"""

REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: records are kept', TG_OP, TG_TABLE_NAME
        USING ERRCODE = '55000';
END $$
"""

FUNCTIONS = ("current_operation", "write_inserts", "write_updates", "count_version", "refuse")


def upgrade() -> None:
    for body in (CURRENT_OPERATION, WRITE_INSERTS, WRITE_UPDATES, COUNT_VERSION, REFUSE):
        op.execute(body)


def downgrade() -> None:
    for name in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {name}()")
