"""Put who subjects are into a vault apart, whose secrets tell who reads them; keep data cuts.

Ciphertext leaves the rows and the trail's images for one table that nobody reads but through
`vault.disclose`, which writes the access before it answers.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

OWNER = "msc_icaht_vault"
# The roles are the cluster's, so another database may have made or may still use it.
CREATE_ROLE = f"""
DO $$ BEGIN
    CREATE ROLE {OWNER} NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""
DROP_ROLE = f"""
DO $$ BEGIN
    DROP ROLE {OWNER};
EXCEPTION WHEN dependent_objects_still_exist THEN
    RAISE NOTICE '{OWNER} is used by another database';
END $$
"""
KINDS = ("identifier", "person", "initials", "message")
OWN_STUDY = "(study_id = ANY ((SELECT current_studies())::uuid[]))"
OF_SITE = "subject_id IN (SELECT id FROM subject)"
OF_MESSAGE = "message_id IN (SELECT id FROM inbound_message)"
# Whoever calls gets secrets of the subject that the access names, of the kind it names, and of own
# sites only: the function looks past the wall, so it holds the subject against it itself.
DISCLOSE = """
CREATE FUNCTION vault.disclose(
    the_study uuid, the_access uuid, the_subject uuid, the_kind text, the_secrets uuid[],
    the_purpose text
) RETURNS TABLE (id uuid, sealed bytea) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    IF current_sites() IS NOT NULL AND NOT EXISTS (
        SELECT FROM subject
        WHERE study_id = the_study AND subject.id = the_subject AND site_id = ANY (current_sites())
    ) THEN
        RAISE EXCEPTION 'the subject is at another site'
            USING ERRCODE = '28000', CONSTRAINT = 'disclosed_at_own_sites';
    END IF;
    INSERT INTO vault_access (study_id, id, subject_id, what, secrets, purpose)
    SELECT the_study, the_access, the_subject, the_kind, count(*), the_purpose
    FROM vault.secret AS each
    WHERE each.study_id = the_study AND each.subject_id = the_subject AND each.kind = the_kind
      AND each.id = ANY (the_secrets);
    RETURN QUERY SELECT each.id, each.sealed FROM vault.secret AS each
    WHERE each.study_id = the_study AND each.subject_id = the_subject AND each.kind = the_kind
      AND each.id = ANY (the_secrets);
END $$
"""
# A laboratory's message is sealed where it is kept; that it was shown is kept here.
NOTE_MESSAGE = """
CREATE FUNCTION vault.note_message(
    the_study uuid, the_access uuid, the_message uuid, the_purpose text
) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO vault_access (study_id, id, message_id, what, secrets, purpose)
    VALUES (the_study, the_access, the_message, 'message', 1, the_purpose)
$$
"""
# Whose each secret of the entered studies is, for the verification; not a word of what it says.
OWNERS = """
CREATE FUNCTION vault.owners() RETURNS TABLE (study_id uuid, id uuid, subject_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT each.study_id, each.id, each.subject_id FROM vault.secret AS each
    WHERE current_sites() IS NULL AND each.study_id = ANY (current_studies())
$$
"""
FUNCTIONS = (
    "vault.disclose(uuid, uuid, uuid, text, uuid[], text)",
    "vault.note_message(uuid, uuid, uuid, text)",
    "vault.owners()",
)
MOVE_SECRETS = """
INSERT INTO vault.secret (study_id, id, subject_id, kind, sealed, operation_id, recorded_at)
SELECT study_id, id, subject_id, 'identifier', sealed, operation_id, recorded_at
FROM vault.subject_identifier
"""
# An identifier's ciphertext never changes, so its images need only be told where it is.
STRIP_IMAGES = """
UPDATE change SET old = old - 'sealed', new = new - 'sealed'
WHERE table_name = 'subject_identifier'
"""
RETURN_SECRETS = """
UPDATE subject_identifier SET sealed = secret.sealed FROM vault.secret
WHERE (secret.study_id, secret.id) = (subject_identifier.study_id, subject_identifier.id)
"""
RETURN_IMAGES = """
UPDATE change SET
    old = old || jsonb_build_object('sealed', secret.sealed),
    new = new || jsonb_build_object('sealed', secret.sealed)
FROM vault.secret
WHERE (secret.study_id, secret.id) = (change.study_id, change.record_id)
  AND change.table_name = 'subject_identifier'
"""


def origin() -> list[sa.Column]:
    """Return the columns that say by which operation a row was recorded, and when."""
    return [
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
    ]


def reference(table: str, column: str, target: str, schema: str = "public") -> sa.Constraint:
    """Return a foreign key within the study."""
    return sa.ForeignKeyConstraint(
        ["study_id", column],
        [f"{schema}.{target}.study_id", f"{schema}.{target}.id"],
        name=op.f(f"fk_{table}_study_id_{column}"),
    )


