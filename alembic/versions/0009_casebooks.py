"""Casebooks: the database itself refuses to change the records of a subject whose casebook is closed.

Whoever writes shares the subject's row, whoever closes a casebook locks it: so no record slips in
beside the closing, by whichever door or statement.
"""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# Tables of a subject's records, and how a changed row leads to its subject. Of facts nothing but
# their redaction is an update; a subject has no casebook before it is there.
OF_SUBJECT = "SELECT study_id, subject_id FROM {rows}"
OF_ITSELF = "SELECT study_id, id FROM {rows}"
OF_EVENT = """
    SELECT event.study_id, event.subject_id FROM {rows} changed
    JOIN adverse_event event
      ON event.study_id = changed.study_id AND event.id = changed.adverse_event_id"""
OF_INFUSION = """
    SELECT infusion.study_id, infusion.subject_id FROM {rows} changed
    JOIN infusion
      ON infusion.study_id = changed.study_id AND infusion.id = changed.infusion_id"""
INSERTS, UPDATES = "INSERT", "UPDATE"
TABLES = (
    "adverse_event", "assessment", "attestation", "concomitant_medication", "disposition",
    "dlt_adjudication", "enrolment", "infusion", "lab_result", "product_bag", "subject",
    "transfusion",
)  # fmt: skip
WALLS = dict.fromkeys(TABLES, (INSERTS, UPDATES)) | {"subject": (UPDATES,)}
WAYS = {"subject": OF_ITSELF, "dlt_adjudication": OF_EVENT, "product_bag": OF_INFUSION}
REFERENCING = {
    INSERTS: "REFERENCING NEW TABLE AS new_rows",
    UPDATES: "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
}
# Nobody can log in as the audit owner; its one function that updates redacts (migration 0011).
UNLESS_REDACTED = {INSERTS: "", UPDATES: "WHEN (current_user <> 'msc_icaht_audit')"}

# The owner looks past the studies' wall, so that no setting hides a casebook. What a transaction
# of a higher isolation saw at its start may be out of date, so such a one may not write here. The
# lock is taken before the casebook is looked at: then nobody closes it until the commit.
LOCK_CASEBOOK = """
CREATE FUNCTION lock_casebook() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    studies uuid[];
    subjects uuid[];
    stands text;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'records are written in read committed transactions only'
            USING ERRCODE = '55000';
    END IF;
    {touched}
    PERFORM FROM subject WHERE study_id = ANY (studies) AND id = ANY (subjects)
    ORDER BY study_id, id FOR KEY SHARE;
    SELECT state INTO stands FROM casebook
    WHERE study_id = ANY (studies) AND subject_id = ANY (subjects) AND state <> 'open'
    ORDER BY state DESC LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the casebook of the subject is %', stands
            USING ERRCODE = '55000', CONSTRAINT = 'casebook_' || stands;
    END IF;
    RETURN NULL;
END $$
"""
# Both of a row's subjects count, should an update move it from one to the other.
TOUCHED = """
    IF TG_OP = 'INSERT' THEN
        {inserted}
    ELSE
        {updated}
    END IF;"""
COLLECT = """SELECT array_agg(DISTINCT who.study_id), array_agg(DISTINCT who.subject_id)
            INTO studies, subjects FROM ({rows}) AS who (study_id, subject_id);"""

