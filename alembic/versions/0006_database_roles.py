"""Give the service roles that can do no more than their work, and wall the studies off.

Nobody but the trail's own functions writes the trail, and the API sees rows of its request's
studies only. The roles are the cluster's, so another database may have made them already.
"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ROLES = {"msc_icaht_api": "LOGIN", "msc_icaht_sealer": "LOGIN", "msc_icaht_audit": "NOLOGIN"}
RECORDS = (
    "adverse_event",
    "assessment",
    "concomitant_medication",
    "disposition",
    "inbox_item",
    "infusion",
    "product_bag",
    "product_lot",
    "sender",
    "sender_key",
    "subject",
    "subject_identifier",
    "transfusion",
)
FACTS = (
    "attestation",
    "cohort",
    "decision_verdict",
    "dlt_adjudication",
    "enrolment",
    "escalation_decision",
    "inbound_message",
    "lab_result",
    "operation",
    "principal",
    "protocol_activation",
    "protocol_version",
    "role_grant",
    "sender_profile",
    "site",
    "study",
)
# Locking a row asks for the right to update one of its columns; an update is refused all the same.
LOCKED = {"study": "study_id", "lab_result": "id"}
# What the audit owner keeps: the trail, and who wrote it.
TRAIL = ("change", "operation")
WRITERS = ("write_inserts", "write_updates")

# After a transaction-local set_config the setting is '' on a pooled connection, not NULL.
CURRENT_STUDIES = """
CREATE FUNCTION current_studies() RETURNS uuid[] LANGUAGE sql STABLE AS $$
    SELECT nullif(current_setting('app.study_ids', true), '')::uuid[]
$$
"""
ENTER = """
CREATE FUNCTION enter(studies uuid[]) RETURNS uuid[] LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.study_ids', coalesce(studies, '{}')::text, true);
    RETURN studies;
END $$
"""
# The doors: each opens the studies that who knocks belongs to, and tells nothing else. What they
# may do there is read afterwards, inside the wall.
DOORS = {
    "enter_by_identity(the_issuer text, the_subject text, the_study text)": """
        SELECT array_agg(DISTINCT study.study_id) FROM principal JOIN study USING (study_id)
        WHERE issuer = the_issuer AND subject = the_subject
          AND (the_study IS NULL OR study.key = the_study)
    """,
    "enter_by_key(the_prefix text)": """
        SELECT array_agg(DISTINCT study_id) FROM sender_key WHERE prefix = the_prefix
    """,
    "enter_by_certificate(the_digest text)": """
        SELECT array_agg(DISTINCT study_id) FROM sender WHERE the_digest = ANY (certificates)
    """,
    "enter_by_study(the_study text)": """
        SELECT array_agg(study_id) FROM study WHERE key = the_study
    """,
}
DOOR = """
CREATE FUNCTION {} RETURNS uuid[] LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    RETURN enter(({}));
END $$
"""
# Whoever breaks into the service must not write into the past: not under an operation of another
# transaction, and not with another time than the database's. Results of several requests share a
# transaction, each under its own operation.
CHECK_ORIGIN = """
CREATE FUNCTION check_origin() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    written_under uuid[];
BEGIN
    IF current_user <> 'msc_icaht_api' OR NOT EXISTS (SELECT FROM new_rows) THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        written_under := ARRAY[current_operation()];
    ELSE
        written_under := (SELECT array_agg(DISTINCT operation_id) FROM new_rows);
    END IF;
    IF EXISTS (
        SELECT FROM unnest(written_under) AS named WHERE NOT EXISTS (
            SELECT FROM operation WHERE id = named
            AND transaction = pg_current_xact_id()::text::bigint
        )
    ) THEN
        RAISE EXCEPTION 'an operation is written under in its own transaction only'
            USING ERRCODE = '28000';
    END IF;
    IF TG_OP = 'INSERT' AND EXISTS (
        SELECT FROM new_rows
        WHERE recorded_at NOT BETWEEN transaction_timestamp() AND clock_timestamp()
    ) THEN
        RAISE EXCEPTION 'a row is of the moment in which it is written' USING ERRCODE = '55000';
    END IF;
    RETURN NULL;