def of_study(table: str) -> list[sa.Constraint]:
    """Return the key of a table and the foreign keys that every table has."""
    return [
        sa.ForeignKeyConstraint(
            ["study_id"], ["public.study.study_id"], name=op.f(f"fk_{table}_study_id")
        ),
        reference(table, "operation_id", "operation"),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f(f"pk_{table}")),
    ]


def key() -> list[sa.Column]:
    """Return the key's columns."""
    return [
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
    ]


def kind(name: str) -> sa.Column:
    """Return the column that says what is secret."""
    words = sa.Enum(*KINDS, name=name, native_enum=False, create_constraint=True, length=40)
    return sa.Column(name, words, nullable=False)


def upgrade() -> None:
    op.execute(CREATE_ROLE)
    op.execute(f"GRANT {OWNER} TO CURRENT_USER")
    op.execute(f"CREATE SCHEMA vault AUTHORIZATION {OWNER}")
    op.execute("GRANT USAGE ON SCHEMA vault TO msc_icaht_api, msc_icaht_sealer, msc_icaht_audit")
    op.execute(f"GRANT USAGE ON SCHEMA public TO {OWNER}")
    create_data_cut()
    create_access()
    create_secret()
    move_identifiers()
    create_person()
    for statement in (DISCLOSE, NOTE_MESSAGE, OWNERS):
        op.execute(statement)
    for function in FUNCTIONS:
        op.execute(f"ALTER FUNCTION {function} OWNER TO {OWNER}")
        op.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO msc_icaht_api")
    op.execute("GRANT EXECUTE ON FUNCTION vault.owners() TO msc_icaht_sealer")


