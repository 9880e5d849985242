"""Reference ranges by laboratory, analyte, sex and age, with effective dates."""

from __future__ import annotations

import re

import sqlalchemy as sa

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

RANGE, RETRACTION = "reference_range", "range_retraction"
# Free text in which a person can be named.
OWN_TEXT = [f"{RETRACTION}.reason"]
FREE_TEXT = "ck_redaction_request_free_text"
CHECK_UNUSED = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM reference_range) THEN
        RAISE EXCEPTION 'reference ranges were recorded: records are kept'
            USING ERRCODE = '55000';
    END IF;
END $$
"""


def upgrade() -> None:
    create_range()
    create_retraction()
    for table in (RANGE, RETRACTION):
        op.execute(f"SELECT guard('{table}', 'fact')")
    op.execute(f"GRANT UPDATE (reason) ON {RETRACTION} TO msc_icaht_audit")
    op.execute(f"GRANT SELECT ON {RETRACTION} TO msc_icaht_audit")
    op.execute(f"CREATE POLICY redacting ON {RETRACTION} TO msc_icaht_audit USING (true)")
    name_free_text([*free_text(), *OWN_TEXT])


def create_range() -> None:
    """Make the table of the versions of ranges."""
    sex = sa.Enum(
        "female", "male", name="sex", native_enum=False, create_constraint=True, length=40
    )
    limits = ("low", "high", "lln", "uln")
    op.create_table(
        RANGE,
        *keys(),
        sa.Column("laboratory", sa.Text(), nullable=False),
        sa.Column("analyte", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sex", sex, nullable=True),
        sa.Column("age_from", sa.Integer(), nullable=True),
        sa.Column("age_to", sa.Integer(), nullable=True),
        sa.Column("unit", sa.Text(), nullable=True),
        *(sa.Column(name, sa.Numeric(24, 9), nullable=True) for name in limits),
        sa.Column("effective_from", sa.Date(), nullable=False),
        *origin(),
        check(RANGE, "number", "number > 0"),
        check(RANGE, "has_limit", "num_nonnulls(low, high) > 0"),
        check(RANGE, "lln", "(low IS NULL) = (lln IS NULL)"),
        check(RANGE, "uln", "(high IS NULL) = (uln IS NULL)"),
        check(RANGE, "ages", "age_from >= 0 AND age_to >= coalesce(age_from, 0)"),
        sa.UniqueConstraint(
            "study_id",
            "laboratory",
            "analyte",
            "number",
            name=op.f(f"uq_{RANGE}_study_id_laboratory_analyte_number"),
        ),
        *references(RANGE),
    )


def create_retraction() -> None:
    """Make the table that says which ranges count no more."""
    op.create_table(
        RETRACTION,
        *keys(),
        sa.Column("reference_range_id", sa.Uuid(), nullable=False),
        sa.Column("from_day", sa.Date(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        *origin(),
        check(RETRACTION, "reason", "btrim(reason) <> ''"),
        *references(RETRACTION, reference_range_id=RANGE),
    )
    whole = ["study_id", "reference_range_id"]
    op.create_index(op.f(f"ix_{RETRACTION}_{'_'.join(whole)}"), RETRACTION, whole)


def check(table: str, name: str, condition: str) -> sa.CheckConstraint:
    """Return a check of a table."""
    return sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{name}"))


def keys() -> tuple[sa.Column, ...]:
    """Return the columns of a row's key."""
    return (
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
    )


def origin() -> tuple[sa.Column, ...]:
    """Return the columns that say by which operation a row was recorded, and when."""
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


def references(table: str, **targets: str) -> tuple[sa.Constraint, ...]:
    """Return the keys of a table, each reference within its own study."""
    return (
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f(f"fk_{table}_study_id")
        ),
        *(
            sa.ForeignKeyConstraint(
                ["study_id", column],
                [f"{target}.study_id", f"{target}.id"],
                name=op.f(f"fk_{table}_study_id_{column}"),
            )
            for column, target in {"operation_id": "operation", **targets}.items()
        ),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f(f"pk_{table}")),
    )


def free_text() -> list[str]:
    """Read what a redaction may take away so far."""
    definition = op.get_bind().scalar(
        sa.text("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = :name"),
        {"name": FREE_TEXT},
    )
    return re.findall(r"'([a-z_]+\.[a-z_.]+)'", definition)


def name_free_text(targets: list[str]) -> None:
    """Let a redaction ask for these and nothing else."""
    op.drop_constraint(op.f(FREE_TEXT), "redaction_request", type_="check")
    words = ", ".join(f"'{target}'" for target in targets)
    op.create_check_constraint(
        op.f(FREE_TEXT), "redaction_request", f"record_type || '.' || field IN ({words})"
    )


def downgrade() -> None:
    op.execute(CHECK_UNUSED)
    name_free_text([target for target in free_text() if target not in OWN_TEXT])
    op.drop_table(RETRACTION)
    op.drop_table(RANGE)