# Whoever has the right to write the table still goes the way of the states, and leaves `locked`
# by an approved request only: of this lock, by two persons, each in an operation of their own.
STEP = """
CREATE FUNCTION check_casebook_step() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    may boolean := NEW.state = 'frozen';
BEGIN
    IF TG_OP = 'UPDATE' THEN
        may := NEW.subject_id = OLD.subject_id
            AND (OLD.state, NEW.state) IN (
                ('open', 'frozen'), ('frozen', 'open'), ('frozen', 'locked'), ('locked', 'open')
            )
            AND (OLD.state = 'open' OR NEW.digest = OLD.digest);
        IF OLD.state = 'locked' THEN
            may := may AND EXISTS (
                SELECT FROM unlock_request asked
                JOIN unlock_verdict answer
                  ON answer.study_id = asked.study_id AND answer.request_id = asked.id
                JOIN operation asking
                  ON asking.study_id = asked.study_id AND asking.id = asked.operation_id
                 AND asking.actor_id = asked.requested_by AND asking.role = asked.requested_role
                JOIN operation answering
                  ON answering.study_id = answer.study_id AND answering.id = answer.operation_id
                 AND answering.actor_id = answer.given_by AND answering.role = answer.given_role
                WHERE asked.study_id = OLD.study_id AND asked.casebook_id = OLD.id
                  AND asked.casebook_version = OLD.version AND answer.approved
            );
        ELSIF NEW.state = 'locked' THEN
            may := may AND EXISTS (
                SELECT FROM signature signed
                JOIN operation signing
                  ON signing.study_id = signed.study_id AND signing.id = signed.operation_id
                 AND signing.actor_id = signed.signer_id AND signing.role = signed.role
                WHERE signed.study_id = NEW.study_id AND signed.record_type = 'casebook'
                  AND signed.record_id = NEW.subject_id AND signed.digest = NEW.digest
                  AND signed.role = 'principal_investigator'
            );
        END IF;
    END IF;
    IF NOT may THEN
        RAISE EXCEPTION 'the casebook cannot go there from where it stands'
            USING ERRCODE = '55000', CONSTRAINT = 'casebook_step';
    END IF;
    RETURN NEW;
END $$
"""
ROLE_WORDS = (
    "principal_investigator", "sub_investigator", "study_coordinator", "data_manager", "monitor",
    "cell_laboratory", "laboratory_system", "sponsor", "safety_committee", "auditor",
    "administrator",
)  # fmt: skip
TWO_ROLES = "{} IN ('principal_investigator', 'data_manager')"
NOT_EMPTY = "btrim(reason) <> ''"
DOORS = ("hl7v2", "mllp", "fhir", "csv")
# Whoever is bound to sites sees the casebooks of their subjects.
SITES = {
    "casebook": "subject_id IN (SELECT id FROM subject)",
    "unlock_request": "casebook_id IN (SELECT id FROM casebook)",
    "unlock_verdict": "request_id IN (SELECT id FROM unlock_request)",
}
# Without its casebook a closed record would be open to everybody.
CHECK_UNUSED = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM casebook) THEN
        RAISE EXCEPTION 'casebooks were closed: records are kept' USING ERRCODE = '55000';
    END IF;
END $$
"""


def upgrade() -> None:
    create_casebook()
    create_unlock_request()
    create_unlock_verdict()
    op.execute("SELECT guard('casebook', 'record')")
    op.execute("SELECT guard('unlock_request', 'fact')")
    op.execute("SELECT guard('unlock_verdict', 'fact')")
    for table, own in SITES.items():
        op.execute(f"SELECT wall_sites('{table}', '{own}')")
    op.execute(STEP)
    trigger(
        "casebook_check_step",
        "BEFORE INSERT OR UPDATE ON casebook FOR EACH ROW"
        f" {UNLESS_REDACTED[UPDATES]} EXECUTE FUNCTION check_casebook_step()",
        "casebook",
    )
    build_walls()
    name_doors((*DOORS, "json"))


def build_walls() -> None:
    """Create the wall's function for each way from a row to its subject, and its triggers."""
    op.execute(wall("lock_casebook", OF_SUBJECT))
    for table, way in WAYS.items():
        op.execute(wall(f"lock_casebook_of_{table}", way))
    for table, events in WALLS.items():
        function = f"lock_casebook_of_{table}" if table in WAYS else "lock_casebook"
        for event in events:
            trigger(
                f"{table}_lock_{event.lower()}s",
                f"AFTER {event} ON {table} {REFERENCING[event]} FOR EACH STATEMENT"
                f" {UNLESS_REDACTED[event]} EXECUTE FUNCTION {function}()",
                table,
            )


def wall(name: str, way: str) -> str:
    """Write the wall's function for tables whose rows lead to their subjects by `way`."""
    new, old = way.format(rows="new_rows"), way.format(rows="old_rows")
    touched = TOUCHED.format(
        inserted=COLLECT.format(rows=new), updated=COLLECT.format(rows=f"{new} UNION ALL {old}")
    )
    return LOCK_CASEBOOK.format(touched=touched).replace("lock_casebook()", f"{name}()", 1)


def trigger(name: str, definition: str, table: str) -> None:
    """Create a trigger that fires in every replication role, too."""
    op.execute(f"CREATE TRIGGER {name} {definition}")
    op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")