END $$
"""
CHECK_MOMENT = """
CREATE FUNCTION check_moment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_user = 'msc_icaht_api' AND EXISTS (
        SELECT FROM new_rows
        WHERE recorded_at NOT BETWEEN transaction_timestamp() AND clock_timestamp()
    ) THEN
        RAISE EXCEPTION 'an operation is of the moment in which it is written'
            USING ERRCODE = '55000';
    END IF;
    RETURN NULL;
END $$
"""
WALL_OFF = """
CREATE FUNCTION wall_off(tab regclass, kind text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    act text;
    own_name text;
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tab);
    EXECUTE format(
        'CREATE POLICY own_study ON %s TO msc_icaht_api'
        ' USING (study_id = ANY ((SELECT current_studies())::uuid[]))', tab);
    EXECUTE format('CREATE POLICY every_study ON %s FOR SELECT TO msc_icaht_sealer USING (true)',
                   tab);
    EXECUTE format('GRANT SELECT ON %s TO msc_icaht_api, msc_icaht_sealer', tab);
    EXECUTE format('GRANT INSERT %s ON %s TO msc_icaht_api',
                   CASE kind WHEN 'record' THEN ', UPDATE' ELSE '' END, tab);
    FOREACH act IN ARRAY CASE
        WHEN NOT EXISTS (SELECT FROM pg_attribute
                         WHERE attrelid = tab AND attname = 'operation_id') THEN '{}'
        WHEN kind = 'record' THEN '{insert,update}' ELSE '{insert}' END::text[]
    LOOP
        own_name := (SELECT relname FROM pg_class WHERE oid = tab) || '_check_' || act || 's';
        EXECUTE format('CREATE TRIGGER %I AFTER %s ON %s REFERENCING NEW TABLE AS new_rows'
                       ' FOR EACH STATEMENT EXECUTE FUNCTION check_origin()', own_name, act, tab);
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', tab, own_name);
    END LOOP;
END $$
"""
GUARD = """
CREATE FUNCTION guard(tab regclass, kind text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    own_name text := (SELECT relname FROM pg_class WHERE oid = tab);
    each record;
BEGIN
    FOR each IN
        SELECT * FROM (VALUES
            ('fact', 'refuse', 'BEFORE UPDATE OR DELETE OR TRUNCATE', 'FOR EACH STATEMENT'),
            ('record', 'refuse', 'BEFORE DELETE OR TRUNCATE', 'FOR EACH STATEMENT'),
            ('record', 'count_version', 'BEFORE UPDATE', 'FOR EACH ROW'),
            ('record', 'write_inserts', 'AFTER INSERT',
             'REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT'),
            ('record', 'write_updates', 'AFTER UPDATE',
             'REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT')
        ) AS triggers (of_kind, function, event, scope)
        WHERE of_kind = kind
    LOOP
        EXECUTE format('CREATE TRIGGER %I %s ON %s %s EXECUTE FUNCTION %I()',
                       own_name || '_' || each.function, each.event, tab, each.scope,
                       each.function);
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I',
                       tab, own_name || '_' || each.function);
    END LOOP;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a table is guarded as fact or as record, not as %', kind;
    END IF;
    PERFORM wall_off(tab, kind);
END $$
"""
FUNCTIONS = ("current_studies()", "enter(uuid[])", "check_origin()", "check_moment()",
             "wall_off(regclass, text)", "guard(regclass, text)")  # fmt: skip
# Of a database role, all databases of the cluster may hold something.
DROP_ROLE = """
DO $$ BEGIN
    DROP ROLE {0};
EXCEPTION WHEN dependent_objects_still_exist THEN
    RAISE NOTICE '{0} is used by another database';
