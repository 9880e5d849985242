"""Let grants end and be confirmed by a second person, and wall the sites of a study off.

A transaction that is bound to sites sees the records of their subjects only; one that is not sees
its whole study, as before.
"""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# An end and a confirmation count from the moment they are stored, whatever the clocks say.
IN_FORCE = """
CREATE FUNCTION in_force(given role_grant, moment timestamptz) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN given.valid_from <= moment
        AND (given.valid_until IS NULL OR given.valid_until > moment)
        AND NOT EXISTS (
            SELECT FROM grant_end
            WHERE study_id = given.study_id AND grant_id = given.id
        )
        AND (
            given.granted_by IS NULL
            OR given.role NOT IN ('principal_investigator', 'administrator')
            OR EXISTS (
                SELECT FROM grant_confirmation
                WHERE study_id = given.study_id AND grant_id = given.id
            )
        );
END $$
"""
# No setting, no wall between sites: what acts for the whole study is bound to none.
CURRENT_SITES = """
CREATE FUNCTION current_sites() RETURNS uuid[] LANGUAGE sql STABLE AS $$
    SELECT nullif(current_setting('app.site_ids', true), '')::uuid[]
$$
"""
WALL_SITES = """
CREATE FUNCTION wall_sites(tab regclass, own text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'CREATE POLICY own_site ON %s AS RESTRICTIVE TO msc_icaht_api'
        ' USING ((SELECT current_sites()) IS NULL OR (%s))', tab, own);
END $$
"""
# Who enters a study is bound to no site until the grants that are found there say so.
ENTER = """
CREATE OR REPLACE FUNCTION enter(studies uuid[]) RETURNS uuid[] LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.study_ids', coalesce(studies, '{}')::text, true);
    PERFORM set_config('app.site_ids', '', true);
    RETURN studies;
END $$
"""
ENTER_BEFORE = """
CREATE OR REPLACE FUNCTION enter(studies uuid[]) RETURNS uuid[] LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.study_ids', coalesce(studies, '{}')::text, true);
    RETURN studies;
END $$
"""

OF_SITE = ("subject", "subject_identifier", "sender", "role_grant")
OF_SUBJECT = (
    "adverse_event",
    "assessment",
    "attestation",
    "concomitant_medication",
    "disposition",
    "enrolment",
    "infusion",
    "lab_result",
    "transfusion",
)
OF_SENDER = ("sender_key", "sender_profile")
OF_GRANT = ("grant_confirmation", "grant_end")
# What a person uploaded is of the sites that the person is bound to.
MESSAGES = """
    sender_id IN (SELECT id FROM sender)
    OR sender_id IS NULL AND operation_id IN (
        SELECT id FROM operation WHERE actor_id IN (
            SELECT principal_id FROM role_grant
            WHERE site_id = ANY ((SELECT current_sites())::uuid[])
        )
    )
"""
# A change is shown by the site of what changed; of the tables that no site has, by name. What is in
# none of these lists is not shown.
CHANGES = """
    CASE
        WHEN table_name = 'subject' THEN record_id IN (SELECT id FROM subject)
        WHEN table_name = 'sender' THEN record_id IN (SELECT id FROM sender)
        WHEN table_name = 'inbox_item'
            THEN (new ->> 'message_id')::uuid IN (SELECT id FROM inbound_message)
        WHEN table_name IN ('machine_client', 'sender_key')
            THEN (new ->> 'sender_id')::uuid IN (SELECT id FROM sender)
        WHEN table_name IN ('product_bag', 'product_lot') THEN true
        ELSE coalesce((new ->> 'subject_id')::uuid IN (SELECT id FROM subject), false)
    END
"""
WALLS = {
    **dict.fromkeys(OF_SITE, "site_id = ANY ((SELECT current_sites())::uuid[])"),
    **dict.fromkeys(OF_SUBJECT, "subject_id IN (SELECT id FROM subject)"),
    **dict.fromkeys(OF_SENDER, "sender_id IN (SELECT id FROM sender)"),
    **dict.fromkeys(OF_GRANT, "grant_id IN (SELECT id FROM role_grant)"),
    "dlt_adjudication": "adverse_event_id IN (SELECT id FROM adverse_event)",
    "inbound_message": MESSAGES,
    "inbox_item": "message_id IN (SELECT id FROM inbound_message)",
    "change": CHANGES,
}
FUNCTIONS = ("in_force(role_grant, timestamptz)", "wall_sites(regclass, text)", "current_sites()")


