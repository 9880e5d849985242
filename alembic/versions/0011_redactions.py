"""Lawful redactions: a value goes from everywhere at once, by two persons, and leaves its proof.

Only the function `redact` takes a value away, and only free text: the audit owner it runs as may
update nothing else. What it touches is no new version: the row and its images in the trail lose the
value together, the salts of their commitments go, and the redaction itself is a sealed row.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# Column by column, what may be redacted; of `change` and `operation` the audit owner is the owner.
TEXTS = {
    "adverse_event": ("narrative", "other_specification"),
    "attestation": ("reason",),
    "concomitant_medication": ("indication",),
    "decision_verdict": ("rationale",),
    "disposition": ("reason",),
    "dlt_adjudication": ("rationale",),
    "escalation_decision": ("rationale",),
    "grant_end": ("reason",),
    "inbox_item": ("resolution",),
    "infusion": ("note",),
    "lab_result": ("reason",),
    "protocol_activation": ("reason",),
    "sender_profile": ("reason",),
    "signature": ("reason",),
    "subject": ("car_t_product",),
    "transfusion": ("note",),
    "unlock_request": ("reason",),
    "unlock_verdict": ("reason",),
}
DOCUMENTS = {"assessment": ("content.findings", "content.note")}
OWNED = {"operation": ("reason",)}
# Tables of revision 0012, which gives the audit owner what it needs of them.
LATER = {"data_cut": ("purpose",), "vault_access": ("purpose",)}
# What says at which site a record is, beside the tables above.
LOCATING = ("enrolment", "inbound_message", "sender")
# A signed document shows the record, so it loses the value as well.
BOUND = {"signature": ("document", "digest")}

SITES = {
    "redaction_request": "site_id = ANY ((SELECT current_sites())::uuid[])",
    "redaction": "request_id IN (SELECT id FROM redaction_request)",
}

# Keys and texts as JSON writes them, with and without a space between.
SCRUB = """
CREATE FUNCTION scrub(content text, field text, gone text[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    value text;
    key text := to_json(field)::text;
BEGIN
    FOREACH value IN ARRAY gone LOOP
        content := replace(content, key || ': ' || to_json(value)::text, key || ': "[redacted]"');
        content := replace(content, key || ':' || to_json(value)::text, key || ':"[redacted]"');
    END LOOP;
    RETURN content;
END $$
"""
# A signed document is canonical JSON and stays so: only the object that is the record, or that the
# document says it speaks of, loses the value. The same words about somebody else stand.
SCRUB_SHOWN = """
CREATE FUNCTION scrub_shown(content json, record uuid, field text, gone text[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF json_typeof(content) = 'object' THEN
        IF record::text IN (content ->> 'id', content ->> 'record_id') THEN
            RETURN scrub(content::text, field, gone);
        END IF;
        RETURN '{' || coalesce((
            SELECT string_agg(to_json(key)::text || ':' || scrub_shown(value, record, field, gone),
                              ',' ORDER BY place)
            FROM json_each(content) WITH ORDINALITY AS parts (key, value, place)), '') || '}';
    END IF;
    IF json_typeof(content) = 'array' THEN
        RETURN '[' || coalesce((
            SELECT string_agg(scrub_shown(value, record, field, gone), ',' ORDER BY place)
            FROM json_array_elements(content) WITH ORDINALITY AS parts (value, place)), '') || ']';
    END IF;
    RETURN content::text;
END $$
"""
# What is left of a row, written as the seal writes it, in hexadecimal.
LEFT_OF = """
CREATE FUNCTION digest_of_row(tab text, study uuid, record uuid, number bigint, columns jsonb)
RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    image jsonb;
BEGIN
    IF tab = 'change' THEN
        SELECT to_jsonb(c) INTO image FROM change c WHERE study_id = study AND id = number;
    ELSE
        EXECUTE format('SELECT to_jsonb(t) FROM %I t WHERE study_id = $1 AND id = $2', tab)
            INTO image USING study, record;
    END IF;
    RETURN encode(sha256(convert_to(
        (SELECT jsonb_object_agg(key, value) FROM jsonb_each(image) WHERE columns ? key)::text,
        'UTF8')), 'hex');
END $$
"""
# Returns what went, for kept answers: those are encrypted with a key that is not here.
REDACT = """
CREATE FUNCTION redact(redaction_id uuid, wanted uuid) RETURNS text[] LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' SET bytea_output = 'hex' AS $$
DECLARE
    asked redaction_request;
    doing operation;
    part text;
    field_path text[];
    gone text[];
    touched jsonb;
    signed jsonb;
    scrubbed jsonb;
BEGIN
    SELECT * INTO STRICT asked FROM redaction_request
    WHERE id = wanted AND study_id = ANY (current_studies());
    SELECT * INTO STRICT doing FROM operation
    WHERE study_id = asked.study_id AND id = current_operation();
    PERFORM check_redaction(asked, doing);
    -- While this row is held nothing is sealed, so no seal is made of what goes.
    PERFORM FROM seal_state FOR UPDATE;
    field_path := string_to_array(asked.field, '.');
    part := field_path[cardinality(field_path)];
    gone := redacted_values(asked, field_path);
    IF gone IS NULL THEN
        RAISE EXCEPTION 'there is nothing to redact'
            USING ERRCODE = '55000', CONSTRAINT = 'nothing_to_redact';
    END IF;
    touched := redact_record(asked, field_path, gone) || redact_trail(asked, part, gone)
        || redact_reasons(asked, writers_of(asked), gone);
    signed := redact_signed(asked, part, gone);
    scrubbed := forget_salts(asked.study_id, touched || (signed -> 'touched'));
    INSERT INTO redaction (study_id, id, request_id, record_type, record_id, field, reason,
        requested_by, executed_by, scrubbed, signatures)
    VALUES (asked.study_id, redaction_id, asked.id, asked.record_type, asked.record_id, asked.field,
        asked.reason, asked.requested_by, doing.actor_id, scrubbed, signed -> 'signatures');
    RETURN gone;
END $$
"""
# A record is at the site that it names, or at that of the first that it names here.
SITE_OF_IMAGE = """
CREATE FUNCTION site_of_image(study uuid, tab text, image jsonb) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
DECLARE
    holder record;
BEGIN
    IF image ->> 'site_id' IS NOT NULL THEN
        RETURN (image ->> 'site_id')::uuid;
    END IF;
    SELECT of_table, (image ->> field)::uuid AS id INTO holder FROM (VALUES
        (1, 'subject_id', 'subject'),
        (2, 'sender_id', 'sender'),
        (3, 'adverse_event_id', 'adverse_event'),
        (4, 'casebook_id', 'casebook'),
        (5, 'message_id', 'inbound_message'),
        (6, 'request_id', CASE tab WHEN 'unlock_verdict' THEN 'unlock_request'
                                   WHEN 'redaction' THEN 'redaction_request' END)
    ) AS holders (place, field, of_table)
    WHERE image ->> field IS NOT NULL AND of_table IS NOT NULL ORDER BY place LIMIT 1;
    RETURN CASE WHEN FOUND THEN site_of_record(study, holder.of_table, holder.id) END;
END $$
"""
SITE_OF_RECORD = """
CREATE FUNCTION site_of_record(study uuid, tab text, record uuid) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
DECLARE
    image jsonb;
BEGIN
    IF tab = 'operation' THEN
        RETURN site_of_operation(study, record);
    END IF;
    EXECUTE format('SELECT to_jsonb(t) FROM %I t WHERE study_id = $1 AND id = $2', tab)
        INTO image USING study, record;
    RETURN site_of_image(study, tab, image);
END $$
"""
# An operation is at the one site of all that it wrote; what it wrote of no site does not count. What
# has no versions is in no change, but in its own table.
SITE_OF_OPERATION = """
CREATE FUNCTION site_of_operation(study uuid, writer uuid) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
DECLARE
    tab text;
    more uuid[];
    sites uuid[] := ARRAY(
        SELECT DISTINCT site_of_image(study, table_name, new) FROM change
        WHERE study_id = study AND operation_id = writer);
BEGIN
    FOR tab IN
        SELECT relname FROM pg_class t JOIN pg_trigger g ON g.tgrelid = t.oid
        WHERE relnamespace = 'public'::regnamespace AND tgname = relname || '_check_inserts'
          AND relname <> 'operation' AND has_table_privilege(t.oid, 'SELECT') AND NOT EXISTS (
              SELECT FROM pg_attribute WHERE attrelid = t.oid AND attname = 'version')
    LOOP
        EXECUTE format(
            'SELECT array_agg(DISTINCT site_of_image($1, %L, to_jsonb(t))) FROM %I t'
            ' WHERE study_id = $1 AND operation_id = $2', tab, tab)
            INTO more USING study, writer;
        sites := sites || more;
    END LOOP;
    sites := ARRAY(SELECT DISTINCT site FROM unnest(sites) AS found (site) WHERE site IS NOT NULL);
    RETURN CASE cardinality(sites) WHEN 1 THEN sites[1] END;
END $$
"""
# Whoever is bound to sites redacts what is there, and nothing that belongs to the whole study.
IS_OF_SITES = """
CREATE FUNCTION is_of_sites(study uuid, tab text, record uuid) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN study = ANY (current_studies()) AND (
        current_sites() IS NULL
        OR coalesce(site_of_record(study, tab, record) = ANY (current_sites()), false));
END $$
"""
SET_SITE = """
CREATE FUNCTION set_redaction_site() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    NEW.site_id := site_of_record(NEW.study_id, NEW.record_type, NEW.record_id);
    RETURN NEW;
END $$
"""
# Two persons, each in an operation of their own and in the role that this asks for.
CHECK = """
CREATE FUNCTION check_redaction(asked redaction_request, doing operation) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    asking operation;
BEGIN
    SELECT * INTO STRICT asking FROM operation
    WHERE study_id = asked.study_id AND id = asked.operation_id;
    IF asking.actor_id IS DISTINCT FROM asked.requested_by
        OR asking.role <> 'principal_investigator' OR doing.role <> 'data_manager'
        OR doing.actor_id IS NULL OR doing.actor_id = asked.requested_by
    THEN
        RAISE EXCEPTION 'a redaction takes the principal investigator and a data manager'
            USING ERRCODE = '23514', CONSTRAINT = 'redaction_two_persons';
    END IF;
    IF NOT is_of_sites(asked.study_id, asked.record_type, asked.record_id) THEN
        RAISE EXCEPTION 'the record is at another site, or of the whole study'
            USING ERRCODE = '28000', CONSTRAINT = 'redaction_of_own_sites';
    END IF;
    IF asked.record_type = 'operation' AND EXISTS (
        SELECT FROM operation WHERE study_id = asked.study_id AND id = asked.record_id
        AND command IN ('request_redaction', 'execute_redaction')
    ) THEN
        RAISE EXCEPTION 'the acts of redaction are never redacted'
            USING ERRCODE = '55000', CONSTRAINT = 'never_redacted';
    END IF;
END $$
"""
# Every value that the field ever had; the row is locked, so no writer adds one beside.
VALUES = """
CREATE FUNCTION redacted_values(asked redaction_request, field_path text[]) RETURNS text[]
LANGUAGE plpgsql AS $$
DECLARE
    live text;
    gone text[];
BEGIN
    EXECUTE format('SELECT to_jsonb(t) #>> $3 FROM %I t WHERE study_id = $1 AND id = $2 FOR UPDATE',
                   asked.record_type)
        INTO live USING asked.study_id, asked.record_id, field_path;
    SELECT array_agg(DISTINCT value) INTO gone FROM (
        SELECT live
        UNION ALL SELECT old #>> field_path FROM change
        WHERE study_id = asked.study_id AND table_name = asked.record_type
          AND record_id = asked.record_id
        UNION ALL SELECT new #>> field_path FROM change
        WHERE study_id = asked.study_id AND table_name = asked.record_type
          AND record_id = asked.record_id
    ) AS had (value)
    WHERE value <> '[redacted]';
    RETURN gone;
END $$
"""
WRITERS = """
CREATE FUNCTION writers_of(asked redaction_request) RETURNS uuid[] LANGUAGE plpgsql AS $$
DECLARE
    first uuid := asked.record_id;
BEGIN
    IF asked.record_type <> 'operation' THEN
        EXECUTE format('SELECT operation_id FROM %I WHERE study_id = $1 AND id = $2',
                       asked.record_type)
            INTO first USING asked.study_id, asked.record_id;
    END IF;
    RETURN first || ARRAY(
        SELECT operation_id FROM change
        WHERE study_id = asked.study_id AND table_name = asked.record_type
          AND record_id = asked.record_id);
END $$
"""
RECORD = """
CREATE FUNCTION redact_record(asked redaction_request, field_path text[], gone text[])
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    new_value text := CASE cardinality(field_path)
        WHEN 1 THEN '''[redacted]''' ELSE format('scrub(%I::text, $3, $4)::jsonb', field_path[1]) END;
    writer uuid;
BEGIN
    IF asked.record_type = 'operation' THEN
        RETURN '[]';  -- its reason goes with those of the writers
    END IF;
    EXECUTE format(
        'UPDATE %I t SET %I = %s WHERE study_id = $1 AND id = $2 RETURNING operation_id',
        asked.record_type, field_path[1], new_value)
        INTO writer
        USING asked.study_id, asked.record_id, field_path[cardinality(field_path)], gone;
    -- A row with a trail is sealed by its images there.
    IF EXISTS (
        SELECT FROM change WHERE study_id = asked.study_id AND table_name = asked.record_type
        AND record_id = asked.record_id
    ) THEN
        RETURN '[]';
    END IF;
    RETURN jsonb_build_array(jsonb_build_array(asked.record_type, asked.record_id, 0, writer));
END $$
"""
TRAIL = """
CREATE FUNCTION redact_trail(asked redaction_request, part text, gone text[])
RETURNS jsonb LANGUAGE sql AS $$
    WITH cleaned AS (
        UPDATE change SET old = scrub(old::text, part, gone)::jsonb,
                          new = scrub(new::text, part, gone)::jsonb
        WHERE study_id = asked.study_id AND table_name = asked.record_type
          AND record_id = asked.record_id
          AND (old::text, new::text) IS DISTINCT FROM
              (scrub(old::text, part, gone), scrub(new::text, part, gone))
        RETURNING record_id, id, operation_id
    )
    SELECT coalesce(jsonb_agg(jsonb_build_array('change', record_id, id, operation_id)), '[]')
    FROM cleaned
$$
"""
# A rationale is kept as the reason of its operation, too, and of the signature on it.
REASONS = """
CREATE FUNCTION redact_reasons(asked redaction_request, writers uuid[], gone text[])
RETURNS jsonb LANGUAGE sql AS $$
    WITH cleaned AS (
        UPDATE operation SET reason = '[redacted]'
        WHERE study_id = asked.study_id AND id = ANY (writers) AND reason = ANY (gone)
        RETURNING id
    ), stamped AS (
        UPDATE signature SET reason = '[redacted]'
        WHERE study_id = asked.study_id AND operation_id = ANY (writers) AND reason = ANY (gone)
        RETURNING id, operation_id
    ), touched AS (
        SELECT 'operation' AS name, id, id AS operation_id FROM cleaned
        UNION ALL SELECT 'signature', id, operation_id FROM stamped
    )
    SELECT coalesce(jsonb_agg(jsonb_build_array(name, id, 0, operation_id)), '[]') FROM touched
$$
"""
# A signature stays on what is left of its document, by its new digest: the old one would let
# somebody who guesses the value know it. A casebook is known by the digest that was signed.
SIGNED = """
CREATE FUNCTION redact_signed(asked redaction_request, part text, gone text[])
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    bound record;
    fresh text;
    signatures jsonb := '[]';
    touched jsonb := '[]';
BEGIN
    FOR bound IN
        SELECT id, operation_id, digest, cleaned FROM (
            SELECT id, operation_id, digest, document,
                   scrub_shown(document::json, asked.record_id, part, gone) AS cleaned
            FROM signature
            WHERE study_id = asked.study_id AND strpos(document, asked.record_id::text) > 0
              AND document <> scrub(document, part, gone)
        ) shown WHERE document <> cleaned
    LOOP
        fresh := encode(sha256(convert_to(bound.cleaned, 'UTF8')), 'hex');
        UPDATE signature SET document = bound.cleaned, digest = fresh
        WHERE study_id = asked.study_id AND id = bound.id;
        signatures := signatures || to_jsonb(bound.id);
        touched := touched
            || jsonb_build_array(jsonb_build_array('signature', bound.id, 0, bound.operation_id))
            || redact_casebook(asked.study_id, bound.digest, fresh);
    END LOOP;
    RETURN jsonb_build_object('signatures', signatures, 'touched', touched);
END $$
"""
CASEBOOK = """
CREATE FUNCTION redact_casebook(study uuid, stale text, fresh text) RETURNS jsonb LANGUAGE sql AS $$
    UPDATE casebook SET digest = fresh WHERE study_id = study AND digest = stale;
    WITH cleaned AS (
        UPDATE change SET old = replace(old::text, stale, fresh)::jsonb,
                          new = replace(new::text, stale, fresh)::jsonb
        WHERE study_id = study AND table_name = 'casebook'
          AND (old ->> 'digest' = stale OR new ->> 'digest' = stale)
        RETURNING record_id, id, operation_id
    )
    SELECT coalesce(jsonb_agg(jsonb_build_array('change', record_id, id, operation_id)), '[]')
    FROM cleaned;
$$
"""
# Of rows that are sealed; what is not sealed yet will be sealed as it is now.
FORGET = """
CREATE FUNCTION forget_salts(study uuid, touched jsonb) RETURNS jsonb LANGUAGE sql AS $$
    WITH forgotten AS (
        UPDATE seal_commitment kept SET salt = NULL
        FROM (SELECT DISTINCT item FROM jsonb_array_elements(touched) item) each,
             seal_entry entry, seal_shape shape
        WHERE entry.operation_id = (item ->> 3)::uuid AND entry.study_id = study
          AND kept.index = entry.index AND kept.table_name = item ->> 0
          AND kept.record_id = (item ->> 1)::uuid AND kept.number = (item ->> 2)::bigint
          AND shape.digest = entry.header::jsonb ->> 'shape'
        RETURNING kept.table_name, kept.record_id, kept.number,
                  shape.columns -> kept.table_name AS columns
    )
    SELECT coalesce(jsonb_agg(jsonb_build_array(
        table_name, record_id, number,
        digest_of_row(table_name, study, record_id, number, columns))), '[]') FROM forgotten
$$
"""
FUNCTIONS = {
    "scrub(text, text, text[])": SCRUB,
    "scrub_shown(json, uuid, text, text[])": SCRUB_SHOWN,
    "digest_of_row(text, uuid, uuid, bigint, jsonb)": LEFT_OF,
    "site_of_image(uuid, text, jsonb)": SITE_OF_IMAGE,
    "site_of_record(uuid, text, uuid)": SITE_OF_RECORD,
    "site_of_operation(uuid, uuid)": SITE_OF_OPERATION,
    "is_of_sites(uuid, text, uuid)": IS_OF_SITES,
    "set_redaction_site()": SET_SITE,
    "check_redaction(redaction_request, operation)": CHECK,
    "redacted_values(redaction_request, text[])": VALUES,
    "writers_of(redaction_request)": WRITERS,
    "redact_record(redaction_request, text[], text[])": RECORD,
    "redact_trail(redaction_request, text, text[])": TRAIL,
    "redact_reasons(redaction_request, uuid[], text[])": REASONS,
    "redact_casebook(uuid, text, text)": CASEBOOK,
    "redact_signed(redaction_request, text, text[])": SIGNED,
    "forget_salts(uuid, jsonb)": FORGET,
    "redact(uuid, uuid)": REDACT,
}

# A row that the audit owner updates is being redacted: it is no new version, so that what was signed
# stays the same record, and what the trail holds of it is redacted beside it.
COUNT_VERSION = """
CREATE OR REPLACE FUNCTION count_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.study_id, NEW.id, NEW.operation_id, NEW.recorded_at)
        IS DISTINCT FROM (OLD.study_id, OLD.id, OLD.operation_id, OLD.recorded_at)
    THEN
        RAISE EXCEPTION 'the key and the origin of a row never change' USING ERRCODE = '55000';
    END IF;
    NEW.version := OLD.version + {};
    RETURN NEW;
END $$
"""
NO_VERSION = "CASE current_user WHEN 'msc_icaht_audit' THEN 0 ELSE 1 END"
REFUSE = """
CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN{}
    RAISE EXCEPTION '% on % is refused: records are kept', TG_OP, TG_TABLE_NAME
        USING ERRCODE = '55000';
END $$
"""
UNLESS_REDACTED = """
    IF TG_OP = 'UPDATE' AND current_user = 'msc_icaht_audit' THEN
        RETURN NULL;
    END IF;"""
WRITE_UPDATES = """
CREATE OR REPLACE FUNCTION write_updates() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
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
    FROM new_rows n JOIN old_rows o USING (study_id, id){};
    RETURN NULL;
END $$
"""
COUNTED = "\n    WHERE n.version <> o.version"
# Without them nobody could say any more why a commitment cannot be opened.
CHECK_UNUSED = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM redaction_request) THEN
        RAISE EXCEPTION 'redactions were asked for: records are kept' USING ERRCODE = '55000';
    END IF;
END $$
"""


def upgrade() -> None:
    create_redaction_request()
    create_redaction()
    op.execute("SELECT guard('redaction_request', 'fact')")
    op.execute("SELECT guard('redaction', 'fact')")
    op.execute("REVOKE INSERT ON redaction FROM msc_icaht_api")
    op.execute("GRANT INSERT ON redaction TO msc_icaht_audit")
    for table, columns in updatable().items():
        op.execute(f"GRANT UPDATE ({', '.join(columns)}) ON {table} TO msc_icaht_audit")
    for table in walled():
        op.execute(f"GRANT SELECT ON {table} TO msc_icaht_audit")
        op.execute(f"CREATE POLICY redacting ON {table} TO msc_icaht_audit USING (true)")
    op.execute(COUNT_VERSION.format(NO_VERSION))
    op.execute(REFUSE.format(UNLESS_REDACTED))
    op.execute(WRITE_UPDATES.format(COUNTED))
    create_functions()
    op.execute(
        "CREATE TRIGGER redaction_request_set_site BEFORE INSERT ON redaction_request"
        " FOR EACH ROW EXECUTE FUNCTION set_redaction_site()"
    )
    op.execute("ALTER TABLE redaction_request ENABLE ALWAYS TRIGGER redaction_request_set_site")
    for table, own in SITES.items():
        op.execute(f"SELECT wall_sites('{table}', '{own}')")


def updatable() -> dict[str, tuple[str, ...]]:
    """Return the columns that the audit owner may update, of the tables it does not own."""
    documents = dict.fromkeys(DOCUMENTS, ("content",))
    bound = {table: (*TEXTS[table], *columns) for table, columns in BOUND.items()}
    return TEXTS | documents | bound | {"casebook": ("digest",)}


def walled() -> tuple[str, ...]:
    """Name the tables that the audit owner looks into."""
    return (*updatable(), *LOCATING, "redaction_request", "redaction")


def create_functions() -> None:
    """Create the functions, owned by the audit owner, who alone may call all but the first."""
    op.execute("GRANT CREATE ON SCHEMA public TO msc_icaht_audit")
    for signature, body in FUNCTIONS.items():
        op.execute(body)
        op.execute(f"ALTER FUNCTION {signature} OWNER TO msc_icaht_audit")
        op.execute(f"REVOKE EXECUTE ON FUNCTION {signature} FROM PUBLIC")
    for signature in ("redact(uuid, uuid)", "is_of_sites(uuid, text, uuid)"):
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO msc_icaht_api")
    op.execute("REVOKE CREATE ON SCHEMA public FROM msc_icaht_audit")


def create_redaction_request() -> None:
    """Create the table of what was asked for."""
    targets = [
        f"'{table}.{field}'"
        for table, fields in sorted((TEXTS | DOCUMENTS | OWNED | LATER).items())
        for field in fields
    ]
    op.create_table(
        "redaction_request",
        *keys(),
        sa.Column("record_type", sa.Text(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=True),
        *origin("redaction_request", "requested_by"),
        sa.ForeignKeyConstraint(
            ["study_id", "site_id"],
            ["site.study_id", "site.id"],
            name=op.f("fk_redaction_request_study_id_site_id"),
        ),
        sa.UniqueConstraint(
            "study_id",
            "id",
            "requested_by",
            name=op.f("uq_redaction_request_study_id_id_requested_by"),
        ),
        sa.CheckConstraint(
            f"record_type || '.' || field IN ({', '.join(targets)})",
            name=op.f("ck_redaction_request_free_text"),
        ),
    )


def create_redaction() -> None:
    """Create the table of what was carried out."""
    op.create_table(
        "redaction",
        *keys(),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("record_type", sa.Text(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=False),
        sa.Column("executed_by", sa.Uuid(), nullable=False),
        sa.Column("scrubbed", postgresql.JSONB(), nullable=False),
        sa.Column("signatures", postgresql.JSONB(), nullable=False),
        *origin("redaction", "executed_by"),
        sa.ForeignKeyConstraint(
            ["study_id", "request_id", "requested_by"],
            [
                "redaction_request.study_id",
                "redaction_request.id",
                "redaction_request.requested_by",
            ],
            name=op.f("fk_redaction_study_id_request_id_requested_by"),
        ),
        sa.UniqueConstraint(
            "study_id", "request_id", name=op.f("uq_redaction_study_id_request_id")
        ),
        sa.CheckConstraint("executed_by <> requested_by", name=op.f("ck_redaction_two_persons")),
    )
    op.create_index(op.f("ix_redaction_study_id_record_id"), "redaction", ["study_id", "record_id"])


def keys() -> tuple[sa.Column, ...]:
    """Return the columns of a row's key."""
    return (
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
    )


def origin(table: str, person: str) -> tuple[sa.schema.SchemaItem, ...]:
    """Return where a row comes from, and its keys; `person` refers to who did it."""
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
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f(f"fk_{table}_study_id")
        ),
        *(
            sa.ForeignKeyConstraint(
                ["study_id", column],
                [f"{target}.study_id", f"{target}.id"],
                name=op.f(f"fk_{table}_study_id_{column}"),
            )
            for column, target in (("operation_id", "operation"), (person, "principal"))
        ),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f(f"pk_{table}")),
    )


def downgrade() -> None:
    op.execute(CHECK_UNUSED)
    op.execute("DROP TRIGGER redaction_request_set_site ON redaction_request")
    for signature in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {signature}")
    op.execute(WRITE_UPDATES.format(""))
    op.execute(REFUSE.format(""))
    op.execute(COUNT_VERSION.format("1"))
    for table in (*updatable(), *LOCATING):
        op.execute(f"DROP POLICY redacting ON {table}")
        op.execute(f"REVOKE SELECT ON {table} FROM msc_icaht_audit")
    for table, columns in updatable().items():
        op.execute(f"REVOKE UPDATE ({', '.join(columns)}) ON {table} FROM msc_icaht_audit")
    op.drop_table("redaction")
    op.drop_table("redaction_request")