def create_casebook() -> None:
    """Create the table of casebooks."""
    op.create_table(
        "casebook",
        *keys("casebook"),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("state", word("state", "open", "frozen", "signed", "locked"), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        *origin(),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        *references("casebook", subject_id="subject"),
        sa.UniqueConstraint("study_id", "subject_id", name=op.f("uq_casebook_study_id_subject_id")),
    )


def create_unlock_request() -> None:
    """Create the table of requests to unlock."""
    op.create_table(
        "unlock_request",
        *keys("unlock_request"),
        sa.Column("casebook_id", sa.Uuid(), nullable=False),
        sa.Column("casebook_version", sa.Integer(), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=False),
        sa.Column("requested_role", word("requested_role", *ROLE_WORDS), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        *origin(),
        *references("unlock_request", casebook_id="casebook", requested_by="principal"),
        sa.UniqueConstraint(
            "study_id",
            "id",
            "requested_by",
            "requested_role",
            name=op.f("uq_unlock_request_study_id_id_requested_by_requested_role"),
        ),
        sa.CheckConstraint(
            TWO_ROLES.format("requested_role"), name=op.f("ck_unlock_request_of_the_two_roles")
        ),
        sa.CheckConstraint(NOT_EMPTY, name=op.f("ck_unlock_request_reason")),
    )


def create_unlock_verdict() -> None:
    """Create the table of answers to requests."""
    op.create_table(
        "unlock_verdict",
        *keys("unlock_verdict"),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=False),
        sa.Column("requested_role", word("requested_role", *ROLE_WORDS), nullable=False),
        sa.Column("given_by", sa.Uuid(), nullable=False),
        sa.Column("given_role", word("given_role", *ROLE_WORDS), nullable=False),
        sa.Column("approved", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        *origin(),
        *references("unlock_verdict", given_by="principal"),
        sa.ForeignKeyConstraint(
            ["study_id", "request_id", "requested_by", "requested_role"],
            [
                "unlock_request.study_id",
                "unlock_request.id",
                "unlock_request.requested_by",
                "unlock_request.requested_role",
            ],
            name=op.f("fk_unlock_verdict_study_id_request_id_requested_by_requested_role"),
        ),
        sa.UniqueConstraint(
            "study_id", "request_id", name=op.f("uq_unlock_verdict_study_id_request_id")
        ),
        sa.CheckConstraint(
            TWO_ROLES.format("given_role"), name=op.f("ck_unlock_verdict_of_the_two_roles")
        ),
        sa.CheckConstraint(
            "NOT approved OR (given_by <> requested_by AND given_role <> requested_role)",
            name=op.f("ck_unlock_verdict_two_persons"),
        ),
        sa.CheckConstraint(NOT_EMPTY, name=op.f("ck_unlock_verdict_reason")),
    )


def word(name: str, *words: str) -> sa.Enum:
    """Return the column type of a vocabulary word."""
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)


def keys(table: str) -> tuple[sa.schema.SchemaItem, ...]:
    """Return the key columns of a table of a study."""
    return (
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f(f"pk_{table}")),
    )


def origin() -> tuple[sa.schema.SchemaItem, ...]:
    """Return the columns that the database fills: by which operation, and when."""
    current, now = sa.text("current_operation()"), sa.text("clock_timestamp()")
    moment = sa.DateTime(timezone=True)
    return (
        sa.Column("operation_id", sa.Uuid(), server_default=current, nullable=False),
        sa.Column("recorded_at", moment, server_default=now, nullable=False),
    )


def references(table: str, **targets: str) -> list[sa.ForeignKeyConstraint]:
    """Return the foreign keys of a table, each within its own study."""
    made = [
        sa.ForeignKeyConstraint(["study_id"], ["study.study_id"], name=op.f(f"fk_{table}_study_id"))
    ]
    for column, target in {"operation_id": "operation", **targets}.items():
        made.append(
            sa.ForeignKeyConstraint(
                ["study_id", column],
                [f"{target}.study_id", f"{target}.id"],
                name=op.f(f"fk_{table}_study_id_{column}"),
            )
        )
    return made


def name_doors(doors: tuple[str, ...]) -> None:
    """Say by which doors a message may come; a message that came by another one refuses this."""
    op.drop_constraint(op.f("ck_inbound_message_door"), "inbound_message", type_="check")
    words = ", ".join(f"'{door}'" for door in doors)
    op.create_check_constraint(
        op.f("ck_inbound_message_door"), "inbound_message", f"door IN ({words})"
    )


def downgrade() -> None:
    op.execute(CHECK_UNUSED)
    name_doors(DOORS)
    for table, events in WALLS.items():
        for event in events:
            op.execute(f"DROP TRIGGER {table}_lock_{event.lower()}s ON {table}")
    for function in ("lock_casebook", *(f"lock_casebook_of_{table}" for table in WAYS)):
        op.execute(f"DROP FUNCTION {function}()")
    for table in ("unlock_verdict", "unlock_request", "casebook"):
        op.drop_table(table)
    op.execute("DROP FUNCTION check_casebook_step()")