def create_data_cut() -> None:
    """Make the table of data cuts."""
    op.create_table(
        "data_cut",
        *key(),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("shape", postgresql.JSONB(), nullable=False),
        sa.Column("records_digest", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        *origin(),
        sa.CheckConstraint("size > 0", name=op.f("ck_data_cut_size")),
        *of_study("data_cut"),
    )
    op.execute("SELECT guard('data_cut', 'fact')")
    let_redact("data_cut")


def let_redact(table: str) -> None:
    """Let the function that redacts look into a table and take its purpose away."""
    op.execute(f"GRANT SELECT, UPDATE (purpose) ON {table} TO msc_icaht_audit")
    op.execute(f"CREATE POLICY redacting ON {table} TO msc_icaht_audit USING (true)")


def create_access() -> None:
    """Make the table of accesses: read as every fact, written by the vault's functions only."""
    op.create_table(
        "vault_access",
        *key(),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        kind("what"),
        sa.Column("secrets", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        *origin(),
        sa.CheckConstraint(
            "(subject_id IS NULL) = (what = 'message')", name=op.f("ck_vault_access_whose")
        ),
        sa.CheckConstraint(
            "(message_id IS NULL) = (what <> 'message')", name=op.f("ck_vault_access_of_message")
        ),
        reference("vault_access", "subject_id", "subject"),
        reference("vault_access", "message_id", "inbound_message"),
        *of_study("vault_access"),
    )
    op.create_index(
        op.f("ix_vault_access_study_id_subject_id"), "vault_access", ["study_id", "subject_id"]
    )
    op.execute("SELECT guard('vault_access', 'fact')")
    op.execute(f"SELECT wall_sites('vault_access', '{OF_SITE} OR {OF_MESSAGE}')")
    op.execute("REVOKE INSERT ON vault_access FROM msc_icaht_api")
    op.execute(f"GRANT INSERT ON vault_access TO {OWNER}")
    let_redact("vault_access")
    op.execute(
        f"CREATE POLICY by_the_vault ON vault_access FOR INSERT TO {OWNER} WITH CHECK {OWN_STUDY}"
    )


def create_secret() -> None:
    """Make the table of ciphertexts, which even its owner reads in the entered studies only."""
    op.create_table(
        "secret",
        *key(),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        kind("kind"),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        *origin(),
        sa.CheckConstraint(
            "kind IN ('identifier', 'person', 'initials')", name=op.f("ck_secret_of_a_subject")
        ),
        reference("secret", "subject_id", "subject"),
        *of_study("secret"),
        schema="vault",
    )
    op.execute(
        "CREATE TRIGGER secret_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON vault.secret"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse()"
    )
    op.execute("ALTER TABLE vault.secret ENABLE ALWAYS TRIGGER secret_refuse")
    op.execute("ALTER TABLE vault.secret ENABLE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY own_study ON vault.secret FOR INSERT TO msc_icaht_api"
        f" WITH CHECK {OWN_STUDY}"
    )
    # Whose secret it is tells at which site it is.
    op.execute(f"GRANT SELECT (study_id, id, site_id) ON subject TO {OWNER}")
    op.execute(f"CREATE POLICY located ON subject FOR SELECT TO {OWNER} USING {OWN_STUDY}")
    op.execute(f"CREATE POLICY disclosed ON vault.secret FOR SELECT TO {OWNER} USING {OWN_STUDY}")
    op.execute("GRANT INSERT ON vault.secret TO msc_icaht_api")


def move_identifiers() -> None:
    """Move the identifiers into the vault, and their ciphertext out of rows and trail."""
    op.execute("ALTER TABLE subject_identifier SET SCHEMA vault")
    op.execute(MOVE_SECRETS)
    rewrite_trail(STRIP_IMAGES)
    op.drop_column("subject_identifier", "sealed", schema="vault")
    op.create_foreign_key(
        op.f("fk_subject_identifier_study_id_id"),
        "subject_identifier",
        "secret",
        ["study_id", "id"],
        ["study_id", "id"],
        source_schema="vault",
        referent_schema="vault",
    )
    op.execute("REVOKE UPDATE ON vault.subject_identifier FROM msc_icaht_api")
    op.execute("GRANT UPDATE (retracted) ON vault.subject_identifier TO msc_icaht_api")
    # Whoever restores or reads the ciphertext by SQL is held by the wall, the owner included.
    op.execute(f"ALTER TABLE vault.secret OWNER TO {OWNER}")
    op.execute("ALTER TABLE vault.secret FORCE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE vault.subject_identifier OWNER TO {OWNER}")


def create_person() -> None:
    """Make the table of who subjects are."""
    op.create_table(
        "person",
        *key(),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("identity_id", sa.Uuid(), nullable=False),
        sa.Column("initials_id", sa.Uuid(), nullable=False),
        *origin(),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        reference("person", "subject_id", "subject"),
        reference("person", "identity_id", "secret", "vault"),
        reference("person", "initials_id", "secret", "vault"),
        sa.UniqueConstraint("study_id", "subject_id", name=op.f("uq_person_study_id_subject_id")),
        *of_study("person"),
        schema="vault",
    )
    op.execute("SELECT guard('vault.person', 'record')")
    op.execute("REVOKE UPDATE ON vault.person FROM msc_icaht_api")
    op.execute("GRANT UPDATE (identity_id, initials_id) ON vault.person TO msc_icaht_api")
    op.execute(f"SELECT wall_sites('vault.person', '{OF_SITE}')")
    op.execute(f"ALTER TABLE vault.person OWNER TO {OWNER}")


def rewrite_trail(statement: str) -> None:
    """Rewrite images of the trail, which is refused at any other time."""
    op.execute("ALTER TABLE change DISABLE TRIGGER change_refuse")
    op.execute(statement)
    op.execute("ALTER TABLE change ENABLE ALWAYS TRIGGER change_refuse")


def downgrade() -> None:
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    op.drop_table("person", schema="vault")
    op.execute("ALTER TABLE vault.secret NO FORCE ROW LEVEL SECURITY")
    for table in ("subject_identifier", "secret"):
        op.execute(f"ALTER TABLE vault.{table} OWNER TO CURRENT_USER")
    op.drop_constraint(
        op.f("fk_subject_identifier_study_id_id"),
        "subject_identifier",
        schema="vault",
        type_="foreignkey",
    )
    op.execute("ALTER TABLE vault.subject_identifier SET SCHEMA public")
    return_identifiers()
    op.drop_table("secret", schema="vault")
    op.drop_index(op.f("ix_vault_access_study_id_subject_id"), table_name="vault_access")
    op.drop_table("vault_access")
    op.drop_table("data_cut")
    op.execute("DROP POLICY located ON subject")
    op.execute(f"DROP OWNED BY {OWNER}")
    op.execute(DROP_ROLE)


def return_identifiers() -> None:
    """Put the ciphertext of identifiers back into their rows and images."""
    op.execute("REVOKE UPDATE (retracted) ON subject_identifier FROM msc_icaht_api")
    op.execute("GRANT UPDATE ON subject_identifier TO msc_icaht_api")
    op.add_column("subject_identifier", sa.Column("sealed", sa.LargeBinary(), nullable=True))
    op.execute("ALTER TABLE subject_identifier DISABLE TRIGGER USER")
    op.execute(RETURN_SECRETS)
    acts = ("count_version", "write_inserts", "write_updates", "refuse")
    for function in (*acts, "check_inserts", "check_updates"):
        op.execute(
            f"ALTER TABLE subject_identifier ENABLE ALWAYS TRIGGER subject_identifier_{function}"
        )
    # The foreign keys' events have to run before the table's shape changes again.
    op.execute("SET CONSTRAINTS ALL IMMEDIATE")
    op.alter_column("subject_identifier", "sealed", nullable=False)
    rewrite_trail(RETURN_IMAGES)
