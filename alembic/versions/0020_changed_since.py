"""Find what was written in a study since a transaction: the metrics draw only that anew."""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

INDEX = "ix_operation_study_id_transaction"


def upgrade() -> None:
    """Index the operations of a study by their transaction."""
    op.create_index(op.f(INDEX), "operation", ["study_id", "transaction"])


def downgrade() -> None:
    """Drop the index."""
    op.drop_index(op.f(INDEX), "operation")