END $$
"""
CREATE_ROLE = """
DO $$ BEGIN
    CREATE ROLE {} {} NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""


def upgrade() -> None:
    for role, login in ROLES.items():
        op.execute(CREATE_ROLE.format(role, login))
        op.execute(f"GRANT USAGE ON SCHEMA public TO {role}")
    create_functions()
    build_walls()
    give_to("msc_icaht_audit")
    for function in WRITERS:
        op.execute(
            f"ALTER FUNCTION {function}() SECURITY DEFINER SET search_path = public, pg_temp"
        )
    forbid_temporary_tables("REVOKE", "FROM")


def create_functions() -> None:
    """Create the doors, and what guards a table."""
    for statement in (CURRENT_STUDIES, ENTER, CHECK_ORIGIN, CHECK_MOMENT, WALL_OFF, GUARD):
        op.execute(statement)
    for signature, query in DOORS.items():
        op.execute(DOOR.format(signature, query))
    for function in ("wall_off(regclass, text)", "guard(regclass, text)"):
        op.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")


def build_walls() -> None:
    """Give the API what its work needs of every table, and no more."""
    for table in RECORDS:
        op.execute(f"SELECT wall_off('{table}', 'record')")
    for table in FACTS:
        op.execute(f"SELECT wall_off('{table}', 'fact')")
    for table, column in LOCKED.items():
        op.execute(f"GRANT UPDATE ({column}) ON {table} TO msc_icaht_api")
    op.execute("SELECT wall_off('change', 'fact')")
    # The trail writes itself, by functions of its owner.
    op.execute("DROP TRIGGER change_check_inserts ON change")
    op.execute(
        "CREATE TRIGGER operation_check_inserts AFTER INSERT ON operation"
        " REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION check_moment()"
    )
    op.execute("ALTER TABLE operation ENABLE ALWAYS TRIGGER operation_check_inserts")
    op.execute("REVOKE INSERT ON change FROM msc_icaht_api")
    op.execute("GRANT SELECT, INSERT, UPDATE ON idempotency_record TO msc_icaht_api")
    op.execute("GRANT SELECT ON alembic_version TO msc_icaht_api, msc_icaht_sealer")


def give_to(owner: str) -> None:
    """Give the trail and what writes it to an owner; who gives has to be a member of it."""
    if owner == "msc_icaht_audit":
        op.execute(f"GRANT {owner} TO CURRENT_USER")
        op.execute(f"GRANT CREATE ON SCHEMA public TO {owner}")
    for table in TRAIL:
        op.execute(f"ALTER TABLE {table} OWNER TO {owner}")
    for function in WRITERS:
        op.execute(f"ALTER FUNCTION {function}() OWNER TO {owner}")
    if owner == "msc_icaht_audit":
        op.execute(f"REVOKE CREATE ON SCHEMA public FROM {owner}")


def forbid_temporary_tables(act: str, preposition: str) -> None:
    """Take from everybody, or give back, what nothing here uses."""
    op.execute(
        "DO $$ BEGIN EXECUTE format("
        f"'{act} TEMPORARY ON DATABASE %I {preposition} PUBLIC', current_database()); END $$"
    )


def downgrade() -> None:
    forbid_temporary_tables("GRANT", "TO")
    for function in WRITERS:
        op.execute(f"ALTER FUNCTION {function}() SECURITY INVOKER RESET search_path")
    give_to("CURRENT_USER")
    for table in (*RECORDS, *FACTS, "change"):
        op.execute(f"DROP POLICY own_study ON {table}")
        op.execute(f"DROP POLICY every_study ON {table}")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
        for act in ("inserts", "updates"):
            op.execute(f"DROP TRIGGER IF EXISTS {table}_check_{act} ON {table}")
    for signature in DOORS:
        op.execute(f"DROP FUNCTION {signature}")
    for function in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {function}")
    for role in ROLES:
        op.execute(f"DROP OWNED BY {role}")
        op.execute(DROP_ROLE.format(role))