def upgrade() -> None:
    op.add_column("role_grant", sa.Column("granted_by", sa.Uuid(), nullable=True))
    op.add_column("role_grant", sa.Column("delegation_log", sa.Text(), nullable=True))
    op.add_column("role_grant", sa.Column("trained_on", sa.Date(), nullable=True))
    op.create_foreign_key(
        op.f("fk_role_grant_study_id_granted_by"),
        "role_grant",
        "principal",
        ["study_id", "granted_by"],
        ["study_id", "id"],
    )
    op.create_unique_constraint(
        op.f("uq_role_grant_study_id_id_principal_id_granted_by"),
        "role_grant",
        ["study_id", "id", "principal_id", "granted_by"],
    )
    op.create_check_constraint(
        op.f("ck_role_grant_not_to_oneself"), "role_grant", "granted_by <> principal_id"
    )
    create_confirmation()
    create_end()
    for statement in (IN_FORCE, CURRENT_SITES, WALL_SITES, ENTER):
        op.execute(statement)
    op.execute("REVOKE EXECUTE ON FUNCTION wall_sites(regclass, text) FROM PUBLIC")
    for table, own in WALLS.items():
        op.execute(sa.text("SELECT wall_sites(:tab, :own)").bindparams(tab=table, own=own))


def create_confirmation() -> None:
    """Create the table of the second administrator's confirmations."""
    op.create_table(
        "grant_confirmation",
        *key(),
        sa.Column("grant_id", sa.Uuid(), nullable=False),
        sa.Column("principal_id", sa.Uuid(), nullable=False),
        sa.Column("granted_by", sa.Uuid(), nullable=False),
        sa.Column("confirmed_by", sa.Uuid(), nullable=False),
        *origin("grant_confirmation"),
        sa.CheckConstraint(
            "confirmed_by NOT IN (granted_by, principal_id)",
            name=op.f("ck_grant_confirmation_two_persons"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "confirmed_by"],
            ["principal.study_id", "principal.id"],
            name=op.f("fk_grant_confirmation_study_id_confirmed_by"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "grant_id", "principal_id", "granted_by"],
            [
                "role_grant.study_id",
                "role_grant.id",
                "role_grant.principal_id",
                "role_grant.granted_by",
            ],
            name=op.f("fk_grant_confirmation_study_id_grant_id_principal_id_granted_by"),
        ),
        sa.UniqueConstraint(
            "study_id", "grant_id", name=op.f("uq_grant_confirmation_study_id_grant_id")
        ),
    )
    op.execute("SELECT guard('grant_confirmation', 'fact')")


def create_end() -> None:
    """Create the table of what ended before its time."""
    op.create_table(
        "grant_end",
        *key(),
        sa.Column("grant_id", sa.Uuid(), nullable=False),
        sa.Column("ended_by", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        *origin("grant_end"),
        sa.ForeignKeyConstraint(
            ["study_id", "ended_by"],
            ["principal.study_id", "principal.id"],
            name=op.f("fk_grant_end_study_id_ended_by"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "grant_id"],
            ["role_grant.study_id", "role_grant.id"],
            name=op.f("fk_grant_end_study_id_grant_id"),
        ),
        sa.UniqueConstraint("study_id", "grant_id", name=op.f("uq_grant_end_study_id_grant_id")),
    )
    op.execute("SELECT guard('grant_end', 'fact')")


def key() -> tuple[sa.Column, sa.Column]:
    """Return the key that every row of a study has."""
    return sa.Column("study_id", sa.Uuid(), nullable=False), sa.Column(
        "id", sa.Uuid(), nullable=False
    )


def origin(table: str) -> tuple[sa.SchemaItem, ...]:
    """Return what says which operation wrote a row and when, with the keys of every table."""
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
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f(f"pk_{table}")),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f(f"fk_{table}_study_id")
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "operation_id"],
            ["operation.study_id", "operation.id"],
            name=op.f(f"fk_{table}_study_id_operation_id"),
        ),
    )


def downgrade() -> None:
    for table in WALLS:
        op.execute(f"DROP POLICY own_site ON {table}")
    op.execute(ENTER_BEFORE)
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    op.drop_table("grant_end")
    op.drop_table("grant_confirmation")
    op.drop_constraint(op.f("ck_role_grant_not_to_oneself"), "role_grant", type_="check")
    op.drop_constraint(
        op.f("uq_role_grant_study_id_id_principal_id_granted_by"), "role_grant", type_="unique"
    )
    op.drop_constraint(op.f("fk_role_grant_study_id_granted_by"), "role_grant", type_="foreignkey")
    for column in ("trained_on", "delegation_log", "granted_by"):
        op.drop_column("role_grant", column)
