"""What the claim asks of every borrower it is about to dial has indexes of its own: whether he calls us now, from this
number too, and when we abandoned him last."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_call_attempts_live_in_number", "call_attempts", ["number"],
        postgresql_where=sa.text("ended_at IS NULL AND direction = 'in'"),
    )  # fmt: skip
    op.create_index(
        "ix_contact_ledger_abandoned", "contact_ledger", ["person_id", "at"],
        postgresql_where=sa.text("abandoned OR (uncertain AND state = 'COMMITTED')"),
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("ix_contact_ledger_abandoned", table_name="contact_ledger")
    op.drop_index("ix_call_attempts_live_in_number", table_name="call_attempts")
