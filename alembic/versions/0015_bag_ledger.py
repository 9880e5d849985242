"""The ledger of bags: every step of every bag, append-only.

Of a bag that is here already the ledger begins with its next step. What is done with the
bags of a subject whose casebook is closed is refused, as of the bags themselves.
"""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

STEPS = (
    "opened", "registered", "recounted", "allocated", "returned", "checked", "infused",
    "infusion_retracted", "remainder_discarded", "discarded",
)  # fmt: skip
STATUSES = ("available", "allocated", "infused", "discarded")
METHODS = ("scan", "two_person")
# Whoever goes back loses no line: they wait where no service looks, while the bags are here.
KEEP = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM bag_movement) THEN
        CREATE SCHEMA kept_0015;
        CREATE TABLE kept_0015.bag_movement AS TABLE bag_movement;
    END IF;
END $$
"""
RESTORE = """
DO $$ BEGIN
    IF to_regnamespace('kept_0015') IS NOT NULL THEN
        INSERT INTO bag_movement SELECT kept.* FROM kept_0015.bag_movement kept
        JOIN product_bag bag ON bag.study_id = kept.study_id AND bag.id = kept.bag_id;
        DROP SCHEMA kept_0015 CASCADE;
    END IF;
END $$
"""
# A step of no infusion is of no site, as the bag is.
OF_SITE = "infusion_id IS NULL OR infusion_id IN (SELECT id FROM infusion)"
REFERENCING = {
    "INSERT": "REFERENCING NEW TABLE AS new_rows",
    "UPDATE": "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
}
# As for the other tables of a casebook: a redaction is no change (migration 0011).
UNLESS_REDACTED = {"INSERT": "", "UPDATE": "WHEN (current_user <> 'msc_icaht_audit')"}


def upgrade() -> None:
    create_table()
    op.execute("SELECT guard('bag_movement', 'fact')")
    op.execute(f"SELECT wall_sites('bag_movement', '{OF_SITE}')")
    # Before the casebooks' wall stands: nothing new is said of anybody.
    op.execute(RESTORE)
    for event, rows in REFERENCING.items():
        name = f"bag_movement_lock_{event.lower()}s"
        op.execute(
            f"CREATE TRIGGER {name} AFTER {event} ON bag_movement {rows} FOR EACH STATEMENT"
            f" {UNLESS_REDACTED[event]} EXECUTE FUNCTION lock_casebook_of_product_bag()"
        )
        op.execute(f"ALTER TABLE bag_movement ENABLE ALWAYS TRIGGER {name}")


def create_table() -> None:
    """Create the table of movements."""
    op.create_table(
        "bag_movement",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("bag_id", sa.Uuid(), nullable=False),
        sa.Column("step", word("step", STEPS), nullable=False),
        sa.Column("status_after", word("status_after", STATUSES), nullable=False),
        sa.Column("infusion_id", sa.Uuid(), nullable=True),
        sa.Column("volume_ml", sa.Numeric(24, 9), nullable=False),
        sa.Column("method", word("method", METHODS), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(step = 'checked') = (method IS NOT NULL)"
            " AND (step = 'checked') = (checked_at IS NOT NULL)",
            name=op.f("ck_bag_movement_of_a_check"),
        ),
        sa.CheckConstraint(
            "(step IN ('allocated', 'returned', 'checked', 'infused', 'infusion_retracted'))"
            " <= (infusion_id IS NOT NULL)",
            name=op.f("ck_bag_movement_infusion_by_step"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f("fk_bag_movement_study_id")
        ),
        *(
            sa.ForeignKeyConstraint(
                ["study_id", column],
                [f"{target}.study_id", f"{target}.id"],
                name=op.f(f"fk_bag_movement_study_id_{column}"),
            )
            for column, target in (
                ("operation_id", "operation"),
                ("bag_id", "product_bag"),
                ("infusion_id", "infusion"),
            )
        ),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_bag_movement")),
    )
    for column in ("bag_id", "infusion_id"):
        op.create_index(
            op.f(f"ix_bag_movement_study_id_{column}"), "bag_movement", ["study_id", column]
        )


def word(name: str, words: tuple[str, ...]) -> sa.Enum:
    """Return the column type of a vocabulary word."""
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)


def downgrade() -> None:
    op.execute(KEEP)
    op.drop_table("bag_movement")
